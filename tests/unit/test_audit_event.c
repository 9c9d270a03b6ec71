/* Audit events: hostile text, long queries, want of memory, and which row a route gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "mappers/audit_event.h"
#include "mappers/audit_message.h"
#include "mappers/audit_text.h"
#include "mappers/base/base64.h"
#include "mappers/consent_rule.h"

#define EVENT_BYTES_MAX ((size_t)4 * 1024 * 1024)

static const struct caller doctor = { .kind = CALLER_USER,
				      .subject = STR_INIT("dr"),
				      .issuer = STR_INIT("https://idp") };

static struct audit_record record_of(enum audit_kind kind)
{
	return (struct audit_record) { .kind = kind,
				       .id = "00000000-0000-4000-8000-000000000000",
				       .source_id = STR("gateway"),
				       .base = STR("https://fhir.example/fhir"),
				       .caller = &doctor,
				       .patient_id = STR("P1^^^&1.2.3&ISO"),
				       .query = STR("GET /"),
				       .request_id = STR("abc") };
}

static bool write_event(const struct audit_record *record, struct arena *arena, struct buf *json)
{
	struct json_writer writer;
	struct outcome outcome;

	outcome_init(&outcome);
	json_writer_init(&writer, json);
	return audit_event_write(record, arena, &writer, &outcome) && json_writer_finish(&writer, &outcome);
}

static json_t *event_tree(const struct audit_record *record)
{
	struct arena *arena = arena_new(2 * EVENT_BYTES_MAX);
	struct buf json;
	json_t *tree;

	buf_init(&json, EVENT_BYTES_MAX);
	assert_true(write_event(record, arena, &json));
	tree = json_loadb(json.data, json.size, 0, NULL);
	assert_non_null(tree);
	buf_free(&json);
	arena_free(arena);
	return tree;
}

/* Attack 89 */
static void test_089_text__is_made_harmless(void **state)
{
	static const struct {
		struct str text;
		struct str clean;
	} cases[] = {
		{ STR_INIT("a\r\nb\tc"), STR_INIT("a  b c") },
		{ STR_INIT("a\x1b[31mb\0c"), STR_INIT("a\xEF\xBF\xBD[31mb\xEF\xBF\xBD"
						      "c") },
		{ STR_INIT("\xff\xc0\x80x"), STR_INIT("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx") },
		{ STR_INIT("\xC2\x9Bm \xEF\xBF\xBE"), STR_INIT("\xEF\xBF\xBDm \xEF\xBF\xBD") },
		{ STR_INIT("Zo\xC3\xA9 \xF0\x9F\x98\x80"), STR_INIT("Zo\xC3\xA9 \xF0\x9F\x98\x80") },
		{ STR_INIT("\xF0\x9F\x98"), STR_INIT("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") },
		{ STR_INIT("%n%s\"}]"), STR_INIT("%n%s\"}]") },
	};
	struct arena *arena = arena_new(1 << 20);
	static char million[1000000];
	struct str long_text;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str clean = audit_text(arena, cases[i].text);

		assert_true(str_equal(clean, cases[i].clean));
	}
	memset(million, 'u', sizeof(million));
	long_text = audit_text(arena, (struct str) { million, sizeof(million) });
	assert_true(long_text.size <= AUDIT_TEXT_BYTES_MAX + 16);
	assert_true(str_ends_with(long_text, STR("(cut)")));
	assert_true(str_equal(audit_uri(arena, STR("urn:a b\n\"")), STR("urn:a%20b%0A%22")));
	arena_free(arena);
}

/* Attack 123 */
static void test_123_query__is_whole_or_says_that_it_is_not(void **state)
{
	static char query[AUDIT_QUERY_BYTES_MAX + 1000];
	struct audit_record record = record_of(AUDIT_FIND_REFERENCES);

	(void)state;
	for (size_t i = 0; i < sizeof(query); i++)
		query[i] = (char)i;
	for (size_t size = AUDIT_QUERY_BYTES_MAX - 1; size <= sizeof(query); size += 999) {
		struct arena *arena = arena_new(EVENT_BYTES_MAX);
		json_t *entity;
		json_t *tree;
		struct str bytes;

		record.query = (struct str) { query, size };
		tree = event_tree(&record);
		entity = json_array_get(json_object_get(tree, "entity"), 0);
		assert_true(
			base64_decode(str_from_c(json_string_value(json_object_get(entity, "query"))), arena, &bytes));
		assert_int_equal(bytes.size, size < AUDIT_QUERY_BYTES_MAX ? size : AUDIT_QUERY_BYTES_MAX);
		assert_memory_equal(bytes.data, query, bytes.size);
		assert_int_equal(json_object_get(entity, "description") != NULL, size > AUDIT_QUERY_BYTES_MAX);
		json_decref(tree);
		arena_free(arena);
	}
}

