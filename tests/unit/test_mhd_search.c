#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mappers/document_search.h"
#include "mappers/fold.h"
#include "mappers/list_search.h"
#include "mappers/search_cursor.h"
#include "mappers/stored_query.h"

#define ARENA_BYTES (8 * 1024 * 1024)
#define PATIENT     "P1^^^&1.2.3&ISO"
#define LOINC       "2.16.840.1.113883.6.1"

static const struct search_rules rules = { .page_entries = 50,
					   .page_entries_max = 100,
					   .base = { "http://gw/fhir", 14 } };

static struct search_params read_params(const char *query, struct arena *arena)
{
	struct search_params params = { 0 };
	struct outcome outcome;

	outcome_init(&outcome);
	if (!search_params_read(str_from_c(query), STR_NONE, arena, &params, &outcome))
		fail_msg("%s: %s", query, outcome.issues[0].text);
	return params;
}

static void test_search_params__decodes(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		const char *name;
		const char *modifier;
		const char *first;
		size_t values;
	} cases[] = {
		{ "type=http%3A%2F%2Floinc.org%7C34133-9", "type", NULL, "http://loinc.org|34133-9", 1 },
		{ "patient:Patient.identifier=a%7Cb", "patient.identifier", NULL, "a|b", 1 },
		{ "author:Practitioner.family:exact=O%27Neil", "author.family", "exact", "O'Neil", 1 },
		{ "date=ge2024-01-01T00:00:00+01:00", "date", NULL, "ge2024-01-01T00:00:00 01:00", 1 },
		{ "event=a%5C,b,c", "event", NULL, "a\\,b", 2 },
		{ "x=&event=,a", "event", NULL, "", 2 },
		{ "event=a%5C", "event", NULL, "a\\", 1 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_params params = read_params(cases[i].query, arena);

		assert_int_equal(params.count, 1);
		assert_true(str_equal(params.items[0].name, str_from_c(cases[i].name)));
		assert_true(str_equal(params.items[0].modifier, str_from_c(cases[i].modifier)));
		assert_int_equal(params.items[0].values.count, cases[i].values);
		assert_true(str_equal(params.items[0].values.items[0], str_from_c(cases[i].first)));
		arena_free(arena);
	}
}

static void test_search_params__refuses(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		enum error_code code;
	} cases[] = {
		{ "a=%", ERR_VALUE_INVALID },       { "a=%4", ERR_VALUE_INVALID },
		{ "a=%zz", ERR_VALUE_INVALID },     { "a=%00", ERR_VALUE_INVALID },
		{ "a=%0D%0Ab", ERR_VALUE_INVALID }, { "a=%C0%AF", ERR_VALUE_INVALID },
		{ "a%0=b", ERR_VALUE_INVALID },     { "a.b.c.d.e.f.g.h.i=1", ERR_TOO_COSTLY },
	};
	char many[101 * 4 + 1] = "";

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_params params = { 0 };
		struct outcome outcome;

		outcome_init(&outcome);
		assert_false(search_params_read(str_from_c(cases[i].query), STR_NONE, arena, &params, &outcome));
		assert_int_equal(outcome.issues[0].code, cases[i].code);
		assert_int_equal(params.count, 0);
		arena_free(arena);
	}
	for (size_t i = 0; i < 101; i++)
		memcpy(many + i * 4, "a=1&", 4);
	struct arena *arena = arena_new(ARENA_BYTES);
	struct search_params params = { 0 };
	struct outcome outcome;

	outcome_init(&outcome);
	assert_false(search_params_read((struct str) { many, 404 }, STR_NONE, arena, &params, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_COSTLY);
	assert_true(
		search_params_read((struct str) { many, 200 }, (struct str) { many, 200 }, arena, &params, &outcome));
	assert_int_equal(params.count, 100);
	arena_free(arena);
}

static void test_fold__case_and_accents(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "M\xC3\xBCller", "muller" },
		{ "MU\xCC\x88LLER", "muller" }, /* combining diaeresis */
		{ "Stra\xC3\x9F"
		  "e",
		  "strasse" },
		{ "\xC5\x81\xC3\xB3"
		  "d\xC5\xBA",
		  "lodz" },
		{ "\xCE\x8C\xCE\xBC\xCE\xB7\xCF\x81\xCE\xBF\xCF\x82",
		  "\xCE\xBF\xCE\xBC\xCE\xB7\xCF\x81\xCE\xBF\xCF\x83" },
		{ "\xD0\x98\xD0\xB2\xD0\xB0\xD0\xBD", "\xD0\xB8\xD0\xB2\xD0\xB0\xD0\xBD" },
		{ "\xFF\xC3", "\xFF\xC3" },
		{ "", "" },
	};
	struct arena *arena = arena_new(ARENA_BYTES);

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_true(str_equal(fold(str_from_c(cases[i][0]), arena), str_from_c(cases[i][1])));
	arena_free(arena);
}

