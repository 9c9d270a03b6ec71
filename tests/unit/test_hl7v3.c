/* HL7 V3 messages of patient identity: what is written reads the same and is valid by the public schema; real messages of
 * other systems are understood; hostile ones are refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mappers/base/arena.h"
#include "mappers/hl7v3.h"
#include "mappers/soap.h"

#define RED   "1.3.6.1.4.1.21367.13.20.1000"
#define BLUE  "1.3.6.1.4.1.21367.13.20.3000"
#define GREEN "1.3.6.1.4.1.21367.13.20.2000"

extern char **environ;

static int open_arena(void **state)
{
	*state = arena_new(256U << 20);
	return *state ? 0 : -1;
}

static int close_arena(void **state)
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

static struct patient whole_patient(void)
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
static struct hl7v3_message sample(enum hl7v3_kind kind, struct patient *patient)
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
static struct hl7v3_message discovery(enum hl7v3_kind kind, struct patient *patient)
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
static struct str written(const struct hl7v3_message *message, struct arena *arena)
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

static struct hl7v3_message *read_good(struct str xml, struct arena *arena)
{
	struct hl7v3_message *message = arena_alloc(arena, sizeof *message);
	struct outcome outcome;

	outcome_init(&outcome);
	if (!hl7v3_read(xml, arena, message, &outcome))
		fail_msg("refused: %s", outcome.issues[0].text);
	return message;
}

static void assert_refused(struct str xml, struct arena *arena, enum error_code code)
{
	struct hl7v3_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_false(hl7v3_read(xml, arena, &message, &outcome));
	assert_true(outcome.has_error);
	assert_int_equal(outcome.issues[0].code, code);
}

#define assert_str(value, text)                                                                   \
	do {                                                                                      \
		if (!str_equal(value, str_from_c(text)))                                          \
			fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(value), (const char *)(text)); \
	} while (0)

static void assert_same_str(struct str a, struct str b)
{
	if (!str_equal(a, b))
		fail_msg("\"%.*s\" is not \"%.*s\"", STR_ARG(a), STR_ARG(b));
}

static void assert_same_query(const struct patient_query *a, const struct patient_query *b)
{
	assert_int_equal(a->identifiers.count, b->identifiers.count);
	assert_int_equal(a->domains.count, b->domains.count);
	for (size_t i = 0; i < a->domains.count; i++)
		assert_same_str(a->domains.items[i], b->domains.items[i]);
	assert_same_str(a->family, b->family);
	assert_same_str(a->given, b->given);
	assert_int_equal(a->name_is_exact, b->name_is_exact);
	assert_same_str(a->gender, b->gender);
	assert_same_str(a->birth_from, b->birth_from);
	assert_same_str(a->birth_to, b->birth_to);
	assert_same_str(a->address.city, b->address.city);
	assert_same_str(a->address.line, b->address.line);
	assert_same_str(a->telecom, b->telecom);
	assert_same_str(a->mothers_maiden_name, b->mothers_maiden_name);
	assert_int_equal(a->minimum_percent, b->minimum_percent);
	assert_int_equal(a->count_max, b->count_max);
	assert_false(b->has_unknown);
}

static void assert_same_person(const struct patient *a, const struct patient *b)
{
	assert_int_equal(a->name_count, b->name_count);
	for (size_t i = 0; i < a->name_count; i++) {
		assert_same_str(a->names[i].family, b->names[i].family);
		assert_same_str(a->names[i].given, b->names[i].given);
		assert_same_str(a->names[i].prefix, b->names[i].prefix);
		assert_same_str(a->names[i].suffix, b->names[i].suffix);
		assert_same_str(a->names[i].use, b->names[i].use);
	}
	assert_int_equal(a->address_count, b->address_count);
	assert_same_str(a->addresses[0].line, b->addresses[0].line);
	assert_same_str(a->addresses[0].district, b->addresses[0].district);
	assert_same_str(a->addresses[0].postal_code, b->addresses[0].postal_code);
	assert_same_str(a->addresses[0].country, b->addresses[0].country);
	assert_same_str(a->addresses[0].use, b->addresses[0].use);
	assert_int_equal(a->telecom_count, b->telecom_count);
	for (size_t i = 0; i < a->telecom_count; i++) {
		assert_same_str(a->telecoms[i].system, b->telecoms[i].system);
		assert_same_str(a->telecoms[i].value, b->telecoms[i].value);
		assert_same_str(a->telecoms[i].use, b->telecoms[i].use);
	}
	assert_same_str(a->gender, b->gender);
	assert_same_str(a->birth_date, b->birth_date);
	assert_same_str(a->deceased, b->deceased);
	assert_same_str(a->mothers_maiden_name, b->mothers_maiden_name);
	assert_int_equal(a->is_inactive, b->is_inactive);
}

static void test_round_trip(void **state)
{
	for (enum hl7v3_kind kind = HL7V3_PIX_QUERY; kind <= HL7V3_ACK; kind++) {
		struct patient patient = whole_patient();
		struct hl7v3_message message = sample(kind, &patient);
		const struct hl7v3_message *again = read_good(written(&message, *state), *state);

		assert_int_equal(again->kind, kind);
		assert_same_str(again->id.root, message.id.root);
		assert_same_str(again->created, message.created);
		assert_same_str(again->sender, message.sender);
		assert_same_str(again->receiver, message.receiver);
		assert_same_str(again->ack_code, message.ack_code);
		assert_same_str(again->target.root, message.target.root);
		assert_same_str(again->query_id.extension, message.query_id.extension);
		assert_same_str(again->query_code, message.query_code);
		assert_same_query(&message.query, &again->query);
		assert_int_equal(again->detail_count, message.detail_count);
		if (message.detail_count > 0) {
			assert_str(again->details[0].code, HL7V3_UNKNOWN_KEY);
			assert_same_str(again->details[0].location, message.details[0].location);
		}
		assert_int_equal(again->patients.count, message.patients.count);
		assert_int_equal(again->patients.remaining, message.patients.remaining);
		if (message.patients.count > 0) {
			const struct patient *read = &again->patients.items[0];

			assert_int_equal(read->identifiers.count, COUNT_OF(ids));
			for (size_t i = 0; i < COUNT_OF(ids); i++)
				assert_true(patient_identity_equal(&read->identifiers.items[i], &ids[i]));
			if (kind != HL7V3_PIX_ANSWER)
				assert_same_person(&patient, read);
			assert_int_equal(read->match_percent, kind == HL7V3_PDQ_ANSWER ? 42 : -1);
		}
		assert_same_str(again->subsumed.value, message.subsumed.value);
		assert_int_equal(again->unlinked.count, message.unlinked.count);
		if (kind == HL7V3_REVISE)
			assert_str(again->unlinked.items[0].value, "IHEGREEN-1001");
	}
}

static void test_discovery_round_trip(void **state)
{
	for (enum hl7v3_kind kind = HL7V3_PDQ_QUERY; kind <= HL7V3_PDQ_ANSWER; kind++) {
		struct patient patient = whole_patient();
		struct hl7v3_message message = discovery(kind, &patient);
		const struct hl7v3_message *again = read_good(written(&message, *state), *state);

		assert_int_equal(again->kind, kind);
		assert_str(again->sender_home, "2.999.20.70");
		assert_str(again->receiver_home, "2.999.20.71");
		assert_same_query(&message.query, &again->query);
		assert_int_equal(again->requests.count, message.requests.count);
		assert_same_str(again->problem, message.problem);
		if (kind == HL7V3_PDQ_QUERY)
			continue;
		assert_str(again->requests.items[1], HL7V3_MOTHER_REQUESTED);
		assert_same_person(&patient, &again->patients.items[0]);
		assert_str(again->patients.items[0].custodian, "2.999.20.70");
		/* in PDQ the custodian is a device, and nobody speaks for a community */
		message = sample(kind, &patient);
		again = read_good(written(&message, *state), *state);
		assert_str(again->patients.items[0].custodian, "2.999.2");
		assert_int_equal(again->sender_home.size, 0);
	}
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

