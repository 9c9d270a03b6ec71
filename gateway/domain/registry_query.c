#include "gateway/domain/query_parameters.h"
#include "gateway/domain/refusal.h"
#include "gateway/domain/registry.h"
#include "mappers/stored_query_check.h"

#define MISSING_PARAM "XDSStoredQueryMissingParam"
#define PARAM_NUMBER  "XDSStoredQueryParamNumber"
#define LIST_STEP     500 /* values bound at once */

#define IS_HAS_MEMBER    " AND o.type = 'urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember'"
#define KIND_ENTRY       " AND o.kind = 1"
#define KIND_SET         " AND o.kind = 2"
#define KIND_FOLDER      " AND o.kind = 3"
#define KIND_ASSOCIATION " AND o.kind = 4"
/* Who does not ask by $MetadataLevel 2 is shown one version of each entry, the newest. TF-2 3.18.4.1.2.3.5.1.1 */
#define NEWEST " AND NOT EXISTS (SELECT 1 FROM object n WHERE n.lid = o.lid AND n.version > o.version)"

static const char *const kind_conditions[] = {
	[OBJECT_ENTRY] = KIND_ENTRY,
	[OBJECT_SET] = KIND_SET,
	[OBJECT_FOLDER] = KIND_FOLDER,
	[OBJECT_ASSOCIATION] = KIND_ASSOCIATION,
};

struct search {
	struct connection *connection;
	const struct stored_query *query;
	struct arena *arena;
	struct rows *rows;
	struct outcome *outcome;
	bool every_version;
};

static void kind_add(const struct search *search, enum object_kind kind, struct select *select)
{
	select_add(select, kind_conditions[kind]);
	if (kind == OBJECT_ENTRY && !search->every_version)
		select_add(select, NEWEST);
}

/* Runs "kind AND condition (values)" in steps, so that no list gets too long for SQL. condition ends where the list
 * of question marks goes; NULL values: no list. after closes what condition opened. */
static bool find_by_list(const struct search *search, enum object_kind kind, const char *condition,
			 const struct strs *values, const char *after, bool filtered, struct rows *rows)
{
	for (size_t from = 0; from < values->count; from += LIST_STEP) {
		size_t left = values->count - from;
		struct strs part = { values->items + from, left < LIST_STEP ? left : LIST_STEP };
		struct select select;
		bool ok;

		select_begin(&select, search->arena);
		kind_add(search, kind, &select);
		select_add(&select, condition);
		select_bind_list(&select, &part);
		select_add(&select, after);
		ok = (!filtered || query_conditions_add(search->query, kind, &select, search->outcome)) &&
		     select_run(&select, search->connection, rows, search->outcome);
		select_free(&select);
		if (!ok)
			return false;
	}
	return true;
}

/* The UUIDs of the rows of one kind; 0 for all. */
static bool uuids_of(const struct rows *rows, size_t from, enum object_kind kind, struct arena *arena,
		     struct strs *uuids)
{
	*uuids = (struct strs) { .items = arena_array(arena, rows->count, sizeof *uuids->items) };
	if (!uuids->items)
		return false;
	for (size_t i = from; i < rows->count; i++) {
		if (kind == 0 || rows->items[i].kind == kind)
			uuids->items[uuids->count++] = rows->items[i].uuid;
	}
	return true;
}

static bool no_memory(const struct search *search)
{
	return outcome_add(search->outcome, ERR_NO_MEMORY, "", "Retry later, or narrow the query.");
}

static bool require(const struct search *search, const char *name)
{
	if (query_values(search->query, name).count > 0)
		return true;
	return refuse(search->outcome, MISSING_PARAM, STR_NONE, "Add the parameter %s.", name);
}

/* UUIDs are kept in lower case. */
static bool lower_all(struct strs *values, struct arena *arena)
{
	struct str *items = arena_array(arena, values->count, sizeof *items);

	if (!items)
		return false;
	for (size_t i = 0; i < values->count; i++) {
		char *copy = arena_alloc(arena, values->items[i].size + 1);

		if (!copy)
			return false;
		for (size_t k = 0; k < values->items[i].size; k++) {
			char c = values->items[i].data[k];

			copy[k] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
		}
		items[i] = (struct str) { copy, values->items[i].size };
	}
	values->items = items;
	return true;
}

/* One of several ways to name objects of a kind. */
struct key {
	const char *parameter;
	const char *condition;
};

