/* Publications that are registered later, as Tasks: their senders see and decide about their own, operators about all.
 * Source: FHIR R4 Task, http. */
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/publication_items.h"
#include "gateway/transactions/resources.h"
#include "gateway/transactions/search.h"
#include "mappers/base/xds_time.h"
#include "mappers/fhir_read.h"
#include "mappers/json_writer.h"
#include "mappers/searchset.h"
#include "mappers/task_resource.h"

#define SCAN_MAX 1000 /* items that one request looks at: who sees few of many gets several pages */

static enum task_status status_of(const struct outbox_item *item)
{
	switch (item->state) {
	case OUTBOX_WAITING:
		return item->is_held ? TASK_ON_HOLD : TASK_REQUESTED;
	case OUTBOX_SENDING:
		return TASK_IN_PROGRESS;
	case OUTBOX_DELIVERED:
		return TASK_COMPLETED;
	case OUTBOX_REFUSED:
		return TASK_FAILED;
	case OUTBOX_WITHDRAWN:
		return TASK_CANCELLED;
	case OUTBOX_ANNOUNCED:
		break;
	}
	/* And one of a state that a later version wrote. */
	return TASK_ON_HOLD;
}

static unsigned states_of(enum task_status status)
{
	static const unsigned states[TASK_STATUSES] = {
		[TASK_REQUESTED] = OUTBOX_STATE_BIT(OUTBOX_WAITING),
		[TASK_ON_HOLD] = OUTBOX_STATE_BIT(OUTBOX_WAITING) | OUTBOX_STATE_BIT(OUTBOX_ANNOUNCED),
		[TASK_IN_PROGRESS] = OUTBOX_STATE_BIT(OUTBOX_SENDING),
		[TASK_COMPLETED] = OUTBOX_STATE_BIT(OUTBOX_DELIVERED),
		[TASK_FAILED] = OUTBOX_STATE_BIT(OUTBOX_REFUSED),
		[TASK_CANCELLED] = OUTBOX_STATE_BIT(OUTBOX_WITHDRAWN),
	};

	return states[status];
}

/* The submission, or the document that is changed. */
static struct str focus_of(const struct transaction *t, const struct publication_item *opened)
{
	const struct metadata *metadata = &opened->metadata;

	if (opened->request.wish != WISH_NONE)
		return arena_printf(t->south.arena, "DocumentReference/%.*s", STR_ARG(opened->request.id));
	if (metadata->submission_set_count == 0)
		return STR_NONE;
	if (!str_equal(opened->item.kind, STR(PUBLICATION_CHANGE)) || metadata->document_entry_count == 0)
		return resource_reference(t, SEAL_LIST, STR_NONE, metadata->submission_sets[0].entry_uuid);
	return resource_reference(t, SEAL_DOCUMENT_REFERENCE, metadata->document_entries[0].logical_id,
				  metadata->document_entries[0].entry_uuid);
}

static bool task_put(const struct transaction *t, const struct publication_item *opened, struct json_writer *writer)
{
	const struct outbox_item *item = &opened->item;
	struct task_facts facts = { .id = publication_item_id(t, item->id),
				    .status = status_of(item),
				    .reason = publication_item_reason(t, item),
				    .kind = item->kind,
				    .target = item->target,
				    .attempts = item->attempts,
				    .accepted_s = item->accepted_ms / 1000,
				    .changed_s = item->changed_ms / 1000 };

	if (!str_is_empty(opened->patient_id)) {
		audit_patient(t->audit, opened->patient_id, STR_NONE);
		facts.patient = patient_reference(t, opened->patient_id);
	}
	facts.focus = focus_of(t, opened);
	facts.status_url =
		arena_printf(t->south.arena, "%.*s/_async/%.*s", STR_ARG(t->gateway->base), STR_ARG(facts.id));
	if (!facts.id.data || !facts.status_url.data)
		return no_memory(t);
	task_write(&facts, writer);
	return true;
}

static bool task_answer(const struct transaction *t, const struct publication_item *opened, struct buf *answer)
{
	struct json_writer writer;

	json_writer_init(&writer, answer);
	return task_put(t, opened, &writer) && json_writer_finish(&writer, t->outcome);
}

bool read_task(const struct transaction *t, struct str id, struct buf *answer)
{
	struct publication_item opened;

	return publication_item_open(t, id, &opened) && task_answer(t, &opened, answer);
}

