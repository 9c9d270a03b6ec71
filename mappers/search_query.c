#include "mappers/search_query.h"

#include "mappers/metadata_rim.h"
#include "mappers/search_match.h"
#include "mappers/search_read.h"

struct stored_query *query_list_add(struct query_list *list, struct arena *arena, struct str id)
{
	if (!arena_grow(arena, &list->items, list->count, &list->capacity, sizeof *list->items))
		return NULL;
	list->items[list->count] = (struct stored_query) { .id = id };
	return &list->items[list->count++];
}

bool get_query(struct str id, struct str slot, bool list, const struct str *values, size_t count, struct str home,
	       struct arena *arena, struct stored_query *query)
{
	struct str *copy = arena_array(arena, count, sizeof *copy);

	if (!copy)
		return false;
	for (size_t i = 0; i < count; i++)
		copy[i] = values[i];
	*query = (struct stored_query) { .id = id, .home = home };
	return stored_query_add(query, arena, slot, list ? QUERY_STRING_LIST : QUERY_STRING,
				(struct strs) { copy, count });
}

/* code^^scheme of every alternative; count 0 when one has no code or no scheme, so that no Slot can say it. */
static bool code_values(const struct search_filter *filter, struct arena *arena, struct strs *values)
{
	*values = (struct strs) { arena_array(arena, filter->count, sizeof *values->items), 0 };
	if (!values->items)
		return false;
	for (size_t i = 0; i < filter->count; i++) {
		const struct search_token *token = &filter->tokens[i];

		if (token->code.size == 0 || token->system.size == 0) {
			values->count = 0;
			return true;
		}
		values->items[i] =
			arena_printf(arena, "%.*s^^%.*s", STR_ARG(token->code), STR_ARG(search_scheme(token->system)));
		if (!values->items[i].data)
			return false;
		values->count++;
	}
	return true;
}

static bool source_values(const struct search_filter *filter, struct arena *arena, struct strs *values)
{
	*values = (struct strs) { arena_array(arena, filter->count, sizeof *values->items), filter->count };
	if (!values->items)
		return false;
	for (size_t i = 0; i < filter->count; i++) {
		values->items[i] = str_without_prefix(filter->tokens[i].code, STR("urn:oid:"));
		if (values->items[i].size == 0)
			values->count = 0;
	}
	return true;
}

/* The Slot of a code or sourceId. Only the first of several parameters where the registry cannot AND Slots. */
static bool add_values(const struct search_filter *filter, const struct search_row *row, struct arena *arena,
		       struct stored_query *query)
{
	struct strs values;

	if (!row->repeatable && stored_query_find(query, row->slot, 0))
		return true;
	if (!(filter->match == MATCH_CODE ? code_values(filter, arena, &values)
					  : source_values(filter, arena, &values)))
		return false;
	return values.count == 0 || stored_query_add(query, arena, row->slot, QUERY_STRING_LIST, values);
}

static bool add_time(struct stored_query *query, struct arena *arena, struct str slot, const char *suffix,
		     const struct moment *moment)
{
	if (!moment->text[0])
		return true;
	struct str name = arena_printf(arena, "%.*s%s", STR_ARG(slot), suffix);
	struct str value = arena_copy(arena, (struct str) { moment->text, 14 });

	return name.data && value.data && stored_query_add_one(query, arena, name, QUERY_NUMBER, value);
}

/* What one date asks of the registry; one time is its own start and stop. */
static struct date_bounds bounds_of(const struct search_date *date, const struct search_row *row)
{
	struct date_bounds bounds = search_date_bounds(date);
	struct date_bounds stop = { .start_from = bounds.stop_from, .start_to = bounds.stop_to };

	if (row->match == MATCH_PERIOD)
		return bounds;
	bounds.stop_from.text[0] = bounds.stop_to.text[0] = 0;
	return date_bounds_and(&bounds, &stop);
}

