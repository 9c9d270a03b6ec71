/* Base64url without padding, as JOSE writes it. Source: RFC 4648 section 5, RFC 7515 section 2. Strict: a blank, a line
 * end, padding, another character or a stray bit at the end fails, so that no two texts mean the same bytes. */
#ifndef PASSERELLE_BASE64URL_H
#define PASSERELLE_BASE64URL_H

#include "mappers/base/arena.h"

/* Into the arena, NUL-terminated. False when it is not base64url, or without memory. */
bool base64url_decode(struct str text, struct arena *arena, struct str *bytes) MUST_CHECK;

/* Text in the arena; data is NULL without memory. */
struct str base64url_encode(struct str bytes, struct arena *arena);

#endif
