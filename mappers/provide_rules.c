#include "mappers/provide_read.h"

#include "mappers/association.h"
#include "mappers/base/uuid.h"
#include "mappers/content_type.h"
#include "mappers/fhir_mark.h"
#include "mappers/list_resource.h"

#define ITEMS_MAX     10000 /* of List.entry */
#define RELATIONS_MAX 100   /* of one DocumentReference */
#define PERSONS_MAX   200   /* of one element */

#define EXTENSION_AUTHOR_ORG "ihe-authorOrg"
#define EXTENSION_RECIPIENT  "ihe-intendedRecipient"

static const char *path_in(struct provide_reading *reading, size_t entry, const char *element)
{
	return provide_path(reading->arena, "%s.resource.%s", reading->out->entries[entry].path, element);
}

/* --- patient --- */

static bool add_identifier(struct patient_claim *claim, const json_t *identifier)
{
	struct patient_identifier found = { fhir_text(json_object_get(identifier, "system")),
					    fhir_text(json_object_get(identifier, "value")) };

	/* after a merge the identifiers that are gone stay, so marked */
	if (str_equal(fhir_text(json_object_get(identifier, "use")), STR("old")))
		return true;
	if (found.value.size && claim->identifier_count < PATIENT_IDENTIFIERS_MAX)
		claim->identifiers[claim->identifier_count++] = found;
	return true;
}

static void claim_resource(struct patient_claim *claim, const json_t *patient)
{
	const json_t *identifiers = json_object_get(patient, "identifier");

	claim->resource = patient;
	for (size_t i = 0; i < json_array_size(identifiers) && i < PATIENT_IDENTIFIERS_MAX; i++)
		add_identifier(claim, json_array_get(identifiers, i));
}

/* A Patient that is only asked for (GET) is named by the URL of its request. */
static void claim_entry(struct provide_reading *reading, struct patient_claim *claim, const struct provide_entry *entry)
{
	struct provide_target target = { 0 };

	if (entry->resource)
		claim_resource(claim, entry->resource);
	else if (provide_target_of_url(reading->rules->base, entry->url, STR("Patient"), reading->arena, &target) &&
		 target.kind == TARGET_OWN_ID)
		claim->own_id = target.value;
	else if (str_starts_with(entry->url, STR("http://")) || str_starts_with(entry->url, STR("https://")))
		claim->url = entry->url;
}

static bool claim_reference(struct provide_reading *reading, size_t entry, struct str text, struct patient_claim *claim)
{
	struct provide_reference found;

	if (!provide_resolve(reading->out, reading->rules->base, entry, text, reading->arena, &found))
		return provide_no_memory(reading->outcome);
	switch (found.kind) {
	case REFERENCE_CONTAINED:
		if (str_equal(provide_resource_type(found.resource), STR("Patient")))
			claim_resource(claim, found.resource);
		break;
	case REFERENCE_ENTRY:
		if (reading->out->entries[found.entry].role == ROLE_PATIENT)
			claim_entry(reading, claim, &reading->out->entries[found.entry]);
		break;
	case REFERENCE_OWN:
		if (str_equal(found.type, STR("Patient")))
			claim->own_id = found.id;
		break;
	case REFERENCE_URL:
		if (str_equal(found.type, STR("Patient")))
			claim->url = found.url;
		break;
	case REFERENCE_UNKNOWN:
		break;
	}
	if (claim->resource || claim->own_id.data || claim->url.data || claim->identifier_count)
		return true;
	return outcome_add(reading->outcome, ERR_REFERENCE_UNRESOLVED, claim->path,
			   "Refer to a Patient: by identifier, in the Bundle, contained, or by a URL that this gateway "
			   "reads.");
}

