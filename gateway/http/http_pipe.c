#include "gateway/http/http_pipe.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct http_pipe {
	pthread_mutex_t lock;
	pthread_cond_t room; /* there is room, or the reader has left */
	void (*sleep)(void *);
	void (*wake)(void *);
	void *ctx;
	size_t capacity;
	size_t start; /* of what is in the ring */
	size_t used;
	bool asleep; /* the reader found nothing */
	bool ended;
	bool whole;
	bool left;
	char ring[];
};

struct http_pipe *http_pipe_new(size_t capacity, void (*sleep)(void *), void (*wake)(void *), void *ctx)
{
	struct http_pipe *pipe = malloc(sizeof *pipe + capacity);
	pthread_condattr_t attributes;

	if (!pipe)
		return NULL;
	*pipe = (struct http_pipe) { .capacity = capacity, .sleep = sleep, .wake = wake, .ctx = ctx };
	pthread_mutex_init(&pipe->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&pipe->room, &attributes);
	pthread_condattr_destroy(&attributes);
	return pipe;
}

void http_pipe_free(struct http_pipe *pipe)
{
	if (!pipe)
		return;
	pthread_cond_destroy(&pipe->room);
	pthread_mutex_destroy(&pipe->lock);
	free(pipe);
}

/* Called with the lock held. Waking under the lock is what makes a lost wake-up impossible: the reader sets asleep and
 * goes to sleep under the same lock. */
static void wake_reader(struct http_pipe *pipe)
{
	if (!pipe->asleep)
		return;
	pipe->asleep = false;
	pipe->wake(pipe->ctx);
}

/* Waits for room, with the lock held. False when the reader has left or gives no room in time. */
static bool wait_for_room(struct http_pipe *pipe, uint64_t wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (pipe->used == pipe->capacity && !pipe->left) {
		if (pthread_cond_timedwait(&pipe->room, &pipe->lock, &until) == ETIMEDOUT)
			break;
	}
	return pipe->used < pipe->capacity && !pipe->left;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

bool http_pipe_write(struct http_pipe *pipe, const void *bytes, size_t size, uint64_t wait_ms)
{
	const char *at = bytes;
	bool ok = true;

	pthread_mutex_lock(&pipe->lock);
	while (size && ok) {
		ok = !pipe->ended && wait_for_room(pipe, wait_ms);
		if (!ok)
			break;
		size_t end = (pipe->start + pipe->used) % pipe->capacity;
		size_t part = least(size, least(pipe->capacity - pipe->used, pipe->capacity - end));

		memcpy(pipe->ring + end, at, part);
		pipe->used += part;
		at += part;
		size -= part;
		wake_reader(pipe);
	}
	if (!ok && !pipe->ended) {
		pipe->ended = true;
		wake_reader(pipe);
	}
	pthread_mutex_unlock(&pipe->lock);
	return ok;
}

void http_pipe_end(struct http_pipe *pipe, bool whole)
{
	pthread_mutex_lock(&pipe->lock);
	if (!pipe->ended) {
		pipe->ended = true;
		pipe->whole = whole;
		wake_reader(pipe);
	}
	pthread_mutex_unlock(&pipe->lock);
}

enum http_pipe_state http_pipe_read(struct http_pipe *pipe, void *bytes, size_t size, size_t *taken)
{
	enum http_pipe_state state = PIPE_BYTES;

	pthread_mutex_lock(&pipe->lock);
	if (pipe->ended && !pipe->whole) {
		/* Broken: what is still in the ring would only feed a client that must not believe it. */
		state = PIPE_BROKEN;
	} else if (pipe->used) {
		*taken = least(size, least(pipe->used, pipe->capacity - pipe->start));
		memcpy(bytes, pipe->ring + pipe->start, *taken);
		pipe->start = (pipe->start + *taken) % pipe->capacity;
		pipe->used -= *taken;
		pthread_cond_signal(&pipe->room);
	} else if (pipe->ended) {
		state = PIPE_ENDED;
	} else {
		state = PIPE_EMPTY;
		pipe->asleep = true;
		pipe->sleep(pipe->ctx);
	}
	pthread_mutex_unlock(&pipe->lock);
	return state;
}

void http_pipe_leave(struct http_pipe *pipe)
{
	pthread_mutex_lock(&pipe->lock);
	pipe->left = true;
	pipe->asleep = false;
	pthread_cond_signal(&pipe->room);
	pthread_mutex_unlock(&pipe->lock);
}