/* Bounds of all parameters with this row: repeats narrow, commas widen. */
static struct date_bounds row_bounds(const struct search *search, enum search_object object,
				     const struct search_row *row)
{
	struct date_bounds all = { 0 };

	for (size_t i = 0; i < search->filter_count; i++) {
		const struct search_filter *filter = &search->filters[i];

		if (filter->rows[object] != row || filter->presence != PRESENCE_ANY)
			continue;
		struct date_bounds one = bounds_of(&filter->dates[0], row);

		for (size_t j = 1; j < filter->count; j++) {
			struct date_bounds other = bounds_of(&filter->dates[j], row);

			one = date_bounds_or(&one, &other);
		}
		all = date_bounds_and(&all, &one);
	}
	return all;
}

static bool add_times(const struct search *search, enum search_object object, struct arena *arena,
		      struct stored_query *query)
{
	size_t count;
	const struct search_row *rows = search_rows(object, &count);

	for (size_t i = 0; i < count; i++) {
		if (rows[i].type != SEARCH_DATE || rows[i].slot.size == 0)
			continue;
		struct date_bounds bounds = row_bounds(search, object, &rows[i]);
		bool good;

		if (rows[i].match == MATCH_PERIOD) {
			good = add_time(query, arena, rows[i].slot, "StartTimeFrom", &bounds.start_from) &&
			       add_time(query, arena, rows[i].slot, "StartTimeTo", &bounds.start_to) &&
			       add_time(query, arena, rows[i].slot, "StopTimeFrom", &bounds.stop_from) &&
			       add_time(query, arena, rows[i].slot, "StopTimeTo", &bounds.stop_to);
		} else {
			good = add_time(query, arena, rows[i].slot, "From", &bounds.start_from) &&
			       add_time(query, arena, rows[i].slot, "To", &bounds.start_to);
		}
		if (!good)
			return false;
	}
	return true;
}

/* Both statuses unless the parameters leave one; the registry wants the Slot always. */
static bool add_status(const struct search *search, enum search_object object, struct arena *arena,
		       struct stored_query *query, bool *nothing)
{
	static const struct str both[] = { { STATUS_APPROVED, sizeof STATUS_APPROVED - 1 },
					   { STATUS_DEPRECATED, sizeof STATUS_DEPRECATED - 1 } };
	const struct search_row *row = search_row_find(object, STR("status"));
	struct strs values = { arena_array(arena, COUNT_OF(both), sizeof *values.items), 0 };

	if (!values.items)
		return false;
	for (size_t i = 0; i < COUNT_OF(both); i++) {
		bool wanted = true;

		for (size_t j = 0; wanted && j < search->filter_count; j++)
			wanted = search->filters[j].match != MATCH_STATUS ||
				 search_status_matches(&search->filters[j], object, both[i]);
		if (wanted)
			values.items[values.count++] = both[i];
	}
	*nothing = values.count == 0;
	return *nothing || stored_query_add(query, arena, row->slot, QUERY_STRING_LIST, values);
}

bool search_slots_add(const struct search *search, const struct search_resolved *resolved, enum search_object object,
		      struct arena *arena, struct stored_query *query, bool *nothing)
{
	const struct search_row *patient = search_row_find(object, STR("patient"));

	if (!stored_query_add_one(query, arena, patient->slot, QUERY_STRING, resolved->patient_id) ||
	    !add_status(search, object, arena, query, nothing))
		return false;
	for (size_t i = 0; i < search->filter_count; i++) {
		const struct search_filter *filter = &search->filters[i];
		const struct search_row *row = filter->rows[object];

		if (!row || row->slot.size == 0 || filter->presence != PRESENCE_ANY || filter->negate)
			continue;
		if ((filter->match == MATCH_CODE || filter->match == MATCH_SOURCE_ID) &&
		    !add_values(filter, row, arena, query))
			return false;
	}
	return add_times(search, object, arena, query);
}
