/* What the tests of the outbox share: a store of its own on SQLite, or on the PostgreSQL that PASSERELLE_TEST_POSTGRESQL
 * says how to reach, when it is set; and short words for what is done with it. */
#ifndef PASSERELLE_TESTS_OUTBOX_STAND_H
#define PASSERELLE_TESTS_OUTBOX_STAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_reader.h"

#define HCM STR("hcm")

struct stand {
	char directory[64];
	char tenant[32];
	struct config config;
	struct config_key keys[2];
	struct outbox *outbox;
	struct arena *arena;
	struct outcome outcome;
};

static int64_t clock_shift_ms;

static inline uint64_t shifted_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline int64_t shifted_wall(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + clock_shift_ms;
}

static const struct clock_source shifted = { shifted_monotonic, shifted_wall };

static inline bool is_postgresql(void)
{
	return getenv("PASSERELLE_TEST_POSTGRESQL") != NULL;
}

static inline void check(bool ok, const struct outcome *outcome, const char *what)
{
	if (!ok)
		fail_msg("%s: %s", what, outcome->count ? outcome->issues[0].text : "no issue");
}

static inline struct outbox *open_as(struct stand *stand, enum outbox_use use)
{
	struct outbox *outbox = NULL;

	outcome_init(&stand->outcome);
	check(outbox_open(&stand->config, str_from_c(stand->tenant), str_from_c(stand->directory), use, &outbox,
			  &stand->outcome),
	      &stand->outcome, "open");
	return outbox;
}

static inline void reopen(struct stand *stand)
{
	outbox_close(stand->outbox);
	stand->outbox = open_as(stand, OUTBOX_OWNER);
}

static inline int stand_open(void **state)
{
	static unsigned number;
	struct stand *stand = calloc(1, sizeof *stand);
	uint32_t random;

	random_bytes(&random, sizeof random);
	snprintf(stand->directory, sizeof stand->directory, "/tmp/passerelle-outbox-%ld", (long)getpid());
	snprintf(stand->tenant, sizeof stand->tenant, "t%u-%x", number++, random); /* a PostgreSQL is shared */
	stand->keys[0] = (struct config_key) { .id = 1, .secret = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
	stand->keys[1] = (struct config_key) { .id = 2, .secret = STR("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb") };
	stand->config.state_keys.items = stand->keys;
	stand->config.state_keys.count = 1;
	stand->config.outbox_bytes_max = 1 << 30;
	stand->config.outbox_keep_hours = 72;
	stand->config.outbox_lease_seconds = 30;
	if (is_postgresql()) {
		stand->config.outbox_store = CONFIG_OUTBOX_POSTGRESQL;
		stand->config.outbox_connection = str_from_c(getenv("PASSERELLE_TEST_POSTGRESQL"));
	}
	stand->arena = arena_new((size_t)256 << 20);
	clock_shift_ms = 0;
	clock_replace(&shifted);
	stand->outbox = open_as(stand, OUTBOX_OWNER);
	*state = stand;
	return 0;
}

static inline int stand_close(void **state)
{
	static const char *const files[] = { "outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.lock" };
	struct stand *stand = *state;
	char path[128];

	outbox_close(stand->outbox);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof path, "%s/%s", stand->directory, files[i]);
		unlink(path);
	}
	rmdir(stand->directory);
	arena_free(stand->arena);
	free(stand);
	return 0;
}

/* "a,b" as names. */
static inline size_t names_read(const char *list, struct str names[8])
{
	struct str rest = str_from_c(list);
	size_t count = 0;

	while (list && count < 8 && str_next(&rest, ',', &names[count]))
		count++;
	return count;
}

static inline const char *put_as(struct stand *stand, const char *patient, const char *target, const char *makes,
				 const char *needs, const char *as, bool is_announced)
{
	struct str made[8];
	struct str needed[8];
	struct str parts[] = { STR("head"), STR("<metadata/>") };
	struct outbox_new new = {
		.id = str_from_c(as),
		.is_announced = is_announced,
		.kind = STR("provide"),
		.target = str_from_c(target),
		.patient = str_from_c(patient),
		.makes = made,
		.make_count = names_read(makes, made),
		.needs = needed,
		.need_count = names_read(needs, needed),
		.parts = parts,
		.part_count = COUNT_OF(parts),
	};
	char *id = arena_alloc(stand->arena, OUTBOX_ID_SIZE);

	outcome_init(&stand->outcome);
	check(outbox_put(stand->outbox, &new, id, &stand->outcome), &stand->outcome, "put");
	return id;
}

