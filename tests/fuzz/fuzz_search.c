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

/* The honoured parameters, read again, are the same search. */
static void check_honoured(struct str honoured, struct arena *arena)
{
	struct search_params params;
	struct search search;
	struct outcome outcome;

	if (honoured.size > SEARCH_TEXT_MAX)
		return; /* escapes made it longer than a request may be */
	outcome_init(&outcome);
	if (!search_params_read(honoured, STR_NONE, arena, &params, &outcome) ||
	    !document_search_read(&params, &rules, arena, &search, &outcome) || !str_equal(search.honoured, honoured))
		abort();
}

/* An entry that has a bit of everything, and one that has nothing. */
static void select_documents(const struct search *search, struct arena *arena)
{
	struct code event = { STR("a"), STR("1.2"), STR("A") };
	struct author author = { .person = STR("1^M\xC3\xBCller^Ren\xC3\xA9^Anna Maria") };
	struct str reference = STR("V42^^^&1.9&ISO^urn:ihe:iti:xds:2015:encounterId");
	struct document_entry full = {
		.entry_uuid = STR("urn:uuid:11111111-2222-4333-8444-555555555555"),
		.unique_id = STR("1.2^abc"),
		.patient_id = resolved.patient_id,
		.event_codes = { &event, 1 },
		.authors = { &author, 1 },
		.reference_ids = { &reference, 1 },
		.creation_time = STR("202403"),
		.service_start_time = STR("2024"),
		.fhir_date = STR("2024-03-02T09:15:30+01:00"),
	};
	struct document_entry none = { .patient_id = resolved.patient_id };
	const struct document_found entries[] = { { .entry = &full },
						  { .entry = &none },
						  { .entry = &full, .source = 1 } };
	struct document_page page;
	struct outcome outcome;

	outcome_init(&outcome);
	if (!document_search_select(search, &resolved, entries, 3, arena, &page, &outcome)) {
		if (!outcome.has_error)
			abort();
		return;
	}
	if (page.total > 2 || page.count > page.total || page.count > search->view.page_entries)
		abort();
}

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
	check_honoured(search.honoured, arena);
	select_documents(&search, arena);
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
