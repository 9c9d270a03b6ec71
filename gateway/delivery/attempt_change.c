/* Delivers an update or a removal. What is sent is made from what the registry has now, so that an attempt that follows
 * another one, or a registry with other ids for the same document, gets what is left to do and no more.
 * Source: ITI TF-2 3.57, 3.62, 3.86. */
#include "gateway/access/known_document.h"
#include "gateway/access/registered_document.h"
#include "gateway/access/visible.h"
#include "gateway/delivery/attempt_permit.h"
#include "gateway/delivery/change_share.h"
#include "gateway/delivery/share.h"
#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/south/update_client.h"
#include "mappers/base/hl7v2.h"
#include "mappers/metadata_rim.h"

static const struct document_entry *wanted(const struct attempt *attempt)
{
	return &attempt->metadata.document_entries[0];
}

static bool is_passed_on(const struct attempt *attempt)
{
	return publication_change_is_passed_on(&attempt->head.change);
}

/* The registry did not say what it has. */
static enum stand unanswered(struct attempt *attempt, const struct outcome *asking, bool works)
{
	bool is_unclear = attempt->is_unclear;
	enum stand stand = attempt_failed(attempt, asking, true, works);

	attempt->is_unclear = is_unclear;
	return stand == STAND_UNCLEAR && !is_unclear ? STAND_LATER : stand;
}

/* Elsewhere patients may have other identifiers: there, the same bytes are the same document. */
static bool is_meant(const struct attempt *attempt, const struct document_entry *present)
{
	if (is_passed_on(attempt))
		return str_equal_nocase(present->hash, wanted(attempt)->hash);
	return hl7_cx_same(present->patient_id, wanted(attempt)->patient_id, attempt->arena);
}

/* Elsewhere it has other ids, and the same uniqueId. */
static bool present_ask(struct attempt *attempt, const struct document_entry **present, struct outcome *asking)
{
	struct str home = attempt->target->home;
	struct str urn = wanted(attempt)->logical_id.size ? wanted(attempt)->logical_id : attempt->head.change.base;

	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	return is_passed_on(attempt) ? registered_document_by_unique_id(&attempt->south, home,
									wanted(attempt)->unique_id, present, asking)
				     : registered_document(&attempt->south, home, urn, present, asking);
}

/* The document as it is registered. STAND_GO_ON: it is known, or that there is none. */
static enum stand present_find(struct attempt *attempt, bool works, const struct document_entry **present)
{
	struct outcome asking;

	outcome_init(&asking);
	if (!present_ask(attempt, present, &asking))
		return unanswered(attempt, &asking, works);
	attempt->end = DELIVERY_TAKEN;
	return !*present || is_meant(attempt, *present)
		       ? STAND_GO_ON
		       : attempt_refuse(attempt, ERR_CONFLICT,
					"Another document or patient is registered under this identifier.");
}

/* The patient may have thought otherwise since it was accepted. */
static enum stand sender_permitted(struct attempt *attempt, const struct document_entry *present)
{
	const struct document_entry *changed = attempt->head.change.is_new_version ? wanted(attempt) : NULL;
	struct visit *visit = attempt_visit(attempt);
	struct outcome asking;

	if (is_passed_on(attempt))
		return STAND_GO_ON;
	outcome_init(&asking);
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	return visit && visible_may_change(visit, present, changed, false, &asking)
		       ? STAND_GO_ON
		       : attempt_denied(attempt, visit, &asking);
}

static bool status_changes(const struct document_entry *present, const struct publication_change *change)
{
	return change->new_status.size && !str_equal(present->availability_status, change->new_status);
}

