/* Inside gateway/south only: an exchange that brought no message, in words for the client, and for the breaker. */
#ifndef PASSERELLE_SOAP_FAILURE_H
#define PASSERELLE_SOAP_FAILURE_H

#include <curl/curl.h>

#include "gateway/south/breaker.h"
#include "mappers/base/error.h"

struct soap_failure {
	CURLcode code;
	long status;       /* HTTP; 0: none came */
	uint64_t sent;     /* bytes of the request */
	const char *wrong; /* what is wrong with the answer; "": nothing */
	bool is_soap;      /* what came was SOAP that could be read, before something else was wrong */
	bool is_page;      /* what came is a web page, or nothing at all */
	bool is_fair;      /* there was time enough to answer */
	bool is_ours;      /* it ended, or took its time, for a reason on this side */
};

/* Adds the issue. */
void soap_failure_explain(const struct soap_failure *failure, struct outcome *outcome);

/* What it says of the peer. An answer that is only not understood says that the peer works: what is wrong with one
 * patient's documents must not close the way to those of all others. */
enum breaker_end soap_failure_end(const struct soap_failure *failure);

#endif
