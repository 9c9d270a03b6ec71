/* Retrieve ATNA Audit Event [ITI-81]: patients see who looked at their records. Answered from the gateway's own index of
 * what it has recorded; the search is itself recorded. Source: ITI TF-2 3.81, FHIR R4 AuditEvent. */
#include <stdio.h>

#include "gateway/access/authorize.h"
#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/search.h"
#include "mappers/base/xds_time.h"
#include "mappers/code_system.h"
#include "mappers/identifier.h"
#include "mappers/json_writer.h"
#include "mappers/search_date.h"

#define TOKENS_MAX 8

enum parameter_kind {
	KIND_PATIENT = AUDIT_TOKEN_PATIENT,
	KIND_TYPE = AUDIT_TOKEN_TYPE,
	KIND_SUBTYPE = AUDIT_TOKEN_SUBTYPE,
	KIND_OUTCOME = AUDIT_TOKEN_OUTCOME,
	KIND_ACTION = AUDIT_TOKEN_ACTION,
	KIND_AGENT = AUDIT_TOKEN_AGENT,
	KIND_ENTITY = AUDIT_TOKEN_ENTITY,
	KIND_ADDRESS = AUDIT_TOKEN_ADDRESS,
	KIND_ID = AUDIT_TOKEN_ID,
	KIND_DATE
};

static const struct {
	struct str name;
	enum parameter_kind kind;
} parameters[] = {
#define AUDIT_PARAMETER(parameter, type, its_kind, what) { STR_INIT(parameter), KIND_##its_kind },
#include "profiles/balp/search.def"
};

struct reading {
	const struct transaction *t;
	struct audit_query query;
	struct audit_token tokens[TOKENS_MAX];
	struct buf honoured; /* the parameters, for the links */
	bool nobody;
};

static bool value_wrong(const struct reading *reading, struct str name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "%.*s", STR_ARG(name));
	return outcome_add(reading->t->outcome, ERR_VALUE_INVALID, path, "%s", text);
}

static int64_t moment_ms(const struct moment *moment)
{
	int64_t seconds = 0;

	return xds_time_to_unix(str_from_c(moment->text), &seconds) ? seconds * 1000 : 0;
}

/* FHIR R4 search 3.1.1.4.6 for instants: what the value covers by its precision, or what is before or behind it. */
static bool date_read(struct reading *reading, struct str name, struct str value)
{
	struct audit_query *query = &reading->query;
	struct search_date date;
	int64_t from;
	int64_t to;

	if (!search_date_read(value, reading->t->gateway->config->default_timezone, &date))
		return value_wrong(reading, name, "Write a date such as ge2024-05-01 or lt2024-05-01T12:00:00Z.");
	from = moment_ms(&date.interval.from);
	to = moment_ms(&date.interval.to);
	switch (date.prefix) {
	case DATE_EQ:
	case DATE_AP:
		break;
	case DATE_GE:
		to = INT64_MAX;
		break;
	case DATE_GT:
	case DATE_SA:
		from = to;
		to = INT64_MAX;
		break;
	case DATE_LT:
	case DATE_EB:
		to = from;
		from = 0;
		break;
	case DATE_LE:
		from = 0;
		break;
	case DATE_NE:
		return value_wrong(reading, name, "Search for dates that are meant, not for all others.");
	}
	query->from_ms = from > query->from_ms ? from : query->from_ms;
	query->until_ms = to < query->until_ms ? to : query->until_ms;
	return true;
}

static bool claim_read(const struct reading *reading, struct str name, struct str value,
		       struct patient_identifier *identifier, struct patient_claim *claim)
{
	const struct transaction *t = reading->t;
	size_t bar = str_find(value, '|');

	*claim = (struct patient_claim) { .path = "patient" };
	if (!str_ends_with(name, STR("identifier")))
		return patient_claim_refer(value, t->gateway->base, claim) ||
		       outcome_add(t->outcome, ERR_VALUE_INVALID, claim->path,
				   "Name the patient as Patient/{id}, as a URL, or by patient.identifier.");
	*identifier = bar < value.size ? (struct patient_identifier) { { value.data, bar }, str_from(value, bar + 1) }
				       : (struct patient_identifier) { STR_NONE, value };
	claim->identifiers = identifier;
	claim->identifier_count = 1;
	return true;
}

