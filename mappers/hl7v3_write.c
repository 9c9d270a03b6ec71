/* HL7 V3 messages written: frames, queries and answers. What stands inside patient is in hl7v3_person_write.c. */
#include "mappers/hl7v3_write.h"

#include <stdio.h>

#include "mappers/hl7v3_words.h"

#define HL7_INTERACTIONS "2.16.840.1.113883.1.6"
#define HL7_TABLE_0357   "2.16.840.1.113883.18.217"
#define ACT_CODES        "2.16.840.1.113883.5.4"
/* Code systems of XCPD. ITI TF-2 3.55.4.2.2 */
#define TRAITS_REQUESTED "1.3.6.1.4.1.19376.1.2.27.1"
#define DATA_LOCATORS    "1.3.6.1.4.1.19376.1.2.27.2"
#define PROBLEMS         "1.3.6.1.4.1.19376.1.2.27.3"

static bool is_answer(enum hl7v3_kind kind)
{
	return kind == HL7V3_PIX_ANSWER || kind == HL7V3_PDQ_ANSWER || kind == HL7V3_ACK;
}

static bool is_pix(enum hl7v3_kind kind)
{
	return kind == HL7V3_PIX_QUERY || kind == HL7V3_PIX_ANSWER;
}

void v3_ii_write(struct xml_writer *writer, struct str name, struct str root, struct str extension)
{
	xml_begin(writer, name);
	if (root.size == 0) {
		xml_attribute(writer, STR("nullFlavor"), STR("NI"));
	} else {
		xml_attribute(writer, STR("root"), root);
		xml_attribute(writer, STR("extension"), extension.size > 0 ? extension : STR_NONE);
	}
	xml_end(writer);
}

void v3_coded_write(struct xml_writer *writer, struct str name, struct str code)
{
	xml_begin(writer, name);
	xml_attribute(writer, STR("code"), code);
	xml_end(writer);
}

void v3_value_write(struct xml_writer *writer, struct str name, struct str value)
{
	xml_begin(writer, name);
	xml_attribute(writer, STR("value"), value);
	xml_end(writer);
}

static void number_write(struct xml_writer *writer, struct str name, size_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%zu", number);
	v3_value_write(writer, name, str_from_c(text));
}

static void coded_in_write(struct xml_writer *writer, struct str code, struct str system)
{
	xml_begin(writer, STR("code"));
	xml_attribute(writer, STR("code"), code);
	xml_attribute(writer, STR("codeSystem"), system);
	xml_end(writer);
}

/* For which community the device speaks. ITI TF-2 3.55.4.1.2.4, 3.55.4.1.2.5 */
static void community_write(struct xml_writer *writer, struct str home)
{
	xml_begin(writer, STR("asAgent"));
	xml_attribute(writer, STR("classCode"), STR("AGNT"));
	xml_begin(writer, STR("representedOrganization"));
	xml_attribute(writer, STR("classCode"), STR("ORG"));
	xml_attribute(writer, STR("determinerCode"), STR("INSTANCE"));
	v3_ii_write(writer, STR("id"), home, STR_NONE);
	xml_end(writer);
	xml_end(writer);
}

static void device_write(struct xml_writer *writer, struct str role, struct str type, struct str device,
			 struct str home)
{
	xml_begin(writer, role);
	xml_attribute(writer, STR("typeCode"), type);
	xml_begin(writer, STR("device"));
	xml_attribute(writer, STR("classCode"), STR("DEV"));
	xml_attribute(writer, STR("determinerCode"), STR("INSTANCE"));
	v3_ii_write(writer, STR("id"), device, STR_NONE);
	if (home.size > 0)
		community_write(writer, home);
	xml_end(writer);
	xml_end(writer);
}

