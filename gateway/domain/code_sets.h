/* The codes of the affinity domain: a JSON file such as
 *   { "classCode": [ { "code": "11369-6", "scheme": "2.16.840.1.113883.6.1" } ], "mimeType": [ "text/xml" ] }
 * An attribute that the file does not name takes every code. */
#ifndef PASSERELLE_CODE_SETS_H
#define PASSERELLE_CODE_SETS_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"

struct code_sets;

/* Reads the text of a code file. Everything is in the arena. Errors: ERR_BODY_MALFORMED with the line,
 * ERR_VALUE_INVALID with the attribute, ERR_NO_MEMORY. */
bool code_sets_read(struct str json, struct arena *arena, struct code_sets **sets, struct outcome *outcome) MUST_CHECK;

/* True when the set of this attribute ("classCode") holds the code, or when there is no such set. For mimeType, which
 * has no scheme, scheme is ignored. */
bool code_sets_allow(const struct code_sets *sets, const char *attribute, struct str code, struct str scheme);

#endif