static bool read_claim(struct provide_reading *reading, size_t entry, const json_t *subject, const char *path)
{
	struct str text = fhir_text(json_object_get(subject, "reference"));
	struct patient_claim claim = { .path = path };

	if (!subject)
		return true; /* one subject is enough for a Minimal Bundle; the profiles that want all are checked later */
	claim.identifiers = arena_array(reading->arena, PATIENT_IDENTIFIERS_MAX + 1, sizeof *claim.identifiers);
	if (!claim.identifiers)
		return provide_no_memory(reading->outcome);
	add_identifier(&claim, json_object_get(subject, "identifier"));
	if (text.size && !claim_reference(reading, entry, text, &claim))
		return false;
	if (!claim.resource && !claim.own_id.data && !claim.url.data && claim.identifier_count == 0)
		return outcome_add(reading->outcome, ERR_METADATA_MISSING, claim.path,
				   "Name the patient by reference or identifier.");
	for (size_t i = 0; i < reading->out->claim_count; i++) {
		if (patient_claim_equal(&reading->out->claims[i], &claim))
			return true;
	}
	if (reading->out->claim_count == PROVIDE_CLAIMS_MAX)
		return outcome_add(reading->outcome, ERR_RULE, claim.path, "Publish for one patient per Bundle.");
	reading->out->claims[reading->out->claim_count++] = claim;
	return true;
}

/* subject of a List or DocumentReference into claims. */
static bool read_subject(struct provide_reading *reading, size_t entry)
{
	return read_claim(reading, entry, json_object_get(reading->out->entries[entry].resource, "subject"),
			  path_in(reading, entry, "subject"));
}

bool provide_read_source_patient(struct provide_reading *reading, size_t entry)
{
	const json_t *context = json_object_get(reading->out->entries[entry].resource, "context");

	return read_claim(reading, entry, json_object_get(context, "sourcePatientInfo"),
			  path_in(reading, entry, "context.sourcePatientInfo"));
}

/* --- documents --- */

/* Media types are compared without case and blanks: TEXT/plain; charset=UTF-8 is text/plain;charset=utf-8. */
static bool media_type_equal(struct str a, struct str b)
{
	size_t i = 0;
	size_t j = 0;

	for (;;) {
		while (i < a.size && a.data[i] == ' ')
			i++;
		while (j < b.size && b.data[j] == ' ')
			j++;
		if (i == a.size || j == b.size)
			return i == a.size && j == b.size;
		if (!str_equal_nocase((struct str) { a.data + i++, 1 }, (struct str) { b.data + j++, 1 }))
			return false;
	}
}

static bool read_attachment(struct provide_reading *reading, struct provide_document_plan *document)
{
	struct provide_bundle *out = reading->out;
	const json_t *content = json_object_get(out->entries[document->entry].resource, "content");
	const json_t *attachment = json_object_get(json_array_get(content, 0), "attachment");
	struct str url = fhir_text(json_object_get(attachment, "url"));
	struct provide_reference found;

	if (json_array_size(content) != 1)
		return outcome_add(reading->outcome,
				   json_array_size(content) ? ERR_METADATA_INVALID : ERR_METADATA_MISSING,
				   path_in(reading, document->entry, "content"), "Send exactly one content.");
	if (json_object_get(attachment, "data"))
		return outcome_add(reading->outcome, ERR_METADATA_INVALID,
				   path_in(reading, document->entry, "content[0].attachment.data"),
				   "Put the document into a Binary entry and its fullUrl into attachment.url.");
	if (url.size == 0)
		return outcome_add(reading->outcome, ERR_METADATA_MISSING,
				   path_in(reading, document->entry, "content[0].attachment.url"),
				   "Put the document into a Binary entry and its fullUrl into attachment.url.");
	if (!provide_resolve(out, reading->rules->base, document->entry, url, reading->arena, &found))
		return provide_no_memory(reading->outcome);
	if (found.kind != REFERENCE_ENTRY || out->entries[found.entry].role != ROLE_BINARY)
		return outcome_add(reading->outcome,
				   found.kind == REFERENCE_URL ? ERR_NOT_SUPPORTED : ERR_REFERENCE_UNRESOLVED,
				   path_in(reading, document->entry, "content[0].attachment.url"),
				   "Point attachment.url to the fullUrl of a Binary in this Bundle; documents are not "
				   "fetched.");
	document->binary = found.entry;
	if (json_object_get(attachment, "contentType") &&
	    !media_type_valid(fhir_text(json_object_get(attachment, "contentType"))))
		return outcome_add(reading->outcome, ERR_METADATA_INVALID,
				   path_in(reading, document->entry, "content[0].attachment.contentType"),
				   "Write a media type such as text/xml.");
	if (!media_type_equal(fhir_text(json_object_get(attachment, "contentType")),
			      fhir_text(json_object_get(found.resource, "contentType"))))
		return outcome_add(reading->outcome, ERR_METADATA_INVALID, path_in(reading, found.entry, "contentType"),
				   "Give the Binary the contentType of its attachment.");
	if (!json_object_get(found.resource, "data"))
		return outcome_add(reading->outcome, ERR_DOCUMENT_MISSING, path_in(reading, found.entry, "data"),
				   "Put the document into the Binary as base64.");
	return true;
}

