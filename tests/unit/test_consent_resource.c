/* Consents as they come, are kept and are shown, and searches for them. FHIR R4 Consent, http, search; PCF 2:3.108. */
#include "fhir_support.h"

#include "mappers/consent_resource.h"
#include "mappers/consent_search.h"
#include "mappers/fhir_json_write.h"

#define BASE "https://gateway.example/fhir"

static const char text[] =
	"{\"resourceType\":\"Consent\",\"id\":\"theirs\",\"meta\":{\"versionId\":\"9\",\"lastUpdated\":\"2020-01-01T00:"
	"00:00Z\","
	"\"tag\":[{\"code\":\"x\"}]},\"extension\":[{\"url\":\"urn:d\",\"valueDecimal\":1.50}],\"contained\":[{"
	"\"resourceType\":"
	"\"Patient\",\"id\":\"p\",\"identifier\":[{\"use\":\"old\",\"value\":\"o\"},{\"system\":\"urn:oid:1.2\","
	"\"value\":"
	"\"P\\u00e9\"}]}],\"status\":\"active\",\"scope\":{\"coding\":[{\"code\":\"patient-privacy\"}]},\"category\":[{"
	"\"text\":"
	"\"c\"}],\"patient\":{\"reference\":\"#p\"},\"dateTime\":\"2024-05-01\",\"policyRule\":{\"text\":\"r\"},"
	"\"provision\":{"
	"\"type\":\"permit\",\"data\":[{\"meaning\":\"instance\",\"reference\":{\"reference\":\"" BASE
	"/DocumentReference/d1/_history/2\"}}],\"provision\":[{\"type\":\"deny\",\"actor\":[{\"role\":{\"text\":\"x\"},"
	"\"reference\":{\"reference\":\"Practitioner/"
	"anna\"}}],\"data\":[{\"meaning\":\"instance\",\"reference\":{\"reference\":"
	"\"Observation/"
	"1\"}},{\"meaning\":\"instance\",\"reference\":{\"type\":\"DocumentReference\",\"identifier\":{\"system\":"
	"\"urn:ietf:rfc:3986\",\"value\":\"urn:oid:1.2.3.4\"}}}]}]}}";

static json_t *read_text(struct stand *stand, struct str body)
{
	json_t *tree = NULL;

	return fhir_body_read(FHIR_JSON, body, NULL, NULL, stand->arena, &tree, &stand->outcome) ? tree : NULL;
}

static void test_kept_and_shown_as_it_was_sent(void **state)
{
	(void)state;
	struct stand stand;
	struct consent_version version = { STR("ours"), 3, 1714550400123 };
	json_t *shown;

	stand_open(&stand);
	assert_true(
		consent_resource_keep(read_text(&stand, str_from_c(text)), STR("ours"), &stand.text, &stand.outcome));
	assert_null(strstr(stand.text.data, "versionId"));
	assert_non_null(strstr(stand.text.data, "{\"resourceType\":\"Consent\",\"id\":\"ours\",\"meta\":{\"tag\""));
	assert_true(consent_resource_show(buf_str(&stand.text), &version, stand.arena, &shown, &stand.outcome));
	assert_true(fhir_json_write(shown, &stand.documents, &stand.outcome));
	assert_non_null(
		strstr(stand.documents.data, "\"versionId\":\"3\",\"lastUpdated\":\"2024-05-01T08:00:00.123Z\""));
	assert_non_null(strstr(stand.documents.data, "\"valueDecimal\":1.50"));
	assert_non_null(strstr(stand.documents.data, "P\xc3\xa9"));
	assert_false(consent_resource_show(STR("no Consent"), &version, stand.arena, &shown, &stand.outcome));
	stand_close(&stand);
}

