#include "gateway/domain/registry_commit.h"

#include <assert.h>

#include "gateway/domain/identity_store.h"
#include "gateway/domain/refusal.h"

#define METADATA_ERROR "XDSRegistryMetadataError"
#define APPEND         "urn:ihe:iti:2007:AssociationType:APND"
#define TRANSFORM      "urn:ihe:iti:2007:AssociationType:XFRM"
#define DEPRECATED     "XDSRegistryDeprecatedDocumentError"

bool commit_ids_check(struct commit *commit, const struct submitted *object)
{
	struct row row;
	bool found;

	if (!row_by_uuid(commit->connection, object->rim->id, commit->arena, &row, &found, commit->outcome))
		return false;
	return !found || refuse(commit->outcome, METADATA_ERROR, object->sent_id,
				"Use another entryUUID, or a symbolic id: this one is registered already.");
}

bool commit_unique_id_check(struct commit *commit, const struct submitted *object)
{
	struct rows known = { 0 };
	bool ok = true;

	if (!rows_by_unique_id(commit->connection, object->unique_id, commit->arena, &known, commit->outcome))
		return false;
	for (size_t i = 0; i < known.count && ok; i++) {
		const struct row *row = &known.items[i];

		if (object->kind != OBJECT_ENTRY || row->kind != OBJECT_ENTRY)
			ok = refuse(commit->outcome, "XDSDuplicateUniqueIdInRegistry", object->sent_id,
				    "Use another uniqueId: this one is registered already.");
		else if (!str_equal(row->hash, object->hash))
			ok = refuse(commit->outcome, "XDSNonIdenticalHash", object->sent_id,
				    "Use another uniqueId (FHIR: masterIdentifier): a document with this one and "
				    "another hash is registered.");
		else if (!str_equal(row->size, object->size))
			ok = refuse(commit->outcome, "XDSNonIdenticalSize", object->sent_id,
				    "Use another uniqueId (FHIR: masterIdentifier): a document with this one and "
				    "another size is registered.");
	}
	return ok;
}

/* Finds a registered end, which must be there and not deprecated. TF-3 table 4.2.4.1-2 */
static bool end_find(struct commit *commit, const struct submitted *association, struct str uuid, const char *which,
		     struct row *row)
{
	bool found;

	if (!row_by_uuid(commit->connection, uuid, commit->arena, row, &found, commit->outcome))
		return false;
	if (!found)
		return refuse(commit->outcome, "UnresolvedReferenceException", association->sent_id,
			      "Let %s name an object of the message or of the registry.", which);
	if (row->deprecated)
		return refuse(commit->outcome, DEPRECATED, association->sent_id,
			      "Let %s name an object that is not deprecated.", which);
	return true;
}

static bool patients_equal(struct commit *commit, const struct submitted *association, struct str a, struct str b)
{
	return str_equal(a, b) || refuse(commit->outcome, "XDSPatientIdDoesNotMatch", association->sent_id,
					 "Let the ends of the association be of one patient.");
}

/* HasMember with at least one registered end. TF-3 4.2.2.1 */
static bool registered_member_check(struct commit *commit, const struct submitted *association, const struct ends *ends)
{
	if (association->source && association->source->kind == OBJECT_SET) {
		struct str status = slot_value(&association->rim->slots, STR("SubmissionSetStatus"));

		if (ends->target.kind == OBJECT_SET)
			return refuse(commit->outcome, METADATA_ERROR, association->sent_id,
				      "Do not make a submission set the member of another.");
		/* A Reference may point to another patient's entry: mother and child. */
		return ends->target.kind != OBJECT_ENTRY || str_equal(status, STR("Reference")) ||
		       refuse(commit->outcome, METADATA_ERROR, association->sent_id,
			      "Set SubmissionSetStatus to Reference: the entry is registered already.");
	}
	enum object_kind source_kind = association->source ? association->source->kind : ends->source.kind;
	enum object_kind target_kind = association->target ? association->target->kind : ends->target.kind;

	if (source_kind != OBJECT_FOLDER || target_kind != OBJECT_ENTRY)
		return refuse(commit->outcome, METADATA_ERROR, association->sent_id,
			      "Let a HasMember lead from a folder to a document entry, or begin at the submission "
			      "set.");
	return patients_equal(commit, association,
			      association->source ? association->source->patient_id : ends->source.patient_id,
			      association->target ? association->target->patient_id : ends->target.patient_id);
}

