/* ITI-57 and ITI-62: what changes and removes registered objects. */
#include "gateway/domain/refusal.h"
#include "gateway/domain/registry_commit.h"
#include "gateway/domain/update_rules.h"
#include "mappers/base/uuid.h"

#define UPDATE_ERROR     "XDSMetadataUpdateError"
#define REMOVED_IDS_MAX  1000
#define STATUS_OF(value) ((value) ? STR(STATUS_DEPRECATED) : STR(STATUS_APPROVED))

/* Slots that say which bytes an entry is about. */
static const char *const fixed_slots[] = { "hash", "size", "repositoryUniqueId" };

static bool fixed_slots_check(struct commit *commit, const struct submitted *entry, const struct row *present)
{
	const struct rim_object *rim = row_rim(present, commit->arena, commit->outcome);
	bool ok = rim != NULL;

	for (size_t i = 0; rim && i < COUNT_OF(fixed_slots); i++) {
		struct str name = str_from_c(fixed_slots[i]);

		if (!str_equal_nocase(slot_value(&rim->slots, name), slot_value(&entry->rim->slots, name)))
			ok = refuse(commit->outcome, UPDATE_ERROR, entry->sent_id,
				    "Leave %s as it is registered: it says which document this is.", fixed_slots[i]);
	}
	if (rim && !str_equal_nocase(rim->object_type, entry->rim->object_type))
		ok = refuse(commit->outcome, UPDATE_ERROR, entry->sent_id, "Leave objectType as it is registered.");
	return ok;
}

/* A new version against the one that it follows, which is put into *present. 3.57.4.1.3.3.1.3 */
static bool version_check(struct commit *commit, const struct submitted *entry, struct row *present)
{
	struct outcome *outcome = commit->outcome;
	bool found;

	if (!row_by_lid(commit->connection, entry->rim->lid, commit->arena, present, &found, outcome))
		return false;
	if (!found)
		return refuse(outcome, UPDATE_ERROR, entry->sent_id,
			      "Set lid to the logical id of a registered document entry.");
	if (present->version + 1 != entry->version)
		return refuse(outcome, "XDSMetadataVersionError", entry->sent_id,
			      "Read the entry again: PreviousVersion is not its current version.");
	if (!str_equal(present->unique_id, entry->unique_id))
		return refuse(outcome, UPDATE_ERROR, entry->sent_id, "Leave uniqueId as it is registered.");
	if (!str_equal(present->patient_id, entry->patient_id))
		return refuse(outcome, "XDSPatientIDReconciliationError", entry->sent_id,
			      "Leave patientId as it is registered: patients are merged by ITI-44.");
	return fixed_slots_check(commit, entry, present);
}

/* Two versions of one entry in one message could not both be the next. */
static bool lids_check(const struct commit *commit, size_t index)
{
	const struct submission *submission = commit->submission;

	for (size_t i = 0; i < index; i++) {
		if (submission->objects[i].kind == OBJECT_ENTRY &&
		    str_equal(submission->objects[i].rim->lid, submission->objects[index].rim->lid))
			return refuse(commit->outcome, UPDATE_ERROR, submission->objects[index].sent_id,
				      "Send one version of a document entry at once.");
	}
	return true;
}

/* Another status, of an entry in the message or of the current version of a registered one. 3.57.4.1.3.3.2 */
static bool status_check(struct commit *commit, const struct submitted *association, struct row *row)
{
	struct outcome *outcome = commit->outcome;
	struct row current;
	bool found;

	if (!row_by_uuid(commit->connection, association->rim->target_object, commit->arena, row, &found, outcome))
		return false;
	if (!found || row->kind != OBJECT_ENTRY)
		return refuse(outcome, UPDATE_ERROR, association->sent_id,
			      "Let UpdateAvailabilityStatus lead to a registered document entry.");
	if (!row_by_lid(commit->connection, row->lid, commit->arena, &current, &found, outcome))
		return false;
	if (!found || current.id != row->id)
		return refuse(outcome, "XDSMetadataVersionError", association->sent_id,
			      "Read the entry again: there is a newer version of it.");
	if (!str_equal(row->patient_id, commit->submission->set->patient_id))
		return refuse(outcome, "XDSPatientIDReconciliationError", association->sent_id,
			      "Let submission set and document entry be of one patient.");
	return row->deprecated == association->was_deprecated ||
	       refuse(outcome, "XDSMetadataVersionError", association->sent_id,
		      "Read the entry again: OriginalStatus is not its status.");
}

