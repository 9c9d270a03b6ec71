/* What of the answers a search gives, and on which page. */
#include "search_stand.h"

#include <stdio.h>

#include "mappers/list_search.h"
#include "mappers/search_cursor.h"
#include "mappers/stored_query.h"

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

/* Copies of one document in several sources, by uniqueId, hash and source; '-' is none. What is shown, and what of it tells
 * of a twin ('!'): each pair once. */
static void test_document_search__merges_copies(void **state)
{
	(void)state;
	static const struct {
		const char *found;
		const char *shown;
	} cases[] = {
		{ "aX1 aX2", "aX1" },
		{ "aX1 aY2", "aX1! aY2" },
		{ "aX1 aY2 aX3", "aX1! aY2" },
		{ "aX1 aY2 aY3", "aX1! aY2" },
		{ "aX1 ax2", "aX1" },
		{ "aX1 a-2", "aX1" },
		{ "a-1 aX2", "a-1" },
		{ "aX1 aX1", "aX1" },
		{ "aX1 aX1 aX2 aX2", "aX1" },
		{ "aX1 aY1", "aX1! aY1" },
		{ "aX1 aY2 aZ3", "aX1! aY2! aZ3" },
		{ "a-1 aX2 aX3", "a-1" },
		{ "a-1 aX2 aY3", "a-1! aX2! aY3" },
		{ "aX1 a-2 aY3", "a-2! aX1! aY3" },
		{ "aX1 aY2 a-3 a-4", "a-3! aX1! aY2" },
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
		cmocka_unit_test(test_document_search__filters_exactly),
		cmocka_unit_test(test_document_search__drops_other_patients),
		cmocka_unit_test(test_document_search__pages_neither_lose_nor_repeat),
		cmocka_unit_test(test_document_search__one_version_of_each),
		cmocka_unit_test(test_document_search__merges_copies),
		cmocka_unit_test(test_search__cursor_refuses_other_bytes),
		cmocka_unit_test(test_search__survives_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
