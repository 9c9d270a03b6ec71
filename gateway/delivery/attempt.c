/* One attempt to deliver one item. Whatever ends it, a kill as well: the item is settled when it is known how it
 * ended, and until then the registry is asked before it is sent again. */
#include <limits.h>

#include "gateway/access/registered.h"
#include "gateway/delivery/attempt_permit.h"
#include "gateway/delivery/attempt_read.h"
#include "gateway/delivery/share.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/trace.h"
#include "mappers/base/uuid.h"
#include "mappers/json_writer.h"
#include "mappers/metadata_rim.h"
#include "mappers/operation_outcome.h"
#include "mappers/provide_bundle.h"

#define BYTES_PER_MS 256 /* of documents, as in soap_client.h */
#define RESULT_MAX   (OUTBOX_RESULT_MAX)

static bool has_metadata(const struct attempt *attempt)
{
	return publication_kind_facts(attempt->kind)->has_metadata;
}

/* Everything that is recorded of it is about the submission and its patient. */
static void trail_fill(const struct attempt *attempt)
{
	const struct submission_set *set = &attempt->metadata.submission_sets[0];
	struct audit_object object = { .type = STR("List"), .unique_id = set->unique_id, .is_main = true };

	audit_patient(attempt->trail, set->patient_id, STR_NONE);
	audit_object(attempt->trail, &object);
	for (size_t i = 0; i < attempt->metadata.document_entry_count; i++) {
		object = (struct audit_object) { .type = STR("DocumentReference"),
						 .unique_id = attempt->metadata.document_entries[i].unique_id };
		audit_object(attempt->trail, &object);
	}
}

/* About the document, as far as anybody knows; who works it out knows the patient. */
static void trail_fill_request(const struct attempt *attempt)
{
	const struct audit_object object = { .type = STR("DocumentReference"),
					     .reference = arena_printf(attempt->arena, "DocumentReference/%.*s",
								       STR_ARG(attempt->head.request.id)),
					     .is_main = true };

	audit_object(attempt->trail, &object);
}

static bool trail_open(struct attempt *attempt, const char *request_id, const char *traceparent)
{
	const struct audit_begin begin = { .kind = AUDIT_DELIVERED,
					   .request_id = str_from_c(request_id),
					   .traceparent = str_from_c(traceparent),
					   .arena = attempt->arena,
					   .deadline = deadline_in(ATTEMPT_ASK_MS) };

	if (!audit_begin(attempt->delivery->options.audit, &begin, &attempt->trail, &attempt->outcome))
		return false;
	audit_caller(attempt->trail, &attempt->head.caller);
	return true;
}

static bool trail_begin(struct attempt *attempt, const char *request_id, const char *traceparent)
{
	if (!trail_open(attempt, request_id, traceparent))
		return false;
	if (has_metadata(attempt))
		trail_fill(attempt);
	else
		trail_fill_request(attempt);
	return true;
}

/* Of what cannot be read only its Task is known, and perhaps who sent it. */
static bool trail_begin_unread(struct attempt *attempt, const char *request_id, const char *traceparent)
{
	struct audit_object object = { .type = STR("Task"), .is_main = true };
	char id[SEAL_ID_SIZE];
	uint8_t uuid[16];

	if (!uuid_read(str_from_c(attempt->claim->item.id), uuid) ||
	    !seal_id(attempt->delivery->options.seal, SEAL_TASK, 0, uuid, id))
		return false;
	object.reference = arena_printf(attempt->arena, "Task/%s", id);
	if (!object.reference.data || !trail_open(attempt, request_id, traceparent))
		return false;
	audit_object(attempt->trail, &object);
	return true;
}

static void south_begin(struct attempt *attempt, const char *request_id, const char *traceparent)
{
	const struct delivery_options *options = &attempt->delivery->options;

	attempt->south = (struct south) { .backend = attempt->target->backend,
					  .arena = attempt->arena,
					  .deadline = deadline_in(ATTEMPT_ASK_MS),
					  .spools = options->spools,
					  .request_id = request_id,
					  .insists = true,
					  .traceparent = traceparent,
					  .recorder = audit_recorder(attempt->trail),
					  .xua = options->xua,
					  .caller = &attempt->head.caller };
	if (has_metadata(attempt))
		attempt->south.patient_id = attempt->metadata.submission_sets[0].patient_id;
}

