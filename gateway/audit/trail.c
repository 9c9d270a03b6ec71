#include "gateway/audit/trail.h"

#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/uuid.h"
#include "mappers/hl7v3.h"
#include "mappers/soap.h"
#include "mappers/xml_writer.h"

#define EVENTS_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* One patient of the request. */
struct subject {
	struct str patient_id;
	struct str reference;
	struct consent_decision decision;
	bool is_decided;
	bool was_refused;
	size_t hidden_count;
	struct str *hospitals;
	size_t hospital_count;
	size_t hospital_capacity;
};

/* One call to another system. */
struct call {
	enum audit_kind kind;
	bool succeeded;
	enum error_code code;
	struct str url;
	struct str backend;
	struct str query;
	size_t query_size;
	struct str patient_id;
	struct str assertion_id;
	int64_t at_ms;
	struct audit_object read; /* of a FHIR read: what was fetched */
};

struct audit_trail {
	struct audit *audit;
	struct audit_begin begin;
	struct caller stranger; /* until the caller is known */
	struct caller known;
	const struct caller *caller;
	struct south_recorder recorder;
	struct subject *subjects;
	size_t subject_count;
	size_t subject_capacity;
	struct audit_object *objects;
	size_t object_count;
	size_t object_capacity;
	size_t object_lost_count;
	struct call *calls;
	size_t call_count;
	size_t call_capacity;
	struct audit_trail *parts; /* through next; each has calls of its own and nothing else */
	struct audit_trail *next;
	bool failed; /* memory was missing */
	bool committed;
	enum audit_outcome outcome; /* as committed */
};

static void *grow(struct audit_trail *trail, void *array_pointer, size_t count, size_t *capacity, size_t size)
{
	char *array;

	if (!arena_grow(trail->begin.arena, array_pointer, count, capacity, size)) {
		trail->failed = true;
		return NULL;
	}
	memcpy(&array, array_pointer, sizeof(array));
	memset(array + count * size, 0, size);
	return array + count * size;
}

/* SOAP action to row; AUDIT_KIND_COUNT for what is no transaction of IHE. */
static enum audit_kind kind_of_action(struct str action)
{
	static const struct {
		struct str action;
		enum audit_kind kind;
	} actions[] = {
		{ STR_INIT(ACTION_STORED_QUERY), AUDIT_STORED_QUERY },
		{ STR_INIT(ACTION_PROVIDE_AND_REGISTER), AUDIT_PROVIDE },
		{ STR_INIT(ACTION_REGISTER), AUDIT_REGISTER },
		{ STR_INIT(ACTION_RETRIEVE), AUDIT_RETRIEVE_SET },
		{ STR_INIT(ACTION_CROSS_QUERY), AUDIT_CROSS_QUERY },
		{ STR_INIT(ACTION_CROSS_RETRIEVE), AUDIT_CROSS_RETRIEVE },
		{ STR_INIT(ACTION_UPDATE), AUDIT_UPDATE_SET },
		{ STR_INIT(ACTION_REMOVE_METADATA), AUDIT_REMOVE_METADATA },
		{ STR_INIT(ACTION_REMOVE_DOCUMENTS), AUDIT_REMOVE_DOCUMENTS },
		{ STR_INIT(HL7V3_ACTION_PREFIX "PRPA_IN201301UV02"), AUDIT_PIX_FEED_CREATE },
		{ STR_INIT(HL7V3_ACTION_PREFIX "PRPA_IN201302UV02"), AUDIT_PIX_FEED_UPDATE },
		{ STR_INIT(HL7V3_ACTION_PREFIX "PRPA_IN201304UV02"), AUDIT_PIX_FEED_MERGE },
		{ STR_INIT(HL7V3_ACTION_PREFIX "PRPA_IN201309UV02"), AUDIT_PIX_QUERY },
		{ STR_INIT(HL7V3_ACTION_PREFIX "PRPA_IN201305UV02"), AUDIT_PDQ_QUERY },
		{ STR_INIT(HL7V3_ACTION_PREFIX "QUQI_IN000003UV01"), AUDIT_PDQ_QUERY },
		{ STR_INIT(HL7V3_ACTION_PREFIX "PRPA_IN201305UV02" HL7V3_DISCOVERY_SUFFIX), AUDIT_DISCOVERY },
	};

