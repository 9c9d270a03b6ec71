/* Who asks: from what a request shows (a bearer token, a client certificate) to a struct caller that the gateway believes.
 * Source: IHE IUA 3.72, RFC 6750, RFC 9068, RFC 7662, RFC 8705, RFC 9728. */
#ifndef PASSERELLE_AUTHENTICATE_H
#define PASSERELLE_AUTHENTICATE_H

#include "gateway/access/access.h"

/* What a request shows. Everything is borrowed. */
struct credentials {
	struct str authorization;      /* value of the Authorization header; STR_NONE without one */
	bool is_doubled;               /* a second Authorization header, or a token in the URL: refused as it stands */
	struct str certificate;        /* SHA-256 of the verified client certificate in hex; or empty */
	struct str certificate_issuer; /* name of who issued it */
	struct str address;            /* of the client */
	struct str reason;             /* X-Break-Glass-Reason header; or empty */
	bool is_bare;                  /* they ask at the base without a tenant's name */
	bool is_write;                 /* the request changes something: what was introspected must be fresh */
};

#define CHALLENGE_SIZE 1024

/* Why somebody was not let in: an error, the sentence for people, and the value of WWW-Authenticate for programs. */
struct challenge {
	bool is_bare; /* of the credentials */
	enum error_code code;
	const char *sentence;        /* a literal: what to do */
	char header[CHALLENGE_SIZE]; /* empty: none is sent (503) */
};

enum quick {
	QUICK_REFUSED, /* challenge says why */
	QUICK_KNOWN,   /* authenticate will say yes, without asking anybody */
	QUICK_LATER    /* authenticate must ask: keys to fetch, a token to introspect */
};

/* What can be said without I/O and without waiting, for the thread that reads headers: so that the body of a stranger is
 * not read. now_s: seconds since 1970. */
enum quick authenticate_quick(struct access *access, const struct credentials *credentials, int64_t now_s,
			      struct challenge *challenge) MUST_CHECK;

/* The whole check; may fetch keys and introspect, within south's deadline. The caller is in south->arena. NULL:
 * challenge says why. */
const struct caller *authenticate(struct access *access, const struct credentials *credentials,
				  const struct south *south, int64_t now_s, struct challenge *challenge) MUST_CHECK;

#endif
