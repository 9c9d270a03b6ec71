/* Searches for patients: what is refused, what is asked in their stead, and who is meant. */
#include "fhir_support.h"

#include "mappers/patient_operation.h"
#include "mappers/patient_search.h"

#define BLUE "1.3.6.1.4.1.21367.13.20.3000"
#define RED  "1.3.6.1.4.1.21367.13.20.1000"

static const struct system_name name_items[] = { { STR_INIT("https://hospital.example/mrn"), STR_INIT("2.999.7") } };
static const struct system_names names = { name_items, COUNT_OF(name_items) };

static bool read_search(struct stand *stand, const char *query, bool strict, struct patient_search *search)
{
	const struct patient_search_rules rules = { &names, STR(BLUE), strict };
	struct search_params params;

	return search_params_read(str_from_c(query), STR_NONE, stand->arena, &params, &stand->outcome) &&
	       patient_search_read(&params, &rules, stand->arena, search, &stand->outcome);
}

static void test_search__refusals(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool strict;
		enum error_code code;
	} cases[] = {
		{ "family=M*", false, ERR_VALUE_INVALID },
		{ "given=%25", false, ERR_VALUE_INVALID },
		{ "family=%20", false, ERR_VALUE_INVALID },
		{ "gender=f", false, ERR_VALUE_INVALID },
		{ "active=yes", false, ERR_VALUE_INVALID },
		{ "birthdate=30.1.1958", false, ERR_VALUE_INVALID },
		{ "identifier=|", false, ERR_VALUE_INVALID },
		{ "family:contains=oh", false, ERR_PARAMETER_UNKNOWN },
		{ "gender:exact=male", false, ERR_PARAMETER_UNKNOWN },
		{ "family=Mohr&phonetic=x", true, ERR_PARAMETER_UNKNOWN },
		{ "_count=-1", false, ERR_VALUE_INVALID },
		{ "_id=a&_id=b", false, ERR_VALUE_INVALID },
		{ "family=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u", false, ERR_TOO_COSTLY },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct patient_search search;

		stand_open(&stand);
		if (read_search(&stand, cases[i].query, cases[i].strict, &search))
			fail_msg("%s is taken", cases[i].query);
		assert_int_equal(stand.outcome.issues[0].code, cases[i].code);
		stand_close(&stand);
	}
}

static void test_search__traits(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		unsigned traits;
	} cases[] = {
		{ "gender=female", 0 },
		{ "gender=female&active=true&address-country=LU", 0 },
		{ "family=M&given=A", 0 },
		{ "family=Mohr", 1 },
		{ "family=Mohr&family=Moh", 1 },
		{ "family=Mohr,M", 0 },
		{ "family=Mohr&gender=female", 1 },
		{ "family=Mohr&birthdate=1958-01-30", 2 },
		{ "family=Mohr&birthdate=ge1900", 1 },
		{ "identifier=" RED "|1", 2 },
		{ "identifier=urn:oid:" RED "|", 0 },
		{ "_id=abc", 2 },
		{ "telecom=%2B352&address=rue", 2 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct patient_search search;

		stand_open(&stand);
		assert_true(read_search(&stand, cases[i].query, false, &search));
		if (patient_search_traits(&search) != cases[i].traits)
			fail_msg("%s has %u traits", cases[i].query, patient_search_traits(&search));
		stand_close(&stand);
	}
}

/* What the questions ask by, in one line each. */
static void questions_print(struct buf *text, const struct patient_query *queries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct patient_query *query = &queries[i];
		const struct {
			const char *name;
			struct str value;
		} members[] = { { "family", query->family },
				{ "given", query->given },
				{ "gender", query->gender },
				{ "from", query->birth_from },
				{ "to", query->birth_to },
				{ "line", query->address.line },
				{ "city", query->address.city },
				{ "state", query->address.state },
				{ "code", query->address.postal_code },
				{ "country", query->address.country },
				{ "telecom", query->telecom },
				{ "mother", query->mothers_maiden_name } };

		for (size_t k = 0; k < query->identifiers.count; k++)
			buf_printf(text, "%.*s|%.*s ", STR_ARG(query->identifiers.items[k].authority),
				   STR_ARG(query->identifiers.items[k].value));
		for (size_t k = 0; k < COUNT_OF(members); k++) {
			if (members[k].value.size)
				buf_printf(text, "%s=%.*s ", members[k].name, STR_ARG(members[k].value));
		}
		buf_add(text,
			query->name_is_exact && (query->family.size || query->given.size) ? STR("exact;") : STR(";"));
	}
}