static void test_search_date__reads(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int offset;
		bool good;
		const char *from;
		const char *to;
	} cases[] = {
		{ "2024", 0, true, "20240101000000", "20250101000000" },
		{ "ge2024-02", 0, true, "20240201000000", "20240301000000" },
		{ "2024-02-29", 60, true, "20240228230000", "20240229230000" },
		{ "eq2024-02-29T23:30", 0, true, "20240229233000", "20240229233100" },
		{ "2024-02-29T23:30:15.999Z", 60, true, "20240229233015", "20240229233016" },
		{ "2024-02-29T23:30:15 02:00", 0, true, "20240229213015", "20240229213016" },
		{ "2024-12-31T23:30:15-05:00", 0, true, "20250101043015", "20250101043016" },
		{ "2024-12-31T23:30:15", -300, true, "20250101043015", "20250101043016" },
		{ "lt9999-99-99", 0, false, "", "" },
		{ "2023-02-29", 0, false, "", "" },
		{ "2024-01-01T00:60", 0, false, "", "" },
		{ "2024-01-01T24:00", 0, false, "", "" },
		{ "2024-01-01T00:00+15:00", 0, false, "", "" },
		{ "2024-01-01T00:00+01", 0, false, "", "" },
		{ "2024-01T00:00Z", 0, false, "", "" },
		{ "2024-1-1", 0, false, "", "" },
		{ "xx2024", 0, false, "", "" },
		{ "2024-01-01T00:00:00.Z", 0, false, "", "" },
		{ "2024-01-01Z", 0, false, "", "" },
		{ "", 0, false, "", "" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct search_date date;

		if (search_date_read(str_from_c(cases[i].text), cases[i].offset, &date) != cases[i].good)
			fail_msg("%s", cases[i].text);
		if (!cases[i].good)
			continue;
		assert_string_equal(date.interval.from.text, cases[i].from);
		assert_string_equal(date.interval.to.text, cases[i].to);
	}
}

/* A second, independent way to compare: days and seconds as numbers, straight from the table of FHIR R4 3.1.1.4.6. */
struct span {
	int64_t from, to;
};

static int64_t days_before(int year, int month)
{
	int64_t days = 0;

	for (int y = 2000; y < year; y++)
		days += (y % 4 == 0 && y % 100) || y % 400 == 0 ? 366 : 365;
	for (int m = 1; m < month; m++)
		days += m == 2 ? ((year % 4 == 0 && year % 100) || year % 400 == 0 ? 29 : 28)
			       : 30 + ((m + (m > 7)) % 2);
	return days;
}

/* A random moment of 2000 to 2009 with a random precision, as text with separators or as DTM. */
static struct span random_time(char *fhir, char *dtm)
{
	static const int64_t widths[] = { 0, 0, 0, 86400, 60, 1 };
	int year = 2000 + rand() % 10, month = 1 + rand() % 12, day = 1 + rand() % 28;
	int hour = rand() % 24, minute = rand() % 60, second = rand() % 60, precision = 1 + rand() % 5;
	int64_t start;

	if (precision < 4)
		hour = minute = 0;
	if (precision < 5)
		second = 0;
	if (precision < 3)
		day = 1;
	if (precision < 2)
		month = 1;
	start = (days_before(year, month) + day - 1) * 86400 + hour * 3600 + minute * 60 + second;
	snprintf(fhir, 32, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day, hour, minute, second);
	snprintf(dtm, 32, "%04d%02d%02d%02d%02d%02d", year, month, day, hour, minute, second);
	fhir[(size_t[]) { 0, 4, 7, 10, 16, 20 }[precision]] = 0;
	if (precision == 4)
		memcpy(fhir + 16, "Z", 2);
	dtm[(size_t[]) { 0, 4, 6, 8, 12, 14 }[precision]] = 0;
	int64_t width = widths[precision];

	if (precision == 1)
		width = (days_before(year + 1, 1) - days_before(year, 1)) * 86400;
	if (precision == 2)
		width = (days_before(year + month / 12, month % 12 + 1) - days_before(year, month)) * 86400;
	return (struct span) { start, start + width };
}

static bool expect(enum date_prefix prefix, struct span asked, struct span stored)
{
	bool equal = asked.from <= stored.from && stored.to <= asked.to;

	switch (prefix) {
	case DATE_EQ:
		return equal;
	case DATE_NE:
		return !equal;
	case DATE_GT:
		return stored.to > asked.to;
	case DATE_LT:
		return stored.from < asked.from;
	case DATE_GE:
		return stored.to > asked.to || equal;
	case DATE_LE:
		return stored.from < asked.from || equal;
	case DATE_SA:
		return stored.from >= asked.to;
	case DATE_EB:
		return stored.to <= asked.from;
	case DATE_AP:
		return stored.from < asked.to && stored.to > asked.from;
	}
	return false;
}

static bool within(const struct moment *low, const struct moment *high, const struct moment *moment)
{
	return (!low->text[0] || strcmp(low->text, moment->text) <= 0) &&
	       (!high->text[0] || strcmp(moment->text, high->text) < 0);
}

