/* What `passerelle queue` prints: nothing of patients; that is only in the parts, which are saved when asked for. */
#ifndef PASSERELLE_QUEUE_PRINT_H
#define PASSERELLE_QUEUE_PRINT_H

#include "gateway/state/outbox.h"

/* A line of a table, and the line above all others. */
void queue_head_print(void);
void queue_item_print(const struct outbox_item *item);

/* A line for each property, and a line of JSON. */
void queue_item_print_long(const struct outbox_item *item);
void queue_item_print_json(const struct outbox_item *item);

/* Writes ID.part-0, ID.part-1, ... and ID.result, if any, into the directory, made when it is missing; readable for
 * this user alone. */
bool queue_parts_save(struct outbox *outbox, const struct outbox_item *item, struct str result, const char *directory,
		      struct outcome *outcome) MUST_CHECK;

#endif
