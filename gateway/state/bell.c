#include "gateway/state/bell.h"
#include "gateway/run/thread.h"

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
	pthread_cond_t returned; /* from a listener */
	bool stopping;
	struct listener *listeners;
	size_t listener_count;
	size_t listener_capacity;
	size_t next; /* listener to be called for this message */
	bool is_calling;
	void *calling;        /* the context of the listener that is being called */
	struct message *ring; /* WAITING_MAX */
	size_t first;
	size_t waiting;
};

/* Called and left with the lock held; it is not held during the calls. */
static void listeners_call(struct bell *bell, struct str message)
{
	for (bell->next = 0; bell->next < bell->listener_count;) {
		struct listener listener = bell->listeners[bell->next++];

		bell->is_calling = true;
		bell->calling = listener.context;
		pthread_mutex_unlock(&bell->lock);
		listener.on_bell(listener.context, message);
		pthread_mutex_lock(&bell->lock);
		bell->is_calling = false;
		pthread_cond_broadcast(&bell->returned);
	}
}

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
		listeners_call(bell, (struct str) { message.bytes, message.size });
	}
	pthread_mutex_unlock(&bell->lock);
	return NULL;
}

static void bell_release(struct bell *bell)
{
	pthread_cond_destroy(&bell->returned);
	pthread_cond_destroy(&bell->rung);
	pthread_mutex_destroy(&bell->lock);
	free(bell->listeners);
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
	pthread_cond_init(&bell->returned, NULL);
	bell->ring = calloc(WAITING_MAX, sizeof *bell->ring);
	if (bell->ring && thread_start(&bell->thread, bell_main, bell))
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

bool bell_listen(struct bell *bell, void (*on_bell)(void *context, struct str message), void *context)
{
	bool has_room;

	pthread_mutex_lock(&bell->lock);
	has_room = bell->listener_count < bell->listener_capacity;
	if (!has_room) {
		size_t capacity = bell->listener_capacity ? 2 * bell->listener_capacity : 4;
		struct listener *listeners = reallocarray(bell->listeners, capacity, sizeof *listeners);

		has_room = listeners != NULL;
		if (has_room) {
			bell->listeners = listeners;
			bell->listener_capacity = capacity;
		}
	}
	if (has_room)
		bell->listeners[bell->listener_count++] = (struct listener) { on_bell, context };
	pthread_mutex_unlock(&bell->lock);
	return has_room;
}

void bell_unlisten(struct bell *bell, void *context)
{
	size_t kept = 0;

	pthread_mutex_lock(&bell->lock);
	while (bell->is_calling && bell->calling == context)
		pthread_cond_wait(&bell->returned, &bell->lock);
	for (size_t i = 0; i < bell->listener_count; i++) {
		if (bell->listeners[i].context != context)
			bell->listeners[kept++] = bell->listeners[i];
		else if (i < bell->next)
			bell->next--;
	}
	bell->listener_count = kept;
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