static bool task_decide(const struct transaction *t, struct str id, enum publication_decision decision,
			struct buf *answer)
{
	struct publication_item opened;

	return publication_item_open(t, id, &opened) && publication_item_decide(t, &opened, decision) &&
	       task_answer(t, &opened, answer);
}

bool retry_task(const struct transaction *t, struct str id, struct buf *answer)
{
	return task_decide(t, id, PUBLICATION_RETRY, answer);
}

bool update_task(const struct transaction *t, struct str id, const json_t *task, struct buf *answer)
{
	struct str status = fhir_string(task, "status");

	if (!str_equal(fhir_string(task, "resourceType"), STR("Task")) || !str_equal(fhir_string(task, "id"), id))
		return outcome_add(t->outcome, ERR_VALUE_INVALID, "Task.id", "Send the Task whose id is in the URL.");
	if (str_equal(status, task_status_word(TASK_CANCELLED)))
		return task_decide(t, id, PUBLICATION_WITHDRAW, answer);
	if (str_equal(status, task_status_word(TASK_REQUESTED)))
		return task_decide(t, id, PUBLICATION_RETRY, answer);
	return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "Task.status",
			   "Set cancelled to withdraw the publication, or requested to try a failed one again.");
}

/* One search: which statuses, and where its page begins. */
struct task_search {
	bool wanted[TASK_STATUSES];
	bool any;
	unsigned states;
	uint64_t after;
	size_t entries;
	bool counting;
	struct str honoured;
};

static bool status_take(const struct transaction *t, const struct search_param *param, struct task_search *search)
{
	for (size_t i = 0; i < param->values.count; i++) {
		struct search_token token;
		bool known = false;

		if (!search_token_read(param->values.items[i], t->south.arena, &token))
			return no_memory(t);
		for (unsigned k = 0; k < TASK_STATUSES; k++) {
			if (!str_equal(token.code, task_status_word((enum task_status)k)))
				continue;
			known = search->wanted[k] = true;
			search->states |= states_of((enum task_status)k);
		}
		if (!known)
			return outcome_add(t->outcome, ERR_VALUE_INVALID, "status",
					   "Ask for requested, on-hold, in-progress, completed, failed or cancelled.");
	}
	search->any = false;
	return true;
}

/* The next page is a place in the order of arrival, sealed. */
static bool cursor_take(const struct transaction *t, struct str value, struct task_search *search)
{
	struct str bytes;

	if (seal_token_open(t->gateway->seal, SEAL_TASK, value, t->south.arena, &bytes) &&
	    str_to_u64(bytes, &search->after))
		return true;
	return outcome_add(t->outcome, ERR_VALUE_INVALID, SEARCH_CURSOR_PARAMETER,
			   "Use the next link as it was given, or search anew.");
}

static bool param_take(const struct transaction *t, const struct search_param *param, bool strict,
		       struct task_search *search, struct buf *honoured)
{
	bool done = true;
	bool ok;

	if (str_equal(param->name, STR(SEARCH_CURSOR_PARAMETER)))
		return cursor_take(t, param->value, search);
	if (str_equal(param->name, STR("status"))) {
		ok = status_take(t, param, search);
		search_param_write(param, honoured);
	} else {
		ok = search_page_param_take(param, t->gateway->config->search_count_max, &search->entries,
					    &search->counting, honoured, &done, t->outcome);
	}
	if (ok && search->counting && str_equal(param->name, STR("_summary")))
		return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "_summary",
				   "Ask for the Tasks themselves, page by page: they are not counted.");
	return ok && (done || search_param_ignore(strict, t->outcome));
}

static bool search_read(const struct transaction *t, const struct search_request *request, struct task_search *search)
{
	struct search_params params;
	struct buf honoured;
	bool ok = true;

	*search = (struct task_search) { .any = true, .entries = t->gateway->config->search_count_default };
	if (!search_params_read(request->query, request->form, t->south.arena, &params, t->outcome))
		return false;
	buf_init(&honoured, SEARCH_TEXT_MAX);
	for (size_t i = 0; ok && i < params.count; i++)
		ok = param_take(t, &params.items[i], request->strict, search, &honoured);
	search->honoured = arena_copy(t->south.arena, buf_str(&honoured));
	buf_free(&honoured);
	return ok && (search->honoured.data || no_memory(t));
}

