#include "gateway/domain/update_rules.h"

#include "gateway/domain/refusal.h"
#include "mappers/base/uuid.h"

#define UPDATE_ERROR    "XDSMetadataUpdateError"
#define OPERATION_ERROR "XDSMetadataUpdateOperationError"
#define VERSION_MAX     1000000000U

bool update_kind_check(const struct submitted *object, struct outcome *outcome)
{
	const struct rim_object *rim = object->rim;

	switch (object->kind) {
	case OBJECT_SET:
		return true;
	case OBJECT_ENTRY:
		/* 3.57.4.1.3.1: first versions come with ITI-42. */
		if (uuid_valid(rim->lid) && !str_equal_nocase(rim->lid, rim->id))
			return true;
		return refuse(outcome, UPDATE_ERROR, rim->id,
			      "Set lid to the logical id (a UUID) of the registered document entry, and id to another "
			      "one.");
	case OBJECT_FOLDER:
		return refuse(outcome, OPERATION_ERROR, rim->id, "Remove the folder: this registry updates none.");
	case OBJECT_ASSOCIATION:
		if (object->type == ASSOCIATION_HAS_MEMBER || object->type == ASSOCIATION_UPDATE_STATUS)
			return true;
		break;
	}
	return refuse(outcome, OPERATION_ERROR, rim->id,
		      "Send only HasMember and UpdateAvailabilityStatus: this registry updates no associations.");
}

/* A version as text: digits, from 1 on; 0 when it is none. */
static uint64_t version_read(struct str text)
{
	uint64_t version = 0;

	return str_to_u64(text, &version) && version < VERSION_MAX ? version : 0;
}

static bool member_check(struct submitted *association, struct outcome *outcome)
{
	struct str propagation = slot_value(&association->rim->slots, STR("AssociationPropagation"));
	uint64_t previous = version_read(slot_value(&association->rim->slots, STR("PreviousVersion")));

	if (!association->target || association->target->kind != OBJECT_ENTRY)
		return refuse(outcome, OPERATION_ERROR, association->sent_id,
			      "Let HasMember lead to a document entry of this message.");
	if (previous == 0)
		return refuse(outcome, UPDATE_ERROR, association->sent_id,
			      "Set the slot PreviousVersion to the number of the version that is registered.");
	if (propagation.data && !str_equal(propagation, STR("yes")) && !str_equal(propagation, STR("no")))
		return refuse(outcome, UPDATE_ERROR, association->sent_id,
			      "Set AssociationPropagation to yes or no, or leave it out.");
	association->target->version = (int64_t)previous + 1;
	return true;
}

static bool status_read(const struct submitted *association, struct str slot, bool *is_deprecated)
{
	struct str status = slot_value(&association->rim->slots, slot);

	*is_deprecated = str_equal(status, STR(STATUS_DEPRECATED));
	return *is_deprecated || str_equal(status, STR(STATUS_APPROVED));
}

static bool status_check(struct submitted *association, struct outcome *outcome)
{
	if (association->target && association->target->kind != OBJECT_ENTRY)
		return refuse(outcome, UPDATE_ERROR, association->sent_id,
			      "Let UpdateAvailabilityStatus lead to a document entry.");
	return (status_read(association, STR("OriginalStatus"), &association->was_deprecated) &&
		status_read(association, STR("NewStatus"), &association->becomes_deprecated)) ||
	       refuse(outcome, UPDATE_ERROR, association->sent_id,
		      "Set OriginalStatus and NewStatus each to the URN of Approved or Deprecated.");
}

bool update_association_check(const struct submission *submission, struct submitted *association,
			      struct outcome *outcome)
{
	if (association->source != submission->set)
		return refuse(outcome, UPDATE_ERROR, association->sent_id,
			      "Let the submission set be the source of every association.");
	return association->type == ASSOCIATION_HAS_MEMBER ? member_check(association, outcome)
							   : status_check(association, outcome);
}

bool update_drops_associations(const struct submission *submission, const struct submitted *entry)
{
	for (size_t i = 0; i < submission->count; i++) {
		const struct submitted *object = &submission->objects[i];

		if (object->kind == OBJECT_ASSOCIATION && object->type == ASSOCIATION_HAS_MEMBER &&
		    object->target == entry)
			return str_equal(slot_value(&object->rim->slots, STR("AssociationPropagation")), STR("no"));
	}
	return false;
}
