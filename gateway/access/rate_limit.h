/* How much one caller may ask: who asks without end takes the others' turn, and who searches for name after name is
 * listing people, not looking for one. Counted by this gateway alone, for each tenant apart, over changes of its settings.
 * Any thread may call. */
#ifndef PASSERELLE_RATE_LIMIT_H
#define PASSERELLE_RATE_LIMIT_H

#include "gateway/access/access.h"

/* Inside the room. False without memory. */
struct rate_limit;
bool rate_limit_open(struct rate_limit **limit, struct outcome *outcome) MUST_CHECK;
void rate_limit_close(struct rate_limit *limit); /* NULL is allowed */

/* Counts one request of this caller (by subject or client; who names neither is counted by address). ERR_THROTTLED, and
 * once a minute a line in the log, when they have had as many in this minute as the configuration allows. */
bool request_limit_admit(struct access *access, const struct caller *caller, int64_t now_s,
			 struct outcome *outcome) MUST_CHECK;

/* The same for one search for patients, by the hour. */
bool search_limit_admit(struct access *access, const struct caller *caller, int64_t now_s,
			struct outcome *outcome) MUST_CHECK;

/* Seconds until who has been throttled may ask again. */
unsigned request_limit_wait_s(int64_t now_s);

#endif
