#include "gateway/transactions/document_change.h"

#include "gateway/run/random.h"
#include "gateway/transactions/identify_patient.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/document_search.h"
#include "mappers/metadata_rim.h"

struct str fresh_uuid(const struct transaction *t)
{
	unsigned char random[16];
	char uuid[UUID_URN_SIZE];

	random_bytes(random, sizeof(random));
	uuid_format(random, uuid);
	return arena_copy(t->south.arena, str_from_c(uuid));
}

/* True when an If-Match header names this tag; weak tags are compared as they stand (FHIR R4 http 3.1.0.4.2). */
static bool match_names(struct str if_match, struct str etag)
{
	struct str part;

	while (str_next(&if_match, ',', &part)) {
		struct str tag = str_without_prefix(str_trim(part), STR("W/"));

		if (str_equal(tag, STR("*")))
			return true;
		if (tag.size == etag.size + 2 && tag.data[0] == '"' && tag.data[tag.size - 1] == '"' &&
		    str_equal((struct str) { tag.data + 1, etag.size }, etag))
			return true;
	}
	return false;
}

static bool not_there(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such DocumentReference; search for it.");
}

bool document_change_begin(const struct transaction *t, struct str id, struct str if_match,
			   struct present_document *present)
{
	const struct document_entry *entry;
	struct source *source;
	struct str urn;

	*present = (struct present_document) { .around = { .asked_id = id } };
	if (!resource_id_find(t, SEAL_DOCUMENT_REFERENCE, id, &source, &urn))
		return not_there(t);
	if (source != t->source)
		return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "",
				   "This document is in %.*s, which changes its own.", STR_ARG(source->backend.name));
	if (!document_entry_current(t, urn, &entry))
		return false;
	if (!entry)
		return not_there(t);
	audit_patient(t->audit, entry->patient_id, patient_reference(t, entry->patient_id));
	if (!visible_may_publish(t->visit, entry->patient_id, entry, 1, t->outcome))
		return false;
	if (!update_offered(&t->source->backend, UPDATE_METADATA, STR_NONE))
		return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "",
				   "This document is another community's: it is changed there.");
	present->entry = entry;
	present->etag = version_etag(t, entry->entry_uuid, entry->version, entry->availability_status);
	if (!present->etag.data)
		return no_memory(t);
	if (if_match.data && !match_names(if_match, present->etag))
		return outcome_add(t->outcome, ERR_VERSION, "If-Match",
				   "The document has changed: read it again, and send the ETag of what you read.");
	return associations_ask(t, &entry->entry_uuid, 1, &present->around);
}

/* --- the submission set of a change --- */

/* Who changes it: the organization and the name that the token says. TF-3 4.2.3.3.1 */
static bool author_make(const struct transaction *t, struct author *author, size_t *count)
{
	const struct caller *caller = t->caller;
	struct arena *arena = t->south.arena;
	struct str *institution = arena_alloc(arena, sizeof(*institution));
	struct hl7_xon xon = { .name = caller->organization };
	struct hl7_xcn xcn = { .family = caller->name };

	*author = (struct author) { .person = STR_NONE };
	*count = 0;
	if (!institution)
		return no_memory(t);
	if (str_starts_with(caller->organization_id, STR("urn:oid:")))
		xon.id = str_from(caller->organization_id, sizeof("urn:oid:") - 1);
	if (caller->organization.size) {
		*institution = hl7_xon_write(&xon, arena);
		author->institutions = (struct strs) { institution, 1 };
	}
	if (caller->name.size && caller->kind != CALLER_SYSTEM)
		author->person = hl7_xcn_write(&xcn, arena);
	*count = author->person.size > 0 || author->institutions.count > 0;
	return true;
}

