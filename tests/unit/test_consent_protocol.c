/* Leases on consents: the directory's side and the gateways' side, their own code, under a clock and a network that the
 * test plays. What must hold: a read never answers by a version older than one that was in force when it began. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/access/consent_states.h"
#include "gateway/domain/consent_leases.h"
#include "gateway/run/clock.h"

#define GATEWAYS     3
#define EPISODES     2000
#define STEPS        500 /* of one episode: 1,000,000 together, each between two moments of something else */
#define DEPTH_MAX    3
#define MESSAGES_MAX 64
#define WRITES_MAX   8
#define ARENA_BYTES  ((size_t)64 * 1024 * 1024)

/* Ways to be wrong, each of which the test must be able to see. */
enum fault {
	FAULT_NONE,
	FAULT_NO_WAIT,      /* in force as soon as it is durable */
	FAULT_BELL_KEEPS,   /* who hears the bell returns the lease, and goes on using it */
	FAULT_WRITER_KEEPS, /* the gateway that writes does so */
	FAULT_LATE_COUNT,   /* the lease counts from when the answer is there */
	FAULT_NO_MARK,      /* the directory gives a lease on what it read before a commit */
	FAULT_FORGETFUL     /* leases given before a restart are forgotten */
};

struct message {
	enum { BELL, RETURN } kind;
	int gateway;
	uint64_t version;
};

struct world {
	enum fault fault;
	uint64_t random;
	uint64_t now_us;
	struct arena *arena;
	struct leases *leases;
	struct consent_states *gateways[GATEWAYS];
	uint64_t version;            /* durable */
	uint64_t in_force;           /* acknowledged */
	uint64_t writes[WRITES_MAX]; /* durable, not in force yet */
	size_t write_count;
	struct message messages[MESSAGES_MAX];
	size_t message_count;
	int depth;
	unsigned long reads, old_reads, acknowledged, restarts;
};

static struct world world;

static const struct str patient = STR_INIT("P-001^^^&2.999.1&ISO");
static const char *const names[GATEWAYS] = { "a", "b", "c" };

static uint64_t fake_monotonic_us(void)
{
	return world.now_us;
}

static int64_t fake_wall_ms(void)
{
	return 0;
}

static const struct clock_source fake_clock = { fake_monotonic_us, fake_wall_ms };

/* xorshift64*: the same interleavings each time, other ones for each episode. */
static unsigned below(unsigned limit)
{
	world.random ^= world.random >> 12;
	world.random ^= world.random << 25;
	world.random ^= world.random >> 27;
	return (unsigned)((world.random * 2685821657736338717ULL) >> 33) % limit;
}

static void events(void);

static void send(struct message message)
{
	if (world.message_count < MESSAGES_MAX && below(8) != 0) /* else it is lost */
		world.messages[world.message_count++] = message;
}

/* The directory answers; between its steps, and while the answer travels, anything may happen. */
static bool ask(void *ctx, struct str patient_id, const struct consent_known *known, struct consent_told *told)
{
	struct str gateway = str_from_c(names[*(const int *)ctx]);
	uint64_t lease_ms = 0;
	bool granted = false;

	told->asked_us = world.now_us;
	events();
	for (int i = 0; i < 20 && !granted; i++) {
		uint64_t mark = leases_begin(world.leases, patient_id);
		unsigned long restarts = world.restarts;

		told->version = world.version;
		events();
		if (restarts != world.restarts)
			return false; /* it died with the question */
		if (world.fault == FAULT_NO_MARK)
			mark = leases_begin(world.leases, patient_id);
		granted = leases_grant(world.leases, gateway, patient_id, (int64_t)told->version, mark, &lease_ms);
	}
	events();
	if (!granted || below(10) == 0)
		return false;
	told->lease_us = lease_ms * 1000;
	told->set = known->set.data && known->version == told->version ? STR_NONE : STR("set");
	if (world.fault == FAULT_LATE_COUNT)
		told->asked_us = world.now_us;
	return true;
}

static void read_once(int gateway)
{
	const struct consent_asker asker = { .ctx = &gateway, .ask = ask };
	uint64_t in_force = world.in_force;
	struct consent_known known;

	if (consent_states_get(world.gateways[gateway], patient, deadline_in(0), &asker, world.arena, &known) !=
	    CONSENT_GOT)
		return;
	world.reads++;
	world.old_reads += known.version < in_force;
}

/* What consent_change does until it waits. */
static void write_once(int gateway)
{
	uint64_t version = ++world.version;
	unsigned long restarts = world.restarts;

	if (below(2))
		events(); /* durable, and nobody knows */
	if (restarts != world.restarts)
		return; /* its writer never learns */
	leases_committed(world.leases, patient);
	if (world.fault != FAULT_WRITER_KEEPS)
		consent_states_outdate(world.gateways[gateway], patient, version);
	send((struct message) { RETURN, gateway, version });
	for (int i = 0; i < GATEWAYS; i++) {
		if (i != gateway)
			send((struct message) { BELL, i, version });
	}
	if (world.write_count < WRITES_MAX)
		world.writes[world.write_count++] = version;
}

