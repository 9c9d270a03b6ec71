/* The cache without Redis, what encrypts it, and the joining of questions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "gateway/run/clock.h"
#include "gateway/state/cache.h"
#include "gateway/state/vault.h"

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static uint64_t fake_ms = 1000000;

static uint64_t fake_monotonic(void)
{
	return fake_ms * 1000;
}

static int64_t fake_wall(void)
{
	return (int64_t)fake_ms;
}

static const struct clock_source fake = { fake_monotonic, fake_wall };

struct stand {
	struct cache *cache;
	struct arena *arena;
};

static struct cache *open_local(uint64_t bytes)
{
	struct cache_options options = { .local_bytes = bytes };
	struct outcome outcome;

	outcome_init(&outcome);
	struct cache *cache = cache_open(&options, &outcome);

	assert_non_null(cache);
	return cache;
}

static int stand_open(void **state)
{
	struct stand *stand = calloc(1, sizeof *stand);

	clock_replace(&fake);
	stand->cache = open_local(1 << 20);
	stand->arena = arena_new(16 << 20);
	*state = stand;
	return 0;
}

static int stand_close(void **state)
{
	struct stand *stand = *state;

	cache_close(stand->cache);
	arena_free(stand->arena);
	free(stand);
	clock_replace(NULL);
	return 0;
}

/* A name with up to two parts in static memory, good until the fourth call. */
static struct cache_name named(const char *tenant, const char *kind, const char *a, const char *b)
{
	static struct str parts[4][2];
	static unsigned next;
	struct str *mine = parts[next++ % 4];

	mine[0] = str_from_c(a);
	mine[1] = str_from_c(b);
	return (struct cache_name) { str_from_c(tenant), kind, mine, b ? 2 : 1 };
}

static bool holds(struct stand *stand, struct cache_name name, const char *expected)
{
	struct str value = STR_NONE;

	if (cache_get(stand->cache, &name, stand->arena, &value) == CACHE_MISS)
		return expected == NULL;
	return expected && str_equal(value, str_from_c(expected));
}

static void put(struct stand *stand, struct cache_name name, const char *value, uint64_t ttl_ms)
{
	cache_put(stand->cache, &name, str_from_c(value), ttl_ms);
}

static void test_cache__keeps_values_for_their_time(void **state)
{
	struct stand *stand = *state;
	struct cache_name name = named("t", "xref", "a", NULL);

	assert_true(holds(stand, name, NULL));
	put(stand, name, "one", 1000);
	assert_true(holds(stand, name, "one"));
	put(stand, name, "two", 1000);
	assert_true(holds(stand, name, "two"));
	fake_ms += 999;
	assert_true(holds(stand, name, "two"));
	fake_ms += 1;
	assert_true(holds(stand, name, NULL));
	put(stand, name, "", 1000);
	assert_true(holds(stand, name, ""));
	cache_drop(stand->cache, &name);
	assert_true(holds(stand, name, NULL));
}

/* Attack 103: the same local number in two hospitals; and parts that run together. */
static void test_103_names_do_not_meet(void **state)
{
	struct stand *stand = *state;

	put(stand, named("a", "xref", "12345", NULL), "of a", 60000);
	assert_true(holds(stand, named("b", "xref", "12345", NULL), NULL));
	assert_true(holds(stand, named("a", "consent", "12345", NULL), NULL));
	assert_true(holds(stand, named("a", "xref", "123", "45"), NULL));
	assert_true(holds(stand, named("a", "xref", "12345", ""), NULL));
	assert_true(holds(stand, named("axref", "", "12345", NULL), NULL));
	assert_true(holds(stand, named("a", "xref", "12345", NULL), "of a"));
}

/* Pieces that run together in many ways, and some that look like what stands between them. */
static const struct str pieces[] = {
	STR_INIT(""),
	STR_INIT("1"),
	STR_INIT("11"),
	STR_INIT("12"),
	STR_INIT("112"),
	STR_INIT("2"),
	STR_INIT("21"),
	STR_INIT("|"),
	STR_INIT("|1"),
	STR_INIT("1|"),
	STR_INIT("1|1"),
	STR_INIT("||"),
	STR_INIT("\0"),
	STR_INIT("1\0"),
	STR_INIT("\0"
		 "1"),
	STR_INIT("\0\0\0\0\0\0\0\1"
		 "1"),
};