static void test_search_date__is_interval_arithmetic(void **state)
{
	(void)state;
	static const char prefixes[][3] = { "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap" };
	size_t matches = 0;

	srand(20240229);
	for (size_t i = 0; i < 200000; i++) {
		char asked_text[64], stored_text[64], asked_dtm[64], ignored[64];
		enum date_prefix prefix = (enum date_prefix)(rand() % 9);
		struct search_date date;
		struct interval stored;

		memcpy(asked_text, prefixes[prefix], 3);
		struct span asked = random_time(asked_text + 2, asked_dtm);
		struct span time = random_time(ignored, stored_text);

		assert_true(search_date_read(str_from_c(asked_text), 0, &date));
		assert_int_equal(date.prefix, prefix);
		assert_true(interval_of_dtm(str_from_c(stored_text), &stored));
		bool matched = search_date_matches(&date, &stored);

		if (matched != expect(prefix, asked, time))
			fail_msg("%s against %s", asked_text, stored_text);
		struct date_bounds bounds = search_date_bounds(&date);

		if (matched && (!within(&bounds.start_from, &bounds.start_to, &stored.from) ||
				!within(&bounds.stop_from, &bounds.stop_to, &stored.from)))
			fail_msg("bounds of %s exclude %s", asked_text, stored_text);
		matches += matched ? 1 : 0;
	}
	assert_in_range(matches, 20000, 180000);
}

/* One query as text: "$Slot=a,b $Slot2=c". */
static struct str query_text(const struct stored_query *query, struct arena *arena)
{
	struct str text = arena_printf(arena, "%.4s", query->id.data + 9);

	for (size_t i = 0; i < query->param_count; i++) {
		const struct stored_query_param *param = &query->params[i];

		text = arena_printf(arena, "%.*s %.*s%s", STR_ARG(text), STR_ARG(param->name),
				    param->list ? "=(" : "=");
		for (size_t j = 0; j < param->values.count; j++)
			text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), j ? "," : "",
					    STR_ARG(str_without_prefix(param->values.items[j],
								       STR("urn:oasis:names:tc:ebxml-regrep:"))));
		if (param->list)
			text = arena_printf(arena, "%.*s)", STR_ARG(text));
	}
	return text;
}

static struct str queries_text(const char *query, bool lists, const struct search_resolved *resolved,
			       struct arena *arena, struct outcome *outcome)
{
	struct search_params params = read_params(query, arena);
	struct search search;
	struct stored_query *queries;
	size_t count;
	struct str text = STR("");

	if (lists ? !list_search_read(&params, &rules, arena, &search, outcome) ||
			    !list_search_queries(&search, resolved, arena, &queries, &count, outcome)
		  : !document_search_read(&params, &rules, arena, &search, outcome) ||
			    !document_search_queries(&search, resolved, arena, &queries, &count, outcome))
		return STR_NONE;
	for (size_t i = 0; i < count; i++)
		text = arena_printf(arena, "%.*s%s%.*s", STR_ARG(text), i ? "; " : "",
				    STR_ARG(query_text(&queries[i], arena)));
	return text;
}

#define FIND     "14d4 $XDSDocumentEntryPatientId=" PATIENT
#define BOTH     " $XDSDocumentEntryStatus=(StatusType:Approved,StatusType:Deprecated)"
#define APPROVED " $XDSDocumentEntryStatus=(StatusType:Approved)"
#define TYPES                                                                    \
	" $XDSDocumentEntryType=(urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1," \
	"urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248)"
#define UUID_A "urn:uuid:11111111-2222-4333-8444-555555555555"

