/* The client of identity managers: against the embedded domain over real SOAP, and against peers that answer wrongly. */
#include "soap_stand.h"

#include "gateway/south/curl_handle.h"
#include "gateway/south/identity_client.h"
#include "mappers/hl7v3.h"

static char domain_url[64];
static struct identity_service domain_service;

static const char configuration[] = "domain:\n"
				    "  listen:\n    port: 0\n"
				    "  data_directory: data\n"
				    "  repository_unique_id: 2.999.20.10\n"
				    "  assigning_authority: " BLUE "\n"
				    "  patients: [IHEBLUE-1001..IHEBLUE-1010]\n"
				    "  accept_any_code: true\n"
				    "  cross_references:\n"
				    "    - " RED "|IHERED-1001..IHERED-1010 = IHEBLUE-1001..IHEBLUE-1010\n";

static int open_stand(void **state)
{
	(void)state;
	soap_stand_open(configuration);
	snprintf(domain_url, sizeof domain_url, "http://127.0.0.1:%d/pix", domain_port(stand.domain));
	domain_service = (struct identity_service) { domain_url, STR("2.999.20.10"), STR("2.999.30.1") };
	return 0;
}

static int close_stand(void **state)
{
	(void)state;
	soap_stand_close();
	return 0;
}

static struct patient_identity identity(const char *authority, const char *value)
{
	return (struct patient_identity) { str_from_c(authority), str_from_c(value) };
}

/* What a PIX query ends with; found holds its answer. */
static enum identity_end pix(const char *authority, const char *value, const char *target,
			     struct patient_identities *found)
{
	struct patient_identity source = identity(authority, value);
	struct str item = str_from_c(target);
	const struct strs targets = { &item, target ? 1 : 0 };

	outcome_init(&stand.outcome);
	return pix_query(&stand.south, &domain_service, &source, &targets, found, &stand.outcome);
}

static void assert_found(const char *authority, const char *value, const char *target, const char *expected)
{
	struct patient_identities found;

	assert_int_equal(pix(authority, value, target, &found), IDENTITY_OK);
	assert_false(stand.outcome.has_error);
	assert_int_equal(found.count, expected ? 1 : 0);
	if (expected)
		assert_true(str_equal(found.items[0].value, str_from_c(expected)));
}

static enum identity_end feed(enum identity_feed kind, struct patient_identity *ids, size_t count,
			      const struct patient_identity *subsumed)
{
	struct patient_name name = { .family = STR("Fictional"), .given = STR("Fay") };
	struct patient patient = {
		.identifiers = { ids, count }, .names = &name, .name_count = 1, .birth_date = STR("1980-05-06")
	};

	outcome_init(&stand.outcome);
	return identity_feed(&stand.south, &domain_service, kind, &patient, subsumed, &stand.outcome);
}

static void test_queries(void **state)
{
	struct patient_identities found;

	(void)state;
	assert_found(RED, "IHERED-1004", BLUE, "IHEBLUE-1004");
	assert_found(BLUE, "IHEBLUE-1004", NULL, "IHERED-1004");
	assert_found(BLUE, "IHEBLUE-1004", BLUE, NULL);
	assert_int_equal(pix(RED, "IHERED-4711", BLUE, &found), IDENTITY_UNKNOWN_ID);
	assert_int_equal(pix("2.999.50", "x", BLUE, &found), IDENTITY_UNKNOWN_SOURCE);
	assert_int_equal(pix(RED, "IHERED-1004", "2.999.50", &found), IDENTITY_UNKNOWN_TARGET);
	assert_false(stand.outcome.has_error);
}

