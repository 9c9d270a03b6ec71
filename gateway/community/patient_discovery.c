/* Cross Gateway Patient Discovery [ITI-55]: by which identifier a patient is known here. One is named or nobody; of whom
 * several fit the asker says more, and who lets nothing be seen is not there. Source: ITI TF-2 3.55. */
#include "mappers/patient_discovery.h"

#include "gateway/access/rate_limit.h"
#include "gateway/community/community.h"
#include "gateway/run/random.h"
#include "gateway/transactions/demographics.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/hl7v3.h"

#define ASKED          "/controlActProcess/queryByParameter/parameterList"
#define ASKED_HOME     "/receiver/device/asAgent/representedOrganization/id/@root"
#define RESPONDER_BUSY "ResponderBusy"

struct discovery {
	struct inward *inward;
	struct hl7v3_message question;
	struct hl7v3_message reply;
	struct hl7v3_detail detail;
};

static bool out_of_memory(const struct discovery *discovery)
{
	return no_memory(&discovery->inward->t);
}

/* A question that cannot be answered, and where it says so. Returns false. */
static bool refuse(struct discovery *discovery, const char *code, const char *location, const char *text)
{
	struct arena *arena = discovery->inward->request->arena;

	discovery->detail =
		(struct hl7v3_detail) { .code = str_from_c(code),
					.location = arena_printf(arena, "/%.*s%s",
								 STR_ARG(hl7v3_root_name(HL7V3_PDQ_QUERY)), location),
					.text = str_from_c(text) };
	return outcome_add(&discovery->inward->outcome, ERR_VALUE_INVALID, "", "%s", text);
}

static bool has_wildcards(const struct patient_query *query)
{
	const struct str texts[] = { query->family,        query->given,           query->mothers_maiden_name,
				     query->address.line,  query->address.city,    query->address.postal_code,
				     query->address.state, query->address.country, query->telecom };

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (str_find(texts[i], '*') < texts[i].size || str_find(texts[i], '%') < texts[i].size)
			return true;
	}
	return false;
}

/* The identifiers of domains that are known here; the others are the asking community's own. */
static bool identifiers_known(const struct discovery *discovery, struct patient_query *query)
{
	const struct transaction *t = &discovery->inward->t;
	const struct patient_identities *asked = &discovery->question.query.identifiers;

	query->identifiers = (struct patient_identities) { .items = arena_array(t->south.arena, asked->count,
										sizeof(*asked->items)) };
	if (!query->identifiers.items)
		return out_of_memory(discovery);
	for (size_t i = 0; i < asked->count; i++) {
		if (identity_authority_known(t, asked->items[i].authority))
			query->identifiers.items[query->identifiers.count++] = asked->items[i];
	}
	return true;
}

/* What is asked of the demographics source. Whoever looks like the one asked for must be seen, or one of several would
 * pass for the only one: nothing in the question narrows the answer. */
static bool query_make(struct discovery *discovery, struct patient_query *query)
{
	const struct patient_query *asked = &discovery->question.query;

	*query = *asked;
	query->domains = (struct strs) { 0 };
	query->name_is_exact = true;
	query->minimum_percent = -1;
	query->count_max = 0;
	if (!identifiers_known(discovery, query))
		return false;
	if (asked->has_unknown)
		return refuse(discovery, HL7V3_APPLICATION_ERROR, ASKED,
			      "Ask without parameters that are not known here.");
	if (query->identifiers.count == 0 && (str_is_empty(asked->family) || str_is_empty(asked->birth_from)))
		return refuse(discovery, HL7V3_APPLICATION_ERROR, ASKED,
			      "Ask with family name and birth time, or with an identifier that is known here.");
	return !has_wildcards(query) ||
	       refuse(discovery, HL7V3_APPLICATION_ERROR, ASKED, "Write what is known; there are no wildcards.");
}

/* The one identifier of this community; NULL: none, or several, and nobody here may choose. */
static struct patient_identity *own_identity(const struct discovery *discovery, const struct patient *patient)
{
	struct patient_identity *found = NULL;

