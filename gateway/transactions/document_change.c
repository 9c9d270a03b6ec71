#include "gateway/transactions/document_change.h"

#include "gateway/access/known_document.h"
#include "gateway/access/registered_document.h"
#include "gateway/run/random.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/change_accept.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/publication.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/publication_target.h"
#include "mappers/submission_match.h"

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

/* What is registered; where changes may wait for a registry that does not answer, what was, or nothing that anybody could
 * decide about now. */
static bool registered_find(const struct transaction *t, struct str urn, bool may_wait,
			    struct present_document *present)
{
	struct transaction asking = *t;
	struct outcome outcome = *t->outcome;

	if (!may_wait)
		return document_entry_shown(t, urn, &present->entry);
	asking.outcome = &outcome;
	asking.south.deadline = deadline_part(t->south.deadline, t->gateway->config->publication_deadline_ms);
	if (document_entry_shown(&asking, urn, &present->entry)) {
		*t->outcome = outcome;
		return true;
	}
	if (submission_may_pass(&outcome)) {
		present->entry = known_document_find(t->gateway->access, t->visit, t->source->backend.name, urn,
						     t->now_s, t->south.arena);
		present->is_undecided = !present->entry && publications_may_wait_undecided(t);
	}
	present->is_remembered = present->entry != NULL;
	if (!present->entry && !present->is_undecided)
		*t->outcome = outcome;
	return present->is_remembered || present->is_undecided;
}

/* What a patient hides in one source is hidden in all, also while it is not registered. */
static bool elsewhere_verify(const struct transaction *t, const struct document_entry *entry)
{
	struct document_entry one = *entry;
	struct metadata found = { .document_entries = &one, .document_entry_count = 1 };

	return hidden_elsewhere_drop(t, &found) && (found.document_entry_count > 0 || not_there(t));
}

/* What waits, and else what is registered. */
static bool present_find(const struct transaction *t, bool may_wait, struct present_document *present)
{
	const struct document_waiting *waiting = &present->waiting;

	if (!document_waiting_find(t, present->urn, &present->waiting))
		return false;
	present->entry = waiting->entry;
	if (!present->entry && !registered_find(t, present->urn, may_wait, present))
		return false;
	if (present->is_undecided)
		return true;
	if (!present->entry || waiting->is_removed)
		return not_there(t);
	return (!waiting->entry && !present->is_remembered) || elsewhere_verify(t, present->entry);
}

/* Of what is registered itself, the registry says what it relates to; in an outage nobody does. */
static bool around_find(const struct transaction *t, struct present_document *present)
{
	const struct document_waiting *waiting = &present->waiting;
	struct transaction quiet = *t;
	struct outcome ignored;

	if (waiting->is_publication) {
		present->around.associations = waiting->metadata.associations;
		present->around.association_count = waiting->metadata.association_count;
		present->around.entries = waiting->metadata.document_entries;
		present->around.entry_count = waiting->metadata.document_entry_count;
		return waiting_relations_ask(t, &present->entry->entry_uuid, 1,
					     delivery_target_is_away(t->gateway->delivery, t->source->backend.name),
					     &present->around);
	}
	if (present->is_remembered)
		return true;
	if (!waiting->entry)
		return associations_ask(t, &present->entry->entry_uuid, 1, &present->around);
	outcome_init(&ignored);
	quiet.outcome = &ignored;
	return associations_ask(&quiet, &present->entry->entry_uuid, 1, &present->around) ||
	       !arena_failed(t->south.arena) || no_memory(t);
}

/* Those that named it by a copy come first in any case: who sent them may see that. */
static bool requests_find(const struct transaction *t, const struct document_entry *entry, bool *has_requests)
{
	const struct publication_target target = { .id = entry->unique_id };
	struct str name = publication_target_name(&target, t->south.arena);

	return *has_requests || !t->gateway->delivery ||
	       (name.data ? document_requests_find(t, name, INT64_MAX, has_requests) : no_memory(t));
}

/* What others want of it and nobody has decided comes first; but not while nobody can: who may change it now would be kept
 * from it by whoever may not. The caller's own comes first in any case. */
