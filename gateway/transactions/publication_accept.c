/* A publication that cannot be registered now is accepted all the same: written durably, answered 202, delivered later.
 * Source: FHIR R4 async.html; the order of a patient's publications is the outbox's (outbox.h). */
#include "gateway/access/cross_reference.h"
#include "gateway/delivery/item_find.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/identities.h"
#include "gateway/transactions/publication.h"
#include "gateway/transactions/publication_items.h"
#include "gateway/transactions/publication_store.h"
#include "gateway/transactions/resources.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/uuid.h"
#include "mappers/caller_json.h"
#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"
#include "mappers/publication_parts.h"
#include "mappers/publication_target.h"
#include "mappers/submission_match.h"

#define ASK_MS     3000 /* for the PIX manager, in an outage */
#define MAKERS_MAX 64   /* that one name is looked for among */

static struct str target_of(const struct transaction *t)
{
	return t->gateway->sources[0].backend.name;
}

bool publication_waits_by_wish(const struct transaction *t, bool respond_async)
{
	uint64_t most = t->gateway->config->outbox_bytes_max;
	struct outcome ignored;
	uint64_t bytes;
	uint64_t callers_bytes;

	outcome_init(&ignored);
	return respond_async &&
	       outbox_bytes(delivery_outbox(t->gateway->delivery), caller_client(t->caller, t->south.arena), &bytes,
			    &callers_bytes, &ignored) &&
	       bytes <= most / 2 && callers_bytes <= most / 4;
}

bool publications_may_wait(const struct transaction *t)
{
	return t->gateway->delivery && t->gateway->config->publication_degraded == CONFIG_DEGRADED_ACCEPT;
}

bool publications_may_wait_undecided(const struct transaction *t)
{
	return publications_may_wait(t) && t->gateway->config->publication_unverified_patient == CONFIG_DEGRADED_ACCEPT;
}

static bool makers_list(const struct transaction *t, struct str patient, struct str need, struct outbox_item **items,
			size_t *count)
{
	const struct outbox_filter filter = {
		.patient = patient, .makes = need, .states = OUTBOX_UNDELIVERED, .limit = MAKERS_MAX
	};

	return publication_items_list(t, &filter, items, count);
}

static bool is_listed(const struct outbox_item *items, size_t count, const struct outbox_item *item)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(items[i].id, item->id) == 0)
			return true;
	}
	return false;
}

/* *is_own: one that the caller has sent stands in another line. What others have sent for another patient is to this one as
 * if it were not there, also in what is answered. */
static bool elsewhere_find(const struct transaction *t, struct str patient, struct str need, bool *is_own)
{
	struct outbox_item *all;
	struct outbox_item *here = NULL;
	size_t all_count = 0;
	size_t here_count = 0;

	*is_own = false;
	if (!makers_list(t, STR_NONE, need, &all, &all_count) ||
	    (all_count > 0 && !makers_list(t, patient, need, &here, &here_count)))
		return false;
	for (size_t i = 0; i < all_count && !*is_own; i++) {
		struct publication_item opened;

		if (is_listed(here, here_count, &all[i]))
			continue;
		if (!publication_item_read(t, &all[i], STR_NONE, &opened, NULL))
			return false;
		*is_own = opened.is_own;
	}
	return true;
}

/* The order is kept within a line. What waits for its patient to be told stands in that of the name it was given. Only what
 * the registry does not have, or nobody could ask it for, is looked for among what waits. */
static bool needs_in_line(const struct transaction *t, const struct publication *publication, const struct strs *needs)
{
	struct str patient = publication->metadata.submission_sets[0].patient_id;

	for (size_t i = 0; i < needs->count; i++) {
		bool is_own;

		if (!elsewhere_find(t, patient, needs->items[i], &is_own))
			return false;
		if (is_own)
			return outcome_add(t->outcome, ERR_CONFLICT, "",
					   "It builds upon a publication that is not settled, of another patient or of "
					   "one whom nobody can tell yet: name the patient as that one does, or "
					   "publish this when that one is settled.");
	}
	return true;
}

