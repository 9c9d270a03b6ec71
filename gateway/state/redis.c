#include "gateway/state/redis.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/thread.h"
#include "gateway/state/redis_connection.h"
#include "gateway/state/redis_watch.h"

#define IDLE_MS        30000 /* a firewall may have forgotten a connection that was idle longer */
#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS   2000
#define STEADY_MS      5000 /* after so long without trouble the pauses begin small again */
#define WATCHED_MS     3000
#define OPENING_MS     2000 /* that the first attempt may hold up the start */

/* A connection, in the pool or with a thread. */
struct redis_lease {
	struct redis_connection *connection;
	uint64_t generation;
	uint64_t idle_since_ms;
	struct redis_lease *next;
};

struct redis {
	struct redis_options options;
	struct redis_channels channels;
	SSL_CTX *tls;
	int bell; /* eventfd: the thread shall look up */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;   /* guards all below */
	pthread_cond_t changed; /* a connection is free, or all is different */
	bool stopping;
	bool tried; /* the first attempt has ended */
	bool live;
	uint64_t generation; /* changes whenever live does */
	uint64_t watched_ms; /* when the thread last saw that it is the one and is there */
	char life[REDIS_LIFE_SIZE];
	struct redis_address address;
	struct redis_lease *idle;
	size_t count; /* connections, idle or not */
};

static void lease_close(struct redis_lease *lease)
{
	redis_connection_close(lease->connection);
	free(lease);
}

static void leases_close(struct redis_lease *first)
{
	while (first) {
		struct redis_lease *next = first->next;

		lease_close(first);
		first = next;
	}
}

/* Takes the idle connections out. With the lock held; they are closed without it. */
static struct redis_lease *idle_take(struct redis *redis)
{
	struct redis_lease *idle = redis->idle;

	redis->idle = NULL;
	for (struct redis_lease *lease = idle; lease; lease = lease->next)
		redis->count--;
	return idle;
}

/* The breaker: from now on nobody asks Redis, until the thread has found it again. */
void redis_distrust(struct redis *redis, uint64_t generation, const char *why)
{
	static const uint64_t one = 1;
	struct redis_lease *idle = NULL;

	pthread_mutex_lock(&redis->lock);
	bool first = redis->live && redis->generation == generation;

	if (first) {
		redis->live = false;
		redis->generation++;
		idle = idle_take(redis);
		pthread_cond_broadcast(&redis->changed);
	}
	pthread_mutex_unlock(&redis->lock);
	leases_close(idle);
	if (first) {
		LOG(WARN, LOG_CACHE_STATE, NULL, LOG_C("state", "away"), LOG_C("reason", why));
		if (write(redis->bell, &one, sizeof one) < 0)
			return; /* it looks up once a second anyway */
	}
}

bool redis_now(struct redis *redis, uint64_t *generation, char life[REDIS_LIFE_SIZE])
{
	pthread_mutex_lock(&redis->lock);
	/* A thread that is held up, or was with the whole process, knows nothing of the present. */
	bool live = redis->live && clock_monotonic_ms() - redis->watched_ms <= WATCHED_MS;

	*generation = redis->generation;
	memcpy(life, redis->life, REDIS_LIFE_SIZE);
	pthread_mutex_unlock(&redis->lock);
	return live;
}

static struct timespec moment_in(uint64_t after_ms)
{
	struct timespec moment;

	clock_gettime(CLOCK_MONOTONIC, &moment);
	moment.tv_sec += (time_t)(after_ms / 1000);
	moment.tv_nsec += (long)(after_ms % 1000) * 1000000;
	if (moment.tv_nsec >= 1000000000) {
		moment.tv_sec++;
		moment.tv_nsec -= 1000000000;
	}
	return moment;
}

/* A new connection to the Redis of this generation, which must be the same process still. */
static struct redis_connection *dial(struct redis *redis, const struct redis_address *address, const char *life,
				     struct redis_trouble *trouble)
{
	struct redis_login login = redis_login_of(&redis->options, redis->tls);
	struct deadline deadline = deadline_in(redis->options.connect_timeout_ms);
	struct redis_connection *connection = redis_connection_open(address, &login, deadline, trouble);
	char own[REDIS_LIFE_SIZE];

	if (connection && redis_greet(connection, deadline, own, trouble)) {
		if (strcmp(own, life) == 0)
			return connection;
		redis_trouble(trouble, "it is not what it was");
	}
	redis_connection_close(connection);
	return NULL;
}

/* An idle connection, or room for a new one: then its connection is NULL. NULL when there is neither in time. With the
 * lock held. */
static struct redis_lease *lease_take(struct redis *redis, uint64_t generation)
{
	struct timespec until = moment_in(redis->options.command_timeout_ms);
	int error = 0;

