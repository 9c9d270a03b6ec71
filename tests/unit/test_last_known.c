/* What the gateway remembers on its own disk of the answers of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/run/clock.h"
#include "gateway/state/database.h"
#include "gateway/state/last_known.h"

#define NOW INT64_C(1700000000)

struct stand {
	char directory[64];
	struct config config;
	struct config_key keys[2];
	struct cache *shared; /* NULL: none */
	struct last_known *known;
	struct arena *arena;
	struct outcome outcome;
};

static void known_open(struct stand *stand)
{
	outcome_init(&stand->outcome);
	if (!last_known_open(&stand->config, stand->shared, &stand->known, &stand->outcome))
		fail_msg("%s", stand->outcome.issues[0].text);
}

static struct stand *stand_new(const char *name, struct cache *shared)
{
	struct stand *stand = calloc(1, sizeof *stand);

	snprintf(stand->directory, sizeof stand->directory, "/tmp/passerelle-known%s-%ld", name, (long)getpid());
	stand->shared = shared;
	stand->keys[0] = (struct config_key) { .id = 1, .secret = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
	stand->keys[1] = (struct config_key) { .id = 2, .secret = STR("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb") };
	stand->config.state_directory = str_from_c(stand->directory);
	stand->config.last_known_bytes = 1 << 20;
	stand->config.state_keys.items = stand->keys;
	stand->config.state_keys.count = 1;
	stand->arena = arena_new(64 << 20);
	known_open(stand);
	return stand;
}

static int stand_open(void **state)
{
	*state = stand_new("", NULL);
	return 0;
}

static void file_path(const struct stand *stand, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", stand->directory, name);
}

static int stand_close(void **state)
{
	struct stand *stand = *state;
	static const char *const files[] = { "last_known.db", "last_known.db-wal", "last_known.db-shm",
					     "last_known.lock" };
	char path[128];

	last_known_close(stand->known);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		file_path(stand, files[i], path);
		unlink(path);
	}
	rmdir(stand->directory);
	arena_free(stand->arena);
	free(stand);
	return 0;
}

static void put(struct stand *stand, const char *patient, const char *value, int64_t now_s)
{
	struct str part = str_from_c(patient);
	struct cache_name name = { STR("t"), "consent", &part, 1 };

	last_known_put(stand->known, &name, str_from_c(value), now_s, 3600);
}

static void drop(struct stand *stand, const char *patient)
{
	struct str part = str_from_c(patient);
	struct cache_name name = { STR("t"), "consent", &part, 1 };

	last_known_drop(stand->known, &name, 3600);
}

/* The age of what is known, -1 for nothing; expected is checked against its value. */
static int64_t age(struct stand *stand, const char *patient, uint64_t max_age_s, int64_t now_s, const char *expected)
{
	struct str part = str_from_c(patient);
	struct cache_name name = { STR("t"), "consent", &part, 1 };
	struct str value;
	uint64_t age_s;

	if (!last_known_get(stand->known, &name, now_s, max_age_s, stand->arena, &value, &age_s))
		return -1;
	assert_true(str_equal(value, str_from_c(expected)));
	return (int64_t)age_s;
}

static void flush(struct stand *stand)
{
	outcome_init(&stand->outcome);
	if (!last_known_flush(stand->known, &stand->outcome))
		fail_msg("%s", stand->outcome.issues[0].text);
}

static void test_last_known__is_there_at_once_and_after_a_restart(void **state)
{
	struct stand *stand = *state;

	for (unsigned round = 0; round < 3; round++) {
		put(stand, "1", "old", NOW);
		put(stand, "1", "new", NOW + 1);
		put(stand, "2", "two", NOW);
		assert_int_equal(age(stand, "1", 100, NOW + 11, "new"), 10);
		if (round == 1)
			flush(stand);
		if (round == 2) {
			last_known_close(stand->known);
			known_open(stand);
		}
		assert_int_equal(age(stand, "1", 100, NOW + 11, "new"), 10);
		assert_int_equal(age(stand, "2", 11, NOW + 11, "two"), 11);
		assert_int_equal(age(stand, "3", 100, NOW, NULL), -1);
	}
	drop(stand, "1");
	assert_int_equal(age(stand, "1", 100, NOW + 11, NULL), -1);
	flush(stand);
	assert_int_equal(age(stand, "1", 100, NOW + 11, NULL), -1);
	last_known_close(stand->known);
	known_open(stand);
	assert_int_equal(age(stand, "1", 100, NOW + 11, NULL), -1);
}

