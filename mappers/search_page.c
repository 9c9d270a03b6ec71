#include "mappers/search_page.h"

#include <stdlib.h>

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

/* Sources in their order; in one of them what is not deprecated first, then the newest. The order of its answers is not
 * promised, and the same copy must be shown on every page. */
static int compare_copies(const void *left, const void *right)
{
	const struct search_candidate *a = left;
	const struct search_candidate *b = right;
	int order = compare_text(a->key.unique_id, b->key.unique_id);

	if (order)
		return order;
	if (a->key.source != b->key.source)
		return a->index < b->index ? -1 : 1;
	if (a->deprecated != b->deprecated)
		return a->deprecated ? 1 : -1;
	order = compare_text(b->key.time, a->key.time);
	return order ? order : compare_id(a->key.id, b->key.id);
}

static bool says_same(struct str a, struct str b)
{
	return a.size == 0 || b.size == 0 || str_equal_nocase(a, b);
}

/* Adds a candidate to the group of those with its uniqueId, unless one has its bytes. */
static size_t merge_one(struct search_candidate *group, size_t count, const struct search_candidate *one)
{
	struct search_candidate *twin = NULL;

	for (size_t i = 0; i < count; i++) {
		if (says_same(group[i].key.hash, one->key.hash) && says_same(group[i].size, one->size))
			return count;
		twin = &group[i];
	}
	group[count] = *one;
	if (twin) {
		group[count].twin = twin->index + 1;
		twin->twin = one->index + 1;
	}
	return count + 1;
}

size_t search_candidates_merge(struct search_candidate *candidates, size_t count)
{
	size_t kept = 0;
	size_t group = 0; /* where the group under way begins */

	if (count == 0)
		return 0;
	qsort(candidates, count, sizeof *candidates, compare_copies);
	for (size_t i = 0; i < count; i++) {
		struct search_candidate one = candidates[i];

		if (kept == group || one.key.unique_id.size == 0 ||
		    !str_equal(candidates[group].key.unique_id, one.key.unique_id))
			group = kept;
		kept = group + merge_one(&candidates[group], kept - group, &one);
	}
	return kept;
}

/* Where a stands to b on the pages; a shorter time is the first moment of what it names. */
static int compare_keys(const struct search_key *a, const struct search_key *b, bool descending)
{
	int order;

	if ((a->time.size == 0) != (b->time.size == 0))
		return a->time.size == 0 ? 1 : -1;
	order = compare_text(a->time, b->time);
	if (order)
		return descending ? -order : order;
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

/* True for what earlier pages have shown, and for a copy of the last of it. */
static bool was_shown(const struct search_key *key, const struct search *search)
{
	const struct search_key *after = &search->after;

	if (compare_keys(key, after, search->sort_descending) <= 0)
		return true;
	return key->unique_id.size && str_equal(key->unique_id, after->unique_id) &&
	       str_equal(key->time, after->time) && says_same(key->hash, after->hash);
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
	while (search->has_after && window.first < count && was_shown(&candidates[window.first].key, search))
		window.first++;
	left = count - window.first;
	window.count = left < search->view.page_entries ? left : search->view.page_entries;
	window.more = window.count < left;
	return window;
}
