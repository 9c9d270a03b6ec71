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

static bool malformed(struct v3_reader *reader, const char *text)
{
	return outcome_add(reader->outcome, ERR_BODY_MALFORMED, "", "%s", text);
}

bool v3_no_memory(struct v3_reader *reader)
{
	return outcome_add(reader->outcome, ERR_NO_MEMORY, "", "Retry later, or ask for less in one message.");
}

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

bool v3_attribute(struct v3_reader *reader, const char *name, struct str *value)
{
	for (size_t i = 0; i < reader->attribute_count; i++) {
		const unsigned char **raw = reader->attributes + 5 * i;

		if (raw[2] || strcmp((const char *)raw[0], name) != 0)
			continue;
		*value = arena_copy(reader->arena,
				    str_trim((struct str) { (const char *)raw[3], (size_t)(raw[4] - raw[3]) }));
		return value->data || v3_no_memory(reader);
	}
	*value = STR_NONE;
	return true;
}

static bool ii_read(struct v3_reader *reader, struct hl7v3_ii *ii)
{
	struct str null_flavor;

	if (!v3_attribute(reader, "nullFlavor", &null_flavor) || !v3_attribute(reader, "root", &ii->root) ||
	    !v3_attribute(reader, "extension", &ii->extension))
		return false;
	if (null_flavor.size > 0)
		*ii = (struct hl7v3_ii) { 0 };
	return true;
}

/* An id that must not be two different things in one message. */
static bool ii_read_once(struct v3_reader *reader, struct hl7v3_ii *ii)
{
	struct hl7v3_ii read;

	if (!ii_read(reader, &read))
		return false;
	if (ii->root.data && (!str_equal(ii->root, read.root) || !str_equal(ii->extension, read.extension)))
		return malformed(reader, "Send a message that names one query and one message only.");
	*ii = read;
	return true;
}

static bool identity_append(struct v3_reader *reader, struct patient_identity identity,
			    struct patient_identities *identities, size_t *capacity)
{
	for (size_t i = 0; i < identities->count; i++) {
		if (patient_identity_equal(&identities->items[i], &identity))
			return true;
	}
	if (identities->count == HL7V3_IDENTIFIERS_MAX)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Send at most %d identifiers of a patient.",
				   HL7V3_IDENTIFIERS_MAX);
	if (!arena_grow(reader->arena, &identities->items, identities->count, capacity, sizeof identity))
		return v3_no_memory(reader);
	identities->items[identities->count++] = identity;
	return true;
}

/* Adds the identifier of the open element. Without extension, or with a nullFlavor, it is none. */
static bool identity_add(struct v3_reader *reader, struct patient_identities *identities, size_t *capacity)
{
	struct hl7v3_ii ii;

	if (!ii_read(reader, &ii))
		return false;
	struct patient_identity identity = { .authority = ii.root, .value = ii.extension };

	return identity.authority.size == 0 || identity.value.size == 0 ||
	       identity_append(reader, identity, identities, capacity);
}

static bool number_read(struct v3_reader *reader, size_t *number)
{
	struct str value;
	uint64_t read;

	if (!v3_attribute(reader, "value", &value))
		return false;
	if (str_to_u64(value, &read) && read <= INT32_MAX)
		*number = (size_t)read;
	return true;
}

static bool percent_read(struct v3_reader *reader, int *percent)
{
	size_t number = SIZE_MAX;

	if (!number_read(reader, &number))
		return false;
	if (number <= 100)
		*percent = (int)number;
	return true;
}

/* --- the frame of a message --- */

static bool begin_root(struct v3_reader *reader, const char *local)
{
	if (reader->has_root)
		return malformed(reader, "Send one message, not several.");
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

static bool begin_patient(struct v3_reader *reader)
{
	struct hl7v3_message *message = reader->message;
	struct patient_list *patients = &message->patients;

	if (patients->count == 1 && message->kind != HL7V3_PDQ_ANSWER)
		return malformed(reader, "Send a message that speaks of one patient.");
	if (patients->count == PATIENT_QUERY_MATCHES_MAX)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Send at most %d patients in one answer.",
				   PATIENT_QUERY_MATCHES_MAX);
	if (!arena_grow(reader->arena, &patients->items, patients->count, &reader->patient_capacity,
			sizeof *patients->items))
		return v3_no_memory(reader);
	patients->items[patients->count] = (struct patient) { .match_percent = -1 };
	v3_person_begin(reader, &patients->items[patients->count++]);
	reader->event_patient = true;
	return true;
}