static void test_last_known__is_refused_when_too_old_or_from_the_future(void **state)
{
	struct stand *stand = *state;

	put(stand, "1", "one", NOW);
	assert_int_equal(age(stand, "1", 10, NOW + 10, "one"), 10);
	assert_int_equal(age(stand, "1", 10, NOW + 11, NULL), -1);
	assert_int_equal(age(stand, "1", 10, NOW - 60, "one"), 0);
	assert_int_equal(age(stand, "1", 10, NOW - 61, NULL), -1);
}

static void test_last_known__what_is_too_long_is_forgotten(void **state)
{
	struct stand *stand = *state;
	static char big[LAST_KNOWN_VALUE_BYTES_MAX + 2];

	memset(big, 'x', sizeof big - 1);
	put(stand, "1", "one", NOW);
	put(stand, "1", big, NOW);
	assert_int_equal(age(stand, "1", 10, NOW, NULL), -1);
	put(stand, "1", big + 1, NOW);
	assert_int_equal(age(stand, "1", 10, NOW, big + 1), 0);
	flush(stand);
	assert_int_equal(age(stand, "1", 10, NOW, big + 1), 0);
}

static void test_last_known__the_oldest_make_room(void **state)
{
	struct stand *stand = *state;
	static char value[4001];
	char number[16];
	char path[128];
	size_t kept = 0;

	memset(value, 'x', sizeof value - 1);
	for (int i = 0; i < 1000; i++) {
		snprintf(number, sizeof number, "%d", i);
		put(stand, number, value, NOW + i);
		if (i % 50 == 0)
			flush(stand);
	}
	flush(stand);
	for (int i = 0; i < 1000; i++) {
		snprintf(number, sizeof number, "%d", i);
		bool is_there = age(stand, number, 10000, NOW + 1000, value) >= 0;

		/* No hole: all that are there are younger than all that are not. */
		assert_true(is_there || kept == 0);
		kept += is_there;
	}
	/* 1 MiB of 4 KiB values, a little less for the rest of a page each. */
	assert_in_range(kept, 100, 256);
	last_known_close(stand->known);
	stand->known = NULL;
	file_path(stand, "last_known.db", path);
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	assert_true(ftell(file) < 3 << 20);
	fclose(file);
}

static void test_last_known__has_one_process(void **state)
{
	struct stand *stand = *state;
	struct last_known *second = NULL;

	outcome_init(&stand->outcome);
	assert_false(last_known_open(&stand->config, NULL, &second, &stand->outcome));
	assert_non_null(strstr(stand->outcome.issues[0].text, "a state_directory of its own"));
	assert_null(second);
	/* Without a directory, or without keys. */
	stand->config.state_directory.size = 0;
	assert_true(last_known_open(&stand->config, NULL, &second, &stand->outcome));
	assert_null(second);
	stand->config.state_directory = str_from_c(stand->directory);
	last_known_close(stand->known);
	stand->known = NULL;
	stand->config.state_keys.count = 0;
	assert_false(last_known_open(&stand->config, stand->shared, &stand->known, &stand->outcome));
	assert_int_equal(age(stand, "1", 10, NOW, NULL), -1);
	put(stand, "1", "one", NOW);
	drop(stand, "1");
	flush(stand);
}

static void test_last_known__survives_a_change_of_keys(void **state)
{
	struct stand *stand = *state;
	struct config_key old = stand->keys[0];

	put(stand, "1", "one", NOW);
	put(stand, "2", "two", NOW);
	last_known_close(stand->known);
	stand->keys[0] = stand->keys[1];
	stand->keys[1] = old;
	stand->config.state_keys.count = 2;
	known_open(stand);
	assert_int_equal(age(stand, "1", 10, NOW, "one"), 0);
	put(stand, "1", "uno", NOW + 1);
	drop(stand, "2");
	assert_int_equal(age(stand, "1", 10, NOW + 1, "uno"), 0);
	last_known_close(stand->known);
	/* Nothing of what the old key wrote comes back. */
	stand->keys[0] = old;
	stand->config.state_keys.count = 1;
	known_open(stand);
	assert_int_equal(age(stand, "1", 10, NOW, NULL), -1);
	assert_int_equal(age(stand, "2", 10, NOW, NULL), -1);
}