bool attempt_begin(struct attempt *attempt, const char *request_id, const char *traceparent)
{
	if (!trail_begin(attempt, request_id, traceparent))
		return false;
	south_begin(attempt, request_id, traceparent);
	return true;
}

static enum submission_found ask(struct attempt *attempt)
{
	static const char *const words[] = { [SUBMISSION_SAME] = "has it",
					     [SUBMISSION_OTHER] = "has another one",
					     [SUBMISSION_ABSENT] = "has it not",
					     [SUBMISSION_UNKNOWN] = "is silent" };
	enum submission_found found;

	attempt->south.deadline = deadline_in(ATTEMPT_ASK_MS);
	found = registered_submission(&attempt->south, attempt->target->home, &attempt->metadata);
	LOG(INFO, LOG_PUBLISH_UNCLEAR, attempt->south.request_id,
	    LOG_TEXT("submission_set", attempt->metadata.submission_sets[0].unique_id),
	    LOG_C("registry", words[found]));
	if (found == SUBMISSION_OTHER)
		outcome_add(&attempt->outcome, ERR_DUPLICATE, "",
			    "Another submission is registered under the uniqueId of this SubmissionSet.");
	if (found != SUBMISSION_UNKNOWN) {
		attempt->end = DELIVERY_TAKEN;
		attempt->is_unclear = false;
	}
	return found;
}

/* The answer names what was planned; it may be registered under other ids from an attempt of another day. */
bool attempt_id_rename(struct attempt *attempt, enum seal_kind kind, struct str from, struct str to)
{
	const struct delivery_options *options = &attempt->delivery->options;
	char ids[2][SEAL_ID_SIZE];
	uint8_t uuids[2][16];

	return !uuid_read(from, uuids[0]) || !uuid_read(to, uuids[1]) ||
	       (seal_id(options->seal, kind, attempt->target->source_number, uuids[0], ids[0]) &&
		seal_id(options->seal, kind, attempt->target->source_number, uuids[1], ids[1]) &&
		publication_answer_rename(&attempt->answer, str_from_c(ids[0]), str_from_c(ids[1]), attempt->arena));
}

static bool answer_adjust(struct attempt *attempt)
{
	if (attempt->kind != KIND_PROVIDE)
		return true;

	const struct metadata *planned = &attempt->planned;
	const struct metadata *metadata = &attempt->metadata;
	bool ok = attempt_id_rename(attempt, SEAL_LIST, planned->submission_sets[0].entry_uuid,
				    metadata->submission_sets[0].entry_uuid);

	for (size_t i = 0; ok && i < metadata->document_entry_count; i++) {
		struct str from = planned->document_entries[i].entry_uuid;
		struct str to = metadata->document_entries[i].entry_uuid;

		ok = attempt_id_rename(attempt, SEAL_DOCUMENT_REFERENCE, from, to) &&
		     attempt_id_rename(attempt, SEAL_BINARY, from, to);
	}
	for (size_t i = 0; ok && i < metadata->folder_count; i++)
		ok = attempt_id_rename(attempt, SEAL_LIST, planned->folders[i].entry_uuid,
				       metadata->folders[i].entry_uuid);
	return ok && publication_answer_inform(&attempt->answer, &attempt->outcome, attempt->arena);
}

enum stand attempt_failed(struct attempt *attempt, const struct outcome *sending, bool is_unclear, bool works)
{
	attempt->outcome = *sending;
	attempt->is_unclear |= is_unclear;
	attempt->is_counted = works;
	if (!is_unclear && !submission_may_pass(sending)) {
		attempt->end = DELIVERY_TAKEN;
		return STAND_REFUSED;
	}
	attempt->end = DELIVERY_AWAY;
	if (works && attempt->claim->item.attempts >= ATTEMPTS_MAX)
		return STAND_REFUSED;
	return is_unclear ? STAND_UNCLEAR : STAND_LATER;
}

