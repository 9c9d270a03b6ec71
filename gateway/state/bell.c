#include "gateway/state/bell.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define WAITING_MAX 1024

struct message {
	size_t size;
	char bytes[CACHE_BELL_BYTES_MAX];
};

struct listener {
	void (*on_bell)(void *context, struct str message);
	void *context;
};

struct bell {
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t rung;
	bool stopping;
	struct listener listeners[CACHE_LISTENERS_MAX];
	size_t listener_count;
	struct message *ring; /* WAITING_MAX */
	size_t first;
	size_t waiting;
};

static void *bell_main(void *argument)
{
	struct bell *bell = argument;
	struct message message;

	pthread_mutex_lock(&bell->lock);
	for (;;) {
		while (!bell->waiting && !bell->stopping)
			pthread_cond_wait(&bell->rung, &bell->lock);
		if (!bell->waiting)
			break;
		message = bell->ring[bell->first];
		bell->first = (bell->first + 1) % WAITING_MAX;
		bell->waiting--;
		size_t count = bell->listener_count;

		/* Listeners are only ever added: the first ones stay as they are. */
		pthread_mutex_unlock(&bell->lock);
		for (size_t i = 0; i < count; i++)
			bell->listeners[i].on_bell(bell->listeners[i].context,
						   (struct str) { message.bytes, message.size });
		pthread_mutex_lock(&bell->lock);
	}
	pthread_mutex_unlock(&bell->lock);
	return NULL;
}

static void bell_release(struct bell *bell)
{
	pthread_cond_destroy(&bell->rung);
	pthread_mutex_destroy(&bell->lock);
	free(bell->ring);
	free(bell);
}

struct bell *bell_new(void)
{
	struct bell *bell = calloc(1, sizeof *bell);

	if (!bell)
		return NULL;
	pthread_mutex_init(&bell->lock, NULL);
	pthread_cond_init(&bell->rung, NULL);
	bell->ring = calloc(WAITING_MAX, sizeof *bell->ring);
	if (bell->ring && pthread_create(&bell->thread, NULL, bell_main, bell) == 0)
		return bell;
	bell_release(bell);
	return NULL;
}

void bell_free(struct bell *bell)
{
	if (!bell)
		return;
	pthread_mutex_lock(&bell->lock);
	bell->stopping = true;
	pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->lock);
	pthread_join(bell->thread, NULL);
	bell_release(bell);
}

void bell_listen(struct bell *bell, void (*on_bell)(void *context, struct str message), void *context)
{
	pthread_mutex_lock(&bell->lock);
	/* One that heard nothing would go on by what is no longer true. */
	assert(bell->listener_count < CACHE_LISTENERS_MAX);
	bell->listeners[bell->listener_count++] = (struct listener) { on_bell, context };
	pthread_mutex_unlock(&bell->lock);
}

void bell_ring(struct bell *bell, struct str message)
{
	if (message.size > CACHE_BELL_BYTES_MAX)
		return;
	pthread_mutex_lock(&bell->lock);
	if (bell->waiting == WAITING_MAX) {
		bell->first = (bell->first + 1) % WAITING_MAX;
		bell->waiting--;
	}
	struct message *message_at = &bell->ring[(bell->first + bell->waiting) % WAITING_MAX];

	message_at->size = message.size;
	if (message.size)
		memcpy(message_at->bytes, message.data, message.size);
	bell->waiting++;
	pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->lock);
}
