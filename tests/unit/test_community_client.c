/* Other communities as their client meets them, by XCA and XCPD: the embedded domain as a Responding Gateway over real
 * SOAP, and gateways that answer wrongly. */
#include "soap_stand.h"

#include "gateway/run/spool.h"
#include "gateway/south/identity_client.h"
#include "gateway/south/unchecked.h"
#include "gateway/south/xcpd_client.h"
#include "mappers/search_query.h"

#define HOME    "2.999.20.70"
#define FOREIGN "2.999.20.71"

static char xca_url[64];
static char xcpd_url[64];
static struct xcpd_service service;
static struct spool_limits spools = { .directory = "/tmp", .memory_bytes = 65536, .total_bytes_max = 16U << 20 };

static const char configuration[] = "domain:\n"
				    "  listen:\n    port: 0\n"
				    "  data_directory: data\n"
				    "  repository_unique_id: 2.999.20.10\n"
				    "  home_community_id: " HOME "\n"
				    "  assigning_authority: " BLUE "\n"
				    "  patients: [IHEBLUE-1001..IHEBLUE-1010]\n"
				    "  accept_any_code: true\n";

static int open_stand(void **state)
{
	(void)state;
	soap_stand_open(configuration);
	snprintf(xca_url, sizeof xca_url, "http://127.0.0.1:%d/xca", domain_port(stand.domain));
	snprintf(xcpd_url, sizeof xcpd_url, "http://127.0.0.1:%d/xcpd", domain_port(stand.domain));
	stand.backend.kind = BACKEND_XCA;
	stand.backend.home = STR("urn:oid:" HOME);
	stand.backend.registry_url = xca_url;
	stand.backend.retrieve_url = xca_url;
	stand.south.spools = &spools;
	service =
		(struct xcpd_service) { .url = xcpd_url, .authority = STR(BLUE), .own_home = STR("urn:oid:" FOREIGN) };
	return 0;
}

static int close_stand(void **state)
{
	(void)state;
	soap_stand_close();
	return 0;
}

/* --- XCA --- */

static bool query(struct rim_list *list)
{
	struct stored_query asked = { .id = STR(QUERY_GET_DOCUMENTS) };
	struct strs refs;

	outcome_init(&stand.outcome);
	return stored_query_add_one(&asked, stand.arena, STR("$XDSDocumentEntryEntryUUID"), QUERY_STRING_LIST,
				    STR("urn:uuid:5d9728c6-cdb9-4039-a2a5-379203f08001")) &&
	       xds_query(&stand.south, &asked, list, &refs, &stand.outcome);
}

struct taken {
	char text[64];
	size_t size;
};

static bool take_begin(void *ctx, const struct document_response *response)
{
	(void)ctx;
	assert_true(str_equal(response->home, STR("urn:oid:" HOME)));
	return true;
}

static bool take_data(void *ctx, const void *bytes, size_t size)
{
	struct taken *taken = ctx;

	assert_true(taken->size + size < sizeof taken->text);
	memcpy(taken->text + taken->size, bytes, size);
	taken->size += size;
	return true;
}

static bool retrieve(struct taken *taken)
{
	const struct document_request request = { .repository_unique_id = STR("2.999.20.10"),
						  .document_unique_id = STR("2.999.1") };
	const struct retrieve_sink sink = { taken, take_begin, take_data };

	*taken = (struct taken) { 0 };
	outcome_init(&stand.outcome);
	return xds_retrieve(&stand.south, &request, 0, &sink, &stand.outcome);
}

/* The domain refuses questions of gateways that do not say the home. */
static void test_the_home_goes_with_every_question(void **state)
{
	struct rim_list list;
	struct taken taken;

	(void)state;
	assert_true(query(&list));
	assert_int_equal(list.count, 0);
	assert_false(retrieve(&taken));
	assert_string_equal(stand.outcome.issues[0].xds_code, "XDSDocumentUniqueIdError");
	stand.backend.home = STR("urn:oid:" FOREIGN);
	assert_false(query(&list));
	assert_string_equal(stand.outcome.issues[0].xds_code, "XDSUnknownCommunity");
	assert_false(retrieve(&taken));
	assert_string_equal(stand.outcome.issues[0].xds_code, "XDSUnknownCommunity");
	stand.backend.home = STR("urn:oid:" HOME);
}