static void acknowledgement_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	xml_begin(writer, STR("acknowledgement"));
	v3_coded_write(writer, STR("typeCode"), message->ack_code);
	xml_begin(writer, STR("targetMessage"));
	v3_ii_write(writer, STR("id"), message->target.root, message->target.extension);
	xml_end(writer);
	for (size_t i = 0; i < message->detail_count; i++) {
		const struct hl7v3_detail *detail = &message->details[i];

		xml_begin(writer, STR("acknowledgementDetail"));
		xml_attribute(writer, STR("typeCode"), STR("E"));
		coded_in_write(writer, detail->code, STR(HL7_TABLE_0357));
		xml_element(writer, STR("text"), detail->text);
		xml_element(writer, STR("location"), detail->location);
		xml_end(writer);
	}
	xml_end(writer);
}

static void head_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	v3_ii_write(writer, STR("id"), message->id.root, message->id.extension);
	v3_value_write(writer, STR("creationTime"), message->created);
	v3_ii_write(writer, STR("interactionId"), STR(HL7_INTERACTIONS), hl7v3_root_name(message->kind));
	v3_coded_write(writer, STR("processingCode"), STR("P"));
	v3_coded_write(writer, STR("processingModeCode"), STR("T"));
	v3_coded_write(writer, STR("acceptAckCode"), is_answer(message->kind) ? STR("NE") : STR("AL"));
	device_write(writer, STR("receiver"), STR("RCV"), message->receiver, message->receiver_home);
	device_write(writer, STR("sender"), STR("SND"), message->sender, message->sender_home);
	if (is_answer(message->kind))
		acknowledgement_write(writer, message);
}

/* --- queries --- */

/* Words for people, which the schema wants after the value of a parameter. */
static void parameter_end(struct xml_writer *writer, struct str semantics)
{
	xml_element(writer, STR("semanticsText"), semantics);
	xml_end(writer);
}

static void pix_parameters_write(struct xml_writer *writer, const struct patient_query *query)
{
	for (size_t i = 0; i < query->domains.count; i++) {
		xml_begin(writer, STR("dataSource"));
		v3_ii_write(writer, STR("value"), query->domains.items[i], STR_NONE);
		parameter_end(writer, STR("DataSource.id"));
	}
	for (size_t i = 0; i < query->identifiers.count; i++) {
		xml_begin(writer, STR("patientIdentifier"));
		v3_ii_write(writer, STR("value"), query->identifiers.items[i].authority,
			    query->identifiers.items[i].value);
		parameter_end(writer, STR("Patient.id"));
	}
}

static void birth_write(struct xml_writer *writer, const struct patient_query *query)
{
	char low[V3_TIME_SIZE];
	char high[V3_TIME_SIZE];

	if (query->birth_from.size + query->birth_to.size == 0)
		return;
	v3_time(query->birth_from, low);
	v3_time(query->birth_to, high);
	xml_begin(writer, STR("livingSubjectBirthTime"));
	if (strcmp(low, high) == 0) {
		v3_value_write(writer, STR("value"), str_from_c(low));
	} else {
		xml_begin(writer, STR("value"));
		if (low[0])
			v3_value_write(writer, STR("low"), str_from_c(low));
		if (high[0])
			v3_value_write(writer, STR("high"), str_from_c(high));
		xml_end(writer);
	}
	parameter_end(writer, STR("LivingSubject.birthTime"));
}

static void asked_name_write(struct xml_writer *writer, const struct patient_query *query)
{
	if (query->family.size + query->given.size == 0)
		return;
	xml_begin(writer, STR("livingSubjectName"));
	xml_begin(writer, STR("value"));
	if (!query->name_is_exact)
		xml_attribute(writer, STR("use"), STR("SRCH"));
	v3_words_write(writer, STR("given"), query->given, ' ');
	if (query->family.size > 0)
		xml_element(writer, STR("family"), query->family);
	xml_end(writer);
	parameter_end(writer, STR("LivingSubject.name"));
}

