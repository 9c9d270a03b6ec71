/* The HL7 V3 messages of patient identity, read and written, questions and answers alike: PIXV3 Query (ITI-45), Patient
 * Identity Feed (ITI-44), PDQV3 (ITI-47) and Cross Gateway Patient Discovery (XCPD, ITI-55), which is PDQ between
 * communities. One struct holds each of them; its kind says which members count.
 * Source: ITI TF-2 3.44, 3.45, 3.47, 3.55 and Appendix O; HL7 V3 Edition 2008. */
#ifndef PASSERELLE_HL7V3_H
#define PASSERELLE_HL7V3_H

#include "mappers/patient_query.h"
#include "mappers/xml_writer.h"

#define HL7V3_NAMESPACE "urn:hl7-org:v3"
/* The wsa:Action of a message is this and the name of its root element. */
#define HL7V3_ACTION_PREFIX "urn:hl7-org:v3:"
/* Of XCPD, question and answer: this behind it. */
#define HL7V3_DISCOVERY_SUFFIX ":CrossGatewayPatientDiscovery"

enum hl7v3_kind {
	HL7V3_OTHER,     /* reading only: another HL7 V3 message, or none */
	HL7V3_PIX_QUERY, /* PRPA_IN201309UV02 */
	HL7V3_PIX_ANSWER,
	HL7V3_PDQ_QUERY, /* PRPA_IN201305UV02 */
	HL7V3_PDQ_ANSWER,
	HL7V3_ADD,    /* PRPA_IN201301UV02 */
	HL7V3_REVISE, /* PRPA_IN201302UV02 */
	HL7V3_MERGE,  /* PRPA_IN201304UV02 */
	HL7V3_ACK     /* MCCI_IN000002UV01 */
};

/* An instance identifier: a root alone, or an extension under a root. */
struct hl7v3_ii {
	struct str root;
	struct str extension;
};

/* What went wrong, and where: the location is an XPath into the question. Its words for people are not read. */
struct hl7v3_detail {
	struct str code;     /* HL7 table 0357: 204 unknown key identifier, 205 duplicate key identifier, 207 other */
	struct str location; /* the first one */
	struct str text;     /* writing only */
};

#define HL7V3_DETAILS_MAX       32
#define HL7V3_IDENTIFIERS_MAX   128 /* of one patient or query */
#define HL7V3_UNKNOWN_KEY       "204"
#define HL7V3_DUPLICATE_KEY     "205"
#define HL7V3_APPLICATION_ERROR "207"

/* Traits that a community asks for, to tell apart those who fit, and why it has no answer: XCPD.
 * ITI TF-2 tables 3.55.4.2.2.6-1 and 3.55.4.2.2.7-1 */
#define HL7V3_REQUESTS_MAX       16
#define HL7V3_GENDER_REQUESTED   "LivingSubjectAdministrativeGenderRequested"
#define HL7V3_ADDRESS_REQUESTED  "PatientAddressRequested"
#define HL7V3_TELECOM_REQUESTED  "PatientTelecomRequested"
#define HL7V3_MOTHER_REQUESTED   "MothersMaidenNameRequested"
#define HL7V3_ANSWER_UNAVAILABLE "AnswerNotAvailable"

struct hl7v3_message {
	enum hl7v3_kind kind;
	struct hl7v3_ii id;
	struct str created;  /* DTM */
	struct str receiver; /* OIDs of the devices; STR_NONE: not said */
	struct str sender;
	struct str
		receiver_home; /* homeCommunityIds, OIDs: only in XCPD, and a sender_home makes a PDQ message one of XCPD */
	struct str sender_home;

	/* answers */
	struct str ack_code;    /* AA, AE, AR or, of a feed, CA, CE, CR */
	struct hl7v3_ii target; /* id of the message that is answered */
	struct hl7v3_detail *details;
	size_t detail_count;
	struct str query_code; /* OK, NF, AE, QE; STR_NONE when there is no queryAck */
	struct strs requests;  /* ..._REQUESTED, or codes that this code does not know */
	struct str problem;    /* HL7V3_ANSWER_UNAVAILABLE, "ResponderBusy" ...: the first one */

	/* questions, and their echo in the answer */
	struct hl7v3_ii query_id;
	struct patient_query query;

	/* PIX answer: one patient or none; PDQ answer: any number; feeds: one. Identifiers without doubles; those with a
	 * nullFlavor or without an extension are left out. The first identifier of a feed is patient/id, of asOtherIDs
	 * come the others. */
	struct patient_list patients;
	struct patient_identity subsumed; /* of a merge: priorRegisteredRole/id */
	/* Of a feed: identifiers stated to be another person's. They stand in asOtherIDs whose statusCode is terminated. */
	struct patient_identities unlinked;
};

/* Reads a message, bare or in a SOAP envelope: one SAX2 pass, by namespace and local name, values trimmed and copied into
 * the arena; what it does not know is skipped.
 * Errors: ERR_BODY_MALFORMED (also for two patients in a PIX answer or feed, two different ids of the query or of the
 * message answered, a feed without identifier), ERR_TOO_LONG, ERR_NO_MEMORY. */
bool hl7v3_read(struct str xml, struct arena *arena, struct hl7v3_message *message, struct outcome *outcome) MUST_CHECK;

/* Writes the message's element, for instance into soap:Body. Schema-valid when id, created and what the kind needs are
 * set. */
void hl7v3_write(struct xml_writer *writer, const struct hl7v3_message *message);

/* "PRPA_IN201309UV02"; STR_NONE for HL7V3_OTHER. */
struct str hl7v3_root_name(enum hl7v3_kind kind);

/* True when answer is of this kind and answers this question: it names its id as target, and its queryId when it has one.
 * Otherwise one issue ERR_BACKEND_ANSWER: it may speak of another patient. */
bool hl7v3_answers(const struct hl7v3_message *answer, enum hl7v3_kind kind, const struct hl7v3_message *question,
		   struct outcome *outcome) MUST_CHECK;

/* True when the two are the same identifier. OIDs and values are compared as they stand. */
bool patient_identity_equal(const struct patient_identity *a, const struct patient_identity *b);

#endif
