#include "gateway/south/hl7v3_exchange.h"

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"

static void message_write(struct xml_writer *writer, const void *body)
{
	hl7v3_write(writer, body);
}

/* A new UUID without its prefix. */
static struct str uuid_new(struct arena *arena)
{
	unsigned char random[16];
	char urn[UUID_URN_SIZE];

	random_bytes(random, sizeof random);
	uuid_format(random, urn);
	return arena_copy(arena, str_from(str_from_c(urn), strlen("urn:uuid:")));
}

bool hl7v3_question_begin(struct hl7v3_message *question, enum hl7v3_kind kind, const struct south *south,
			  const struct hl7v3_peer *peer, struct outcome *outcome)
{
	char now[XDS_TIME_SIZE];

	xds_time_from_unix(clock_wall_ms() / 1000, now);
	*question = (struct hl7v3_message) { .kind = kind,
					     .id = { .root = uuid_new(south->arena) },
					     .created = arena_copy(south->arena, str_from_c(now)),
					     .receiver = peer->receiver,
					     .sender = peer->sender,
					     .query_id = { .root = uuid_new(south->arena) },
					     .query = PATIENT_QUERY_NONE };
	return (question->id.root.data && question->created.data && question->query_id.root.data) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

bool hl7v3_is_accepted(struct str code)
{
	return str_equal(code, STR("AA")) || str_equal(code, STR("CA"));
}

/* A question on its way, and the answer that is wanted. */
struct exchange {
	const struct south *south;
	const struct hl7v3_message *question;
	enum hl7v3_kind kind;
	struct hl7v3_message *answer;
	bool is_ours; /* the answer was read, and belongs to the question */
	struct outcome *outcome;
};

static bool answer_read(void *ctx, struct str text)
{
	struct exchange *exchange = ctx;
	struct outcome reading;

	outcome_init(&reading);
	if (hl7v3_read(text, exchange->south->arena, exchange->answer, &reading))
		exchange->is_ours =
			hl7v3_answers(exchange->answer, exchange->kind, exchange->question, exchange->outcome);
	else
		outcome_add(exchange->outcome,
			    reading.issues[0].code == ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_BACKEND_ANSWER, "",
			    "The identity manager's answer was not understood (%s); report it to its operator.",
			    reading.issues[0].text);
	return exchange->is_ours && hl7v3_is_accepted(exchange->answer->ack_code);
}

bool hl7v3_ask(const struct south *south, const struct hl7v3_peer *peer, const struct hl7v3_message *question,
	       enum hl7v3_kind kind, struct hl7v3_message *answer, struct outcome *outcome)
{
	struct xds_message message;
	struct exchange exchange = { south, question, kind, answer, false, outcome };
	struct str action = arena_printf(south->arena, HL7V3_ACTION_PREFIX "%.*s%s",
					 STR_ARG(hl7v3_root_name(question->kind)), peer->action_suffix);
	struct soap_call request = { .url = peer->url,
				     .action = action,
				     .write_body = message_write,
				     .body = question,
				     .read = answer_read,
				     .read_ctx = &exchange };

	if (!action.data)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (soap_exchange(south, &request, &message, outcome) != SOAP_ANSWERED)
		return false;
	if (message.kind != HL7V3_BODY)
		return outcome_add(outcome, ERR_BACKEND_ANSWER, "",
				   "The identity manager answered with another kind of message; check the addresses "
				   "configured for it.");
	return exchange.is_ours;
}

void hl7v3_refusal_log(const struct south *south, const struct hl7v3_message *answer)
{
	const struct hl7v3_detail none = { 0 };
	const struct hl7v3_detail *detail = answer->detail_count > 0 ? &answer->details[0] : &none;

	/* The location may hold an identifier in a predicate: it stays out of the log. */
	LOG(WARN, LOG_SOUTH_ERROR, south->request_id, LOG_TEXT("backend", south->backend->name),
	    LOG_TEXT("acknowledgement", answer->ack_code), LOG_TEXT("query", answer->query_code),
	    LOG_TEXT("detail", detail->code), LOG_TEXT("problem", answer->problem));
}
