/* Text of strangers on its way into audit records. */
#ifndef PASSERELLE_AUDIT_TEXT_H
#define PASSERELLE_AUDIT_TEXT_H

#include "mappers/base/arena.h"

/* Of one text; more is cut and marked. */
#define AUDIT_TEXT_BYTES_MAX 1024

/* Text as JSON, XML and one line of a log can carry it: line ends become blanks, control characters and what is no UTF-8
 * become U+FFFD, what is too long ends in " ... (cut)". STR_NONE without memory, or when nothing is left. */
struct str audit_text(struct arena *arena, struct str text);

/* A URI with percent-escapes for what a URI cannot hold; at most AUDIT_TEXT_BYTES_MAX of it. STR_NONE likewise. */
struct str audit_uri(struct arena *arena, struct str uri);

#endif