static bool undecided_first(const struct transaction *t, struct present_document *present)
{
	const struct document_waiting *waiting = &present->waiting;
	struct outbox_filter filter = { .target = t->source->backend.name,
					.makes = publication_wishes_name(t->caller, present->urn, t->south.arena),
					.states = OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_SENDING),
					.limit = 1 };
	struct outbox_item *items;
	size_t count;

	present->is_undecided = !present->is_remembered &&
				!(waiting->entry && delivery_target_is_away(t->gateway->delivery, filter.target));
	if (present->is_undecided)
		return true;
	if (!filter.makes.data)
		return no_memory(t);
	if (!outbox_list(delivery_outbox(t->gateway->delivery), &filter, t->south.arena, &items, &count, &filter.after,
			 t->outcome))
		return false;
	present->is_undecided = count > 0;
	return true;
}

static bool look(const struct transaction *t, struct str if_match, bool may_wait, struct present_document *present)
{
	const struct document_entry *entry;

	if (!present_find(t, may_wait, present))
		return false;
	entry = present->entry;
	if (entry)
		audit_patient(t->audit, entry->patient_id, patient_reference(t, entry->patient_id));
	if (entry && !visible_may_change(t->visit, entry, NULL, false, t->outcome))
		return false;
	if (!update_offered(&t->source->backend, UPDATE_METADATA, STR_NONE))
		return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "",
				   "This document is another community's: it is changed there.");
	if (entry && may_wait && present->waiting.has_requests && !undecided_first(t, present))
		return false;
	if (entry && may_wait && !requests_find(t, entry, &present->is_undecided))
		return false;
	if (present->is_undecided)
		return true;
	present->etag = version_etag(t, entry->entry_uuid, entry->version, entry->availability_status);
	if (!present->etag.data)
		return no_memory(t);
	if (if_match.data && !match_names(if_match, present->etag))
		return outcome_add(t->outcome, ERR_VERSION, "If-Match",
				   "The document has changed: read it again, and send the ETag of what you read.");
	return around_find(t, present);
}

/* Who has read the copy, and means what it says, means that of the first source which has the same version; with all that waits
 * for that, where it was shown so. */
static bool if_match_translate(const struct transaction *t, struct present_document *present)
{
	const struct document_entry *copy = present->copy.copy;
	const struct visible_change *change;
	const struct document_entry *shown;
	struct copies copies;
	struct errand errand;
	struct str etag;

	if (!present->if_match.data)
		return true;
	if (!errand_begin(t, present->copy.source, &errand) || !copies_look(&errand.t, copy, &copies))
		return false;
	change = copies.visit ? visible_change_of_copy(copies.visit, copy) : NULL;
	shown = change ? &change->entry : copy;
	etag = version_etag(&errand.t, shown->entry_uuid, shown->version, shown->availability_status);
	if (!etag.data)
		return no_memory(t);
	if (!match_names(present->if_match, etag))
		return true;
	present->if_match = STR_NONE;
	if (change)
		return true;
	etag = version_etag(t, copy->entry_uuid, copy->version, copy->availability_status);
	if (etag.data)
		present->if_match = arena_printf(t->south.arena, "\"%.*s\"", STR_ARG(etag));
	return present->if_match.data || no_memory(t);
}

/* By the id of another source's copy. */
static bool copy_begin(const struct transaction *t, struct source *source, struct present_document *present)
{
	bool may_wait = publications_may_wait(t);
	struct publication_target name = { 0 };

	if (!copy_meant_find(t, source, present->urn, may_wait, &present->copy))
		return false;
	if (!present->copy.copy)
		return not_there(t);
	if (present->copy.is_missing)
		return copy_refuse(t, &present->copy, ERR_NOT_SUPPORTED, "");
	if (!if_match_translate(t, present))
		return false;
	present->urn = present->copy.urn;
	if (present->urn.data)
		return look(t, present->if_match, may_wait, present);
	if (!publications_may_wait_undecided(t))
		return outcome_add(t->outcome, ERR_BACKEND_DOWN, "",
				   "%.*s does not answer, and nobody else can say what it has of this.",
				   STR_ARG(t->source->backend.name));
	audit_patient(t->audit, present->copy.copy->patient_id, patient_reference(t, present->copy.copy->patient_id));
	name.id = present->copy.copy->unique_id;
	present->urn = publication_target_name(&name, t->south.arena);
	present->is_undecided = true;
	return present->urn.data || no_memory(t);
}

