/* Patient Demographics Match [ITI-119] over ITI-47 with a degree of match. Source: PDQm 3.119, FHIR R4 Patient/$match. */
#include <stdlib.h>

#include "gateway/access/rate_limit.h"
#include "gateway/transactions/demographics.h"
#include "mappers/base/xds_time.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_writer.h"
#include "mappers/patient_operation.h"
#include "mappers/searchset.h"

struct match {
	const struct patient *patient;
	struct str id;
	int percent;
};

struct matches {
	struct match *items;
	size_t count;
};

/* The most likely first; the id only so that the order is the same each time. */
static int compare(const void *left, const void *right)
{
	const struct match *a = left;
	const struct match *b = right;

	return a->percent != b->percent ? b->percent - a->percent : memcmp(a->id.data, b->id.data, a->id.size);
}

/* FHIR has no wildcards, and none may reach a back-end that has them. */
static bool no_wildcards(const struct transaction *t, const struct patient_query *query, const char *path)
{
	const struct str texts[] = { query->family,        query->given,           query->mothers_maiden_name,
				     query->address.line,  query->address.city,    query->address.postal_code,
				     query->address.state, query->address.country, query->telecom };

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (str_find(texts[i], '*') < texts[i].size || str_find(texts[i], '%') < texts[i].size)
			return outcome_add(t->outcome, ERR_VALUE_INVALID, path,
					   "Write what is known of the patient; there are no wildcards.");
	}
	return true;
}

/* What is asked: the identifiers of known domains, and the first of each other trait. */
static bool query_make(const struct transaction *t, const struct patient *patient, struct patient_query *query)
{
	struct patient_identities *identities = &query->identifiers;

	*query = PATIENT_QUERY_NONE;
	identities->items = arena_array(t->south.arena, patient->identifiers.count, sizeof *identities->items);
	if (!identities->items)
		return no_memory(t);
	for (size_t i = 0; i < patient->identifiers.count; i++) {
		if (identity_authority_known(t, patient->identifiers.items[i].authority))
			identities->items[identities->count++] = patient->identifiers.items[i];
	}
	if (patient->name_count > 0) {
		query->family = patient->names[0].family;
		query->given = patient->names[0].given;
	}
	if (patient->address_count > 0)
		query->address = patient->addresses[0];
	if (patient->telecom_count > 0)
		query->telecom = patient->telecoms[0].value;
	query->gender = patient->gender;
	query->birth_from = patient->birth_date;
	query->birth_to = patient->birth_date;
	query->mothers_maiden_name = patient->mothers_maiden_name;
	query->minimum_percent = MATCH_POSSIBLE_PERCENT;
	query->count_max = (size_t)t->gateway->config->identity_results_max;
	return true;
}

static bool matches_gather(const struct transaction *t, const struct patient_list *list, struct matches *matches)
{
	matches->items = arena_array(t->south.arena, list->count, sizeof *matches->items);
	if (!matches->items)
		return no_memory(t);
	for (size_t i = 0; i < list->count; i++) {
		const struct patient *patient = &list->items[i];
		const struct patient_identity *identity = identity_of_patient(t, &patient->identifiers);
		/* A source that weighs nothing has said that all traits match: that is likely, and not certain. */
		int percent = patient->match_percent < 0 ? MATCH_PROBABLE_PERCENT : patient->match_percent;

		if (!identity || !match_grade(percent).data || !demographics_visible(t, &patient->identifiers))
			continue;
		matches->items[matches->count] = (struct match) { patient, identity_seal(t, identity), percent };
		if (!matches->items[matches->count++].id.data)
			return no_memory(t);
	}
	if (matches->count > 0)
		qsort(matches->items, matches->count, sizeof *matches->items, compare);
	return true;
}

/* PDQm 3.119.4.1.3, cases 3 to 6. */
static void matches_choose(const struct match_question *question, struct matches *matches)
{
	if (question->only_certain) {
		size_t certain = 0;

		while (certain < matches->count && matches->items[certain].percent >= MATCH_CERTAIN_PERCENT)
			certain++;
		matches->count = certain == 1 ? 1 : 0;
	}
	if (question->count > 0 && question->count < matches->count)
		matches->count = question->count;
}

static bool answer_write(const struct transaction *t, const struct matches *matches, struct buf *answer)
{
	char instant[FHIR_INSTANT_SIZE];
	struct json_writer writer;
	struct searchset set = { .total = matches->count };

	fhir_instant_from_unix(t->now_s, instant);
	set.timestamp = str_from_c(instant);
	set.self = arena_printf(t->south.arena, "%.*s/Patient/$match", STR_ARG(t->gateway->base));
	json_writer_init(&writer, answer);
	searchset_begin(&writer, &set);
	for (size_t i = 0; i < matches->count; i++) {
		const struct match *match = &matches->items[i];

		searchset_entry_begin(&writer, arena_printf(t->south.arena, "%.*s/Patient/%.*s",
							    STR_ARG(t->gateway->base), STR_ARG(match->id)));
		demographics_record(t, &match->patient->identifiers);
		demographics_write(t, match->patient, match->id, &writer);
		searchset_entry_end_graded(&writer, (unsigned)match->percent, match_grade(match->percent));
	}
	searchset_outcome(&writer, t->outcome);
	searchset_end(&writer);
	return json_writer_finish(&writer, t->outcome);
}

bool match_patient(const struct transaction *t, const json_t *body, struct buf *answer)
{
	struct system_names names = identity_names(t);
	struct match_question question;
	struct patient patient;
	struct patient_query query;
	struct patient_list list;
	struct matches matches = { 0 };
	struct str ignored;

	if (!names.items)
		return no_memory(t);
	if (!fhir_validate(body, NULL, t->outcome) || !match_question_read(body, &question, t->outcome) ||
	    !patient_from_fhir(question.patient, question.path, &names, t->south.arena, &patient, &ignored, t->outcome))
		return false;
	if (!query_make(t, &patient, &query) || !no_wildcards(t, &query, question.path))
		return false;
	patient.identifiers = query.identifiers;
	if (!demographics_narrow(t, patient_traits(&patient), true) ||
	    !search_limit_admit(t->gateway->access, t->caller, t->now_s, t->outcome) ||
	    !demographics_ask(t, &query, &list) || !matches_gather(t, &list, &matches))
		return false;
	matches_choose(&question, &matches);
	return answer_write(t, &matches, answer);
}
