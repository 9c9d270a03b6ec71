#include "gateway/state/redis_transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/run/clock.h"

struct redis_transport {
	int descriptor;
	SSL *ssl; /* NULL: in clear */
};

bool redis_trouble(struct redis_trouble *trouble, const char *format, ...)
{
	va_list args;

	if (trouble->text[0])
		return false;
	va_start(args, format);
	vsnprintf(trouble->text, sizeof trouble->text, format, args);
	va_end(args);
	return false;
}

static const char *error_text(int error)
{
	const char *text = strerrordesc_np(error);

	return text ? text : "unknown error";
}

static size_t resolve_path(struct str path, struct redis_address *address, struct redis_trouble *trouble)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (path.size >= sizeof un.sun_path)
		return redis_trouble(trouble, "the path of the socket is too long");
	memcpy(un.sun_path, path.data, path.size);
	memcpy(&address->socket, &un, sizeof un);
	address->size = (socklen_t)sizeof un;
	address->host[0] = '\0';
	snprintf(address->shown, sizeof address->shown, "%.*s", STR_ARG(path));
	return 1;
}

size_t redis_resolve(struct str text, struct redis_address addresses[REDIS_ADDRESSES_MAX],
		     struct redis_trouble *trouble)
{
	static const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	size_t colon = text.size;
	char host[256];
	char port[8];
	struct addrinfo *list = NULL;
	size_t count = 0;

	if (str_starts_with(text, STR("/")))
		return resolve_path(text, &addresses[0], trouble);
	while (colon > 0 && text.data[colon - 1] != ':')
		colon--;
	struct str name = { text.data, colon ? colon - 1 : 0 };
	struct str number = str_from(text, colon);

	if (str_starts_with(name, STR("[")) && str_ends_with(name, STR("]")))
		name = (struct str) { name.data + 1, name.size - 2 };
	if (name.size == 0 || name.size >= sizeof host || number.size == 0 || number.size >= sizeof port)
		return redis_trouble(trouble, "write the address as host:port: %.*s", STR_ARG(text));
	snprintf(host, sizeof host, "%.*s", STR_ARG(name));
	snprintf(port, sizeof port, "%.*s", STR_ARG(number));
	int error = getaddrinfo(host, port, &hints, &list);

	if (error)
		return redis_trouble(trouble, "%s cannot be resolved: %s", host, gai_strerror(error));
	for (struct addrinfo *at = list; at && count < REDIS_ADDRESSES_MAX; at = at->ai_next) {
		struct redis_address *address = &addresses[count++];

		memcpy(&address->socket, at->ai_addr, at->ai_addrlen);
		address->size = at->ai_addrlen;
		memcpy(address->host, host, sizeof host);
		snprintf(address->shown, sizeof address->shown, "%.*s", STR_ARG(text));
	}
	freeaddrinfo(list);
	return count;
}

SSL_CTX *redis_tls_new(struct str ca_file, struct str certificate_file, struct str key_file, struct outcome *outcome)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_CTX_load_verify_locations(tls, ca_file.data, NULL) != 1)
		outcome_add(outcome, ERR_VALUE_INVALID, "redis.tls.ca_file",
			    "Name a file with certificates in PEM: %s holds none that can be read.", ca_file.data);
	else if (certificate_file.size && SSL_CTX_use_certificate_chain_file(tls, certificate_file.data) != 1)
		outcome_add(outcome, ERR_VALUE_INVALID, "redis.tls.certificate_file",
			    "Name a file with a certificate in PEM: %s holds none that can be read.",
			    certificate_file.data);
	else if (key_file.size && (SSL_CTX_use_PrivateKey_file(tls, key_file.data, SSL_FILETYPE_PEM) != 1 ||
				   SSL_CTX_check_private_key(tls) != 1))
		outcome_add(outcome, ERR_VALUE_INVALID, "redis.tls.key_file",
			    "Name a file with the private key in PEM that belongs to redis.tls.certificate_file.");
	ERR_clear_error();
	if (!outcome->has_error)
		return tls;
	SSL_CTX_free(tls);
	return NULL;
}

