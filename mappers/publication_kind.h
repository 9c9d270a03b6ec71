/* What an item of the outbox is: the one table of its kinds. Which parts it has: publication_parts.h. */
#ifndef PASSERELLE_PUBLICATION_KIND_H
#define PASSERELLE_PUBLICATION_KIND_H

#include "mappers/base/str.h"

/* The words that are stored. A change is one of a document that is registered; there are two of it: the one that was
 * asked for, whose head names the version that was changed (change.base), goes to where the document is; that which is
 * passed on, to where it was shared, names none (publication_change_is_passed_on). */
#define PUBLICATION_PROVIDE "provide" /* a publication */
#define PUBLICATION_UNDECIDED \
	"undecided" /* one of which nobody can say whose it is, or what they permit: it becomes a provide */
#define PUBLICATION_CHANGE   "update"   /* ITI-57 calls it so */
#define PUBLICATION_REQUEST  "request"  /* one that cannot be worked out yet: it becomes a change */
#define PUBLICATION_SHARE    "share"    /* documents of a publication for another back-end */
#define PUBLICATION_REGISTER "register" /* their metadata alone */

enum publication_kind {
	KIND_PROVIDE, /* ITI-41 */
	KIND_UNDECIDED,
	KIND_CHANGE, /* ITI-57, ITI-62, ITI-86: what is left to do of it */
	KIND_REQUEST,
	KIND_SHARE,    /* ITI-41 */
	KIND_REGISTER, /* ITI-42 */
	KIND_UNKNOWN   /* of a later version, which delivers it */
};

struct publication_kind_facts {
	struct str word;
	bool has_metadata;  /* a submission set and what is in it; else what was sent, as it came */
	bool has_documents; /* one for each entry */
	bool is_shown;      /* to who may read of its patient; else to its sender alone */
	bool is_shared;     /* its target is another network: that gets what the patient permits, when it goes out */
};

enum publication_kind publication_kind_of(struct str word);

/* Of an unknown one nothing is true. */
const struct publication_kind_facts *publication_kind_facts(enum publication_kind kind);

#endif