/* True when the registry holds an XFRM whose new document is this one. */
static bool is_transformation(struct commit *commit, struct str uuid, bool *answer)
{
	struct statement *statement;

	if (!statement_prepare(commit->connection, "SELECT 1 FROM object WHERE source = ? AND type = ?", &statement,
			       commit->outcome))
		return false;
	statement_bind_text(statement, 1, uuid);
	statement_bind_text(statement, 2, STR(TRANSFORM));
	enum step step = statement_step(statement, commit->outcome);

	*answer = step == STEP_ROW;
	if (step == STEP_ROW)
		statement_reset(statement);
	return step != STEP_FAILED;
}

/* A relation to a registered document. TF-3 4.2.2.2 */
static bool registered_relation_check(struct commit *commit, const struct submitted *association,
				      const struct ends *ends)
{
	bool transformation = false;

	assert(association->source); /* submission_read took no other */
	if (ends->target.kind != OBJECT_ENTRY)
		return refuse(commit->outcome, METADATA_ERROR, association->sent_id,
			      "Let a document entry be the target.");
	if (association->type == ASSOCIATION_IS_SNAPSHOT_OF)
		return refuse(commit->outcome, METADATA_ERROR, association->sent_id,
			      "Let IsSnapshotOf lead to an on-demand document entry.");
	if (association->type == ASSOCIATION_APPEND) {
		if (!is_transformation(commit, ends->target.uuid, &transformation))
			return false;
		if (transformation)
			return refuse(commit->outcome, METADATA_ERROR, association->sent_id,
				      "Append to the original document, not to a transformation of it.");
	}
	return patients_equal(commit, association, association->source->patient_id, ends->target.patient_id);
}

static bool association_check(struct commit *commit, const struct submitted *association, struct ends *ends)
{
	const struct rim_object *rim = association->rim;

	if (!association->source && !end_find(commit, association, rim->source_object, "sourceObject", &ends->source))
		return false;
	if (!association->target && !end_find(commit, association, rim->target_object, "targetObject", &ends->target))
		return false;
	if (association->source && association->target)
		return true;
	if (association->type == ASSOCIATION_HAS_MEMBER)
		return registered_member_check(commit, association, ends);
	return registered_relation_check(commit, association, ends);
}

bool commit_patient_check(const struct commit *commit, const struct submitted *object)
{
	const struct patient_identity identity = { object->patient_authority, object->patient_value };
	bool is_registered = false;

	if (!identity_is_registered(commit->connection, commit->submission->patients, &identity, &is_registered,
				    commit->outcome))
		return false;
	return is_registered || refuse(commit->outcome, "XDSUnknownPatientId", object->sent_id,
				       "Use a patient id that this affinity domain knows.");
}

/* The patient of objects[index], unless an object before it has the same: one refusal is enough. */
static bool patient_check(const struct commit *commit, size_t index)
{
	const struct submitted *objects = commit->submission->objects;
	const struct submitted *object = &objects[index];

	for (size_t i = 0; i < index; i++) {
		if (objects[i].kind != OBJECT_ASSOCIATION &&
		    str_equal(objects[i].patient_authority, object->patient_authority) &&
		    str_equal(objects[i].patient_value, object->patient_value))
			return true;
	}
	return commit_patient_check(commit, object);
}

/* All that needs the registry and changes nothing. It goes on after the first refusal, not after a failing disk. */
static bool registry_check(struct commit *commit)
{
	bool ok = true;

	for (size_t i = 0; i < commit->submission->count; i++) {
		const struct submitted *object = &commit->submission->objects[i];

		ok = commit_ids_check(commit, object) && ok;
		if (object->kind == OBJECT_ASSOCIATION)
			ok = association_check(commit, object, &commit->ends[i]) && ok;
		else
			ok = patient_check(commit, i) && commit_unique_id_check(commit, object) && ok;
	}
	return ok;
}