/* Waits for events on the socket. False with trouble when the time is over. */
static bool wait_for(const struct redis_transport *transport, short events, struct deadline deadline,
		     struct redis_trouble *trouble)
{
	struct pollfd poll_one = { .fd = transport->descriptor, .events = events };

	for (;;) {
		int ready = poll(&poll_one, 1, (int)deadline_left_ms(deadline));

		if (ready > 0)
			return true;
		if (ready == 0 && deadline_passed(deadline))
			return redis_trouble(trouble, "no answer in time");
		if (ready < 0 && errno != EINTR)
			return redis_trouble(trouble, "%s", error_text(errno));
	}
}

/* After an SSL function that gave result: true when it shall be called again. */
static bool ssl_again(struct redis_transport *transport, int result, struct deadline deadline,
		      struct redis_trouble *trouble)
{
	int error = SSL_get_error(transport->ssl, result);
	long verified = SSL_get_verify_result(transport->ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
		return wait_for(transport, POLLIN, deadline, trouble);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(transport, POLLOUT, deadline, trouble);
	case SSL_ERROR_ZERO_RETURN:
	case SSL_ERROR_SYSCALL:
		return redis_trouble(trouble, "the connection was closed");
	default:
		if (verified != X509_V_OK)
			return redis_trouble(trouble, "its certificate is not accepted: %s",
					     X509_verify_cert_error_string(verified));
		return redis_trouble(trouble, "TLS failed: %s", reason ? reason : "unknown error");
	}
}

static bool tls_begin(struct redis_transport *transport, SSL_CTX *tls, const char *name, struct deadline deadline,
		      struct redis_trouble *trouble)
{
	unsigned char ip[sizeof(struct in6_addr)];
	bool is_ip = inet_pton(AF_INET, name, ip) == 1 || inet_pton(AF_INET6, name, ip) == 1;
	int result;

	transport->ssl = SSL_new(tls);
	if (!transport->ssl || SSL_set_fd(transport->ssl, transport->descriptor) != 1)
		return redis_trouble(trouble, "no memory for TLS");
	X509_VERIFY_PARAM *verify = SSL_get0_param(transport->ssl);

	X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (name[0] == '\0')
		return redis_trouble(trouble, "set redis.tls.server_name: a unix socket has no name to check");
	if ((is_ip ? X509_VERIFY_PARAM_set1_ip_asc(verify, name)
		   : X509_VERIFY_PARAM_set1_host(verify, name, 0) && SSL_set_tlsext_host_name(transport->ssl, name)) !=
	    1)
		return redis_trouble(trouble, "%s is no name that a certificate could have", name);
	do {
		ERR_clear_error();
		result = SSL_connect(transport->ssl);
	} while (result != 1 && ssl_again(transport, result, deadline, trouble));
	return result == 1;
}

static bool dial(struct redis_transport *transport, const struct redis_address *address, struct deadline deadline,
		 struct redis_trouble *trouble)
{
	int one = 1;
	int error = 0;
	socklen_t size = sizeof error;

