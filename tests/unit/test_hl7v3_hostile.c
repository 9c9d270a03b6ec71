/* HL7 V3 messages that are hostile, mixed up or unclear. */
#include "hl7v3_stand.h"

static void assert_refused(struct str xml, struct arena *arena, enum error_code code)
{
	struct hl7v3_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_false(hl7v3_read(xml, arena, &message, &outcome));
	assert_true(outcome.has_error);
	assert_int_equal(outcome.issues[0].code, code);
}

/* text with the first old replaced by new. */
static struct str edit(struct str text, const char *old, const char *new, struct arena *arena);

/* Whose patients these are is said for each of them, and clearly, or it is not said. */
static void test_048_custodians(void **state)
{
	struct patient two[] = { whole_patient(), whole_patient() };
	struct hl7v3_message message = discovery(HL7V3_PDQ_ANSWER, &two[0]);
	static const char id[] = "<assignedEntity classCode=\"ASSIGNED\"><id root=\"2.999.20.70\"/>";

	message.patients.count = 2;
	struct str xml = written(&message, *state);
	const struct hl7v3_message *again =
		read_good(edit(xml, id, "<assignedEntity classCode=\"ASSIGNED\"><id root=\"2.999.9\"/>", *state),
			  *state);

	assert_str(again->patients.items[0].custodian, "2.999.9");
	assert_str(again->patients.items[1].custodian, "2.999.20.70");
	again = read_good(
		edit(xml, id, "<assignedEntity classCode=\"ASSIGNED\"><id root=\"2.999.20.70\"/><id root=\"2.999.9\"/>",
		     *state),
		*state);
	assert_int_equal(again->patients.items[0].custodian.size, 0);
	again = read_good(edit(xml, id, "<assignedEntity classCode=\"ASSIGNED\"><id nullFlavor=\"NI\"/>", *state),
			  *state);
	assert_int_equal(again->patients.items[0].custodian.size, 0);
	/* a registration without a patient has a custodian too, who is not that of the patient before */
	again = read_good(edit(xml, "<reasonOf",
			       "<subject typeCode=\"SUBJ\"><registrationEvent classCode=\"REG\" "
			       "moodCode=\"EVN\"><custodian>"
			       "<assignedEntity><id root=\"2.999.9\"/></assignedEntity></custodian></registrationEvent>"
			       "</subject><reasonOf",
			       *state),
			  *state);
	assert_int_equal(again->patients.count, 2);
	assert_str(again->patients.items[1].custodian, "2.999.20.70");
}

/* Case 48: an answer that belongs to another question is no answer. */
static void test_048_mixed_up_answers(void **state)
{
	static struct patient_identity other[] = { { STR_INIT(RED), STR_INIT("IHERED-1007") } };
	struct patient patient = whole_patient();
	struct hl7v3_message question = sample(HL7V3_PIX_QUERY, NULL);
	struct hl7v3_message answer = sample(HL7V3_PIX_ANSWER, &patient);
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	answer.target = question.id;
	assert_true(hl7v3_answers(&answer, HL7V3_PIX_ANSWER, &question, &outcome));
	answer.query.identifiers.count = 0;
	assert_true(hl7v3_answers(&answer, HL7V3_PIX_ANSWER, &question, &outcome));
	assert_false(hl7v3_answers(&answer, HL7V3_PDQ_ANSWER, &question, &outcome));
	answer.query.identifiers = (struct patient_identities) { other, 1 };
	assert_false(hl7v3_answers(&answer, HL7V3_PIX_ANSWER, &question, &outcome));
	answer.query.identifiers.count = 0;
	answer.query_id.extension = STR("18");
	assert_false(hl7v3_answers(&answer, HL7V3_PIX_ANSWER, &question, &outcome));
	answer.query_id = question.query_id;
	answer.target.extension = STR("1");
	assert_false(hl7v3_answers(&answer, HL7V3_PIX_ANSWER, &question, &outcome));
	answer.target = (struct hl7v3_ii) { 0 };
	assert_false(hl7v3_answers(&answer, HL7V3_PIX_ANSWER, &question, &outcome));
	for (size_t i = 0; i < outcome.count; i++)
		assert_int_equal(outcome.issues[i].code, ERR_BACKEND_ANSWER);
}

