#include "mappers/provide_bundle.h"

#include <assert.h>
#include <inttypes.h>

#include "mappers/association.h"
#include "mappers/base/hex.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/uuid.h"
#include "mappers/document_entry.h"
#include "mappers/fhir_mark.h"
#include "mappers/fhir_read.h"
#include "mappers/identifier.h"
#include "mappers/list_resource.h"
#include "mappers/provide_fill.h"
#include "mappers/provide_read.h"
#include "mappers/uri_authority.h"

struct mapping {
	const struct provide_bundle *bundle;
	const struct provide_rules *rules;
	const struct provide_resolved *resolved;
	struct arena *arena;
	struct metadata *metadata;
	struct provide_document *documents;
	struct outcome *outcome;
	struct str patient_id;
	size_t uuid_next;
	size_t folder_next; /* of metadata->folders */
};

/* What the codecs ask when they meet a reference. */
struct resolver {
	const struct mapping *mapping;
	size_t entry;
};

static const json_t *resolve(const void *resolver, struct str reference)
{
	const struct resolver *self = resolver;

	return provide_lookup(self->mapping->bundle, self->mapping->rules->base, self->entry, reference,
			      self->mapping->arena);
}

static struct fhir_context context_of(const struct mapping *mapping, const struct resolver *resolver)
{
	return (struct fhir_context) {
		.path = provide_path(mapping->arena, "%s.resource", mapping->bundle->entries[resolver->entry].path),
		.patient_id = mapping->patient_id,
		.default_offset_minutes = mapping->rules->default_offset_minutes,
		.resolve = resolve,
		.resolver = resolver,
	};
}

static struct str fresh_uuid(struct mapping *mapping)
{
	assert(mapping->uuid_next < mapping->bundle->uuid_count);
	return mapping->resolved->uuids[mapping->uuid_next++];
}

/* The UUID that the client chose (TF-3 4.2.3.2.7, 4.2.3.3.5, 4.2.3.4.4) in lower case, where it may, or one of ours. */
static bool fix_uuid(struct mapping *mapping, struct str *entry_uuid)
{
	struct str fresh = fresh_uuid(mapping);
	unsigned char bytes[16];
	char text[UUID_URN_SIZE];

	if (mapping->rules->own_uuids || !uuid_valid(*entry_uuid) || !uuid_read(*entry_uuid, bytes)) {
		*entry_uuid = fresh;
		return true;
	}
	uuid_write(bytes, text);
	*entry_uuid = arena_copy(mapping->arena, str_from_c(text));
	return entry_uuid->data || provide_no_memory(mapping->outcome);
}

/* "2.25." and the UUID in decimal, for a List without a uniqueId, which XDS requires. ITU-T X.667 */
static bool fresh_oid(struct mapping *mapping, struct str *oid)
{
	char text[UUID_OID_SIZE];

	if (oid->size)
		return true;
	if (!uuid_to_oid(fresh_uuid(mapping), text))
		return outcome_add(mapping->outcome, ERR_INTERNAL, "", "Report this to the operator of the gateway.");
	*oid = arena_copy(mapping->arena, str_from_c(text));
	return oid->data || provide_no_memory(mapping->outcome);
}

static enum metadata_level level_of(enum provide_profile profile)
{
	switch (profile) {
	case PROVIDE_MINIMAL:
		return LEVEL_MINIMAL;
	case PROVIDE_COMPREHENSIVE:
		return LEVEL_COMPREHENSIVE;
	case PROVIDE_UNCONTAINED:
		return LEVEL_UNCONTAINED;
	}
	return LEVEL_COMPREHENSIVE;
}

static bool is_limited(const struct mapping *mapping)
{
	return mapping->bundle->profile == PROVIDE_MINIMAL && mapping->rules->limited_metadata;
}

static bool is_filled(const struct mapping *mapping)
{
	return mapping->bundle->profile == PROVIDE_MINIMAL && mapping->rules->fill_minimal && !is_limited(mapping);
}

/* --- one patient --- */

/* An identifier that a claim has in the patient's own domain must be the patient's. */
static bool claim_agrees(const struct patient_claim *claim, const struct hl7_cx *patient)
{
	bool other = false;

	for (size_t i = 0; i < claim->identifier_count; i++) {
		struct hl7_hd authority = authority_from_system(claim->identifiers[i].system);

		if (claim->identifiers[i].system.size == 0 ||
		    !str_equal(authority.universal_id, patient->authority.universal_id))
			continue;
		if (str_equal(claim->identifiers[i].value, patient->id))
			return true;
		other = true;
	}
	return !other;
}