static void test_search__questions(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		const char *questions; /* or the code that is expected */
	} cases[] = {
		{ "family=Mohr&gender=female", "family=Mohr gender=female ;" },
		{ "family:exact=Mohr", "family=Mohr exact;" },
		{ "family:exact=Mohr&given=Al", "family=Mohr given=Al ;" },
		{ "family=Mohr,Maiden&gender=female", "family=Mohr gender=female ;family=Maiden gender=female ;" },
		{ "identifier=urn:oid:2.999.1|a&family=Mohr", "2.999.1|a ;" },
		{ "identifier=urn:oid:2.999.1|a,https://hospital.example/mrn|b", "2.999.1|a ;2.999.7|b ;" },
		{ "identifier=a", BLUE "|a ;" },
		{ "identifier=https://nowhere.example|a", "" },
		{ "identifier=urn:oid:2.999.1|&family=Mohr", "family=Mohr ;" },
		{ "birthdate=1958-01-30", "from=1958-01-30 to=1958-01-30 ;" },
		{ "birthdate=ge1958&birthdate=lt1960-02", "from=1958 to=1960-02 ;" },
		{ "birthdate=ap1958&gender=male", "gender=male ;" },
		{ "birthdate=1958,1960", "from=1958 to=1958 ;from=1960 to=1960 ;" },
		{ "address=Lux", "line=Lux ;city=Lux ;state=Lux ;code=Lux ;country=Lux ;" },
		{ "address=Lux&family=Mohr", "family=Mohr ;" },
		{ "address-city=Lux&address-country=LU&address-state=L&address-postalcode=1",
		  "city=Lux state=L code=1 country=LU ;" },
		{ "mothersMaidenName=B&telecom=phone%7C%2B352", "telecom=+352 mother=B ;" },
		{ "active=true", "ERR_RULE" },
		{ "", "ERR_RULE" },
		{ "address=a,b,c,d,e", "ERR_TOO_COSTLY" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct patient_search search;
		struct patient_query *queries;
		size_t count;

		stand_open(&stand);
		assert_true(read_search(&stand, cases[i].query, false, &search));
		if (patient_search_queries(&search, 9, stand.arena, &queries, &count, &stand.outcome))
			questions_print(&stand.text, queries, count);
		else
			buf_add(&stand.text, str_from_c(error_info(stand.outcome.issues[0].code)->name));
		assert_string_equal(buf_str(&stand.text).data, cases[i].questions);
		stand_close(&stand);
	}
}

