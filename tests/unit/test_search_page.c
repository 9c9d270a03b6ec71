/* Which of several entries of one document stands for it, and where pages go on when it is another one's turn. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mappers/search_page.h"

#define COPIES_MAX 4

/* One document in source 1 but for what a case says. */
struct copy {
	const char *id;
	const char *time;
	bool deprecated;
	uint8_t source;
};

static struct search_candidate candidate_of(const struct copy *copy, size_t index)
{
	return (struct search_candidate) { .key = { .time = str_from_c(copy->time),
						    .unique_id = STR("1.2.3"),
						    .hash = STR("aa"),
						    .source = copy->source,
						    .id = str_from_c(copy->id) },
					   .deprecated = copy->deprecated,
					   .index = index };
}

/* The sources stay in their order, what each answers comes in any. */
static void test_merge__shows_the_copy_that_counts(void **state)
{
	(void)state;
	static const struct {
		struct copy copies[COPIES_MAX];
		size_t count;
		const char *shown;
	} cases[] = {
		{ { { "a", "2024", true, 1 }, { "b", "2023", false, 1 } }, 2, "b" },
		{ { { "a", "2023", false, 1 }, { "b", "2024", false, 1 } }, 2, "b" },
		{ { { "b", "2024", false, 1 }, { "a", "2024", false, 1 } }, 2, "a" },
		{ { { "b", "2024", true, 1 }, { "a", "2025", true, 1 }, { "c", "2023", true, 1 } }, 3, "a" },
		{ { { "a", "2024", false, 1 }, { "b", "", false, 1 } }, 2, "a" },
		{ { { "b", "2023", true, 2 }, { "a", "2024", false, 1 } }, 2, "b" },
		{ { { "c", "2023", true, 2 }, { "b", "2023", false, 2 }, { "a", "2024", false, 1 } }, 3, "b" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (size_t turn = 0; turn < 2; turn++) {
			struct search_candidate candidates[COPIES_MAX];
			const struct copy *copies = cases[i].copies;
			struct copy turned[COPIES_MAX];

			memcpy(turned, copies, sizeof turned);
			if (turn && copies[0].source == copies[1].source) {
				turned[0] = copies[1];
				turned[1] = copies[0];
			}
			for (size_t k = 0; k < cases[i].count; k++)
				candidates[k] = candidate_of(&turned[k], k);
			assert_int_equal(search_candidates_merge(candidates, cases[i].count, false), 1);
			assert_true(str_equal(candidates[0].key.id, str_from_c(cases[i].shown)));
		}
	}
}

/* What only has the identifier of another thing is no copy of it. */
static void test_merge__keeps_other_things(void **state)
{
	(void)state;
	static const struct copy copies[] = { { "a", "2024", false, 1 }, { "b", "2024", false, 2 } };
	static const struct {
		enum search_object objects[2];
		const char *patients[2];
		size_t kept;
	} cases[] = {
		{ { SEARCH_DOCUMENT_ENTRY, SEARCH_DOCUMENT_ENTRY }, { "P1", "P1" }, 1 },
		{ { SEARCH_DOCUMENT_ENTRY, SEARCH_DOCUMENT_ENTRY }, { "P1", "P2" }, 2 },
		{ { SEARCH_SUBMISSION_SET, SEARCH_FOLDER }, { "P1", "P1" }, 2 },
		{ { SEARCH_FOLDER, SEARCH_FOLDER }, { "P1", "P1" }, 1 },
		{ { SEARCH_FOLDER, SEARCH_FOLDER }, { "P2", "P1" }, 2 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct search_candidate candidates[2];

		for (size_t k = 0; k < 2; k++) {
			candidates[k] = candidate_of(&copies[k], k);
			candidates[k].object = cases[i].objects[k];
			candidates[k].patient_id = str_from_c(cases[i].patients[k]);
		}
		assert_int_equal(search_candidates_merge(candidates, 2, false), cases[i].kept);
		if (cases[i].kept == 2) {
			assert_int_equal(candidates[0].twin, candidates[1].index + 1);
			assert_int_equal(candidates[1].twin, candidates[0].index + 1);
		}
	}
}

/* Documents a to f in two sources, with other times in each, one on a page. Returns what the page of these sources shows,
 * '\0' for nothing. */
static char page_show(uint8_t first, uint8_t last, struct search *search)
{
	static const struct {
		const char *unique_id;
		const char *times[2];
	} documents[] = {
		{ "a", { "2021", "2024" } }, { "b", { "2023", "2022" } }, { "c", { "2022", "2022" } },
		{ "d", { "2025", "2020" } }, { "e", { "", "2021" } },     { "f", { "2024", "" } },
	};
	struct search_candidate candidates[2 * COUNT_OF(documents)];
	struct search_window window;
	size_t count = 0;

	for (uint8_t source = first; source <= last; source++) {
		for (size_t i = 0; i < COUNT_OF(documents); i++) {
			const struct copy copy = { "x", documents[i].times[source - 1], false, source };

			candidates[count] = candidate_of(&copy, count);
			candidates[count++].key.unique_id = str_from_c(documents[i].unique_id);
		}
	}
	count = search_candidates_merge(candidates, count, search->sort_descending);
	window = search_candidates_page(candidates, count, search);
	if (window.count == 0)
		return '\0';
	search->has_after = true;
	search->after = candidates[window.first].key;
	return candidates[window.first].key.unique_id.data[0];
}

/* One source leaves after some pages: what the other has is all shown. */
static void test_page__loses_nothing_when_times_differ(void **state)
{
	(void)state;
	for (size_t turn = 0; turn < 4; turn++) {
		for (size_t stay = 0; stay <= 6; stay++) {
			struct search search = { .view.page_entries = 1, .sort_descending = turn % 2 == 1 };
			uint8_t stays = turn < 2 ? 1 : 2;
			bool seen[6] = { false };

			for (size_t page = 0; page < 20; page++) {
				char shown = page < stay ? page_show(1, 2, &search) : page_show(stays, stays, &search);

				if (shown)
					seen[shown - 'a'] = true;
			}
			for (size_t i = 0; i < COUNT_OF(seen); i++)
				assert_true(seen[i]);
		}
	}
}

/* Two that differ stay two on every page, also where nothing is known of the bytes of the first. */
static void test_page__shows_both_of_what_differs(void **state)
{
	(void)state;
	const struct copy copies[] = { { "a", "2024", false, 1 }, { "b", "2024", false, 2 } };
	struct search search = { .view.page_entries = 1, .has_after = true };
	struct search_candidate candidates[2];
	struct search_window window;

	for (size_t i = 0; i < 2; i++) {
		candidates[i] = candidate_of(&copies[i], i);
		candidates[i].key.hash = i ? STR("aa") : STR_NONE;
	}
	search.after = candidates[0].key;
	window = search_candidates_page(candidates, 2, &search);
	assert_int_equal(window.first, 1);
	assert_int_equal(window.count, 1);
}

/* The copy that was shown last is gone when the next page is asked for: the other one is no news. */
static void test_page__shows_no_copy_of_what_was_shown(void **state)
{
	(void)state;
	const struct copy copies[] = { { "b", "2024", false, 1 } };
	struct search search = { .view.page_entries = 10, .has_after = true };
	struct search_candidate candidates[2];
	struct search_window window;

	candidates[0] = candidate_of(&copies[0], 0);
	candidates[1] = candidates[0];
	candidates[1].key.unique_id = STR("1.2.4");
	search.after = candidates[0].key;
	search.after.id = STR("a");
	window = search_candidates_page(candidates, 2, &search);
	assert_int_equal(window.first, 1);
	assert_int_equal(window.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge__shows_the_copy_that_counts),
		cmocka_unit_test(test_merge__keeps_other_things),
		cmocka_unit_test(test_page__loses_nothing_when_times_differ),
		cmocka_unit_test(test_page__shows_both_of_what_differs),
		cmocka_unit_test(test_page__shows_no_copy_of_what_was_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