static struct str edit(struct str text, const char *old, const char *new, struct arena *arena)
{
	const char *found = strstr(text.data, old);

	assert_non_null(found);
	return arena_printf(arena, "%.*s%s%s", (int)(found - text.data), text.data, new, found + strlen(old));
}

static void test_048_two_registrations_or_two_queries(void **state)
{
	struct patient patient = whole_patient();
	struct hl7v3_message message = sample(HL7V3_PIX_ANSWER, &patient);
	struct str xml = written(&message, *state);
	const char *begin = strstr(xml.data, "<subject ");
	const char *end = strstr(xml.data, "</subject>") + strlen("</subject>");
	struct str twice = arena_printf(*state, "%.*s%.*s", (int)(end - xml.data), xml.data, (int)(end - begin), begin);

	twice = arena_printf(*state, "%s%s", twice.data, end);
	assert_refused(twice, *state, ERR_BODY_MALFORMED);
	/* the acknowledgement names one query, the echo another */
	assert_refused(edit(xml, "extension=\"17\"", "extension=\"18\"", *state), *state, ERR_BODY_MALFORMED);
	assert_refused(edit(xml, "</acknowledgement>",
			    "</acknowledgement><acknowledgement><typeCode code=\"AA\"/><targetMessage><id "
			    "root=\"1.2\"/>"
			    "</targetMessage></acknowledgement>",
			    *state),
		       *state, ERR_BODY_MALFORMED);
	/* an echo alone is no acknowledgement of the query */
	xml = edit(xml, "<queryId root=\"2.999.3\" extension=\"17\"/>", "", *state);
	assert_int_equal(read_good(xml, *state)->query_id.root.size, 0);
}

static void test_null_flavors_and_doubles(void **state)
{
	struct patient patient = whole_patient();
	struct hl7v3_message message = sample(HL7V3_PIX_ANSWER, &patient);
	struct str xml = edit(written(&message, *state), "<statusCode code=\"active\"/><patientPerson",
			      "<id nullFlavor=\"UNK\" root=\"1.2.3\" extension=\"9\"/><id root=\"1.2.3\"/>"
			      "<id root=\"" BLUE "\" extension=\"IHEBLUE-1001b\"/>"
			      "<statusCode code=\"active\"/><patientPerson",
			      *state);
	const struct hl7v3_message *again = read_good(xml, *state);

	/* two identifiers of one domain are two, the same twice is one */
	assert_int_equal(again->patients.items[0].identifiers.count, 3);
}

/* Case 44: prefixes and types are the sender's own business. */
static void test_044_prefixes(void **state)
{
	struct str xml = STR(
		"<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'><e:Header/><e:Body>"
		"<x:PRPA_IN201310UV02 xmlns:x='urn:hl7-org:v3' ITSVersion='XML_1.0'>"
		"<y:id xmlns:y='urn:hl7-org:v3' root='1.2'/><id xmlns='urn:other' root='6.6.6'/>"
		"<x:acknowledgement><x:typeCode code='AA'/><x:targetMessage><x:id xmlns:x='urn:hl7-org:v3' root='1.3'/>"
		"</x:targetMessage></"
		"x:acknowledgement><x:controlActProcess><x:subject><x:registrationEvent><x:subject1>"
		"<x:patient><x:id xmlns:t='urn:hl7-org:v3' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
		"xsi:type='t:II' root='1.4' extension='A'/><z:id xmlns:z='urn:other' root='1.5' "
		"extension='B'/></x:patient>"
		"</x:subject1></x:registrationEvent></x:subject><x:queryAck><x:queryId root='1.6'/>"
		"<x:queryResponseCode code='OK'/></x:queryAck></x:controlActProcess></x:PRPA_IN201310UV02>"
		"</e:Body></e:Envelope>");
	const struct hl7v3_message *message = read_good(xml, *state);

	assert_str(message->id.root, "1.2");
	assert_str(message->target.root, "1.3");
	assert_int_equal(message->patients.items[0].identifiers.count, 1);
	assert_str(message->patients.items[0].identifiers.items[0].value, "A");
	assert_str(message->query_id.root, "1.6");
}

