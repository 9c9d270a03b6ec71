/* What is kept of a publication, or of a request about a document, comes back as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mappers/publication_parts.h"

static struct publication_head there_and_back(const struct publication_head *head, struct arena *arena)
{
	struct publication_head read;
	struct buf text;

	buf_init(&text, PUBLICATION_HEAD_BYTES_MAX);
	publication_head_write(head, &text);
	assert_true(publication_head_read(buf_str(&text), arena, &read));
	buf_free(&text);
	return read;
}

static void test_head__a_request(void **state)
{
	static const enum publication_wish wishes[] = { WISH_PUT, WISH_JSON_PATCH, WISH_FHIRPATH_PATCH, WISH_DELETE };
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wishes); i++) {
		struct publication_head head = { .caller = { .kind = CALLER_USER, .subject = STR("someone") },
						 .request = { .wish = wishes[i],
							      .id = STR("sealed\"id"),
							      .urn = STR("urn:uuid:1"),
							      .hash = STR("da39a3ee"),
							      .if_match = STR("W/\"a\", \"b\"") } };
		struct publication_head read = there_and_back(&head, arena);

		assert_int_equal(read.request.wish, wishes[i]);
		assert_true(str_equal(read.request.id, head.request.id));
		assert_true(str_equal(read.request.urn, head.request.urn));
		assert_true(str_equal(read.request.hash, head.request.hash));
		assert_true(str_equal(read.request.if_match, head.request.if_match));
		assert_true(str_equal(read.caller.subject, STR("someone")));
		/* An empty condition is one that nothing fulfils; none at all is another matter. */
		head.request.if_match = STR("");
		read = there_and_back(&head, arena);
		assert_non_null(read.request.if_match.data);
		head.request.if_match = STR_NONE;
		read = there_and_back(&head, arena);
		assert_null(read.request.if_match.data);
	}
	arena_free(arena);
}

static void test_head__of_what_is_no_request_or_an_unknown_one(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct publication_head head = { .change = { .is_removal = true, .base = STR("urn:uuid:2") } };
	struct publication_head read = there_and_back(&head, arena);

	(void)state;
	assert_int_equal(read.request.wish, WISH_NONE);
	assert_null(read.request.urn.data);
	assert_true(read.change.is_removal);
	assert_true(publication_head_read(STR("{\"caller\":{\"kind\":0,\"purpose\":{}},\"request\":{\"wish\":"
					      "\"explode\",\"urn\":\"u\"}}"),
					  arena, &read));
	assert_int_equal(read.request.wish, WISH_NONE);
	arena_free(arena);
}

static void test_head__names_that_nobody_could_tell(void **state)
{
	struct str names[] = { STR("A^^^&1.2&ISO"), STR("B^^^&1.3&ISO") };
	struct str target = STR("urn:uuid:3");
	struct arena *arena = arena_new(1 << 20);
	struct publication_head head = { .unresolved = { names, 2 }, .unverified = { &target, 1 } };
	struct publication_head read = there_and_back(&head, arena);

	(void)state;
	assert_int_equal(read.unresolved.count, 2);
	assert_true(str_equal(read.unresolved.items[1], names[1]));
	assert_int_equal(read.unverified.count, 1);
	/* What was kept by an earlier release has none. */
	assert_true(publication_head_read(STR("{\"caller\":{\"kind\":0,\"purpose\":{}}}"), arena, &read));
	assert_int_equal(read.unresolved.count, 0);
	arena_free(arena);
}

static void test_line__is_the_same_for_every_spelling(void **state)
{
	static const struct {
		const char *spelled;
		const char *line;
	} cases[] = { { "A^^^&1.2&ISO", "A^^^&1.2&ISO" },
		      { "A^^^HOSPITAL&1.2&ISO", "A^^^&1.2&ISO" },
		      { "A^^^HOSPITAL&1.2&ISO^PI", "A^^^&1.2&ISO" },
		      { "A^^^&1.2", "A^^^&1.2&ISO" },
		      { "A\\T\\B^^^&1.2&ISO", "A\\T\\B^^^&1.2&ISO" },
		      { "A^^^HOSPITAL", "A^^^HOSPITAL" },
		      { "^^^&1.2&ISO", "^^^&1.2&ISO" } };
	struct arena *arena = arena_new(1 << 20);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_true(
			str_equal(publication_line(str_from_c(cases[i].spelled), arena), str_from_c(cases[i].line)));
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head__a_request),
		cmocka_unit_test(test_head__of_what_is_no_request_or_an_unknown_one),
		cmocka_unit_test(test_head__names_that_nobody_could_tell),
		cmocka_unit_test(test_line__is_the_same_for_every_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