static const struct key entry_keys[] = { { "$XDSDocumentEntryEntryUUID", " AND o.uuid IN " },
					 { "$XDSDocumentEntryUniqueId", " AND o.unique_id IN " },
					 { "$XDSDocumentEntryLogicalID", " AND o.lid IN " },
					 { NULL, NULL } };
static const struct key set_keys[] = { { "$XDSSubmissionSetEntryUUID", " AND o.uuid IN " },
				       { "$XDSSubmissionSetUniqueId", " AND o.unique_id IN " },
				       { NULL, NULL } };
static const struct key folder_keys[] = { { "$XDSFolderEntryUUID", " AND o.uuid IN " },
					  { "$XDSFolderUniqueId", " AND o.unique_id IN " },
					  { "$XDSFolderLogicalID", " AND o.lid IN " },
					  { NULL, NULL } };

/* Finds the objects that exactly one of the keys names. ITI TF-2 3.18.4.1.2.3.7 */
static bool find_by_key(const struct search *search, enum object_kind kind, const struct key *keys, bool single)
{
	const struct key *given = NULL;

	for (const struct key *key = keys; key->parameter; key++) {
		if (query_values(search->query, key->parameter).count == 0)
			continue;
		if (given)
			return refuse(search->outcome, PARAM_NUMBER, STR_NONE, "Send either %s or %s.",
				      given->parameter, key->parameter);
		given = key;
	}
	if (!given)
		return refuse(search->outcome, MISSING_PARAM, STR_NONE, "Add the parameter %s.", keys->parameter);
	struct strs values = query_values(search->query, given->parameter);

	if (single && values.count > 1)
		return refuse(search->outcome, PARAM_NUMBER, STR_NONE, "Give %s one value.", given->parameter);
	if (!str_ends_with(str_from_c(given->parameter), STR("UniqueId")) && !lower_all(&values, search->arena))
		return no_memory(search);
	return find_by_list(search, kind, given->condition, &values, "", false, search->rows);
}

/* Associations that have one of these objects at either end. */
static bool associations_of(const struct search *search, const struct strs *uuids)
{
	return find_by_list(search, OBJECT_ASSOCIATION, " AND o.source IN ", uuids, "", false, search->rows) &&
	       find_by_list(search, OBJECT_ASSOCIATION, " AND o.target IN ", uuids, "", false, search->rows);
}

static bool find_of_kind(const struct search *search, enum object_kind kind, const char *more)
{
	struct select select;

	select_begin(&select, search->arena);
	kind_add(search, kind, &select);
	select_add(&select, more);
	bool ok = query_conditions_add(search->query, kind, &select, search->outcome) &&
		  select_run(&select, search->connection, search->rows, search->outcome);

	select_free(&select);
	return ok;
}

static bool find_documents(const struct search *search)
{
	bool patient = require(search, "$XDSDocumentEntryPatientId");

	return require(search, "$XDSDocumentEntryStatus") && patient && find_of_kind(search, OBJECT_ENTRY, "");
}

static bool find_documents_by_reference_id(const struct search *search)
{
	return require(search, "$XDSDocumentEntryReferenceIdList") && find_documents(search);
}

static bool find_submission_sets(const struct search *search)
{
	bool patient = require(search, "$XDSSubmissionSetPatientId");

	return require(search, "$XDSSubmissionSetStatus") && patient && find_of_kind(search, OBJECT_SET, "");
}

static bool find_folders(const struct search *search)
{
	bool patient = require(search, "$XDSFolderPatientId");

	return require(search, "$XDSFolderStatus") && patient && find_of_kind(search, OBJECT_FOLDER, "");
}

/* Everything of a patient, and all associations of that. */
static bool get_all(const struct search *search)
{
	struct strs patients = query_values(search->query, "$patientId");
	struct str patient;
	struct strs uuids;

	if (!require(search, "$patientId") || !require(search, "$XDSDocumentEntryStatus") ||
	    !require(search, "$XDSSubmissionSetStatus") || !require(search, "$XDSFolderStatus"))
		return false;
	if (!patient_id_normalise(patients.items[0], search->arena, &patient, NULL, NULL))
		return refuse(search->outcome, PARAM_NUMBER, STR_NONE, "Write $patientId as id^^^&oid&ISO.");
	struct strs one = { &patient, 1 };

	for (enum object_kind kind = OBJECT_ENTRY; kind <= OBJECT_FOLDER; kind++) {
		if (!find_by_list(search, kind, " AND o.patient IN ", &one, "", true, search->rows))
			return false;
	}
	return (uuids_of(search->rows, 0, 0, search->arena, &uuids) || no_memory(search)) &&
	       associations_of(search, &uuids);
}