static void test_feeds(void **state)
{
	struct patient_identity ids[] = { identity(GREEN, "G-1"), identity(BLUE, "IHEBLUE-1002") };
	struct patient_identity old = identity(GREEN, "G-1");
	struct patient_identity new = identity(GREEN, "G-2");
	struct patient_identity nobody = identity(GREEN, "G-9");

	(void)state;
	assert_int_equal(feed(IDENTITY_ADD, ids, 2, NULL), IDENTITY_OK);
	assert_found(GREEN, "G-1", BLUE, "IHEBLUE-1002");
	assert_int_equal(identity_unlink(&stand.south, &domain_service, &ids[0], &ids[1], &stand.outcome), IDENTITY_OK);
	assert_found(GREEN, "G-1", BLUE, NULL);
	assert_int_equal(identity_unlink(&stand.south, &domain_service, &ids[0], &ids[1], &stand.outcome),
			 IDENTITY_UNKNOWN_ID);
	assert_int_equal(feed(IDENTITY_REVISE, ids, 2, NULL), IDENTITY_OK);
	assert_int_equal(feed(IDENTITY_ADD, &new, 1, NULL), IDENTITY_OK);
	assert_int_equal(feed(IDENTITY_MERGE, &new, 1, &nobody), IDENTITY_UNKNOWN_ID);
	assert_int_equal(feed(IDENTITY_MERGE, &new, 1, &old), IDENTITY_OK);
	assert_found(GREEN, "G-2", BLUE, "IHEBLUE-1002");
	assert_int_equal(feed(IDENTITY_MERGE, &old, 1, &new), IDENTITY_REFUSED);
	assert_int_equal(stand.outcome.issues[0].code, ERR_CONFLICT);
	ids[0].authority = STR("no-oid");
	assert_int_equal(feed(IDENTITY_ADD, ids, 1, NULL), IDENTITY_REFUSED);
	assert_int_equal(stand.outcome.issues[0].code, ERR_BACKEND_REFUSED);
}

static void test_traits(void **state)
{
	struct patient_identity ids[] = { identity(GREEN, "G-20"), identity(BLUE, "IHEBLUE-1006") };
	struct patient_query query = PATIENT_QUERY_NONE;
	struct patient_list list;
	struct str domain = STR(BLUE);

	(void)state;
	assert_int_equal(feed(IDENTITY_ADD, ids, 2, NULL), IDENTITY_OK);
	query.family = STR("fict");
	query.birth_from = query.birth_to = STR("1980");
	query.identifiers = (struct patient_identities) { ids, 1 };
	query.domains = (struct strs) { &domain, 1 };
	assert_int_equal(pdq_query(&stand.south, &domain_service, &query, &list, &stand.outcome), IDENTITY_OK);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].identifiers.count, 1);
	assert_true(str_equal(list.items[0].identifiers.items[0].value, STR("IHEBLUE-1006")));
	assert_true(list.items[0].match_percent > 80);
	assert_true(str_equal(list.items[0].birth_date, STR("1980-05-06")));
	query.gender = STR("male");
	assert_int_equal(pdq_query(&stand.south, &domain_service, &query, &list, &stand.outcome), IDENTITY_OK);
	assert_int_equal(list.count, 0);
	domain = STR("2.999.50");
	assert_int_equal(pdq_query(&stand.south, &domain_service, &query, &list, &stand.outcome),
			 IDENTITY_UNKNOWN_TARGET);
	assert_false(stand.outcome.has_error);
}

/* --- peers that answer wrongly --- */

/* Asks a peer that answers so by PIX, or by a feed. */
static enum identity_end ask_peer(struct peer peer, bool is_feed, struct patient_identities *found)
{
	struct patient_identity id = identity(RED, "IHERED-1001");
	struct identity_service real = domain_service;
	enum identity_end end;
	char url[64];
	pthread_t thread = peer_start(&peer, url);

	domain_service.url = url;
	end = is_feed ? feed(IDENTITY_ADD, &id, 1, NULL) : pix(RED, "IHERED-1001", BLUE, found);
	domain_service = real;
	peer_join(&peer, thread);
	return end;
}

#define PATIENT(id)                                                                              \
	"<v:subject><v:registrationEvent><v:subject1><v:patient>" id "</v:patient></v:subject1>" \
	"</v:registrationEvent></v:subject>"
#define ANSWER(target, ack, detail, subjects, query, code)                                                         \
	ENVELOPE("<v:PRPA_IN201310UV02 xmlns:v='urn:hl7-org:v3'><v:id root='1.2'/><v:acknowledgement><v:typeCode " \
		 "code='" ack "'/><v:targetMessage><v:id root='" target "'/></v:targetMessage>" detail             \
		 "</v:acknowledgement><v:controlActProcess>" subjects "<v:queryAck><v:queryId root='" query        \
		 "'/><v:queryResponseCode code='" code "'/></v:queryAck></v:controlActProcess></v:PRPA_IN201310UV02>")
#define DETAIL(location)                                                                                          \
	"<v:acknowledgementDetail typeCode='E'><v:code code='204'/><v:text>dataSource patientIdentifier</v:text>" \
	"<v:location>" location "</v:location></v:acknowledgementDetail>"