static void test_profile__is_claimed_only_by_what_meets_it(void **state)
{
	struct audit_record record = record_of(AUDIT_FIND_REFERENCES);
	json_t *tree = event_tree(&record);

	(void)state;
	assert_non_null(json_object_get(json_object_get(tree, "meta"), "profile"));
	json_decref(tree);
	record.outcome = AUDIT_SERIOUS;
	tree = event_tree(&record);
	assert_null(json_object_get(json_object_get(tree, "meta"), "profile"));
	json_decref(tree);
	record = record_of(AUDIT_RETRIEVE); /* without the document */
	tree = event_tree(&record);
	assert_null(json_object_get(json_object_get(tree, "meta"), "profile"));
	json_decref(tree);
}

static void test_kind__of_a_route(void **state)
{
	static const struct {
		struct str transaction;
		struct str interaction;
		enum audit_kind kind;
	} cases[] = {
		{ STR_INIT("ITI-65"), STR_INIT("transaction"), AUDIT_PROVIDE_BUNDLE },
		{ STR_INIT("ITI-67"), STR_INIT("search-type"), AUDIT_FIND_REFERENCES },
		{ STR_INIT("ITI-68"), STR_INIT("read"), AUDIT_RETRIEVE },
		{ STR_INIT("ITI-83"), STR_INIT("operation"), AUDIT_CROSS_REFERENCE },
		{ STR_INIT("ITI-119"), STR_INIT("operation"), AUDIT_PATIENT_MATCH },
		{ STR_INIT("ITI-108"), STR_INIT("vread"), AUDIT_CONSENT_READ },
		{ STR_INIT("ITI-108"), STR_INIT("delete"), AUDIT_CONSENT_DELETE },
		{ STR_INIT("ITI-81"), STR_INIT("read"), AUDIT_AUDIT_READ },
		{ STR_INIT("ITI-71"), STR_INIT(""), AUDIT_TOKEN_ISSUED },
		{ STR_INIT(""), STR_INIT("read"), AUDIT_READ },
		{ STR_INIT("ITI-999"), STR_INIT("create"), AUDIT_CREATE },
		{ STR_INIT(""), STR_INIT("capabilities"), AUDIT_KIND_COUNT },
		{ STR_INIT(""), STR_INIT(""), AUDIT_KIND_COUNT },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(audit_kind_of(cases[i].transaction, cases[i].interaction), cases[i].kind);
}

/* The n-th allocation fails: no event, or the whole of it, and no leak. */
static void test_memory__is_missed_anywhere(void **state)
{
	static const struct consent_decision decision = { .permit = true, .consent_id = STR_INIT("Consent/1") };
	static const struct audit_object object = { .type = STR_INIT("Binary"),
						    .reference = STR_INIT("Binary/1"),
						    .unique_id = STR_INIT("1.2.3"),
						    .is_main = true };
	bool done = false;

	(void)state;
	for (size_t n = 0; !done && n < 200; n++) {
		struct audit_record record = record_of(AUDIT_RETRIEVE);
		struct arena *arena = arena_new(1 << 20);
		struct buf json;

		record.objects = &object;
		record.object_count = 1;
		record.decision = &decision;
		buf_init(&json, EVENT_BYTES_MAX);
		arena_fail_at(arena, n);
		done = write_event(&record, arena, &json);
		buf_free(&json);
		arena_free(arena);
	}
	assert_true(done);
}

static void test_message__carries_hostile_text(void **state)
{
	struct caller hostile = { .kind = CALLER_USER,
				  .subject = STR_INIT("<x a=\"&\">\x1b]\xff"),
				  .name = STR_INIT("]]>\r\n'"),
				  .issuer = STR_INIT("https://idp") };
	struct audit_record record = record_of(AUDIT_FIND_REFERENCES);
	struct arena *arena = arena_new(1 << 20);
	struct xml_writer writer;
	struct outcome outcome;
	struct buf xml;
	json_t *tree;

	(void)state;
	record.caller = &hostile;
	tree = event_tree(&record);
	outcome_init(&outcome);
	buf_init(&xml, 1 << 20);
	xml_writer_init(&writer, &xml);
	assert_true(audit_message_write(tree, arena, &writer, &outcome) && xml_writer_finish(&writer, &outcome));
	assert_non_null(strstr(xml.data, "UserID=\"&lt;x a=&quot;&amp;&quot;&gt;\xEF\xBF\xBD]\xEF\xBF\xBD\""));
	buf_free(&xml);
	json_decref(tree);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_089_text__is_made_harmless),
		cmocka_unit_test(test_123_query__is_whole_or_says_that_it_is_not),
		cmocka_unit_test(test_profile__is_claimed_only_by_what_meets_it),
		cmocka_unit_test(test_kind__of_a_route),
		cmocka_unit_test(test_memory__is_missed_anywhere),
		cmocka_unit_test(test_message__carries_hostile_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
