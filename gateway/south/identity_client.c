#include "gateway/south/identity_client.h"

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/hl7v3.h"

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

/* What every message of ours begins with. False without memory. */
static bool question_begin(struct hl7v3_message *question, enum hl7v3_kind kind, const struct south *south,
			   const struct identity_service *service, struct outcome *outcome)
{
	char now[XDS_TIME_SIZE];

	xds_time_from_unix(clock_wall_ms() / 1000, now);
	*question = (struct hl7v3_message) { .kind = kind,
					     .id = { .root = uuid_new(south->arena) },
					     .created = arena_copy(south->arena, str_from_c(now)),
					     .receiver = service->receiver,
					     .sender = service->sender,
					     .query_id = { .root = uuid_new(south->arena) },
					     .query = PATIENT_QUERY_NONE };
	return (question->id.root.data && question->created.data && question->query_id.root.data) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool is_accepted(struct str code)
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
	return exchange->is_ours && is_accepted(exchange->answer->ack_code);
}

/* Sends the question, and takes an answer of this kind that is ours. */
static bool ask(const struct south *south, const struct identity_service *service, const struct hl7v3_message *question,
		enum hl7v3_kind kind, struct hl7v3_message *answer, struct outcome *outcome)
{
	struct xds_message message;
	struct exchange exchange = { south, question, kind, answer, false, outcome };
	struct str action =
		arena_printf(south->arena, HL7V3_ACTION_PREFIX "%.*s", STR_ARG(hl7v3_root_name(question->kind)));
	struct soap_call request = { .url = service->url,
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

/* True when an XPath ends in, or goes through, this step: "dataSource" in ".../hl7:dataSource[1]/value/@root". */
static bool location_has(struct str location, const char *step)
{
	struct str name = str_from_c(step);

	for (size_t i = 0; i + name.size <= location.size; i++) {
		if (str_starts_with_nocase(str_from(location, i), name))
			return true;
	}
	return false;
}

/* What an error of a query is about, by where it is: the words for people are not read. ITI TF-2 3.45.4.2.3, 3.47.4.2.3 */
static enum identity_end error_end(const struct hl7v3_message *answer)
{
	for (size_t i = 0; i < answer->detail_count; i++) {
		struct str location = answer->details[i].location;

		if (location_has(location, "dataSource") || location_has(location, "otherIDsScopingOrganization"))
			return IDENTITY_UNKNOWN_TARGET;
		if (location_has(location, "patientIdentifier"))
			return location_has(location, "@root") || location_has(location, "value/root") ||
					       location_has(location, "assigningAuthority")
				       ? IDENTITY_UNKNOWN_SOURCE
				       : IDENTITY_UNKNOWN_ID;
	}
	return IDENTITY_FAILED;
}

static void error_log(const struct south *south, const struct hl7v3_message *answer)
{
	const struct hl7v3_detail none = { 0 };
	const struct hl7v3_detail *detail = answer->detail_count > 0 ? &answer->details[0] : &none;

	/* The location may hold an identifier in a predicate: it stays out of the log. */
	LOG(WARN, LOG_SOUTH_ERROR, south->request_id, LOG_TEXT("backend", south->backend->name),
	    LOG_TEXT("acknowledgement", answer->ack_code), LOG_TEXT("query", answer->query_code),
	    LOG_TEXT("detail", detail->code));
}

/* What a query's answer says: IDENTITY_OK for found and for nothing found. */
static enum identity_end query_end(const struct south *south, const struct hl7v3_message *answer,
				   struct outcome *outcome)
{
	bool is_error = str_equal(answer->ack_code, STR("AE")) || str_equal(answer->query_code, STR("AE"));
	enum identity_end end = IDENTITY_FAILED;

	if (is_accepted(answer->ack_code) &&
	    (str_equal(answer->query_code, STR("OK")) || str_equal(answer->query_code, STR("NF"))))
		return IDENTITY_OK;
	error_log(south, answer);
	if (is_error)
		end = error_end(answer);
	if (end == IDENTITY_FAILED)
		outcome_add(outcome, ERR_BACKEND_REFUSED, "",
			    "The identity manager did not answer the query; give its operator the id of this request.");
	return end;
}

/* The identifiers of the answer without the one that was asked with, and only of the domains asked for. */
static bool found_take(const struct south *south, const struct patient *patient, const struct patient_query *query,
		       struct patient_identities *found, struct outcome *outcome)
{
	found->items = arena_array(south->arena, patient->identifiers.count, sizeof *found->items);
	if (!found->items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	for (size_t i = 0; i < patient->identifiers.count; i++) {
		const struct patient_identity *identity = &patient->identifiers.items[i];
		bool is_wanted = query->domains.count == 0;

		for (size_t k = 0; k < query->domains.count && !is_wanted; k++)
			is_wanted = str_equal(identity->authority, query->domains.items[k]);
		if (is_wanted && !patient_identity_equal(identity, &query->identifiers.items[0]))
			found->items[found->count++] = *identity;
	}
	return true;
}

enum identity_end pix_query(const struct south *south, const struct identity_service *service,
			    const struct patient_identity *source, const struct strs *targets,
			    struct patient_identities *found, struct outcome *outcome)
{
	struct patient_identity asked = *source;
	struct hl7v3_message question;
	struct hl7v3_message answer = { .kind = HL7V3_OTHER };
	enum identity_end end;

