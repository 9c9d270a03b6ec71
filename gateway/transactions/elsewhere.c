#include "gateway/transactions/elsewhere.h"

#include <stdio.h>

#include "gateway/access/visible_changes.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/legs.h"
#include "mappers/document_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/search_query.h"

static bool is_alone(const struct transaction *t)
{
	return t->gateway->source_count == 1;
}

bool errand_begin(const struct transaction *t, struct source *source, struct errand *errand)
{
	*errand = (struct errand) { .t = *t, .issue_count = t->outcome->count };
	if (is_alone(t))
		return true;
	errand->t.source = source;
	errand->t.south.backend = &source->backend;
	errand->t.visit = visit_part(t->visit, &errand->t.south, source->community);
	return errand->t.visit || no_memory(t);
}

bool issue_is_of_source(const struct issue *issue)
{
	if (issue->xds_code[0])
		return true;
	switch (issue->code) {
	case ERR_BACKEND_ANSWER:
	case ERR_BACKEND_REFUSED:
	case ERR_BACKEND_DOWN:
	case ERR_BACKEND_TIMEOUT:
	case ERR_BUSY:
	case ERR_DOCUMENT_CORRUPT:
	case ERR_PATIENT_AMBIGUOUS:
		return true;
	default:
		return false;
	}
}

static struct issue issue_name(const struct issue *issue, const struct source *source)
{
	struct issue named = *issue;

	if (issue_is_of_source(issue))
		snprintf(named.text, sizeof(named.text), "%.*s: %s", STR_ARG(source->backend.name), issue->text);
	return named;
}

bool errand_end(const struct errand *errand, bool ok)
{
	struct outcome *outcome = errand->t.outcome;

	if (is_alone(&errand->t))
		return ok;
	for (size_t i = errand->issue_count; i < outcome->count; i++)
		outcome->issues[i] = issue_name(&outcome->issues[i], errand->t.source);
	return ok;
}

void issues_take(struct outcome *outcome, const struct outcome *from, const struct source *source)
{
	for (size_t i = 0; i < from->count; i++) {
		struct issue issue = issue_name(&from->issues[i], source);

		outcome_take(outcome, &issue);
	}
}

/* Copies of what. */
struct asking {
	struct visible_name *names;
	size_t count;
};

static bool is_about_several(const struct outcome *outcome, size_t from)
{
	for (size_t i = from; i < outcome->count; i++) {
		if (strcmp(outcome->issues[i].xds_code, "XDSResultNotSinglePatient") == 0)
			return true;
	}
	return false;
}

/* A source may have some of them of another patient: then its registry answers none (TF-2 3.18.4.1.3), and is asked for
 * fewer at a time, so that the others are hidden all the same. About two questions for each at the most. */
static bool copies_ask_for(const struct transaction *t, const struct str *unique_ids, size_t count)
{
	size_t most = SEARCH_BATCH;
	size_t begin = 0;
	bool ok = true;

	while (begin < count) {
		size_t batch = count - begin < most ? count - begin : most;
		struct outcome before = *t->outcome;
		struct stored_query query;
		struct metadata ignored;

		if (!get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, unique_ids + begin,
			       batch, registry_home(t), t->south.arena, &query))
			return no_memory(t);
		if (!registry_ask(t, &query, &ignored)) {
			if (!is_about_several(t->outcome, before.count))
				return false;
			if (batch > 1) {
				*t->outcome = before;
				most = batch / 2;
				continue;
			}
			ok = false;
		}
		begin += batch;
		most = 2 * most < SEARCH_BATCH ? 2 * most : SEARCH_BATCH;
	}
	return ok;
}

/* What a source has under the names from first on of its patient passes the visit, which remembers what may not be seen. */
static bool copies_of_patient(struct transaction *t, const struct asking *asking, size_t first)
{
	struct str patient_id = asking->names[first].patient_id;
	struct str *unique_ids = arena_array(t->south.arena, asking->count - first, sizeof(*unique_ids));
	struct strs uuids;
	size_t count = 0;
	bool is_cut;

	if (!unique_ids || !visible_changes_of(t->visit, patient_id, NULL, &uuids, &is_cut))
		return no_memory(t);
	if (!visit_patient_there(t->visit, patient_id, &t->south.patient_id, t->outcome))
		return false;
	if (!t->south.patient_id.data)
		return true;
	for (size_t i = first; i < asking->count; i++) {
		if (str_equal(asking->names[i].patient_id, patient_id))
			unique_ids[count++] = asking->names[i].unique_id;
	}
	return copies_ask_for(t, unique_ids, count);
}