/* ITI TF-2 3.18.4.1.2.3.7 and MHD 4.2.4 3.67.4.1.3: which query, which Slots. */
static void test_document_search__queries(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		const char *expected;
	} cases[] = {
		{ "patient=Patient/x", FIND BOTH TYPES },
		{ "patient=Patient/x&status=current", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=http://hl7.org/fhir/document-reference-status%7Csuperseded",
		  FIND " $XDSDocumentEntryStatus=(StatusType:Deprecated)" TYPES },
		{ "patient=Patient/x&status:not=superseded", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=entered-in-error", "" },
		{ "patient=Patient/x&status=current&type=urn:oid:1.2%7Ca,urn:oid:1.2%7Cb",
		  FIND APPROVED " $XDSDocumentEntryTypeCode=(a^^1.2,b^^1.2)" TYPES },
		{ "patient=Patient/x&status=current&type=http://loinc.org%7C34133-9",
		  FIND APPROVED " $XDSDocumentEntryTypeCode=(34133-9^^" LOINC ")" TYPES },
		{ "patient=Patient/x&status=current&type=a", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=current&type=urn:oid:1.2%7Ca,b", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=current&type:not=urn:oid:1.2%7Ca", FIND APPROVED TYPES },
		{ "patient=Patient/x&status=current&setting=urn:oid:1.2%7Ca&setting=urn:oid:1.2%7Cb",
		  FIND APPROVED " $XDSDocumentEntryPracticeSettingCode=(a^^1.2)" TYPES },
		{ "patient=Patient/x&status=current&event=urn:oid:1.2%7Ca&event=urn:oid:1.2%7Cb", FIND APPROVED
		  " $XDSDocumentEntryEventCodeList=(a^^1.2) $XDSDocumentEntryEventCodeList=(b^^1.2)" TYPES },
		{ "patient=Patient/x&status=current&creation=ge2024-03-05&creation=lt2025",
		  FIND APPROVED " $XDSDocumentEntryCreationTimeFrom=20240101000000"
				" $XDSDocumentEntryCreationTimeTo=20250101000000" TYPES },
		{ "patient=Patient/x&status=current&creation=2024-03-05",
		  FIND APPROVED " $XDSDocumentEntryCreationTimeFrom=20240305000000"
				" $XDSDocumentEntryCreationTimeTo=20240306000000" TYPES },
		{ "patient=Patient/x&status=current&creation=2024-03-05,lt2020",
		  FIND APPROVED " $XDSDocumentEntryCreationTimeTo=20240306000000" TYPES },
		{ "patient=Patient/x&status=current&period=ge2024&period=lt2025-06",
		  FIND APPROVED " $XDSDocumentEntryServiceStartTimeTo=20250601000000"
				" $XDSDocumentEntryServiceStopTimeFrom=20240101000000" TYPES },
		{ "patient=Patient/x&status=current&author.family=o'neil&related:identifier=a%7Cb&date=2024",
		  FIND APPROVED TYPES },
		{ "identifier=urn:oid:1.2.3", "5c4f $XDSDocumentEntryUniqueId=(1.2.3)" },
		{ "identifier=urn:ietf:rfc:3986%7Curn:oid:1.2.3", "5c4f $XDSDocumentEntryUniqueId=(1.2.3)" },
		{ "identifier=urn:oid:1.2%7Cabc", "5c4f $XDSDocumentEntryUniqueId=(1.2^abc)" },
		{ "identifier=" UUID_A,
		  "5c4f $XDSDocumentEntryEntryUUID=(" UUID_A "); 5c4f $XDSDocumentEntryUniqueId=(" UUID_A ")" },
		{ "identifier=http://x.org%7Cabc&patient=Patient/x", FIND BOTH TYPES },
		{ "_id=abc&status=current", "5c4f $XDSDocumentEntryEntryUUID=(" UUID_A ")" },
	};
	struct str uuids[] = { STR(UUID_A) };
	struct search_resolved resolved = { .patient_id = STR(PATIENT), .uuids = { uuids, 1 } };

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct outcome outcome;

		outcome_init(&outcome);
		struct str text = queries_text(cases[i].query, false, &resolved, arena, &outcome);

		if (!text.data)
			fail_msg("%s: %s", cases[i].query, outcome.issues[0].text);
		assert_string_equal(text.data, cases[i].expected);
		arena_free(arena);
	}
}

#define SETS    "f26a $XDSSubmissionSetPatientId=" PATIENT " $XDSSubmissionSetStatus=(StatusType:Approved)"
#define FOLDERS "958f $XDSFolderPatientId=" PATIENT " $XDSFolderStatus=(StatusType:Approved)"

static void test_list_search__queries(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		const char *expected;
	} cases[] = {
		{ "patient=Patient/x&code=submissionset&status=current", SETS },
		{ "patient=Patient/x&code=folder&status=current", FOLDERS },
		{ "patient=Patient/x&code=folder,submissionset&status=current", SETS "; " FOLDERS },
		{ "patient=Patient/x&code:not=folder&status=current", SETS },
		{ "patient=Patient/x&status=current", SETS "; " FOLDERS },
		{ "patient=Patient/x&status=current&code=folder&code=submissionset", "" },
		{ "patient=Patient/x&status=current&"
		  "code=https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes%7Csubmissionset",
		  SETS },
		{ "patient=Patient/x&status=current&sourceId=urn:oid:1.9", SETS " $XDSSubmissionSetSourceId=(1.9)" },
		{ "patient=Patient/x&status=current&source.family=Welby", SETS },
		{ "patient=Patient/x&status=current&designationType=urn:oid:1.2%7Ca&designationType=urn:oid:1.2%7Cb",
		  SETS " $XDSSubmissionSetContentType=(a^^1.2); " FOLDERS
		       " $XDSFolderCodeList=(a^^1.2) $XDSFolderCodeList=(b^^1.2)" },
		{ "patient=Patient/x&status=current&date=ge2024&code=folder",
		  FOLDERS " $XDSFolderLastUpdateTimeFrom=20240101000000" },
		{ "identifier=urn:oid:1.2.3", "e8e3 $XDSSubmissionSetUniqueId=1.2.3; 5737 $XDSFolderUniqueId=(1.2.3)" },
		{ "identifier=" UUID_A "&code=folder", "5737 $XDSFolderEntryUUID=(" UUID_A ")" },
		{ "_id=abc", "e8e3 $XDSSubmissionSetEntryUUID=" UUID_A "; 5737 $XDSFolderEntryUUID=(" UUID_A ")" },
	};
	struct str uuids[] = { STR(UUID_A) };
	struct search_resolved resolved = { .patient_id = STR(PATIENT), .uuids = { uuids, 1 } };

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct outcome outcome;

		outcome_init(&outcome);
		struct str text = queries_text(cases[i].query, true, &resolved, arena, &outcome);

		if (!text.data)
			fail_msg("%s: %s", cases[i].query, outcome.issues[0].text);
		assert_string_equal(text.data, cases[i].expected);
		arena_free(arena);
	}
}