	transport->descriptor = socket(address->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (transport->descriptor < 0)
		return redis_trouble(trouble, "%s", error_text(errno));
	if (address->socket.ss_family != AF_UNIX)
		setsockopt(transport->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(transport->descriptor, (const struct sockaddr *)&address->socket, address->size) == 0)
		return true;
	if (errno != EINPROGRESS)
		return redis_trouble(trouble, "%s", error_text(errno));
	if (!wait_for(transport, POLLOUT, deadline, trouble))
		return false;
	if (getsockopt(transport->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	return error == 0 || redis_trouble(trouble, "%s", error_text(error));
}

struct redis_transport *redis_transport_open(const struct redis_address *address, SSL_CTX *tls, struct str server_name,
					     struct deadline deadline, struct redis_trouble *trouble)
{
	struct redis_transport *transport = calloc(1, sizeof *transport);
	char name[256];

	if (!transport) {
		redis_trouble(trouble, "no memory");
		return NULL;
	}
	transport->descriptor = -1;
	snprintf(name, sizeof name, "%.*s", STR_ARG(server_name.size ? server_name : str_from_c(address->host)));
	if (dial(transport, address, deadline, trouble) && (!tls || tls_begin(transport, tls, name, deadline, trouble)))
		return transport;
	redis_transport_close(transport);
	return NULL;
}

/* No goodbye: whoever is closed here is dead, in trouble, or has nothing more to say. */
void redis_transport_close(struct redis_transport *transport)
{
	if (!transport)
		return;
	SSL_free(transport->ssl);
	if (transport->descriptor >= 0)
		close(transport->descriptor);
	free(transport);
}

/* One attempt; the bytes written, or 0: wait (again) or trouble. */
static size_t write_some(struct redis_transport *transport, const char *bytes, size_t size, struct deadline deadline,
			 bool *again, struct redis_trouble *trouble)
{
	if (transport->ssl) {
		ERR_clear_error();
		int done = SSL_write(transport->ssl, bytes, size > 65536 ? 65536 : (int)size);

		*again = done > 0 || ssl_again(transport, done, deadline, trouble);
		return done > 0 ? (size_t)done : 0;
	}
	ssize_t done = send(transport->descriptor, bytes, size, MSG_NOSIGNAL);

	if (done >= 0) {
		*again = true;
		return (size_t)done;
	}
	if (errno == EAGAIN)
		*again = wait_for(transport, POLLOUT, deadline, trouble);
	else
		*again = errno == EINTR || redis_trouble(trouble, "%s", error_text(errno));
	return 0;
}

bool redis_transport_write(struct redis_transport *transport, const void *bytes, size_t size, struct deadline deadline,
			   struct redis_trouble *trouble)
{
	const char *at = bytes;
	bool again = true;

	while (size && again) {
		size_t done = write_some(transport, at, size, deadline, &again, trouble);

		at += done;
		size -= done;
	}
	return size == 0;
}

size_t redis_transport_read(struct redis_transport *transport, void *bytes, size_t size, struct deadline deadline,
			    struct redis_trouble *trouble)
{
	bool again = true;

	while (again) {
		if (transport->ssl) {
			ERR_clear_error();
			int done = SSL_read(transport->ssl, bytes, size > 65536 ? 65536 : (int)size);

			if (done > 0)
				return (size_t)done;
			again = ssl_again(transport, done, deadline, trouble);
			continue;
		}
		ssize_t done = recv(transport->descriptor, bytes, size, 0);

		if (done > 0)
			return (size_t)done;
		if (done == 0)
			again = redis_trouble(trouble, "the connection was closed");
		else if (errno == EAGAIN)
			again = wait_for(transport, POLLIN, deadline, trouble);
		else
			again = errno == EINTR || redis_trouble(trouble, "%s", error_text(errno));
	}
	return 0;
}

bool redis_transport_quiet(struct redis_transport *transport)
{
	char byte;
	ssize_t there = recv(transport->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (there < 0)
		return errno == EAGAIN && !redis_transport_pending(transport);
	if (there == 0 || !transport->ssl)
		return false;
	/* TLS has records of its own, which may arrive at any time and say nothing to us. */
	ERR_clear_error();
	int done = SSL_peek(transport->ssl, &byte, 1);
	int error = SSL_get_error(transport->ssl, done);

	ERR_clear_error();
	return done <= 0 && error == SSL_ERROR_WANT_READ;
}

int redis_transport_descriptor(const struct redis_transport *transport)
{
	return transport->descriptor;
}

bool redis_transport_pending(const struct redis_transport *transport)
{
	return transport->ssl && SSL_pending(transport->ssl) > 0;
}