	for (size_t i = 0; i < patient->identifiers.count; i++) {
		struct patient_identity *identity = &patient->identifiers.items[i];

		if (!identity_is_affinity(&discovery->inward->t, identity))
			continue;
		if (found && !str_equal(found->value, identity->value))
			return NULL;
		found = identity;
	}
	return found;
}

/* Leaves those who fit and are known by an identifier of this community. */
static bool fitting_filter(const struct discovery *discovery, struct patient_list *list)
{
	const struct patient_query *asked = &discovery->question.query;
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct patient *patient = &list->items[i];
		bool fits;

		if (!patient_fits(patient, asked, discovery->inward->request->arena, &fits))
			return out_of_memory(discovery);
		if (fits && own_identity(discovery, patient) && !patient_is_other(patient, &asked->identifiers))
			list->items[count++] = *patient;
	}
	list->count = count;
	return true;
}

/* Of the one who was found: what the asker needs to know them by, and no more. */
static bool patient_add(struct discovery *discovery, const struct patient *patient)
{
	struct inward *inward = discovery->inward;
	struct patient *shown = arena_alloc(inward->request->arena, sizeof(*shown));

	if (!shown)
		return out_of_memory(discovery);
	*shown = (struct patient) { .identifiers = { own_identity(discovery, patient), 1 },
				    .names = patient->names,
				    .name_count = patient->name_count,
				    .gender = patient->gender,
				    .birth_date = patient->birth_date,
				    .match_percent = patient->match_percent < 0 ? 100 : patient->match_percent,
				    .custodian = str_without_prefix(inward->community->home, STR("urn:oid:")) };
	discovery->reply.patients = (struct patient_list) { .items = shown, .count = 1 };
	demographics_record(&inward->t, &shown->identifiers);
	return true;
}

/* One who may not be found by this caller is not there, and neither is one whom the assertion does not speak of. Whether
 * there are several is found out before: another's will must not make one of two look like the only one. */
static bool found_take(struct discovery *discovery, const struct patient_list *list)
{
	const struct transaction *t = &discovery->inward->t;
	struct outcome *outcome = &discovery->inward->outcome;
	struct str patient_id;

	if (list->count == 0)
		return true;
	if (list->count > 1) {
		if (!patient_requests(&discovery->question.query, t->south.arena, &discovery->reply.requests))
			return out_of_memory(discovery);
		return discovery->reply.requests.count > 0 ||
		       outcome_add(outcome, ERR_PATIENT_AMBIGUOUS, "", "Several patients fit all that was said.");
	}
	if (!identity_cx(t, own_identity(discovery, &list->items[0])->value, &patient_id))
		return false;
	if (!demographics_visible(t, &list->items[0].identifiers) || !visit_may_discover(t->visit, patient_id, outcome))
		return !outcome->has_error;
	return patient_add(discovery, &list->items[0]);
}

/* Who fits, by traits and identifiers together; identifiers of known domains that are nobody's here say nothing against
 * who fits by traits. */
static bool list_ask(struct discovery *discovery, struct patient_query *query, struct patient_list *list)
{
	const struct transaction *t = &discovery->inward->t;
	bool has_traits = query->family.size && query->birth_from.size;

	for (bool again = true; again;) {
		if (!demographics_ask(t, query, list))
			return false;
		if (list->remaining > 0 || list->count > t->gateway->config->identity_results_max)
			return refuse(discovery, HL7V3_APPLICATION_ERROR, ASKED,
				      "Say more of the patient: too many fit.");
		again = list->count == 0 && query->identifiers.count > 0 && has_traits;
		query->identifiers.count = 0;
	}
	return true;
}

static bool find(struct discovery *discovery)
{
	const struct transaction *t = &discovery->inward->t;
	struct str home = str_without_prefix(discovery->inward->community->home, STR("urn:oid:"));
	struct patient_query query;
	struct patient_list list;

	if (discovery->question.receiver_home.size && !str_equal(discovery->question.receiver_home, home))
		return refuse(discovery, HL7V3_UNKNOWN_KEY, ASKED_HOME, "This is the gateway of another community.");
	return query_make(discovery, &query) &&
	       search_limit_admit(t->gateway->access, t->caller, t->now_s, t->outcome) &&
	       list_ask(discovery, &query, &list) && fitting_filter(discovery, &list) && found_take(discovery, &list);
}