static bool patient_read(struct reading *reading, struct str name, struct str value)
{
	const struct transaction *t = reading->t;
	struct patient_identifier identifier;
	struct patient_claim claim;
	struct identifier own;
	struct str patient_id = STR_NONE;
	struct str patient;

	if (!claim_read(reading, name, value, &identifier, &claim))
		return false;
	switch (identify_patient(t, &claim, true, &patient_id)) {
	case PATIENT_IDENTIFIED:
		break;
	case PATIENT_NOBODY:
		/* Whom a bound caller may not ask about, and whom nobody knows, look the same. */
		reading->nobody = true;
		return visit_about(t->visit, STR_NONE, t->outcome);
	case PATIENT_FAILED:
		return false;
	}
	audit_patient(t->audit, patient_id, patient_reference(t, patient_id));
	if (!visit_about(t->visit, patient_id, t->outcome))
		return false;
	if (!identifier_from_cx(patient_id, t->south.arena, &own))
		return no_memory(t);
	patient = arena_printf(t->south.arena, "%.*s|%.*s", STR_ARG(own.system), STR_ARG(own.value));
	if (!patient.data)
		return no_memory(t);
	reading->nobody =
		reading->nobody || (reading->query.patient.data && !str_equal(reading->query.patient, patient));
	reading->query.patient = patient;
	return true;
}

static bool token_add(struct reading *reading, struct str name, enum audit_token_kind kind, struct str value)
{
	struct str base = reading->t->gateway->base;

	if (str_find(value, ',') < value.size)
		return value_wrong(reading, name, "Give one value; search several times for several.");
	if (reading->query.token_count == TOKENS_MAX)
		return outcome_add(reading->t->outcome, ERR_TOO_COSTLY, "", "Use fewer parameters.");
	/* Codes are known without their system. */
	if (kind == AUDIT_TOKEN_OUTCOME || kind == AUDIT_TOKEN_ACTION || kind == AUDIT_TOKEN_TYPE ||
	    kind == AUDIT_TOKEN_SUBTYPE)
		value = str_find(value, '|') < value.size ? str_from(value, str_find(value, '|') + 1) : value;
	if (kind == AUDIT_TOKEN_ENTITY && str_starts_with(value, base) && value.size > base.size + 1)
		value = str_from(value, base.size + 1);
	reading->tokens[reading->query.token_count++] = (struct audit_token) { kind, value };
	return true;
}

static void honour(struct reading *reading, struct str name, struct str value)
{
	static const char hex[] = "0123456789ABCDEF";

	if (reading->honoured.size > 0)
		buf_add_char(&reading->honoured, '&');
	buf_add(&reading->honoured, name);
	buf_add_char(&reading->honoured, '=');
	for (size_t i = 0; i < value.size; i++) {
		unsigned char c = (unsigned char)value.data[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     strchr("-._~:/", c);

		if (plain && c) {
			buf_add_char(&reading->honoured, (char)c);
			continue;
		}
		buf_add_char(&reading->honoured, '%');
		buf_add_char(&reading->honoured, hex[c >> 4]);
		buf_add_char(&reading->honoured, hex[c & 15]);
	}
}

static bool count_read(struct reading *reading, struct str value)
{
	uint64_t count = 0;

	if (!str_to_u64(value, &count))
		return value_wrong(reading, STR("_count"), "Write a number.");
	reading->query.count_max = count < reading->t->gateway->config->search_count_max
					   ? (size_t)count
					   : (size_t)reading->t->gateway->config->search_count_max;
	return true;
}

/* Parameters of the page and of the form of the answer, which find nothing. */
static bool is_control(struct str name)
{
	static const struct str names[] = { STR_INIT("_format"), STR_INIT("_pretty"), STR_INIT("_sort"),
					    STR_INIT("_total"), STR_INIT(SEARCH_CURSOR_PARAMETER) };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (str_equal(names[i], name))
			return true;
	}
	return false;
}

static bool parameter_read(struct reading *reading, const struct search_param *param, bool strict)
{
	char path[64];

	if (str_equal(param->name, STR("_count"))) {
		honour(reading, param->name, param->value);
		return count_read(reading, param->value);
	}
	for (size_t i = 0; i < COUNT_OF(parameters) && !param->modifier.data; i++) {
		if (!str_equal(parameters[i].name, param->name))
			continue;
		honour(reading, param->name, param->value);
		if (parameters[i].kind == KIND_DATE)
			return date_read(reading, param->name, param->value);
		if (parameters[i].kind == KIND_PATIENT)
			return patient_read(reading, param->name, param->value);
		return token_add(reading, param->name, (enum audit_token_kind)parameters[i].kind, param->value);
	}
	if (is_control(param->name))
		return true;
	snprintf(path, sizeof(path), "%.*s", STR_ARG(param->name));
	/* Leaving a filter out would show more than was asked for: a modifier is refused in any case. */
	if (strict || param->modifier.data)
		return outcome_add(reading->t->outcome, ERR_PARAMETER_UNKNOWN, path,
				   "Use the parameters that the CapabilityStatement names, without modifiers.");
	return outcome_warn(reading->t->outcome, ERR_PARAMETER_UNKNOWN, path, "This parameter was ignored.");
}

