/* The gateway's own token endpoint: a system that is known by its keys signs a request, and gets a token for a few
 * minutes. Source: SMART App Launch 2.2 (Backend Services), RFC 6749 4.4, RFC 7523, IHE IUA ITI-71. */
#ifndef PASSERELLE_GRANT_H
#define PASSERELLE_GRANT_H

#include "gateway/access/access.h"

struct grant {
	/* Refused: error is a code of RFC 6749 5.2, sentence says what to do; both literals. error NULL: granted. */
	const char *error;
	const char *sentence;
	bool may_retry; /* 503: nobody can say now */
	/* Granted. */
	struct str token;
	struct str scopes;
	uint64_t seconds;
	const struct caller *client; /* to whom; for the audit */
};

/* form: the body as it came. False: refused. False too without a token endpoint (discovery.h says whether there is
 * one). */
bool grant_make(struct access *access, struct str form, const struct south *south, int64_t now_s,
		struct grant *grant) MUST_CHECK;

#endif