enum stand attempt_refuse(struct attempt *attempt, enum error_code code, const char *text)
{
	outcome_add(&attempt->outcome, code, "", "%s", text);
	return STAND_REFUSED;
}

/* stand, where the claim was still this one's. */
static enum stand unless_lost(enum outbox_done done, enum stand stand)
{
	switch (done) {
	case OUTBOX_DONE:
		return stand;
	case OUTBOX_STALE:
		return STAND_LOST;
	case OUTBOX_DONE_FAILED:
		break;
	}
	return STAND_LATER;
}

enum stand attempt_mark(struct attempt *attempt)
{
	return unless_lost(outbox_extend(attempt->delivery->outbox, attempt->claim, true, &attempt->outcome),
			   STAND_GO_ON);
}

enum stand attempt_rework(struct attempt *attempt, const struct outbox_new *item)
{
	return unless_lost(outbox_rework(attempt->delivery->outbox, attempt->claim, item, &attempt->outcome),
			   STAND_DECIDED);
}

/* A refusal: perhaps because it is registered already, perhaps for reasons of the back-end's own. */
static enum stand refused(struct attempt *attempt, struct outcome *sending, bool works)
{
	if (submission_may_be_there(sending)) {
		switch (ask(attempt)) {
		case SUBMISSION_SAME:
			return STAND_DELIVERED;
		case SUBMISSION_UNKNOWN:
			return STAND_UNCLEAR;
		case SUBMISSION_OTHER:
		case SUBMISSION_ABSENT:
			break;
		}
	}
	return attempt_failed(attempt, sending, false, works);
}

static enum stand unclear(struct attempt *attempt, const struct outcome *sending, bool works)
{
	switch (ask(attempt)) {
	case SUBMISSION_SAME:
		return STAND_DELIVERED;
	case SUBMISSION_OTHER:
		return STAND_REFUSED;
	case SUBMISSION_ABSENT:
	case SUBMISSION_UNKNOWN:
		break;
	}
	return attempt_failed(attempt, sending, true, works);
}

static enum soap_end submit(struct attempt *attempt, const struct rim_list *objects, struct outcome *sending)
{
	if (!publication_kind_facts(attempt->kind)->has_documents)
		return xds_register(&attempt->south, objects, sending);
	return xds_provide(&attempt->south, objects, attempt->documents, attempt->metadata.document_entry_count,
			   sending);
}

static enum stand send(struct attempt *attempt, bool works)
{
	struct outcome sending;
	struct rim_list objects;
	enum stand stand;

	outcome_init(&sending);
	if (publication_kind_facts(attempt->kind)->has_documents && !attempt_documents(attempt))
		return attempt_unusable(attempt);
	if (!metadata_to_rim(&attempt->metadata, attempt->arena, &objects, &attempt->outcome))
		return attempt_unusable(attempt);
	stand = attempt_mark(attempt);
	if (stand != STAND_GO_ON)
		return stand;
	attempt->south.deadline =
		deadline_in((uint64_t)attempt->target->backend->timeout_ms + attempt->bytes / BYTES_PER_MS);
	switch (submit(attempt, &objects, &sending)) {
	case SOAP_ANSWERED:
		attempt->outcome = sending;
		attempt->end = DELIVERY_TAKEN;
		return STAND_DELIVERED;
	case SOAP_FAILED:
		return refused(attempt, &sending, works);
	case SOAP_UNCLEAR:
		break;
	}
	return unclear(attempt, &sending, works);
}

static enum stand provide(struct attempt *attempt, bool works)
{
	enum stand stand = STAND_GO_ON;

	if (attempt->is_unclear) {
		switch (ask(attempt)) {
		case SUBMISSION_SAME:
			return attempt_targets_name(attempt);
		case SUBMISSION_OTHER:
			return STAND_REFUSED;
		case SUBMISSION_UNKNOWN:
			attempt->end = DELIVERY_AWAY;
			outcome_add(&attempt->outcome, ERR_BACKEND_DOWN, "", "The registry does not answer.");
			return STAND_UNCLEAR;
		case SUBMISSION_ABSENT:
			break;
		}
	}
	/* What another network is given is permitted to that network (attempt_share_prepare). */
	if (!attempt_is_shared(attempt))
		stand = attempt_permit(attempt);
	if (stand == STAND_GO_ON)
		stand = attempt_targets(attempt);
	return stand == STAND_GO_ON ? send(attempt, works) : stand;
}

