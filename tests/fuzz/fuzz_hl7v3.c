/* A SOAP envelope or bare HL7 V3 message: read; written again it must read the same. */
#include "fuzz.h"
#include "mappers/hl7v3.h"

static void same(struct str a, struct str b)
{
	if (!str_equal(a, b))
		abort(); /* a value changed on the way */
}

static void identities_same(const struct patient_identities *a, const struct patient_identities *b)
{
	if (a->count != b->count)
		abort(); /* an identifier was lost or made up */
	for (size_t i = 0; i < a->count; i++) {
		if (!patient_identity_equal(&a->items[i], &b->items[i]))
			abort();
	}
}

/* What decides whom an answer speaks of; the rest of a person may be put in order. */
static void messages_same(const struct hl7v3_message *a, const struct hl7v3_message *b)
{
	same(a->id.root, b->id.root);
	same(a->ack_code, b->ack_code);
	same(a->target.root, b->target.root);
	same(a->target.extension, b->target.extension);
	same(a->query_id.root, b->query_id.root);
	same(a->query_id.extension, b->query_id.extension);
	same(a->query_code, b->query_code);
	same(a->subsumed.value, b->subsumed.value);
	same(a->sender_home, b->sender_home);
	same(a->problem, b->problem);
	identities_same(&a->query.identifiers, &b->query.identifiers);
	identities_same(&a->unlinked, &b->unlinked);
	if (a->patients.count != b->patients.count || a->detail_count != b->detail_count)
		abort();
	for (size_t i = 0; i < a->patients.count; i++)
		identities_same(&a->patients.items[i].identifiers, &b->patients.items[i].identifiers);
}

static bool is_writable(const struct hl7v3_message *message)
{
	/* What has no root is written as unknown, and what only an envelope of another kind may carry not at all. */
	bool is_answer = message->kind == HL7V3_PIX_ANSWER || message->kind == HL7V3_PDQ_ANSWER;
	bool has_query = is_answer || message->kind == HL7V3_PIX_QUERY || message->kind == HL7V3_PDQ_QUERY;
	bool has_patients =
		message->kind != HL7V3_PIX_QUERY && message->kind != HL7V3_PDQ_QUERY && message->kind != HL7V3_ACK;

	return message->kind != HL7V3_OTHER && (message->kind != HL7V3_ACK || message->problem.size == 0) &&
	       (has_query || message->query.identifiers.count == 0) &&
	       (has_query || message->query_id.root.size == 0) &&
	       (message->query_id.root.size > 0 || message->query_id.extension.size == 0) &&
	       (message->target.root.size > 0 || message->target.extension.size == 0) &&
	       (is_answer || message->query_code.size == 0) &&
	       (is_answer || message->kind == HL7V3_ACK ||
		(message->ack_code.size == 0 && message->target.root.size == 0 && message->detail_count == 0)) &&
	       (has_patients || message->patients.count == 0) &&
	       (message->unlinked.count == 0 || (message->patients.count == 1 && message->kind != HL7V3_PIX_ANSWER)) &&
	       !(message->kind == HL7V3_PIX_QUERY && message->patients.count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str xml = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct hl7v3_message message;
	struct hl7v3_message again;
	struct xml_writer writer;
	struct outcome outcome;
	struct buf text;

	if (!arena)
		return 0;
	outcome_init(&outcome);
	buf_init(&text, FUZZ_TEXT_BYTES);
	if (!hl7v3_read(xml, arena, &message, &outcome)) {
		if (!outcome.has_error)
			abort(); /* refused without a reason */
	} else if (is_writable(&message)) {
		xml_writer_init(&writer, &text);
		hl7v3_write(&writer, &message);
		if (!xml_writer_finish(&writer, &outcome))
			abort(); /* what was read can be written */
		if (hl7v3_read(buf_str(&text), arena, &again, &outcome))
			messages_same(&message, &again);
		else if (!arena_failed(arena))
			abort();
	}
	buf_free(&text);
	arena_free(arena);
	return 0;
}
