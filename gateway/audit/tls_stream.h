/* A TLS connection that is only written to, for syslog (RFC 5425): the peer's certificate is checked against its name, the
 * own one shown. Every wait has an end. One thread at a time. */
#ifndef PASSERELLE_TLS_STREAM_H
#define PASSERELLE_TLS_STREAM_H

#include "mappers/base/str.h"

struct tls_stream;

struct tls_target {
	struct str address;  /* "host:port", "[::1]:6514"; without a port: 6514 */
	const char *ca_file; /* NULL: the certificates of the system */
	const char *certificate_file;
	const char *key_file;
};

/* Connects and shakes hands, TLS 1.2 or newer. NULL: *why says what is wrong, a literal. */
struct tls_stream *tls_stream_open(const struct tls_target *target, uint64_t time_ms, const char **why) MUST_CHECK;

/* Writes all of it. False when the connection broke, or did not take it in this time. */
bool tls_stream_write(struct tls_stream *stream, struct str bytes, uint64_t time_ms) MUST_CHECK;

/* False when the peer has closed or reset the connection. What it sends is read and dropped. */
bool tls_stream_whole(struct tls_stream *stream) MUST_CHECK;

/* Waits until something comes from the peer (its end, too), at most that long. */
void tls_stream_wait(const struct tls_stream *stream, uint64_t ms);

/* NULL is allowed. */
void tls_stream_close(struct tls_stream *stream);

#endif