static void deliver(void)
{
	size_t place = world.message_count ? below((unsigned)world.message_count) : 0;
	struct message message = world.messages[place];

	if (world.message_count == 0)
		return;
	world.messages[place] = world.messages[--world.message_count];
	if (message.kind == RETURN) {
		leases_return(world.leases, str_from_c(names[message.gateway]), patient, (int64_t)message.version);
		return;
	}
	if (world.fault != FAULT_BELL_KEEPS)
		consent_states_outdate(world.gateways[message.gateway], patient, message.version);
	send((struct message) { RETURN, message.gateway, message.version });
}

static void acknowledge(void)
{
	for (size_t i = 0; i < world.write_count; i++) {
		if (world.fault != FAULT_NO_WAIT &&
		    !leases_are_settled(world.leases, patient, (int64_t)world.writes[i]))
			continue;
		if (world.writes[i] > world.in_force)
			world.in_force = world.writes[i];
		world.writes[i] = world.writes[--world.write_count];
		world.acknowledged++;
		return;
	}
}

/* The directory is killed and comes back; who waits for it learns nothing. */
static void restart(void)
{
	leases_free(world.leases);
	if (world.fault == FAULT_FORGETFUL)
		world.now_us -= LEASE_MS * 1000;
	world.leases = leases_new();
	if (world.fault == FAULT_FORGETFUL)
		world.now_us += LEASE_MS * 1000;
	assert_non_null(world.leases);
	world.restarts++;
}

static void event(void)
{
	unsigned dice = below(100);

	if (dice < 40)
		read_once((int)below(GATEWAYS));
	else if (dice < 50)
		write_once((int)below(GATEWAYS));
	else if (dice < 70)
		deliver();
	else if (dice < 85)
		acknowledge();
	else if (dice < 99)
		world.now_us += below(4) ? below(10000) : below(1200000);
	else
		restart();
}

static void events(void)
{
	if (world.depth >= DEPTH_MAX)
		return;
	world.depth++;
	for (unsigned i = below(4); i > 0; i--)
		event();
	world.depth--;
}

static void episode(enum fault fault, uint64_t seed)
{
	unsigned long reads = world.reads, old_reads = world.old_reads, acknowledged = world.acknowledged;
	unsigned long restarts = world.restarts;

	world = (struct world) { .fault = fault, .random = seed * 0x9E3779B97F4A7C15ULL + 1, .now_us = 10000000 };
	world.reads = reads;
	world.old_reads = old_reads;
	world.acknowledged = acknowledged;
	world.restarts = restarts;
	world.arena = arena_new(ARENA_BYTES);
	world.leases = leases_new();
	world.now_us += LEASE_MS * 1000;
	assert_non_null(world.arena);
	assert_non_null(world.leases);
	for (int i = 0; i < GATEWAYS; i++) {
		world.gateways[i] = consent_states_new(100, 10000);
		assert_non_null(world.gateways[i]);
	}
	world.version = 1;
	world.depth = 0;
	for (int i = 0; i < STEPS; i++) {
		world.depth = 1;
		event();
	}
	for (int i = 0; i < GATEWAYS; i++)
		consent_states_free(world.gateways[i]);
	leases_free(world.leases);
	arena_free(world.arena);
}

static void play(enum fault fault, unsigned episodes)
{
	world = (struct world) { 0 };
	clock_replace(&fake_clock);
	for (unsigned i = 0; i < episodes; i++)
		episode(fault, i + 1);
	clock_replace(NULL);
}

static void test_094_no_interleaving_revives_an_old_consent(void **state)
{
	(void)state;
	play(FAULT_NONE, EPISODES);
	print_message("%d steps: %lu reads, %lu writes in force, %lu restarts\n", EPISODES * STEPS, world.reads,
		      world.acknowledged, world.restarts);
	assert_int_equal(world.old_reads, 0);
	assert_true(world.reads > 100000 && world.acknowledged > 10000 && world.restarts > 1000);
}

static void test_094_a_broken_protocol_is_seen(void **state)
{
	static const enum fault faults[] = { FAULT_NO_WAIT,    FAULT_BELL_KEEPS, FAULT_WRITER_KEEPS,
					     FAULT_LATE_COUNT, FAULT_NO_MARK,    FAULT_FORGETFUL };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		play(faults[i], EPISODES / 4);
		print_message("fault %d: %lu of %lu reads by an old version\n", faults[i], world.old_reads,
			      world.reads);
		assert_true(world.old_reads > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_094_no_interleaving_revives_an_old_consent),
		cmocka_unit_test(test_094_a_broken_protocol_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