bool document_change_begin(const struct transaction *t, struct str id, struct str if_match,
			   struct present_document *present)
{
	struct source *source;

	*present = (struct present_document) { .around = { .asked_id = id }, .if_match = if_match };
	if (!resource_id_find(t, SEAL_DOCUMENT_REFERENCE, id, &source, &present->urn))
		return not_there(t);
	if (source != t->source)
		return copy_begin(t, source, present);
	return look(t, if_match, publications_may_wait(t), present);
}

/* What was sent whole is compared with the copy as it was read. */
static bool copy_again(const struct transaction *t, const struct publication_request *request,
		       struct present_document *present)
{
	struct str urn;

	if (request->wish != WISH_PUT ||
	    !resource_id_find(t, SEAL_DOCUMENT_REFERENCE, request->id, &present->copy.source, &urn) ||
	    present->copy.source == t->source)
		return true;
	return copy_meant_find(t, present->copy.source, urn, false, &present->copy) &&
	       (present->copy.copy || not_there(t));
}

bool document_change_look(const struct transaction *t, const struct publication_request *request,
			  struct present_document *present)
{
	struct publication_target name;
	const struct document_entry *entry;

	*present = (struct present_document) { .around = { .asked_id = request->id }, .urn = request->urn };
	if (publication_target_read(request->urn, &name)) {
		if (!copied_document(t, name.id, request->hash, &entry))
			return false;
		if (!entry)
			return not_there(t);
		present->urn = str_is_empty(entry->logical_id) ? entry->entry_uuid : entry->logical_id;
	}
	return look(t, request->if_match, false, present) && copy_again(t, request, present);
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

/* A change is a submission too. */
static bool set_make(const struct transaction *t, const struct document_entry *entry, struct submission_set *set)
{
	struct author *author = arena_alloc(t->south.arena, sizeof(*author));
	char now[XDS_TIME_SIZE];
	char oid[UUID_OID_SIZE];

	*set = (struct submission_set) { .patient_id = entry->patient_id };
	if (!author || !author_make(t, author, &set->authors.count))
		return no_memory(t);
	xds_time_from_unix(t->now_s, now);
	set->entry_uuid = random_uuid(t->south.arena);
	if (!set->entry_uuid.data || !uuid_to_oid(random_uuid(t->south.arena), oid))
		return no_memory(t);
	set->unique_id = arena_copy(t->south.arena, str_from_c(oid));
	set->submission_time = arena_copy(t->south.arena, str_from_c(now));
	set->authors.items = author;
	return (set->unique_id.data && set->submission_time.data) || no_memory(t);
}

/* --- what is intended --- */

/* The entry as the registry will have it. */
static bool entry_after(const struct transaction *t, const struct document_entry *current,
			const struct document_entry *changed, struct str new_status, struct document_entry *entry)
{
	uint64_t version = 1;

	*entry = changed ? *changed : *current;
	if (new_status.size)
		entry->availability_status = new_status;
	if (!changed)
		return true;
	if (!str_to_u64(update_version_number(current->version), &version))
		version = 1;
	entry->logical_id = current->logical_id.size ? current->logical_id : current->entry_uuid;
	entry->entry_uuid = random_uuid(t->south.arena);
	entry->version = arena_printf(t->south.arena, "%llu", (unsigned long long)version + 1);
	return (entry->entry_uuid.data && entry->version.data) || no_memory(t);
}

bool document_change_make(const struct transaction *t, const struct present_document *present,
			  const struct document_entry *changed, struct str new_status, struct intended_change *intended)
{
	struct document_entry *entry = &intended->entry;

	*intended = (struct intended_change) { .change = { .is_new_version = changed != NULL,
							   .new_status = new_status,
							   .base = present->entry->entry_uuid } };
	if (!entry_after(t, present->entry, changed, new_status, entry) || !set_make(t, entry, &intended->set))
		return false;
	intended->etag = version_etag(t, entry->entry_uuid, entry->version, entry->availability_status);
	return intended->etag.data || no_memory(t);
}

bool document_removal_make(const struct transaction *t, const struct present_document *present,
			   struct intended_change *intended)
{
	*intended = (struct intended_change) { .change = { .is_removal = true, .base = present->entry->entry_uuid },
					       .entry = *present->entry };
	return set_make(t, present->entry, &intended->set);
}

/* --- sending --- */

static bool plan_make(const struct transaction *t, const struct present_document *present,
		      struct intended_change *intended, struct update_plan *plan)
{
	struct update_change change = { .current = present->entry,
					.changed = intended->change.is_new_version ? &intended->entry : NULL,
					.new_status = intended->change.new_status,
					.set = &intended->set,
					.entry_uuid = intended->entry.entry_uuid,
					.association_uuids = { random_uuid(t->south.arena),
							       random_uuid(t->south.arena) } };

