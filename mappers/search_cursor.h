/* What a next link holds, to be sealed. */
#ifndef PASSERELLE_SEARCH_CURSOR_H
#define PASSERELLE_SEARCH_CURSOR_H

#include "mappers/search_plan.h"

#define SEARCH_SOURCES_MAX 16

/* Sources by their numbers in sealed ids. */
struct search_sources {
	uint8_t numbers[SEARCH_SOURCES_MAX];
	size_t count;
};

struct search_cursor {
	struct str honoured;           /* the parameters that were understood */
	struct search_key last;        /* of the last entry shown */
	struct search_sources sources; /* that have answered so far */
};
void search_cursor_write(const struct search_cursor *cursor, struct buf *bytes);

/* Reverse of search_cursor_write. False when the bytes are not ours. cursor points into bytes. */
bool search_cursor_read(struct str bytes, struct search_cursor *cursor) MUST_CHECK;

#endif
