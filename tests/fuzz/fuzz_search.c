/* The query string of a search: parameters, then both searches and the stored queries they become. */
#include "fuzz.h"
#include "mappers/document_search.h"
#include "mappers/list_search.h"
#include "mappers/stored_query.h"

static const struct search_rules rules = {
	.page_entries = 50,
	.page_entries_max = 200,
	.base = STR("https://gateway.example/fhir"),
};
static const struct search_resolved resolved = { .patient_id =
							 STR("IHEBLUE-1001^^^&1.3.6.1.4.1.21367.13.20.3000&ISO") };

static void search_documents(const struct search_params *params, struct arena *arena)
{
	struct search search;
	struct stored_query *queries;
	struct outcome outcome;
	size_t count;

	outcome_init(&outcome);
	if (!document_search_read(params, &rules, arena, &search, &outcome)) {
		if (!outcome.has_error)
			abort();
		return;
	}
	if (!document_search_queries(&search, &resolved, arena, &queries, &count, &outcome) && !outcome.has_error)
		abort();
}

static void search_lists(const struct search_params *params, struct arena *arena)
{
	struct search search;
	struct stored_query *queries;
	struct outcome outcome;
	size_t count;

	outcome_init(&outcome);
	if (!list_search_read(params, &rules, arena, &search, &outcome)) {
		if (!outcome.has_error)
			abort();
		return;
	}
	if (!list_search_queries(&search, &resolved, arena, &queries, &count, &outcome) && !outcome.has_error)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str query = { (const char *)data, size };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct search_params params;
	struct outcome outcome;

	if (!arena)
		return 0;
	outcome_init(&outcome);
	if (search_params_read(query, STR_NONE, arena, &params, &outcome)) {
		search_documents(&params, arena);
		search_lists(&params, arena);
	} else if (!outcome.has_error) {
		abort();
	}
	arena_free(arena);
	return 0;
}