static enum stand deliver(struct attempt *attempt, bool works)
{
	enum stand stand;

	switch (attempt->kind) {
	case KIND_PROVIDE:
		return provide(attempt, works);
	case KIND_SHARE:
	case KIND_REGISTER:
		stand = attempt_share_prepare(attempt);
		return stand == STAND_GO_ON ? provide(attempt, works) : stand;
	case KIND_CHANGE:
		return attempt_change(attempt, works);
	case KIND_UNDECIDED:
		return attempt_decide(attempt);
	case KIND_REQUEST:
		return attempt_request(attempt, works);
	case KIND_UNKNOWN:
		break;
	}
	return STAND_LATER;
}

/* Why, in words that stand in clear: the registry's may name patients. */
static struct str reason_of(const struct attempt *attempt)
{
	for (size_t i = 0; i < attempt->outcome.count; i++) {
		const struct issue *issue = &attempt->outcome.issues[i];

		if (issue->severity == SEVERITY_ERROR)
			return str_from_c(issue->xds_code[0] ? issue->xds_code : issue->text);
	}
	return STR_NONE;
}

static struct str result_make(struct attempt *attempt, enum stand stand)
{
	struct publication_result result = { .caller = attempt->head.caller,
					     .patient_id = attempt->metadata.submission_set_count
								   ? attempt->metadata.submission_sets[0].patient_id
								   : attempt->patient_id,
					     .status = 200,
					     .body = attempt->answer };
	struct json_writer writer;
	struct buf body;
	struct buf text;
	struct str made;

	buf_init(&body, RESULT_MAX);
	buf_init(&text, RESULT_MAX);
	if (stand == STAND_REFUSED) {
		provide_outcome_place(&attempt->head.places, &attempt->outcome);
		json_writer_init(&writer, &body);
		operation_outcome_write(&attempt->outcome, &writer);
		result.status = outcome_http_status(&attempt->outcome);
		result.body = buf_str(&body);
	}
	publication_result_write(&result, &text);
	made = text.failed || body.failed ? STR_NONE : arena_copy(attempt->arena, buf_str(&text));
	buf_free(&body);
	buf_free(&text);
	return made;
}

static enum outbox_done put_off(struct attempt *attempt, bool is_unclear, struct outcome *settling)
{
	return outbox_put_off(attempt->delivery->outbox, attempt->claim,
			      delivery_backoff_ms(attempt->delivery->options.config, attempt->tries),
			      reason_of(attempt), is_unclear, attempt->is_counted, settling);
}

/* What its next turn waits by. While the back-end takes nothing, its own wait comes on top. What failed for other reasons
 * (nobody says what the patient consents to, something goes first) was not tried: then by how often it had its turn. */
static unsigned tries_of(const struct attempt *attempt, bool works)
{
	const struct outbox_claim *claim = attempt->claim;

	if (attempt->is_counted || (!works && attempt->end == DELIVERY_AWAY))
		return claim->item.attempts;
	return claim->fence < UINT_MAX ? (unsigned)claim->fence : UINT_MAX;
}

/* What was refused waits for a person, who is to hear of it. */
static void tell(const struct attempt *attempt, enum stand stand, enum outbox_done done)
{
	static const char *const words[] = {
		[STAND_DELIVERED] = "delivered",      [STAND_REFUSED] = "refused",   [STAND_LATER] = "put off",
		[STAND_UNCLEAR] = "put off, unclear", [STAND_WITHHELD] = "withheld", [STAND_DECIDED] = "decided",
		[STAND_LOST] = "lost to another",     [STAND_GO_ON] = "put off"
	};
	struct log_field fields[5] = { LOG_C("item", attempt->claim->item.id), LOG_C("state", words[stand]),
				       LOG_NUMBER("attempts", attempt->claim->item.attempts) };
	size_t count = 3;
	bool is_written = done == OUTBOX_DONE || stand == STAND_DECIDED || stand == STAND_LOST;

	if (stand == STAND_REFUSED)
		fields[count++] = LOG_TEXT("reason", reason_of(attempt));
	if (!is_written)
		fields[count++] = LOG_C("outbox", done == OUTBOX_STALE ? "another has it" : "not written");
	log_write(stand == STAND_REFUSED ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, LOG_DELIVERY, attempt->south.request_id,
		  fields, count);
}