static bool check_patient(struct mapping *mapping)
{
	const struct provide_bundle *bundle = mapping->bundle;
	struct hl7_cx patient;

	mapping->patient_id = mapping->resolved->patient_ids[0];
	if (!hl7_cx_parse(mapping->patient_id, mapping->arena, &patient))
		return provide_no_memory(mapping->outcome);
	for (size_t i = 0; i < bundle->claim_count; i++) {
		if (!str_equal(mapping->resolved->patient_ids[i], mapping->patient_id) ||
		    !claim_agrees(&bundle->claims[i], &patient))
			return outcome_add(mapping->outcome, ERR_RULE, bundle->claims[i].path,
					   "Publish for one patient per Bundle; this subject is not the one of the "
					   "others.");
	}
	return true;
}

static bool is_ours(const json_t *extension)
{
	struct str url = fhir_string(extension, "url");

	return str_starts_with(url, STR(IHE_MHD_BASE)) ||
	       str_starts_with(url, STR("http://profiles.ihe.net/ITI/MHD/")) ||
	       str_starts_with(url, STR("urn:passerelle:"));
}

/* What a client may count on and XDS has no place for is not lost without a word. */
static void tell_left_out(struct mapping *mapping, const char *path, const json_t *resource)
{
	static const char left_out[] = "XDS has no place for this: it was not kept.";
	const json_t *extensions = json_object_get(resource, "extension");

	if (json_object_get(json_object_get(resource, "meta"), "security"))
		outcome_inform(mapping->outcome, ERR_NOT_SUPPORTED,
			       provide_path(mapping->arena, "%s.meta.security", path), "%s", left_out);
	for (size_t i = 0; i < json_array_size(extensions); i++) {
		if (is_ours(json_array_get(extensions, i)))
			continue;
		outcome_inform(mapping->outcome, ERR_NOT_SUPPORTED,
			       provide_path(mapping->arena, "%s.extension[%zu]", path, i), "%s", left_out);
		return; /* one stands for all */
	}
}

/* --- objects --- */

static bool map_document(struct mapping *mapping, size_t index)
{
	const struct provide_document_plan *plan = &mapping->bundle->documents[index];
	struct document_entry *entry = &mapping->metadata->document_entries[index];
	struct resolver resolver = { mapping, plan->entry };
	struct fhir_context context = context_of(mapping, &resolver);
	enum metadata_level level = level_of(mapping->bundle->profile);

	if (!document_entry_from_fhir(mapping->bundle->entries[plan->entry].resource, &context, mapping->arena, entry,
				      mapping->outcome))
		return false;
	if (!uri_authority_hide(&document_entry_table, entry, mapping->arena))
		return provide_no_memory(mapping->outcome);
	if (!document_entry_validate(entry, level, context.path, mapping->outcome))
		return false;
	if (!fix_uuid(mapping, &entry->entry_uuid))
		return false;
	tell_left_out(mapping, context.path, mapping->bundle->entries[plan->entry].resource);
	entry->patient_id = mapping->patient_id;
	entry->availability_status = STR_NONE; /* the registry's to say, TF-3 4.2.3.2.2 */
	entry->limited_metadata = is_limited(mapping);
	if (is_filled(mapping) && !provide_fill_document(mapping->rules->defaults, mapping->resolved->now, context.path,
							 mapping->arena, entry, mapping->outcome))
		return false;
	if (!provide_fill_institution(mapping->rules, context.path, mapping->arena, entry, mapping->outcome))
		return false;
	if (!provide_check_source_patient(entry,
					  provide_path(mapping->arena, "%s.context.sourcePatientInfo", context.path),
					  mapping->arena, mapping->outcome))
		return false;
	if ((mapping->bundle->profile != PROVIDE_MINIMAL || is_filled(mapping)) &&
	    !provide_fill_source_patient(context.path, mapping->arena, entry, mapping->outcome))
		return false;
	return (is_limited(mapping) || document_entry_validate(entry, LEVEL_XDS, context.path, mapping->outcome)) &&
	       code_sets_check(mapping->rules->code_sets, &document_entry_table, entry, NULL, context.path,
			       mapping->outcome);
}