/* Nothing is sent past what it builds upon, nor past itself: what is sent again while it waits or is a dead letter, is
 * that one. */
static bool stands_behind(const struct transaction *t, const struct publication *publication, const struct strs *needs,
			  bool *must_wait)
{
	const struct submission_set *set = &publication->metadata.submission_sets[0];
	struct str *names = arena_array(t->south.arena, needs->count + 1, sizeof(*names));

	if (!names)
		return no_memory(t);
	for (size_t i = 0; i < needs->count; i++)
		names[i] = needs->items[i];
	names[needs->count] = set->unique_id;
	return outbox_must_wait(delivery_outbox(t->gateway->delivery), set->patient_id, target_of(t), names,
				needs->count + 1, must_wait, t->outcome);
}

bool publication_must_wait(const struct transaction *t, const struct publication *publication, bool *must_wait)
{
	const struct delivery *delivery = t->gateway->delivery;
	struct strs makes = { 0 };
	struct strs needs = { 0 };

	*must_wait = false;
	if (!publications_may_wait(t))
		return true;
	if (!publication_order(t, publication, &makes, &needs) || !needs_in_line(t, publication, &needs))
		return false;
	if (publication_waits_by_wish(t, publication->respond_async) || publication->unverified.count > 0 ||
	    publication->is_undecided || delivery_target_is_away(delivery, target_of(t))) {
		*must_wait = true;
		return true;
	}
	return stands_behind(t, publication, &needs, must_wait);
}

bool publication_may_wait(const struct transaction *t, const struct publication *publication,
			  const struct outcome *refusal)
{
	return publications_may_wait(t) && (publication->is_unclear || submission_may_pass(refusal));
}

/* Is the patient known? Whom the PIX manager does not know is refused; when it cannot be asked, the policy says. */
static bool patient_verify(const struct transaction *t, struct str patient_id)
{
	struct outcome asking;
	struct south south = t->south;
	struct patient_identities found;
	enum identity_end end = IDENTITY_FAILED;
	struct hl7_cx cx;

	outcome_init(&asking);
	south.deadline = deadline_part(south.deadline, ASK_MS);
	if (cross_references_are_known(t->gateway->access) && hl7_cx_parse(patient_id, south.arena, &cx)) {
		struct patient_identity identity = { cx.authority.universal_id, cx.id };

		end = cross_reference_find(t->gateway->access, &south, &identity, t->now_s, &found, &asking);
	}
	switch (end) {
	case IDENTITY_OK:
		return true;
	case IDENTITY_UNKNOWN_ID:
		return outcome_add(t->outcome, ERR_PATIENT_UNKNOWN, "", "No patient is known here by this identifier.");
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
	case IDENTITY_REFUSED:
	case IDENTITY_FAILED:
		break;
	}
	if (!publications_may_wait_undecided(t))
		return outcome_add(t->outcome, ERR_BACKEND_DOWN, "",
				   "It cannot be found out now whether the patient is known; try again later.");
	return outcome_inform(t->outcome, ERR_PATIENT_UNKNOWN, "",
			      "It could not be found out now whether the patient is known: that is looked at when the "
			      "publication is delivered.");
}

/* It may have been accepted when nobody could say who its patient is. */
static bool item_find(const struct transaction *t, const struct publication *publication, char id[OUTBOX_ID_SIZE],
		      int *state, struct str *result)
{
	struct submission_set set = publication->metadata.submission_sets[0];
	struct metadata named = publication->metadata;
	struct outbox *outbox = delivery_outbox(t->gateway->delivery);
	struct item_wanted wanted = { &publication->metadata, t->gateway->config->tenant, target_of(t) };
	char other[OUTBOX_ID_SIZE];

	if (!delivery_item_find(outbox, &wanted, t->south.arena, id, state, result, t->outcome))
		return false;
	if (*state != -1 || publication->unresolved.count > 0 || str_is_empty(publication->alias))
		return true;
	set.patient_id = publication->alias;
	named.submission_sets = &set;
	wanted.submitted = &named;
	if (!delivery_item_find(outbox, &wanted, t->south.arena, other, state, result, t->outcome))
		return false;
	if (*state != -1)
		memcpy(id, other, OUTBOX_ID_SIZE);
	return true;
}

