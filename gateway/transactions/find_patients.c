/* Query Patient Resource [ITI-78] over Patient Demographics Query HL7 V3 [ITI-47]: what the source cannot filter is
 * filtered here, exactly; every page asks anew. Source: PDQm 3.78, ITI TF-2 3.47. */
#include "mappers/patient_search.h"

#include <stdlib.h>

#include "gateway/access/rate_limit.h"
#include "gateway/transactions/demographics.h"
#include "gateway/transactions/search.h"
#include "mappers/base/xds_time.h"
#include "mappers/json_writer.h"

/* A patient of the answer. The key is the identifier that the id is made of: it stays while demographics change. */
struct found {
	const struct patient *patient;
	struct str key;
	struct str id;
};

struct page {
	struct found *items; /* sorted, each patient once */
	size_t count;
	size_t capacity;
	size_t begin; /* of what is shown */
	size_t end;
};

static int compare(const void *left, const void *right)
{
	struct str a = ((const struct found *)left)->key;
	struct str b = ((const struct found *)right)->key;
	int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* PDQm 3.78.4.1.3, case 4: a domain that is not known is said with a warning, and a status that is none. */
static bool domains_known(const struct transaction *t, const struct patient_search *search)
{
	for (size_t i = 0; i < search->domains.count; i++) {
		if (identity_authority_known(t, search->domains.items[i]))
			continue;
		outcome_warn(t->outcome, ERR_NOT_FOUND, "identifier", "targetSystem not found");
		return false;
	}
	return true;
}

/* Whom the ids of _id stand for; those that are none of ours stand for nobody. */
static bool ids_open(const struct transaction *t, struct patient_search *search)
{
	struct patient_identities *opened = &search->opened;

	opened->items = arena_array(t->south.arena, search->ids.count, sizeof *opened->items);
	if (!opened->items)
		return no_memory(t);
	for (size_t i = 0; i < search->ids.count; i++) {
		if (identity_open(t, search->ids.items[i], &opened->items[opened->count]))
			opened->count++;
	}
	return true;
}

static bool patient_add(const struct transaction *t, struct page *page, const struct patient *patient)
{
	const struct patient_identity *identity = identity_of_patient(t, &patient->identifiers);
	struct found found = { .patient = patient };

	/* Who has no identifier in a known domain cannot be named here. */
	if (!identity)
		return true;
	found.id = identity_seal(t, identity);
	found.key = arena_printf(t->south.arena, "%.*s|%.*s", STR_ARG(identity->authority), STR_ARG(identity->value));
	if (!found.id.data || !found.key.data ||
	    !arena_grow(t->south.arena, &page->items, page->count, &page->capacity, sizeof found))
		return no_memory(t);
	page->items[page->count++] = found;
	return true;
}

static bool patients_ask(const struct transaction *t, const struct patient_search *search,
			 const struct patient_query *query, struct page *page)
{
	struct patient_list list;

	if (!demographics_ask(t, query, &list))
		return false;
	if (list.remaining > 0 || list.count > t->gateway->config->identity_results_max)
		return outcome_add(t->outcome, ERR_TOO_COSTLY, "", "Narrow the search: it finds too many patients.");
	for (size_t i = 0; i < list.count; i++) {
		const struct patient *patient = &list.items[i];

		if (patient_search_matches(search, patient, t->south.arena) &&
		    demographics_visible(t, &patient->identifiers) && !patient_add(t, page, patient))
			return false;
	}
	return !arena_failed(t->south.arena) || no_memory(t);
}

/* Sorts, leaves one of each, and finds where the page begins and ends. */
static void page_cut(const struct patient_search *search, const struct search_opening *opening, struct page *page)
{
	size_t kept = 0;

	if (page->count == 0)
		return;
	qsort(page->items, page->count, sizeof *page->items, compare);
	for (size_t i = 0; i < page->count; i++) {
		if (kept == 0 || !str_equal(page->items[kept - 1].key, page->items[i].key))
			page->items[kept++] = page->items[i];
	}
	page->count = kept;
	if (opening->has_after) {
		const struct found after = { .key = opening->after.id };

		while (page->begin < kept && compare(&page->items[page->begin], &after) <= 0)
			page->begin++;
	}
	page->end = kept - page->begin > search->page_entries ? page->begin + search->page_entries : kept;
}

static bool page_find(const struct transaction *t, const struct patient_search *search,
		      const struct search_opening *opening, struct page *page)
{
	size_t most = (size_t)t->gateway->config->identity_results_max;
	struct patient_query *queries;
	size_t count;

	if (!patient_search_queries(search, most, t->south.arena, &queries, &count, t->outcome))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!patients_ask(t, search, &queries[i], page))
			return false;
	}
	page_cut(search, opening, page);
	return true;
}