/* In the order of the schema. */
static void pdq_parameters_write(struct xml_writer *writer, const struct patient_query *query)
{
	if (query->gender.size > 0) {
		xml_begin(writer, STR("livingSubjectAdministrativeGender"));
		v3_gender_write(writer, STR("value"), query->gender);
		parameter_end(writer, STR("LivingSubject.administrativeGender"));
	}
	birth_write(writer, query);
	for (size_t i = 0; i < query->identifiers.count; i++) {
		xml_begin(writer, STR("livingSubjectId"));
		v3_ii_write(writer, STR("value"), query->identifiers.items[i].authority,
			    query->identifiers.items[i].value);
		parameter_end(writer, STR("LivingSubject.id"));
	}
	asked_name_write(writer, query);
	if (query->mothers_maiden_name.size > 0) {
		xml_begin(writer, STR("mothersMaidenName"));
		xml_begin(writer, STR("value"));
		xml_element(writer, STR("family"), query->mothers_maiden_name);
		xml_end(writer);
		parameter_end(writer, STR("Person.MothersMaidenName"));
	}
	for (size_t i = 0; i < query->domains.count; i++) {
		xml_begin(writer, STR("otherIDsScopingOrganization"));
		v3_ii_write(writer, STR("value"), query->domains.items[i], STR_NONE);
		parameter_end(writer, STR("OtherIDs.scopingOrganization.id"));
	}
	if (v3_address_is_set(&query->address)) {
		xml_begin(writer, STR("patientAddress"));
		v3_address_write(writer, STR("value"), &query->address);
		parameter_end(writer, STR("Patient.addr"));
	}
	if (query->telecom.size > 0) {
		xml_begin(writer, STR("patientTelecom"));
		v3_value_write(writer, STR("value"), query->telecom);
		parameter_end(writer, STR("Patient.telecom"));
	}
}

static void query_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	const struct patient_query *query = &message->query;
	char percent[16];

	xml_begin(writer, STR("queryByParameter"));
	v3_ii_write(writer, STR("queryId"), message->query_id.root, message->query_id.extension);
	v3_coded_write(writer, STR("statusCode"), STR("new"));
	if (!is_pix(message->kind))
		v3_coded_write(writer, STR("responseModalityCode"), STR("R"));
	v3_coded_write(writer, STR("responsePriorityCode"), STR("I"));
	if (!is_pix(message->kind) && query->count_max > 0)
		number_write(writer, STR("initialQuantity"), query->count_max);
	if (!is_pix(message->kind) && query->minimum_percent >= 0) {
		snprintf(percent, sizeof percent, "%d", query->minimum_percent);
		xml_begin(writer, STR("matchCriterionList"));
		xml_begin(writer, STR("minimumDegreeMatch"));
		v3_integer_write(writer, STR("value"), str_from_c(percent));
		parameter_end(writer, STR("Degree of match requested"));
		xml_end(writer);
	}
	xml_begin(writer, STR("parameterList"));
	if (is_pix(message->kind))
		pix_parameters_write(writer, query);
	else
		pdq_parameters_write(writer, query);
	xml_end(writer);
	xml_end(writer);
}

static void query_ack_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	const struct patient_list *patients = &message->patients;

	xml_begin(writer, STR("queryAck"));
	v3_ii_write(writer, STR("queryId"), message->query_id.root, message->query_id.extension);
	v3_coded_write(writer, STR("statusCode"), STR("deliveredResponse"));
	v3_coded_write(writer, STR("queryResponseCode"), message->query_code);
	/* A community answers once and has nothing more to come. */
	if (!is_pix(message->kind) && message->sender_home.size == 0) {
		number_write(writer, STR("resultTotalQuantity"), patients->count + patients->remaining);
		number_write(writer, STR("resultCurrentQuantity"), patients->count);
		number_write(writer, STR("resultRemainingQuantity"), patients->remaining);
	}
	xml_end(writer);
}

/* --- registrations --- */

