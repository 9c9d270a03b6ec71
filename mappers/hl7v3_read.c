/* One SAX2 pass. A stack of known elements says where we are; what profiles/hl7v3/message.def does not know at a place is
 * skipped whole. */
#include "mappers/hl7v3_read.h"

#include "mappers/hl7v3_words.h"
#include "mappers/xml_sax.h"

#define NS_SOAP        "http://www.w3.org/2003/05/soap-envelope"
#define DEPTH_MAX      64
#define TEXT_BYTES_MAX (16 << 10) /* of one name part or location */
#define PARENTS_MAX    4

enum { STRUCTURE, TEXT };

static const struct {
	const char *local;
	bool has_text;
	unsigned char parents[PARENTS_MAX];
} elements[V3_COUNT] = {
#define V3(name, local, text, ...) [V3_##name] = { local, text, { V3_PARENTS(__VA_ARGS__) } },
#include "profiles/hl7v3/message.def"
#undef V3
};

static enum v3_element element_find(enum v3_element parent, const char *local)
{
	for (size_t i = 0; i < V3_COUNT; i++) {
		for (size_t k = 0; k < PARENTS_MAX && elements[i].parents[k] != V3_NOTHING; k++) {
			if (elements[i].parents[k] == parent && strcmp(elements[i].local, local) == 0)
				return (enum v3_element)i;
		}
	}
	return V3_OTHER;
}

/* --- the frame of a message --- */

static bool begin_root(struct v3_reader *reader, const char *local)
{
	if (reader->has_root)
		return v3_malformed(reader, "Send one message, not several.");
	reader->has_root = true;
	reader->message->kind = hl7v3_kind_of(str_from_c(local));
	return true;
}

static bool begin_detail(struct v3_reader *reader)
{
	struct hl7v3_message *message = reader->message;

	if (message->detail_count == HL7V3_DETAILS_MAX)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Send at most %d details of an error.",
				   HL7V3_DETAILS_MAX);
	if (!arena_grow(reader->arena, &message->details, message->detail_count, &reader->detail_capacity,
			sizeof *message->details))
		return v3_no_memory(reader);
	message->details[message->detail_count++] = (struct hl7v3_detail) { 0 };
	return true;
}

/* --- what another community says --- */

/* Whose registration this is. One that is said to be two communities' is nobody's. */
static bool begin_custodian(struct v3_reader *reader)
{
	struct hl7v3_ii ii;

	if (!v3_ii_read(reader, &ii))
		return false;
	if (!reader->event_patient)
		return true;
	reader->patient->custodian =
		reader->patient->custodian.data && !str_equal(reader->patient->custodian, ii.root) ? STR("") : ii.root;
	return true;
}

static bool begin_reason(struct v3_reader *reader, enum v3_element element)
{
	struct hl7v3_message *message = reader->message;
	struct str code;

	if (!v3_attribute(reader, "code", &code))
		return false;
	if (element == V3_MANAGEMENT_CODE) {
		if (!message->problem.data)
			message->problem = code;
		return true;
	}
	if (code.size == 0 || message->requests.count == HL7V3_REQUESTS_MAX)
		return true;
	return v3_word_add(reader, &message->requests, &reader->request_capacity, code);
}

static bool begin_community(struct v3_reader *reader, enum v3_element element)
{
	struct hl7v3_message *message = reader->message;
	struct hl7v3_ii home = { 0 };

	switch ((int)element) {
	case V3_RECEIVER_HOME:
	case V3_SENDER_HOME:
		if (!v3_ii_read(reader, &home))
			return false;
		*(element == V3_RECEIVER_HOME ? &message->receiver_home : &message->sender_home) = home.root;
		return true;
	case V3_EVENT:
		reader->event_patient = false;
		return true;
	case V3_CUSTODIAN_ID:
		return begin_custodian(reader);
	case V3_ORDER_CODE:
	case V3_MANAGEMENT_CODE:
		return begin_reason(reader, element);
	default:
		return true;
	}
}

/* Any element begins. */
static bool begin_element(struct v3_reader *reader, enum v3_element element)
{
	struct hl7v3_message *message = reader->message;
	struct hl7v3_ii device = { 0 };

	switch ((int)element) {
	case V3_MESSAGE_ID:
		return v3_ii_read(reader, &message->id);
	case V3_CREATION_TIME:
		return v3_attribute(reader, "value", &message->created);
	case V3_RECEIVER_ID:
	case V3_SENDER_ID:
		if (!v3_ii_read(reader, &device))
			return false;
		*(element == V3_RECEIVER_ID ? &message->receiver : &message->sender) = device.root;
		return true;
	case V3_ACK_TYPE:
		return v3_attribute(reader, "code", &message->ack_code);
	case V3_ACK_TARGET_ID:
		return v3_ii_read_once(reader, &message->target);
	case V3_DETAIL:
		return begin_detail(reader);
	case V3_DETAIL_CODE:
		return v3_attribute(reader, "code", &message->details[message->detail_count - 1].code);
	case V3_QUERY_ACK_ID:
		reader->has_query_ack_id = true;
		return v3_ii_read_once(reader, &message->query_id);
	case V3_QUERY_ID:
		return v3_ii_read_once(reader, &message->query_id);
	case V3_QUERY_CODE:
		return v3_attribute(reader, "code", &message->query_code);
	case V3_REMAINING:
		return v3_number_read(reader, &message->patients.remaining);
	default:
		return begin_community(reader, element) && v3_asked_part(reader, element) &&
		       v3_patient_part(reader, element) && v3_person_part(reader, element);
	}
}