#define STATUS_URN "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
#define QUERY_ANSWER(objects)                                                                     \
	ENVELOPE("<q:AdhocQueryResponse xmlns:q='urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0' " \
		 "xmlns:rim='urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0' status='" STATUS_URN    \
		 "Success'><rim:RegistryObjectList>" objects "</rim:RegistryObjectList></q:AdhocQueryResponse>")
#define ENTRY(home) "<rim:ExtrinsicObject id='urn:uuid:5d9728c6-cdb9-4039-a2a5-379203f08001'" home "/>"
#define RETRIEVED(home)                                                                                      \
	ENVELOPE("<x:RetrieveDocumentSetResponse xmlns:x='urn:ihe:iti:xds-b:2007'><rs:RegistryResponse "     \
		 "xmlns:rs='urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0' status='" STATUS_URN                 \
		 "Success'/><x:DocumentResponse>" home                                                       \
		 "<x:RepositoryUniqueId>2.999.20.10</x:RepositoryUniqueId><x:DocumentUniqueId>2.999.1"       \
		 "</x:DocumentUniqueId><x:mimeType>text/plain</x:mimeType><x:Document>SGVsbG8=</x:Document>" \
		 "</x:DocumentResponse></x:RetrieveDocumentSetResponse>")

static struct peer peer_of(const char *body)
{
	return (struct peer) { .status = "200 OK", .type = "application/soap+xml", .body = body };
}

static bool query_peer(const char *body, struct rim_list *list)
{
	struct peer peer = peer_of(body);
	char url[64];
	pthread_t thread = peer_start(&peer, url);
	bool good;

	stand.backend.registry_url = url;
	good = query(list);
	stand.backend.registry_url = xca_url;
	peer_join(&peer, thread);
	return good;
}

static bool retrieve_peer(const char *body, struct taken *taken)
{
	struct peer peer = peer_of(body);
	char url[64];
	pthread_t thread = peer_start(&peer, url);
	bool good;

	stand.backend.retrieve_url = url;
	good = retrieve(taken);
	stand.backend.retrieve_url = xca_url;
	peer_join(&peer, thread);
	return good;
}

static void test_objects_are_the_asked_communitys(void **state)
{
	static const char *const wrong[] = {
		QUERY_ANSWER(ENTRY(" home='urn:oid:" FOREIGN "'")),
		QUERY_ANSWER(ENTRY(" home='" HOME "'")),
		QUERY_ANSWER(ENTRY(" home='urn:oid:" HOME "'")
				     ENTRY("") "<rim:Association id='a' associationType='t' sourceObject='a' "
					       "targetObject='b' home='urn:oid:" FOREIGN "'/>"),
		QUERY_ANSWER("<rim:ObjectRef id='urn:uuid:1' home='urn:oid:" FOREIGN "'/>"),
		QUERY_ANSWER("<rim:RegistryPackage id='urn:uuid:1' home='urn:oid:" FOREIGN "'/>"),
	};
	struct rim_list list;

	(void)state;
	assert_true(query_peer(QUERY_ANSWER(ENTRY(" home='urn:oid:" HOME "'")), &list));
	assert_int_equal(list.count, 1);
	/* One that forgets to say it is believed by its address, and the object says it from here on. */
	assert_true(query_peer(QUERY_ANSWER(ENTRY("")), &list));
	assert_true(str_equal(list.objects[0].home, STR("urn:oid:" HOME)));
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(query_peer(wrong[i], &list));
		assert_int_equal(stand.outcome.issues[0].code, ERR_BACKEND_ANSWER);
	}
	/* Inside one's own community homes are what the registry says. */
	stand.backend.kind = BACKEND_XDS;
	assert_true(query_peer(QUERY_ANSWER(ENTRY(" home='urn:oid:" FOREIGN "'")), &list));
	stand.backend.kind = BACKEND_XCA;
}

static void test_documents_are_the_asked_communitys(void **state)
{
	struct taken taken;

	(void)state;
	assert_true(retrieve_peer(RETRIEVED("<x:HomeCommunityId>urn:oid:" HOME "</x:HomeCommunityId>"), &taken));
	assert_string_equal(taken.text, "Hello");
	assert_true(retrieve_peer(RETRIEVED(""), &taken));
	assert_false(retrieve_peer(RETRIEVED("<x:HomeCommunityId>urn:oid:" FOREIGN "</x:HomeCommunityId>"), &taken));
	assert_int_equal(stand.outcome.issues[0].code, ERR_BACKEND_ANSWER);
	assert_int_equal(taken.size, 0);
}

