/* One small JSON document of a server that is trusted by configuration: keys of an issuer, the answer of an introspection.
 * No redirects, no proxies of the environment; bounded in size and time. */
#ifndef PASSERELLE_JSON_FETCH_H
#define PASSERELLE_JSON_FETCH_H

#include "gateway/south/soap_client.h"

struct json_ask {
	const char *url;
	struct str form;          /* POSTed as application/x-www-form-urlencoded; STR_NONE: GET */
	struct str authorization; /* value of the header; STR_NONE: none is sent */
	struct peer_tls tls;
	size_t bytes_max;
	uint64_t time_ms;
};

/* True when the server answered 200 with a document; its text is in south->arena. False for everything else: away, slow,
 * another status, a redirect, too long. What went wrong is in the log, without the URL's query and without the document. */
bool json_fetch(const struct south *south, const struct json_ask *ask, struct str *text) MUST_CHECK;

#endif
