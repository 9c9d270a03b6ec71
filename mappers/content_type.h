/* The header Content-Type and Content-IDs. Source: RFC 2045 5.1, RFC 2046 5.1.1, RFC 2387, RFC 2392. */
#ifndef PASSERELLE_CONTENT_TYPE_H
#define PASSERELLE_CONTENT_TYPE_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"

/* A Content-Type header taken apart; text in the arena, absent parameters STR_NONE. */
struct content_type {
	struct str media_type; /* "multipart/related", lower case */
	struct str boundary;
	struct str start; /* without <> */
	struct str type;
	struct str charset;
	struct str action; /* also when it hides inside start-info */
};

/* False with ERR_MEDIA_TYPE when it is none, has an illegal or double boundary, or multipart without boundary. */
bool content_type_parse(struct str header, struct arena *arena, struct content_type *type,
			struct outcome *outcome) MUST_CHECK;
/* True for the media type of a document: names of RFC 6838 4.2 (so no wildcard) around a slash, then perhaps parameters
 * of visible ASCII and blanks. Safe as the value of a header. */
bool media_type_valid(struct str media_type) MUST_CHECK;

static inline bool content_type_is_multipart(const struct content_type *type)
{
	return str_equal(type->media_type, STR("multipart/related"));
}

/* True when a Content-ID (without <>) is the one that an href names; either side may carry percent-escapes: stacks
 * disagree about which. */
bool content_id_matches(struct str href_id, struct str content_id);

#endif
