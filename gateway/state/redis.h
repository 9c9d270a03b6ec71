/* Redis over a transport of our own (TCP, unix socket, TLS), with the formatter and the reader of hiredis: a bounded
 * pool of connections to the one Redis that is the primary now, a thread that finds it and listens to its channels,
 * and a circuit breaker. While Redis is away or slow every question fails at once, without a system call.
 * Any thread may call. */
#ifndef PASSERELLE_REDIS_H
#define PASSERELLE_REDIS_H

#include "mappers/base/error.h"

#define REDIS_SENTINELS_MAX 9
#define REDIS_RUN_ID_SIZE   41 /* 40 hex digits and NUL */

/* All borrowed; empty texts for what is not wanted. */
struct redis_options {
	struct str address; /* host:port, [v6]:port, or the absolute path of a unix socket; empty with sentinels */
	struct str user;    /* empty with a password: AUTH in the old form */
	struct str password;
	struct str ca_file; /* TLS when set, for the sentinels too */
	struct str certificate_file;
	struct str key_file;
	struct str server_name;      /* what the certificate must name when it is not the host that is dialled */
	const struct str *sentinels; /* host:port each; more than half must agree on who is the primary */
	size_t sentinel_count;
	struct str sentinel_master;
	struct str sentinel_user;
	struct str sentinel_password;
	uint64_t connect_timeout_ms; /* until TCP, TLS, AUTH and the first questions are done */
	uint64_t command_timeout_ms;
	size_t connections_max;
};

#endif