/* replaces and transforms of one target are one XFRM_RPLC; the same said twice is said once. */
static bool relation_merge(struct provide_document_plan *document, const struct provide_relation *relation)
{
	for (size_t i = 0; i < document->relation_count; i++) {
		struct provide_relation *other = &document->relations[i];

		if (other->in_bundle != relation->in_bundle || other->index != relation->index)
			continue;
		if (other->type == relation->type)
			return true;
		if ((other->type == ASSOCIATION_REPLACE && relation->type == ASSOCIATION_TRANSFORM) ||
		    (other->type == ASSOCIATION_TRANSFORM && relation->type == ASSOCIATION_REPLACE)) {
			other->type = ASSOCIATION_TRANSFORM_REPLACE;
			return true;
		}
	}
	return false;
}

/* Index in documents of the DocumentReference in entries[entry]. */
static bool document_of_entry(const struct provide_bundle *out, size_t entry, size_t *document)
{
	if (out->entries[entry].role != ROLE_DOCUMENT_REFERENCE)
		return false;
	*document = out->entries[entry].object;
	return true;
}

/* Who a Reference means: a document of the Bundle or a registered one. */
static bool read_document_reference(struct provide_reading *reading, size_t entry, const json_t *reference,
				    const char *path, bool *in_bundle, size_t *index)
{
	struct str text = fhir_text(json_object_get(reference, "reference"));
	struct provide_target target = { .path = path };
	struct provide_reference found;

	if (!provide_resolve(reading->out, reading->rules->base, entry, text, reading->arena, &found))
		return provide_no_memory(reading->outcome);
	*in_bundle = found.kind == REFERENCE_ENTRY && document_of_entry(reading->out, found.entry, index);
	if (*in_bundle)
		return true;
	if (found.kind == REFERENCE_OWN && str_equal(found.type, STR("DocumentReference"))) {
		target.kind = TARGET_OWN_ID;
		target.value = found.id;
	} else if (found.kind == REFERENCE_ENTRY && reading->out->entries[found.entry].role == ROLE_STATUS_UPDATE &&
		   provide_target_of_url(reading->rules->base, reading->out->entries[found.entry].url,
					 STR("DocumentReference"), reading->arena, &target)) {
		/* The fullUrl of the PATCH is the address of what is replaced. */
	} else if (!provide_target_of_identifier(json_object_get(reference, "identifier"), reading->arena, &target)) {
		return outcome_add(reading->outcome, ERR_REFERENCE_UNRESOLVED, path,
				   "Refer to a DocumentReference of this Bundle, of this gateway, or by identifier.");
	}
	return provide_target_add(reading, &target, index);
}

static bool read_relation(struct provide_reading *reading, struct provide_document_plan *document, const json_t *json,
			  const char *path)
{
	struct provide_relation relation = { .type = association_from_relates_to(
						     fhir_text(json_object_get(json, "code"))) };

	if (relation.type == ASSOCIATION_UNKNOWN)
		return outcome_add(reading->outcome, ERR_METADATA_INVALID, path,
				   "Give relatesTo the code replaces, transforms, signs or appends.");
	if (!read_document_reference(reading, document->entry, json_object_get(json, "target"), path,
				     &relation.in_bundle, &relation.index))
		return false;
	if (relation.in_bundle &&
	    (relation.type == ASSOCIATION_REPLACE || &reading->out->documents[relation.index] == document))
		return outcome_add(reading->outcome, ERR_RULE, path,
				   "Replace a document that is registered already; relate a document to another one.");
	if (!relation.in_bundle && association_replaces(relation.type))
		reading->out->targets[relation.index].is_superseded = true;
	if (!relation_merge(document, &relation))
		document->relations[document->relation_count++] = relation;
	return true;
}

