/* What a question to the cache costs: bench_cache NAME=CONFIG... opens the cache of each configuration and asks them in
 * turn, several rounds, so that all meet the same machine. Prints the medians, and ratios to the first. CPU is this
 * process's own, without Redis's. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/signals.h"
#include "gateway/state/cache.h"

#define CACHES_MAX  8
#define ROUNDS      7
#define CALLS       3000
#define VALUE_BYTES 600 /* a cross-reference, or a decision with the Consent that gave it */

enum what { GET, PUT, EPOCH, WHATS };

struct measured {
	double wall_us;
	double cpu_us;
};

struct contender {
	const char *name;
	struct cache *cache;
	struct measured rounds[WHATS][ROUNDS];
};

static double cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static struct measured measure(struct cache *cache, enum what what)
{
	static char bytes[VALUE_BYTES];
	struct str parts[] = { STR("urn:oid:1.3.6.1.4.1.21367.13.20.1000"), STR("IHERED-1001") };
	struct cache_name name = { STR("default"), "bench", parts, COUNT_OF(parts) };
	struct str value = { bytes, sizeof bytes };
	size_t misses = 0;
	struct arena *arena = arena_new(64u << 20);
	double cpu = cpu_us();
	uint64_t wall = clock_monotonic_us();

	for (size_t i = 0; i < CALLS; i++) {
		uint64_t epoch;

		if (what == PUT)
			cache_put(cache, &name, value, 600000);
		else if (what == EPOCH)
			misses += !cache_epoch(cache, &name, &epoch);
		else
			misses += cache_get(cache, &name, arena, &value) == CACHE_MISS;
	}
	struct measured measured = { (double)(clock_monotonic_us() - wall) / CALLS, (cpu_us() - cpu) / CALLS };

	arena_free(arena);
	if (misses)
		fprintf(stderr, "bench_cache: %zu of %d questions were not answered\n", misses, CALLS);
	return measured;
}

static int by_wall(const void *a, const void *b)
{
	double left = ((const struct measured *)a)->wall_us;
	double right = ((const struct measured *)b)->wall_us;

	return (left > right) - (left < right);
}

static struct measured median(struct measured *rounds)
{
	qsort(rounds, ROUNDS, sizeof *rounds, by_wall);
	return rounds[ROUNDS / 2];
}

static void print(struct contender *contenders, size_t count)
{
	struct measured first = { 0 };

	printf("%-30s %11s %11s %11s %11s %11s %11s %7s\n", "cache, one value of 600 bytes", "get", "its CPU", "put",
	       "its CPU", "epoch", "its CPU", "ratio");
	for (size_t i = 0; i < count; i++) {
		struct measured get = median(contenders[i].rounds[GET]);

		if (i == 0)
			first = get;
		printf("%-30s", contenders[i].name);
		for (size_t what = 0; what < WHATS; what++) {
			struct measured one = median(contenders[i].rounds[what]);

			printf(" %8.1f us %8.1f us", one.wall_us, one.cpu_us);
		}
		printf(" %7.1f\n", get.wall_us / first.wall_us);
	}
}

static struct cache *cache_of(const char *path, struct arena *arena)
{
	struct config *config = arena_alloc(arena, sizeof *config);
	struct cache_options options;
	struct outcome outcome;
	struct cache *cache = NULL;

	outcome_init(&outcome);
	if (config && config_load(path, CONFIG_GATEWAY, arena, config, &outcome) &&
	    cache_options_read(config, &options, &outcome))
		cache = cache_open(&options, &outcome);
	if (!cache)
		fprintf(stderr, "bench_cache: %s: %s\n", outcome.issues[0].path, outcome.issues[0].text);
	return cache;
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(64u << 20);
	struct contender contenders[CACHES_MAX] = { 0 };
	size_t count = 0;

	signals_prepare();
	log_start(LOG_LEVEL_WARN, LOG_FORMAT_JSON, STDERR_FILENO);
	for (int i = 1; i < argc && count < CACHES_MAX; i++) {
		char *path = strchr(argv[i], '=');

		if (!path)
			continue;
		*path = '\0';
		contenders[count].name = argv[i];
		contenders[count].cache = cache_of(path + 1, arena);
		if (!contenders[count++].cache)
			return 1;
	}
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < count; i++) {
			/* PUT first: then there is something to get. */
			for (size_t what = 0; what < WHATS; what++)
				contenders[i].rounds[(what + 1) % WHATS][round] =
					measure(contenders[i].cache, (enum what)((what + 1) % WHATS));
		}
	}
	print(contenders, count);
	for (size_t i = 0; i < count; i++)
		cache_close(contenders[i].cache);
	arena_free(arena);
	return 0;
}