static bool get_documents(const struct search *search)
{
	return find_by_key(search, OBJECT_ENTRY, entry_keys, false);
}

static bool get_folders(const struct search *search)
{
	return find_by_key(search, OBJECT_FOLDER, folder_keys, false);
}

static bool get_associations(const struct search *search)
{
	struct strs uuids = query_values(search->query, "$uuid");

	return require(search, "$uuid") && (lower_all(&uuids, search->arena) || no_memory(search)) &&
	       associations_of(search, &uuids);
}

static bool get_documents_and_associations(const struct search *search)
{
	struct strs uuids;

	return get_documents(search) &&
	       (uuids_of(search->rows, 0, OBJECT_ENTRY, search->arena, &uuids) || no_memory(search)) &&
	       associations_of(search, &uuids);
}

/* The sets that hold the given entries and folders, and the HasMembers that say so. */
static bool get_submission_sets(const struct search *search)
{
	struct strs uuids = query_values(search->query, "$uuid");

	if (!require(search, "$uuid"))
		return false;
	if (!lower_all(&uuids, search->arena))
		return no_memory(search);
	return find_by_list(search, OBJECT_SET, " AND o.uuid IN (SELECT a.source FROM object a WHERE a.target IN ",
			    &uuids, ")", false, search->rows) &&
	       find_by_list(search, OBJECT_ASSOCIATION,
			    IS_HAS_MEMBER " AND o.source IN (SELECT s.uuid FROM object s WHERE s.kind = 2)"
					  " AND o.target IN ",
			    &uuids, "", false, search->rows);
}

/* HasMembers from the given objects whose target is in the answer. */
static bool members_add(const struct search *search, const struct strs *sources)
{
	struct rows candidates = { 0 };

	if (!find_by_list(search, OBJECT_ASSOCIATION, IS_HAS_MEMBER " AND o.source IN ", sources, "", false,
			  &candidates))
		return false;
	for (size_t i = 0; i < candidates.count; i++) {
		if (rows_hold(search->rows, candidates.items[i].target) &&
		    !rows_add(search->rows, &candidates.items[i], search->arena, search->outcome))
			return false;
	}
	return true;
}

static const char members_of[] = " AND o.uuid IN (SELECT a.target FROM object a WHERE"
				 " a.type = 'urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember'"
				 " AND a.source IN ";

/* The set, its entries and folders, and the HasMembers with both ends in the answer. */
static bool get_submission_set_and_contents(const struct search *search)
{
	struct strs sets;
	struct strs folders;

	if (!find_by_key(search, OBJECT_SET, set_keys, true))
		return false;
	if (!uuids_of(search->rows, 0, OBJECT_SET, search->arena, &sets))
		return no_memory(search);
	if (!find_by_list(search, OBJECT_ENTRY, members_of, &sets, ")", true, search->rows) ||
	    !find_by_list(search, OBJECT_FOLDER, members_of, &sets, ")", false, search->rows))
		return false;
	if (!uuids_of(search->rows, 0, OBJECT_FOLDER, search->arena, &folders))
		return no_memory(search);
	return members_add(search, &folders) && members_add(search, &sets);
}

static bool get_folder_and_contents(const struct search *search)
{
	struct strs folders;

	if (!find_by_key(search, OBJECT_FOLDER, folder_keys, true))
		return false;
	if (!uuids_of(search->rows, 0, OBJECT_FOLDER, search->arena, &folders))
		return no_memory(search);
	return find_by_list(search, OBJECT_ENTRY, members_of, &folders, ")", true, search->rows) &&
	       members_add(search, &folders);
}

static bool get_folders_for_document(const struct search *search)
{
	struct rows entries = { 0 };
	struct search inner = *search;
	struct strs uuids;

	inner.rows = &entries;
	if (!find_by_key(&inner, OBJECT_ENTRY, entry_keys, true))
		return false;
	if (!uuids_of(&entries, 0, OBJECT_ENTRY, search->arena, &uuids))
		return no_memory(search);
	return find_by_list(search, OBJECT_FOLDER,
			    " AND o.uuid IN (SELECT a.source FROM object a WHERE"
			    " a.type = 'urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember' AND a.target IN ",
			    &uuids, ")", false, search->rows);
}