static inline const char *put_with(struct stand *stand, const char *patient, const char *target, const char *makes,
				   const char *needs)
{
	return put_as(stand, patient, target, makes, needs, "", false);
}

static inline const char *put(struct stand *stand, const char *patient)
{
	return put_with(stand, patient, "hcm", NULL, NULL);
}

static inline struct outbox_claim claim_any(struct stand *stand, bool *got)
{
	struct outbox_claim claim = { 0 };
	uint64_t wait_ms;
	enum outbox_claimed claimed;

	outcome_init(&stand->outcome);
	claimed = outbox_claim(stand->outbox, HCM, stand->arena, &claim, &wait_ms, &stand->outcome);
	check(claimed != OUTBOX_CLAIM_FAILED, &stand->outcome, "claim");
	*got = claimed == OUTBOX_CLAIMED;
	return claim;
}

static inline struct outbox_claim claim(struct stand *stand, const char *id)
{
	bool got;
	struct outbox_claim claim = claim_any(stand, &got);

	assert_true(got);
	assert_string_equal(claim.item.id, id);
	assert_int_equal(claim.item.state, OUTBOX_SENDING);
	return claim;
}

/* How long until the next one is due. */
static inline uint64_t claim_nothing(struct stand *stand)
{
	struct outbox_claim claim;
	uint64_t wait_ms = 0;

	outcome_init(&stand->outcome);
	assert_int_equal(outbox_claim(stand->outbox, HCM, stand->arena, &claim, &wait_ms, &stand->outcome),
			 OUTBOX_NOTHING);
	return wait_ms;
}

static inline void settle(struct stand *stand, const struct outbox_claim *claim, enum outbox_state state)
{
	outcome_init(&stand->outcome);
	assert_int_equal(outbox_settle(stand->outbox, claim, state, false, STR("why"), STR("result"), &stand->outcome),
			 OUTBOX_DONE);
}

static inline void deliver(struct stand *stand, const char *id)
{
	struct outbox_claim claimed = claim(stand, id);

	settle(stand, &claimed, OUTBOX_DELIVERED);
}

static inline void refuse(struct stand *stand, const char *id)
{
	struct outbox_claim claimed = claim(stand, id);

	settle(stand, &claimed, OUTBOX_REFUSED);
}

static inline struct outbox_item get(struct stand *stand, const char *id)
{
	struct outbox_item item;

	outcome_init(&stand->outcome);
	check(outbox_get(stand->outbox, str_from_c(id), stand->arena, &item, NULL, &stand->outcome), &stand->outcome,
	      "get");
	return item;
}

static inline struct str part(struct stand *stand, const char *id, size_t n)
{
	struct str bytes = STR_NONE;

	outcome_init(&stand->outcome);
	check(outbox_part(stand->outbox, str_from_c(id), n, 64 << 20, stand->arena, &bytes, &stand->outcome),
	      &stand->outcome, "part");
	return bytes;
}

static inline bool must_wait(struct stand *stand, const char *patient, const char *needs)
{
	struct str needed[8];
	bool must = false;

	outcome_init(&stand->outcome);
	check(outbox_must_wait(stand->outbox, str_from_c(patient), HCM, needed, names_read(needs, needed), &must,
			       &stand->outcome),
	      &stand->outcome, "must wait");
	return must;
}

static inline uint64_t bytes_used(struct stand *stand)
{
	uint64_t bytes = 1;
	uint64_t callers;

	outcome_init(&stand->outcome);
	check(outbox_bytes(stand->outbox, STR_NONE, &bytes, &callers, &stand->outcome), &stand->outcome, "bytes");
	return bytes;
}

/* What was put under the name of a document is of a patient when it is worked out, and as old as it was. */
static inline void assert_nothing_is_due(struct stand *stand)
{
	bool got;

	claim_any(stand, &got);
	assert_false(got);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stand_open, stand_close)

#endif
