/* ITI-44, ITI-45, ITI-47 and ITI-55: the transactions of the identity manager. */
#include "gateway/domain/domain_state.h"
#include "gateway/domain/identity_manager.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"

/* One message and its answer on their way. */
struct identity_work {
	struct domain *domain;
	struct arena *arena;
	struct hl7v3_message question;
	struct hl7v3_message reply;
	struct identity_refusal refusal;
	struct hl7v3_detail detail; /* of the reply */
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

/* Reads the question; a message that is none of these kinds, or not the one of its action, is a fault. */
static bool question_read(struct identity_work *work, struct soap_request *request, struct outcome *outcome)
{
	struct str action = str_without_prefix(request->message.head.action, STR(HL7V3_ACTION_PREFIX));

	work->arena = request->arena;
	if (!hl7v3_read(request->root, request->arena, &work->question, outcome))
		return false;
	if (str_ends_with(action, STR(HL7V3_DISCOVERY_SUFFIX)))
		action.size -= strlen(HL7V3_DISCOVERY_SUFFIX);
	if (!str_equal(action, hl7v3_root_name(work->question.kind)))
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Let wsa:Action and the message agree.");
	if (work->question.id.root.size == 0)
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Give the message an id.");
	return true;
}

/* What every answer begins with. */
static bool reply_begin(struct identity_work *work, enum hl7v3_kind kind, struct outcome *outcome)
{
	const struct hl7v3_message *question = &work->question;
	unsigned char random[16];
	char urn[UUID_URN_SIZE];
	char now[XDS_TIME_SIZE];

	random_bytes(random, sizeof random);
	uuid_format(random, urn);
	xds_time_from_unix(clock_wall_ms() / 1000, now);
	work->reply =
		(struct hl7v3_message) { .kind = kind,
					 .id = { arena_copy(work->arena, str_from(str_from_c(urn), 9)), STR_NONE },
					 .created = arena_copy(work->arena, str_from_c(now)),
					 .receiver = question->sender,
					 .sender = work->domain->repository_unique_id,
					 .target = question->id,
					 .query_id = question->query_id,
					 .query = question->query };
	return (work->reply.id.root.data && work->reply.created.data) || no_memory(outcome);
}

/* Writes the answer: AA (of a feed CA) with what was found, or AE (CE) with what is wrong and where. */
static bool reply_send(struct identity_work *work, struct soap_request *request, struct soap_answer *answer,
		       struct outcome *outcome)
{
	struct hl7v3_message *reply = &work->reply;
	const struct identity_refusal *refusal = &work->refusal;
	bool is_feed = reply->kind == HL7V3_ACK;

	reply->ack_code = is_feed ? STR("CA") : STR("AA");
	reply->query_code = reply->patients.count + reply->requests.count > 0 ? STR("OK") : STR("NF");
	if (refusal->code || reply->problem.size > 0) {
		reply->ack_code = is_feed ? STR("CE") : STR("AE");
		reply->query_code = STR("AE");
	}
	if (refusal->code) {
		work->detail =
			(struct hl7v3_detail) { .code = str_from_c(refusal->code),
						.location = arena_printf(work->arena, "/%.*s%s",
									 STR_ARG(hl7v3_root_name(work->question.kind)),
									 refusal->location),
						.text = str_from_c(refusal->text) };
		if (!work->detail.location.data)
			return no_memory(outcome);
		reply->details = &work->detail;
		reply->detail_count = 1;
		LOG(WARN, LOG_DOMAIN_EVENT, request->http->trace.span_id, LOG_C("what", "identity message refused"),
		    LOG_TEXT("message", hl7v3_root_name(work->question.kind)), LOG_C("code", refusal->code),
		    LOG_C("location", refusal->location));
	}
	hl7v3_write(soap_answer_writer(answer), reply);
	return true;
}

static bool feed_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct identity_work *work = context;

	return identity_feed_apply(connection, work->domain->rules.patients, &work->question, work->arena,
				   &work->refusal, outcome);
}

static bool check_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct identity_work *work = context;

	return identity_merge_check(connection, work->domain->rules.patients, &work->question, work->arena,
				    &work->refusal, outcome);
}

/* Before the documents of one patient become another's, the Consents do. One merge at a time: nothing else could make
 * the check untrue before the merge is done. */