static bool reply_begin(struct discovery *discovery)
{
	const struct hl7v3_message *question = &discovery->question;
	struct inward *inward = discovery->inward;
	struct arena *arena = inward->request->arena;
	struct str home = str_without_prefix(inward->community->home, STR("urn:oid:"));
	struct str device = inward->t.gateway->config->identity_sender;
	unsigned char random[16];
	char urn[UUID_URN_SIZE];
	char now[XDS_TIME_SIZE];

	random_bytes(random, sizeof(random));
	uuid_format(random, urn);
	xds_time_from_unix(inward->t.now_s, now);
	discovery->reply =
		(struct hl7v3_message) { .kind = HL7V3_PDQ_ANSWER,
					 .id = { arena_copy(arena, str_from(str_from_c(urn), sizeof("urn:uuid:") - 1)),
						 STR_NONE },
					 .created = arena_copy(arena, str_from_c(now)),
					 .receiver = question->sender,
					 .sender = device.size ? device : home,
					 .receiver_home = question->sender_home,
					 .sender_home = home,
					 .target = question->id,
					 .query_id = question->query_id,
					 .query = question->query };
	return (discovery->reply.id.root.data && discovery->reply.created.data) || out_of_memory(discovery);
}

/* ITI TF-2 3.55.4.2.3: found, nobody, say more, or no answer now. */
static void reply_end(struct discovery *discovery)
{
	const struct outcome *outcome = &discovery->inward->outcome;
	struct hl7v3_message *reply = &discovery->reply;
	bool is_busy = outcome->count > 0 && outcome->issues[0].code == ERR_THROTTLED;

	reply->ack_code = STR("AA");
	reply->query_code = reply->patients.count + reply->requests.count > 0 ? STR("OK") : STR("NF");
	if (!outcome->has_error)
		return;
	reply->ack_code = STR("AE");
	reply->query_code = STR("AE");
	reply->patients.count = 0;
	reply->requests.count = 0;
	if (discovery->detail.code.data) {
		reply->details = &discovery->detail;
		reply->detail_count = 1;
		return;
	}
	reply->problem = is_busy ? STR(RESPONDER_BUSY) : STR(HL7V3_ANSWER_UNAVAILABLE);
}

static bool question_read(struct inward *inward, struct hl7v3_message *question)
{
	if (!hl7v3_read(inward->request->root, inward->request->arena, question, &inward->outcome))
		return false;
	if (question->kind != HL7V3_PDQ_QUERY)
		return outcome_add(&inward->outcome, ERR_BODY_MALFORMED, "", "Let wsa:Action and the message agree.");
	return question->id.root.size > 0 ||
	       outcome_add(&inward->outcome, ERR_BODY_MALFORMED, "", "Give the message an id.");
}

static bool exchange(struct inward *inward)
{
	struct discovery discovery = { .inward = inward };

	if (!question_read(inward, &discovery.question) || !reply_begin(&discovery))
		return false;
	if (!find(&discovery) && arena_failed(inward->request->arena))
		return false;
	reply_end(&discovery);
	hl7v3_write(soap_answer_writer(inward->answer), &discovery.reply);
	return true;
}

/* The question as it was understood. */
static bool question(struct inward *inward, struct str *text, size_t *size)
{
	struct hl7v3_message message;
	struct xml_writer writer;
	struct outcome ignored;
	struct buf out;

	*text = STR_NONE;
	*size = 0;
	outcome_init(&ignored);
	if (!hl7v3_read(inward->request->root, inward->request->arena, &message, &ignored) ||
	    message.kind != HL7V3_PDQ_QUERY)
		return true; /* to be refused */
	buf_init(&out, AUDIT_QUERY_BYTES_MAX);
	xml_writer_init(&writer, &out);
	hl7v3_write(&writer, &message);
	*text = arena_copy(inward->request->arena, buf_str(&out));
	*size = out.failed ? AUDIT_QUERY_BYTES_MAX + 1 : out.size;
	buf_free(&out);
	return text->data != NULL;
}

bool patient_discovery(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	static const struct inward_service service = { AUDIT_CROSS_DISCOVERED, question, exchange };

	(void)ctx;
	return inward_walk(&service, request, answer, outcome);
}