static bool is_first_of_patient(const struct asking *asking, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (str_equal(asking->names[i].patient_id, asking->names[index].patient_id))
			return false;
	}
	return true;
}

/* Each patient by themselves: a registry answers about one (XDSResultNotSinglePatient, TF-2 3.18.4.1.3), a source may not
 * know another, and what fails for one says nothing of the others. */
static bool copies_of_patients(struct transaction *t, const struct asking *asking)
{
	bool ok = true;

	for (size_t i = 0; i < asking->count; i++) {
		if (is_first_of_patient(asking, i))
			ok = copies_of_patient(t, asking, i) && ok;
	}
	return ok;
}

static bool copies_read(struct leg *leg, const void *ctx)
{
	return copies_of_patients(&leg->t, ctx);
}

bool hidden_here_ask(const struct transaction *t, const struct metadata *found)
{
	struct transaction here = *t;
	struct asking asking;

	if (!visible_names(t->visit, CONSENT_FIND, found, &asking.names, &asking.count))
		return no_memory(t);
	return copies_of_patients(&here, &asking);
}

/* Another source, unless the search that t is a leg of is done with it: it has shown all that the patient has there, or does
 * not answer. Communities are not asked for other communities: two that ask each other would never end. */
static bool is_to_be_asked(const struct transaction *t, size_t source)
{
	const struct leg *leg = t->legs ? &t->legs->items[source] : NULL;

	return &t->gateway->sources[source] != t->source &&
	       (!t->is_inward || t->gateway->sources[source].config->kind == CONFIG_KIND_XDS) &&
	       (!leg || (!leg->mute && !(leg->widened && leg->answered)));
}

static bool is_anybody_asked(const struct transaction *t)
{
	for (size_t i = 0; i < t->gateway->source_count; i++) {
		if (is_to_be_asked(t, i))
			return true;
	}
	return false;
}

/* Asks the other sources. Those that do not answer hide nothing, in this search neither now nor later; those that there was
 * no time for would be told by nobody. */
static bool copies_ask(const struct transaction *t, const struct asking *asking)
{
	struct transaction quiet = *t;
	struct outcome ignored;
	struct legs legs;
	bool is_complete = true;

	outcome_init(&ignored);
	quiet.outcome = &ignored;
	if (!legs_open(&quiet, &legs))
		return no_memory(t);
	for (size_t i = 0; i < legs.count; i++)
		legs.items[i].wanted = is_to_be_asked(t, i);
	(void)!legs_run(&legs, copies_read, asking);
	for (size_t i = 0; i < legs.count; i++) {
		is_complete = is_complete && !legs.items[i].mute;
		if (t->legs && legs.items[i].mute)
			t->legs->items[i].mute = true;
	}
	return is_complete || !legs_are_late(&legs) ||
	       outcome_add(t->outcome, ERR_BACKEND_TIMEOUT, "",
			   "There was no time left to ask what is hidden elsewhere; try again later.");
}

bool hidden_elsewhere_drop(const struct transaction *t, struct metadata *found)
{
	struct asking asking;

	if (is_alone(t)) {
		visible_everywhere(t->visit, found);
		return true;
	}
	if (!visible_names(t->visit, CONSENT_FIND, found, &asking.names, &asking.count))
		return no_memory(t);
	if (asking.count > 0 && is_anybody_asked(t) && !copies_ask(t, &asking))
		return false;
	visible_everywhere(t->visit, found);
	return true;
}

bool hidden_elsewhere_entry(const struct transaction *t, const struct document_entry **entry)
{
	struct document_entry *shown = arena_alloc(t->south.arena, sizeof(*shown));
	struct metadata found = { .document_entries = shown, .document_entry_count = 1 };

	if (!shown)
		return no_memory(t);
	*shown = **entry;
	if (!hidden_elsewhere_drop(t, &found))
		return false;
	*entry = found.document_entry_count ? shown : NULL;
	return true;
}
