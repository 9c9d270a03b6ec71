/* Gateways that read while consents change: each gateway is a process with the real room of access, against a real
 * consent directory and, where the configuration names one, a real Redis.
 *
 *   consent_race CONFIG
 *
 * is one gateway that reads commands from standard input, one a line, and answers each by a line: "read P" says what it
 * permits of patient P (0, 1 ...), "grant P" and "revoke P" change what may be read.
 *
 *   consent_race CONFIG GATEWAYS PATIENTS ROUNDS READERS
 *
 * Each patient has a writer, in one of the gateways, that revokes and grants ROUNDS times. It goes on to the next change
 * only when every gateway has been seen to answer by the last one, so that every revocation meets leases that permit. A
 * read that begins after a change was acknowledged and ends before the next one begins must say what was acknowledged.
 * Prints one JSON object; exit code 1 when a read was wrong. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <pthread.h>
#include <unistd.h>

#include "gateway/access/consent.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/signals.h"
#include "gateway/state/cache.h"
#include "mappers/base/uuid.h"

#define GATEWAYS_MAX  8
#define PATIENTS_MAX  64
#define ARENA_BYTES   ((size_t)4 * 1024 * 1024)
#define CONFIG_BYTES  ((size_t)16 * 1024 * 1024)
#define REQUEST_MS    10000
#define ROUND_US_MAX  60000000 /* a change that is not seen by then fails the run */
#define LATENCY_COUNT 100000

/* What a patient's phase says, modulo 4. */
enum phase { GRANTED, REVOKING, REVOKED, GRANTING };

struct shared {
	atomic_bool stop;
	atomic_bool failed;
	atomic_uint ready;
	atomic_uint writers_left;
	atomic_ulong phases[PATIENTS_MAX];             /* counts up; modulo 4 an enum phase */
	atomic_ulong seen[GATEWAYS_MAX][PATIENTS_MAX]; /* the last phase that a whole read fell into */
	atomic_ulong reads, permits, denials, wrong_permits, wrong_denials, unavailable;
	atomic_ulong revocations, grants, unclear, refused;
	atomic_ulong latency_count;
	unsigned latencies_us[LATENCY_COUNT];
};

static struct shared *shared;
static unsigned gateway_count;
static unsigned patient_count;
static unsigned round_count;
static unsigned reader_count;

/* One gateway process. */
struct gateway {
	unsigned number;
	struct config config;
	struct cache *cache;
	struct access_stores *stores;
	struct access *access;
};

struct worker {
	struct gateway *gateway;
	unsigned patient;
};

static struct str patient_id(unsigned patient, struct arena *arena, const struct config *config)
{
	return arena_printf(arena, "IHEBLUE-10%02u^^^&%.*s&ISO", patient + 1,
			    STR_ARG(config->patient_assigning_authority));
}

static struct consent_decision read_once(struct gateway *gateway, unsigned patient)
{
	struct arena *arena = arena_new(ARENA_BYTES);
	const struct south south = { .arena = arena, .deadline = deadline_in(REQUEST_MS) };
	struct code role = { STR("doctor"), STR("2.999.1"), STR_NONE };
	struct code confidentiality = { STR("N"), STR("2.16.840.1.113883.5.25"), STR_NONE };
	const struct caller caller = { .kind = CALLER_USER,
				       .tenant = gateway->config.tenant,
				       .subject = STR("doctor-1"),
				       .roles = { &role, 1 },
				       .purpose = { STR("TREAT"), STR(PURPOSE_SYSTEM_OID), STR_NONE } };
	struct str id = patient_id(patient, arena, &gateway->config);
	const struct consent *consent =
		consent_ask(gateway->access, &south, &caller, CONSENT_READ, id, false, clock_wall_ms() / 1000);
	const struct document_entry entry = { .patient_id = id, .confidentiality_codes = { &confidentiality, 1 } };
	struct consent_decision decision;

	consent_decide_entry(consent, &entry, &decision);
	decision.consent_id = STR_NONE;
	arena_free(arena);
	return decision;
}