/* The names of tenant, kind and up to three parts, by their number. */
static size_t pieces_of(size_t number, struct str parts[5])
{
	static const size_t sizes[] = { 1, 16, 256, 4096 };
	size_t count = 0;

	parts[0] = pieces[number % 16];
	parts[1] = pieces[number / 16 % 16];
	number /= 256;
	while (count < COUNT_OF(sizes) && number >= sizes[count])
		number -= sizes[count++];
	if (count == COUNT_OF(sizes))
		return 0;
	for (size_t i = 0; i < count; i++, number /= 16)
		parts[2 + i] = pieces[number % 16];
	return 2 + count;
}

/* Attack 103: 1,118,464 names, of which none is another one however its pieces run together. */
static void test_103_a_million_names_do_not_meet(void **state)
{
	struct vault *vault = vault_new("cache", &(struct seal_key) { 1, STR(KEY_A) }, 1);
	static uint64_t seen[1 << 21];
	struct str parts[5];
	size_t collisions = 0;
	size_t names = 0;
	size_t count;

	(void)state;
	assert_int_equal(COUNT_OF(pieces), 16);
	assert_non_null(vault);
	while ((count = pieces_of(names, parts)) > 0) {
		unsigned char hash[VAULT_NAME_BYTES];
		uint64_t head;

		assert_true(vault_name(vault, 0, parts, count, hash));
		memcpy(&head, hash, sizeof head);
		size_t at = head % COUNT_OF(seen);

		while (seen[at] && seen[at] != head)
			at = (at + 1) % COUNT_OF(seen);
		collisions += seen[at] == head;
		seen[at] = head;
		names++;
	}
	assert_true(names > 1000000);
	/* Already 64 of the 256 bits tell all apart. */
	assert_int_equal(collisions, 0);
	vault_free(vault);
}

static void test_cache__is_bounded(void **state)
{
	struct stand *stand = *state;
	static char big[CACHE_VALUE_BYTES_MAX + 1];
	char number[16];
	size_t kept = 0;

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(number, sizeof number, "%u", i);
		put(stand, named("t", "xref", number, NULL), "a value", 60000);
		/* The one that is used again and again stays. */
		if (i > 0)
			assert_true(holds(stand, named("t", "xref", "0", NULL), "a value"));
	}
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(number, sizeof number, "%u", i);
		kept += holds(stand, named("t", "xref", number, NULL), "a value");
	}
	/* 1 MiB, at least 256 bytes each. */
	assert_in_range(kept, 2000, 4096);
	struct cache_name name = named("t", "xref", "big", NULL);
	struct str value;

	cache_put(stand->cache, &name, (struct str) { big, sizeof big }, 60000);
	assert_int_equal(cache_get(stand->cache, &name, stand->arena, &value), CACHE_MISS);
	/* More than a shard holds: not kept, and nothing else hurt beyond it. */
	cache_put(stand->cache, &name, (struct str) { big, sizeof big - 1 }, 60000);
	assert_int_equal(cache_get(stand->cache, &name, stand->arena, &value), CACHE_MISS);
}

static void test_cache__first_is_certain_only_when_all_is_known(void **state)
{
	struct stand *stand = *state;
	struct cache_name one = named("t", "jti", "1", NULL);
	struct cache_name two = named("t", "jti", "2", NULL);
	bool certain;

	/* The process is younger than what it should remember. */
	assert_true(cache_first(stand->cache, &one, 5000, 5000, &certain));
	assert_false(certain);
	assert_false(cache_first(stand->cache, &one, 5000, 5000, &certain));
	assert_true(certain);
	fake_ms += 5000;
	assert_true(cache_first(stand->cache, &two, 5000, 5000, &certain));
	assert_true(certain);
	assert_false(cache_first(stand->cache, &two, 5000, 5000, &certain));
	/* Others have pushed it out: nobody may be called first for a while. */
	char number[16];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(number, sizeof number, "%u", i);
		put(stand, named("t", "xref", number, NULL), "a value", 60000);
	}
	two = named("t", "jti", "2", NULL);
	assert_true(cache_first(stand->cache, &two, 5000, 5000, &certain));
	assert_false(certain);
}

