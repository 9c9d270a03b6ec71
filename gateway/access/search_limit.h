/* How many searches by demographics one caller may make: who asks for name after name is listing people, not looking
 * for one. Counted by this gateway alone, by the hour. Any thread may call. */
#ifndef PASSERELLE_SEARCH_LIMIT_H
#define PASSERELLE_SEARCH_LIMIT_H

#include "gateway/access/access.h"

/* Inside the room. False without memory. */
struct search_limit;
bool search_limit_open(struct search_limit **limit, struct outcome *outcome) MUST_CHECK;
void search_limit_close(struct search_limit *limit);

/* Counts one search of this caller (by subject or client; who names neither is counted by address). ERR_THROTTLED, and
 * once an hour a line in the log, when they have had as many as the configuration allows. */
bool search_limit_admit(struct access *access, const struct caller *caller, int64_t now_s,
			struct outcome *outcome) MUST_CHECK;

#endif