static void *reader_run(void *ctx)
{
	struct worker *worker = ctx;
	struct gateway *gateway = worker->gateway;

	for (unsigned i = worker->patient; !atomic_load(&shared->stop); i++) {
		unsigned patient = i % patient_count;
		unsigned long before = atomic_load(&shared->phases[patient]);
		struct consent_decision decision = read_once(gateway, patient);
		bool permit = decision.permit;

		atomic_fetch_add(&shared->reads, 1);
		if (atomic_load(&shared->phases[patient]) != before)
			continue;
		if (before % 4 == REVOKED && permit)
			atomic_fetch_add(&shared->wrong_permits, 1);
		if (decision.reason == CONSENT_UNAVAILABLE) {
			atomic_fetch_add(&shared->unavailable, 1);
			continue;
		}
		if (before % 4 == GRANTED && !permit)
			atomic_fetch_add(&shared->wrong_denials, 1);
		if (before % 2 == 0) {
			atomic_fetch_add(permit ? &shared->permits : &shared->denials, 1);
			atomic_store(&shared->seen[gateway->number][patient], before);
		}
	}
	return NULL;
}

static enum consent_written write_once(struct gateway *gateway, unsigned patient, const char *id, bool permit)
{
	struct arena *arena = arena_new(ARENA_BYTES);
	const struct south south = { .arena = arena, .deadline = deadline_in(REQUEST_MS) };
	const struct consent_write write = {
		.id = str_from_c(id),
		.patient_id = patient_id(patient, arena, &gateway->config),
		.expected = CONSENT_EXPECT_ANY,
		.is_active = true,
		.resource = arena_printf(
			arena,
			"{\"resourceType\":\"Consent\",\"status\":\"active\",\"scope\":{\"coding\":[{\"system\":"
			"\"http://terminology.hl7.org/CodeSystem/consentscope\",\"code\":\"patient-privacy\"}]},"
			"\"provision\":{\"type\":\"%s\"}}",
			permit ? "permit" : "deny"),
	};
	struct consent_stored stored;
	struct outcome outcome;
	enum consent_written written;

	outcome_init(&outcome);
	written = consent_change(gateway->access, &south, &write, &stored, &outcome);
	arena_free(arena);
	return written;
}

/* Writes until it is in force; what is unclear is written again. */
static bool change(struct worker *worker, const char *id, bool permit)
{
	uint64_t begin_us = clock_monotonic_us();

	while (!atomic_load(&shared->failed)) {
		enum consent_written written = write_once(worker->gateway, worker->patient, id, permit);

		if (written == CONSENT_WRITTEN) {
			unsigned long place = atomic_fetch_add(&shared->latency_count, 1);

			if (place < LATENCY_COUNT)
				shared->latencies_us[place] = (unsigned)(clock_monotonic_us() - begin_us);
			return true;
		}
		atomic_fetch_add(written == CONSENT_UNCLEAR ? &shared->unclear : &shared->refused, 1);
		if (clock_monotonic_us() - begin_us > ROUND_US_MAX)
			atomic_store(&shared->failed, true);
		usleep(10000);
	}
	return false;
}

/* Waits until every gateway has answered by this phase. */
static bool await_seen(unsigned patient, unsigned long phase)
{
	uint64_t begin_us = clock_monotonic_us();

	for (unsigned i = 0; i < gateway_count; i++) {
		while (atomic_load(&shared->seen[i][patient]) != phase) {
			if (atomic_load(&shared->failed) || clock_monotonic_us() - begin_us > ROUND_US_MAX) {
				atomic_store(&shared->failed, true);
				return false;
			}
			usleep(50);
		}
	}
	return true;
}

