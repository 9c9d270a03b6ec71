#include "mappers/search_page.h"

#include <stdlib.h>

#include "mappers/base/hl7v2.h"

static int compare_text(struct str a, struct str b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size ? memcmp(a.data, b.data, size) : 0;

	if (order)
		return order;
	return a.size < b.size ? -1 : a.size > b.size;
}

static int compare_id(struct str a, struct str b)
{
	size_t size = a.size < b.size ? a.size : b.size;

	for (size_t i = 0; i < size; i++) {
		int x = (unsigned char)a.data[i];
		int y = (unsigned char)b.data[i];

		x += x >= 'A' && x <= 'Z' ? 'a' - 'A' : 0;
		y += y >= 'A' && y <= 'Z' ? 'a' - 'A' : 0;
		if (x != y)
			return x < y ? -1 : 1;
	}
	return a.size < b.size ? -1 : a.size > b.size;
}

static uint64_t version_number(struct str version)
{
	uint64_t number = 1;

	return str_to_u64(version, &number) ? number : 1;
}

static int compare_versions(const void *left, const void *right)
{
	const struct search_candidate *a = left;
	const struct search_candidate *b = right;
	int order = compare_id(a->key.id, b->key.id);

	if (a->key.source != b->key.source)
		return a->key.source < b->key.source ? -1 : 1;
	if (order)
		return order;
	if (version_number(a->version) != version_number(b->version))
		return version_number(a->version) > version_number(b->version) ? -1 : 1;
	if (a->deprecated != b->deprecated)
		return a->deprecated ? 1 : -1;
	return a->index < b->index ? -1 : a->index > b->index;
}

size_t search_candidates_unique(struct search_candidate *candidates, size_t count)
{
	size_t kept = 0;

	if (count == 0)
		return 0;
	qsort(candidates, count, sizeof *candidates, compare_versions);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || candidates[kept - 1].key.source != candidates[i].key.source ||
		    compare_id(candidates[kept - 1].key.id, candidates[i].key.id) != 0)
			candidates[kept++] = candidates[i];
	}
	return kept;
}

struct str search_patient(struct str patient_id, struct arena *arena)
{
	struct str normal;

	return hl7_cx_normalise(patient_id, arena, &normal) ? normal : patient_id;
}

/* Sources in their order; in one of them what is not deprecated first, then the newest. The order of its answers is not
 * promised, and the same copy must be shown on every page. */
static int compare_copies(const struct search_candidate *a, const struct search_candidate *b)
{
	int order;

	if (a->key.source != b->key.source)
		return a->index < b->index ? -1 : 1;
	if (a->deprecated != b->deprecated)
		return a->deprecated ? 1 : -1;
	order = compare_text(b->time, a->time);
	return order ? order : compare_id(a->key.id, b->key.id);
}

static int knowledge(const struct search_candidate *one)
{
	return (one->key.hash.size ? 2 : 0) + (one->size.size ? 1 : 0);
}

static int compare_things(const struct search_candidate *a, const struct search_candidate *b)
{
	int order = compare_text(a->key.unique_id, b->key.unique_id);

	if (order)
		return order;
	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	return compare_text(a->patient_id, b->patient_id);
}

/* Copies side by side, those first whose bytes tell what the others may be copies of. */
static int compare_to_merge(const void *left, const void *right)
{
	const struct search_candidate *a = left;
	const struct search_candidate *b = right;
	int order = compare_things(a, b);

	if (order)
		return order;
	if (knowledge(a) != knowledge(b))
		return knowledge(a) > knowledge(b) ? -1 : 1;
	return compare_copies(a, b);
}

/* In the order of the pages; a shorter time is the first moment of what it names. */
static int compare_times(struct str a, struct str b, bool descending)
{
	if ((a.size == 0) != (b.size == 0))
		return a.size == 0 ? 1 : -1;
	return descending ? compare_text(b, a) : compare_text(a, b);
}

static bool says_same(struct str a, struct str b)
{
	return a.size == 0 || b.size == 0 || str_equal_nocase(a, b);
}

static bool says_just_the_same(const struct search_candidate *a, const struct search_candidate *b)
{
	return str_equal_nocase(a->key.hash, b->key.hash) && str_equal(a->size, b->size);
}