static void test_document_search__refuses(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool strict;
		enum error_code code; /* ERR_NONE: accepted */
		const char *path;
	} cases[] = {
		{ "status=current", false, ERR_PARAMETER_MISSING, "patient" },
		{ "identifier=abc%7C", false, ERR_PARAMETER_MISSING, "patient" },
		{ "patient=Patient/x", true, ERR_PARAMETER_MISSING, "status" },
		{ "patient=Patient/x&foo=1&_include=*", false, ERR_NONE, "" },
		{ "patient=Patient/x&status=current&foo=1", true, ERR_PARAMETER_UNKNOWN, "foo" },
		{ "patient=Patient/x&type:text=a", false, ERR_PARAMETER_UNKNOWN, "type" },
		{ "patient=Patient/x&type:in=a", false, ERR_PARAMETER_UNKNOWN, "type" },
		{ "patient:Group=x", false, ERR_PARAMETER_UNKNOWN, "patient" },
		{ "patient:Patient=x", false, ERR_NONE, "" },
		{ "patient=a,b", false, ERR_VALUE_INVALID, "patient" },
		{ "patient.identifier=urn:oid:1.2%7C", false, ERR_VALUE_INVALID, "patient.identifier" },
		{ "patient=Patient/x&creation=lt9999-99-99", false, ERR_VALUE_INVALID, "creation" },
		{ "patient=Patient/x&_count=-1", false, ERR_VALUE_INVALID, "_count" },
		{ "patient=Patient/x&_count=1000000000", false, ERR_NONE, "" },
		{ "patient=Patient/x&_summary=all", false, ERR_VALUE_INVALID, "_summary" },
		{ "patient=Patient/x&status=current&_sort=title", true, ERR_PARAMETER_UNKNOWN, "_sort" },
		{ "patient=Patient/x&_sort=title", false, ERR_NONE, "" },
		{ "patient=Patient/x&related:missing=maybe", false, ERR_VALUE_INVALID, "related" },
		{ "patient=Patient/x&targetCommunityIdList=urn:oid:9.9", false, ERR_VALUE_INVALID,
		  "targetCommunityIdList" },
		{ "_id=a&_id=b", false, ERR_VALUE_INVALID, "_id" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_rules strict = rules;
		struct search_params params = read_params(cases[i].query, arena);
		struct search search;
		struct outcome outcome;

		outcome_init(&outcome);
		strict.strict = cases[i].strict;
		if (document_search_read(&params, &strict, arena, &search, &outcome) != (cases[i].code == ERR_NONE))
			fail_msg("%s: %s", cases[i].query, outcome.count ? outcome.issues[0].text : "accepted");
		if (cases[i].code != ERR_NONE) {
			assert_int_equal(outcome.issues[0].code, cases[i].code);
			assert_string_equal(outcome.issues[0].path, cases[i].path);
		} else {
			assert_true(search.view.page_entries <= 100);
		}
		arena_free(arena);
	}
}

static struct document_entry sample_entry(void)
{
	static struct code events[] = { { { "e1", 2 }, { "1.2", 3 }, { 0 } }, { { "e2", 2 }, { "1.2", 3 }, { 0 } } };
	static struct author authors[] = {
		{ .person = { "D9^Welby^Marcus^Aurelius Maria^^Dr", 34 } },
		{ .person = { "^M\xC3\xBCller^Ren\xC3\xA9", 14 } },
	};
	static struct str references[] = { { "V42^^^&1.9&ISO^urn:ihe:iti:xds:2015:encounterId", 47 },
					   { "1.2.3.4^^^^urn:ihe:iti:xds:2016:studyInstanceUID", 48 } };

	return (struct document_entry) {
		.entry_uuid = STR(UUID_A),
		.unique_id = STR("1.2^abc"),
		.patient_id = STR(PATIENT),
		.availability_status = STR("urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"),
		.type_code = { STR("34133-9"), STR(LOINC), STR("Note") },
		.event_codes = { events, 2 },
		.authors = { authors, 2 },
		.reference_ids = { references, 2 },
		.creation_time = STR("20240305"),
		.service_start_time = STR("202403"),
	};
}