/* Puts the second value to the first name as well. */
static bool paste_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct statement *statement;

	(void)context;
	return statement_prepare(connection,
				 "UPDATE last_known SET value = (SELECT value FROM last_known WHERE rowid = 2)",
				 &statement, outcome) &&
	       statement_run(statement, outcome);
}

static void test_120_last_known__cut_and_paste_does_not_open(void **state)
{
	struct stand *stand = *state;
	char path[128];
	struct database *database;
	struct database_options options = { .path = path, .schema = "", .version = 1, .readers_max = 1 };

	put(stand, "1", "one", NOW);
	put(stand, "2", "two", NOW);
	last_known_close(stand->known);
	file_path(stand, "last_known.db", path);
	outcome_init(&stand->outcome);
	assert_true(database_open(&options, &database, &stand->outcome));
	assert_true(database_write(database, paste_work, NULL, &stand->outcome));
	database_close(database);
	known_open(stand);
	assert_int_equal(age(stand, "1", 10, NOW, NULL), -1);
	assert_int_equal(age(stand, "2", 10, NOW, "two"), 0);
}

static void test_last_known__the_file_tells_nothing(void **state)
{
	struct stand *stand = *state;
	static char bytes[4 << 20];
	char path[128];

	put(stand, "IHEBLUE-1001", "a secret value", NOW);
	last_known_close(stand->known);
	stand->known = NULL;
	file_path(stand, "last_known.db", path);
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	size_t size = fread(bytes, 1, sizeof bytes, file);

	fclose(file);
	assert_true(size > 1000);
	assert_null(memmem(bytes, size, "IHEBLUE", 7));
	assert_null(memmem(bytes, size, "secret", 6));
}

/* Two gateways that share a cache. */
struct pair {
	struct cache *cache;
	struct stand *a;
	struct stand *b;
};