	if (!action.data)
		return AUDIT_FETCH;
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (str_equal(actions[i].action, action))
			return actions[i].kind;
	}
	return AUDIT_KIND_COUNT;
}

static bool asks(enum audit_kind kind)
{
	return kind == AUDIT_STORED_QUERY || kind == AUDIT_CROSS_QUERY || kind == AUDIT_PIX_QUERY ||
	       kind == AUDIT_PDQ_QUERY || kind == AUDIT_DISCOVERY;
}

/* The query as it stood in the message: TF-2 3.18.5.1 wants the whole AdhocQueryRequest. */
static void query_copy(struct audit_trail *trail, const struct south_call *told, struct call *call)
{
	struct xml_writer writer;
	struct buf text;

	buf_init(&text, AUDIT_QUERY_BYTES_MAX);
	xml_writer_init(&writer, &text);
	told->write_body(&writer, told->body);
	call->query = arena_copy(trail->begin.arena, buf_str(&text));
	if (!call->query.data)
		trail->failed = true;
	/* How long it would have been is not known; that something is missing is. */
	call->query_size = text.failed ? AUDIT_QUERY_BYTES_MAX + 1 : text.size;
	buf_free(&text);
}

static struct str copy(struct audit_trail *trail, struct str text)
{
	struct str copied = text.size ? arena_copy(trail->begin.arena, text) : STR_NONE;

	trail->failed = trail->failed || (text.size && !copied.data);
	return copied;
}

static void south_called(void *ctx, const struct south_call *told)
{
	struct audit_trail *trail = ctx;
	enum audit_kind kind = kind_of_action(told->action);
	struct call *call;

	if (kind == AUDIT_KIND_COUNT)
		return;
	call = grow(trail, &trail->calls, trail->call_count, &trail->call_capacity, sizeof(*trail->calls));
	if (!call)
		return;
	*call = (struct call) { .kind = kind,
				.succeeded = told->succeeded,
				.code = told->code,
				.url = copy(trail, str_from_c(told->url)),
				.backend = copy(trail, told->backend),
				.patient_id = copy(trail, told->patient_id),
				.assertion_id = copy(trail, told->assertion_id),
				.at_ms = clock_wall_ms() };
	if (asks(kind) && told->write_body)
		query_copy(trail, told, call);
	if (kind == AUDIT_FETCH)
		call->read = (struct audit_object) { .type = STR("Patient"), .reference = call->url, .is_main = true };
	trail->call_count++;
}

bool audit_begin(struct audit *audit, const struct audit_begin *begin, struct audit_trail **trail,
		 struct outcome *outcome)
{
	struct audit_trail *begun;

	*trail = NULL;
	if (!audit || begin->kind == AUDIT_KIND_COUNT)
		return true;
	if (!audit_ready(audit, outcome))
		return false;
	begun = arena_alloc(begin->arena, sizeof(*begun));
	if (!begun)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	begun->audit = audit;
	begun->begin = *begin;
	begun->stranger.address = begin->address;
	begun->caller = &begun->stranger;
	begun->recorder = (struct south_recorder) { begun, south_called };
	*trail = begun;
	return true;
}

struct audit_trail *audit_part(struct audit_trail *trail, struct arena *arena)
{
	struct audit_trail *part = trail ? arena_alloc(arena, sizeof(*part)) : NULL;

	if (!part) {
		if (trail)
			trail->failed = true;
		return NULL;
	}
	part->begin.arena = arena;
	part->recorder = (struct south_recorder) { part, south_called };
	part->next = trail->parts;
	trail->parts = part;
	return part;
}

