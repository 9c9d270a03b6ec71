/* Finds the XML in a captured message: bare, in a MIME package, or in a whole HTTP message, perhaps with lines of the
 * capturing tool above. For `passerelle map` and tests; servers and clients have their own way in. */
#ifndef PASSERELLE_UNWRAP_H
#define PASSERELLE_UNWRAP_H

#include "mappers/mtom.h"

struct unwrapped_part {
	struct str content_id;
	struct str content_type;
	struct str bytes;
};

struct unwrapped {
	struct str root;              /* the SOAP or ebRIM text */
	struct unwrapped_part *parts; /* the other parts */
	size_t part_count;
};

/* text is borrowed: a bare root points into it. False with ERR_BODY_MALFORMED or ERR_MEDIA_TYPE when there is no
 * message in it, for instance when the boundary of the header never occurs in the body. */
bool unwrap(struct str text, struct arena *arena, struct unwrapped *unwrapped, struct outcome *outcome) MUST_CHECK;

#endif