/* --- XCPD --- */

static struct patient_name name_of(const char *family)
{
	return (struct patient_name) { .family = str_from_c(family), .given = STR("Fay") };
}

/* Makes the domain know somebody. */
static void feed(const char *value, const char *family, const char *mother)
{
	const struct identity_service manager = { .url = xcpd_url };
	struct patient_identity id = { STR(BLUE), str_from_c(value) };
	struct patient_name name = name_of(family);
	struct patient patient = { .identifiers = { &id, 1 },
				   .names = &name,
				   .name_count = 1,
				   .gender = STR("female"),
				   .birth_date = STR("1980-05-06"),
				   .mothers_maiden_name = str_from_c(mother) };

	outcome_init(&stand.outcome);
	assert_int_equal(identity_feed(&stand.south, &manager, IDENTITY_ADD, &patient, NULL, &stand.outcome),
			 IDENTITY_OK);
}

static enum xcpd_end discover(const struct patient *patient, struct patient_identities *found)
{
	outcome_init(&stand.outcome);
	return xcpd_discover(&stand.south, &service, patient, found, &stand.outcome);
}

static void assert_found(const struct patient *patient, const char *value)
{
	struct patient_identities found;

	assert_int_equal(discover(patient, &found), XCPD_FOUND);
	assert_int_equal(found.count, 1);
	assert_true(str_equal(found.items[0].authority, STR(BLUE)));
	assert_true(str_equal(found.items[0].value, str_from_c(value)));
	assert_false(stand.outcome.has_error);
}

static void assert_end(const struct patient *patient, enum xcpd_end end)
{
	struct patient_identities found;

	assert_int_equal(discover(patient, &found), end);
	assert_int_equal(found.count, 0);
	assert_int_equal(stand.outcome.has_error, end == XCPD_FAILED);
}

static void test_discovery(void **state)
{
	struct patient_identity ids[] = { { STR("2.999.30"), STR("ours-1") }, { STR(BLUE), STR("IHEBLUE-1003") } };
	struct patient_name all_names[] = { name_of("Fictional-Old"), name_of("Fictional-New") };
	struct patient patient = { .names = all_names,
				   .name_count = 2,
				   .identifiers = { ids, 1 },
				   .gender = STR("female"),
				   .birth_date = STR("1980-05-06"),
				   .match_percent = -1 };

	(void)state;
	feed("IHEBLUE-1002", "Fictional-New", "");
	all_names[1].use = STR("official");
	assert_found(&patient, "IHEBLUE-1002");
	patient.birth_date = STR("1980-05-07");
	assert_end(&patient, XCPD_NOBODY);
	/* Without a birth date traits say too little, and an identifier may do. */
	patient.birth_date = STR("");
	assert_end(&patient, XCPD_NOBODY);
	patient.identifiers = (struct patient_identities) { ids + 1, 1 };
	assert_found(&patient, "IHEBLUE-1003");
	patient.identifiers.count = 0;
	assert_end(&patient, XCPD_AMBIGUOUS);
}

static void test_what_the_community_wants_to_know(void **state)
{
	struct patient_name name = name_of("Fictional-Twin");
	struct patient patient = { .names = &name,
				   .name_count = 1,
				   .gender = STR("female"),
				   .birth_date = STR("1980-05-06"),
				   .match_percent = -1 };

	(void)state;
	feed("IHEBLUE-1004", "Fictional-Twin", "Fictional-One");
	feed("IHEBLUE-1005", "Fictional-Twin", "Fictional-Two");
	assert_end(&patient, XCPD_AMBIGUOUS);
	patient.mothers_maiden_name = STR("Fictional-Two");
	assert_found(&patient, "IHEBLUE-1005");
	patient.mothers_maiden_name = STR("Fictional-Three");
	assert_end(&patient, XCPD_NOBODY);
}

