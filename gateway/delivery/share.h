/* What a publication gives to other back-ends besides the one it is for (publication.share): what the patient permits,
 * delivered like everything that waits. Withholding is told, and no error. */
#ifndef PASSERELLE_SHARE_H
#define PASSERELLE_SHARE_H

#include "gateway/delivery/delivery.h"
#include "gateway/south/xds_client.h"
#include "mappers/caller.h"
#include "mappers/metadata.h"

/* One line of publication.share. */
struct share_rule {
	struct str scheme; /* of the class; data NULL: any class */
	struct str code;
	struct str target; /* name of a back-end */
	bool is_register;
};

/* Reads a line; false when it is none. */
bool share_rule_read(struct str line, struct share_rule *rule) MUST_CHECK;

/* Whether all lines can be read and name back-ends that take documents; every fault is an issue. */
bool share_check(const struct config *config, struct outcome *outcome) MUST_CHECK;

/* A publication. All borrowed. */
struct shared_publication {
	const struct south *south; /* arena, spools and time of who asks */
	const struct caller *caller;
	const struct metadata *metadata;
	const struct xds_document *documents; /* parallel to its entries */
	int64_t now_s;
	bool is_owed;      /* it waited, and is not settled before this is kept: no bound keeps it out */
	bool is_announced; /* it is about to be sent: shared when it turns out to be registered */
};

/* True when something of it would be shared, if the patient permits. */
bool delivery_shares(const struct delivery *delivery, const struct metadata *metadata);

/* Puts what is to be shared into the outbox: durable when this returns true; again for the same publication, it is the
 * same. What was put or withheld is told as information in outcome. ids: of what was put, in publication's arena.
 * Errors: those of the outbox. */
bool delivery_share(struct delivery *delivery, const struct shared_publication *publication, struct strs *ids,
		    struct outcome *outcome) MUST_CHECK;

/* What was announced does not happen, or is taken over by who delivers it. What is released already stays. */
void delivery_forget(const struct delivery *delivery, const struct strs *ids);

/* Right before it is sent: drops what the patient does not permit (any more). False when that cannot be told now. */
bool share_permit(const struct delivery *delivery, const struct south *south, const struct delivery_target *target,
		  struct metadata *metadata, bool *kept, int64_t now_s) MUST_CHECK;

#endif
