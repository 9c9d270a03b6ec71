/* What another network is given: decided by the patient, and named as that network names the patient. */
#include "gateway/access/known_document.h"
#include "gateway/delivery/attempt_read.h"
#include "gateway/delivery/share.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"

bool attempt_is_shared(const struct attempt *attempt)
{
	return publication_kind_facts(attempt->kind)->is_shared;
}

/* The patient under the identifier by which the other network knows them. */
static enum stand patient_translate(struct attempt *attempt)
{
	struct metadata *metadata = &attempt->metadata;
	struct str there = STR_NONE;

	if (!attempt->target->community)
		return STAND_GO_ON;
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	switch (community_find(attempt->delivery->options.access, &attempt->south, attempt->target->community,
			       metadata->submission_sets[0].patient_id, clock_wall_ms() / 1000, &there,
			       &attempt->outcome)) {
	case COMMUNITY_FOUND:
		break;
	case COMMUNITY_NOBODY:
		return attempt_refuse(attempt, ERR_PATIENT_UNKNOWN, "The patient is not known there.");
	case COMMUNITY_FAILED:
		attempt->end = DELIVERY_AWAY;
		return STAND_LATER;
	}
	metadata->submission_sets[0].patient_id = there;
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		metadata->document_entries[i].patient_id = there;
	attempt->south.patient_id = there;
	return STAND_GO_ON;
}

enum stand attempt_share_prepare(struct attempt *attempt)
{
	size_t count = attempt->metadata.document_entry_count;
	bool *kept = arena_array(attempt->arena, count, sizeof(*kept));
	size_t next = 0;

	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (!kept || !share_permit(attempt->delivery, &attempt->south, attempt->target, &attempt->metadata, kept,
				   clock_wall_ms() / 1000)) {
		outcome_add(&attempt->outcome, ERR_TRUST_UNAVAILABLE, "",
			    "It cannot be found out now what the patient consents to.");
		return STAND_LATER;
	}
	for (size_t i = 0; i < count; i++) {
		if (kept[i])
			attempt->parts[next++] = attempt->parts[i];
	}
	return next > 0 ? patient_translate(attempt) : STAND_WITHHELD;
}

/* It is registered, whatever becomes of this; and its end is told to who sent it. */
static enum stand never_shared(struct attempt *attempt)
{
	LOG(ERROR, LOG_DELIVERY, attempt->south.request_id, LOG_C("item", attempt->claim->item.id),
	    LOG_C("state", "registered, and not shared: its documents cannot be read any more"));
	outcome_init(&attempt->outcome);
	outcome_warn(&attempt->outcome, ERR_DOCUMENT_CORRUPT, "",
		     "This is registered, but cannot be shared with other networks: what was kept of its documents "
		     "cannot be read any more. Publish a replacement.");
	return STAND_DELIVERED;
}

enum stand attempt_share_onward(struct attempt *attempt)
{
	struct shared_publication publication = { .south = &attempt->south,
						  .caller = &attempt->head.caller,
						  .metadata = &attempt->metadata,
						  .now_s = clock_wall_ms() / 1000,
						  .is_owed = true };
	struct strs ids;

	if (attempt->kind != KIND_PROVIDE || !delivery_shares(attempt->delivery, &attempt->metadata))
		return STAND_DELIVERED;
	known_documents_keep_new(attempt->delivery->options.access, attempt->target->name, &attempt->metadata,
				 publication.now_s, attempt->arena);
	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	if (!attempt_documents(attempt))
		return attempt_unusable(attempt) == STAND_REFUSED ? never_shared(attempt) : STAND_UNCLEAR;
	publication.documents = attempt->documents;
	return delivery_share(attempt->delivery, &publication, &ids, &attempt->outcome) ? STAND_DELIVERED
											: STAND_UNCLEAR;
}