/* True when an update must still be sent; otherwise *stand says how it is. */
static bool is_left(struct attempt *attempt, const struct document_entry *present, bool works, enum stand *stand)
{
	const struct publication_change *change = &attempt->head.change;
	struct outcome asking;
	bool is_there = false;

	*stand = STAND_DELIVERED;
	if (change->is_new_version ? str_equal_nocase(present->entry_uuid, wanted(attempt)->entry_uuid)
				   : !status_changes(present, change))
		return false;
	if (is_passed_on(attempt))
		return status_changes(present, change) ||
		       !update_plan_is_empty(present, wanted(attempt), attempt->arena);
	if (str_equal_nocase(present->entry_uuid, change->base))
		return true;
	/* Somebody has changed it: before this change, or after an earlier attempt had made it. */
	outcome_init(&asking);
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (!registered_set(&attempt->south, attempt->target->home, attempt->metadata.submission_sets[0].entry_uuid,
			    &is_there, &asking))
		*stand = unanswered(attempt, &asking, works);
	else if (!is_there)
		*stand = attempt_refuse(attempt, ERR_VERSION,
					"Somebody else has changed the document meanwhile: read it again, and change "
					"what "
					"there is now.");
	return false;
}

/* What another network shall learn of a document that it has, the patient must permit. */
static enum stand elsewhere_permitted(struct attempt *attempt)
{
	bool kept = false;

	if (!is_passed_on(attempt) || attempt->head.change.is_removal)
		return STAND_GO_ON;
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (share_permit(attempt->delivery, &attempt->south, attempt->target, &attempt->metadata, &kept,
			 clock_wall_ms() / 1000))
		return kept ? STAND_GO_ON : STAND_WITHHELD;
	outcome_add(&attempt->outcome, ERR_TRUST_UNAVAILABLE, "",
		    "It cannot be found out now what the patient consents to.");
	return STAND_LATER;
}

static bool update_make(struct attempt *attempt, const struct document_entry *present, struct update_plan *plan,
			struct outcome *outcome)
{
	struct submission_set set = attempt->metadata.submission_sets[0];
	struct update_change change = {
		.current = present,
		.changed = attempt->head.change.is_new_version ? wanted(attempt) : NULL,
		.new_status =
			status_changes(present, &attempt->head.change) ? attempt->head.change.new_status : STR_NONE,
		.set = &set,
		.entry_uuid = wanted(attempt)->entry_uuid,
		.association_uuids = { random_uuid(attempt->arena), random_uuid(attempt->arena) }
	};

	if (!change.association_uuids[0].data || !change.association_uuids[1].data)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	set.patient_id = present->patient_id;
	set.origin = NULL;
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	return registered_set_complete(&attempt->south, attempt->target->home, present, &set, outcome) &&
	       update_plan_change(&change, attempt->arena, plan, outcome);
}

static enum stand plan_send(struct attempt *attempt, const struct update_plan *plan, bool works)
{
	enum stand stand = attempt_mark(attempt);
	struct outcome sending;
	size_t done = 0;

	outcome_init(&sending);
	if (stand != STAND_GO_ON)
		return stand;
	attempt->south.deadline = deadline_in((uint64_t)attempt->target->backend->timeout_ms + ATTEMPT_ASK_MS);
	switch (update_send(plan, &attempt->south, &done, &sending)) {
	case SOAP_ANSWERED:
		attempt->end = DELIVERY_TAKEN;
		return STAND_DELIVERED;
	case SOAP_FAILED:
		/* A removal that was begun must be known as such: nobody finds the document any more. */
		attempt->is_unclear |= done > 0;
		return attempt_failed(attempt, &sending, false, works);
	case SOAP_UNCLEAR:
		break;
	}
	return attempt_failed(attempt, &sending, true, works);
}

static enum stand bytes_remove_from(struct attempt *attempt, struct str repository, bool works)
{
	const struct document_request document = { .home = attempt->target->home,
						   .repository_unique_id = repository,
						   .document_unique_id = wanted(attempt)->unique_id };
	struct update_plan plan;
	struct outcome making;

	outcome_init(&making);
	if (!update_plan_bytes(wanted(attempt)->patient_id, &document, attempt->arena, &plan, &making))
		return attempt_failed(attempt, &making, false, works);
	return plan_send(attempt, &plan, works);
}

/* Where the metadata are gone, an earlier attempt has removed them, and the bytes may still be there; or it was somebody
 * else. In which repository another network had its copy only its metadata said: all that it has are asked, and one that has
 * no such document says so. */
static enum stand bytes_remove(struct attempt *attempt, bool works)
{
	const struct backend *backend = attempt->target->backend;
	const struct document_entry *other;
	enum stand stand = STAND_DELIVERED;
	struct outcome making;

