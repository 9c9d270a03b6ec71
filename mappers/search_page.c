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
		if (kept == 0 || compare_id(candidates[kept - 1].key.id, candidates[i].key.id) != 0)
			candidates[kept++] = candidates[i];
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
	if (order == 0)
		return compare_id(a->id, b->id);
	return descending ? -order : order;
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
	while (search->has_after && window.first < count &&
	       compare_keys(&candidates[window.first].key, &search->after, search->sort_descending) <= 0)
		window.first++;
	left = count - window.first;
	window.count = left < search->view.page_entries ? left : search->view.page_entries;
	window.more = window.count < left;
	return window;
}