	for (;;) {
		if (!redis->live || redis->generation != generation)
			return NULL;
		if (redis->idle) {
			struct redis_lease *lease = redis->idle;

			redis->idle = lease->next;
			return lease;
		}
		if (redis->count < redis->options.connections_max) {
			struct redis_lease *lease = calloc(1, sizeof *lease);

			if (lease)
				lease->generation = generation;
			redis->count += lease != NULL;
			return lease;
		}
		if (error)
			return NULL;
		error = pthread_cond_timedwait(&redis->changed, &redis->lock, &until);
	}
}

static void lease_drop(struct redis *redis, struct redis_lease *lease)
{
	pthread_mutex_lock(&redis->lock);
	redis->count--;
	pthread_cond_signal(&redis->changed);
	pthread_mutex_unlock(&redis->lock);
	lease_close(lease);
}

void redis_give_back(struct redis *redis, struct redis_lease *lease)
{
	if (!lease)
		return;
	lease->idle_since_ms = clock_monotonic_ms();
	pthread_mutex_lock(&redis->lock);
	bool keep = redis->live && redis->generation == lease->generation;

	if (keep) {
		lease->next = redis->idle;
		redis->idle = lease;
		pthread_cond_signal(&redis->changed);
	}
	pthread_mutex_unlock(&redis->lock);
	if (!keep)
		lease_drop(redis, lease);
}

/* A connection that is ready for a command. */
static struct redis_lease *lease_ready(struct redis *redis, uint64_t generation)
{
	for (;;) {
		struct redis_address address;
		char life[REDIS_LIFE_SIZE];
		struct redis_trouble trouble = { { 0 } };

		pthread_mutex_lock(&redis->lock);
		struct redis_lease *lease = lease_take(redis, generation);

		address = redis->address;
		memcpy(life, redis->life, sizeof life);
		pthread_mutex_unlock(&redis->lock);
		if (!lease)
			return NULL;
		if (lease->connection && clock_monotonic_ms() - lease->idle_since_ms < IDLE_MS &&
		    redis_connection_quiet(lease->connection))
			return lease;
		if (lease->connection) {
			lease_drop(redis, lease);
			continue;
		}
		lease->connection = dial(redis, &address, life, &trouble);
		if (lease->connection)
			return lease;
		lease_drop(redis, lease);
		redis_distrust(redis, generation, trouble.text);
		return NULL;
	}
}

struct redis_lease *redis_ask(struct redis *redis, uint64_t generation, const struct redis_command *commands,
			      size_t count, const struct redis_reply **replies)
{
	struct redis_trouble trouble = { { 0 } };
	struct redis_lease *lease = lease_ready(redis, generation);

	if (!lease)
		return NULL;
	if (redis_call(lease->connection, commands, count, deadline_in(redis->options.command_timeout_ms), replies,
		       &trouble))
		return lease;
	/* Its reply may come yet, and must meet nobody. */
	lease_drop(redis, lease);
	redis_distrust(redis, generation, trouble.text);
	return NULL;
}

/* The watch has found Redis: everybody may ask. */
static uint64_t found(struct redis *redis, const struct redis_watch *watch)
{
	pthread_mutex_lock(&redis->lock);
	redis->live = true;
	redis->tried = true;
	redis->watched_ms = clock_monotonic_ms();
	redis->address = watch->address;
	memcpy(redis->life, watch->life, REDIS_LIFE_SIZE);
	uint64_t generation = ++redis->generation;

	pthread_cond_broadcast(&redis->changed);
	pthread_mutex_unlock(&redis->lock);
	LOG(INFO, LOG_CACHE_STATE, NULL, LOG_C("state", "ready"), LOG_C("redis", watch->primary),
	    LOG_C("life", watch->life));
	return generation;
}

static void not_found(struct redis *redis, const struct redis_trouble *trouble, char *said, size_t said_size)
{
	pthread_mutex_lock(&redis->lock);
	redis->tried = true;
	pthread_cond_broadcast(&redis->changed);
	pthread_mutex_unlock(&redis->lock);
	if (strcmp(said, trouble->text) == 0)
		return;
	snprintf(said, said_size, "%s", trouble->text);
	LOG(WARN, LOG_CACHE_STATE, NULL, LOG_C("state", "not found"), LOG_C("reason", trouble->text));
}

/* True while nobody else has found trouble. */
static bool watched(struct redis *redis, uint64_t generation)
{
	pthread_mutex_lock(&redis->lock);
	bool current = redis->generation == generation && !redis->stopping;

	redis->watched_ms = clock_monotonic_ms();
	pthread_mutex_unlock(&redis->lock);
	return current;
}

/* Until something arrives at the descriptor (-1: none), the bell rings, or the time is over. */
static void nap(struct redis *redis, int descriptor, uint64_t after_ms)
{
	struct pollfd both[] = { { .fd = redis->bell, .events = POLLIN }, { .fd = descriptor, .events = POLLIN } };
	uint64_t rung;

	if (poll(both, 2, (int)after_ms) > 0 && both[0].revents && read(redis->bell, &rung, sizeof rung) < 0)
		return;
}