/* PDQm 3.78.4.1.3, case 2: identifiers of other domains than were asked for are left out. */
static bool narrow_identifiers(const struct transaction *t, const struct strs *domains, struct patient *patient)
{
	struct patient_identities kept = { 0 };

	if (domains->count == 0)
		return true;
	kept.items = arena_array(t->south.arena, patient->identifiers.count, sizeof *kept.items);
	if (!kept.items)
		return no_memory(t);
	for (size_t i = 0; i < patient->identifiers.count; i++) {
		for (size_t k = 0; k < domains->count; k++) {
			if (str_equal(patient->identifiers.items[i].authority, domains->items[k]))
				kept.items[kept.count++] = patient->identifiers.items[i];
		}
	}
	patient->identifiers = kept;
	return true;
}

static bool page_write(const struct transaction *t, const struct patient_search *search, const struct page *page,
		       const struct searchset *set, struct json_writer *writer)
{
	searchset_begin(writer, set);
	for (size_t i = page->begin; !search->counting && i < page->end; i++) {
		const struct found *found = &page->items[i];
		struct patient patient = *found->patient;

		if (!narrow_identifiers(t, &search->domains, &patient))
			return false;
		searchset_entry_begin(writer, arena_printf(t->south.arena, "%.*s/Patient/%.*s",
							   STR_ARG(t->gateway->base), STR_ARG(found->id)));
		demographics_record(t, &found->patient->identifiers);
		demographics_write(t, &patient, found->id, writer);
		searchset_entry_end(writer);
	}
	searchset_outcome(writer, t->outcome);
	searchset_end(writer);
	return json_writer_finish(writer, t->outcome);
}

bool find_patients(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	struct patient_search_rules rules = { .authority = t->gateway->config->patient_assigning_authority,
					      .strict = request->strict };
	struct system_names names = identity_names(t);
	struct search_key last = { .time = STR("") };
	struct search_opening opening;
	struct patient_search search;
	struct page page = { 0 };
	struct searchset set;
	struct json_writer writer;
	char instant[FHIR_INSTANT_SIZE];
	bool more;

	rules.names = &names;
	if (!names.items)
		return no_memory(t);
	if (!search_open(t, request, &opening) ||
	    !patient_search_read(&opening.params, &rules, t->south.arena, &search, t->outcome))
		return false;
	if (!domains_known(t, &search) || !demographics_narrow(t, patient_search_traits(&search), false) ||
	    !search_limit_admit(t->gateway->access, t->caller, t->now_s, t->outcome) || !ids_open(t, &search) ||
	    !page_find(t, &search, &opening, &page))
		return false;
	fhir_instant_from_unix(t->now_s, instant);
	set = (struct searchset) { .total = page.count, .timestamp = str_from_c(instant) };
	more = !search.counting && page.end < page.count;
	if (more)
		last.id = page.items[page.end - 1].key;
	if (!search_links(t, "Patient", search.honoured, more ? &last : NULL, NULL, &set))
		return false;
	json_writer_init(&writer, answer);
	return page_write(t, &search, &page, &set, &writer);
}
