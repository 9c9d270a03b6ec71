/* Inside gateway/access only: WWW-Authenticate. Source: RFC 6750 3, RFC 9728 5.1. Nothing that came with the request is
 * repeated: no token, no claim. */
#ifndef PASSERELLE_CHALLENGE_H
#define PASSERELLE_CHALLENGE_H

#include "gateway/access/access_state.h"
#include "gateway/access/authenticate.h"

/* Nothing was shown: no error attribute. Returns false. */
bool challenge_nobody(const struct access *access, struct challenge *challenge);

/* error: RFC 6750 code (invalid_request, invalid_token); sentence: a literal, for people. Returns false. */
bool challenge_error(const struct access *access, enum error_code code, const char *error, const char *sentence,
		     struct challenge *challenge);

/* insufficient_scope, and the scope that would do. Returns false. */
bool challenge_scope(const struct access *access, struct str scope, struct challenge *challenge);

/* Whoever would know cannot be asked: 503, nothing to authenticate better with. Returns false. */
bool challenge_unavailable(const char *sentence, struct challenge *challenge);

#endif