static void test_cache__an_epoch_changes_for_good(void **state)
{
	struct stand *stand = *state;
	struct cache_name name = named("t", "identity", "domain", NULL);
	struct cache_name other = named("t", "identity", "other", NULL);
	uint64_t epochs[3];
	uint64_t again;

	for (size_t i = 0; i < COUNT_OF(epochs); i++) {
		assert_true(cache_epoch(stand->cache, &name, &epochs[i]));
		assert_true(cache_epoch(stand->cache, &name, &again));
		assert_int_equal(epochs[i], again);
		assert_true(cache_epoch_bump(stand->cache, &name));
	}
	assert_true(epochs[0] != epochs[1] && epochs[1] != epochs[2] && epochs[0] != epochs[2]);
	assert_true(cache_epoch(stand->cache, &other, &again));
	assert_true(again != epochs[2]);
}

static atomic_uint rung;

static void on_bell(void *context, struct str message)
{
	(void)context;
	assert_true(str_equal(message, STR("patient 7")));
	atomic_fetch_add(&rung, 1);
}

static void test_cache__rings_in_its_own_process(void **state)
{
	struct stand *stand = *state;

	assert_true(cache_listen(stand->cache, on_bell, NULL));
	assert_true(cache_listen(stand->cache, on_bell, NULL));
	for (unsigned i = 0; i < 100; i++)
		cache_ring(stand->cache, STR("patient 7"));
	cache_close(stand->cache); /* delivers what waits */
	assert_int_equal(atomic_load(&rung), 200);
	stand->cache = open_local(1 << 20);
}

static void on_own_bell(void *context, struct str message)
{
	(void)message;
	atomic_fetch_add((atomic_uint *)context, 1);
}

/* Tenants come and go while the bell rings: who has left is never called again, and who stays misses nothing. */
static void test_cache__who_does_not_listen_any_more_is_not_called(void **state)
{
	struct stand *stand = *state;
	static atomic_uint stays[2];
	enum { RINGS = 500 };

	assert_true(cache_listen(stand->cache, on_own_bell, &stays[0]));
	for (unsigned i = 0; i < RINGS; i++) {
		atomic_uint *goes = calloc(1, sizeof(*goes));

		assert_true(goes && cache_listen(stand->cache, on_own_bell, goes));
		if (i == 0)
			assert_true(cache_listen(stand->cache, on_own_bell, &stays[1]));
		cache_ring(stand->cache, STR("patient 7"));
		cache_unlisten(stand->cache, goes);
		free(goes); /* and the sanitizer sees who is called all the same */
	}
	cache_close(stand->cache);
	assert_int_equal(atomic_load(&stays[0]), RINGS);
	assert_int_equal(atomic_load(&stays[1]), RINGS);
	stand->cache = open_local(1 << 20);
}

#define ASKING 200

struct crowd {
	struct cache *cache;
	atomic_uint questions;
	atomic_uint answers;
};

static void *ask_main(void *argument)
{
	struct crowd *crowd = argument;
	struct str part = STR("cold");
	struct cache_name name = { STR("t"), "decision", &part, 1 };
	struct arena *arena = arena_new(1 << 16);
	struct str value;

	while (cache_get(crowd->cache, &name, arena, &value) == CACHE_MISS) {
		if (!cache_ask(crowd->cache, &name, 60000))
			continue;
		/* Somebody may have asked between the miss and the turn. */
		if (cache_get(crowd->cache, &name, arena, &value) == CACHE_MISS) {
			atomic_fetch_add(&crowd->questions, 1);
			cache_put(crowd->cache, &name, STR("answer"), 60000);
		}
		cache_asked(crowd->cache, &name);
	}
	atomic_fetch_add(&crowd->answers, str_equal(value, STR("answer")));
	arena_free(arena);
	return NULL;
}

static void test_cache__many_misses_ask_once(void **state)
{
	struct stand *stand = *state;
	struct crowd crowd = { .cache = stand->cache };
	pthread_t threads[ASKING];

	for (size_t i = 0; i < ASKING; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_main, &crowd), 0);
	for (size_t i = 0; i < ASKING; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&crowd.questions), 1);
	assert_int_equal(atomic_load(&crowd.answers), ASKING);
}

