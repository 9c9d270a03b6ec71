#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <jansson.h>

#include "mappers/capability.h"
#include "mappers/json_writer.h"
#include "mappers/search_table.h"
#include "mappers/searchset.h"
#include "mappers/transaction_response.h"

#define BYTES_MAX (1024 * 1024)

static json_t *parse(const struct buf *text)
{
	json_t *tree = json_loadb(text->data, text->size, JSON_REJECT_DUPLICATES, NULL);

	assert_false(text->failed);
	assert_non_null(tree);
	return tree;
}

static void test_searchset__with_and_without_entries(void **state)
{
	(void)state;
	static const char expected[] =
		"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"timestamp\":\"2024-03-02T08:15:30Z\",\"total\":"
		"3,"
		"\"link\":[{\"relation\":\"self\",\"url\":\"http://gw/fhir/List?code=folder\"},{\"relation\":\"next\","
		"\"url\":\"http://gw/fhir/List?_page=x\"}],\"entry\":[{\"fullUrl\":\"http://gw/fhir/List/a\","
		"\"resource\":{\"resourceType\":\"List\"},\"search\":{\"mode\":\"match\"}}]}";
	static const char empty[] =
		"{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":0,\"link\":[{\"relation\":"
		"\"self\",\"url\":\"http://gw/fhir/List\"}]}";
	struct searchset set = { .total = 3,
				 .self = STR("http://gw/fhir/List?code=folder"),
				 .next = STR("http://gw/fhir/List?_page=x"),
				 .timestamp = STR("2024-03-02T08:15:30Z") };
	struct searchset none = { .self = STR("http://gw/fhir/List") };
	struct json_writer writer;
	struct outcome outcome;
	struct buf text;

	outcome_init(&outcome);
	buf_init(&text, BYTES_MAX);
	json_writer_init(&writer, &text);
	searchset_begin(&writer, &set);
	searchset_entry_begin(&writer, STR("http://gw/fhir/List/a"));
	json_raw(&writer, STR("{\"resourceType\":\"List\"}"));
	searchset_entry_end(&writer);
	searchset_outcome(&writer, &outcome);
	searchset_end(&writer);
	assert_true(json_writer_finish(&writer, &outcome));
	assert_string_equal(text.data, expected);

	buf_clear(&text);
	json_writer_init(&writer, &text);
	searchset_begin(&writer, &none);
	searchset_outcome(&writer, &outcome);
	searchset_end(&writer);
	assert_true(json_writer_finish(&writer, &outcome));
	assert_string_equal(text.data, empty);

	buf_clear(&text);
	outcome_warn(&outcome, ERR_BACKEND_REFUSED, "", "A repository did not answer; try again later.");
	json_writer_init(&writer, &text);
	searchset_begin(&writer, &none);
	searchset_outcome(&writer, &outcome);
	searchset_end(&writer);
	assert_true(json_writer_finish(&writer, &outcome));
	json_t *tree = parse(&text);
	json_t *entry = json_array_get(json_object_get(tree, "entry"), 0);

	assert_string_equal(json_string_value(json_object_get(json_object_get(entry, "search"), "mode")), "outcome");
	assert_string_equal(json_string_value(json_object_get(json_object_get(entry, "resource"), "resourceType")),
			    "OperationOutcome");
	json_decref(tree);
	buf_free(&text);
}

#define SUBSETTED                                                                                                \
	"\"meta\":{\"tag\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/v3-ObservationValue\",\"code\":" \
	"\"SUBSETTED\"}]}"