static bool map_submission_set(struct mapping *mapping)
{
	struct submission_set *set = &mapping->metadata->submission_sets[0];
	struct resolver resolver = { mapping, mapping->bundle->submission_set };
	struct fhir_context context = context_of(mapping, &resolver);
	enum metadata_level level = level_of(mapping->bundle->profile);

	if (!submission_set_from_fhir(mapping->bundle->entries[resolver.entry].resource, &context, mapping->arena, set,
				      mapping->outcome))
		return false;
	if (!uri_authority_hide(&submission_set_table, set, mapping->arena))
		return provide_no_memory(mapping->outcome);
	if (!submission_set_validate(set, level, context.path, mapping->outcome))
		return false;
	if (!fix_uuid(mapping, &set->entry_uuid))
		return false;
	tell_left_out(mapping, context.path, mapping->bundle->entries[resolver.entry].resource);
	set->patient_id = mapping->patient_id;
	set->availability_status = STR_NONE;
	set->limited_metadata = is_limited(mapping);
	if (!fresh_oid(mapping, &set->unique_id))
		return false;
	if (is_filled(mapping))
		provide_fill_submission_set(mapping->rules->defaults, context.path, set, mapping->outcome);
	return (is_limited(mapping) || submission_set_validate(set, LEVEL_XDS, context.path, mapping->outcome)) &&
	       code_sets_check(mapping->rules->code_sets, &submission_set_table, set, NULL, context.path,
			       mapping->outcome);
}

static bool map_folder(struct mapping *mapping, size_t index)
{
	const struct provide_folder_plan *plan = &mapping->bundle->folders[index];
	struct folder *folder = &mapping->metadata->folders[mapping->folder_next];
	struct resolver resolver = { mapping, plan->entry };
	struct fhir_context context = context_of(mapping, &resolver);
	enum metadata_level level = level_of(mapping->bundle->profile);

	if (plan->exists)
		return true;
	if (!folder_from_fhir(mapping->bundle->entries[plan->entry].resource, &context, mapping->arena, folder,
			      mapping->outcome) ||
	    !folder_validate(folder, level, context.path, mapping->outcome))
		return false;
	if (!fix_uuid(mapping, &folder->entry_uuid))
		return false;
	tell_left_out(mapping, context.path, mapping->bundle->entries[plan->entry].resource);
	folder->patient_id = mapping->patient_id;
	folder->availability_status = STR_NONE;
	folder->limited_metadata = is_limited(mapping);
	if (!fresh_oid(mapping, &folder->unique_id))
		return false;
	if (is_filled(mapping) &&
	    !provide_fill_folder(mapping->rules->defaults, context.path, mapping->arena, folder, mapping->outcome))
		return false;
	mapping->folder_next++;
	return (is_limited(mapping) || folder_validate(folder, LEVEL_XDS, context.path, mapping->outcome)) &&
	       code_sets_check(mapping->rules->code_sets, &folder_table, folder, NULL, context.path, mapping->outcome);
}

/* --- associations, TF-3 4.2.2 --- */

static struct str associate(struct mapping *mapping, enum association_type type, struct str source, struct str target,
			    struct str status)
{
	struct association *association = &mapping->metadata->associations[mapping->metadata->association_count++];

	*association = (struct association) { .id = fresh_uuid(mapping),
					      .type = type,
					      .type_urn = association_urn(type),
					      .source = source,
					      .target = target,
					      .submission_set_status = status };
	return association->id;
}

static bool is_listed(const struct strs *uuids, struct str uuid)
{
	for (size_t i = 0; uuids && i < uuids->count; i++) {
		if (str_equal_nocase(uuids->items[i], uuid))
			return true;
	}
	return false;
}

static bool is_associated(const struct metadata *metadata, struct str source, struct str target)
{
	for (size_t i = 0; i < metadata->association_count; i++) {
		if (str_equal_nocase(metadata->associations[i].source, source) &&
		    str_equal_nocase(metadata->associations[i].target, target))
			return true;
	}
	return false;
}

/* FD-DE, and SS-HM that says who put it there. */
static void add_member(struct mapping *mapping, struct str folder, struct str document)
{
	struct str set = mapping->metadata->submission_sets[0].entry_uuid;

	associate(mapping, ASSOCIATION_HAS_MEMBER, set,
		  associate(mapping, ASSOCIATION_HAS_MEMBER, folder, document, STR_NONE), STR_NONE);
}

/* A PUT adds what is new in it; that it leaves something out, or says the title anew, changes nothing. */
static void warn_of_update(struct mapping *mapping, const struct provide_folder_plan *plan, const struct strs *present,
			   const struct str *uuids)
{
	const struct provide_entry *entry = &mapping->bundle->entries[plan->entry];
	size_t kept = 0;

	for (size_t i = 0; i < plan->members.target_count; i++)
		kept += is_listed(present, uuids[plan->members.targets[i]]) ? 1 : 0;
	if (present && kept < present->count)
		outcome_warn(mapping->outcome, ERR_NOT_SUPPORTED, entry->path,
			     "Members that the List leaves out stay in the folder; they cannot be removed this way.");
	outcome_inform(mapping->outcome, ERR_NONE, entry->path,
		       "Members were added; title, codes and text of the folder stay as they are.");
}

