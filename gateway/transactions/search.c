#include "gateway/transactions/search.h"

#include "gateway/transactions/elsewhere.h"
#include "mappers/document_search.h"
#include "mappers/submission_match.h"

#define CURSOR_BYTES_MAX 4096

/* The communities that this gateway reaches. */
static bool communities_make(const struct transaction *t, struct strs *homes)
{
	const struct gateway *gateway = t->gateway;

	*homes = (struct strs) { arena_array(t->south.arena, gateway->source_count, sizeof(*homes->items)), 0 };
	for (size_t i = 0; homes->items && i < gateway->source_count; i++) {
		if (gateway->sources[i].home.data)
			homes->items[homes->count++] = gateway->sources[i].home;
	}
	return homes->items || no_memory(t);
}

static bool rules_make(const struct transaction *t, bool strict, struct search_rules *rules)
{
	const struct config *config = t->gateway->config;

	*rules = (struct search_rules) { .strict = strict,
					 .default_offset_minutes = config->default_timezone,
					 .page_entries = config->search_count_default,
					 .page_entries_max = config->search_count_max,
					 .base = t->gateway->base };
	return communities_make(t, &rules->communities);
}

/* A next link holds the whole search, sealed: what stands beside it is not looked at. */
static bool cursor_open(const struct transaction *t, struct str token, struct search_opening *opening)
{
	struct search_cursor cursor;
	struct str bytes;

	if (!seal_token_open(t->gateway->seal, SEAL_CURSOR, token, t->south.arena, &bytes) ||
	    !search_cursor_read(bytes, &cursor))
		return outcome_add(t->outcome, ERR_VALUE_INVALID, SEARCH_CURSOR_PARAMETER,
				   "Use the next link as it was given, or search anew.");
	opening->after = cursor.last;
	opening->sources = cursor.sources;
	opening->has_after = true;
	return search_params_read(cursor.honoured, STR_NONE, t->south.arena, &opening->params, t->outcome);
}

bool search_open(const struct transaction *t, const struct search_request *request, struct search_opening *opening)
{
	const struct search_param *cursor;

	*opening = (struct search_opening) { 0 };
	if (!rules_make(t, request->strict, &opening->rules) ||
	    !search_params_read(request->query, request->form, t->south.arena, &opening->params, t->outcome))
		return false;
	cursor = search_params_find(&opening->params, STR(SEARCH_CURSOR_PARAMETER));
	return !cursor || cursor_open(t, cursor->value, opening);
}

struct leg *search_leg(const struct legs *legs, uint8_t source)
{
	for (size_t i = 0; i < legs->count; i++) {
		if (legs->items[i].t.source->config->source == source)
			return &legs->items[i];
	}
	return legs->items;
}

bool search_at(struct leg *leg, const struct search_resolved *resolved, struct search_resolved *there, bool *nobody)
{
	const struct transaction *t = &leg->t;
	struct str *uuids = arena_array(t->south.arena, resolved->uuids.count, sizeof(*uuids));

	*nobody = false;
	*there = *resolved;
	there->uuids = (struct strs) { uuids, 0 };
	if (!uuids)
		return no_memory(t);
	for (size_t i = 0; i < resolved->uuids.count; i++) {
		if (resolved->uuid_sources[i] == t->source->config->source)
			uuids[there->uuids.count++] = resolved->uuids.items[i];
	}
	if (!visit_patient_there(t->visit, resolved->patient_id, &there->patient_id, t->outcome))
		return false;
	leg->t.south.patient_id = there->patient_id; /* for who is told about whom is asked */
	*nobody = resolved->patient_id.data && !there->patient_id.data;
	leg->has_waiting = resolved->patient_id.data && t->source == t->gateway->sources;
	return waiting_find(t, resolved->patient_id, &there->uuids, &leg->waiting) &&
	       (!leg->waiting.is_unknown ||
		outcome_warn(t->outcome, ERR_INCOMPLETE, "",
			     "What waits to be registered is missing here: it cannot be read now."));
}

struct search search_widened(struct leg *leg, const struct search *search, const struct search_resolved *resolved)
{
	struct search widened = *search;

	if (leg->legs->count == 1 || !resolved->patient_id.data ||
	    !visible_by_document(leg->t.visit, CONSENT_FIND, resolved->patient_id))
		return widened;
	leg->widened = true;
	widened.needs.ids.count = 0;
	widened.filter_count = 0;
	return widened;
}

bool search_hide(const struct legs *legs)
{
	for (size_t i = 0; i < legs->count; i++) {
		const struct leg *leg = &legs->items[i];

		for (size_t k = 0; leg->wanted && k < leg->answer_count; k++) {
			if (!hidden_elsewhere_drop(&leg->t, &leg->answers[k]))
				return false;
		}
	}
	return true;
}