static void test_refusals(void **state)
{
	struct patient_identity id = { STR(BLUE), STR("IHEBLUE-1003") };
	struct patient patient = { .identifiers = { &id, 1 }, .match_percent = -1 };
	struct patient_identities found;

	(void)state;
	stand.backend.home = STR("urn:oid:" FOREIGN);
	assert_int_equal(discover(&patient, &found), XCPD_FAILED);
	assert_int_equal(stand.outcome.issues[0].code, ERR_BACKEND_REFUSED);
	stand.backend.home = STR("urn:oid:" HOME);
	service.authority = STR("2.999.31");
	assert_int_equal(discover(&patient, &found), XCPD_FAILED);
	assert_int_equal(stand.outcome.issues[0].code, ERR_BACKEND_ANSWER);
	assert_int_equal(found.count, 0);
	service.authority = STR(BLUE);
}

#define PATIENT(ids, more, custodian)                                                          \
	"<v:subject><v:registrationEvent><v:subject1><v:patient>" ids "<v:patientPerson>" more \
	"</v:patientPerson></v:patient></v:subject1><v:custodian><v:assignedEntity>" custodian \
	"</v:assignedEntity></v:custodian></v:registrationEvent></v:subject>"
#define ANSWER(target, ack, subjects, query, code)                                                                  \
	ENVELOPE("<v:PRPA_IN201306UV02 xmlns:v='urn:hl7-org:v3'><v:id root='1.2'/><v:acknowledgement><v:typeCode "  \
		 "code='" ack "'/><v:targetMessage><v:id root='" target "'/></v:targetMessage></v:acknowledgement>" \
		 "<v:controlActProcess>" subjects "<v:queryAck><v:queryId root='" query                             \
		 "'/><v:queryResponseCode code='" code "'/></v:queryAck></v:controlActProcess></v:PRPA_IN201306UV02>")
#define PROBLEM(code)                                                                                     \
	"<v:reasonOf><v:detectedIssueEvent><v:mitigatedBy><v:detectedIssueManagement><v:code code='" code \
	"'/></v:detectedIssueManagement></v:mitigatedBy></v:detectedIssueEvent></v:reasonOf>"
#define REQUEST(code)                                                                             \
	"<v:reasonOf><v:detectedIssueEvent><v:triggerFor><v:actOrderRequired><v:code code='" code \
	"'/></v:actOrderRequired></v:triggerFor></v:detectedIssueEvent></v:reasonOf>"
#define OURS "<v:id root='" HOME "'/>"
#define ONE  "<v:id root='" BLUE "' extension='one'/>"
#define TWO  "<v:id root='" BLUE "' extension='two'/>"

static enum xcpd_end discover_peer(const char *body, struct patient_identities *found)
{
	struct patient_identity id = { STR("2.999.30"), STR("ours-1") };
	struct patient_name name = name_of("Fictional");
	struct patient patient = { .names = &name,
				   .name_count = 1,
				   .identifiers = { &id, 1 },
				   .birth_date = STR("1980-05-06"),
				   .match_percent = -1 };
	struct peer peer = peer_of(body);
	char url[64];
	pthread_t thread = peer_start(&peer, url);
	enum xcpd_end end;

	service.url = url;
	end = discover(&patient, found);
	service.url = xcpd_url;
	peer_join(&peer, thread);
	return end;
}