static void associate_folder(struct mapping *mapping, size_t index, struct str folder_uuid)
{
	const struct provide_folder_plan *plan = &mapping->bundle->folders[index];
	const struct str *uuids = mapping->resolved->target_uuids;
	const struct strs *present =
		plan->exists && mapping->resolved->folder_members ? &mapping->resolved->folder_members[index] : NULL;

	for (size_t i = 0; i < plan->members.document_count; i++)
		add_member(mapping, folder_uuid,
			   mapping->metadata->document_entries[plan->members.documents[i]].entry_uuid);
	for (size_t i = 0; i < plan->members.target_count; i++) {
		struct str uuid = uuids[plan->members.targets[i]];

		if (!is_listed(present, uuid) && !is_associated(mapping->metadata, folder_uuid, uuid))
			add_member(mapping, folder_uuid, uuid);
	}
	if (plan->exists)
		warn_of_update(mapping, plan, present, uuids);
}

static void associate_all(struct mapping *mapping)
{
	const struct provide_bundle *bundle = mapping->bundle;
	struct metadata *metadata = mapping->metadata;
	struct str set = metadata->submission_sets[0].entry_uuid;
	size_t folder = 0;

	for (size_t i = 0; i < bundle->document_count; i++)
		associate(mapping, ASSOCIATION_HAS_MEMBER, set, metadata->document_entries[i].entry_uuid,
			  STR("Original"));
	for (size_t i = 0; i < bundle->references.target_count; i++) {
		struct str uuid = mapping->resolved->target_uuids[bundle->references.targets[i]];

		if (!is_associated(metadata, set, uuid))
			associate(mapping, ASSOCIATION_HAS_MEMBER, set, uuid, STR("Reference"));
	}
	for (size_t i = 0; i < bundle->folder_count; i++) {
		struct str uuid = bundle->folders[i].exists ? mapping->resolved->target_uuids[bundle->folders[i].target]
							    : metadata->folders[folder++].entry_uuid;

		if (!bundle->folders[i].exists)
			associate(mapping, ASSOCIATION_HAS_MEMBER, set, uuid, STR_NONE);
		associate_folder(mapping, i, uuid);
	}
	for (size_t i = 0; i < bundle->document_count; i++) {
		for (size_t j = 0; j < bundle->documents[i].relation_count; j++) {
			const struct provide_relation *relation = &bundle->documents[i].relations[j];

			associate(mapping, relation->type, metadata->document_entries[i].entry_uuid,
				  relation->in_bundle ? metadata->document_entries[relation->index].entry_uuid
						      : mapping->resolved->target_uuids[relation->index],
				  STR_NONE);
		}
	}
}

/* Of two ways to name a document that nobody can look up now, it is said when it is delivered whether it is one. */
static bool may_be_same(struct str a, struct str b)
{
	return str_equal_nocase(a, b) || uuid_valid(a) != uuid_valid(b);
}

/* A PATCH must supersede what a document of the Bundle replaces. */
static bool check_updates(struct mapping *mapping)
{
	const struct metadata *metadata = mapping->metadata;
	bool good = true;

	for (size_t i = 0; i < mapping->bundle->entry_count; i++) {
		const struct provide_entry *entry = &mapping->bundle->entries[i];
		bool replaced = entry->role != ROLE_STATUS_UPDATE;

		for (size_t j = 0; !replaced && j < metadata->association_count; j++) {
			const struct association *association = &metadata->associations[j];

			replaced = association_replaces(association->type) &&
				   may_be_same(association->target, mapping->resolved->target_uuids[entry->target]);
		}
		if (!replaced)
			good = outcome_add(mapping->outcome, ERR_NOT_SUPPORTED, entry->path,
					   "Supersede a document only together with one that replaces it (relatesTo).");
	}
	return good;
}

/* --- the whole --- */

/* A registry refuses one uniqueId twice in a submission (XDSRegistryDuplicateUniqueIdInMessage). */
static bool check_unique_ids(struct mapping *mapping)
{
	const struct metadata *metadata = mapping->metadata;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (str_equal(metadata->document_entries[i].unique_id, metadata->document_entries[j].unique_id))
				return outcome_add(mapping->outcome, ERR_DUPLICATE_IN_BODY,
						   provide_path(mapping->arena, "%s.resource.masterIdentifier",
								mapping->bundle
									->entries[mapping->bundle->documents[i].entry]
									.path),
						   "Give each document a uniqueId of its own.");
		}
	}
	return true;
}

