/* Inside gateway/state only: bytes to and from a Redis or sentinel, over TCP, a unix socket, or TLS. Nothing here waits
 * longer than its deadline. One thread at a time per transport. */
#ifndef PASSERELLE_REDIS_TRANSPORT_H
#define PASSERELLE_REDIS_TRANSPORT_H

#include <openssl/ssl.h>
#include <sys/socket.h>

#include "gateway/run/deadline.h"
#include "mappers/base/error.h"

/* Where to dial. */
struct redis_address {
	struct sockaddr_storage socket;
	socklen_t size;
	char host[256];  /* for the certificate; empty for a unix socket */
	char shown[300]; /* for logs */
};

#define REDIS_ADDRESSES_MAX 4
#define REDIS_TROUBLE_SIZE  256

/* Why something did not work: for the log and for `passerelle check`. */
struct redis_trouble {
	char text[REDIS_TROUBLE_SIZE];
};

/* Says it, unless something was said already; returns false. */
bool redis_trouble(struct redis_trouble *trouble, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Resolves host:port, [v6]:port or an absolute path. May take as long as the system's resolver does. The number of
 * addresses; 0 with trouble. */
size_t redis_resolve(struct str text, struct redis_address addresses[REDIS_ADDRESSES_MAX],
		     struct redis_trouble *trouble) MUST_CHECK;

/* TLS 1.2 or later, the peer's certificate checked against ca_file; certificate and key may be empty. Paths are
 * NUL-terminated. NULL with an issue. */
SSL_CTX *redis_tls_new(struct str ca_file, struct str certificate_file, struct str key_file,
		       struct outcome *outcome) MUST_CHECK;

struct redis_transport;

/* tls NULL: in clear. server_name: what the certificate must name; empty for the address's own host. */
struct redis_transport *redis_transport_open(const struct redis_address *address, SSL_CTX *tls, struct str server_name,
					     struct deadline deadline, struct redis_trouble *trouble) MUST_CHECK;
void redis_transport_close(struct redis_transport *transport);

bool redis_transport_write(struct redis_transport *transport, const void *bytes, size_t size, struct deadline deadline,
			   struct redis_trouble *trouble) MUST_CHECK;

/* At least one byte; 0 with trouble. */
size_t redis_transport_read(struct redis_transport *transport, void *bytes, size_t size, struct deadline deadline,
			    struct redis_trouble *trouble) MUST_CHECK;

/* True when the peer is there and has sent nothing that was not read. */
bool redis_transport_quiet(struct redis_transport *transport) MUST_CHECK;

/* To wait for bytes with others. pending: some have been received already. */
int redis_transport_descriptor(const struct redis_transport *transport);
bool redis_transport_pending(const struct redis_transport *transport);

#endif
