/* Inside gateway/state only: messages on their way to the listeners, in a thread of its own, so that neither who rings
 * nor who receives waits for them. */
#ifndef PASSERELLE_BELL_H
#define PASSERELLE_BELL_H

#include "gateway/state/cache.h"

struct bell;

/* NULL without memory or threads. */
struct bell *bell_new(void) MUST_CHECK;

/* Calls the listeners for what still waits, ends the thread. NULL is allowed. */
void bell_free(struct bell *bell);

bool bell_listen(struct bell *bell, void (*on_bell)(void *context, struct str message), void *context) MUST_CHECK;
void bell_unlisten(struct bell *bell, void *context);

/* Never blocks; when too many wait, the oldest is lost. At most CACHE_BELL_BYTES_MAX bytes. */
void bell_ring(struct bell *bell, struct str message);

#endif
