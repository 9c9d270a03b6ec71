/* What nobody could say when a publication was accepted is asked before it is sent: who its patient is, and whether they
 * permit its sender to publish it. Until then it is not asked after in the registry: it was never sent. */
#include "gateway/access/cross_reference.h"
#include "gateway/access/visible.h"
#include "gateway/delivery/attempt_permit.h"
#include "gateway/delivery/attempt_read.h"
#include "gateway/run/clock.h"
#include "mappers/base/hl7v2.h"

/* --- who it is --- */

/* Takes the patient's identifier in the affinity domain. */
static enum stand value_take(struct attempt *attempt, const struct patient_identities *found, struct str *value)
{
	struct str affinity = attempt->delivery->options.config->patient_assigning_authority;

	for (size_t i = 0; i < found->count; i++) {
		if (!str_equal(found->items[i].authority, affinity))
			continue;
		if (value->data && !str_equal(*value, found->items[i].value)) {
			return attempt_refuse(attempt, ERR_PATIENT_AMBIGUOUS,
					      "The patient that it names could be several in the affinity domain: "
					      "correct it for one (Task $resubmit), or withdraw it.");
		}
		*value = found->items[i].value;
	}
	return STAND_GO_ON;
}

static enum stand name_resolve(struct attempt *attempt, struct str name, struct str *value)
{
	struct patient_identities found;
	struct patient_identity identity;
	struct outcome asking;
	struct hl7_cx cx;

	outcome_init(&asking);
	if (!hl7_cx_parse(name, attempt->arena, &cx)) {
		return attempt_refuse(attempt, ERR_INTERNAL, "What was kept of the publication cannot be read.");
	}
	identity = (struct patient_identity) { cx.authority.universal_id, cx.id };
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	switch (cross_reference_find(attempt->delivery->options.access, &attempt->south, &identity,
				     clock_wall_ms() / 1000, &found, &asking)) {
	case IDENTITY_OK:
		return value_take(attempt, &found, value);
	case IDENTITY_UNKNOWN_ID:
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
		return STAND_GO_ON;
	case IDENTITY_REFUSED:
	case IDENTITY_FAILED:
		break;
	}
	outcome_add(&attempt->outcome, ERR_BACKEND_DOWN, "", "It cannot be found out now who the patient is.");
	return STAND_LATER;
}

static bool patient_set(struct attempt *attempt, struct str value)
{
	const struct hl7_cx cx = {
		.id = value,
		.authority = { .universal_id = attempt->delivery->options.config->patient_assigning_authority,
			       .universal_id_type = STR("ISO") }
	};
	struct str patient_id = hl7_cx_write(&cx, attempt->arena);
	struct metadata *metadata = &attempt->metadata;

	if (!patient_id.data)
		return outcome_add(&attempt->outcome, ERR_NO_MEMORY, "", "Try again later.");
	metadata->submission_sets[0].patient_id = patient_id;
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		metadata->document_entries[i].patient_id = patient_id;
	for (size_t i = 0; i < metadata->folder_count; i++)
		metadata->folders[i].patient_id = patient_id;
	audit_patient(attempt->trail, patient_id, STR_NONE);
	return true;
}

/* All names must mean the same patient. */
static enum stand identify(struct attempt *attempt)
{
	struct str value = STR_NONE;

	for (size_t i = 0; i < attempt->head.unresolved.count; i++) {
		enum stand stand = name_resolve(attempt, attempt->head.unresolved.items[i], &value);

		if (stand != STAND_GO_ON)
			return stand;
	}
	if (attempt->head.unresolved.count == 0)
		return STAND_GO_ON;
	if (!value.data) {
		return attempt_refuse(attempt, ERR_PATIENT_UNKNOWN,
				      "Nobody is known here by the identifier that it names: retry it when the patient "
				      "is, correct it for one who is known (Task $resubmit), or withdraw it.");
	}
	return patient_set(attempt, value) ? STAND_GO_ON : STAND_LATER;
}

/* --- whether they permit it --- */

/* Recorded as if the sender asked now. */
static void decision_record(struct attempt *attempt, const struct visit *visit)
{
	size_t count = 0;
	const struct visit_patient *patients = visit_patients(visit, &count);

	for (size_t i = 0; i < count; i++)
		audit_decision(attempt->trail, patients[i].patient_id, &patients[i].decided, patients[i].denied_count,
			       patients[i].was_refused);
}