static bool append_entries(const struct transaction *t, struct metadata *answer, const struct metadata *more)
{
	size_t count = answer->document_entry_count + more->document_entry_count;
	struct document_entry *joined = arena_array(t->south.arena, count, sizeof(*joined));

	if (!joined)
		return no_memory(t);
	if (answer->document_entry_count > 0)
		memcpy(joined, answer->document_entries, answer->document_entry_count * sizeof(*joined));
	if (more->document_entry_count > 0)
		memcpy(joined + answer->document_entry_count, more->document_entries,
		       more->document_entry_count * sizeof(*joined));
	answer->document_entries = joined;
	answer->document_entry_count = count;
	return true;
}

/* ITI-18 has no pages: ids first, then the objects in batches. TF-2 3.18.4.1.2.6 */
static bool ask_in_batches(const struct transaction *t, const struct stored_query *query, struct metadata *answer)
{
	struct stored_query ids = *query;
	struct strs refs;

	ids.object_ref = true;
	*answer = (struct metadata) { 0 };
	if (!visible_refs(&t->south, &ids, &refs, t->outcome))
		return false;
	if (refs.count > t->gateway->config->search_results_max)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Narrow the search: it has too many results.");
	for (size_t begin = 0; begin < refs.count; begin += SEARCH_BATCH) {
		size_t batch = refs.count - begin < SEARCH_BATCH ? refs.count - begin : SEARCH_BATCH;
		struct stored_query next;
		struct metadata found;

		if (!get_documents(refs.items + begin, batch, registry_home(t), t->south.arena, &next))
			return no_memory(t);
		if (!registry_ask(t, &next, &found) || !append_entries(t, answer, &found))
			return false;
	}
	return true;
}

static bool says_too_many(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++) {
		if (outcome->issues[i].code == ERR_TOO_COSTLY && outcome->issues[i].xds_code[0])
			return true;
	}
	return false;
}

static bool registry_search(struct leg *leg, const struct stored_query *queries, size_t count)
{
	const struct transaction *t = &leg->t;

	leg->answers = arena_array(t->south.arena, count, sizeof(*leg->answers));
	if (!leg->answers)
		return no_memory(t);
	for (size_t i = 0; i < count; i++) {
		struct outcome before = *t->outcome;
		struct stored_query query = queries[i];

		if (!query.home.data)
			query.home = registry_home(t);
		leg->answer_count = i + 1;
		if (registry_ask(t, &query, &leg->answers[i]))
			continue;
		if (!says_too_many(t->outcome))
			return false;
		*t->outcome = before;
		if (!ask_in_batches(t, &query, &leg->answers[i]))
			return false;
	}
	return true;
}

static bool is_known(const struct leg *leg, size_t count, struct str uuid)
{
	for (size_t i = 0; i < count; i++) {
		const struct metadata *answer = &leg->answers[i];

		for (size_t k = 0; k < answer->document_entry_count; k++) {
			if (str_equal_nocase(answer->document_entries[k].entry_uuid, uuid) ||
			    str_equal_nocase(answer->document_entries[k].logical_id, uuid))
				return true;
		}
		for (size_t k = 0; k < answer->submission_set_count; k++) {
			if (str_equal_nocase(answer->submission_sets[k].entry_uuid, uuid))
				return true;
		}
		for (size_t k = 0; k < answer->folder_count; k++) {
			if (str_equal_nocase(answer->folders[k].entry_uuid, uuid))
				return true;
		}
	}
	return false;
}

/* What was delivered since it was read is the registry's: all of a submission or nothing. */
static bool is_registered(const struct leg *leg, size_t count, const struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (is_known(leg, count, metadata->document_entries[i].entry_uuid))
			return true;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (is_known(leg, count, metadata->folders[i].entry_uuid))
			return true;
	}
	return metadata->submission_set_count > 0 && is_known(leg, count, metadata->submission_sets[0].entry_uuid);
}

static size_t documents_count(const struct leg *leg)
{
	size_t count = 0;

	for (size_t i = 0; i < leg->answer_count; i++)
		count += leg->answers[i].document_entry_count;
	return count;
}

/* As much of what waits, the newest first, as one search may have beside what is registered. */
static bool waiting_join(struct leg *leg)
{
	struct waiting *waiting = &leg->waiting;
	size_t documents = documents_count(leg);
	size_t documents_max = leg->t.gateway->config->search_results_max;
	size_t count = leg->answer_count;
	struct metadata *joined = arena_array(leg->t.south.arena, count + waiting->count, sizeof(*joined));
	size_t kept = 0;

	if (!joined)
		return no_memory(&leg->t);
	if (count > 0)
		memcpy(joined, leg->answers, count * sizeof(*joined));
	for (size_t i = 0; i < waiting->count; i++) {
		if (is_registered(leg, count, &waiting->items[i].metadata))
			continue;
		documents += waiting->items[i].metadata.document_entry_count;
		if (documents > documents_max) {
			waiting->is_cut = true;
			break;
		}
		joined[leg->answer_count++] = waiting->items[i].metadata;
		waiting->items[kept++] = waiting->items[i];
	}
	waiting->count = kept;
	leg->answers = joined;
	return true;
}