/* Deprecates a document and, in turn, what is appended to it or made from it. TF-3 4.2.2.2.1 */
static bool tree_deprecate(struct commit *commit, const struct row *replaced)
{
	struct rows doomed = { 0 };
	struct select select;
	bool ok = true;

	select_begin(&select, commit->arena);
	select_add(&select, " AND o.uuid = ?");
	select_bind(&select, replaced->uuid);
	ok = select_run(&select, commit->connection, &doomed, commit->outcome);
	select_free(&select);
	/* Each round asks for the children of one row; rows are never entered twice, so that it ends. */
	for (size_t i = 0; ok && i < doomed.count; i++) {
		select_begin(&select, commit->arena);
		select_add(&select, " AND o.deprecated = 0 AND o.kind = 1 AND o.uuid IN (SELECT a.source FROM object a"
				    " WHERE a.target = ? AND a.type IN (?, ?))");
		select_bind(&select, doomed.items[i].uuid);
		select_bind(&select, STR(APPEND));
		select_bind(&select, STR(TRANSFORM));
		ok = select_run(&select, commit->connection, &doomed, commit->outcome);
		select_free(&select);
	}
	for (size_t i = 0; ok && i < doomed.count; i++)
		ok = row_set_status(commit->connection, &doomed.items[i], true, commit->arena, commit->outcome);
	return ok;
}

bool commit_association_add(struct commit *commit, const char *type, struct str source, struct str target,
			    struct str *uuid)
{
	struct submitted added = { .kind = OBJECT_ASSOCIATION, .version = 1 };

	added.rim = association_new(commit->arena, type, source, target, commit->submission->set->rim->home);
	if (!added.rim)
		return outcome_add(commit->outcome, ERR_NO_MEMORY, "", "Retry later.");
	*uuid = added.rim->id;
	return row_insert(commit->connection, &added, commit->arena, commit->outcome);
}

/* A replacement goes into every folder that holds its predecessor. ITI TF-2 3.42.4.1.3.3.3 */
static bool folders_follow(struct commit *commit, const struct submitted *association)
{
	struct str replacement = association->rim->source_object;
	struct rows folders = { 0 };
	struct select select;
	struct str member = STR_NONE;
	struct str unused;
	bool ok;

	select_begin(&select, commit->arena);
	select_add(&select, " AND o.kind = 3 AND o.deprecated = 0 AND o.uuid IN"
			    " (SELECT a.source FROM object a WHERE a.target = ? AND a.type = ?) AND o.uuid NOT IN"
			    " (SELECT a.source FROM object a WHERE a.target = ? AND a.type = ?)");
	select_bind(&select, association->rim->target_object);
	select_bind(&select, STR(HAS_MEMBER));
	select_bind(&select, replacement);
	select_bind(&select, STR(HAS_MEMBER));
	ok = select_run(&select, commit->connection, &folders, commit->outcome);
	select_free(&select);
	for (size_t i = 0; ok && i < folders.count; i++) {
		ok = commit_association_add(commit, HAS_MEMBER, folders.items[i].uuid, replacement, &member) &&
		     commit_association_add(commit, HAS_MEMBER, commit->submission->set->rim->id, member, &unused) &&
		     row_touch(commit->connection, &folders.items[i], commit->submission->now, commit->arena,
			       commit->outcome);
	}
	return ok;
}

static bool is_replacement(const struct submitted *object)
{
	return object->kind == OBJECT_ASSOCIATION &&
	       (object->type == ASSOCIATION_REPLACE || object->type == ASSOCIATION_TRANSFORM_REPLACE);
}

/* What an association does to folders that are registered already. */
static bool association_apply(struct commit *commit, const struct submitted *association, const struct ends *ends)
{
	if (is_replacement(association))
		return folders_follow(commit, association);
	if (association->type == ASSOCIATION_HAS_MEMBER && !association->source)
		return row_touch(commit->connection, &ends->source, commit->submission->now, commit->arena,
				 commit->outcome);
	return true;
}

bool registry_commit(struct connection *connection, const struct submission *submission, struct arena *arena,
		     struct outcome *outcome)
{
	struct commit commit = {
		.connection = connection, .submission = submission, .arena = arena, .outcome = outcome
	};

	commit.ends = arena_array(arena, submission->count, sizeof *commit.ends);
	if (!commit.ends)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later, or send fewer objects at once.");
	if (!registry_check(&commit))
		return false;
	/* Before the new objects are in: a document that replaces and transforms an old one must not fall with it. */
	for (size_t i = 0; i < submission->count; i++) {
		if (is_replacement(&submission->objects[i]) && !tree_deprecate(&commit, &commit.ends[i].target))
			return false;
	}
	for (size_t i = 0; i < submission->count; i++) {
		if (!row_insert(connection, &submission->objects[i], arena, outcome))
			return false;
	}
	for (size_t i = 0; i < submission->count; i++) {
		if (submission->objects[i].kind == OBJECT_ASSOCIATION &&
		    !association_apply(&commit, &submission->objects[i], &commit.ends[i]))
			return false;
	}
	return true;
}