	if (!attempt->is_unclear || !removal_offered(backend, STR_NONE))
		return STAND_DELIVERED;
	outcome_init(&making);
	if (!registered_document_by_unique_id(&attempt->south, attempt->target->home, wanted(attempt)->unique_id,
					      &other, &making))
		return unanswered(attempt, &making, works);
	for (size_t i = 0; !other && stand == STAND_DELIVERED && i < backend->repository_count; i++) {
		const struct backend_repository *repository = &backend->repositories[i];

		if (repository->remove_url &&
		    (str_is_empty(attempt->head.change.base) || str_is_empty(wanted(attempt)->repository_unique_id) ||
		     str_equal(repository->unique_id, wanted(attempt)->repository_unique_id)))
			stand = bytes_remove_from(attempt, repository->unique_id, works);
	}
	return stand;
}

static enum stand remove_it(struct attempt *attempt, const struct document_entry *present, bool works)
{
	struct update_plan plan;
	struct outcome making;
	enum stand stand;

	outcome_init(&making);
	if (!present)
		return bytes_remove(attempt, works);
	stand = sender_permitted(attempt, present);
	if (stand != STAND_GO_ON)
		return stand;
	if (!registered_removal(&attempt->south, attempt->target->home, present, &plan, &making))
		return attempt_failed(attempt, &making, false, works);
	return plan_send(attempt, &plan, works);
}

/* Whether it goes from here, or is deprecated. What is only registered here has its bytes in the first source's repository,
 * which removes them. */
static bool is_removed(const struct attempt *attempt, const struct document_entry *present)
{
	const struct backend *backend = attempt->target->backend;

	return removal_offered(backend, present->repository_unique_id) ||
	       (str_is_empty(attempt->head.change.base) &&
		str_equal(present->repository_unique_id, wanted(attempt)->repository_unique_id) &&
		update_offered(backend, REMOVE_METADATA, STR_NONE));
}

static enum stand change_make(struct attempt *attempt, bool works)
{
	const struct document_entry *present = NULL;
	struct update_plan plan;
	struct outcome making;
	enum stand stand;

	outcome_init(&making);
	if (attempt->metadata.document_entry_count != 1)
		return attempt_refuse(attempt, ERR_INTERNAL, "What was kept of the change cannot be read.");
	stand = present_find(attempt, works, &present);
	if (stand != STAND_GO_ON)
		return stand;
	if (attempt->head.change.is_removal && (!present || is_removed(attempt, present)))
		return remove_it(attempt, present, works);
	if (attempt->head.change.is_removal)
		attempt->head.change.new_status = STR(STATUS_DEPRECATED);
	if (!present)
		return is_passed_on(attempt)
			       ? STAND_DELIVERED
			       : attempt_refuse(attempt, ERR_NOT_FOUND, "The document is not registered any more.");
	if (!is_left(attempt, present, works, &stand))
		return stand;
	stand = elsewhere_permitted(attempt);
	if (stand == STAND_GO_ON)
		stand = sender_permitted(attempt, present);
	if (stand != STAND_GO_ON)
		return stand;
	if (!update_make(attempt, present, &plan, &making))
		return attempt_failed(attempt, &making, false, works);
	return plan_send(attempt, &plan, works);
}

enum stand attempt_change(struct attempt *attempt, bool works)
{
	const struct delivery *delivery = attempt->delivery;
	const struct shared_change change = {
		.head = &attempt->head, .metadata = &attempt->metadata, .answer = attempt->answer, .is_owed = true
	};
	enum stand stand = change_make(attempt, works);
	struct strs ids;

	if (stand != STAND_DELIVERED || is_passed_on(attempt))
		return stand;
	if (attempt->head.change.is_removal)
		known_document_drop(delivery->options.access, attempt->target->name, wanted(attempt));
	else
		known_document_keep(delivery->options.access, attempt->target->name, wanted(attempt),
				    clock_wall_ms() / 1000, attempt->arena);
	/* What is made here is passed on before it is settled: after a kill, both are done again, and change nothing. */
	return change_share(delivery, &change, attempt->arena, &ids, &attempt->outcome) ? STAND_DELIVERED
											: STAND_UNCLEAR;
}