/* The document, the links of the asked types in either direction, and what is at their other ends. */
static bool get_related_documents(const struct search *search)
{
	struct strs types = query_values(search->query, "$AssociationTypes");
	struct rows links = { 0 };
	struct search inner = *search;
	struct strs uuids;

	if (!require(search, "$AssociationTypes") || !find_by_key(search, OBJECT_ENTRY, entry_keys, true))
		return false;
	if (!uuids_of(search->rows, 0, OBJECT_ENTRY, search->arena, &uuids))
		return no_memory(search);
	inner.rows = &links;
	if (!associations_of(&inner, &uuids))
		return false;
	for (size_t i = 0; i < links.count; i++) {
		struct str ends[] = { links.items[i].source, links.items[i].target };
		struct strs both = { ends, COUNT_OF(ends) };
		bool wanted = false;

		for (size_t k = 0; k < types.count && !wanted; k++)
			wanted = str_equal(types.items[k], links.items[i].association_type);
		if (wanted && (!find_by_list(search, OBJECT_ENTRY, " AND o.uuid IN ", &both, "", true, search->rows) ||
			       !rows_add(search->rows, &links.items[i], search->arena, search->outcome)))
			return false;
	}
	return true;
}

static const struct query_kind {
	const char *id;
	bool is_by_patient;
	bool (*run)(const struct search *search);
} query_kinds[] = {
	{ "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", true, find_documents },
	{ "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492", true, find_documents_by_reference_id },
	{ "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9", true, find_submission_sets },
	{ "urn:uuid:958f3006-baad-4929-a4de-ff1114824431", true, find_folders },
	{ "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3", true, get_all },
	{ "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", false, get_documents },
	{ "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4", false, get_folders },
	{ "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155", false, get_associations },
	{ "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a", false, get_documents_and_associations },
	{ "urn:uuid:51224314-5390-4169-9b91-b1980040715a", false, get_submission_sets },
	{ "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83", false, get_submission_set_and_contents },
	{ "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7", false, get_folder_and_contents },
	{ "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578", false, get_folders_for_document },
	{ "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6", false, get_related_documents },
};

static const struct query_kind *kind_find(struct str id)
{
	for (size_t i = 0; i < COUNT_OF(query_kinds); i++) {
		if (str_equal_nocase(id, str_from_c(query_kinds[i].id)))
			return &query_kinds[i];
	}
	return NULL;
}

bool registry_query_is_by_patient(const struct stored_query *query)
{
	const struct query_kind *kind = kind_find(query->id);

	return kind && kind->is_by_patient;
}

/* A LeafClass answer speaks of one patient. ITI TF-2 3.18.4.1.3 */
static bool single_patient_check(const struct rows *rows, struct outcome *outcome)
{
	struct str patient = STR_NONE;

	for (size_t i = 0; i < rows->count; i++) {
		if (!rows->items[i].patient_id.data)
			continue;
		if (patient.data && !str_equal(patient, rows->items[i].patient_id))
			return refuse(outcome, "XDSResultNotSinglePatient", STR_NONE,
				      "Ask for ObjectRef, or for objects of one patient.");
		patient = rows->items[i].patient_id;
	}
	return true;
}

bool registry_query(struct connection *connection, const struct stored_query *query, const struct query_limits *limits,
		    struct arena *arena, struct query_answer *answer, struct outcome *outcome)
{
	struct search search = {
		.connection = connection, .query = query, .arena = arena, .rows = &answer->rows, .outcome = outcome
	};
	const struct query_kind *kind = kind_find(query->id);

	*answer = (struct query_answer) { .object_ref = query->object_ref };
	answer->rows.without_rim = query->object_ref;
	answer->rows.count_max = query->object_ref ? limits->object_ref_max : limits->leaf_class_max;
	if (!kind)
		return refuse(outcome, "XDSUnknownStoredQuery", STR_NONE,
			      "Use the id of a stored query that ITI-18 defines and this registry offers.");
	struct strs level = query_values(query, "$MetadataLevel");

	search.every_version = level.count == 1 && str_equal(level.items[0], STR("2"));
	return stored_query_check(query, outcome) && kind->run(&search) &&
	       (answer->object_ref || single_patient_check(&answer->rows, outcome));
}