/* Which of these one is a copy of; NULL when of none, or of one of several that nobody can tell. */
static struct search_candidate *copy_find(struct search_candidate *these, size_t count,
					  const struct search_candidate *one)
{
	struct search_candidate *copy = NULL;
	bool is_one_of_several = false;

	for (size_t i = 0; i < count; i++) {
		if (says_just_the_same(&these[i], one))
			return &these[i];
		if (!says_same(these[i].key.hash, one->key.hash) || !says_same(these[i].size, one->size))
			continue;
		is_one_of_several = copy != NULL;
		copy = &these[i];
	}
	return is_one_of_several ? NULL : copy;
}

/* One of the two stands for both, and its key for all that is known of both. */
static void copies_join(struct search_candidate *kept, const struct search_candidate *one, bool descending)
{
	struct search_candidate joined = compare_copies(one, kept) < 0 ? *one : *kept;

	joined.key.hash = kept->key.hash.size ? kept->key.hash : one->key.hash;
	joined.size = kept->size.size ? kept->size : one->size;
	joined.key.time = compare_times(one->key.time, kept->key.time, descending) < 0 ? one->key.time : kept->key.time;
	*kept = joined;
}

/* Of all with one uniqueId, each names the next one, and the last the one before. */
static void twins_link(struct search_candidate *group, size_t count)
{
	for (size_t i = 0; count > 1 && i < count; i++)
		group[i].twin = group[i + 1 < count ? i + 1 : i - 1].index + 1;
}

size_t search_candidates_merge(struct search_candidate *candidates, size_t count, bool descending)
{
	size_t kept = 0;
	size_t group = 0; /* where those with the uniqueId under way begin */
	size_t thing = 0; /* and of those the thing under way */

	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		candidates[i].time = candidates[i].key.time;
	qsort(candidates, count, sizeof *candidates, compare_to_merge);
	for (size_t i = 0; i < count; i++) {
		struct search_candidate one = candidates[i];
		struct search_candidate *copy;

		if (one.key.unique_id.size == 0 || kept == group ||
		    !str_equal(candidates[group].key.unique_id, one.key.unique_id)) {
			twins_link(&candidates[group], kept - group);
			group = kept;
			thing = kept;
		} else if (compare_things(&candidates[thing], &one) != 0) {
			thing = kept;
		}
		copy = copy_find(&candidates[thing], kept - thing, &one);
		if (copy)
			copies_join(copy, &one, descending);
		else
			candidates[kept++] = one;
	}
	twins_link(&candidates[group], kept - group);
	return kept;
}

/* Where a stands to b on the pages. */
static int compare_keys(const struct search_key *a, const struct search_key *b, bool descending)
{
	int order = compare_times(a->time, b->time, descending);

	if (order)
		return order;
	order = compare_text(a->unique_id, b->unique_id);
	if (order)
		return order;
	order = compare_id(a->hash, b->hash);
	if (order)
		return order;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return compare_id(a->id, b->id);
}

/* How many earlier pages have shown: all up to the last that was, or its copy. */
static size_t shown_count(const struct search_candidate *candidates, size_t count, const struct search *search)
{
	const struct search_key *after = &search->after;
	const struct search_key *next;
	size_t shown = 0;

	while (shown < count && compare_keys(&candidates[shown].key, after, search->sort_descending) <= 0)
		shown++;
	if (shown == count ||
	    (shown > 0 && compare_keys(&candidates[shown - 1].key, after, search->sort_descending) == 0))
		return shown;
	next = &candidates[shown].key;
	return shown + (next->unique_id.size && str_equal(next->unique_id, after->unique_id) &&
			str_equal(next->time, after->time) && compare_id(next->hash, after->hash) == 0);
}

static int compare_ascending(const void *left, const void *right)
{
	return compare_keys(&((const struct search_candidate *)left)->key,
			    &((const struct search_candidate *)right)->key, false);
}

static int compare_descending(const void *left, const void *right)
{
	return compare_keys(&((const struct search_candidate *)left)->key,
			    &((const struct search_candidate *)right)->key, true);
}

struct search_window search_candidates_page(struct search_candidate *candidates, size_t count,
					    const struct search *search)
{
	struct search_window window = { 0 };
	size_t left;

	if (count == 0 || search->view.summary == SUMMARY_COUNT)
		return window;
	qsort(candidates, count, sizeof *candidates, search->sort_descending ? compare_descending : compare_ascending);
	window.first = search->has_after ? shown_count(candidates, count, search) : 0;
	left = count - window.first;
	window.count = left < search->view.page_entries ? left : search->view.page_entries;
	window.more = window.count < left;
	return window;
}