/* FHIR R4 3.1.1.5.9 and 3.1.1.5.10. */
static void test_search_view__cuts(void **state)
{
	(void)state;
	static const char resource[] =
		"{\"resourceType\":\"DocumentReference\",\"id\":\"a\",\"text\":{\"status\":\"empty\"},\"contained\":[{"
		"\"resourceType\":\"Practitioner\",\"id\":\"p\"},{\"resourceType\":\"PractitionerRole\",\"id\":\"r\","
		"\"practitioner\":{\"reference\":\"#p\"}},{\"resourceType\":\"Patient\",\"id\":\"s\"}],\"status\":"
		"\"current\",\"_status\":{\"id\":\"x\"},\"type\":{\"text\":\"t\"},\"author\":[{\"reference\":\"#r\"}],"
		"\"content\":[{}],\"context\":{\"period\":{\"start\":\"2024\"},\"sourcePatientInfo\":{\"reference\":"
		"\"#s\"}}}";
	static const struct {
		const char *elements[2];
		enum search_summary summary;
		const char *expected;
	} cases[] = {
		{ { "type" },
		  SUMMARY_FALSE,
		  "{\"resourceType\":\"DocumentReference\",\"id\":\"a\",\"status\":\"current\",\"_status\":{\"id\":"
		  "\"x\"},"
		  "\"type\":{\"text\":\"t\"},\"content\":[{}]," SUBSETTED "}" },
		{ { "DocumentReference.author", "content.attachment" },
		  SUMMARY_FALSE,
		  "{\"resourceType\":\"DocumentReference\",\"id\":\"a\",\"contained\":[{\"resourceType\":"
		  "\"Practitioner\","
		  "\"id\":\"p\"},{\"resourceType\":\"PractitionerRole\",\"id\":\"r\",\"practitioner\":{\"reference\":"
		  "\"#p\"}}],\"status\":\"current\",\"_status\":{\"id\":\"x\"},\"author\":[{\"reference\":\"#r\"}],"
		  "\"content\":[{}]," SUBSETTED "}" },
		{ { NULL },
		  SUMMARY_TEXT,
		  "{\"resourceType\":\"DocumentReference\",\"id\":\"a\",\"text\":{\"status\":\"empty\"},\"status\":"
		  "\"current\",\"_status\":{\"id\":\"x\"},\"content\":[{}]," SUBSETTED "}" },
		{ { NULL },
		  SUMMARY_TRUE,
		  "{\"resourceType\":\"DocumentReference\",\"id\":\"a\",\"contained\":[{\"resourceType\":"
		  "\"Practitioner\","
		  "\"id\":\"p\"},{\"resourceType\":\"PractitionerRole\",\"id\":\"r\",\"practitioner\":{\"reference\":"
		  "\"#p\"}}],\"status\":\"current\",\"_status\":{\"id\":\"x\"},\"type\":{\"text\":\"t\"},\"author\":[{"
		  "\"reference\":\"#r\"}],\"content\":[{}],\"context\":{\"period\":{\"start\":\"2024\"}}," SUBSETTED
		  "}" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct arena *arena = arena_new(BYTES_MAX);
		struct str elements[2] = { str_from_c(cases[i].elements[0]), str_from_c(cases[i].elements[1]) };
		struct search_view view = { .summary = cases[i].summary,
					    .elements = { elements,
							  (size_t)(!!elements[0].data + !!elements[1].data) } };
		struct outcome outcome;
		struct str cut;

		outcome_init(&outcome);
		assert_false(search_view_is_whole(&view));
		assert_true(search_view_cut(&view, str_from_c(resource), arena, &cut, &outcome));
		json_t *found = json_loadb(cut.data, cut.size, 0, NULL);
		json_t *expected = json_loads(cases[i].expected, 0, NULL);

		assert_non_null(expected);
		if (!json_equal(found, expected))
			fail_msg("%s", cut.data);
		json_decref(found);
		json_decref(expected);
		arena_free(arena);
	}
	assert_true(search_view_is_whole(&(struct search_view) { .summary = SUMMARY_COUNT }));
}

static void test_transaction_response__one_entry_per_entry(void **state)
{
	(void)state;
	struct provide_entry entries[12];
	struct transaction_answer answers[12];
	char paths[12][24];
	struct provide_bundle bundle = { .entries = entries, .entry_count = 12, .submission_set = 1 };
	struct json_writer writer;
	struct outcome warnings;
	struct buf text;

	for (size_t i = 0; i < 12; i++) {
		snprintf(paths[i], sizeof paths[i], "Bundle.entry[%zu]", i);
		entries[i] = (struct provide_entry) { .method = i % 2 ? STR("POST") : STR("PATCH"), .path = paths[i] };
		answers[i] = (struct transaction_answer) { .location = str_from_c(paths[i]) };
	}
	answers[3].etag = STR("W/\"1\"");
	outcome_init(&warnings);
	outcome_warn(&warnings, ERR_METADATA_MISSING, "Bundle.entry[11].resource", "type was missing.");
	outcome_warn(&warnings, ERR_BACKEND_REFUSED, "", "The registry has something to say.");
	buf_init(&text, BYTES_MAX);
	json_writer_init(&writer, &text);
	transaction_response_write(&bundle, answers, STR("http://gw/fhir"), STR("2024-03-02T08:15:30Z"), &warnings,
				   &writer);
	assert_true(json_writer_finish(&writer, &warnings));
	json_t *tree = parse(&text);
	json_t *list = json_object_get(tree, "entry");

	assert_int_equal(json_array_size(list), 12);
	for (size_t i = 0; i < 12; i++) {
		json_t *response = json_object_get(json_array_get(list, i), "response");

		assert_string_equal(json_string_value(json_object_get(response, "status")),
				    i % 2 ? "201 Created" : "200 OK");
		assert_string_equal(json_string_value(json_object_get(response, "location")), paths[i]);
		assert_string_equal(json_string_value(json_object_get(response, "lastModified")),
				    "2024-03-02T08:15:30Z");
		assert_int_equal(!!json_object_get(response, "etag"), i == 3);
		assert_int_equal(!!json_object_get(response, "outcome"), i == 1 || i == 11);
	}
	json_decref(tree);
	buf_free(&text);
}

static bool has_text(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (strstr(json_string_value(json_array_get(list, i)), text))
			return true;
	}
	return false;
}