/* --- patients --- */

/* The role of asOtherIDs is over: its identifiers are no longer this patient's. */
static bool begin_other_status(struct v3_reader *reader)
{
	struct str code;

	if (!v3_attribute(reader, "code", &code))
		return false;
	reader->others_ended = str_equal(code, STR("terminated")) || str_equal(code, STR("cancelled")) ||
			       str_equal(code, STR("nullified"));
	return true;
}

static bool end_others(struct v3_reader *reader)
{
	for (size_t i = 0; i < reader->others.count; i++) {
		struct patient_identity identity = reader->others.items[i];
		bool good = reader->others_ended ? identity_append(reader, identity, &reader->message->unlinked,
								   &reader->unlinked_capacity)
						 : identity_append(reader, identity, &reader->patient->identifiers,
								   &reader->identifier_capacity);

		if (!good)
			return false;
	}
	return true;
}

static bool begin_patient_part(struct v3_reader *reader, enum v3_element element)
{
	struct patient *patient = reader->patient;
	struct patient_identities *prior = &reader->prior;
	struct str value;

	switch ((int)element) {
	case V3_PATIENT:
		return begin_patient(reader);
	case V3_PATIENT_ID:
		return identity_add(reader, &patient->identifiers, &reader->identifier_capacity);
	case V3_OTHER_IDS:
		reader->others.count = 0;
		reader->others_ended = false;
		return true;
	case V3_OTHER_ID:
		return identity_add(reader, &reader->others, &reader->others_capacity);
	case V3_OTHER_STATUS:
		return begin_other_status(reader);
	case V3_PRIOR_ID:
		return identity_add(reader, prior, &reader->prior_capacity);
	case V3_PATIENT_STATUS:
		if (!v3_attribute(reader, "code", &value))
			return false;
		patient->is_inactive =
			value.size > 0 && !str_equal(value, STR("active")) && !str_equal(value, STR("normal"));
		return true;
	case V3_MATCH_VALUE:
		return percent_read(reader, &patient->match_percent);
	default:
		return v3_person_part(reader, element);
	}
}

/* --- what is asked --- */

static bool word_add(struct v3_reader *reader, struct strs *words, size_t *capacity, struct str word)
{
	if (!arena_grow(reader->arena, &words->items, words->count, capacity, sizeof(struct str)))
		return v3_no_memory(reader);
	words->items[words->count++] = word;
	return true;
}

static bool domain_add(struct v3_reader *reader)
{
	struct strs *domains = &reader->message->query.domains;
	struct hl7v3_ii ii;

	if (!ii_read(reader, &ii))
		return false;
	if (ii.root.size == 0)
		return true;
	if (domains->count == HL7V3_IDENTIFIERS_MAX)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Name at most %d domains.",
				   HL7V3_IDENTIFIERS_MAX);
	return word_add(reader, domains, &reader->domain_capacity, ii.root);
}

/* A parameter given twice means one or the other, which this code cannot ask for. */
static void asked_twice(struct v3_reader *reader, bool is_set)
{
	if (is_set)
		reader->message->query.has_unknown = true;
}

static bool begin_birth(struct v3_reader *reader, enum v3_element element)
{
	struct patient_query *query = &reader->message->query;
	struct str value;

	if (element == V3_ASKED_BIRTH)
		asked_twice(reader, query->birth_from.data || query->birth_to.data);
	if (!v3_attribute(reader, "value", &value))
		return false;
	if (value.size == 0)
		return true;
	value = v3_date(value, reader->arena);
	if (!value.data)
		return v3_no_memory(reader);
	if (element != V3_ASKED_BIRTH_HIGH)
		query->birth_from = value;
	if (element != V3_ASKED_BIRTH_LOW)
		query->birth_to = value;
	return true;
}