static bool read_relations(struct provide_reading *reading, struct provide_document_plan *document)
{
	const json_t *relations = json_object_get(reading->out->entries[document->entry].resource, "relatesTo");
	size_t count = json_array_size(relations);
	bool good = true;

	if (count > RELATIONS_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, path_in(reading, document->entry, "relatesTo"),
				   "Send at most %d relations per document.", RELATIONS_MAX);
	document->relations = arena_array(reading->arena, count, sizeof *document->relations);
	if (!document->relations)
		return provide_no_memory(reading->outcome);
	for (size_t i = 0; i < count; i++) {
		const char *path = provide_path(reading->arena, "%s.resource.relatesTo[%zu]",
						reading->out->entries[document->entry].path, i);

		good = read_relation(reading, document, json_array_get(relations, i), path) && good;
	}
	return good;
}

/* Author, authenticator and source patient: contained for Comprehensive. */
static bool read_persons(struct provide_reading *reading, size_t entry)
{
	const json_t *resource = reading->out->entries[entry].resource;
	const json_t *authors = json_object_get(resource, "author");
	bool contained = reading->out->profile == PROVIDE_COMPREHENSIVE;
	bool good = true;

	for (size_t i = 0; i < json_array_size(authors); i++) {
		const char *path =
			provide_path(reading->arena, "%s.resource.author[%zu]", reading->out->entries[entry].path, i);

		if (i == PERSONS_MAX)
			return outcome_add(reading->outcome, ERR_TOO_COSTLY, path, "Send at most %d authors.",
					   PERSONS_MAX);
		good = provide_read_person(reading, entry, json_array_get(authors, i), contained, path) && good;
	}
	good = provide_read_person(reading, entry, json_object_get(resource, "authenticator"), contained,
				   path_in(reading, entry, "authenticator")) &&
	       good;
	return provide_read_person(reading, entry,
				   json_object_get(json_object_get(resource, "context"), "sourcePatientInfo"),
				   contained, path_in(reading, entry, "context.sourcePatientInfo")) &&
	       good;
}

bool provide_read_document(struct provide_reading *reading, struct provide_document_plan *document)
{
	const json_t *resource = reading->out->entries[document->entry].resource;
	bool good = read_subject(reading, document->entry);

	if (!str_equal(fhir_text(json_object_get(resource, "status")), STR("current")))
		good = outcome_add(reading->outcome, ERR_RULE, path_in(reading, document->entry, "status"),
				   "Publish with the status current; a document is superseded by one that replaces "
				   "it.");
	good = read_attachment(reading, document) && good;
	good = read_persons(reading, document->entry) && good;
	return read_relations(reading, document) && good;
}

/* --- lists --- */

static bool contains(const size_t *items, size_t count, size_t item)
{
	for (size_t i = 0; i < count; i++) {
		if (items[i] == item)
			return true;
	}
	return false;
}

/* Room for every item of a List. */
static bool members_init(struct provide_reading *reading, size_t entry, struct provide_members *members, size_t *count)
{
	*count = json_array_size(json_object_get(reading->out->entries[entry].resource, "entry"));
	if (*count > ITEMS_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, path_in(reading, entry, "entry"),
				   "Send at most %d items per List.", ITEMS_MAX);
	members->documents = arena_array(reading->arena, *count, sizeof *members->documents);
	members->targets = arena_array(reading->arena, *count, sizeof *members->targets);
	return (members->documents && members->targets) || provide_no_memory(reading->outcome);
}

static bool read_member(struct provide_reading *reading, size_t entry, const json_t *item, const char *path,
			struct provide_members *members)
{
	bool in_bundle = false;
	size_t index = 0;

	if (json_object_get(item, "deleted") || json_object_get(item, "flag"))
		return outcome_add(reading->outcome, ERR_NOT_SUPPORTED, path,
				   "Leave out flag and deleted; members are only added.");
	if (!read_document_reference(reading, entry, json_object_get(item, "item"), path, &in_bundle, &index))
		return false;
	if (in_bundle && !contains(members->documents, members->document_count, index))
		members->documents[members->document_count++] = index;
	if (!in_bundle && !contains(members->targets, members->target_count, index))
		members->targets[members->target_count++] = index;
	return true;
}