struct visit *attempt_visit(struct attempt *attempt)
{
	struct south south = attempt->south;

	/* Changes that wait are its own, or come after it. */
	south.backend = NULL;
	/* A patient was accepted for their own record alone. */
	return visit_begin(attempt->delivery->options.access, &south, &attempt->head.caller, false,
			   attempt->metadata.submission_sets[0].patient_id, clock_wall_ms() / 1000);
}

enum stand attempt_denied(struct attempt *attempt, const struct visit *visit, const struct outcome *asking)
{
	if (!visit || asking->count == 0 || asking->issues[0].code != ERR_FORBIDDEN) {
		outcome_add(&attempt->outcome, ERR_TRUST_UNAVAILABLE, "",
			    "It cannot be found out now what the patient consents to.");
		return STAND_LATER;
	}
	decision_record(attempt, visit);
	return attempt_refuse(attempt, ERR_FORBIDDEN,
			      "The patient's consent or this organisation's policy does not allow its sender to "
			      "publish or change this: withdraw it, or retry it once they do.");
}

enum stand attempt_permit(struct attempt *attempt)
{
	const struct metadata *metadata = &attempt->metadata;
	struct str patient_id = metadata->submission_sets[0].patient_id;
	struct outcome asking;
	struct visit *visit;

	outcome_init(&asking);
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	visit = attempt_visit(attempt);
	if (!visit || !visible_may_publish(visit, patient_id, metadata->document_entries,
					   metadata->document_entry_count, NULL, &asking))
		return attempt_denied(attempt, visit, &asking);
	decision_record(attempt, visit);
	return STAND_GO_ON;
}

/* --- an ordinary publication --- */

static enum stand item_put(struct attempt *attempt, struct buf *head, struct buf *metadata)
{
	size_t count = PUBLICATION_DOCUMENTS + attempt->metadata.document_entry_count;
	struct str *parts = arena_array(attempt->arena, count, sizeof(*parts));
	struct strs makes = { 0 };
	struct strs needs = { 0 };

	attempt->head.unresolved.count = 0;
	publication_head_write(&attempt->head, head);
	if (!parts || !publication_names(&attempt->metadata, attempt->arena, &makes, &needs) ||
	    !publication_chosen_names(&attempt->head, attempt->arena, &makes))
		return STAND_LATER;
	if (!attempt_documents(attempt) ||
	    !publication_metadata_write(&attempt->metadata, attempt->arena, metadata, &attempt->outcome))
		return attempt_unusable(attempt);
	/* Both were kept once, and are hardly longer now: without memory. */
	if (head->failed || metadata->failed)
		return STAND_LATER;
	parts[PUBLICATION_HEAD] = buf_str(head);
	parts[PUBLICATION_METADATA] = buf_str(metadata);
	parts[PUBLICATION_ANSWER] = attempt->answer;
	for (size_t i = 0; i < attempt->metadata.document_entry_count; i++)
		parts[PUBLICATION_DOCUMENTS + i] = spool_view(attempt->documents[i].spool);
	const struct outbox_new item = { .kind = STR(PUBLICATION_PROVIDE),
					 .target = attempt->claim->item.target,
					 .patient = attempt->metadata.submission_sets[0].patient_id,
					 .makes = makes.items,
					 .make_count = makes.count,
					 .needs = needs.items,
					 .need_count = needs.count,
					 .parts = parts,
					 .part_count = count };

	return attempt_rework(attempt, &item);
}

enum stand attempt_decide(struct attempt *attempt)
{
	enum stand stand = identify(attempt);
	struct buf metadata;
	struct buf head;

	if (stand == STAND_GO_ON)
		stand = attempt_permit(attempt);
	if (stand != STAND_GO_ON)
		return stand;
	buf_init(&head, PUBLICATION_HEAD_BYTES_MAX);
	buf_init(&metadata, PUBLICATION_METADATA_BYTES_MAX);
	stand = item_put(attempt, &head, &metadata);
	buf_free(&head);
	buf_free(&metadata);
	return stand;
}
