/* Messages of patient identity with everything in them, and short words for writing and reading them. */
#ifndef PASSERELLE_TESTS_HL7V3_STAND_H
#define PASSERELLE_TESTS_HL7V3_STAND_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mappers/base/arena.h"
#include "mappers/hl7v3.h"
#include "mappers/soap.h"

#define RED   "1.3.6.1.4.1.21367.13.20.1000"
#define BLUE  "1.3.6.1.4.1.21367.13.20.3000"
#define GREEN "1.3.6.1.4.1.21367.13.20.2000"

static inline int open_arena(void **state)
{
	*state = arena_new(256U << 20);
	return *state ? 0 : -1;
}

static inline int close_arena(void **state)
{
	arena_free(*state);
	return 0;
}

static struct patient_identity ids[] = { { STR_INIT(RED), STR_INIT("IHERED-1001") },
					 { STR_INIT(BLUE), STR_INIT("IHEBLUE-1001 & co") },
					 { STR_INIT(BLUE), STR_INIT("IHEBLUE-1001b") } };
static struct patient_name names[] = {
	{ .family = STR_INIT("Müller <x>"),
	  .given = STR_INIT("Erika Anna"),
	  .prefix = STR_INIT("Dr Prof"),
	  .suffix = STR_INIT("jun"),
	  .use = STR_INIT("official") },
	{ .family = STR_INIT("Beispiel"), .given = STR_INIT("Erika"), .use = STR_INIT("maiden") },
};
static struct patient_address addresses[] = { { .line = STR_INIT("Rue Fictive 1\nStaircase 2"),
						.city = STR_INIT("Esch"),
						.district = STR_INIT("South"),
						.state = STR_INIT("LU"),
						.postal_code = STR_INIT("4001"),
						.country = STR_INIT("LUX"),
						.use = STR_INIT("home") } };
static struct patient_telecom telecoms[] = {
	{ STR_INIT("phone"), STR_INIT("+352 555 0100"), STR_INIT("mobile") },
	{ STR_INIT("email"), STR_INIT("erika@example.org"), STR_INIT("work") },
	{ STR_INIT("url"), STR_INIT("https://example.org/erika"), { NULL, 0 } },
};

static inline struct patient whole_patient(void)
{
	return (struct patient) {
		.identifiers = { ids, COUNT_OF(ids) },
		.names = names,
		.name_count = COUNT_OF(names),
		.addresses = addresses,
		.address_count = COUNT_OF(addresses),
		.telecoms = telecoms,
		.telecom_count = COUNT_OF(telecoms),
		.gender = STR("other"),
		.birth_date = STR("1970-02"),
		.deceased = STR("2026-01-02T03:04:05Z"),
		.mothers_maiden_name = STR("Exempel"),
		.match_percent = 42,
	};
}

