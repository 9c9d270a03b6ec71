/* Inside gateway/soap only: which assertions came from whom and with which messages, until they end. */
#ifndef PASSERELLE_SAML_SEEN_H
#define PASSERELLE_SAML_SEEN_H

#include "mappers/base/str.h"

struct saml_seen;

struct saml_seen *saml_seen_new(size_t entries_max) MUST_CHECK; /* NULL without memory */
void saml_seen_free(struct saml_seen *seen);                    /* NULL is allowed */

enum saml_seen_end {
	SEEN_NEW,      /* taken note of: go on */
	SEEN_REPLAYED, /* this message came before, or the assertion was for one time */
	SEEN_STRANGER, /* the assertion is another peer's */
	SEEN_FULL      /* there is no place to take note of it */
};

struct saml_use {
	struct str issuer;
	struct str id;
	struct str message_id;
	struct str peer;
	bool one_time;
	int64_t until_s; /* afterwards it may be forgotten */
};

/* Any thread. */
enum saml_seen_end saml_seen_use(struct saml_seen *seen, const struct saml_use *use, int64_t now_s) MUST_CHECK;

#endif
