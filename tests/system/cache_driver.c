/* Drives the cache from a test: cache_driver CONFIG reads one command a line from standard input and answers each with
 * one line, whose last word is the time it took in microseconds. Words are separated by blanks.
 *   get TENANT KIND PART            hit VALUE | miss
 *   put TENANT KIND PART TTL VALUE  done
 *   drop TENANT KIND PART           done
 *   epoch TENANT KIND PART          epoch NUMBER | unknown
 *   bump TENANT KIND PART           told | untold
 *   first TENANT KIND PART TTL      first|seen certain|uncertain
 *   ring TEXT                       done; what is heard is a line of its own: bell TEXT
 *   hammer THREADS NAMES SECONDS    gets and puts at once: hits, misses, wrong values, the slowest call
 *   crowd THREADS NAME              all want the same: who asked, and got the answer
 *   quit */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/signals.h"
#include "gateway/state/cache.h"

#define WORDS_MAX   8
#define THREADS_MAX 1000
#define ASKING_US   20000 /* that the source of a crowd's answer takes */
#define MISSING_US  1000  /* that a source would take after a miss: without it threads wait for each other only */

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void on_bell(void *context, struct str message)
{
	(void)context;
	pthread_mutex_lock(&output);
	printf("bell %.*s\n", STR_ARG(message));
	fflush(stdout);
	pthread_mutex_unlock(&output);
}

struct load {
	struct cache *cache;
	unsigned names;
	struct str part; /* of a crowd */
	uint64_t end_us;
	atomic_uint_fast64_t hits;
	atomic_uint_fast64_t misses;
	atomic_uint_fast64_t wrong;
	atomic_uint_fast64_t slow; /* calls that took longer than a millisecond while they missed */
	atomic_uint_fast64_t slowest_us;
	atomic_uint_fast64_t asked;
};

static void note_time(struct load *load, uint64_t begin_us)
{
	uint64_t took = clock_monotonic_us() - begin_us;
	uint64_t slowest = atomic_load(&load->slowest_us);

	while (took > slowest && !atomic_compare_exchange_weak(&load->slowest_us, &slowest, took))
		continue;
}

static void hammer_once(struct load *load, struct arena *arena)
{
	char number[16];
	char expected[64];
	struct str value;

	snprintf(number, sizeof number, "%u", random_below(load->names));
	snprintf(expected, sizeof expected, "the value of %s and of nothing else", number);
	struct str part = str_from_c(number);
	struct cache_name name = { STR("t"), "hammer", &part, 1 };
	uint64_t begin = clock_monotonic_us();
	bool hit = cache_get(load->cache, &name, arena, &value) == CACHE_HIT;

	note_time(load, begin);
	atomic_fetch_add(hit ? &load->hits : &load->misses, 1);
	if (hit && !str_equal(value, str_from_c(expected)))
		atomic_fetch_add(&load->wrong, 1);
	if (hit && random_below(4) != 0)
		return;
	begin = clock_monotonic_us();
	cache_put(load->cache, &name, str_from_c(expected), 60000);
	note_time(load, begin);
	if (!hit)
		usleep(MISSING_US);
}

static void *hammer_main(void *argument)
{
	struct load *load = argument;

	while (clock_monotonic_us() < load->end_us) {
		struct arena *arena = arena_new(1 << 20);

		for (unsigned i = 0; i < 100; i++)
			hammer_once(load, arena);
		arena_free(arena);
	}
	return NULL;
}

static void *crowd_main(void *argument)
{
	struct load *load = argument;
	struct cache_name name = { STR("t"), "crowd", &load->part, 1 };
	struct arena *arena = arena_new(1 << 20);
	struct str value = STR("");
	bool done = false;

	while (!done) {
		if (cache_get(load->cache, &name, arena, &value) == CACHE_HIT)
			break;
		if (!cache_ask(load->cache, &name, 10000))
			continue;
		if (cache_get(load->cache, &name, arena, &value) != CACHE_HIT) {
			atomic_fetch_add(&load->asked, 1);
			usleep(ASKING_US);
			value = STR("answer");
			cache_put(load->cache, &name, value, 60000);
		}
		cache_asked(load->cache, &name);
		done = true;
	}
	atomic_fetch_add(str_equal(value, STR("answer")) ? &load->hits : &load->wrong, 1);
	arena_free(arena);
	return NULL;
}

static void load_run(struct load *load, size_t threads, void *(*thread_main)(void *))
{
	static pthread_t all[THREADS_MAX];
	size_t started = 0;

	while (started < threads && started < THREADS_MAX &&
	       pthread_create(&all[started], NULL, thread_main, load) == 0)
		started++;
	for (size_t i = 0; i < started; i++)
		pthread_join(all[i], NULL);
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	return text && str_to_u64(str_from_c(text), &value) ? value : 0;
}