/* Who may look at all events needs no patient; who may look at one's own names themselves. */
static bool patient_required(const struct reading *reading)
{
	const struct caller *caller = reading->t->caller;

	if (reading->query.patient.data || reading->nobody ||
	    (caller->kind != CALLER_PATIENT && str_is_empty(caller->person_id)))
		return true;
	return outcome_add(reading->t->outcome, ERR_PARAMETER_MISSING, "patient",
			   "Name the patient whose events are wanted.");
}

static bool page_write(const struct reading *reading, const struct audit_page *page, struct buf *answer)
{
	const struct transaction *t = reading->t;
	struct searchset set = { .total = page->total };
	struct search_key last = { 0 };
	struct json_writer writer;
	char instant[FHIR_INSTANT_SIZE];

	if (page->more) {
		last.id = arena_printf(t->south.arena, "%lld", (long long)page->items[page->count - 1].sequence);
		if (!last.id.data)
			return no_memory(t);
	}
	fhir_instant_from_unix(t->now_s, instant);
	set.timestamp = str_from_c(instant);
	if (!search_links(t, "AuditEvent", buf_str(&reading->honoured), page->more ? &last : NULL, NULL, &set))
		return false;
	json_writer_init(&writer, answer);
	searchset_begin(&writer, &set);
	for (size_t i = 0; i < page->count; i++) {
		const char *id = memmem(page->items[i].event.data, page->items[i].event.size, "\"id\":\"", 6);

		/* The gateway's own JSON: its second member is the id, a UUID. */
		searchset_entry_begin(&writer, id ? arena_printf(t->south.arena, "%.*s/AuditEvent/%.36s",
								 STR_ARG(t->gateway->base), id + 6)
						  : STR_NONE);
		json_raw(&writer, page->items[i].event);
		searchset_entry_end(&writer);
	}
	searchset_outcome(&writer, t->outcome);
	searchset_end(&writer);
	return json_writer_finish(&writer, t->outcome);
}

static bool search(struct reading *reading, const struct search_opening *opening, bool strict, struct buf *answer)
{
	const struct transaction *t = reading->t;
	struct audit_page page = { 0 };
	uint64_t after;

	for (size_t i = 0; i < opening->params.count; i++) {
		if (!parameter_read(reading, &opening->params.items[i], strict))
			return false;
	}
	if (reading->honoured.failed)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Shorten the search.");
	if (!patient_required(reading))
		return false;
	if (opening->has_after && str_to_u64(opening->after.id, &after))
		reading->query.after_sequence = (int64_t)after;
	if (!reading->nobody && !audit_search(t->gateway->audit, &reading->query, t->south.arena, &page, t->outcome))
		return false;
	return page_write(reading, &page, answer);
}

/* A token that opens the route is not enough: events tell what patients hide, and from whom. */
static bool caller_may(const struct transaction *t)
{
	return caller_is_entitled(t->caller, &t->gateway->config->audit_readers) ||
	       outcome_add(t->outcome, ERR_FORBIDDEN, "",
			   "AuditEvents are for the patient, and for readers whom this organisation names.");
}

bool find_audit_events(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct search_opening opening;
	struct reading reading = { .t = t,
				   .query = { .until_ms = INT64_MAX,
					      .after_sequence = INT64_MAX,
					      .count_max = t->gateway->config->search_count_default } };
	bool ok;

	if (!t->gateway->audit)
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", "Nothing is recorded here: the audit is off.");
	if (!caller_may(t) || !search_open(t, request, &opening))
		return false;
	reading.query.tokens = reading.tokens;
	buf_init(&reading.honoured, SEARCH_TEXT_MAX);
	ok = search(&reading, &opening, request->strict, answer);
	buf_free(&reading.honoured);
	return ok;
}

bool read_audit_event(const struct transaction *t, struct str id, struct buf *answer)
{
	struct audit_token token = { AUDIT_TOKEN_ID, id };
	struct audit_query query = {
		.until_ms = INT64_MAX, .after_sequence = INT64_MAX, .tokens = &token, .token_count = 1, .count_max = 1
	};
	struct audit_page page = { 0 };

	/* Whose event it is shows only in a search by patient. */
	if (t->caller->kind == CALLER_PATIENT || !str_is_empty(t->caller->person_id))
		return outcome_add(t->outcome, ERR_FORBIDDEN, "", "Search by patient and _id instead.");
	if (!caller_may(t))
		return false;
	if (t->gateway->audit && !audit_search(t->gateway->audit, &query, t->south.arena, &page, t->outcome))
		return false;
	if (page.count == 0)
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such AuditEvent.");
	buf_add(answer, page.items[0].event);
	return !answer->failed || no_memory(t);
}