/* Each kind of message with everything in it. patient and domains must outlive it. */
static inline struct hl7v3_message sample(enum hl7v3_kind kind, struct patient *patient)
{
	static struct str domains[] = { STR_INIT(BLUE), STR_INIT(GREEN) };
	static struct patient_identity ended[] = { { STR_INIT(GREEN), STR_INIT("IHEGREEN-1001") } };
	static struct hl7v3_detail details[] = { { STR_INIT("204"), STR_INIT("/PRPA_IN201309UV02/controlActProcess"),
						   STR_INIT("Not known.") } };
	struct hl7v3_message message = {
		.kind = kind,
		.id = { STR("5d9728c6-cdb9-4039-a2a5-379203f08099"), STR_NONE },
		.created = STR("20260403101500"),
		.receiver = STR("2.999.1"),
		.sender = STR("2.999.2"),
		.query = PATIENT_QUERY_NONE,
	};

	if (kind == HL7V3_PIX_QUERY || kind == HL7V3_PDQ_QUERY || kind == HL7V3_PIX_ANSWER ||
	    kind == HL7V3_PDQ_ANSWER) {
		message.query_id = (struct hl7v3_ii) { STR("2.999.3"), STR("17") };
		message.query.identifiers = (struct patient_identities) { ids, 1 };
		message.query.domains = (struct strs) { domains, COUNT_OF(domains) };
	}
	if (kind == HL7V3_PDQ_QUERY || kind == HL7V3_PDQ_ANSWER) {
		message.query.family = STR("Mül");
		message.query.given = STR("Erika Anna");
		message.query.gender = STR("female");
		message.query.birth_from = STR("1970-01-01");
		message.query.birth_to = STR("1979-12-31");
		message.query.address = addresses[0];
		message.query.telecom = STR("+352 555 0100");
		message.query.mothers_maiden_name = STR("Exempel");
		message.query.minimum_percent = 60;
		message.query.count_max = 5;
	}
	if (kind == HL7V3_PIX_ANSWER || kind == HL7V3_PDQ_ANSWER || kind == HL7V3_ACK) {
		message.target = (struct hl7v3_ii) { STR("5d9728c6-cdb9-4039-a2a5-379203f08098"), STR_NONE };
		message.ack_code = STR("AA");
		message.details = details;
		message.detail_count = COUNT_OF(details);
		message.query_code = kind == HL7V3_ACK ? STR_NONE : STR("OK");
	}
	if (kind != HL7V3_PIX_QUERY && kind != HL7V3_PDQ_QUERY && kind != HL7V3_ACK)
		message.patients = (struct patient_list) { patient, 1, kind == HL7V3_PDQ_ANSWER ? 3 : 0 };
	if (kind == HL7V3_REVISE)
		message.unlinked = (struct patient_identities) { ended, COUNT_OF(ended) };
	if (kind == HL7V3_MERGE)
		message.subsumed = (struct patient_identity) { STR(RED), STR("IHERED-1002") };
	return message;
}

/* The same between communities. */
static inline struct hl7v3_message discovery(enum hl7v3_kind kind, struct patient *patient)
{
	static struct str requests[] = { STR_INIT(HL7V3_ADDRESS_REQUESTED), STR_INIT(HL7V3_MOTHER_REQUESTED) };
	struct hl7v3_message message = sample(kind, patient);

	message.sender_home = STR("2.999.20.70");
	message.receiver_home = STR("2.999.20.71");
	message.patients.remaining = 0; /* of more to come a community never speaks */
	if (kind == HL7V3_PDQ_ANSWER) {
		message.requests = (struct strs) { requests, COUNT_OF(requests) };
		message.problem = STR(HL7V3_ANSWER_UNAVAILABLE);
	}
	return message;
}

/* The message in an envelope, NUL-terminated. */
static inline struct str written(const struct hl7v3_message *message, struct arena *arena)
{
	struct xml_writer writer;
	struct outcome outcome;
	struct buf text;
	struct soap_head head =
		soap_request_head(arena_printf(arena, HL7V3_ACTION_PREFIX "%.*s",
					       STR_ARG(hl7v3_root_name(message->kind))),
				  STR("urn:uuid:5d9728c6-cdb9-4039-a2a5-379203f08001"), STR("http://localhost/pix"));

	outcome_init(&outcome);
	buf_init(&text, 16U << 20);
	xml_writer_init(&writer, &text);
	soap_begin(&writer, &head);
	hl7v3_write(&writer, message);
	soap_end(&writer);
	assert_true(xml_writer_finish(&writer, &outcome));
	struct str copy = arena_copy(arena, buf_str(&text));

	buf_free(&text);
	assert_non_null(copy.data);
	return copy;
}

static inline struct hl7v3_message *read_good(struct str xml, struct arena *arena)
{
	struct hl7v3_message *message = arena_alloc(arena, sizeof *message);
	struct outcome outcome;

	outcome_init(&outcome);
	if (!hl7v3_read(xml, arena, message, &outcome))
		fail_msg("refused: %s", outcome.issues[0].text);
	return message;
}

#define assert_str(value, text)                                                                   \
	do {                                                                                      \
		if (!str_equal(value, str_from_c(text)))                                          \
			fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(value), (const char *)(text)); \
	} while (0)

#endif
