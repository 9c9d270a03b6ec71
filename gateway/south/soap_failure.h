/* Inside gateway/south only: an exchange that brought no message, or a fault, in words for the log, for the client and
 * for the breaker. */
#ifndef PASSERELLE_SOAP_FAILURE_H
#define PASSERELLE_SOAP_FAILURE_H

#include <curl/curl.h>

#include "gateway/south/breaker.h"
#include "mappers/base/error.h"
#include "mappers/xds_message.h"

struct south;

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

/* A line of the log; action is that of the question. */
void soap_failure_log(const struct soap_failure *failure, const struct south *south, struct str action);

/* Adds the issue: ERR_BACKEND_TIMEOUT, ERR_BACKEND_DOWN, ERR_BACKEND_REFUSED or ERR_BACKEND_ANSWER. is_probe: the operator
 * reads it, and not a client. */
void soap_failure_explain(const struct soap_failure *failure, bool is_probe, struct outcome *outcome);

/* What it says of the peer. An answer that is only not understood says that the peer works: what is wrong with one
 * patient's documents must not close the way to those of all others. */
enum breaker_end soap_failure_end(const struct soap_failure *failure);

/* The peer answered with a fault: lines of the log, and the issue ERR_BACKEND_REFUSED. Nobody knows what a stranger writes
 * as the reason, patients and places among it: only who debugs sees it in the log, and only the operator who probes in
 * the issue. */
void soap_fault_explain(const struct soap_fault *fault, const struct south *south, struct str action,
			struct outcome *outcome);

/* What a message that was read says of the peer: only a fault of the receiver speaks against it. */
enum breaker_end soap_message_end(const struct xds_message *message);

#endif