static void listen_to(struct redis *redis, struct redis_watch *watch, uint64_t generation)
{
	struct redis_trouble trouble = { { 0 } };

	while (watched(redis, generation)) {
		nap(redis, redis_connection_descriptor(watch->connection), redis_watch_pause_ms(watch));
		if (!redis_watch_look(watch, &trouble)) {
			redis_distrust(redis, generation, trouble.text);
			return;
		}
	}
}

static bool is_stopping(struct redis *redis)
{
	pthread_mutex_lock(&redis->lock);
	bool stopping = redis->stopping;

	pthread_mutex_unlock(&redis->lock);
	return stopping;
}

/* Looks for Redis, listens to it until there is trouble, pauses, and begins anew. Pauses are jittered, so that the
 * gateways do not come all at once. */
static void *watch_main(void *argument)
{
	struct redis *redis = argument;
	struct redis_watch watch = { .options = &redis->options, .channels = &redis->channels, .tls = redis->tls };
	uint64_t pause_ms = PAUSE_FIRST_MS;
	char said[REDIS_TROUBLE_SIZE] = "";

	while (!is_stopping(redis)) {
		struct redis_trouble trouble = { { 0 } };
		uint64_t begin = clock_monotonic_ms();

		if (redis_watch_find(&watch, &trouble)) {
			said[0] = '\0';
			listen_to(redis, &watch, found(redis, &watch));
		} else {
			not_found(redis, &trouble, said, sizeof said);
		}
		redis_watch_end(&watch);
		if (clock_monotonic_ms() - begin > STEADY_MS)
			pause_ms = PAUSE_FIRST_MS;
		nap(redis, -1, 0); /* the ring that ended the listening */
		if (!is_stopping(redis))
			nap(redis, -1, pause_ms / 2 + random_below((uint32_t)pause_ms));
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
	}
	return NULL;
}

static bool options_check(const struct redis_options *options, struct outcome *outcome)
{
	return options->sentinel_count <= REDIS_SENTINELS_MAX ||
	       outcome_add(outcome, ERR_VALUE_INVALID, "redis.sentinels", "Name at most %d sentinels.",
			   REDIS_SENTINELS_MAX);
}

static struct redis *redis_new(const struct redis_options *options, const struct redis_channels *channels,
			       struct outcome *outcome)
{
	struct redis *redis = calloc(1, sizeof *redis);
	pthread_condattr_t attributes;

	if (!redis) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		return NULL;
	}
	redis->options = *options;
	redis->channels = *channels;
	pthread_mutex_init(&redis->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&redis->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	redis->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (options_check(options, outcome) && options->ca_file.size)
		redis->tls = redis_tls_new(options->ca_file, options->certificate_file, options->key_file, outcome);
	if (redis->bell < 0)
		outcome_add(outcome, ERR_NO_MEMORY, "", "Raise the limit of open files.");
	if (!outcome->has_error)
		return redis;
	redis_close(redis);
	return NULL;
}

struct redis *redis_open(const struct redis_options *options, const struct redis_channels *channels,
			 struct outcome *outcome)
{
	struct redis *redis = redis_new(options, channels, outcome);
	struct timespec until = moment_in(OPENING_MS);
	int error = 0;

	if (!redis)
		return NULL;
	if (!thread_start(&redis->thread, watch_main, redis)) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Raise the limit of threads.");
		redis_close(redis);
		return NULL;
	}
	redis->has_thread = true;
	pthread_mutex_lock(&redis->lock);
	while (!redis->tried && error == 0)
		error = pthread_cond_timedwait(&redis->changed, &redis->lock, &until);
	pthread_mutex_unlock(&redis->lock);
	return redis;
}

void redis_close(struct redis *redis)
{
	static const uint64_t one = 1;

	if (!redis)
		return;
	pthread_mutex_lock(&redis->lock);
	redis->stopping = true;
	pthread_mutex_unlock(&redis->lock);
	if (redis->has_thread) {
		if (write(redis->bell, &one, sizeof one) < 0)
			LOG(ERROR, LOG_CACHE_STATE, NULL, LOG_C("state", "stops late"));
		pthread_join(redis->thread, NULL);
	}
	leases_close(redis->idle);
	if (redis->bell >= 0)
		close(redis->bell);
	SSL_CTX_free(redis->tls);
	pthread_cond_destroy(&redis->changed);
	pthread_mutex_destroy(&redis->lock);
	free(redis);
}

bool redis_probe(const struct redis_options *options, const struct redis_channels *channels, struct outcome *outcome)
{
	struct redis *redis = redis_new(options, channels, outcome);
	struct redis_trouble trouble = { { 0 } };

	if (!redis)
		return false;
	struct redis_watch watch = { .options = &redis->options, .channels = &redis->channels, .tls = redis->tls };
	bool ok = redis_watch_find(&watch, &trouble);

	redis_watch_end(&watch);
	redis_close(redis);
	return ok || outcome_add(outcome, ERR_BACKEND_DOWN, "", "%s", trouble.text);
}
