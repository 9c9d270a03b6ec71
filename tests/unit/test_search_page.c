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
			assert_int_equal(search_candidates_merge(candidates, cases[i].count), 1);
			assert_true(str_equal(candidates[0].key.id, str_from_c(cases[i].shown)));
		}
	}
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
		cmocka_unit_test(test_page__shows_no_copy_of_what_was_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