#define BLUE_ONE "<v:id root='" BLUE "' extension='IHEBLUE-1001'/>"

static void test_answers_of_others(void **state)
{
	static const struct {
		const char *what;
		enum identity_end end;
		size_t count;
		const char *body;
	} cases[] = {
		{ "found", IDENTITY_OK, 1, ANSWER("%M", "AA", "", PATIENT(BLUE_ONE), "%Q", "OK") },
		{ "two in the domain, one elsewhere, itself", IDENTITY_OK, 2,
		  ANSWER("%M", "CA", "",
			 PATIENT(BLUE_ONE "<v:id root='" RED
					  "' extension='IHERED-1001'/><v:id root='1.2' extension='x'/>"
					  "<v:patientPerson><v:asOtherIDs><v:id root='" BLUE
					  "' extension='b'/></v:asOtherIDs></v:patientPerson>"),
			 "%Q", "OK") },
		{ "a null flavor", IDENTITY_OK, 0,
		  ANSWER("%M", "AA", "", PATIENT("<v:id nullFlavor='NI' root='" BLUE "' extension='x'/>"), "%Q",
			 "OK") },
		{ "nothing found", IDENTITY_OK, 0, ANSWER("%M", "AA", "", "", "%Q", "NF") },
		{ "an unknown id", IDENTITY_UNKNOWN_ID, 0,
		  ANSWER("%M", "AE",
			 DETAIL("/PRPA_IN201309UV02/controlActProcess/queryByParameter/parameterList/patientIdentifier/"
				"value"),
			 "", "%Q", "AE") },
		{ "an unknown source, other prefixes", IDENTITY_UNKNOWN_SOURCE, 0,
		  ANSWER("%M", "AE", DETAIL("//hl7:parameterList/hl7:patientIdentifier/hl7:value/@root=x"), "", "%Q",
			 "AE") },
		{ "an unknown target", IDENTITY_UNKNOWN_TARGET, 0,
		  ANSWER("%M", "AE", DETAIL("//parameterList/DataSource[2]/value/@root"), "", "%Q", "AE") },
		{ "an error somewhere else", IDENTITY_FAILED, 0,
		  ANSWER("%M", "AE", DETAIL("//interactionId"), "", "%Q", "AE") },
		{ "an error without a place", IDENTITY_FAILED, 0, ANSWER("%M", "AE", "", "", "%Q", "AE") },
		{ "a reject", IDENTITY_FAILED, 0, ANSWER("%M", "AR", "", "", "%Q", "NF") },
		{ "an acknowledged error", IDENTITY_FAILED, 0, ANSWER("%M", "AA", "", PATIENT(BLUE_ONE), "%Q", "QE") },
		{ "no query acknowledgement", IDENTITY_FAILED, 0,
		  ENVELOPE("<v:PRPA_IN201310UV02 xmlns:v='urn:hl7-org:v3'><v:acknowledgement><v:typeCode code='AA'/>"
			   "<v:targetMessage><v:id root='%M'/></v:targetMessage></v:acknowledgement>"
			   "</v:PRPA_IN201310UV02>") },
	};
	struct patient_identities found;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct peer peer = { .status = "200 OK", .type = "application/soap+xml", .body = cases[i].body };
		enum identity_end end = ask_peer(peer, false, &found);

		if (end != cases[i].end || found.count != cases[i].count)
			fail_msg("%s: end %d, %zu found", cases[i].what, end, found.count);
		assert_int_equal(stand.outcome.has_error, end == IDENTITY_FAILED);
		if (end == IDENTITY_FAILED)
			assert_true(stand.outcome.issues[0].code == ERR_BACKEND_ANSWER ||
				    stand.outcome.issues[0].code == ERR_BACKEND_REFUSED);
	}
}