/* Cases 39 to 43. */
static void test_039_hostile_xml(void **state)
{
	struct arena *arena = *state;
	struct buf text;

	assert_refused(STR("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
			   "<PRPA_IN201310UV02 xmlns='urn:hl7-org:v3'><id root='&x;'/></PRPA_IN201310UV02>"),
		       arena, ERR_BODY_MALFORMED);
	assert_refused(STR("<PRPA_IN201310UV02 xmlns='urn:hl7-org:v3'><id root='1.2'"), arena, ERR_BODY_MALFORMED);
	assert_refused(STR(""), arena, ERR_BODY_MALFORMED);
	assert_refused(STR("<a xmlns='urn:other'/>"), arena, ERR_BODY_MALFORMED);
	assert_refused(STR("<?xml version='1.0' encoding='ISO-8859-1'?><PRPA_IN201310UV02 xmlns='urn:hl7-org:v3'/>"),
		       arena, ERR_BODY_MALFORMED);

	buf_init(&text, 64U << 20);
	buf_add(&text, STR("<PRPA_IN201310UV02 xmlns='urn:hl7-org:v3'><id"));
	for (int i = 0; i < 100000; i++)
		buf_printf(&text, " a%d=''", i);
	buf_add(&text, STR("/></PRPA_IN201310UV02>"));
	assert_refused(buf_str(&text), arena, ERR_TOO_LONG);

	buf_clear(&text);
	buf_add(&text, STR("<PRPA_IN201310UV02 xmlns='urn:hl7-org:v3'>"));
	for (int i = 0; i < 10000; i++)
		buf_add(&text, STR("<id>"));
	for (int i = 0; i < 10000; i++)
		buf_add(&text, STR("</id>"));
	buf_add(&text, STR("</PRPA_IN201310UV02>"));
	assert_refused(buf_str(&text), arena, ERR_TOO_LONG);
	buf_free(&text);
}

/* Case 42: lists have an end. */
static void test_042_long_lists(void **state)
{
	struct buf text;

	buf_init(&text, 64U << 20);
	buf_add(&text, STR("<PRPA_IN201301UV02 xmlns='urn:hl7-org:v3'><controlActProcess><subject><registrationEvent>"
			   "<subject1><patient>"));
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "<id root='1.2' extension='%d'/>", i);
	buf_add(&text,
		STR("</patient></subject1></registrationEvent></subject></controlActProcess></PRPA_IN201301UV02>"));
	assert_refused(buf_str(&text), *state, ERR_TOO_LONG);

	buf_clear(&text);
	buf_add(&text, STR("<PRPA_IN201306UV02 xmlns='urn:hl7-org:v3'><controlActProcess>"));
	for (int i = 0; i < PATIENT_QUERY_MATCHES_MAX + 1; i++)
		buf_add(&text, STR("<subject><registrationEvent><subject1><patient/></subject1></registrationEvent></"
				   "subject>"));
	buf_add(&text, STR("</controlActProcess></PRPA_IN201306UV02>"));
	assert_refused(buf_str(&text), *state, ERR_TOO_LONG);
	buf_free(&text);
}

static void test_parameters_that_are_not_understood(void **state)
{
	struct hl7v3_message question = sample(HL7V3_PDQ_QUERY, NULL);
	struct str xml = written(&question, *state);

	assert_true(
		read_good(edit(xml, "</parameterList>",
			       "<principalCareProviderId><value root='1.2'/></principalCareProviderId></parameterList>",
			       *state),
			  *state)
			->query.has_unknown);
	assert_true(read_good(edit(xml, "</livingSubjectName>",
				   "</livingSubjectName><livingSubjectName><value><family>Or</family></value>"
				   "</livingSubjectName>",
				   *state),
			      *state)
			    ->query.has_unknown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_048_custodians, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_048_mixed_up_answers, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_048_two_registrations_or_two_queries, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_null_flavors_and_doubles, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_044_prefixes, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_039_hostile_xml, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_042_long_lists, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_parameters_that_are_not_understood, open_arena, close_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