	if (intended->change.is_removal)
		return registered_removal(&t->south, registry_home(t), present->entry, plan, t->outcome);
	if (!change.association_uuids[0].data || !change.association_uuids[1].data)
		return no_memory(t);
	return registered_set_complete(&t->south, registry_home(t), present->entry, &intended->set, t->outcome) &&
	       update_plan_change(&change, t->south.arena, plan, t->outcome);
}

/* Once. Where changes may wait, it takes no longer than publications may. */
static bool change_send(const struct transaction *t, const struct present_document *present,
			struct intended_change *intended, size_t *done)
{
	struct transaction sending = *t;
	struct update_plan plan = { .step_count = 0 };

	if (publications_may_wait(t))
		sending.south.deadline = deadline_part(t->south.deadline, t->gateway->config->publication_deadline_ms);
	if (!plan_make(&sending, present, intended, &plan) ||
	    (plan.step_count > 1 && !change_rest_announce(t, intended)))
		return false;
	switch (update_send(&plan, &sending.south, done, t->outcome)) {
	case SOAP_ANSWERED:
		return true;
	case SOAP_FAILED:
		break;
	case SOAP_UNCLEAR:
		intended->is_unclear = true;
		break;
	}
	return false;
}

/* At once; *may_wait says whether one that was not made may be made later. */
static bool change_now(const struct transaction *t, const struct present_document *present,
		       struct intended_change *intended, struct str answer, bool *may_wait)
{
	struct outcome before = *t->outcome;
	size_t done = 0;

	if (change_send(t, present, intended, &done)) {
		change_rest_forget(t, intended);
		change_made(t, intended, answer);
		return true;
	}
	if (intended->change.is_removal && done > 0) {
		/* Nobody finds the document any more; its bytes are still there. */
		change_rest(t, intended, &before);
		change_made(t, intended, answer);
		return true;
	}
	*may_wait = change_may_wait(t, intended);
	if (!*may_wait && intended->is_unclear)
		outcome_inform(t->outcome, ERR_BACKEND_ANSWER, "",
			       "It is not certain whether the change was made: read the document again.");
	return false;
}

bool document_change_do(const struct transaction *t, const struct present_document *present,
			struct intended_change *intended, struct provided *provided, struct buf *answer)
{
	struct outcome before = *t->outcome;
	struct strs announced = { 0 };
	bool may_wait = true;
	bool must_wait;
	bool ok = false;

	if (!change_must_wait(t, present, intended, &must_wait))
		return false;
	if (!must_wait) {
		if (!change_announce(t, intended, buf_str(answer), &announced)) {
			change_unmade(t, &announced);
			return false;
		}
		if (change_now(t, present, intended, buf_str(answer), &may_wait))
			return true;
	}
	if (may_wait) {
		*t->outcome = before;
		ok = change_accept(t, intended, provided, answer);
	}
	/* Of one that may have been made, and is not kept otherwise, it is found out later. */
	if (ok || !intended->is_unclear) {
		change_unmade(t, &announced);
		change_rest_forget(t, intended);
	}
	return ok;
}