static bool links_make(const struct transaction *t, const struct task_search *search, uint64_t next,
		       struct searchset *set)
{
	struct str place = arena_printf(t->south.arena, "%llu", (unsigned long long)next);
	struct str token = STR_NONE;

	set->self = arena_printf(t->south.arena, "%.*s/Task%s%.*s", STR_ARG(t->gateway->base),
				 search->honoured.size ? "?" : "", STR_ARG(search->honoured));
	if (!set->self.data || !place.data)
		return no_memory(t);
	if (next == 0)
		return true;
	if (!seal_token(t->gateway->seal, SEAL_TASK, place, t->south.arena, &token))
		return no_memory(t);
	set->next = arena_printf(t->south.arena, "%.*s%s%s=%.*s", STR_ARG(set->self), search->honoured.size ? "&" : "?",
				 SEARCH_CURSOR_PARAMETER, STR_ARG(token));
	return set->next.data || no_memory(t);
}

struct task_page {
	struct publication_item *items;
	size_t count;
	uint64_t next;
};

static bool item_take(const struct transaction *t, const struct task_search *search, const struct outbox_item *item,
		      struct task_page *page)
{
	struct str result = STR_NONE;
	struct outbox_item whole = *item;
	struct outcome asking;

	if (!search->any && !search->wanted[status_of(item)])
		return true;
	outcome_init(&asking);
	if (!outbox_get(delivery_outbox(t->gateway->delivery), str_from_c(item->id), t->south.arena, &whole, &result,
			&asking)) {
		enum error_code code = asking.count ? asking.issues[0].code : ERR_STORAGE;

		if (code == ERR_NOT_FOUND)
			return true; /* settled and gone since it was listed */
		/* One whose answer cannot be read is there all the same. */
		if (code != ERR_DOCUMENT_CORRUPT && code != ERR_KEY_MISSING)
			return outcome_add(t->outcome, code, "", "%s", asking.count ? asking.issues[0].text : "");
		result = STR_NONE;
	}
	if (!publication_item_read(t, &whole, result, &page->items[page->count], NULL))
		return false;
	page->count += page->items[page->count].is_own;
	return true;
}

static bool page_find(const struct transaction *t, const struct task_search *search, struct task_page *page)
{
	struct outbox_filter filter = { .states = search->states, .after = search->after, .limit = search->entries };
	size_t scanned = 0;

	page->items = arena_array(t->south.arena, search->entries, sizeof(*page->items));
	if (!page->items)
		return no_memory(t);
	do {
		struct outbox_item *items;
		size_t count;

		filter.limit = search->entries - page->count;
		if (!outbox_list(delivery_outbox(t->gateway->delivery), &filter, t->south.arena, &items, &count,
				 &page->next, t->outcome))
			return false;
		for (size_t i = 0; i < count; i++) {
			if (!item_take(t, search, &items[i], page))
				return false;
		}
		scanned += count;
		filter.after = page->next;
	} while (page->next && page->count < search->entries && scanned < SCAN_MAX);
	return true;
}

bool find_tasks(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct task_search search;
	struct task_page page = { 0 };
	struct searchset set = { .is_incomplete = true }; /* a total would be as dear as all pages */
	struct json_writer writer;
	char instant[FHIR_INSTANT_SIZE];

	if (!search_read(t, request, &search))
		return false;
	if (t->gateway->delivery && search.entries > 0 && !page_find(t, &search, &page))
		return false;
	fhir_instant_from_unix(t->now_s, instant);
	set.timestamp = str_from_c(instant);
	if (!links_make(t, &search, page.next, &set))
		return false;
	json_writer_init(&writer, answer);
	searchset_begin(&writer, &set);
	for (size_t i = 0; i < page.count && !search.counting; i++) {
		struct str id = publication_item_id(t, page.items[i].item.id);

		searchset_entry_begin(&writer, arena_printf(t->south.arena, "%.*s/Task/%.*s", STR_ARG(t->gateway->base),
							    STR_ARG(id)));
		if (!task_put(t, &page.items[i], &writer))
			return false;
		searchset_entry_end(&writer);
	}
	searchset_outcome(&writer, t->outcome);
	searchset_end(&writer);
	return json_writer_finish(&writer, t->outcome);
}
