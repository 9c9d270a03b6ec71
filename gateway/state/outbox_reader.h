/* The parts of an item, as they were put. */
#ifndef PASSERELLE_OUTBOX_READER_H
#define PASSERELLE_OUTBOX_READER_H

#include "gateway/state/outbox.h"

/* Reads a part from front to end. The store is asked anew for each piece: it may take as long as it wants. */
struct outbox_reader;
struct outbox_reader *outbox_reader_new(struct outbox *outbox, struct str id, size_t part,
					struct outcome *outcome) MUST_CHECK;
void outbox_reader_free(struct outbox_reader *reader); /* NULL is allowed */

/* The next bytes, valid until the next call; size 0 at the end. ERR_NOT_FOUND when the item or part is not there (any
 * more), ERR_DOCUMENT_CORRUPT for anything but what was put. */
bool outbox_reader_next(struct outbox_reader *reader, struct str *piece, struct outcome *outcome) MUST_CHECK;

/* A whole small part (the head) in the arena; ERR_TOO_LONG for more than size_max bytes. */
bool outbox_part(struct outbox *outbox, struct str id, size_t part, size_t size_max, struct arena *arena,
		 struct str *bytes, struct outcome *outcome) MUST_CHECK;

#endif