static struct cache *shared_open(void)
{
	struct cache_options options = { .local_bytes = 1 << 20,
					 .keys = { { 1, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") } },
					 .key_count = 1 };
	struct outcome outcome;
	struct cache *cache;

	outcome_init(&outcome);
	cache = cache_open(&options, &outcome);
	assert_non_null(cache);
	return cache;
}

static int pair_open(void **state)
{
	struct pair *pair = calloc(1, sizeof *pair);

	pair->cache = shared_open();
	pair->a = stand_new("-a", pair->cache);
	pair->b = stand_new("-b", pair->cache);
	*state = pair;
	return 0;
}

static int pair_close(void **state)
{
	struct pair *pair = *state;

	stand_close((void **)&pair->a);
	stand_close((void **)&pair->b);
	cache_close(pair->cache);
	free(pair);
	return 0;
}

static void test_last_known__neighbours_know_it_too(void **state)
{
	struct pair *pair = *state;
	int64_t now_s = clock_wall_ms() / 1000;

	put(pair->a, "1", "one", now_s - 100);
	flush(pair->a);
	assert_int_equal(age(pair->b, "1", 100, now_s, "one"), 100);
	assert_int_equal(age(pair->b, "1", 99, now_s, NULL), -1);
	assert_int_equal(age(pair->b, "2", 100, now_s, NULL), -1);
}

static void test_last_known__the_newest_counts(void **state)
{
	struct pair *pair = *state;
	int64_t now_s = clock_wall_ms() / 1000;

	put(pair->a, "1", "old", now_s - 1000);
	flush(pair->a);
	put(pair->b, "1", "new", now_s - 500);
	flush(pair->b);
	assert_int_equal(age(pair->a, "1", 2000, now_s, "new"), 500);
	put(pair->a, "1", "older", now_s - 600);
	flush(pair->a);
	assert_int_equal(age(pair->b, "1", 2000, now_s, "new"), 500);
	/* Whose clock is right? */
	put(pair->a, "2", "this", now_s - 500);
	flush(pair->a);
	put(pair->b, "2", "that", now_s - 480);
	flush(pair->b);
	assert_int_equal(age(pair->a, "2", 2000, now_s, NULL), -1);
	assert_int_equal(age(pair->b, "2", 2000, now_s, "that"), 480);
	put(pair->a, "3", "same", now_s - 500);
	flush(pair->a);
	put(pair->b, "3", "same", now_s - 480);
	flush(pair->b);
	assert_int_equal(age(pair->a, "3", 2000, now_s, "same"), 480);
}

static void test_last_known__what_was_dropped_is_not_taken_back(void **state)
{
	struct pair *pair = *state;
	int64_t now_s = clock_wall_ms() / 1000;

	put(pair->b, "1", "permit", now_s - 100);
	flush(pair->b);
	assert_int_equal(age(pair->a, "1", 1000, now_s, "permit"), 100);
	drop(pair->a, "1");
	assert_int_equal(age(pair->a, "1", 1000, now_s, NULL), -1);
	flush(pair->a);
	assert_int_equal(age(pair->a, "1", 1000, now_s, NULL), -1);
	assert_int_equal(age(pair->b, "1", 1000, now_s, NULL), -1);
	/* An answer that was under way all the while. */
	put(pair->b, "1", "permit", now_s - 90);
	flush(pair->b);
	assert_int_equal(age(pair->a, "1", 1000, now_s, NULL), -1);
	last_known_close(pair->a->known);
	known_open(pair->a);
	assert_int_equal(age(pair->a, "1", 1000, now_s, NULL), -1);
}

static void test_117_last_known__revoked_in_the_second_of_the_answer(void **state)
{
	struct pair *pair = *state;
	static const int64_t ahead_s[] = { 0, 1, 30 }; /* of b's clock */

	for (size_t i = 0; i < sizeof(ahead_s) / sizeof(ahead_s[0]); i++) {
		int64_t now_s = clock_wall_ms() / 1000;

		put(pair->b, "1", "permit", now_s + ahead_s[i]);
		flush(pair->b);
		drop(pair->a, "1");
		flush(pair->a);
		assert_int_equal(age(pair->b, "1", 1000, now_s, NULL), -1);
		assert_int_equal(age(pair->a, "1", 1000, now_s, NULL), -1);
	}
}

static bool permits(struct stand *stand, const char *patient, int64_t now_s)
{
	struct str part = str_from_c(patient);
	struct cache_name name = { STR("t"), "consent", &part, 1 };
	struct str value;
	uint64_t age_s;

	return last_known_get_permit(stand->known, &name, now_s, 1000, stand->arena, &value, &age_s);
}

static void test_116_last_known__what_only_this_gateway_knew_permits_nothing(void **state)
{
	struct pair *pair = *state;
	struct cache *emptied = shared_open();
	int64_t now_s = clock_wall_ms() / 1000;

	put(pair->a, "1", "permit", now_s - 10);
	put(pair->a, "2", "permit", now_s - 20);
	flush(pair->a);
	for (unsigned round = 0; round < 2; round++) {
		assert_true(permits(pair->a, "1", now_s));
		last_known_close(pair->a->known);
		known_open(pair->a);
	}
	last_known_close(pair->a->known);
	pair->a->shared = emptied;
	known_open(pair->a);
	assert_false(permits(pair->a, "1", now_s));
	assert_int_equal(age(pair->a, "1", 1000, now_s, "permit"), 10);
	put(pair->a, "1", "permit", now_s);
	assert_true(permits(pair->a, "1", now_s));
	assert_false(permits(pair->a, "2", now_s));
	/* What is not shared is all that there is. */
	last_known_close(pair->a->known);
	pair->a->shared = NULL;
	known_open(pair->a);
	assert_true(permits(pair->a, "2", now_s));
	cache_close(emptied);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stand_open, stand_close)
#define PAIR(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)
	const struct CMUnitTest tests[] = {
		TEST(test_last_known__is_there_at_once_and_after_a_restart),
		TEST(test_last_known__is_refused_when_too_old_or_from_the_future),
		TEST(test_last_known__what_is_too_long_is_forgotten),
		TEST(test_last_known__the_oldest_make_room),
		TEST(test_last_known__has_one_process),
		TEST(test_last_known__survives_a_change_of_keys),
		TEST(test_120_last_known__cut_and_paste_does_not_open),
		TEST(test_last_known__the_file_tells_nothing),
		PAIR(test_last_known__neighbours_know_it_too),
		PAIR(test_last_known__the_newest_counts),
		PAIR(test_last_known__what_was_dropped_is_not_taken_back),
		PAIR(test_117_last_known__revoked_in_the_second_of_the_answer),
		PAIR(test_116_last_known__what_only_this_gateway_knew_permits_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
