#include "gateway/transactions/search_answer.h"

#include "gateway/transactions/identify_patient.h"
#include "mappers/base/xds_time.h"
#include "mappers/json_writer.h"

#define RESOURCE_BYTES_MAX (4u * 1024 * 1024)

static bool ids_resolve(const struct transaction *t, const struct search_needs *needs, enum seal_kind kind,
			struct search_resolved *resolved)
{
	uint8_t *sources = arena_array(t->south.arena, needs->ids.count, sizeof(*sources));

	resolved->uuids.items = arena_array(t->south.arena, needs->ids.count, sizeof(struct str));
	resolved->uuid_sources = sources;
	if (!resolved->uuids.items || !sources)
		return no_memory(t);
	for (size_t i = 0; i < needs->ids.count; i++) {
		struct source *source;

		if (!resource_id_find(t, kind, needs->ids.items[i], &source,
				      &resolved->uuids.items[resolved->uuids.count]))
			continue;
		sources[resolved->uuids.count++] = (uint8_t)source->config->source;
	}
	return true;
}

static bool resolve(const struct transaction *t, const struct search_needs *needs, enum seal_kind kind,
		    struct search_resolved *resolved)
{
	*resolved = (struct search_resolved) { 0 };
	for (size_t i = 0; i < needs->claim_count; i++) {
		struct str patient_id = STR_NONE;

		switch (identify_patient(t, &needs->claims[i], true, &patient_id)) {
		case PATIENT_IDENTIFIED:
			if (!visit_about(t->visit, patient_id, t->outcome) ||
			    !visit_consent(t->visit, CONSENT_FIND, patient_id, t->outcome))
				return false;
			resolved->nobody = resolved->nobody ||
					   (resolved->patient_id.data && !str_equal(resolved->patient_id, patient_id));
			resolved->patient_id = patient_id;
			audit_patient(t->audit, patient_id, patient_reference(t, patient_id));
			break;
		case PATIENT_NOBODY:
			/* Whom a bound caller may not ask about, and whom nobody knows, look the same. */
			return visit_about(t->visit, STR_NONE, t->outcome) &&
			       outcome_add(t->outcome, ERR_NOT_FOUND, needs->claims[i].path,
					   "No patient is known here by this; check its system and value.");
		case PATIENT_FAILED:
			return false;
		}
	}
	return ids_resolve(t, needs, kind, resolved);
}

static bool is_of(const struct search_resolved *resolved, uint8_t source)
{
	for (size_t i = 0; i < resolved->uuids.count; i++) {
		if (resolved->uuid_sources[i] == source)
			return true;
	}
	return false;
}

static bool is_named(const struct strs *communities, struct str home)
{
	for (size_t i = 0; i < communities->count; i++) {
		if (str_equal(communities->items[i], home))
			return true;
	}
	return communities->count == 0;
}

static bool legs_choose(const struct transaction *t, const struct search_opening *opening, struct searching *searching)
{
	const struct search *search = &searching->search;
	const struct search_resolved *resolved = &searching->resolved;
	struct legs *legs = &searching->legs;

	if (!legs_open(t, legs))
		return false;
	for (size_t i = 0; i < legs->count; i++) {
		struct leg *leg = &legs->items[i];
		const struct source *source = leg->t.source;

		leg->wanted = !resolved->nobody && is_named(&search->communities, source->home) &&
			      (search->needs.ids.count == 0 || is_of(resolved, (uint8_t)source->config->source));
	}
	if (opening->has_after)
		legs_resume(legs, &opening->sources);
	return true;
}

bool searching_begin(const struct transaction *t, const struct search_request *request, search_read_fn read,
		     enum seal_kind kind, struct searching *searching)
{
	struct search_opening opening;
	struct search *search = &searching->search;

	if (!search_open(t, request, &opening) ||
	    !read(&opening.params, &opening.rules, t->south.arena, search, t->outcome))
		return false;
	search->after = opening.after;
	search->has_after = opening.has_after;
	return resolve(t, &search->needs, kind, &searching->resolved) && legs_choose(t, &opening, searching);
}

bool searching_around(struct legs *legs, bool (*read)(struct leg *leg, const void *ctx))
{
	if (!legs_run(legs, read, NULL))
		return false;
	for (size_t i = 0; i < legs->count; i++) {
		struct leg *leg = &legs->items[i];

		if (leg->wanted && !around_drop(&leg->t, &leg->around))
			return false;
	}
	return true;
}

/* Says, once per answer, that some of what waits is too much to be shown. True when any is missing. */
static bool waiting_tell(const struct legs *legs)
{
	const struct waiting *waiting = &legs->items[0].waiting;

	if (waiting->is_cut)
		outcome_warn(legs->t->outcome, ERR_INCOMPLETE, "",
			     "Too much waits to be registered: what came last is here, the rest is missing.");
	if (waiting->is_lost)
		outcome_warn(legs->t->outcome, ERR_INCOMPLETE, "",
			     "Something that waits to be registered is missing: it cannot be read any more, or not "
			     "here now. The operators find it among the Tasks.");
	return waiting->is_unknown || waiting->is_cut || waiting->is_lost;
}

static bool entry_write(const struct searching *searching, const char *type, struct str id, const struct buf *scratch,
			struct json_writer *writer)
{
	const struct transaction *t = searching->legs.t;
	const struct search_view *view = &searching->search.view;
	struct str resource = buf_str(scratch);

	if (!search_view_is_whole(view) && !search_view_cut(view, resource, t->south.arena, &resource, t->outcome))
		return false;
	searchset_entry_begin(writer, id.data ? arena_printf(t->south.arena, "%.*s/%s/%.*s", STR_ARG(t->gateway->base),
							     type, STR_ARG(id))
					      : STR_NONE);
	json_raw(writer, resource);
	searchset_entry_end(writer);
	return true;
}

static bool entries_write(const struct searching *searching, const char *type, const struct search_shown *shown,
			  struct json_writer *writer)
{
	struct buf scratch;
	bool ok = true;

	buf_init(&scratch, RESOURCE_BYTES_MAX);
	for (size_t i = 0; ok && i < shown->count; i++) {
		struct json_writer resource;
		struct str id;

		buf_clear(&scratch);
		json_writer_init(&resource, &scratch);
		ok = shown->write(&searching->legs, shown->page, i, &id, &resource) &&
		     json_writer_finish(&resource, searching->legs.t->outcome) &&
		     entry_write(searching, type, id, &scratch, writer);
	}
	buf_free(&scratch);
	return ok;
}

bool searching_links(const struct searching *searching, const char *type, const struct search_key *last,
		     struct searchset *set)
{
	struct search_sources sources = legs_sources(&searching->legs);

	*set = (struct searchset) { 0 };
	return search_links(searching->legs.t, type, searching->search.honoured, last, &sources, set);
}

bool searching_write(const struct searching *searching, const char *type, const struct search_shown *shown,
		     struct searchset *set, struct buf *answer)
{
	const struct legs *legs = &searching->legs;
	char instant[FHIR_INSTANT_SIZE];
	struct json_writer writer;
	bool ok;

	fhir_instant_from_unix(legs->t->now_s, instant);
	set->timestamp = str_from_c(instant);
	set->total = shown->total;
	set->is_incomplete = waiting_tell(legs) || legs->is_incomplete || legs->items[0].is_away;
	json_writer_init(&writer, answer);
	searchset_begin(&writer, set);
	ok = entries_write(searching, type, shown, &writer);
	searchset_outcome(&writer, legs->t->outcome);
	searchset_end(&writer);
	return ok && json_writer_finish(&writer, legs->t->outcome);
}
