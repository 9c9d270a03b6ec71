/* PIX and PDQ queries over what is stored. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/domain/identity_manager.h"
#include "gateway/domain/identity_match.h"
#include "mappers/fold.h"

#define ASKED           "/controlActProcess/queryByParameter/parameterList"
#define CANDIDATES_MAX  20000     /* persons looked at for one query */
#define CANDIDATE_BYTES (4 << 20) /* memory to look at one */
#define LIKE_BYTES_MAX  1024

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

static bool domain_is_wanted(const struct strs *domains, struct str authority)
{
	for (size_t i = 0; i < domains->count; i++) {
		if (str_equal(domains->items[i], authority))
			return true;
	}
	return domains->count == 0;
}

bool identity_domains_check(struct connection *connection, const struct patients *patients, const struct strs *domains,
			    const char *location, struct identity_refusal *refusal, struct outcome *outcome)
{
	bool is_known = true;

	for (size_t i = 0; i < domains->count && is_known; i++) {
		if (!identity_authority_is_known(connection, patients, domains->items[i], &is_known, outcome))
			return false;
	}
	if (!is_known)
		*refusal = (struct identity_refusal) { HL7V3_UNKNOWN_KEY, location,
						       "A domain that was asked for is not known." };
	return true;
}

/* ITI TF-2 3.45.4.2.3: the domain of the identifier, the domains asked for, the identifier, in this order. */
static bool pix_check(struct connection *connection, const struct patients *patients, const struct patient_query *query,
		      struct identity_refusal *refusal, struct outcome *outcome)
{
	const struct patient_identity *asked = &query->identifiers.items[0];
	bool is_known = false;

	if (!identity_authority_is_known(connection, patients, asked->authority, &is_known, outcome))
		return false;
	if (!is_known) {
		*refusal = (struct identity_refusal) { HL7V3_UNKNOWN_KEY, ASKED "/patientIdentifier/value/@root",
						       "The domain of the identifier is not known." };
		return true;
	}
	if (!identity_domains_check(connection, patients, &query->domains, ASKED "/dataSource/value/@root", refusal,
				    outcome))
		return false;
	if (refusal->code)
		return true;
	if (!identity_is_known(connection, patients, asked, &is_known, outcome))
		return false;
	if (!is_known)
		*refusal = (struct identity_refusal) { HL7V3_UNKNOWN_KEY, ASKED "/patientIdentifier/value/@extension",
						       "The identifier is not known." };
	return true;
}

bool identity_pix(struct connection *connection, const struct patients *patients, const struct patient_query *query,
		  struct arena *arena, struct patient_identities *found, struct identity_refusal *refusal,
		  struct outcome *outcome)
{
	const struct patient_identity *asked = &query->identifiers.items[0];
	struct identity_members members;
	struct identity_row row;

	*found = (struct patient_identities) { 0 };
	*refusal = (struct identity_refusal) { 0 };
	if (!pix_check(connection, patients, query, refusal, outcome))
		return false;
	if (refusal->code)
		return true;
	if (!identity_find(connection, asked, &row, outcome))
		return false;
	if (row.id == 0)
		return true;
	if (!identity_members(connection, row.id, arena, &members, outcome))
		return false;
	found->items = members.identities.items;
	for (size_t i = 0; i < members.identities.count; i++) {
		const struct patient_identity *identity = &members.identities.items[i];

		if (domain_is_wanted(&query->domains, identity->authority) && !patient_identity_equal(identity, asked))
			found->items[found->count++] = *identity;
	}
	return true;
}

/* --- by traits --- */

struct match {
	int64_t id;     /* the row whose traits fit */
	int64_t person; /* the oldest row of the person */
	int percent;
	bool has_traits;
};

struct search {
	struct connection *connection;
	const struct patient_query *query;
	struct identity_wanted wanted;
	struct arena *arena;
	int64_t *ids; /* rows to look at */
	size_t id_count;
	size_t id_capacity;
	struct identity_members owners; /* the person who has the first identifier asked for */
	bool has_owner;                 /* and all others too */
	struct match *matches;
	size_t match_count;
	struct identity_refusal *refusal;
	struct outcome *outcome;
};

static bool owner_has(const struct search *search, const struct patient_identity *identity)
{
	for (size_t i = 0; i < search->owners.identities.count; i++) {
		if (patient_identity_equal(&search->owners.identities.items[i], identity))
			return true;
	}
	return false;
}

static bool owner_find(struct search *search)
{
	const struct patient_identities *asked = &search->query->identifiers;
	struct identity_row row;

	if (asked->count == 0)
		return true;
	if (!identity_find(search->connection, &asked->items[0], &row, search->outcome))
		return false;
	if (row.id == 0 || row.survivor != 0)
		return true;
	if (!identity_members(search->connection, row.id, search->arena, &search->owners, search->outcome))
		return false;
	search->has_owner = true;
	for (size_t i = 0; i < asked->count && search->has_owner; i++)
		search->has_owner = owner_has(search, &asked->items[i]);
	return true;
}