	*found = (struct patient_identities) { 0 };
	if (!question_begin(&question, HL7V3_PIX_QUERY, south, service, outcome))
		return IDENTITY_FAILED;
	question.query.identifiers = (struct patient_identities) { &asked, 1 };
	question.query.domains = *targets;
	if (!ask(south, service, &question, HL7V3_PIX_ANSWER, &answer, outcome))
		return IDENTITY_FAILED;
	end = query_end(south, &answer, outcome);
	/* Some say NF and mean it; what such an answer carries is nothing. */
	if (end != IDENTITY_OK || str_equal(answer.query_code, STR("NF")) || answer.patients.count == 0)
		return end;
	return found_take(south, &answer.patients.items[0], &question.query, found, outcome) ? IDENTITY_OK
											     : IDENTITY_FAILED;
}

enum identity_end pdq_query(const struct south *south, const struct identity_service *service,
			    const struct patient_query *query, struct patient_list *list, struct outcome *outcome)
{
	struct hl7v3_message question;
	struct hl7v3_message answer = { .kind = HL7V3_OTHER };
	enum identity_end end;

	*list = (struct patient_list) { 0 };
	if (!question_begin(&question, HL7V3_PDQ_QUERY, south, service, outcome))
		return IDENTITY_FAILED;
	question.query = *query;
	if (!ask(south, service, &question, HL7V3_PDQ_ANSWER, &answer, outcome))
		return IDENTITY_FAILED;
	end = query_end(south, &answer, outcome);
	if (end == IDENTITY_OK && str_equal(answer.query_code, STR("OK")))
		*list = answer.patients;
	/* No question by traits has a source. */
	if (end != IDENTITY_UNKNOWN_ID && end != IDENTITY_UNKNOWN_SOURCE)
		return end;
	outcome_add(outcome, ERR_BACKEND_ANSWER, "",
		    "The identity manager refuses an identifier that it was not asked with; report it to its "
		    "operator.");
	return IDENTITY_FAILED;
}

/* What a refused feed is about. */
static enum identity_end refusal_end(const struct south *south, const struct hl7v3_message *answer,
				     struct outcome *outcome)
{
	error_log(south, answer);
	for (size_t i = 0; i < answer->detail_count; i++) {
		const struct hl7v3_detail *detail = &answer->details[i];

		if (str_equal(detail->code, STR(HL7V3_DUPLICATE_KEY))) {
			outcome_add(outcome, ERR_CONFLICT, "",
				    "This patient was merged into another before; feed the identifier that survived.");
			return IDENTITY_REFUSED;
		}
		if (str_equal(detail->code, STR(HL7V3_UNKNOWN_KEY)))
			return location_has(detail->location, "@root") ? IDENTITY_UNKNOWN_SOURCE : IDENTITY_UNKNOWN_ID;
	}
	outcome_add(outcome, ERR_BACKEND_REFUSED, "",
		    "The identity manager refused the patient; give its operator the id of this request.");
	return IDENTITY_REFUSED;
}

static enum identity_end feed(const struct south *south, const struct identity_service *service,
			      struct hl7v3_message *question, struct outcome *outcome)
{
	struct hl7v3_message answer = { .kind = HL7V3_OTHER };

	if (!ask(south, service, question, HL7V3_ACK, &answer, outcome))
		return IDENTITY_FAILED;
	return is_accepted(answer.ack_code) ? IDENTITY_OK : refusal_end(south, &answer, outcome);
}

enum identity_end identity_feed(const struct south *south, const struct identity_service *service,
				enum identity_feed kind, const struct patient *patient,
				const struct patient_identity *subsumed, struct outcome *outcome)
{
	static const enum hl7v3_kind kinds[] = {
		[IDENTITY_ADD] = HL7V3_ADD, [IDENTITY_REVISE] = HL7V3_REVISE, [IDENTITY_MERGE] = HL7V3_MERGE
	};
	struct patient fed = *patient;
	struct hl7v3_message question;

	if (!question_begin(&question, kinds[kind], south, service, outcome))
		return IDENTITY_FAILED;
	question.patients = (struct patient_list) { .items = &fed, .count = 1 };
	if (subsumed)
		question.subsumed = *subsumed;
	return feed(south, service, &question, outcome);
}

enum identity_end identity_unlink(const struct south *south, const struct identity_service *service,
				  const struct patient_identity *own, const struct patient_identity *other,
				  struct outcome *outcome)
{
	struct patient_identity identity = *own;
	struct patient_identity ended = *other;
	struct patient patient = { .identifiers = { &identity, 1 }, .match_percent = -1 };
	struct hl7v3_message question;

	if (!question_begin(&question, HL7V3_REVISE, south, service, outcome))
		return IDENTITY_FAILED;
	question.patients = (struct patient_list) { .items = &patient, .count = 1 };
	question.unlinked = (struct patient_identities) { &ended, 1 };
	return feed(south, service, &question, outcome);
}