/* --- the walk --- */

static enum v3_element element_of(struct v3_reader *reader, enum v3_element parent, const char *local, const char *uri)
{
	bool is_v3 = uri && strcmp(uri, HL7V3_NAMESPACE) == 0;

	if (uri && strcmp(uri, NS_SOAP) == 0) {
		if (parent == V3_NOTHING && strcmp(local, "Envelope") == 0)
			return V3_ENVELOPE;
		return parent == V3_ENVELOPE && strcmp(local, "Body") == 0 ? V3_BODY : V3_OTHER;
	}
	if (!is_v3)
		return V3_OTHER;
	if (parent == V3_NOTHING || parent == V3_BODY)
		return V3_ROOT;
	enum v3_element element = element_find(parent, local);

	if (element == V3_OTHER && parent == V3_PARAMETERS)
		reader->message->query.has_unknown = true;
	return element;
}

static bool on_begin(void *ctx, const char *local, const char *uri, const unsigned char **raw, size_t count)
{
	struct v3_reader *reader = ctx;
	enum v3_element parent = reader->depth ? reader->stack[reader->depth - 1] : V3_NOTHING;
	enum v3_element element = reader->skipped ? V3_OTHER : element_of(reader, parent, local, uri);

	if (reader->depth == DEPTH_MAX)
		return v3_malformed(reader, "Send elements that are nested less deeply.");
	reader->stack[reader->depth++] = element;
	if (reader->skipped)
		return true;
	if (element == V3_OTHER) {
		reader->skipped = reader->depth;
		return true;
	}
	reader->attributes = raw;
	reader->attribute_count = count;
	if (element == V3_ROOT)
		return begin_root(reader, local);
	if (element >= V3_COUNT)
		return true;
	if (elements[element].has_text)
		buf_clear(&reader->text);
	return begin_element(reader, element);
}

static bool on_end(void *ctx)
{
	struct v3_reader *reader = ctx;
	enum v3_element element = reader->stack[--reader->depth];

	if (reader->skipped) {
		if (reader->skipped == reader->depth + 1)
			reader->skipped = 0;
		return true;
	}
	if (element >= V3_COUNT)
		return true;
	if (!elements[element].has_text) {
		v3_asked_end(reader, element);
		return v3_patient_end(reader, element) && v3_person_end(reader, element);
	}
	if (reader->text.failed)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Send shorter values.");
	struct str text = arena_copy(reader->arena, str_trim(buf_str(&reader->text)));

	if (!text.data)
		return v3_no_memory(reader);
	if (element != V3_DETAIL_LOCATION)
		return v3_person_text(reader, element, text);
	struct hl7v3_detail *detail = &reader->message->details[reader->message->detail_count - 1];

	if (!detail->location.data)
		detail->location = text;
	return true;
}

static bool on_text(void *ctx, struct str text)
{
	struct v3_reader *reader = ctx;
	enum v3_element element = reader->depth ? reader->stack[reader->depth - 1] : V3_NOTHING;

	if (!reader->skipped && element < V3_COUNT && elements[element].has_text)
		buf_add(&reader->text, text);
	return true;
}

static bool is_feed(enum hl7v3_kind kind)
{
	return kind == HL7V3_ADD || kind == HL7V3_REVISE || kind == HL7V3_MERGE;
}

/* What must be there, whoever wrote it. */
static bool finish(struct v3_reader *reader)
{
	struct hl7v3_message *message = reader->message;

	if (!reader->has_root)
		return v3_malformed(reader, "Send an HL7 V3 message.");
	if (is_feed(message->kind) &&
	    (message->patients.count == 0 || message->patients.items[0].identifiers.count == 0))
		return v3_malformed(reader, "Send one patient with an identifier: root and extension.");
	if (message->kind == HL7V3_PIX_QUERY && message->query.identifiers.count != 1)
		return v3_malformed(reader, "Ask with one patientIdentifier: root and extension.");
	if (message->kind == HL7V3_MERGE) {
		if (reader->prior.count != 1)
			return v3_malformed(reader, "Name one replaced identifier: priorRegisteredRole with one id.");
		message->subsumed = reader->prior.items[0];
	}
	/* An answer that names its query only by echo has not acknowledged it. */
	if ((message->kind == HL7V3_PIX_ANSWER || message->kind == HL7V3_PDQ_ANSWER) && !reader->has_query_ack_id)
		message->query_id = (struct hl7v3_ii) { 0 };
	return true;
}

bool hl7v3_read(struct str xml, struct arena *arena, struct hl7v3_message *message, struct outcome *outcome)
{
	static const struct xml_handler handler = { on_begin, on_end, on_text, NULL };
	struct v3_reader *reader = arena_alloc(arena, sizeof *reader);
	bool good;

	*message = (struct hl7v3_message) { .query = PATIENT_QUERY_NONE };
	if (!reader)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	reader->arena = arena;
	reader->message = message;
	reader->outcome = outcome;
	buf_init(&reader->text, TEXT_BYTES_MAX);
	good = xml_sax_read(xml, &xml_limits_default, &handler, reader, outcome) && finish(reader);
	buf_free(&reader->text);
	return good;
}
