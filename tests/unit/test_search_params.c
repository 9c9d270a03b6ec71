/* Parameters of a search: how they are decoded, folded and read as intervals of time. */
#include "search_stand.h"

#include <stdio.h>
#include <stdlib.h>

#include "mappers/fold.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search_params__decodes),
		cmocka_unit_test(test_search_params__refuses),
		cmocka_unit_test(test_fold__case_and_accents),
		cmocka_unit_test(test_search_date__reads),
		cmocka_unit_test(test_search_date__is_interval_arithmetic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