static bool begin_asked(struct v3_reader *reader, enum v3_element element)
{
	struct patient_query *query = &reader->message->query;
	struct str value;

	switch ((int)element) {
	case V3_QUANTITY:
		return number_read(reader, &query->count_max);
	case V3_MINIMUM_VALUE:
		return percent_read(reader, &query->minimum_percent);
	case V3_ASKED_DOMAIN:
		return domain_add(reader);
	case V3_ASKED_ID:
		return identity_add(reader, &query->identifiers, &reader->asked_capacity);
	case V3_ASKED_GENDER:
		asked_twice(reader, query->gender.data);
		if (!v3_attribute(reader, "code", &value))
			return false;
		query->gender = v3_gender(value);
		return true;
	case V3_ASKED_BIRTH:
	case V3_ASKED_BIRTH_LOW:
	case V3_ASKED_BIRTH_HIGH:
		return begin_birth(reader, element);
	case V3_ASKED_TELECOM:
		asked_twice(reader, query->telecom.data);
		if (!v3_attribute(reader, "value", &value))
			return false;
		query->telecom = v3_telecom_value(value);
		return true;
	case V3_ASKED_NAME:
		asked_twice(reader, query->family.data || query->given.data);
		if (!v3_attribute(reader, "use", &value))
			return false;
		query->name_is_exact = !v3_has_word(value, STR("SRCH"));
		v3_name_begin(reader);
		return true;
	case V3_ASKED_MOTHER:
		asked_twice(reader, query->mothers_maiden_name.data);
		v3_name_begin(reader);
		return true;
	case V3_ASKED_ADDRESS:
		asked_twice(reader, reader->has_asked_address);
		reader->has_asked_address = true;
		reader->address = &query->address;
		return true;
	default:
		return begin_patient_part(reader, element);
	}
}

static void end_asked(struct v3_reader *reader, enum v3_element element)
{
	struct patient_query *query = &reader->message->query;

	if (element == V3_ASKED_NAME) {
		query->family = reader->name.family;
		query->given = reader->name.given;
	} else {
		query->mothers_maiden_name = reader->name.family;
	}
}

/* --- what another community says --- */

/* Whose registration this is. One that is said to be two communities' is nobody's. */
static bool begin_custodian(struct v3_reader *reader)
{
	struct hl7v3_ii ii;

	if (!ii_read(reader, &ii))
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
	return word_add(reader, &message->requests, &reader->request_capacity, code);
}

static bool begin_community(struct v3_reader *reader, enum v3_element element)
{
	struct hl7v3_message *message = reader->message;
	struct hl7v3_ii home = { 0 };

	switch ((int)element) {
	case V3_RECEIVER_HOME:
	case V3_SENDER_HOME:
		if (!ii_read(reader, &home))
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
		return begin_asked(reader, element);
	}
}

/* Any element begins. */
static bool begin_element(struct v3_reader *reader, enum v3_element element)
{
	struct hl7v3_message *message = reader->message;
	struct hl7v3_ii device = { 0 };

	switch ((int)element) {
	case V3_MESSAGE_ID:
		return ii_read(reader, &message->id);
	case V3_CREATION_TIME:
		return v3_attribute(reader, "value", &message->created);
	case V3_RECEIVER_ID:
	case V3_SENDER_ID:
		if (!ii_read(reader, &device))
			return false;
		*(element == V3_RECEIVER_ID ? &message->receiver : &message->sender) = device.root;
		return true;
	case V3_ACK_TYPE:
		return v3_attribute(reader, "code", &message->ack_code);
	case V3_ACK_TARGET_ID:
		return ii_read_once(reader, &message->target);
	case V3_DETAIL:
		return begin_detail(reader);
	case V3_DETAIL_CODE:
		return v3_attribute(reader, "code", &message->details[message->detail_count - 1].code);
	case V3_QUERY_ACK_ID:
		reader->has_query_ack_id = true;
		return ii_read_once(reader, &message->query_id);
	case V3_QUERY_ID:
		return ii_read_once(reader, &message->query_id);
	case V3_QUERY_CODE:
		return v3_attribute(reader, "code", &message->query_code);
	case V3_REMAINING:
		return number_read(reader, &message->patients.remaining);
	default:
		return begin_community(reader, element);
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
		return malformed(reader, "Send elements that are nested less deeply.");
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
	if (element == V3_ASKED_NAME || element == V3_ASKED_MOTHER) {
		end_asked(reader, element);
		return true;
	}
	if (element == V3_OTHER_IDS)
		return end_others(reader);
	if (!elements[element].has_text)
		return v3_person_end(reader, element);
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
		return malformed(reader, "Send an HL7 V3 message.");
	if (is_feed(message->kind) &&
	    (message->patients.count == 0 || message->patients.items[0].identifiers.count == 0))
		return malformed(reader, "Send one patient with an identifier: root and extension.");
	if (message->kind == HL7V3_PIX_QUERY && message->query.identifiers.count != 1)
		return malformed(reader, "Ask with one patientIdentifier: root and extension.");
	if (message->kind == HL7V3_MERGE) {
		if (reader->prior.count != 1)
			return malformed(reader, "Name one replaced identifier: priorRegisteredRole with one id.");
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