static bool id_add(struct search *search, int64_t id)
{
	for (size_t i = 0; i < search->owners.identities.count && search->id_count >= search->owners.identities.count;
	     i++) {
		if (search->owners.ids[i] == id)
			return true;
	}
	if (!arena_grow(search->arena, &search->ids, search->id_count, &search->id_capacity, sizeof id))
		return no_memory(search->outcome);
	search->ids[search->id_count++] = id;
	return true;
}

/* With % and _ of LIKE taken as they are: a family name somewhere begins so. */
static bool family_pattern(const struct search *search, struct str *pattern)
{
	char text[LIKE_BYTES_MAX];
	size_t size = 0;

	text[size++] = '%';
	for (size_t i = 0; i < search->wanted.family.size && size + 4 < sizeof text; i++) {
		char c = search->wanted.family.data[i];

		if (c == '%' || c == '_' || c == '\\')
			text[size++] = '\\';
		text[size++] = c;
	}
	text[size++] = '%';
	*pattern = arena_copy(search->arena, (struct str) { text, size });
	return pattern->data || no_memory(search->outcome);
}

/* A quick first look by what has a column; identity_match looks closely. Who must fit in everything must fit in family
 * name and year of birth; who is weighed must fit in one of them, when either is asked for. */
static const char *candidates_sql(const struct patient_query *query)
{
	bool has_birth = query->birth_from.size + query->birth_to.size > 0;

	if (query->minimum_percent < 0)
		return "SELECT id FROM identity WHERE person IS NOT NULL AND (?1 = '%%' OR family LIKE ?1 ESCAPE '\\')"
		       " AND (?2 = '' OR birth >= ?2) AND (?3 = '' OR substr(birth, 1, 4) <= ?3) LIMIT ?4";
	if (query->family.size > 0 && has_birth)
		return "SELECT id FROM identity WHERE person IS NOT NULL AND (family LIKE ?1 ESCAPE '\\'"
		       " OR (birth >= ?2 AND (?3 = '' OR substr(birth, 1, 4) <= ?3))) LIMIT ?4";
	return "SELECT id FROM identity WHERE person IS NOT NULL AND ?1 IS NOT NULL AND ?2 IS NOT NULL"
	       " AND ?3 IS NOT NULL LIMIT ?4";
}

static struct str year_of(struct str date)
{
	return (struct str) { date.data ? date.data : "", date.size < 4 ? date.size : 4 };
}

static bool candidates_find(struct search *search)
{
	const struct patient_query *query = search->query;
	struct statement *statement;
	struct str pattern;
	enum step step;

	for (size_t i = 0; i < search->owners.identities.count; i++) {
		if (!id_add(search, search->owners.ids[i]))
			return false;
	}
	/* An identifier that must be the person's leaves nobody else. */
	if (query->identifiers.count > 0 && (query->minimum_percent < 0 || !identity_has_traits(query)))
		return true;
	if (!family_pattern(search, &pattern) ||
	    !statement_prepare(search->connection, candidates_sql(query), &statement, search->outcome))
		return false;
	statement_bind_text(statement, 1, pattern);
	statement_bind_text(statement, 2, year_of(query->birth_from));
	statement_bind_text(statement, 3, year_of(query->birth_to));
	statement_bind_i64(statement, 4, CANDIDATES_MAX + 1);
	while ((step = statement_step(statement, search->outcome)) == STEP_ROW) {
		if (!id_add(search, statement_i64(statement, 0))) {
			statement_reset(statement);
			return false;
		}
	}
	if (search->id_count > CANDIDATES_MAX)
		*search->refusal = (struct identity_refusal) { HL7V3_APPLICATION_ERROR, ASKED,
							       "Too many patients could fit: ask for more traits." };
	return step == STEP_DONE;
}

static bool is_owner(const struct search *search, int64_t id)
{
	for (size_t i = 0; i < search->owners.identities.count; i++) {
		if (search->owners.ids[i] == id)
			return search->has_owner;
	}
	return false;
}

/* Looks at one row with memory of its own: there may be many. */
static bool candidate_look(struct search *search, int64_t id)
{
	struct arena *arena = arena_new(CANDIDATE_BYTES);
	struct identity_members members;
	struct patient patient;
	bool is_there = false;
	bool failed = false;
	int percent = -1;
	bool good = arena && identity_person_read(search->connection, id, arena, &patient, &is_there, search->outcome);

	/* One without traits is found by identifier alone. */
	if (good && (is_there || is_owner(search, id)))
		percent = identity_match(&search->wanted, &patient, is_owner(search, id), arena, &failed);
	if (good && percent >= 0) {
		good = identity_members(search->connection, id, arena, &members, search->outcome);
		if (good)
			search->matches[search->match_count++] =
				(struct match) { id, members.ids[0], percent, is_there };
	}
	arena_free(arena);
	return (good && !failed) || search->outcome->has_error || no_memory(search->outcome);
}