/* MHD 4.2.4 Vol. 1: the UnContained and the XDS on FHIR option exclude each other. */
static void test_capability__claims_what_is_served(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 8; flags++) {
		struct capability_facts facts = { .base = STR("http://gw/fhir"),
						  .software_version = STR("0.1.0"),
						  .date = STR("2024-03-02"),
						  .minimal = flags & 1,
						  .comprehensive = flags & 2,
						  .uncontained = flags & 4 };
		struct json_writer writer;
		struct outcome outcome;
		struct buf text;

		outcome_init(&outcome);
		buf_init(&text, BYTES_MAX);
		json_writer_init(&writer, &text);
		capability_write(&facts, &writer);
		assert_true(json_writer_finish(&writer, &outcome));
		json_t *tree = parse(&text);
		json_t *instantiates = json_object_get(tree, "instantiates");

		assert_int_equal(!!strstr(text.data, "XDS on FHIR"), !facts.uncontained);
		assert_int_equal(has_text(instantiates, "UnContained"), facts.comprehensive && facts.uncontained);
		assert_true(has_text(instantiates, "IHE.MHD.DocumentResponder"));
		json_t *rest = json_array_get(json_object_get(tree, "rest"), 0);

		assert_int_equal(json_array_size(json_object_get(rest, "interaction")),
				 (flags & 1) + (flags >> 1 & 1) + (flags >> 2 & 1));
		assert_int_equal(json_array_size(json_object_get(rest, "resource")), 5);
		json_decref(tree);
		buf_free(&text);
	}
}

/* Every parameter that the IHE Document Responder must serve has a row. MHD 4.2.4 CapabilityStatement */
static void test_search_table__has_what_ihe_asks(void **state)
{
	(void)state;
	static const char *const documents[] = { "_id",
						 "_lastupdated",
						 "author.given",
						 "author.family",
						 "category",
						 "creation",
						 "date",
						 "event",
						 "facility",
						 "format",
						 "identifier",
						 "patient",
						 "patient.identifier",
						 "period",
						 "related",
						 "security-label",
						 "setting",
						 "status",
						 "type" };
	static const char *const lists[] = { "_id",
					     "_lastupdated",
					     "code",
					     "date",
					     "identifier",
					     "patient",
					     "patient.identifier",
					     "source.given",
					     "source.family",
					     "status",
					     "designationType",
					     "sourceId" };

	for (size_t i = 0; i < COUNT_OF(documents); i++)
		assert_non_null(search_row_find(SEARCH_DOCUMENT_ENTRY, str_from_c(documents[i])));
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		assert_non_null(search_row_find(SEARCH_SUBMISSION_SET, str_from_c(lists[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_searchset__with_and_without_entries),
		cmocka_unit_test(test_search_view__cuts),
		cmocka_unit_test(test_transaction_response__one_entry_per_entry),
		cmocka_unit_test(test_capability__claims_what_is_served),
		cmocka_unit_test(test_search_table__has_what_ihe_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