/* While the registry does not answer, what waits for it is what can be worked from. */
static bool away(struct leg *leg, const struct outcome *before)
{
	const struct transaction *t = &leg->t;

	if (leg->waiting.count == 0 || !submission_may_pass(t->outcome))
		return false;
	*t->outcome = *before;
	leg->is_away = true;
	leg->answers = NULL;
	leg->answer_count = 0;
	return outcome_warn(t->outcome, ERR_INCOMPLETE, "",
			    "What %.*s has is missing here, but for what waits to be registered: it does not answer.",
			    STR_ARG(t->source->backend.name));
}

/* Whose search names no patient has asked for documents of several: that is no trouble of the registry, and asking again does
 * not help. TF-2 3.18.4.1.3 */
static bool refused(const struct leg *leg, const struct outcome *before)
{
	struct outcome *outcome = leg->t.outcome;
	bool is_several = false;

	for (size_t i = 0; i < outcome->count; i++)
		is_several = is_several || !strcmp(outcome->issues[i].xds_code, "XDSResultNotSinglePatient");
	if (!is_several || leg->t.south.patient_id.data)
		return false;
	*outcome = *before;
	return outcome_add(outcome, ERR_RULE, "", "Search for documents of one patient at a time.");
}

bool search_ask(struct leg *leg, const struct stored_query *queries, size_t count)
{
	struct outcome before = *leg->t.outcome;

	if (!registry_search(leg, queries, count) && !away(leg, &before))
		return refused(leg, &before);
	if (documents_count(leg) > leg->t.gateway->config->search_results_max)
		return outcome_add(leg->t.outcome, ERR_TOO_COSTLY, "", "Narrow the search: it has too many results.");
	for (size_t i = 0; !leg->widened && i < leg->answer_count; i++) {
		if (!shows_all_entries(&queries[i]) && !hidden_here_ask(&leg->t, &leg->answers[i]))
			return false;
	}
	return leg->waiting.count == 0 || waiting_join(leg);
}

bool search_changes(struct leg *leg, struct str patient_id, const struct changes_wanted *wanted)
{
	bool is_cut;

	if (!visible_changes_of(leg->t.visit, patient_id, wanted, &leg->changed, &is_cut))
		return no_memory(&leg->t);
	leg->waiting.is_cut = leg->waiting.is_cut || is_cut;
	return true;
}

bool search_ask_changed(struct leg *leg)
{
	const struct transaction *t = &leg->t;
	struct metadata *joined = arena_array(t->south.arena, leg->answer_count + 1, sizeof(*joined));
	struct str *uuids = arena_array(t->south.arena, leg->changed.count, sizeof(*uuids));
	size_t count = 0;

	if (!joined || !uuids)
		return no_memory(t);
	for (size_t i = 0; !leg->is_away && i < leg->changed.count; i++) {
		if (!is_known(leg, leg->answer_count, leg->changed.items[i]))
			uuids[count++] = leg->changed.items[i];
	}
	if (leg->answer_count > 0)
		memcpy(joined, leg->answers, leg->answer_count * sizeof(*joined));
	for (size_t begin = 0; begin < count; begin += SEARCH_BATCH) {
		size_t batch = count - begin < SEARCH_BATCH ? count - begin : SEARCH_BATCH;
		struct stored_query query;
		struct metadata found;

		if (!get_documents(uuids + begin, batch, registry_home(t), t->south.arena, &query))
			return no_memory(t);
		if (!registry_ask(t, &query, &found) || !append_entries(t, &joined[leg->answer_count], &found))
			return false;
	}
	leg->answers = joined;
	leg->answer_count += count > 0;
	return count == 0 || leg->widened || hidden_here_ask(t, &joined[leg->answer_count - 1]);
}

bool search_links(const struct transaction *t, const char *type, struct str honoured, const struct search_key *last,
		  const struct search_sources *sources, struct searchset *set)
{
	struct search_cursor place = { .honoured = honoured };
	struct buf cursor;
	struct str token = STR_NONE;
	bool sealed;

	set->self = arena_printf(t->south.arena, "%.*s/%s%s%.*s", STR_ARG(t->gateway->base), type,
				 honoured.size ? "?" : "", STR_ARG(honoured));
	if (!set->self.data)
		return no_memory(t);
	if (!last)
		return true;
	buf_init(&cursor, CURSOR_BYTES_MAX);
	place.last = *last;
	if (sources)
		place.sources = *sources;
	search_cursor_write(&place, &cursor);
	if (cursor.failed) {
		buf_free(&cursor);
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "",
				   "Shorten the search or raise _count: its next page cannot be named in a link.");
	}
	sealed = seal_token(t->gateway->seal, SEAL_CURSOR, buf_str(&cursor), t->south.arena, &token);
	buf_free(&cursor);
	if (sealed)
		set->next = arena_printf(t->south.arena, "%.*s/%s?%s=%.*s", STR_ARG(t->gateway->base), type,
					 SEARCH_CURSOR_PARAMETER, STR_ARG(token));
	return set->next.data || no_memory(t);
}