static void test_whose_it_is(void **state)
{
	(void)state;
	static const struct {
		const char *patient;
		const char *own_id, *url, *value;
	} rows[] = {
		{ "{\"reference\":\"Patient/x\"}", "x", NULL, NULL },
		{ "{\"reference\":\"" BASE "/Patient/x/_history/1\"}", "x", NULL, NULL },
		{ "{\"reference\":\"https://mpi.example/Patient/7\"}", NULL, "https://mpi.example/Patient/7", NULL },
		{ "{\"identifier\":{\"system\":\"urn:oid:1.2\",\"value\":\"v\"}}", NULL, NULL, "v" },
		{ "{\"reference\":\"#p\"}", NULL, NULL, "v2" },
		{ "{\"reference\":\"Group/x\"}", NULL, NULL, NULL },
		{ "{\"reference\":\"#nobody\"}", NULL, NULL, NULL },
		{ "{\"display\":\"me\"}", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct patient_claim claim;
		struct stand stand;
		bool found;

		stand_open(&stand);
		buf_printf(&stand.text,
			   "{\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"p\",\"identifier\":[{\"value\":"
			   "\"v2\"}]}],"
			   "\"patient\":%s}",
			   rows[i].patient);
		found = consent_resource_patient(read_text(&stand, buf_str(&stand.text)), STR(BASE), stand.arena,
						 &claim, &stand.outcome);
		assert_int_equal(found, rows[i].own_id || rows[i].url || rows[i].value);
		if (found) {
			assert_true(str_equal(claim.own_id, str_from_c(rows[i].own_id)));
			assert_true(str_equal(claim.url, str_from_c(rows[i].url)));
			assert_int_equal(claim.identifier_count, rows[i].value != NULL);
		} else {
			assert_int_equal(stand.outcome.issues[0].code, ERR_REFERENCE_UNRESOLVED);
		}
		stand_close(&stand);
	}
}

static void test_documents_are_named(void **state)
{
	(void)state;
	struct consent_document *documents;
	struct stand stand;
	json_t *consent;
	size_t count;

	stand_open(&stand);
	consent = read_text(&stand, str_from_c(text));
	assert_true(consent_resource_documents(consent, STR(BASE), stand.arena, &documents, &count, &stand.outcome));
	assert_int_equal(count, 2);
	assert_true(str_equal(documents[0].own_id, STR("d1")));
	assert_string_equal(documents[0].path, "Consent.provision.data[0].reference");
	assert_true(str_equal(documents[1].unique_id, STR("1.2.3.4")));
	assert_string_equal(documents[1].path, "Consent.provision.provision[0].data[1].reference");
	assert_true(consent_document_name(&documents[0], STR("urn:uuid:1")));
	assert_true(fhir_json_write(consent, &stand.text, &stand.outcome));
	assert_non_null(
		strstr(stand.text.data, "\"identifier\":{\"system\":\"urn:ietf:rfc:3986\",\"value\":\"urn:uuid:1\"}"));
	stand_close(&stand);
}

/* The whole way of a Consent; false as soon as something fails. */
static bool walk(struct arena *arena, struct outcome *outcome, struct buf *kept)
{
	struct consent_version version = { STR("ours"), 1, 0 };
	struct consent_document *documents;
	struct patient_claim claim;
	struct search_params params;
	struct consent_search_rules rules = { .base = STR(BASE), .page_entries = 10, .page_entries_max = 100 };
	struct consent_search search;
	json_t *consent;
	json_t *shown;
	size_t count;

	return fhir_body_read(FHIR_JSON, str_from_c(text), NULL, NULL, arena, &consent, outcome) &&
	       consent_resource_check(consent, arena, outcome) &&
	       consent_resource_patient(consent, STR(BASE), arena, &claim, outcome) &&
	       consent_resource_documents(consent, STR(BASE), arena, &documents, &count, outcome) &&
	       consent_resource_keep(consent, STR("ours"), kept, outcome) &&
	       consent_resource_show(buf_str(kept), &version, arena, &shown, outcome) &&
	       search_params_read(STR("patient=Patient/x&status:not=draft&actor=Practitioner/anna&date=2024&_count=5"),
				  STR_NONE, arena, &params, outcome) &&
	       consent_search_read(&params, &rules, arena, &search, outcome) && consent_search_matches(&search, shown);
}

static void test_every_allocation_may_fail(void **state)
{
	(void)state;
	bool done = false;

	for (size_t n = 0; !done; n++) {
		struct arena *arena = arena_new(TEST_BYTES_MAX);
		struct outcome outcome;
		struct buf kept;

		outcome_init(&outcome);
		buf_init(&kept, TEST_BYTES_MAX);
		arena_fail_at(arena, n);
		done = walk(arena, &outcome, &kept);
		if (!done) {
			assert_true(outcome.has_error);
			assert_int_equal(outcome.issues[0].code, ERR_NO_MEMORY);
		}
		buf_free(&kept);
		arena_free(arena);
		assert_in_range(n, 0, 10000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_and_shown_as_it_was_sent),
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_documents_are_named),
		cmocka_unit_test(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