static void test_search__who_is_meant(void **state)
{
	(void)state;
	struct patient_identity identities[] = { { STR(BLUE), STR("IHEBLUE-994") }, { STR(RED), STR("IHERED-994") } };
	struct patient_name patient_names[] = { { .family = STR("MOHR"), .given = STR("ALICE Zo\xC3\xAB") },
						{ .family = STR("M\xC3\xBCller") } };
	struct patient_address address = { .line = STR("1, rue du Test\nB"),
					   .city = STR("Luxembourg"),
					   .country = STR("LU") };
	struct patient_telecom telecom = { .system = STR("phone"), .value = STR("+352 1") };
	const struct patient patient = { .identifiers = { identities, COUNT_OF(identities) },
					 .names = patient_names,
					 .name_count = COUNT_OF(patient_names),
					 .addresses = &address,
					 .address_count = 1,
					 .telecoms = &telecom,
					 .telecom_count = 1,
					 .gender = STR("female"),
					 .birth_date = STR("1958-01-30"),
					 .mothers_maiden_name = STR("Beispiel") };
	static const struct {
		const char *query;
		bool matches;
	} cases[] = {
		{ "family=mo", true },
		{ "family=mull", true },
		{ "family=ohr", false },
		{ "family:exact=MOHR", true },
		{ "family:exact=Mohr", false },
		{ "given=zoe", true },
		{ "given=alice%20z", true },
		{ "given:exact=ALICE", true },
		{ "family=x,mo", true },
		{ "family=mo&family=x", false },
		{ "gender=female&birthdate=1958-01-30", true },
		{ "birthdate=1958", true },
		{ "birthdate=1958-02", false },
		{ "birthdate=ge1957&birthdate=lt1959", true },
		{ "birthdate=gt1958-01-30", false },
		{ "active=true", true },
		{ "active=false", false },
		{ "address=rue", false }, /* begins so: "1, rue" */
		{ "address=1%5C,%20rue", true },
		{ "address=b", true },
		{ "address=luxem&address-country=lu", true },
		{ "address-city=paris", false },
		{ "telecom=%2B352%201", true },
		{ "telecom=%2B352", false },
		{ "mothersMaidenName=bei", true },
		{ "identifier=urn:oid:" RED "|IHERED-994", true },
		{ "identifier=urn:oid:" RED "|IHERED-1", false },
		{ "identifier=urn:oid:" RED "|", true },
		{ "identifier=urn:oid:2.999.1|", false },
		{ "identifier=urn:oid:2.999.1|,urn:oid:" RED "|", true },
		{ "identifier=IHEBLUE-994", true },
		{ "identifier=IHERED-994", false },
		{ "identifier=https://nowhere.example|IHERED-994", false },
		{ "_id=x", false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		struct patient_search search;

		stand_open(&stand);
		assert_true(read_search(&stand, cases[i].query, false, &search));
		if (patient_search_matches(&search, &patient, stand.arena) != cases[i].matches)
			fail_msg("%s", cases[i].query);
		search.opened = (struct patient_identities) { &identities[1], 1 };
		if (strcmp(cases[i].query, "_id=x") == 0)
			assert_true(patient_search_matches(&search, &patient, stand.arena));
		stand_close(&stand);
	}
}

static void test_search__view_and_domains(void **state)
{
	(void)state;
	struct stand stand;
	struct patient_search search;

	stand_open(&stand);
	assert_true(read_search(&stand, "identifier=urn:oid:1.2|,urn:oid:1.3|&identifier=urn:oid:1.2|&_count=7&x=1",
				false, &search));
	assert_int_equal(search.domains.count, 2);
	assert_int_equal(search.page_entries, 7);
	assert_string_equal(search.honoured.data,
			    "identifier=urn:oid:1.2%7C,urn:oid:1.3%7C&identifier=urn:oid:1.2%7C&_count=7");
	assert_true(read_search(&stand, "family=x&_count=500&_summary=count", false, &search));
	assert_int_equal(search.page_entries, PATIENT_PAGE_MAX);
	assert_true(search.counting);
	assert_true(read_search(&stand, "identifier=https://nowhere.example|", false, &search));
	assert_int_equal(search.domains.count, 1);
	assert_int_equal(search.domains.items[0].size, 0);
	stand_close(&stand);
}

static void test_search__no_memory(void **state)
{
	(void)state;
	bool done = false;

	for (size_t n = 0; !done; n++) {
		struct stand stand;
		struct patient_search search;
		struct patient_query *queries;
		struct search_params params;
		const struct patient_search_rules rules = { &names, STR(BLUE), false };
		size_t count;

		stand_open(&stand);
		assert_true(search_params_read(STR("family=Mohr,Maiden&birthdate=1958&identifier=urn:oid:1.2|"),
					       STR_NONE, stand.arena, &params, &stand.outcome));
		arena_fail_at(stand.arena, n);
		done = patient_search_read(&params, &rules, stand.arena, &search, &stand.outcome) &&
		       patient_search_queries(&search, 9, stand.arena, &queries, &count, &stand.outcome);
		if (!done)
			assert_int_equal(stand.outcome.issues[0].code, ERR_NO_MEMORY);
		stand_close(&stand);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search__refusals),         cmocka_unit_test(test_search__traits),
		cmocka_unit_test(test_search__questions),        cmocka_unit_test(test_search__who_is_meant),
		cmocka_unit_test(test_search__view_and_domains), cmocka_unit_test(test_search__no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