static void *writer_run(void *ctx)
{
	struct worker *worker = ctx;
	atomic_ulong *phase = &shared->phases[worker->patient];
	unsigned char random[16];
	char id[UUID_URN_SIZE];
	bool ok;

	random_bytes(random, sizeof(random));
	uuid_format(random, id);
	ok = change(worker, id + sizeof("urn:uuid:") - 1, true);
	if (ok)
		atomic_store(phase, 4 * 1 + GRANTED);
	for (unsigned i = 0; ok && i < round_count; i++) {
		unsigned long now = 4 * ((unsigned long)i + 1);

		ok = await_seen(worker->patient, now + GRANTED);
		if (!ok)
			break;
		atomic_store(phase, now + REVOKING);
		ok = change(worker, id + sizeof("urn:uuid:") - 1, false);
		if (!ok)
			break;
		atomic_store(phase, now + REVOKED);
		atomic_fetch_add(&shared->revocations, 1);
		ok = await_seen(worker->patient, now + REVOKED);
		if (!ok)
			break;
		atomic_store(phase, now + GRANTING);
		ok = change(worker, id + sizeof("urn:uuid:") - 1, true);
		if (!ok)
			break;
		atomic_store(phase, now + 4 + GRANTED);
		atomic_fetch_add(&shared->grants, 1);
	}
	if (atomic_fetch_sub(&shared->writers_left, 1) == 1)
		atomic_store(&shared->stop, true);
	return NULL;
}

static void parts_open(struct gateway *gateway, struct outcome *outcome)
{
	struct cache_options options;

	if (cache_options_read(&gateway->config, &options, outcome))
		gateway->cache = cache_open(&options, outcome);
	if (gateway->cache)
		gateway->stores = access_stores_open(&gateway->config, gateway->cache, outcome);
	if (gateway->stores)
		gateway->access = access_open(&gateway->config, gateway->stores, outcome);
}

static void gateway_close(struct gateway *gateway)
{
	access_close(gateway->access);
	access_stores_close(gateway->stores);
	cache_close(gateway->cache);
}

static bool gateway_open(struct gateway *gateway, const char *config_path, struct arena *arena)
{
	struct outcome outcome;

	outcome_init(&outcome);
	log_start(LOG_LEVEL_ERROR, LOG_FORMAT_JSON, 2);
	signals_prepare();
	if (arena && south_start() && config_load(config_path, CONFIG_GATEWAY, arena, &gateway->config, &outcome))
		parts_open(gateway, &outcome);
	if (!gateway->access)
		fprintf(stderr, "gateway %u: %s %s\n", gateway->number, outcome.issues[0].path, outcome.issues[0].text);
	return gateway->access != NULL;
}

/* One gateway that does as it is told. */
static int gateway_talk(const char *config_path)
{
	static const char *const reasons[] = { "default",        "consent",        "patient",
					       "producer",       "break-glass",    "no relationship",
					       "no break-glass", "not understood", "unavailable" };
	static const char *const writtens[] = { "written", "refused", "unclear" };
	struct gateway gateway = { 0 };
	struct arena *arena = arena_new(CONFIG_BYTES);
	char line[64];

	_Static_assert(COUNT_OF(reasons) == CONSENT_UNAVAILABLE + 1, "a name for each reason");
	if (!gateway_open(&gateway, config_path, arena))
		return 2;
	while (fgets(line, sizeof(line), stdin)) {
		char *blank = strchr(line, ' ');
		unsigned patient = blank ? (unsigned)strtoul(blank, NULL, 10) : 0;
		char id[32];

		snprintf(id, sizeof(id), "consent-of-%u", patient);
		if (line[0] == 'r' && line[2] == 'a') {
			struct consent_decision decision = read_once(&gateway, patient);

			printf("%s by %s\n", decision.permit ? "permit" : "deny", reasons[decision.reason]);
		} else {
			printf("%s\n", writtens[write_once(&gateway, patient, id, line[0] == 'g')]);
		}
		fflush(stdout);
	}
	gateway_close(&gateway);
	arena_free(arena);
	return 0;
}