/* The submission set in which the document came; NULL when it is not shown. */
static bool set_find(const struct transaction *t, const struct document_entry *entry,
		     const struct submission_set **found)
{
	struct stored_query query;
	struct metadata metadata;

	*found = NULL;
	if (!get_submission_sets(&entry->entry_uuid, 1, registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (!registry_ask(t, &query, &metadata))
		return false;
	if (metadata.submission_set_count > 0)
		*found = &metadata.submission_sets[0];
	return true;
}

/* A change is a submission too. It takes over what the one said that brought the document; the gateway itself is no source
 * of documents. */
static bool set_make(const struct transaction *t, const struct document_entry *entry, struct submission_set *set)
{
	struct author *author = arena_alloc(t->south.arena, sizeof(*author));
	const struct submission_set *first;
	char now[XDS_TIME_SIZE];
	char oid[UUID_OID_SIZE];

	if (!author || !author_make(t, author, &set->authors.count))
		return no_memory(t);
	if (!set_find(t, entry, &first))
		return false;
	if (!first)
		return outcome_add(t->outcome, ERR_BACKEND_ANSWER, "",
				   "The registry does not show with which submission the document came; tell its "
				   "operator.");
	xds_time_from_unix(t->now_s, now);
	set->entry_uuid = fresh_uuid(t);
	if (!set->entry_uuid.data || !uuid_to_oid(fresh_uuid(t), oid))
		return no_memory(t);
	set->unique_id = arena_copy(t->south.arena, str_from_c(oid));
	set->submission_time = arena_copy(t->south.arena, str_from_c(now));
	set->patient_id = entry->patient_id;
	set->authors.items = author;
	set->content_type_code = first->content_type_code;
	set->source_id = first->source_id;
	return (set->unique_id.data && set->submission_time.data) || no_memory(t);
}

/* --- sending --- */

bool document_change_apply(const struct transaction *t, const struct update_plan *plan, size_t *done)
{
	switch (update_send(plan, &t->south, done, t->outcome)) {
	case SOAP_ANSWERED:
		return true;
	case SOAP_FAILED:
		break;
	case SOAP_UNCLEAR:
		outcome_inform(t->outcome, ERR_BACKEND_ANSWER, "",
			       "It is not certain whether the change was made: read the document again.");
		break;
	}
	return false;
}

/* The entry as the registry has it now. */
static bool entry_after(const struct transaction *t, const struct update_change *change, struct document_entry *entry)
{
	uint64_t version = 1;

	*entry = change->changed ? *change->changed : *change->current;
	if (change->new_status.size)
		entry->availability_status = change->new_status;
	if (!change->changed)
		return true;
	if (!str_to_u64(update_version_number(change->current->version), &version))
		version = 1;
	entry->logical_id =
		change->current->logical_id.size ? change->current->logical_id : change->current->entry_uuid;
	entry->entry_uuid = change->entry_uuid;
	entry->version = arena_printf(t->south.arena, "%llu", (unsigned long long)version + 1);
	return entry->version.data || no_memory(t);
}

bool document_change_send(const struct transaction *t, const struct present_document *present,
			  const struct document_entry *changed, struct str new_status, struct document_entry *entry,
			  struct str *etag)
{
	struct submission_set set = { .entry_uuid = STR_NONE };
	struct update_change change = { .current = present->entry,
					.changed = changed,
					.new_status = new_status,
					.set = &set,
					.entry_uuid = fresh_uuid(t),
					.association_uuids = { fresh_uuid(t), fresh_uuid(t) } };
	struct update_plan plan;
	size_t done = 0;

	if (!change.entry_uuid.data || !change.association_uuids[0].data || !change.association_uuids[1].data)
		return no_memory(t);
	if (!set_make(t, present->entry, &set) || !update_plan_change(&change, t->south.arena, &plan, t->outcome) ||
	    !document_change_apply(t, &plan, &done) || !entry_after(t, &change, entry))
		return false;
	*etag = version_etag(t, entry->entry_uuid, entry->version, entry->availability_status);
	return etag->data || no_memory(t);
}