void audit_caller(struct audit_trail *trail, const struct caller *caller)
{
	if (!trail)
		return;
	trail->known = *caller;
	if (str_is_empty(trail->known.address))
		trail->known.address = trail->begin.address;
	trail->caller = &trail->known;
}

void audit_kind_set(struct audit_trail *trail, enum audit_kind kind)
{
	if (trail)
		trail->begin.kind = kind;
}

static struct subject *subject_find(struct audit_trail *trail, struct str patient_id)
{
	struct subject *subject;

	for (size_t i = 0; i < trail->subject_count; i++) {
		if (str_equal(trail->subjects[i].patient_id, patient_id))
			return &trail->subjects[i];
	}
	subject =
		grow(trail, &trail->subjects, trail->subject_count, &trail->subject_capacity, sizeof(*trail->subjects));
	if (!subject)
		return NULL;
	trail->subject_count++;
	subject->patient_id = patient_id;
	return subject;
}

void audit_patient(struct audit_trail *trail, struct str patient_id, struct str reference)
{
	struct subject *subject = trail ? subject_find(trail, patient_id) : NULL;

	if (subject && str_is_empty(subject->reference))
		subject->reference = reference;
}

void audit_decision(struct audit_trail *trail, struct str patient_id, const struct consent_decision *decision,
		    size_t hidden_count, bool was_refused)
{
	struct subject *subject = trail ? subject_find(trail, patient_id) : NULL;

	if (!subject)
		return;
	subject->decision = *decision;
	subject->is_decided = true;
	subject->hidden_count = hidden_count;
	subject->was_refused = was_refused;
}

void audit_hospital(struct audit_trail *trail, struct str patient_id, struct str tenant)
{
	struct subject *subject = trail ? subject_find(trail, patient_id) : NULL;
	struct str *added = subject ? grow(trail, &subject->hospitals, subject->hospital_count,
					   &subject->hospital_capacity, sizeof(*subject->hospitals))
				    : NULL;

	if (!added)
		return;
	*added = tenant;
	subject->hospital_count++;
}

static void fill(struct str *text, struct str value)
{
	if (!str_is_empty(value))
		*text = value;
}

void audit_object(struct audit_trail *trail, const struct audit_object *object)
{
	struct audit_object *added;

	if (!trail)
		return;
	for (size_t i = 0; object->is_main && i < trail->object_count; i++) {
		struct audit_object *main = &trail->objects[i];

		if (!main->is_main)
			continue;
		fill(&main->type, object->type);
		fill(&main->reference, object->reference);
		fill(&main->unique_id, object->unique_id);
		fill(&main->repository_unique_id, object->repository_unique_id);
		fill(&main->home_community_id, object->home_community_id);
		return;
	}
	if (trail->object_count >= AUDIT_OBJECTS_MAX && !object->is_main) {
		trail->object_lost_count++;
		return;
	}
	added = grow(trail, &trail->objects, trail->object_count, &trail->object_capacity, sizeof(*trail->objects));
	if (!added)
		return;
	*added = *object;
	trail->object_count++;
}

const struct south_recorder *audit_recorder(struct audit_trail *trail)
{
	return trail ? &trail->recorder : NULL;
}

/* Events as they are written: one text, and where each begins. */
struct events {
	struct audit_trail *trail;
	struct buf text;
	size_t *ends;
	size_t count;
	size_t capacity;
	struct outcome *outcome;
};

static void record_begin(const struct audit_trail *trail, enum audit_kind kind, struct audit_record *record)
{
	unsigned char random[16];
	char uuid[UUID_URN_SIZE];

	*record = (struct audit_record) { .kind = kind,
					  .caller = trail->caller,
					  .recorded_ms = clock_wall_ms(),
					  .request_id = trail->begin.request_id,
					  .traceparent = trail->begin.traceparent };
	random_bytes(random, sizeof(random));
	uuid_format(random, uuid);
	memcpy(record->id, uuid + sizeof("urn:uuid:") - 1, sizeof(record->id));
	audit_source(trail->audit, record);
}