/* FHIR R4 3.1.1.4 and 3.1.1.5 per type of parameter. */
static void test_document_search__filters_exactly(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool found;
	} cases[] = {
		{ "type=34133-9", true },
		{ "type=http://loinc.org%7C34133-9", true },
		{ "type=http://loinc.org%7C", true },
		{ "type=urn:oid:" LOINC "%7C34133-9", true },
		{ "type=urn:oid:" LOINC "%7C", true },
		{ "type=%7C34133-9", false },
		{ "type=http://snomed.info/sct%7C34133-9", false },
		{ "type=34133", false },
		{ "type=x,34133-9", true },
		{ "type=x&type=34133-9", false },
		{ "type:not=34133-9", false },
		{ "type:not=x", true },
		{ "category:missing=true", true },
		{ "category:missing=false", false },
		{ "category:not=x", true },
		{ "event=e1&event=e2", true },
		{ "event=e1&event=e3", false },
		{ "event:not=e3,e2", false },
		{ "author.family=welby", true },
		{ "author.family=WEL", true },
		{ "author.family=elby", false },
		{ "author.family:contains=elb", true },
		{ "author.family:exact=Welby", true },
		{ "author.family:exact=welby", false },
		{ "author.family=muller", true },
		{ "author.family=M%C3%9CLL", true },
		{ "author.given=rene", true },
		{ "author.given=aurelius", true },
		{ "author.given=mar&author.family=welby", true },
		{ "author.given=rene&author.family=welby", false }, /* not the same author */
		{ "author.given=maria&author.family=welby", true },
		{ "author:Practitioner.family=Welby", true },
		{ "identifier=urn:oid:1.2%7Cabc", true },
		{ "identifier=abc", true },
		{ "identifier=URN:UUID:11111111-2222-4333-8444-555555555555", true },
		{ "identifier=" UUID_A, true },
		{ "identifier=urn:oid:1.2%7C", true },
		{ "identifier=urn:oid:1.3%7C", false },
		{ "identifier=urn:oid:1.3%7Cabc", false },
		{ "related:identifier=urn:oid:1.9%7CV42", true },
		{ "related:identifier=V42", true },
		{ "related:identifier=urn:oid:1.8%7CV42", false },
		{ "related:identifier=urn:ietf:rfc:3986%7Curn:oid:1.2.3.4", true },
		{ "related=urn:oid:1.2.3.4", true },
		{ "related=Encounter/V43", false },
		{ "status=current", true },
		{ "status=superseded", false },
		{ "status=superseded,current", true },
		{ "creation=2024-03-05", true },
		{ "creation=ge2024-03-05", true },
		{ "creation=gt2024-03-05", false },
		{ "creation=gt2024-03-05T12:00:00Z", true }, /* the stored day goes on */
		{ "creation=2024-03-05T12:00:00Z", false },
		{ "creation=lt2024-03-05,ge2024-03", true },
		{ "creation=ne2024-03-05", false },
		{ "creation=ap2024-03-05T12:00:00Z", true },
		{ "date=2024", true },
		{ "period=ge2030", true }, /* no end: goes on */
		{ "period=lt2024-03", false },
		{ "period=eq2024", false },
		{ "period=sa2024-02", true },
		{ "period=eb2030", false },
		{ "_lastUpdated=2024-05", true },
		{ "_lastupdated=2024-06", false },
		{ "facility=x", false },
		{ "patient:Patient=x", true },
	};
	struct search_resolved resolved = { .patient_id = STR(PATIENT) };
	struct document_entry entry = sample_entry();

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		char query[256];
		struct search search;
		struct outcome outcome;

		snprintf(query, sizeof query, "patient=Patient/x&%s", cases[i].query);
		struct search_params params = read_params(query, arena);

		outcome_init(&outcome);
		if (!document_search_read(&params, &rules, arena, &search, &outcome))
			fail_msg("%s: %s", query, outcome.issues[0].text);
		if (document_search_matches(&search, &resolved, &entry, STR("20240517101112"), arena) != cases[i].found)
			fail_msg("%s", query);
		arena_free(arena);
	}
}

static void test_document_search__drops_other_patients(void **state)
{
	(void)state;
	static const struct {
		const char *patient_id;
		bool found;
	} cases[] = { { PATIENT, true },
		      { "P1^^^ns&1.2.3&ISO", true },
		      { "P2^^^&1.2.3&ISO", false },
		      { "P1^^^&1.2.4&ISO", false } };
	struct arena *arena = arena_new(ARENA_BYTES);
	struct search_params params = read_params("patient=Patient/x", arena);
	struct search_resolved resolved = { .patient_id = STR(PATIENT) };
	struct document_entry entry = sample_entry();
	struct search search;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(document_search_read(&params, &rules, arena, &search, &outcome));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		entry.patient_id = str_from_c(cases[i].patient_id);
		assert_int_equal(document_search_matches(&search, &resolved, &entry, STR_NONE, arena), cases[i].found);
	}
	arena_free(arena);
}

#define ENTRIES 257

/* Walks all pages; between two pages documents come and go. Nothing that was there all the time is lost or repeated. */
static void walk_pages(const char *query)
{
	static struct document_entry all[ENTRIES];
	static char texts[ENTRIES][2][48];
	size_t seen[ENTRIES] = { 0 };
	struct document_found entries[ENTRIES];
	struct search_resolved resolved = { .patient_id = STR(PATIENT) };
	char next[1024];
	size_t next_size = 0;
	size_t pages = 0;

	for (size_t i = 0; i < ENTRIES; i++) {
		snprintf(texts[i][0], sizeof texts[i][0], "urn:uuid:%08zx-2222-4333-8444-555555555555",
			 i * 7919 % 1000);
		snprintf(texts[i][1], sizeof texts[i][1], "2024%02zu%02zu", i % 12 + 1, i % 28 + 1);
		all[i] = sample_entry();
		all[i].entry_uuid = str_from_c(texts[i][0]);
		all[i].unique_id = all[i].entry_uuid;
		all[i].creation_time = i % 17 ? (struct str) { texts[i][1], i % 3 ? 8 : 6 } : STR_NONE;
	}
	do {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_cursor cursor = { 0 };
		struct search search;
		struct document_page page;
		struct outcome outcome;
		struct str text = str_from_c(query);
		size_t count = 0;

		outcome_init(&outcome);
		if (next_size)
			assert_true(search_cursor_read((struct str) { next, next_size }, &cursor));
		if (next_size)
			text = cursor.honoured;
		struct search_params params = { 0 };

		assert_true(search_params_read(text, STR_NONE, arena, &params, &outcome));
		assert_true(document_search_read(&params, &rules, arena, &search, &outcome));
		search.after = cursor.last;
		search.has_after = next_size > 0;
		for (size_t i = 0; i < ENTRIES; i++) { /* every tenth is there on one page and gone on another */
			if (i % 10 || (i + pages) % 3)
				entries[count++] = (struct document_found) { .entry = &all[i] };
		}
		assert_true(document_search_select(&search, &resolved, entries, count, arena, &page, &outcome));
		assert_int_equal(page.total, count);
		for (size_t i = 0; i < page.count; i++)
			seen[page.items[i].entry - all]++;
		struct search_cursor following = { search.honoured, page.last, { .numbers = { 0, 7 }, .count = 2 } };
		struct buf bytes;

		buf_init(&bytes, sizeof next);
		if (page.more)
			search_cursor_write(&following, &bytes);
		assert_false(bytes.failed);
		next_size = bytes.size;
		memcpy(next, buf_str(&bytes).data, bytes.size);
		buf_free(&bytes);
		pages++;
		arena_free(arena);
	} while (next_size && pages < 1000);
	assert_in_range(pages, 257 / 20, 257 / 20 + 2);
	for (size_t i = 0; i < ENTRIES; i++)
		assert_in_range(seen[i], i % 10 ? 1 : 0, 1);
}