/* Writes the answer, without the time. */
static void command_run(struct cache *cache, char **words, size_t count, struct arena *arena, char *answer, size_t size)
{
	struct str part = str_from_c(count > 3 ? words[3] : "");
	struct cache_name name = { str_from_c(count > 1 ? words[1] : ""), count > 2 ? words[2] : "", &part, 1 };
	struct load load = { .cache = cache };
	struct str value;
	uint64_t epoch;
	bool certain;

	snprintf(answer, size, "done");
	if (strcmp(words[0], "get") == 0) {
		if (cache_get(cache, &name, arena, &value) == CACHE_HIT)
			snprintf(answer, size, "hit %.*s", STR_ARG(value));
		else
			snprintf(answer, size, "miss");
	} else if (strcmp(words[0], "put") == 0 && count == 6) {
		cache_put(cache, &name, str_from_c(words[5]), number(words[4]));
	} else if (strcmp(words[0], "drop") == 0) {
		cache_drop(cache, &name);
	} else if (strcmp(words[0], "epoch") == 0) {
		if (cache_epoch(cache, &name, &epoch))
			snprintf(answer, size, "epoch %" PRIu64, epoch);
		else
			snprintf(answer, size, "unknown");
	} else if (strcmp(words[0], "bump") == 0) {
		snprintf(answer, size, cache_epoch_bump(cache, &name) ? "told" : "untold");
	} else if (strcmp(words[0], "first") == 0 && count == 5) {
		bool first = cache_first(cache, &name, number(words[4]), number(words[4]), &certain);

		snprintf(answer, size, "%s %s", first ? "first" : "seen", certain ? "certain" : "uncertain");
	} else if (strcmp(words[0], "ring") == 0 && count == 2) {
		cache_ring(cache, str_from_c(words[1]));
	} else if (strcmp(words[0], "hammer") == 0 && count == 4) {
		load.names = (unsigned)number(words[2]);
		load.end_us = clock_monotonic_us() + number(words[3]) * 1000000;
		load_run(&load, number(words[1]), hammer_main);
		snprintf(answer, size, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, load.hits, load.misses,
			 load.wrong, load.slowest_us);
	} else if (strcmp(words[0], "crowd") == 0 && count == 3) {
		load.part = str_from_c(words[2]);
		load_run(&load, number(words[1]), crowd_main);
		snprintf(answer, size, "%" PRIu64 " %" PRIu64 " %" PRIu64, load.asked, load.hits, load.wrong);
	} else {
		snprintf(answer, size, "not understood");
	}
}

static size_t split(char *line, char **words)
{
	size_t count = 0;
	char *rest = line;

	line[strcspn(line, "\n")] = '\0';
	while (count < WORDS_MAX && (words[count] = strsep(&rest, " ")) != NULL)
		count += words[count][0] != '\0';
	return count;
}

static void serve(struct cache *cache)
{
	char *line = NULL;
	size_t capacity = 0;

	while (getline(&line, &capacity, stdin) > 0) {
		char *words[WORDS_MAX];
		size_t count = split(line, words);
		struct arena *arena = arena_new(1 << 20);
		size_t answer_size = capacity + 256 + CACHE_VALUE_BYTES_MAX;
		char *answer = malloc(answer_size);

		if (count == 0 || strcmp(words[0], "quit") == 0) {
			free(answer);
			arena_free(arena);
			break;
		}
		uint64_t begin = clock_monotonic_us();

		command_run(cache, words, count, arena, answer, answer_size);
		uint64_t took = clock_monotonic_us() - begin;

		pthread_mutex_lock(&output);
		printf("%s %" PRIu64 "\n", answer, took);
		fflush(stdout);
		pthread_mutex_unlock(&output);
		free(answer);
		arena_free(arena);
	}
	free(line);
}

int main(int argc, char **argv)
{
	struct arena *arena = arena_new(64u << 20);
	struct cache_options options;
	struct config config;
	struct outcome outcome;

	outcome_init(&outcome);
	signals_prepare();
	log_start(LOG_LEVEL_INFO, LOG_FORMAT_JSON, STDERR_FILENO);
	struct cache *cache = NULL;

	if (argc == 2 && config_load(argv[1], CONFIG_GATEWAY, arena, &config, &outcome) &&
	    cache_options_read(&config, &options, &outcome))
		cache = cache_open(&options, &outcome);
	if (!cache) {
		fprintf(stderr, "%s: %s\n", outcome.issues[0].path, outcome.issues[0].text);
		arena_free(arena);
		return 1;
	}
	if (!cache_listen(cache, on_bell, NULL))
		return 1;
	pthread_mutex_lock(&output);
	puts("ready");
	fflush(stdout);
	pthread_mutex_unlock(&output);
	serve(cache);
	cache_close(cache);
	arena_free(arena);
	return 0;
}
