/* Inside gateway/http only: what GnuTLS does for the server besides moving bytes, which libmicrohttpd makes it do. */
#ifndef PASSERELLE_HTTP_TLS_H
#define PASSERELLE_HTTP_TLS_H

#include <gnutls/gnutls.h>

#include "gateway/http/server.h"

/* The suites of RFC 9325 4.2 (BCP 195), and as much of TLS 1.3; certificates of at least 112 bits of security. */
#define TLS_PRIORITIES                                                                                               \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:"       \
	"+AES-128-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:" \
	"-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:%SERVER_PRECEDENCE:%PROFILE_MEDIUM"

#define PEER_SIZE 64 /* the client's address in words */

/* The server's certificate and key, and the authorities of its clients', as the files were when they were read. */
struct tls_identity;

/* Reads the files and makes sure that they can be used together. The caller owns it once. NULL with an issue:
 * ERR_STORAGE, ERR_VALUE_INVALID, ERR_NO_MEMORY. */
struct tls_identity *tls_identity_read(const struct server_tls *tls, struct outcome *outcome) MUST_CHECK;

/* One owner more, which may be on any thread; and one less, NULL allowed. */
struct tls_identity *tls_identity_keep(struct tls_identity *identity);
void tls_identity_release(struct tls_identity *identity);

/* Whether both were made of the same files' content. */
bool tls_identity_same(const struct tls_identity *a, const struct tls_identity *b);

/* The client's certificate in words; free() it. */
struct tls_certificate {
	char sha256[65];
	char names[]; /* subject, NUL, issuer, NUL */
};

/* A connection begins: shows this identity, asks for a certificate as configured, and has it verified in the handshake.
 * identity and context must be valid as long as the session. */
struct tls_context {
	const char *server; /* its name in the log */
	char peer[PEER_SIZE];
	void (*untrusted)(void *ctx, struct str peer, const char *why);
	void *ctx;
	struct tls_certificate *certificate; /* verified; NULL: none was shown */
};
void tls_begin(gnutls_session_t session, enum tls_client client, const struct tls_identity *identity,
	       struct tls_context *context);

struct tls_certificate *tls_certificate_copy(const struct tls_certificate *certificate);

/* Sends everything at once and says that nothing follows; false when the connection does not take it. */
bool tls_send_last(gnutls_session_t session, struct str bytes) MUST_CHECK;

#endif
