#include "gateway/south/identity_client.h"

#include "gateway/south/hl7v3_exchange.h"

/* The manager as a peer. */
static struct hl7v3_peer peer_of(const struct identity_service *service)
{
	return (struct hl7v3_peer) { service->url, service->receiver, service->sender, "" };
}

static bool question_begin(struct hl7v3_message *question, enum hl7v3_kind kind, const struct south *south,
			   const struct identity_service *service, struct outcome *outcome)
{
	const struct hl7v3_peer peer = peer_of(service);

	return hl7v3_question_begin(question, kind, south, &peer, outcome);
}

static bool ask(const struct south *south, const struct identity_service *service, const struct hl7v3_message *question,
		enum hl7v3_kind kind, struct hl7v3_message *answer, struct outcome *outcome)
{
	const struct hl7v3_peer peer = peer_of(service);

	return hl7v3_ask(south, &peer, question, kind, answer, outcome);
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

/* What a query's answer says: IDENTITY_OK for found and for nothing found. */
static enum identity_end query_end(const struct south *south, const struct hl7v3_message *answer,
				   struct outcome *outcome)
{
	bool is_error = str_equal(answer->ack_code, STR("AE")) || str_equal(answer->query_code, STR("AE"));
	enum identity_end end = IDENTITY_FAILED;

	if (hl7v3_is_accepted(answer->ack_code) &&
	    (str_equal(answer->query_code, STR("OK")) || str_equal(answer->query_code, STR("NF"))))
		return IDENTITY_OK;
	hl7v3_refusal_log(south, answer);
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
	hl7v3_refusal_log(south, answer);
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
	return hl7v3_is_accepted(answer.ack_code) ? IDENTITY_OK : refusal_end(south, &answer, outcome);
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