/* Who waits too long goes on; who forgets to wait is not waited for. */
static void test_cache__waits_no_longer_than_told(void **state)
{
	struct stand *stand = *state;
	struct cache_name name = named("t", "decision", "slow", NULL);

	assert_true(cache_ask(stand->cache, &name, 0));
	assert_false(cache_ask(stand->cache, &name, 0));
	assert_false(cache_ask(stand->cache, &name, 1));
	cache_asked(stand->cache, &name);
	assert_true(cache_ask(stand->cache, &name, 0));
	cache_asked(stand->cache, &name);
	cache_asked(stand->cache, &name);
}

static void test_vault__opens_only_what_it_sealed_here(void **state)
{
	struct seal_key a[] = { { 1, STR(KEY_A) }, { 2, STR(KEY_B) } };
	struct seal_key b[] = { { 2, STR(KEY_B) }, { 1, STR(KEY_A) } };
	struct vault *old = vault_new("cache", a, 1);
	struct vault *turning = vault_new("cache", b, 2);
	struct vault *new = vault_new("cache", b, 1);
	struct vault *other = vault_new("last known", a, 1);
	unsigned char sealed[5 + VAULT_OVERHEAD];
	unsigned char plain[sizeof sealed];
	struct str all = { (const char *)sealed, sizeof sealed };
	size_t size;

	(void)state;
	assert_true(old && turning && new &&other);
	assert_true(vault_seal(old, STR("here"), STR("value"), sealed));
	assert_int_equal(vault_open(old, STR("here"), all, plain, &size), VAULT_OPENED);
	assert_int_equal(size, 5);
	assert_memory_equal(plain, "value", 5);
	assert_int_equal(vault_open(old, STR("there"), all, plain, &size), VAULT_NOT_OURS);
	assert_int_equal(vault_open(other, STR("here"), all, plain, &size), VAULT_NOT_OURS);
	assert_int_equal(vault_open(turning, STR("here"), all, plain, &size), VAULT_OPENED);
	assert_int_equal(vault_open(new, STR("here"), all, plain, &size), VAULT_NO_KEY);
	/* Attack 120: each bit counts, and each length. */
	for (size_t bit = 0; bit < sizeof sealed * 8; bit++) {
		sealed[bit / 8] ^= (unsigned char)(1U << bit % 8);
		assert_int_not_equal(vault_open(turning, STR("here"), all, plain, &size), VAULT_OPENED);
		sealed[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	for (size_t cut = 0; cut < sizeof sealed; cut++)
		assert_int_equal(vault_open(old, STR("here"), (struct str) { all.data, cut }, plain, &size),
				 VAULT_NOT_OURS);
	/* The names of both keys are known while both live. */
	struct str part = STR("p");
	unsigned char names[2][VAULT_NAME_BYTES];

	assert_true(vault_name(old, 0, &part, 1, names[0]) && vault_name(turning, 1, &part, 1, names[1]));
	assert_memory_equal(names[0], names[1], VAULT_NAME_BYTES);
	assert_true(vault_name(turning, 0, &part, 1, names[1]));
	assert_memory_not_equal(names[0], names[1], VAULT_NAME_BYTES);
	vault_free(old);
	vault_free(turning);
	vault_free(new);
	vault_free(other);
	a[1].id = 1;
	assert_null(vault_new("cache", a, 2));
	assert_null(vault_new("cache", a, 0));
	a[0].secret.size = 31;
	assert_null(vault_new("cache", a, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stand_open, stand_close)
	const struct CMUnitTest tests[] = {
		TEST(test_cache__keeps_values_for_their_time),
		TEST(test_103_names_do_not_meet),
		TEST(test_103_a_million_names_do_not_meet),
		TEST(test_cache__is_bounded),
		TEST(test_cache__first_is_certain_only_when_all_is_known),
		TEST(test_cache__an_epoch_changes_for_good),
		TEST(test_cache__rings_in_its_own_process),
		TEST(test_cache__who_does_not_listen_any_more_is_not_called),
		TEST(test_cache__many_misses_ask_once),
		TEST(test_cache__waits_no_longer_than_told),
		cmocka_unit_test(test_vault__opens_only_what_it_sealed_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