/* Who keeps the registration: the device that speaks, or its community. ITI TF-2 3.55.4.2.2.4 */
static void custodian_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	xml_begin(writer, STR("custodian"));
	xml_attribute(writer, STR("typeCode"), STR("CST"));
	xml_begin(writer, STR("assignedEntity"));
	xml_attribute(writer, STR("classCode"), STR("ASSIGNED"));
	v3_ii_write(writer, STR("id"), message->sender_home.size > 0 ? message->sender_home : message->sender,
		    STR_NONE);
	if (message->sender_home.size > 0)
		coded_in_write(writer, STR("NotHealthDataLocator"), STR(DATA_LOCATORS));
	xml_end(writer);
	xml_end(writer);
}

static void replacement_write(struct xml_writer *writer, const struct patient_identity *subsumed)
{
	xml_begin(writer, STR("replacementOf"));
	xml_attribute(writer, STR("typeCode"), STR("RPLC"));
	xml_begin(writer, STR("priorRegistration"));
	xml_attribute(writer, STR("classCode"), STR("REG"));
	xml_attribute(writer, STR("moodCode"), STR("EVN"));
	v3_coded_write(writer, STR("statusCode"), STR("obsolete"));
	xml_begin(writer, STR("subject1"));
	xml_attribute(writer, STR("typeCode"), STR("SBJ"));
	xml_begin(writer, STR("priorRegisteredRole"));
	xml_attribute(writer, STR("classCode"), STR("PAT"));
	v3_ii_write(writer, STR("id"), subsumed->authority, subsumed->value);
	xml_end(writer);
	xml_end(writer);
	xml_end(writer);
	xml_end(writer);
}

static void registration_write(struct xml_writer *writer, const struct hl7v3_message *message,
			       const struct patient *patient)
{
	xml_begin(writer, STR("subject"));
	xml_attribute(writer, STR("typeCode"), STR("SUBJ"));
	xml_attribute(writer, STR("contextConductionInd"), STR("false"));
	xml_begin(writer, STR("registrationEvent"));
	xml_attribute(writer, STR("classCode"), STR("REG"));
	xml_attribute(writer, STR("moodCode"), STR("EVN"));
	v3_ii_write(writer, STR("id"), STR_NONE, STR_NONE);
	v3_coded_write(writer, STR("statusCode"), STR("active"));
	xml_begin(writer, STR("subject1"));
	xml_attribute(writer, STR("typeCode"), STR("SBJ"));
	v3_patient_write(writer, message, patient);
	xml_end(writer);
	custodian_write(writer, message);
	if (message->kind == HL7V3_MERGE)
		replacement_write(writer, &message->subsumed);
	xml_end(writer);
	xml_end(writer);
}

/* What stands in the place of patients: the traits that would tell them apart, or why there is no answer. */
static void reason_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	if (message->requests.count == 0 && message->problem.size == 0)
		return;
	xml_begin(writer, STR("reasonOf"));
	xml_attribute(writer, STR("typeCode"), STR("RSON"));
	xml_begin(writer, STR("detectedIssueEvent"));
	xml_attribute(writer, STR("classCode"), STR("ALRT"));
	xml_attribute(writer, STR("moodCode"), STR("EVN"));
	coded_in_write(writer, STR("ActAdministrativeDetectedIssueCode"), STR(ACT_CODES));
	if (message->problem.size > 0) {
		xml_begin(writer, STR("mitigatedBy"));
		xml_attribute(writer, STR("typeCode"), STR("MITGT"));
		xml_begin(writer, STR("detectedIssueManagement"));
		xml_attribute(writer, STR("classCode"), STR("ACT"));
		xml_attribute(writer, STR("moodCode"), STR("EVN"));
		coded_in_write(writer, message->problem, STR(PROBLEMS));
		xml_end(writer);
		xml_end(writer);
	}
	for (size_t i = 0; i < message->requests.count; i++) {
		xml_begin(writer, STR("triggerFor"));
		xml_attribute(writer, STR("typeCode"), STR("TRIG"));
		xml_begin(writer, STR("actOrderRequired"));
		xml_attribute(writer, STR("classCode"), STR("ACT"));
		xml_attribute(writer, STR("moodCode"), STR("RQO"));
		coded_in_write(writer, message->requests.items[i], STR(TRAITS_REQUESTED));
		xml_end(writer);
		xml_end(writer);
	}
	xml_end(writer);
	xml_end(writer);
}