static bool merge_prepare(struct identity_work *work, const struct soap_request *request, struct outcome *outcome)
{
	const struct patient_identity *surviving = &work->question.patients.items[0].identifiers.items[0];
	struct domain *domain = work->domain;
	struct str survivor = identity_patient_id(surviving, work->arena);
	struct str subsumed = identity_patient_id(&work->question.subsumed, work->arena);

	if (!survivor.data || !subsumed.data)
		return no_memory(outcome);
	if (!database_read(domain->database, check_work, work, outcome))
		return false;
	if (work->refusal.code || !domain->consents ||
	    !str_equal(surviving->authority, patients_authority(domain->rules.patients)))
		return true;
	return consent_directory_merge(domain->consents, survivor, subsumed, request->http->deadline, outcome);
}

/* Stores what is fed. False when nothing was stored: the refusal is set, or outcome says why. */
static bool feed_store(struct identity_work *work, const struct soap_request *request, struct outcome *outcome)
{
	bool is_merge = work->question.kind == HL7V3_MERGE;
	bool good;

	if (is_merge)
		pthread_mutex_lock(&work->domain->merge_lock);
	good = (!is_merge || merge_prepare(work, request, outcome)) && !work->refusal.code &&
	       database_write(work->domain->database, feed_work, work, outcome);
	if (is_merge)
		pthread_mutex_unlock(&work->domain->merge_lock);
	return good;
}

bool identity_feed_message(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct identity_work work = { .domain = ctx };

	if (!question_read(&work, request, outcome) || !reply_begin(&work, HL7V3_ACK, outcome))
		return false;
	if (!feed_store(&work, request, outcome) && !work.refusal.code) {
		if (!outcome->has_error)
			outcome_add(outcome, ERR_INTERNAL, "", "Report this: a feed failed without a reason.");
		return false;
	}
	if (!work.refusal.code)
		LOG(INFO, LOG_DOMAIN_EVENT, request->http->trace.span_id, LOG_C("what", "identity fed"),
		    LOG_TEXT("message", hl7v3_root_name(work.question.kind)));
	return reply_send(&work, request, answer, outcome);
}

static bool pix_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct identity_work *work = context;
	struct patient *patient = arena_alloc(work->arena, sizeof *patient);

	if (!patient)
		return no_memory(outcome);
	*patient = (struct patient) { .match_percent = -1 };
	if (!identity_pix(connection, work->domain->rules.patients, &work->question.query, work->arena,
			  &patient->identifiers, &work->refusal, outcome))
		return false;
	work->reply.patients = (struct patient_list) { .items = patient, .count = patient->identifiers.count > 0 };
	return true;
}

static bool pdq_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct identity_work *work = context;

	return identity_pdq(connection, work->domain->rules.patients, &work->question.query, work->arena,
			    &work->reply.patients, &work->refusal, outcome);
}

static bool query_answer(struct identity_work *work, enum hl7v3_kind kind, database_work run,
			 struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	return question_read(work, request, outcome) && reply_begin(work, kind, outcome) &&
	       database_read(work->domain->database, run, work, outcome) && reply_send(work, request, answer, outcome);
}

bool identity_pix_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct identity_work work = { .domain = ctx };

	return query_answer(&work, HL7V3_PIX_ANSWER, pix_work, request, answer, outcome);
}

bool identity_pdq_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct identity_work work = { .domain = ctx };

	return query_answer(&work, HL7V3_PDQ_ANSWER, pdq_work, request, answer, outcome);
}

/* Several who fit are told apart by the asker, or by nobody. ITI TF-2 3.55.4.2.3 cases 1, 3, 4 and 5 */
static bool discovery_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct identity_work *work = context;
	struct identity_discovery discovery;

	if (!identity_discover(connection, work->domain->rules.patients, &work->question.query, work->arena, &discovery,
			       &work->refusal, outcome))
		return false;
	work->reply.patients = discovery.patients;
	work->reply.requests = discovery.requests;
	if (discovery.is_hopeless)
		work->reply.problem = STR(HL7V3_ANSWER_UNAVAILABLE);
	return true;
}

bool identity_discovery(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	struct identity_work work = { .domain = ctx };
	struct str home = str_without_prefix(work.domain->rules.home_community_id, STR("urn:oid:"));

	if (!question_read(&work, request, outcome) || !reply_begin(&work, HL7V3_PDQ_ANSWER, outcome))
		return false;
	work.reply.sender_home = home;
	work.reply.receiver_home = work.question.sender_home;
	if (work.question.receiver_home.size > 0 && !str_equal(work.question.receiver_home, home)) {
		work.refusal = (struct identity_refusal) { HL7V3_UNKNOWN_KEY,
							   "/receiver/device/asAgent/representedOrganization/id/@root",
							   "This is the gateway of another community." };
		return reply_send(&work, request, answer, outcome);
	}
	return database_read(work.domain->database, discovery_work, &work, outcome) &&
	       reply_send(&work, request, answer, outcome);
}