static bool update_check(struct commit *commit)
{
	bool ok = true;

	for (size_t i = 0; i < commit->submission->count; i++) {
		const struct submitted *object = &commit->submission->objects[i];

		ok = commit_ids_check(commit, object) && ok;
		if (object->kind == OBJECT_SET)
			ok = commit_patient_check(commit, object) && commit_unique_id_check(commit, object) && ok;
		else if (object->kind == OBJECT_ENTRY)
			ok = lids_check(commit, i) && version_check(commit, object, &commit->ends[i].target) && ok;
		else if (object->type == ASSOCIATION_UPDATE_STATUS && !object->target)
			ok = status_check(commit, object, &commit->ends[i].target) && ok;
	}
	return ok;
}

/* A new version is what the one before it was; a status of the same message comes on top. */
static bool statuses_settle(struct commit *commit)
{
	const struct submission *submission = commit->submission;
	bool ok = true;

	for (size_t i = 0; i < submission->count; i++) {
		if (submission->objects[i].kind == OBJECT_ENTRY)
			submission->objects[i].is_deprecated = commit->ends[i].target.deprecated;
	}
	for (size_t i = 0; i < submission->count; i++) {
		struct submitted *association = &submission->objects[i];

		if (association->kind != OBJECT_ASSOCIATION || association->type != ASSOCIATION_UPDATE_STATUS ||
		    !association->target)
			continue;
		if (association->target->is_deprecated != association->was_deprecated)
			ok = refuse(commit->outcome, "XDSMetadataVersionError", association->sent_id,
				    "Read the entry again: OriginalStatus is not its status.");
		association->target->is_deprecated = association->becomes_deprecated;
	}
	for (size_t i = 0; i < submission->count; i++)
		submission->objects[i].rim->status = STATUS_OF(submission->objects[i].is_deprecated);
	return ok;
}

/* True when the object at the other end is no old version of an entry: copies of links must not multiply. */
static bool is_current(struct commit *commit, struct str uuid, bool *answer)
{
	struct row row;
	struct row current;
	bool found;

	if (!row_by_uuid(commit->connection, uuid, commit->arena, &row, &found, commit->outcome))
		return false;
	*answer = found && row.kind != OBJECT_SET;
	if (!*answer || row.kind != OBJECT_ENTRY)
		return true;
	if (!row_by_lid(commit->connection, row.lid, commit->arena, &current, &found, commit->outcome))
		return false;
	*answer = found && current.id == row.id;
	return true;
}

/* One association of the version before is made for the new version too; membership in a folder is said by the
 * submission set as well, and changes the folder. 3.57.4.1.3.3.1.5 */
static bool association_repeat(struct commit *commit, const struct row *association, struct str before,
			       struct str after)
{
	bool from_entry = str_equal(association->source, before);
	struct str other = from_entry ? association->target : association->source;
	struct str uuid = STR_NONE;
	struct str unused;
	struct row folder;
	bool found = false;
	bool current;

	if (!is_current(commit, other, &current))
		return false;
	if (!current)
		return true;
	if (!commit_association_add(commit, association->association_type.data, from_entry ? after : other,
				    from_entry ? other : after, &uuid))
		return false;
	if (!str_equal(association->association_type, STR(HAS_MEMBER)))
		return true;
	return commit_association_add(commit, HAS_MEMBER, commit->submission->set->rim->id, uuid, &unused) &&
	       row_by_uuid(commit->connection, other, commit->arena, &folder, &found, commit->outcome) &&
	       (!found ||
		row_touch(commit->connection, &folder, commit->submission->now, commit->arena, commit->outcome));
}

static bool associations_find(struct connection *connection, struct str uuid, struct arena *arena,
			      struct rows *associations, struct outcome *outcome)
{
	struct select select;
	bool ok;

	select_begin(&select, arena);
	select_add(&select, " AND o.kind = 4 AND (o.source = ? OR o.target = ?)");
	select_bind(&select, uuid);
	select_bind(&select, uuid);
	ok = select_run(&select, connection, associations, outcome);
	select_free(&select);
	return ok;
}

static bool associations_repeat(struct commit *commit, const struct submitted *entry, const struct row *before)
{
	struct rows associations = { 0 };
	bool ok;

	if (update_drops_associations(commit->submission, entry))
		return true;
	ok = associations_find(commit->connection, before->uuid, commit->arena, &associations, commit->outcome);
	for (size_t i = 0; ok && i < associations.count; i++) {
		if (!associations.items[i].deprecated)
			ok = association_repeat(commit, &associations.items[i], before->uuid, entry->rim->id);
	}
	return ok;
}