static void test_answers_of_others(void **state)
{
	static const struct {
		const char *what;
		enum xcpd_end end;
		size_t count;
		const char *body;
	} cases[] = {
		{ "found", XCPD_FOUND, 1, ANSWER("%M", "AA", PATIENT(ONE, "", OURS), "%Q", "OK") },
		{ "two identifiers of one, and others' beside them", XCPD_FOUND, 2,
		  ANSWER("%M", "AA", PATIENT(ONE "<v:id root='1.2' extension='x'/>" TWO, "", OURS), "%Q", "OK") },
		{ "the month of birth alone", XCPD_FOUND, 1,
		  ANSWER("%M", "AA", PATIENT(ONE, "<v:birthTime value='198005'/>", OURS), "%Q", "OK") },
		{ "another birth date", XCPD_FAILED, 0,
		  ANSWER("%M", "AA", PATIENT(ONE, "<v:birthTime value='19800507'/>", OURS), "%Q", "OK") },
		{ "two patients", XCPD_AMBIGUOUS, 0,
		  ANSWER("%M", "AA", PATIENT(ONE, "", OURS) PATIENT(TWO, "", OURS), "%Q", "OK") },
		{ "one twice", XCPD_AMBIGUOUS, 0,
		  ANSWER("%M", "AA", PATIENT(ONE, "", OURS) PATIENT(ONE, "", OURS), "%Q", "OK") },
		{ "another community's beside ours", XCPD_FOUND, 1,
		  ANSWER("%M", "AA", PATIENT(TWO, "", "<v:id root='" FOREIGN "'/>") PATIENT(ONE, "", OURS), "%Q",
			 "OK") },
		{ "another community's", XCPD_FAILED, 0,
		  ANSWER("%M", "AA", PATIENT(ONE, "", "<v:id root='" FOREIGN "'/>"), "%Q", "OK") },
		{ "two communities'", XCPD_FAILED, 0,
		  ANSWER("%M", "AA", PATIENT(ONE, "", OURS "<v:id root='" FOREIGN "'/>"), "%Q", "OK") },
		{ "nobody's", XCPD_FAILED, 0, ANSWER("%M", "AA", PATIENT(ONE, "", ""), "%Q", "OK") },
		{ "no identifier", XCPD_FAILED, 0, ANSWER("%M", "AA", PATIENT("", "", OURS), "%Q", "OK") },
		{ "another authority's identifier", XCPD_FAILED, 0,
		  ANSWER("%M", "AA", PATIENT("<v:id root='1.2' extension='x'/>", "", OURS), "%Q", "OK") },
		{ "nobody", XCPD_NOBODY, 0, ANSWER("%M", "AA", "", "%Q", "NF") },
		{ "nobody, as it was said of old", XCPD_NOBODY, 0, ANSWER("%M", "AA", "", "%Q", "OK") },
		{ "nobody, and somebody", XCPD_NOBODY, 0, ANSWER("%M", "AA", PATIENT(ONE, "", OURS), "%Q", "NF") },
		{ "traits that are not known here", XCPD_AMBIGUOUS, 0,
		  ANSWER("%M", "AA", REQUEST("PatientAddressRequested") REQUEST("ShoeSizeRequested"), "%Q", "OK") },
		{ "busy", XCPD_FAILED, 0, ANSWER("%M", "AE", PROBLEM("ResponderBusy"), "%Q", "AE") },
		{ "busy, as it was said of old", XCPD_FAILED, 0,
		  ANSWER("%M", "AA", PROBLEM("ResponderBusy"), "%Q", "QE") },
		{ "no answer", XCPD_FAILED, 0, ANSWER("%M", "AE", PROBLEM("AnswerNotAvailable"), "%Q", "AE") },
		{ "an error with a patient", XCPD_FAILED, 0, ANSWER("%M", "AE", PATIENT(ONE, "", OURS), "%Q", "OK") },
		{ "no code", XCPD_FAILED, 0, ANSWER("%M", "AA", PATIENT(ONE, "", OURS), "%Q", "") },
	};
	struct patient_identities found;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum xcpd_end end = discover_peer(cases[i].body, &found);

		if (end != cases[i].end || found.count != cases[i].count)
			fail_msg("%s: end %d, %zu found", cases[i].what, end, found.count);
		assert_int_equal(stand.outcome.has_error, end == XCPD_FAILED);
	}
}

/* Case 48: the answer to somebody else's question, or no answer at all. */
static void test_048_mixed_up(void **state)
{
	static const char *const bodies[] = {
		ANSWER("1.2.3", "AA", PATIENT(ONE, "", OURS), "%Q", "OK"),
		ANSWER("%M", "AA", PATIENT(ONE, "", OURS), "1.2.3", "OK"),
		ANSWER("1.2.3", "AA", "", "%Q", "NF"),
		"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' "
		"xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header><a:RelatesTo>urn:uuid:1</a:RelatesTo></"
		"s:Header>"
		"<s:Body/></s:Envelope>",
		"<html/>",
		"",
	};
	struct patient_identities found;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		assert_int_equal(discover_peer(bodies[i], &found), XCPD_FAILED);
		assert_int_equal(found.count, 0);
		assert_int_equal(stand.outcome.issues[0].code, ERR_BACKEND_ANSWER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_home_goes_with_every_question),
		cmocka_unit_test(test_objects_are_the_asked_communitys),
		cmocka_unit_test(test_documents_are_the_asked_communitys),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_what_the_community_wants_to_know),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_answers_of_others),
		cmocka_unit_test(test_048_mixed_up),
	};

	return cmocka_run_group_tests(tests, open_stand, close_stand);
}
