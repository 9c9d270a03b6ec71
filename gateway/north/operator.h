/* What operators and their machines ask, at the root of the host: whether the process lives, whether it can serve, and
 * what it has counted. Answered on the polling thread, so that it also works when all workers wait for a back-end.
 *   /health/live   200 while the process answers
 *   /health/ready  200 while it can serve: ok, or degraded when something is missing (a source is away, but publications
 *                  are accepted); 503 when nothing can be done; callers from this host are told the parts by name
 *   /metrics       for callers from this host, or with the secret of the configuration */
#ifndef PASSERELLE_OPERATOR_H
#define PASSERELLE_OPERATOR_H

#include "gateway/http/http_message.h"

/* True when the path is one of these: it has been answered then. secret may be empty: nobody from elsewhere. */
bool operator_answer(struct http_exchange *exchange, struct http_request *http, struct str secret) MUST_CHECK;

#endif
