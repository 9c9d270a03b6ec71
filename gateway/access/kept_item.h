/* What the outbox keeps of one item, as it is read by everybody but who delivers it: each must say what it makes of what
 * cannot be read, and of an outbox that is away. */
#ifndef PASSERELLE_ACCESS_KEPT_ITEM_H
#define PASSERELLE_ACCESS_KEPT_ITEM_H

#include "gateway/state/outbox.h"
#include "mappers/publication_parts.h"

enum kept {
	KEPT_READ,
	KEPT_GONE,     /* settled or corrected since it was listed: it is not what it was */
	KEPT_AWAY,     /* the outbox is, and nobody can say now */
	KEPT_LOCKED,   /* its key is missing here: for a gateway that has it, it is as it was */
	KEPT_TOO_LONG, /* for this reader */
	KEPT_LOST,     /* for good; the item is there all the same, and a person must decide about it */
	KEPT_NO_MEMORY
};

/* By what a call of the outbox failed with. */
enum kept kept_failure(const struct outcome *reading);

/* All is in the arena. size_max: bytes of the text, which takes a part of what it becomes. */
enum kept kept_head_read(struct outbox *outbox, const struct outbox_item *item, struct arena *arena,
			 struct publication_head *head) MUST_CHECK;
enum kept kept_metadata_read(struct outbox *outbox, const struct outbox_item *item, size_t size_max,
			     struct arena *arena, struct metadata *metadata) MUST_CHECK;

/* outbox_drop, after which its sender still finds what became of it: whose it was, and of whom, is kept as its result, with
 * whether it was they who gave it up by its status URL (then that is gone: FHIR R4 async.html). */
struct kept_end {
	struct str reason;
	bool is_given_up;
};
bool kept_withdraw(struct outbox *outbox, const struct outbox_item *item, const struct kept_end *end, bool *unclear,
		   struct outcome *outcome) MUST_CHECK;

#endif