static bool event_add(struct events *events, const struct audit_record *record)
{
	struct json_writer writer;

	if (!arena_grow(events->trail->begin.arena, &events->ends, events->count, &events->capacity,
			sizeof(*events->ends)))
		return outcome_add(events->outcome, ERR_NO_MEMORY, "", "Try again later.");
	json_writer_init(&writer, &events->text);
	if (!audit_event_write(record, events->trail->begin.arena, &writer, events->outcome) ||
	    !json_writer_finish(&writer, events->outcome))
		return false;
	events->ends[events->count++] = events->text.size;
	return true;
}

static void record_subject(const struct subject *subject, struct audit_record *record)
{
	if (!subject)
		return;
	record->patient_id = subject->patient_id;
	record->patient_reference = subject->reference;
	record->decision = subject->is_decided ? &subject->decision : NULL;
	record->hidden_count = subject->hidden_count;
	record->hospitals = (struct strs) { subject->hospitals, subject->hospital_count };
}

static bool main_event(struct events *events, const struct subject *subject, enum audit_outcome outcome, struct str why)
{
	const struct audit_trail *trail = events->trail;
	struct audit_record record;

	record_begin(trail, trail->begin.kind, &record);
	record.outcome = outcome;
	record.outcome_text = why;
	record.query = trail->begin.query;
	record.query_size = trail->begin.query_size;
	record.objects = trail->objects;
	record.object_count = trail->object_count;
	record.object_lost_count = trail->object_lost_count;
	record_subject(subject, &record);
	return event_add(events, &record);
}

/* What was decided against the caller, or by breaking the glass, for whoever guards the doors. */
static bool decision_event(struct events *events, const struct subject *subject, bool succeeded)
{
	const struct consent_decision *decision = &subject->decision;
	bool broken = subject->is_decided && decision->permit && decision->reason == CONSENT_BY_BREAK_GLASS;
	bool refused = subject->is_decided &&
		       (subject->was_refused || (!decision->permit && subject->hidden_count > 0 && !succeeded));
	struct audit_record record;

	if (!broken && !refused)
		return true;
	record_begin(events->trail, broken ? AUDIT_BREAK_GLASS : AUDIT_AUTHZ_CONSENT, &record);
	record.outcome = broken ? AUDIT_SUCCESS : AUDIT_SERIOUS;
	record.outcome_text = broken ? STR("The glass was broken: access without the patient's consent.")
				     : STR("The patient's consent does not permit this access.");
	record_subject(subject, &record);
	return event_add(events, &record);
}

static bool call_event(struct events *events, const struct call *call)
{
	const struct audit_trail *trail = events->trail;
	struct audit_record record;

	record_begin(trail, call->kind, &record);
	record.recorded_ms = call->at_ms;
	record.outcome = call->succeeded ? AUDIT_SUCCESS : AUDIT_SERIOUS;
	record.outcome_text = call->succeeded ? STR_NONE : str_from_c(error_info(call->code)->name);
	record.peer_url = call->url;
	record.peer_name = call->backend.data ? call->backend : call->url;
	record.assertion_id = call->assertion_id;
	record.query = call->query;
	record.query_size = call->query_size;
	if (call->kind == AUDIT_FETCH) {
		record.objects = &call->read;
		record.object_count = 1;
	} else if (call->kind == AUDIT_PROVIDE || call->kind == AUDIT_RETRIEVE_SET ||
		   call->kind == AUDIT_CROSS_RETRIEVE) {
		record.objects = trail->objects;
		record.object_count = trail->object_count;
	}
	/* Which of several patients a call was about is only known when it says so. */
	record.patient_id = call->patient_id;
	for (size_t i = 0; i < trail->subject_count; i++) {
		if (str_equal(trail->subjects[i].patient_id, call->patient_id) || trail->subject_count == 1) {
			record.patient_id = trail->subjects[i].patient_id;
			record.patient_reference = trail->subjects[i].reference;
		}
	}
	return event_add(events, &record);
}