static bool item_put(const struct transaction *t, const struct publication *publication, const char *id)
{
	struct publication_kept kept = { 0 };
	char stored[OUTBOX_ID_SIZE];
	bool ok = publication_keep(t, publication, &kept);

	kept.item.id = str_from_c(id);
	kept.item.kind = publication->is_undecided ? STR(PUBLICATION_UNDECIDED) : STR(PUBLICATION_PROVIDE);
	kept.item.target = target_of(t);
	kept.item.patient = publication->metadata.submission_sets[0].patient_id;
	kept.item.caller = caller_client(t->caller, t->south.arena);
	kept.item.is_unclear = publication->is_unclear;
	ok = ok && outbox_put(delivery_outbox(t->gateway->delivery), &kept.item, stored, t->outcome);
	publication_kept_free(&kept);
	return ok;
}

/* What is not known yet, and what comes of it. */
static bool undecided_tell(const struct transaction *t, const struct publication *publication)
{
	if (!publication->is_undecided)
		return true;
	if (publication->unresolved.count > 0)
		return outcome_inform(t->outcome, ERR_PATIENT_UNKNOWN, "",
				      "It could not be found out now who the patient is, nor what they consent to: "
				      "both are asked before the publication is delivered, and until then nobody is "
				      "shown it.");
	return outcome_inform(t->outcome, ERR_TRUST_UNAVAILABLE, "",
			      "It could not be found out now what the patient consents to: that is asked before the "
			      "publication is delivered, and until then nobody is shown it.");
}

/* What was delivered while it waited is answered as if it had been now. */
static bool settled_answer(const struct transaction *t, struct str text, struct buf *answer)
{
	struct publication_result result;

	if (!publication_result_read(text, t->south.arena, &result))
		return outcome_add(t->outcome, ERR_DUPLICATE, "", "This very submission was stored before.");
	buf_add(answer, result.body);
	return !answer->failed || no_memory(t);
}

static bool accept_anew(const struct transaction *t, struct publication *publication, const char *id)
{
	return publication_identifiers_admit(t, publication, NULL) &&
	       (publication->unresolved.count > 0 ||
		patient_verify(t, publication->metadata.submission_sets[0].patient_id)) &&
	       item_put(t, publication, id);
}

/* Whoever sends what another has sent would lose it when that one takes it back. */
static bool own_verify(const struct transaction *t, const char *id)
{
	struct publication_item opened;
	struct outbox_item item;
	struct str result = STR_NONE;

	if (!outbox_get(delivery_outbox(t->gateway->delivery), str_from_c(id), t->south.arena, &item, &result,
			t->outcome) ||
	    !publication_item_read(t, &item, result, &opened, NULL))
		return false;
	return opened.has_moved || caller_is_same(t->caller, &opened.caller) ||
	       outcome_add(t->outcome, ERR_DUPLICATE, "",
			   "This very submission was accepted from somebody else and is not settled: publish it when "
			   "it is, or give its SubmissionSet another uniqueId.");
}

bool publication_accept(const struct transaction *t, struct publication *publication, struct provided *provided,
			struct buf *answer)
{
	struct outbox *outbox = delivery_outbox(t->gateway->delivery);
	struct str result = STR_NONE;
	char id[OUTBOX_ID_SIZE];
	int state = -1;

	if (!item_find(t, publication, id, &state, &result))
		return false;
	if (state == OUTBOX_DELIVERED)
		return settled_answer(t, result, answer);
	if (state != -1 && !own_verify(t, id))
		return false;
	/* Who sends a dead letter again, as it is, wants it to be tried again. */
	if (state == OUTBOX_REFUSED && !outbox_retry(outbox, str_from_c(id), t->outcome))
		return false;
	if (state == -1 && !accept_anew(t, publication, id))
		return false;
	return undecided_tell(t, publication) && publication_accepted(t, id, provided, answer);
}
