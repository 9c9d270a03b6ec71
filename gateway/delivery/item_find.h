/* The item of a submission: the same content is the same item, however often it is sent. */
#ifndef PASSERELLE_ITEM_FIND_H
#define PASSERELLE_ITEM_FIND_H

#include "gateway/state/outbox.h"
#include "mappers/metadata.h"

/* What is looked for: submitted for target, of this tenant, as submission_name takes them. All borrowed. */
struct item_wanted {
	const struct metadata *submitted;
	struct str tenant;
	struct str target;
};

/* *state is that of the item, and -1 when there is none; id is its own or, then, the one to put it under: content that was
 * withdrawn is another item when it is sent again. result: as of outbox_get. Errors: ERR_CONFLICT when it was withdrawn
 * too often, those of outbox_get, ERR_NO_MEMORY. */
bool delivery_item_find(struct outbox *outbox, const struct item_wanted *wanted, struct arena *arena,
			char id[OUTBOX_ID_SIZE], int *state, struct str *result, struct outcome *outcome) MUST_CHECK;

#endif