/* Case 48: the answer to somebody else's question. */
static void test_048_mixed_up(void **state)
{
	static const char *const bodies[] = {
		ANSWER("1.2.3", "AA", "", PATIENT(BLUE_ONE), "%Q", "OK"),
		ANSWER("%M", "AA", "", PATIENT(BLUE_ONE), "1.2.3", "OK"),
		ANSWER("%M", "AE", DETAIL("//patientIdentifier"), "", "1.2.3", "AE"),
		ANSWER("%M", "AA", "", PATIENT(BLUE_ONE) PATIENT(BLUE_ONE), "%Q", "OK"),
		"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' "
		"xmlns:a='http://www.w3.org/2005/08/addressing'><s:Header><a:RelatesTo>urn:uuid:1</a:RelatesTo></"
		"s:Header>"
		"<s:Body/></s:Envelope>",
	};
	struct patient_identities found;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct peer peer = { .status = "200 OK", .type = "application/soap+xml", .body = bodies[i] };

		assert_int_equal(ask_peer(peer, false, &found), IDENTITY_FAILED);
		assert_int_equal(found.count, 0);
		assert_int_equal(stand.outcome.issues[0].code, ERR_BACKEND_ANSWER);
	}
}

/* Case 45: not one of these is "unknown", and none is "none". */
static void test_045_no_answers(void **state)
{
	static const struct peer peers[] = {
		{ -1, "200 OK", "application/soap+xml", "" },
		{ -1, "200 OK", "text/html", "<html><body>Sign in</body></html>" },
		{ -1, "200 OK", "application/soap+xml", "<a/>" },
		{ -1, "500 Error", "application/soap+xml",
		  ENVELOPE("<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text>no</s:Text></"
			   "s:Reason>"
			   "</s:Fault>") },
		{ -1, "200 OK", "application/soap+xml",
		  ENVELOPE("<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text>no</s:Text></"
			   "s:Reason>"
			   "</s:Fault>") },
		{ -1, "200 OK", "application/soap+xml",
		  "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body><PRPA_IN201310UV02 "
		  "xmlns='urn:hl7-org:v3'><id root='1.2'/>" },
		{ -1, "200 OK", "application/soap+xml",
		  "<!DOCTYPE a [<!ENTITY x 'y'>]>" ANSWER("%M", "AA", "", "", "%Q", "NF") },
		{ -1, "200 OK", "application/soap+xml",
		  ENVELOPE("<r:RegistryResponse xmlns:r='urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0' "
			   "status='urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success'/>") },
	};
	struct patient_identities found;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(peers); i++) {
		for (int is_feed = 0; is_feed < 2; is_feed++) {
			assert_int_equal(ask_peer(peers[i], is_feed, &found), IDENTITY_FAILED);
			assert_true(stand.outcome.has_error);
		}
	}
}

static void test_acknowledgements_of_others(void **state)
{
#define ACK(code, detail)                                                                                         \
	ENVELOPE("<MCCI_IN000002UV01 xmlns='urn:hl7-org:v3' xmlns:v='urn:hl7-org:v3'><acknowledgement><typeCode " \
		 "code='" code "'/><targetMessage><id root='%M'/></targetMessage>" detail                         \
		 "</acknowledgement></MCCI_IN000002UV01>")
	static const struct {
		enum identity_end end;
		const char *body;
	} cases[] = {
		{ IDENTITY_OK, ACK("CA", "") },      { IDENTITY_OK, ACK("AA", "<acknowledgementDetail/>") },
		{ IDENTITY_REFUSED, ACK("CE", "") }, { IDENTITY_REFUSED, ACK("AR", "") },
		{ IDENTITY_REFUSED, ACK("", "") },   { IDENTITY_UNKNOWN_ID, ACK("AE", DETAIL("//priorRegisteredRole")) }
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct peer peer = { .status = "200 OK", .type = "application/soap+xml", .body = cases[i].body };

		assert_int_equal(ask_peer(peer, true, NULL), cases[i].end);
	}
}

/* Between the look at the deadline and the exchange the last millisecond may go: no time is left then, not all of it. */
static void test_no_time_is_left(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64];
	CURL *easy;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 1), 0); /* connected to, and never read from */
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	snprintf(url, sizeof url, "http://127.0.0.1:%d/pix", ntohs(address.sin_port));
	easy = curl_handle_here();
	assert_true(easy && curl_handle_harden(easy, url, NULL, 5000, 0));
	assert_int_equal(curl_handle_perform(easy), CURLE_OPERATION_TIMEDOUT);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_feeds),
		cmocka_unit_test(test_traits),
		cmocka_unit_test(test_answers_of_others),
		cmocka_unit_test(test_048_mixed_up),
		cmocka_unit_test(test_045_no_answers),
		cmocka_unit_test(test_acknowledgements_of_others),
		cmocka_unit_test(test_no_time_is_left),
	};

	return cmocka_run_group_tests(tests, open_stand, close_stand);
}
