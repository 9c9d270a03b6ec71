/* Inside gateway/state only: who is the primary now, and is it still? */
#ifndef PASSERELLE_REDIS_WATCH_H
#define PASSERELLE_REDIS_WATCH_H

#include "gateway/state/redis_connection.h"

struct redis_sentinel {
	struct redis_connection *connection; /* NULL until it is needed, and after trouble */
	char says[300];                      /* host:port of the primary in its last answer */
	uint64_t said_ms;                    /* when that was; 0: it has not answered */
};

/* Used by one thread. */
struct redis_watch {
	const struct redis_options *options;
	const struct redis_channels *channels;
	SSL_CTX *tls;
	struct redis_sentinel sentinels[REDIS_SENTINELS_MAX];
	size_t next_sentinel;
	struct redis_connection *connection; /* subscribed; NULL before it is found */
	struct redis_address address;
	char primary[300]; /* as the sentinels call it */
	char life[REDIS_LIFE_SIZE];
	uint64_t tick_ms; /* of the last look around */
	bool ping_waits;  /* a PING has not been answered yet */
};

struct redis_login redis_login_of(const struct redis_options *options, SSL_CTX *tls);

/* Finds the primary, says hello and subscribes. False with trouble. */
bool redis_watch_find(struct redis_watch *watch, struct redis_trouble *trouble) MUST_CHECK;

/* After something arrived, or a moment passed: hands messages on; asks, once a second, whether Redis is there and, in
 * turn, the sentinels whether it is still the primary. False with trouble: then look for it again. */
bool redis_watch_look(struct redis_watch *watch, struct redis_trouble *trouble) MUST_CHECK;

/* Milliseconds until redis_watch_look has to be called again. */
uint64_t redis_watch_pause_ms(const struct redis_watch *watch);

/* Closes all connections. */
void redis_watch_end(struct redis_watch *watch);

#endif