/* By person, the best row of each first: one that says more than an identifier, when several fit. */
static int by_person(const void *left, const void *right)
{
	const struct match *a = left;
	const struct match *b = right;

	if (a->person != b->person)
		return a->person < b->person ? -1 : 1;
	if (a->percent != b->percent)
		return a->percent > b->percent ? -1 : 1;
	if (a->has_traits != b->has_traits)
		return a->has_traits ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static int by_percent(const void *left, const void *right)
{
	const struct match *a = left;
	const struct match *b = right;

	if (a->percent != b->percent)
		return a->percent > b->percent ? -1 : 1;
	return a->person < b->person ? -1 : a->person > b->person;
}

static bool matches_find(struct search *search)
{
	size_t kept = 0;

	search->matches = arena_array(search->arena, search->id_count, sizeof *search->matches);
	if (!search->matches)
		return no_memory(search->outcome);
	for (size_t i = 0; i < search->id_count; i++) {
		if (!candidate_look(search, search->ids[i]))
			return false;
	}
	qsort(search->matches, search->match_count, sizeof *search->matches, by_person);
	for (size_t i = 0; i < search->match_count; i++) {
		if (kept == 0 || search->matches[kept - 1].person != search->matches[i].person)
			search->matches[kept++] = search->matches[i];
	}
	search->match_count = kept;
	qsort(search->matches, search->match_count, sizeof *search->matches, by_percent);
	return true;
}

/* The person of a match, with all its identifiers; is_there is false when none is of the domains asked for. */
static bool match_read(const struct search *search, const struct match *match, struct patient *patient, bool *is_there)
{
	struct identity_members members;
	struct patient_identities *identifiers = &patient->identifiers;
	bool has_person = false;

	if (!identity_person_read(search->connection, match->id, search->arena, patient, &has_person,
				  search->outcome) ||
	    !identity_members(search->connection, match->id, search->arena, &members, search->outcome))
		return false;
	identifiers->items = arena_array(search->arena, members.identities.count, sizeof *identifiers->items);
	if (!identifiers->items)
		return no_memory(search->outcome);
	for (int others = 0; others < 2; others++) {
		for (size_t i = 0; i < members.identities.count; i++) {
			if ((members.ids[i] == match->id) != (others == 0) ||
			    !domain_is_wanted(&search->query->domains, members.identities.items[i].authority))
				continue;
			identifiers->items[identifiers->count++] = members.identities.items[i];
		}
	}
	patient->match_percent = match->percent;
	*is_there = identifiers->count > 0;
	return true;
}

static bool matches_read(const struct search *search, struct patient_list *found)
{
	size_t count_max = search->query->count_max > 0 && search->query->count_max < PATIENT_QUERY_MATCHES_MAX
				   ? search->query->count_max
				   : PATIENT_QUERY_MATCHES_MAX;

	found->items = arena_array(search->arena, count_max, sizeof *found->items);
	if (!found->items)
		return no_memory(search->outcome);
	for (size_t i = 0; i < search->match_count; i++) {
		bool is_there = false;

		if (found->count == count_max) {
			found->remaining++;
			continue;
		}
		if (!match_read(search, &search->matches[i], &found->items[found->count], &is_there))
			return false;
		found->count += is_there;
	}
	return true;
}

/* A patient who is configured and of whom nothing else is known. */
static bool configured_find(const struct search *search, const struct patients *patients, struct patient_list *found)
{
	const struct patient_query *query = search->query;
	struct patient *patient;

	if (found->count > 0 || query->identifiers.count != 1 || identity_has_traits(query) ||
	    search->owners.identities.count > 0 ||
	    !domain_is_wanted(&query->domains, query->identifiers.items[0].authority))
		return true;
	bool is_known = false;

	if (!identity_is_known(search->connection, patients, &query->identifiers.items[0], &is_known, search->outcome))
		return false;
	if (!is_known)
		return true;
	patient = arena_alloc(search->arena, sizeof *patient);
	if (!patient)
		return no_memory(search->outcome);
	*patient = (struct patient) { .identifiers = query->identifiers, .match_percent = 100 };
	*found = (struct patient_list) { .items = patient, .count = 1 };
	return true;
}

bool identity_pdq(struct connection *connection, const struct patients *patients, const struct patient_query *query,
		  struct arena *arena, struct patient_list *found, struct identity_refusal *refusal,
		  struct outcome *outcome)
{
	struct search search = {
		.connection = connection, .query = query, .arena = arena, .refusal = refusal, .outcome = outcome
	};

	*found = (struct patient_list) { 0 };
	*refusal = (struct identity_refusal) { 0 };
	if (query->has_unknown || (query->identifiers.count == 0 && !identity_has_traits(query))) {
		*refusal =
			(struct identity_refusal) { HL7V3_APPLICATION_ERROR, ASKED,
						    "Ask with identifiers, name, gender, birth time, address, telecom "
						    "or mother's maiden name, one value each." };
		return true;
	}
	if (!identity_domains_check(connection, patients, &query->domains,
				    ASKED "/otherIDsScopingOrganization/value/@root", refusal, outcome))
		return false;
	if (refusal->code)
		return true;
	if (!identity_wanted_fold(query, arena, &search.wanted))
		return no_memory(outcome);
	if (!owner_find(&search) || !candidates_find(&search))
		return false;
	return refusal->code ||
	       (matches_find(&search) && matches_read(&search, found) && configured_find(&search, patients, found));
}