static enum audit_outcome outcome_of(const struct outcome *result)
{
	int status = outcome_http_status(result);

	if (!result->has_error)
		return AUDIT_SUCCESS;
	if (status == 401 || status == 403 || status > 500)
		return AUDIT_SERIOUS;
	return status == 500 ? AUDIT_MAJOR : AUDIT_MINOR;
}

static struct str why_of(const struct outcome *result)
{
	for (size_t i = 0; i < result->count; i++) {
		if (result->issues[i].severity == SEVERITY_ERROR)
			return str_from_c(result->issues[i].text);
	}
	return STR_NONE;
}

static bool events_write(struct events *events, enum audit_outcome outcome, struct str why)
{
	const struct audit_trail *trail = events->trail;

	if (trail->subject_count == 0 && !main_event(events, NULL, outcome, why))
		return false;
	for (size_t i = 0; i < trail->subject_count; i++) {
		if (!main_event(events, &trail->subjects[i], outcome, why))
			return false;
	}
	if (trail->committed)
		return true;
	for (size_t i = 0; i < trail->subject_count; i++) {
		if (!decision_event(events, &trail->subjects[i], outcome == AUDIT_SUCCESS))
			return false;
	}
	for (const struct audit_trail *part = trail; part; part = part == trail ? trail->parts : part->next) {
		for (size_t i = 0; i < part->call_count; i++) {
			if (!call_event(events, &part->calls[i]))
				return false;
		}
	}
	return true;
}

/* True when memory was missing for anything that was to be recorded. */
static bool has_failed(const struct audit_trail *trail)
{
	bool failed = trail->failed;

	for (const struct audit_trail *part = trail->parts; part; part = part->next)
		failed = failed || part->failed;
	return failed;
}

/* The parts of events->text. */
static struct str *events_split(const struct events *events)
{
	struct str *parts = arena_array(events->trail->begin.arena, events->count, sizeof(*parts));
	size_t begin = 0;

	for (size_t i = 0; parts && i < events->count; i++) {
		parts[i] = (struct str) { events->text.data + begin, events->ends[i] - begin };
		begin = events->ends[i];
	}
	return parts;
}

/* What could not be written in time is kept as what it has become: refused, since nothing is answered unrecorded. */
static void post_refused(struct audit_trail *trail)
{
	struct outcome ignored;
	struct events events = { .trail = trail, .outcome = &ignored };
	struct str *parts;

	outcome_init(&ignored);
	buf_init(&events.text, EVENTS_BYTES_MAX);
	if (events_write(&events, AUDIT_SERIOUS, STR("Refused, because it could not be recorded in time."))) {
		parts = events_split(&events);
		if (parts)
			audit_post(trail->audit, parts, events.count);
	}
	buf_free(&events.text);
}

bool audit_commit(struct audit_trail *trail, const struct outcome *result, struct outcome *outcome)
{
	enum audit_outcome end = trail ? outcome_of(result) : AUDIT_SUCCESS;
	struct events events = { .trail = trail, .outcome = outcome };
	struct str *parts;
	struct str why;
	bool ok;

	if (!trail || (trail->committed && end <= trail->outcome))
		return true;
	if (has_failed(trail))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	/* result and outcome may be one. */
	why = arena_copy(trail->begin.arena, why_of(result));
	buf_init(&events.text, EVENTS_BYTES_MAX);
	ok = events_write(&events, end, why);
	parts = ok ? events_split(&events) : NULL;
	if (ok && !parts)
		ok = outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (ok) {
		ok = audit_write(trail->audit, parts, events.count, trail->begin.deadline, outcome);
		if (!ok)
			post_refused(trail);
	}
	buf_free(&events.text);
	trail->committed = trail->committed || ok;
	trail->outcome = end;
	return ok;
}