static bool allocate(struct mapping *mapping)
{
	const struct provide_bundle *bundle = mapping->bundle;
	struct metadata *metadata = mapping->metadata;

	metadata->submission_sets = arena_array(mapping->arena, 1, sizeof *metadata->submission_sets);
	metadata->document_entries =
		arena_array(mapping->arena, bundle->document_count, sizeof *metadata->document_entries);
	metadata->folders = arena_array(mapping->arena, bundle->folder_count, sizeof *metadata->folders);
	metadata->associations = arena_array(mapping->arena, bundle->uuid_count, sizeof *metadata->associations);
	mapping->documents = arena_array(mapping->arena, bundle->document_count, sizeof *mapping->documents);
	return (metadata->submission_sets && metadata->document_entries && metadata->folders &&
		metadata->associations && mapping->documents) ||
	       provide_no_memory(mapping->outcome);
}

/* Where the bytes are, and what the attachment said of them. */
static struct provide_document source_of(const struct mapping *mapping, size_t index)
{
	const struct provide_document_plan *plan = &mapping->bundle->documents[index];
	const struct document_entry *entry = &mapping->metadata->document_entries[index];
	const json_t *data = json_object_get(mapping->bundle->entries[plan->binary].resource, "data");
	struct provide_document document = {
		.content_type = entry->mime_type,
		.claimed_hash = entry->hash,
		.claimed_size = entry->size,
		.path = provide_path(mapping->arena, "%s.resource.content[0].attachment",
				     mapping->bundle->entries[plan->entry].path),
	};

	document.is_cut = fhir_cut_index(data, &document.cut_index);
	if (!document.is_cut)
		document.inline_base64 = fhir_text(data);
	return document;
}

bool provide_bundle_map(const struct provide_bundle *bundle, const struct provide_rules *rules,
			const struct provide_resolved *resolved, struct arena *arena, struct metadata *metadata,
			struct provide_document **documents, struct outcome *outcome)
{
	struct metadata built = { .submission_set_count = 1, .document_entry_count = bundle->document_count };
	struct mapping mapping = { .bundle = bundle,
				   .rules = rules,
				   .resolved = resolved,
				   .arena = arena,
				   .metadata = &built,
				   .outcome = outcome };
	bool good;

	if (!check_patient(&mapping) || !allocate(&mapping))
		return false;
	good = map_submission_set(&mapping);
	for (size_t i = 0; i < bundle->document_count; i++)
		good = map_document(&mapping, i) && good;
	for (size_t i = 0; i < bundle->folder_count; i++)
		good = map_folder(&mapping, i) && good;
	if (!good || !check_unique_ids(&mapping))
		return false;
	built.folder_count = mapping.folder_next;
	associate_all(&mapping);
	if (!check_updates(&mapping))
		return false;
	for (size_t i = 0; i < bundle->document_count; i++)
		mapping.documents[i] = source_of(&mapping, i);
	*metadata = built;
	*documents = mapping.documents;
	return true;
}

bool provide_document_verify(const struct provide_document *document, const unsigned char sha1[20], uint64_t size,
			     struct arena *arena, struct document_entry *entry, struct outcome *outcome)
{
	char hash[40];
	struct str hash_text;
	struct str size_text = arena_printf(arena, "%" PRIu64, size);

	hex_write(sha1, 20, hash);
	hash_text = arena_copy(arena, (struct str) { hash, sizeof hash });
	if (!hash_text.data || !size_text.data)
		return provide_no_memory(outcome);
	if (size == 0)
		return outcome_add(outcome, ERR_DOCUMENT_MISSING, document->path,
				   "Send a document that is not empty; documents cannot be assembled later here.");
	if (document->claimed_hash.size && !str_equal_nocase(document->claimed_hash, hash_text))
		return outcome_add(outcome, ERR_RULE, document->path,
				   "Make attachment.hash the base64 of the SHA-1 of the document's bytes, or leave it "
				   "out.");
	if (document->claimed_size.size && !str_equal(document->claimed_size, size_text))
		return outcome_add(outcome, ERR_RULE, document->path,
				   "Make attachment.size the number of bytes of the document, or leave it out.");
	entry->hash = hash_text;
	entry->size = size_text;
	return true;
}
