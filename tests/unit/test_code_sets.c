/* The affinity domain's codes: how the file is read, and what is held against it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "mappers/attribute.h"
#include "mappers/base/buf.h"
#include "mappers/code_sets.h"

#define ARENA_BYTES (32 * 1024 * 1024)
#define CLASS       "<CodeType name='classCode' classScheme='urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a'>"
#define LETTER      "<Code code='11488-4' display='Letter' codingScheme='2.16.840.1.113883.6.1' system='http://loinc.org'/>"
#define END         "</CodeType>"

struct run {
	struct arena *arena;
	const struct code_sets *sets;
	struct outcome outcome;
};

static bool read_text(struct run *run, struct str text)
{
	*run = (struct run) { .arena = arena_new(ARENA_BYTES) };
	outcome_init(&run->outcome);
	return code_sets_read(text, run->arena, &run->sets, &run->outcome);
}

static void read_good(struct run *run, const char *text)
{
	if (!read_text(run, str_from_c(text)))
		fail_msg("%s", run->outcome.issues[0].text);
}

static bool allows(const struct run *run, const char *attribute, const char *code, const char *scheme)
{
	return code_sets_allow(run->sets, str_from_c(attribute), str_from_c(code), str_from_c(scheme));
}

static void test_codes_are_known_by_oid_and_uri(void **state)
{
	struct run run;

	(void)state;
	read_good(&run,
		  "<?xml version='1.0' encoding='UTF-8'?><!-- a list --><Codes>\n" CLASS LETTER
		  "<Code code='A&amp;B' codingScheme='urn:oid:2.999.1'/><Code code='x' system='http://loinc.org'/>"
		  "<Code code='two' codingScheme='2.999.2' system='http://two.example'/>" END
		  "<CodeType name='associationDocumentation'><Code code='y' codingScheme='2.999.9'/></CodeType>"
		  "<AssigningAuthority id='&amp;2.999.1&amp;ISO'/></Codes>");
	assert_int_equal(code_sets_count(run.sets), 4);
	assert_int_equal(code_sets_attribute_count(run.sets), 1);
	assert_true(allows(&run, "classCode", "11488-4", "2.16.840.1.113883.6.1"));
	assert_true(allows(&run, "classCode", "11488-4", "http://loinc.org"));
	assert_true(allows(&run, "classCode", "11488-4", "urn:oid:2.16.840.1.113883.6.1"));
	assert_true(allows(&run, "classCode", "x", "2.16.840.1.113883.6.1"));
	assert_true(allows(&run, "classCode", "A&B", "2.999.1"));
	assert_true(allows(&run, "classCode", "two", "2.999.2"));
	assert_true(allows(&run, "classCode", "two", "http://two.example"));
	assert_false(allows(&run, "classCode", "11488-4", "2.999.1"));
	assert_false(allows(&run, "classCode", "11488", "http://loinc.org"));
	assert_false(allows(&run, "classCode", "a&b", "2.999.1"));
	/* what has no list is free */
	assert_true(allows(&run, "typeCode", "anything", "2.999.77"));
	assert_true(allows(&run, "mimeType", "text/css", NULL));
	assert_true(code_sets_allow(NULL, STR("classCode"), STR("x"), STR("y")));
	arena_free(run.arena);
}

static void test_media_types_and_languages_have_no_scheme(void **state)
{
	struct run run;

	(void)state;
	read_good(&run, "<Codes><CodeType name='mimeType'><Code code='text/xml' ext='xml'/>"
			"<Code code='application/pdf'/></CodeType><CodeType name='languageCode'>"
			"<Code code='fr-LU'/></CodeType><CodeType name='folderCodeList'>"
			"<Code code='f' codingScheme='2.999.1'/></CodeType></Codes>");
	assert_true(allows(&run, "mimeType", "TEXT/xml; charset=UTF-8", NULL));
	assert_false(allows(&run, "mimeType", "text/plain", NULL));
	assert_true(allows(&run, "languageCode", "FR-lu", NULL));
	assert_false(allows(&run, "languageCode", "fr", NULL));
	assert_true(allows(&run, "codeList", "f", "2.999.1"));
	assert_false(allows(&run, "codeList", "g", "2.999.1"));
	arena_free(run.arena);
}

