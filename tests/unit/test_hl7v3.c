/* HL7 V3 messages of patient identity: what is written reads the same and is valid by the public schema; real messages of
 * other systems are understood. */
#include "hl7v3_stand.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_discovery_round_trip, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_no_memory, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_written_is_valid, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_public_pix, open_arena, close_arena),
		cmocka_unit_test_setup_teardown(test_public_pdq, open_arena, close_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
