/* Access Consent [ITI-108]: read, vread and search. Source: IHE PCF 1.1 2:3.108.4.1 and 4.5, FHIR R4 http. */
#include "gateway/transactions/consents.h"
#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/search.h"
#include "mappers/consent_resource.h"
#include "mappers/consent_search.h"
#include "mappers/fhir_json_write.h"
#include "mappers/json_writer.h"

#define CONSENT_BYTES_MAX (4 * CONSENT_RESOURCE_BYTES_MAX)

bool consent_read(const struct transaction *t, struct str id, struct str version, struct consent_answer *answer)
{
	struct consent_record record;
	uint64_t version_id = 0;

	if (version.data && (!str_to_u64(version, &version_id) || version_id == 0))
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such version of this Consent.");
	if (!consents_read(t, id, version_id, &record))
		return false;
	answer->etag = consents_etag(t, record.version_id);
	return consents_show(t, &record, answer->resource);
}

/* A patient's Consents that the search is about, each with the place where it stands. */
struct finding {
	const struct consent_record **records;
	json_t **consents;
	size_t count;
};

static bool patient_find(const struct transaction *t, const struct consent_search *search, struct str *patient_id,
			 bool *nobody)
{
	*nobody = false;
	*patient_id = STR_NONE;
	if (search->claim_count == 0)
		return outcome_add(t->outcome, ERR_PARAMETER_MISSING, "patient",
				   "Say whose Consents: patient or patient.identifier.");
	for (size_t i = 0; i < search->claim_count; i++) {
		struct str found = STR_NONE;

		switch (identify_patient(t, &search->claims[i], true, &found)) {
		case PATIENT_IDENTIFIED:
			*nobody = *nobody || (patient_id->data && !str_equal(*patient_id, found));
			*patient_id = found;
			break;
		case PATIENT_NOBODY:
			/* Whom a bound caller may not ask about, and whom nobody knows, look the same. */
			if (!consents_about(t, STR_NONE))
				return false;
			*nobody = true;
			break;
		case PATIENT_FAILED:
			return false;
		}
	}
	return true;
}

static bool finding_make(const struct transaction *t, const struct consent_search *search,
			 const struct consent_records *records, struct finding *finding)
{
	finding->records = arena_array(t->south.arena, records->count, sizeof(*finding->records));
	finding->consents = arena_array(t->south.arena, records->count, sizeof(*finding->consents));
	if (!finding->records || !finding->consents)
		return no_memory(t);
	for (size_t i = 0; i < records->count; i++) {
		const struct consent_record *record = &records->items[i];
		struct consent_version version = { record->id, record->version_id, record->updated_ms };
		json_t **consent = &finding->consents[finding->count];

		if (!consent_resource_show(record->resource, &version, t->south.arena, consent, t->outcome))
			return false;
		if (consent_search_matches(search, *consent))
			finding->records[finding->count++] = record;
	}
	return true;
}

/* They stand in the order in which they were written last, so a page begins behind the one that was shown last, also when
 * that has been written anew or is gone. */
static bool is_after(const struct consent_record *record, const struct search_key *last)
{
	uint64_t updated_ms;

	if (!str_to_u64(last->time, &updated_ms))
		return true;
	if ((uint64_t)record->updated_ms != updated_ms)
		return (uint64_t)record->updated_ms > updated_ms;
	return record->id.size > 0 && !str_equal(record->id, last->id) &&
	       memcmp(record->id.data, last->id.data,
		      record->id.size < last->id.size ? record->id.size : last->id.size) > 0;
}

static int record_order(const void *a, const void *b)
{
	const struct consent_record *left = a;
	const struct consent_record *right = b;
	size_t size = left->id.size < right->id.size ? left->id.size : right->id.size;

	if (left->updated_ms != right->updated_ms)
		return left->updated_ms < right->updated_ms ? -1 : 1;
	return size ? memcmp(left->id.data, right->id.data, size) : 0;
}

/* Which of the finding are on this page, and the key that the next one goes on from. */
static bool page_cut(const struct transaction *t, const struct consent_search *search,
		     const struct search_opening *opening, const struct finding *finding, size_t *begin, size_t *end,
		     struct search_key *last)
{
	const struct consent_record *record;

	*begin = 0;
	while (opening->has_after && *begin < finding->count && !is_after(finding->records[*begin], &opening->after))
		(*begin)++;
	*end = *begin + search->page_entries;
	if (*end > finding->count || *end < *begin)
		*end = finding->count;
	if (search->counting)
		*end = *begin;
	if (*end == *begin || *end == finding->count)
		return true;
	record = finding->records[*end - 1];
	last->time = arena_printf(t->south.arena, "%lld", (long long)record->updated_ms);
	last->id = record->id;
	return last->time.data || no_memory(t);
}

static bool page_write(const struct transaction *t, const struct finding *finding, size_t begin, size_t end,
		       struct json_writer *writer)
{
	struct buf text;
	bool good = true;

	buf_init(&text, CONSENT_BYTES_MAX);
	for (size_t i = begin; good && i < end; i++) {
		buf_clear(&text);
		good = fhir_json_write(finding->consents[i], &text, t->outcome);
		searchset_entry_begin(writer,
				      arena_printf(t->south.arena, "%.*s/Consent/%.*s", STR_ARG(t->gateway->base),
						   STR_ARG(finding->records[i]->id)));
		json_raw(writer, buf_str(&text));
		searchset_entry_end(writer);
	}
	buf_free(&text);
	return good;
}

static bool bundle_write(const struct transaction *t, const struct consent_search *search,
			 const struct search_opening *opening, const struct finding *finding, struct buf *answer)
{
	struct searchset set = { .total = finding->count };
	struct search_key last = { 0 };
	struct json_writer writer;
	size_t begin;
	size_t end;

	if (!page_cut(t, search, opening, finding, &begin, &end, &last) ||
	    !search_links(t, "Consent", search->honoured, last.id.data ? &last : NULL, NULL, &set))
		return false;
	json_writer_init(&writer, answer);
	searchset_begin(&writer, &set);
	if (!page_write(t, finding, begin, end, &writer))
		return false;
	searchset_outcome(&writer, t->outcome);
	searchset_end(&writer);
	return json_writer_finish(&writer, t->outcome);
}

bool find_consents(const struct transaction *t, const struct search_request *request, struct buf *answer)
{
	const struct consent_client *directory = consents_directory(t);
	const struct config *config = t->gateway->config;
	struct consent_search_rules rules = { .base = t->gateway->base,
					      .default_offset_minutes = config->default_timezone,
					      .page_entries = config->search_count_default,
					      .page_entries_max = config->search_count_max,
					      .strict = request->strict };
	struct consent_records records = { NULL, 0 };
	struct finding finding = { NULL, NULL, 0 };
	struct search_opening opening;
	struct consent_search search;
	struct str patient_id;
	bool nobody;

	if (!directory || !search_open(t, request, &opening) ||
	    !consent_search_read(&opening.params, &rules, t->south.arena, &search, t->outcome) ||
	    !patient_find(t, &search, &patient_id, &nobody))
		return false;
	if (!nobody) {
		audit_patient(t->audit, patient_id, patient_reference(t, patient_id));
		if (!consents_about(t, patient_id) ||
		    !directory_list(directory, &t->south, patient_id, &records, t->outcome))
			return false;
		qsort(records.items, records.count, sizeof(*records.items), record_order);
	}
	return finding_make(t, &search, &records, &finding) && bundle_write(t, &search, &opening, &finding, answer);
}