static void test_faults_name_their_line(void **state)
{
	static const struct {
		const char *text;
		const char *said;
	} cases[] = {
		{ "<Codes>\n\n<CodeType name='clasCode'/></Codes>", "Line 3: Give CodeType the name" },
		{ "<Codes>\n<CodeType/></Codes>", "Line 2: Give CodeType the name" },
		{ "<Codes>\n<CodeType name='patientId'/></Codes>", "Line 2: Give CodeType the name" },
		{ "<Codes>\n<CodeType name='typeCode' "
		  "classScheme='urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a'/></Codes>",
		  "Line 2: Correct name or classScheme" },
		{ "<Codes>" CLASS LETTER END "\n" CLASS LETTER END "</Codes>", "Line 2: Write all codes" },
		{ "<Codes>" CLASS "\n<Code display='no code' codingScheme='2.999'/>" END "</Codes>",
		  "Line 2: Give Code a code, and" },
		{ "<Codes>" CLASS "\n<Code code='x'/>" END "</Codes>", "Line 2: Give Code a code, and" },
		{ "<Codes>\n<CodeType name='mimeType'><Code code=' '/></CodeType></Codes>",
		  "Line 2: Give Code a code." },
		{ "<Codes>\n" CLASS END "</Codes>", "Line 2: Give CodeType a Code" },
		{ "<Codes>\n" CLASS LETTER "text" END "</Codes>", "Line 2: Write codes as attributes" },
		{ "<Codes>\n" CLASS "<Cod/>" END "</Codes>", "Line 2: Write Codes, in it CodeType" },
		{ "<ValueSet/>", "Line 1: Write Codes" },
		{ "<Codes>\n</Code>", "line 2" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct run run;

		assert_false(read_text(&run, str_from_c(cases[i].text)));
		if (!strstr(run.outcome.issues[0].text, cases[i].said))
			fail_msg("case %zu: %s", i, run.outcome.issues[0].text);
		arena_free(run.arena);
	}
}

static void test_very_many_codes_are_bounded(void **state)
{
	struct run run;
	struct buf text;

	(void)state;
	for (size_t count = CODE_SETS_CODES_MAX; count <= CODE_SETS_CODES_MAX + 1; count++) {
		buf_init(&text, CODE_SETS_BYTES_MAX);
		buf_printf(&text, "<Codes>" CLASS);
		for (size_t i = 0; i < count; i++)
			buf_printf(&text, "<Code code='c%zu' codingScheme='2.999.1'/>", i);
		buf_printf(&text, END "</Codes>");
		assert_int_equal(read_text(&run, buf_str(&text)), count == CODE_SETS_CODES_MAX);
		if (count == CODE_SETS_CODES_MAX) {
			assert_true(arena_used(run.arena) < 8U << 20);
			assert_true(allows(&run, "classCode", "c19999", "2.999.1"));
			assert_false(allows(&run, "classCode", "c20000", "2.999.1"));
		}
		arena_free(run.arena);
		buf_free(&text);
	}
}

static void test_objects_are_checked_by_their_table(void **state)
{
	struct code events[] = { { STR("e"), STR("2.999.1"), STR("E") }, { STR("new"), STR("2.999.1"), STR("New") } };
	struct document_entry entry = { .class_code = { STR("11488-4"), STR("2.16.840.1.113883.6.1"), STR("Letter") },
					.event_codes = { events, 2 },
					.mime_type = STR("text/xml") };
	struct document_entry before = entry;
	struct run run;

	(void)state;
	read_good(&run,
		  "<Codes>" CLASS LETTER END "<CodeType name='eventCodeList'><Code code='e' codingScheme='2.999.1'/>"
		  "</CodeType><CodeType name='mimeType'><Code code='text/xml'/></CodeType></Codes>");
	assert_false(code_sets_check(run.sets, &document_entry_table, &entry, NULL, "Bundle.entry[1].resource",
				     &run.outcome));
	assert_int_equal(run.outcome.count, 1);
	assert_int_equal(run.outcome.issues[0].code, ERR_CODE_NOT_ALLOWED);
	assert_string_equal(run.outcome.issues[0].path, "Bundle.entry[1].resource.context.event");
	assert_non_null(strstr(run.outcome.issues[0].text, "2.999.1|e"));
	/* what it had already it may keep, one by one */
	assert_true(code_sets_check(run.sets, &document_entry_table, &entry, &before, "", &run.outcome));
	before.event_codes.count = 1;
	assert_false(code_sets_check(run.sets, &document_entry_table, &entry, &before, "", &run.outcome));
	entry.event_codes.count = 0;
	assert_true(code_sets_check(run.sets, &document_entry_table, &entry, NULL, "", &run.outcome));
	entry.mime_type = STR("text/css");
	entry.class_code.code = STR("11489-2");
	outcome_init(&run.outcome);
	assert_false(code_sets_check(run.sets, &document_entry_table, &entry, NULL, "", &run.outcome));
	assert_int_equal(run.outcome.count, 2);
	assert_non_null(strstr(run.outcome.issues[0].text, "http://loinc.org|11488-4"));
	arena_free(run.arena);
}

static void test_without_memory_it_is_refused(void **state)
{
	(void)state;
	for (size_t n = 0;; n++) {
		struct run run = { .arena = arena_new(ARENA_BYTES) };
		bool ok;

		outcome_init(&run.outcome);
		arena_fail_at(run.arena, n);
		ok = code_sets_read(STR("<Codes>" CLASS LETTER END "</Codes>"), run.arena, &run.sets, &run.outcome);
		arena_free(run.arena);
		if (ok)
			break;
		assert_int_equal(run.outcome.issues[0].code, ERR_NO_MEMORY);
		assert_true(n < 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes_are_known_by_oid_and_uri),
		cmocka_unit_test(test_media_types_and_languages_have_no_scheme),
		cmocka_unit_test(test_faults_name_their_line),
		cmocka_unit_test(test_very_many_codes_are_bounded),
		cmocka_unit_test(test_objects_are_checked_by_their_table),
		cmocka_unit_test(test_without_memory_it_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