static int gateway_run(unsigned number, const char *config_path)
{
	static struct worker workers[PATIENTS_MAX + 256];
	static pthread_t threads[PATIENTS_MAX + 256];
	struct gateway gateway = { .number = number };
	struct arena *arena = arena_new(CONFIG_BYTES);
	size_t count = 0;

	if (!gateway_open(&gateway, config_path, arena)) {
		atomic_store(&shared->failed, true);
		atomic_store(&shared->stop, true);
		return 2;
	}
	atomic_fetch_add(&shared->ready, 1);
	while (atomic_load(&shared->ready) < gateway_count && !atomic_load(&shared->failed))
		usleep(1000);
	for (unsigned i = 0; i < reader_count; i++) {
		workers[count] = (struct worker) { &gateway, i };
		pthread_create(&threads[count], NULL, reader_run, &workers[count]);
		count++;
	}
	for (unsigned patient = number; patient < patient_count; patient += gateway_count) {
		workers[count] = (struct worker) { &gateway, patient };
		pthread_create(&threads[count], NULL, writer_run, &workers[count]);
		count++;
	}
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	gateway_close(&gateway);
	arena_free(arena);
	return 0;
}

static int compare(const void *a, const void *b)
{
	unsigned left = *(const unsigned *)a;
	unsigned right = *(const unsigned *)b;

	return left < right ? -1 : left > right;
}

static void print_result(uint64_t began_us)
{
	size_t count = atomic_load(&shared->latency_count);

	if (count > LATENCY_COUNT)
		count = LATENCY_COUNT;
	qsort(shared->latencies_us, count, sizeof(unsigned), compare);
	printf("{\"failed\":%s,\"revocations\":%lu,\"grants\":%lu,\"reads\":%lu,\"permits\":%lu,\"denials\":%lu,"
	       "\"wrong_permits\":%lu,\"wrong_denials\":%lu,\"unavailable\":%lu,\"unclear\":%lu,\"refused\":%lu,"
	       "\"seconds\":%.1f,\"change_us\":[%u,%u,%u]}\n",
	       atomic_load(&shared->failed) ? "true" : "false", atomic_load(&shared->revocations),
	       atomic_load(&shared->grants), atomic_load(&shared->reads), atomic_load(&shared->permits),
	       atomic_load(&shared->denials), atomic_load(&shared->wrong_permits), atomic_load(&shared->wrong_denials),
	       atomic_load(&shared->unavailable), atomic_load(&shared->unclear), atomic_load(&shared->refused),
	       (double)(clock_monotonic_us() - began_us) / 1e6, count ? shared->latencies_us[count / 2] : 0,
	       count ? shared->latencies_us[count * 99 / 100] : 0, count ? shared->latencies_us[count - 1] : 0);
}

int main(int argc, char **argv)
{
	uint64_t began_us = clock_monotonic_us();
	bool ok = true;

	if (argc == 2)
		return gateway_talk(argv[1]);
	if (argc != 6)
		return 2;
	gateway_count = (unsigned)strtoul(argv[2], NULL, 10);
	patient_count = (unsigned)strtoul(argv[3], NULL, 10);
	round_count = (unsigned)strtoul(argv[4], NULL, 10);
	reader_count = (unsigned)strtoul(argv[5], NULL, 10);
	if (gateway_count > GATEWAYS_MAX || patient_count > PATIENTS_MAX || reader_count > 256)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	atomic_store(&shared->writers_left, patient_count);
	for (unsigned i = 0; i < patient_count; i++)
		atomic_store(&shared->phases[i], GRANTING);
	for (unsigned i = 0; i < gateway_count; i++) {
		pid_t child = fork();

		if (child == 0)
			return gateway_run(i, argv[1]);
		ok = ok && child > 0;
	}
	for (unsigned i = 0; i < gateway_count; i++) {
		int status;

		if (wait(&status) < 0 || status != 0) {
			ok = false;
			atomic_store(&shared->failed, true);
			atomic_store(&shared->stop, true);
		}
	}
	print_result(began_us);
	return ok && !atomic_load(&shared->failed) && atomic_load(&shared->wrong_permits) == 0 &&
			       atomic_load(&shared->wrong_denials) == 0
		       ? 0
		       : 1;
}