static void control_act_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	bool is_query = message->kind == HL7V3_PIX_QUERY || message->kind == HL7V3_PDQ_QUERY;

	xml_begin(writer, STR("controlActProcess"));
	xml_attribute(writer, STR("classCode"), STR("CACT"));
	xml_attribute(writer, STR("moodCode"), STR("EVN"));
	coded_in_write(writer, hl7v3_trigger(message->kind), STR(HL7_INTERACTIONS));
	/* A query by PIX names who asks. ITI TF-2 3.45.4.1.2 */
	if (message->kind == HL7V3_PIX_QUERY) {
		xml_begin(writer, STR("authorOrPerformer"));
		xml_attribute(writer, STR("typeCode"), STR("AUT"));
		xml_begin(writer, STR("assignedDevice"));
		xml_attribute(writer, STR("classCode"), STR("ASSIGNED"));
		v3_ii_write(writer, STR("id"), message->sender, STR_NONE);
		xml_end(writer);
		xml_end(writer);
	}
	for (size_t i = 0; i < message->patients.count; i++)
		registration_write(writer, message, &message->patients.items[i]);
	reason_write(writer, message);
	if (is_answer(message->kind))
		query_ack_write(writer, message);
	if (is_query || is_answer(message->kind))
		query_write(writer, message);
	xml_end(writer);
}

void hl7v3_write(struct xml_writer *writer, const struct hl7v3_message *message)
{
	xml_begin(writer, hl7v3_root_name(message->kind));
	xml_attribute(writer, STR("xmlns"), STR(HL7V3_NAMESPACE));
	xml_attribute(writer, STR("xmlns:xsi"), STR("http://www.w3.org/2001/XMLSchema-instance"));
	xml_attribute(writer, STR("ITSVersion"), STR("XML_1.0"));
	head_write(writer, message);
	if (message->kind != HL7V3_ACK)
		control_act_write(writer, message);
	xml_end(writer);
}

static bool ii_equal(const struct hl7v3_ii *a, const struct hl7v3_ii *b)
{
	return str_equal_nocase(a->root, b->root) && str_equal(a->extension, b->extension);
}

bool patient_identity_equal(const struct patient_identity *a, const struct patient_identity *b)
{
	return str_equal(a->authority, b->authority) && str_equal(a->value, b->value);
}

bool hl7v3_answers(const struct hl7v3_message *answer, enum hl7v3_kind kind, const struct hl7v3_message *question,
		   struct outcome *outcome)
{
	const struct patient_identities *asked = &question->query.identifiers;
	const struct patient_identities *echo = &answer->query.identifiers;

	if (answer->kind != kind)
		return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				   "The identity manager answered with another kind of message; check the addresses "
				   "configured for it.");
	if (!ii_equal(&answer->target, &question->id))
		return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				   "The identity manager answered another message than ours (targetMessage); report "
				   "it to its operator.");
	if (kind == HL7V3_ACK)
		return true;
	if (!ii_equal(&answer->query_id, &question->query_id))
		return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				   "The identity manager answered another query than ours (queryId); report it to its "
				   "operator.");
	/* The echo of the question may be left out; one that differs belongs to somebody else's question. */
	if (kind == HL7V3_PIX_ANSWER && echo->count > 0 && asked->count > 0 &&
	    !patient_identity_equal(&echo->items[0], &asked->items[0]))
		return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				   "The identity manager answered for another identifier than ours; report it to its "
				   "operator.");
	return true;
}