static bool update_apply(struct commit *commit)
{
	const struct submission *submission = commit->submission;

	for (size_t i = 0; i < submission->count; i++) {
		if (!row_insert(commit->connection, &submission->objects[i], commit->arena, commit->outcome))
			return false;
	}
	for (size_t i = 0; i < submission->count; i++) {
		const struct submitted *object = &submission->objects[i];
		const struct row *present = &commit->ends[i].target;

		if (object->kind == OBJECT_ENTRY &&
		    (!row_set_status(commit->connection, present, true, commit->arena, commit->outcome) ||
		     !associations_repeat(commit, object, present)))
			return false;
		if (object->kind == OBJECT_ASSOCIATION && object->type == ASSOCIATION_UPDATE_STATUS &&
		    !object->target &&
		    !row_set_status(commit->connection, present, object->becomes_deprecated, commit->arena,
				    commit->outcome))
			return false;
	}
	return true;
}

bool registry_update(struct connection *connection, const struct submission *submission, struct arena *arena,
		     struct outcome *outcome)
{
	struct commit commit = {
		.connection = connection, .submission = submission, .arena = arena, .outcome = outcome
	};

	commit.ends = arena_array(arena, submission->count, sizeof *commit.ends);
	if (!commit.ends)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later, or send fewer objects at once.");
	return update_check(&commit) && statuses_settle(&commit) && update_apply(&commit);
}

/* --- ITI-62 --- */

/* Every association at this object is removed too. 3.62.4.1.3 */
static bool references_check(struct connection *connection, const struct row *row, const struct rows *doomed,
			     struct arena *arena, struct outcome *outcome)
{
	struct rows associations = { 0 };

	if (!associations_find(connection, row->uuid, arena, &associations, outcome))
		return false;
	for (size_t i = 0; i < associations.count; i++) {
		if (!rows_hold(doomed, associations.items[i].uuid))
			return refuse(outcome, "ReferencesExistException", row->uuid,
				      "Remove the associations that lead to it or come from it too.");
	}
	return true;
}

/* An object that stays keeps at least one association. */
static bool end_check(struct connection *connection, struct str uuid, const struct rows *doomed, struct arena *arena,
		      struct outcome *outcome)
{
	struct rows associations = { 0 };

	if (rows_hold(doomed, uuid))
		return true;
	if (!associations_find(connection, uuid, arena, &associations, outcome))
		return false;
	for (size_t i = 0; i < associations.count; i++) {
		if (!rows_hold(doomed, associations.items[i].uuid))
			return true;
	}
	return refuse(outcome, "XDSUnreferencedObjectException", uuid,
		      "Remove this object too: nothing would refer to it any more.");
}

static bool doomed_find(struct connection *connection, const struct strs *ids, struct arena *arena, struct rows *doomed,
			struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < ids->count; i++) {
		unsigned char bytes[16];
		char uuid[UUID_URN_SIZE] = "";
		struct row row;
		bool found;

		/* They are kept in lower case. */
		if (uuid_read(ids->items[i], bytes))
			uuid_write(bytes, uuid);
		if (!row_by_uuid(connection, str_from_c(uuid), arena, &row, &found, outcome))
			return false;
		if (!found)
			ok = refuse(outcome, "UnresolvedReferenceException", ids->items[i],
				    "Name objects that are registered.");
		else if (!rows_add(doomed, &row, arena, outcome))
			return false;
	}
	return ok;
}

bool registry_remove(struct connection *connection, const struct strs *ids, struct arena *arena, size_t *count,
		     struct outcome *outcome)
{
	struct rows doomed = { 0 };
	bool ok = true;

	*count = 0;
	if (ids->count == 0 || ids->count > REMOVED_IDS_MAX)
		return refuse(outcome, "XDSRegistryError", STR_NONE, "Name 1 to %d objects.", REMOVED_IDS_MAX);
	if (!doomed_find(connection, ids, arena, &doomed, outcome))
		return false;
	for (size_t i = 0; i < doomed.count; i++) {
		const struct row *row = &doomed.items[i];

		ok = references_check(connection, row, &doomed, arena, outcome) && ok;
		if (row->kind == OBJECT_ASSOCIATION)
			ok = end_check(connection, row->source, &doomed, arena, outcome) &&
			     end_check(connection, row->target, &doomed, arena, outcome) && ok;
	}
	for (size_t i = 0; ok && i < doomed.count; i++)
		ok = row_remove(connection, &doomed.items[i], outcome);
	*count = ok ? doomed.count : 0;
	return ok;
}