static void settle(struct attempt *attempt, enum stand stand)
{
	bool is_settled = stand == STAND_DELIVERED || stand == STAND_REFUSED || stand == STAND_WITHHELD;
	enum outbox_done done = OUTBOX_STALE;
	struct outcome settling;

	outcome_init(&settling);
	/* Nothing is settled that is not recorded: it is found registered at the next attempt. */
	if (is_settled && ((stand == STAND_DELIVERED && !answer_adjust(attempt)) ||
			   !audit_commit(attempt->trail, &attempt->outcome, &settling)))
		stand = STAND_UNCLEAR;
	else if (!is_settled && (attempt->end != DELIVERY_UNTRIED || stand == STAND_DECIDED))
		(void)!audit_commit(attempt->trail, &attempt->outcome, &settling);
	switch (stand) {
	case STAND_DELIVERED:
	case STAND_REFUSED:
		done = outbox_settle(attempt->delivery->outbox, attempt->claim,
				     stand == STAND_DELIVERED ? OUTBOX_DELIVERED : OUTBOX_REFUSED, attempt->is_unclear,
				     reason_of(attempt), result_make(attempt, stand), &settling);
		break;
	case STAND_WITHHELD:
		done = outbox_settle(attempt->delivery->outbox, attempt->claim, OUTBOX_WITHDRAWN, false,
				     STR("The patient's consent does not allow it: withheld."), STR_NONE, &settling);
		break;
	case STAND_GO_ON: /* no end at all: there is no delivery that ends so */
	case STAND_LATER:
	case STAND_UNCLEAR:
		done = put_off(attempt, stand == STAND_UNCLEAR, &settling);
		break;
	case STAND_DECIDED:
	case STAND_LOST:
		break;
	}
	tell(attempt, stand, done);
}

enum delivery_end delivery_attempt(struct delivery *delivery, const struct delivery_job *job, bool works)
{
	struct attempt *attempt = arena_alloc(job->arena, sizeof(*attempt));
	char traceparent[TRACEPARENT_SIZE];
	struct trace trace;
	enum stand stand = STAND_LATER;

	if (!attempt)
		return DELIVERY_UNTRIED; /* its lease runs out */
	*attempt = (struct attempt) { .delivery = delivery,
				      .target = &job->gate->target,
				      .claim = &job->claim,
				      .arena = job->arena,
				      .end = DELIVERY_UNTRIED,
				      .is_unclear = job->claim.item.is_unclear };
	outcome_init(&attempt->outcome);
	trace_from_header(STR_NONE, &trace);
	trace_to_header(&trace, traceparent);
	attempt->south.request_id = trace.span_id;
	if (!attempt_read(attempt)) {
		/* A gateway that knows this kind delivers it. */
		stand = attempt->kind == KIND_UNKNOWN ? STAND_LATER : attempt_unusable(attempt);
		if (stand == STAND_REFUSED && !trail_begin_unread(attempt, trace.span_id, traceparent))
			stand = STAND_LATER;
	} else if (attempt_begin(attempt, trace.span_id, traceparent)) {
		attempt->is_unclear |= attempt->head.is_unclear;
		stand = deliver(attempt, works);
		if (stand == STAND_DELIVERED)
			stand = attempt_share_onward(attempt);
		if (stand == STAND_LATER && attempt->is_unclear)
			stand = STAND_UNCLEAR;
		if (stand == STAND_REFUSED && (attempt->kind == KIND_PROVIDE || attempt->kind == KIND_UNDECIDED))
			attempt_names_give_up(attempt);
	}
	attempt->tries = tries_of(attempt, works);
	settle(attempt, stand);
	return attempt->end;
}