/* Which registered folder a PUT means: List/{id}, or the folder's own identifiers. */
static bool read_folder_target(struct provide_reading *reading, struct provide_folder_plan *folder)
{
	struct provide_entry *entry = &reading->out->entries[folder->entry];
	const json_t *identifiers = json_object_get(entry->resource, "identifier");
	struct provide_target target = { .is_folder = true, .path = entry->path };
	bool found = provide_target_of_url(reading->rules->base, entry->url, STR("List"), reading->arena, &target);

	for (size_t i = 0; !found && i < json_array_size(identifiers) && i < PATIENT_IDENTIFIERS_MAX; i++)
		found = provide_target_of_identifier(json_array_get(identifiers, i), reading->arena, &target);
	if (!found)
		return outcome_add(reading->outcome, ERR_METADATA_MISSING,
				   provide_path(reading->arena, "%s.request.url", entry->path),
				   "Name the folder as List/{id} in request.url, or by its identifier.");
	if (!provide_target_add(reading, &target, &folder->target))
		return false;
	entry->target = folder->target;
	return true;
}

bool provide_read_folder(struct provide_reading *reading, struct provide_folder_plan *folder)
{
	const json_t *items = json_object_get(reading->out->entries[folder->entry].resource, "entry");
	bool good = read_subject(reading, folder->entry);
	size_t count;

	folder->exists = reading->out->entries[folder->entry].role == ROLE_FOLDER_UPDATE;
	if (folder->exists)
		good = read_folder_target(reading, folder) && good;
	if (!members_init(reading, folder->entry, &folder->members, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *path = provide_path(reading->arena, "%s.resource.entry[%zu].item",
						reading->out->entries[folder->entry].path, i);

		good = read_member(reading, folder->entry, json_array_get(items, i), path, &folder->members) && good;
	}
	return good;
}

/* An item of the SubmissionSet: a folder of this Bundle, or a document. */
static bool read_set_item(struct provide_reading *reading, const json_t *item, const char *path, bool *listed)
{
	struct provide_bundle *out = reading->out;
	struct str text = fhir_text(json_object_get(json_object_get(item, "item"), "reference"));
	struct provide_reference found;
	size_t before = out->references.document_count;

	if (!provide_resolve(out, reading->rules->base, out->submission_set, text, reading->arena, &found))
		return provide_no_memory(reading->outcome);
	if (found.kind == REFERENCE_ENTRY &&
	    (out->entries[found.entry].role == ROLE_FOLDER || out->entries[found.entry].role == ROLE_FOLDER_UPDATE)) {
		listed[found.entry] = true;
		return true;
	}
	if (!read_member(reading, out->submission_set, item, path, &out->references))
		return false;
	if (out->references.document_count > before)
		listed[out->documents[out->references.documents[before]].entry] = true;
	return true;
}

static bool read_set_persons(struct provide_reading *reading)
{
	size_t entry = reading->out->submission_set;
	const json_t *resource = reading->out->entries[entry].resource;
	const json_t *source = json_object_get(resource, "source");
	const json_t *extensions[] = { json_object_get(resource, "extension"), json_object_get(source, "extension") };
	bool good = provide_read_person(reading, entry, source, reading->out->profile == PROVIDE_COMPREHENSIVE,
					path_in(reading, entry, "source"));

	for (size_t i = 0; i < COUNT_OF(extensions); i++) {
		for (size_t j = 0; j < json_array_size(extensions[i]) && j < PERSONS_MAX; j++) {
			const json_t *extension = json_array_get(extensions[i], j);
			struct str url = fhir_text(json_object_get(extension, "url"));

			if (str_ends_with(url, STR("/" EXTENSION_AUTHOR_ORG)) ||
			    str_ends_with(url, STR("/" EXTENSION_RECIPIENT)))
				good = provide_read_person(reading, entry, json_object_get(extension, "valueReference"),
							   false,
							   path_in(reading, entry,
								   i ? "source.extension" : "extension")) &&
				       good;
		}
	}
	return good;
}

bool provide_read_submission_set(struct provide_reading *reading)
{
	struct provide_bundle *out = reading->out;
	const json_t *items = json_object_get(out->entries[out->submission_set].resource, "entry");
	bool *listed = arena_array(reading->arena, out->entry_count, sizeof *listed);
	bool good = read_subject(reading, out->submission_set);
	size_t count;

	good = read_set_persons(reading) && good;
	if (!listed)
		return provide_no_memory(reading->outcome);
	if (!members_init(reading, out->submission_set, &out->references, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *path = provide_path(reading->arena, "%s.resource.entry[%zu].item",
						out->entries[out->submission_set].path, i);

		good = read_set_item(reading, json_array_get(items, i), path, listed) && good;
	}
	for (size_t i = 0; i < out->entry_count; i++) {
		enum provide_role role = out->entries[i].role;

		if (!listed[i] &&
		    (role == ROLE_DOCUMENT_REFERENCE || role == ROLE_FOLDER || role == ROLE_FOLDER_UPDATE))
			good = outcome_add(reading->outcome, ERR_RULE, out->entries[i].path,
					   "List this entry in List.entry of the SubmissionSet, or leave it out.");
	}
	return good;
}

/* --- PATCH --- */

static struct str part_value(const json_t *parts, struct str name)
{
	for (size_t i = 0; i < json_array_size(parts) && i < RELATIONS_MAX; i++) {
		const json_t *part = json_array_get(parts, i);
		struct str value = fhir_text(json_object_get(part, "valueCode"));

		if (str_equal(fhir_text(json_object_get(part, "name")), name))
			return value.data ? value : fhir_text(json_object_get(part, "valueString"));
	}
	return STR_NONE;
}

/* IHE.MHD.Patch.Parameters: one operation, status to superseded. */
static bool is_superseding(const json_t *parameters)
{
	const json_t *list = json_object_get(parameters, "parameter");
	const json_t *parts = json_object_get(json_array_get(list, 0), "part");

	return json_array_size(list) == 1 && str_equal(part_value(parts, STR("type")), STR("replace")) &&
	       str_equal(part_value(parts, STR("path")), STR("DocumentReference.status")) &&
	       str_equal(part_value(parts, STR("value")), STR("superseded"));
}

/* The registry deprecates what is replaced by itself, so a PATCH is only compared with the replaces that it belongs to
 * (here that there is one, in phase 2 that it is the same document). MHD 4.2.4 UpdateDocumentRefs. */
bool provide_check_updates(struct provide_reading *reading)
{
	struct provide_bundle *out = reading->out;
	bool replaces = false;
	bool good = true;

	for (size_t i = 0; i < out->document_count; i++) {
		for (size_t j = 0; j < out->documents[i].relation_count; j++)
			replaces = replaces || out->documents[i].relations[j].type == ASSOCIATION_REPLACE ||
				   out->documents[i].relations[j].type == ASSOCIATION_TRANSFORM_REPLACE;
	}
	for (size_t i = 0; i < out->entry_count; i++) {
		struct provide_entry *entry = &out->entries[i];
		struct provide_target target = { .path = entry->path };

		if (entry->role != ROLE_STATUS_UPDATE)
			continue;
		if (!is_superseding(entry->resource))
			good = outcome_add(reading->outcome, ERR_NOT_SUPPORTED, path_in(reading, i, "parameter"),
					   "Patch only DocumentReference.status, from current to superseded.");
		else if (!replaces)
			good = outcome_add(reading->outcome, ERR_NOT_SUPPORTED, entry->path,
					   "Supersede a document only together with one that replaces it (relatesTo).");
		else if (!provide_target_of_url(reading->rules->base, entry->url, STR("DocumentReference"),
						reading->arena, &target))
			good = outcome_add(reading->outcome, ERR_METADATA_INVALID,
					   provide_path(reading->arena, "%s.request.url", entry->path),
					   "Name the document as DocumentReference/{id}.");
		else
			good = provide_target_add(reading, &target, &entry->target) && good;
	}
	return good;
}