/* Every allocation may fail: the answer is a refusal, never half a message. */
static void test_no_memory(void **state)
{
	struct patient patient = whole_patient();
	struct hl7v3_message message = discovery(HL7V3_PDQ_ANSWER, &patient);
	struct str xml = written(&message, *state);

	for (size_t n = 0; n < 400; n++) {
		struct arena *arena = arena_new(64U << 20);
		struct hl7v3_message again;
		struct outcome outcome;

		outcome_init(&outcome);
		arena_fail_at(arena, n);
		if (!hl7v3_read(xml, arena, &again, &outcome))
			assert_int_equal(outcome.issues[0].code, ERR_NO_MEMORY);
		else
			assert_false(arena_failed(arena));
		arena_free(arena);
	}
}

static bool shared_path(const char *name, char path[600])
{
	const char *shared = getenv("PASSERELLE_SHARED");
	struct stat info;

	snprintf(path, 600, "%s/xds/%s", shared ? shared : TEST_SOURCE_DIR "/../shared", name);
	if (stat(path, &info) == 0)
		return true;
	print_message("SKIPPED: %s is not there (set PASSERELLE_SHARED)\n", path);
	return false;
}

/* xmllint's exit status for these files. */
static int xmllint(const char *schema, char paths[][128], size_t count)
{
	const char *arguments[32] = { "xmllint", "--noout", "--nonet", "--schema", schema };
	pid_t child;
	int status = 127;

	for (size_t i = 0; i < count; i++)
		arguments[5 + i] = paths[i];
	assert_int_equal(posix_spawnp(&child, "xmllint", NULL, NULL, (char *const *)(uintptr_t)arguments, environ), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

static void test_written_is_valid(void **state)
{
	char schema[600];
	char paths[24][128];
	size_t count = 0;

	if (!shared_path("schema/hl7v3-soap.xsd", schema))
		return;
	for (enum hl7v3_kind kind = HL7V3_PIX_QUERY; kind <= HL7V3_ACK; kind++) {
		struct patient empty = { .match_percent = -1, .identifiers = { ids, 1 }, .is_inactive = true };
		struct patient whole = whole_patient();

		/* with everything, with next to nothing, and between communities */
		for (int bare = 0; bare < (kind == HL7V3_PDQ_QUERY || kind == HL7V3_PDQ_ANSWER ? 3 : 2); bare++) {
			struct hl7v3_message message =
				bare == 2 ? discovery(kind, &whole) : sample(kind, bare ? &empty : &whole);
			struct patient_identities asked = message.query.identifiers;

			if (bare == 1) {
				message.query = PATIENT_QUERY_NONE;
				message.query.identifiers = asked;
				message.sender = STR_NONE;
				message.receiver = STR_NONE;
				message.detail_count = 0;
				if (kind == HL7V3_PIX_ANSWER || kind == HL7V3_PDQ_ANSWER)
					message.patients.count = 0;
			}
			struct str xml = written(&message, *state);

			snprintf(paths[count], sizeof paths[0], "/tmp/passerelle-hl7v3-%ld-%zu.xml", (long)getpid(),
				 count);
			int descriptor = open(paths[count++], O_WRONLY | O_CREAT | O_TRUNC, 0600);

			assert_true(write(descriptor, xml.data, xml.size) == (ssize_t)xml.size);
			close(descriptor);
		}
	}
	int status = xmllint(schema, paths, count);

	for (size_t i = 0; i < count; i++)
		unlink(paths[i]);
	assert_int_equal(status, 0);
}

static struct str file_text(const char *path, struct arena *arena)
{
	struct stat info;
	int descriptor = open(path, O_RDONLY);
	char *text;

	assert_true(descriptor >= 0 && fstat(descriptor, &info) == 0);
	text = arena_alloc(arena, (size_t)info.st_size + 1);
	assert_true(read(descriptor, text, (size_t)info.st_size) == info.st_size);
	close(descriptor);
	return (struct str) { text, (size_t)info.st_size };
}

static const struct hl7v3_message *public_message(const char *name, struct arena *arena)
{
	char path[600];
	char full[200];

	snprintf(full, sizeof full, "messages/%s", name);
	return shared_path(full, path) ? read_good(file_text(path, arena), arena) : NULL;
}

static void test_public_pix(void **state)
{
	const struct hl7v3_message *message = public_message("pix-v3/iti-45-request.xml", *state);

	if (!message)
		return;
	assert_int_equal(message->kind, HL7V3_PIX_QUERY);
	assert_str(message->id.extension, "1694523036420");
	assert_str(message->query_id.extension, "1694523036421");
	assert_str(message->query.identifiers.items[0].value, "900010");
	assert_int_equal(message->query.domains.count, 2);
	const struct hl7v3_message *answer = public_message("pix-v3/iti-45-response.xml", *state);
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(hl7v3_answers(answer, HL7V3_PIX_ANSWER, message, &outcome));
	assert_str(answer->query_code, "OK");
	assert_int_equal(answer->patients.items[0].identifiers.count, 2);
	assert_str(answer->patients.items[0].identifiers.items[1].value, "761337610435209810");
	assert_int_equal(answer->patients.items[0].name_count, 0);

	message = public_message("pix-v3/iti-45-request-body-unknown-authority.xml", *state);
	assert_str(message->query.identifiers.items[0].value, "ABC10503");
	message = public_message("pix-v3/iti-44-request.xml", *state);
	assert_int_equal(message->kind, HL7V3_ADD);
	assert_int_equal(message->patients.items[0].identifiers.count, 2);
	assert_str(message->patients.items[0].names[0].family, "Muster");
	assert_str(message->patients.items[0].names[1].family, "Tauxe");
	assert_str(message->patients.items[0].names[1].use, "maiden");
	assert_str(message->patients.items[0].birth_date, "1960-06-18");
	assert_str(message->patients.items[0].gender, "female");
	assert_str(message->patients.items[0].addresses[0].line, "Imfeldstrasse 24b");
	message = public_message("pix-v3/iti-44-request-body-merge.xml", *state);
	assert_int_equal(message->kind, HL7V3_MERGE);
	assert_str(message->subsumed.value, "120-02");
	assert_str(message->patients.items[0].identifiers.items[0].value, "120-01");
	message = public_message("pix-v3/iti-44-response.xml", *state);
	assert_int_equal(message->kind, HL7V3_ACK);
	assert_str(message->ack_code, "CA");
}

static void test_public_pdq(void **state)
{
	const struct hl7v3_message *message = public_message("pdq-v3/iti-47-request.xml", *state);

	if (!message)
		return;
	assert_int_equal(message->kind, HL7V3_PDQ_QUERY);
	assert_int_equal(message->query.domains.count, 2);
	assert_str(message->query.identifiers.items[0].value, "08242eb8-dd47-4298-8d2f-25d60114f137");
	message = public_message("pdq-v3/iti-47-response.xml", *state);
	assert_int_equal(message->patients.count, 1);
	assert_int_equal(message->patients.items[0].match_percent, 100);
	assert_str(message->patients.items[0].names[0].given, "Dylan Jose");
	assert_str(message->patients.items[0].addresses[0].line, "Ruelle de la Tour");
	assert_str(message->patients.items[0].addresses[0].use, "home");
	message = public_message("pdq-v3/iti-47-response-body-many.xml", *state);
	assert_true(message->patients.count > 5);
	assert_int_equal(message->patients.items[0].match_percent, 50);
	assert_str(message->patients.items[0].names[0].use, "official");
	assert_str(message->patients.items[0].telecoms[0].value, "089/2356395");
	message = public_message("pdq-v3/iti-47-response-body-empty.xml", *state);
	assert_int_equal(message->patients.count, 0);
	assert_str(message->query.family, "Jones");
	assert_true(message->query.name_is_exact);
	assert_str(message->query.birth_to, "1963-08-04");
	assert_int_equal(message->query.count_max, 2);
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
		cmocka_unit_test_setup_teardown(test_round_trip, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_discovery_round_trip, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_048_custodians, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_no_memory, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_written_is_valid, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_public_pix, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_public_pdq, open_arena, close_arena),
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