static void test_document_search__pages_neither_lose_nor_repeat(void **state)
{
	(void)state;
	walk_pages("patient=Patient/x&_count=20");
	walk_pages("patient=Patient/x&_count=20&_sort=date");
	walk_pages("patient=Patient/x&_count=20&_sort=-creation");
	walk_pages("patient=Patient/x&_count=20&_sort=period");
}

static void test_document_search__one_version_of_each(void **state)
{
	(void)state;
	struct arena *arena = arena_new(ARENA_BYTES);
	struct search_params params = read_params("patient=Patient/x", arena);
	struct search_resolved resolved = { .patient_id = STR(PATIENT) };
	struct document_entry versions[4];
	struct document_found entries[4];
	struct document_page page;
	struct search search;
	struct outcome outcome;

	outcome_init(&outcome);
	for (size_t i = 0; i < 4; i++) {
		versions[i] = sample_entry();
		entries[i] = (struct document_found) { .entry = &versions[i] };
	}
	versions[0].version = STR("2");
	versions[0].entry_uuid = STR("urn:uuid:22222222-2222-4333-8444-555555555555");
	versions[0].logical_id = STR(UUID_A);
	versions[1].version = STR("10");
	versions[1].entry_uuid = STR("urn:uuid:33333333-2222-4333-8444-555555555555");
	versions[1].logical_id = STR(UUID_A);
	assert_true(document_search_read(&params, &rules, arena, &search, &outcome));
	assert_true(document_search_select(&search, &resolved, entries, 4, arena, &page, &outcome));
	assert_int_equal(page.total, 1);
	assert_ptr_equal(page.items[0].entry, &versions[1]);
	arena_free(arena);
}

/* Copies of one document in several sources, by uniqueId, hash and source; '-' is none. What is shown, and what of it has a
 * twin ('!'). */
static void test_document_search__merges_copies(void **state)
{
	(void)state;
	static const struct {
		const char *found;
		const char *shown;
	} cases[] = {
		{ "aX1 aX2", "aX1" },
		{ "aX1 aY2", "aX1! aY2!" },
		{ "aX1 aY2 aX3", "aX1! aY2!" },
		{ "aX1 aY2 aY3", "aX1! aY2!" },
		{ "aX1 ax2", "aX1" },
		{ "aX1 a-2", "aX1" },
		{ "a-1 aX2", "a-1" },
		{ "aX1 aX1", "aX1" },
		{ "aX1 aX1 aX2 aX2", "aX1" },
		{ "aX1 aY1", "aX1! aY1!" },
		{ "aX1 bX2", "aX1 bX2" },
		{ "-X1 -X2", "-X1 -X2" },
		{ "bX1 aX1 aX2 bX2 cX2", "aX1 bX1 cX2" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_params params = read_params("patient=Patient/x", arena);
		struct search_resolved resolved = { .patient_id = STR(PATIENT) };
		struct document_entry entries[8];
		struct document_found found[8];
		struct document_page page;
		struct search search;
		struct outcome outcome;
		struct str rest = str_from_c(cases[i].found);
		struct str one;
		char shown[64] = "";
		size_t count = 0;

		outcome_init(&outcome);
		for (; str_next(&rest, ' ', &one); count++) {
			entries[count] = sample_entry();
			entries[count].entry_uuid =
				arena_printf(arena, "urn:uuid:%08zx-2222-4333-8444-555555555555", count);
			entries[count].unique_id = one.data[0] == '-' ? STR_NONE : (struct str) { one.data, 1 };
			entries[count].hash = one.data[1] == '-' ? STR_NONE : (struct str) { one.data + 1, 1 };
			found[count] = (struct document_found) { .entry = &entries[count],
								 .source = (uint8_t)(one.data[2] - '0') };
		}
		assert_true(document_search_read(&params, &rules, arena, &search, &outcome));
		assert_true(document_search_select(&search, &resolved, found, count, arena, &page, &outcome));
		assert_int_equal(page.total, page.count);
		for (size_t k = 0; k < page.count; k++) {
			const struct document_entry *entry = page.items[k].entry;
			size_t at = strlen(shown);

			snprintf(shown + at, sizeof shown - at, "%s%c%c%u%s", k ? " " : "",
				 entry->unique_id.size ? entry->unique_id.data[0] : '-',
				 entry->hash.size ? entry->hash.data[0] : '-', page.items[k].source,
				 page.items[k].twin ? "!" : "");
		}
		assert_string_equal(shown, cases[i].shown);
		arena_free(arena);
	}
}

static void test_document_search__honoured_reads_back(void **state)
{
	(void)state;
	struct arena *arena = arena_new(ARENA_BYTES);
	struct search_params params =
		read_params("patient.identifier=urn:oid:1.2%7Ca%26b&foo=1&status=current&_count=7&event=x%5C,y", arena);
	struct search search;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(document_search_read(&params, &rules, arena, &search, &outcome));
	assert_string_equal(search.honoured.data,
			    "patient.identifier=urn:oid:1.2%7Ca%26b&status=current&_count=7&event=x%5C,y");
	assert_int_equal(search.needs.claim_count, 1);
	assert_true(str_equal(search.needs.claims[0].identifiers[0].system, STR("urn:oid:1.2")));
	assert_true(str_equal(search.needs.claims[0].identifiers[0].value, STR("a&b")));
	arena_free(arena);
}

static void test_search__cursor_refuses_other_bytes(void **state)
{
	(void)state;
	static const char *const cases[] = { "",
					     "a",
					     "a\nb",
					     "a\nb\n",
					     "a\nb\nh\n0\n0\n\nu\n",
					     "a\nb\nh\n256\n0\nc\nu\n",
					     "a\nb\nh\n0\n0 x\nc\nu\n",
					     "a\nb\nh\n0\n0\nc",
					     "a\nb\nh\n0\n0\nc\nu\nmore" };
	struct search_cursor cursor;

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_false(search_cursor_read(str_from_c(cases[i]), &cursor));
	assert_true(search_cursor_read(STR("a\n\n\n3\n3 255\nc\nu\n"), &cursor));
	assert_int_equal(cursor.last.source, 3);
	assert_int_equal(cursor.sources.count, 2);
	assert_int_equal(cursor.sources.numbers[1], 255);
	assert_true(str_equal(cursor.last.unique_id, STR("u")));
}

/* Every allocation fails once; nothing leaks, nothing is half done. */
static void test_search__survives_lack_of_memory(void **state)
{
	(void)state;
	struct search_resolved resolved = { .patient_id = STR(PATIENT) };
	struct document_entry entry = sample_entry();
	const struct document_found entries[] = { { .entry = &entry }, { .entry = &entry } };
	struct metadata nothing = { 0 };
	struct list_answer answer = { &nothing, 0 };
	bool done = false;

	for (size_t n = 0; !done; n++) {
		struct arena *arena = arena_new(ARENA_BYTES);
		struct search_params params = { 0 };
		struct search search = { 0 };
		struct stored_query *queries;
		size_t count;
		struct document_page page;
		struct list_page lists;
		struct outcome outcome;

		outcome_init(&outcome);
		arena_fail_at(arena, n);
		done = search_params_read(STR("patient=Patient/"
					      "x&type=a%7Cb,c&event=urn:oid:1%7Cd&creation=ge2024&period="
					      "lt2024&author.family=x&_elements=a,b&_format=a+b&code=folder"),
					  STR("date=ge2024"), arena, &params, &outcome) &&
		       document_search_read(&params, &rules, arena, &search, &outcome) &&
		       document_search_queries(&search, &resolved, arena, &queries, &count, &outcome) &&
		       document_search_select(&search, &resolved, entries, 2, arena, &page, &outcome) &&
		       list_search_read(&params, &rules, arena, &search, &outcome) &&
		       list_search_queries(&search, &resolved, arena, &queries, &count, &outcome) &&
		       list_search_select(&search, &resolved, &answer, 1, arena, &lists, &outcome);
		assert_true(done || outcome.issues[0].code == ERR_NO_MEMORY);
		arena_free(arena);
		assert_in_range(n, 0, 1000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_params__decodes),
		cmocka_unit_test(test_search_params__refuses),
		cmocka_unit_test(test_fold__case_and_accents),
		cmocka_unit_test(test_search_date__reads),
		cmocka_unit_test(test_search_date__is_interval_arithmetic),
		cmocka_unit_test(test_document_search__queries),
		cmocka_unit_test(test_list_search__queries),
		cmocka_unit_test(test_document_search__refuses),
		cmocka_unit_test(test_document_search__filters_exactly),
		cmocka_unit_test(test_document_search__drops_other_patients),
		cmocka_unit_test(test_document_search__pages_neither_lose_nor_repeat),
		cmocka_unit_test(test_document_search__one_version_of_each),
		cmocka_unit_test(test_document_search__merges_copies),
		cmocka_unit_test(test_document_search__honoured_reads_back),
		cmocka_unit_test(test_search__cursor_refuses_other_bytes),
		cmocka_unit_test(test_search__survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
