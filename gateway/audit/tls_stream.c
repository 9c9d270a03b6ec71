#include "gateway/audit/tls_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/run/deadline.h"

#define HOST_SIZE    256
#define PORT_SIZE    8
#define DEFAULT_PORT "6514"

struct tls_stream {
	int descriptor;
	SSL_CTX *context;
	SSL *ssl;
};

static bool text_copy(char *out, size_t size, struct str text)
{
	if (text.size == 0 || text.size >= size)
		return false;
	memcpy(out, text.data, text.size);
	out[text.size] = '\0';
	return true;
}

static bool address_split(struct str address, char host[HOST_SIZE], char port[PORT_SIZE])
{
	size_t end;

	if (address.size > 0 && address.data[0] == '[') {
		end = str_find(address, ']');
		if (!text_copy(host, HOST_SIZE, (struct str) { address.data + 1, end > 0 ? end - 1 : 0 }))
			return false;
		address = str_from(address, end + 1);
		end = 0;
	} else {
		end = str_find(address, ':');
		if (!text_copy(host, HOST_SIZE, (struct str) { address.data, end }))
			return false;
	}
	address = str_from(address, end + 1);
	return text_copy(port, PORT_SIZE, address.size ? address : STR(DEFAULT_PORT));
}

/* Waits for the events; false at the deadline. */
static bool await(int descriptor, short events, struct deadline deadline)
{
	struct pollfd wanted = { .fd = descriptor, .events = events };
	int ready;

	do {
		uint64_t left = deadline_left_ms(deadline);

		if (left == 0)
			return false;
		ready = poll(&wanted, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	} while (ready < 0 && errno == EINTR);
	return ready > 0;
}

static int connect_one(const struct addrinfo *address, struct deadline deadline)
{
	int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;
	int on = 1;
	socklen_t size = sizeof(error);

	if (descriptor < 0)
		return -1;
	setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(descriptor, address->ai_addr, address->ai_addrlen) == 0)
		return descriptor;
	if (errno == EINPROGRESS && await(descriptor, POLLOUT, deadline) &&
	    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
		return descriptor;
	close(descriptor);
	return -1;
}

static int connect_any(const char *host, const char *port, struct deadline deadline)
{
	struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *addresses = NULL;
	int descriptor = -1;

	if (getaddrinfo(host, port, &wanted, &addresses) != 0)
		return -1;
	for (const struct addrinfo *one = addresses; one && descriptor < 0; one = one->ai_next)
		descriptor = connect_one(one, deadline);
	freeaddrinfo(addresses);
	return descriptor;
}

/* Goes on with a call that wants the socket to be ready; false when it failed for good. */
static bool again(const struct tls_stream *stream, int result, struct deadline deadline)
{
	switch (SSL_get_error(stream->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return await(stream->descriptor, POLLIN, deadline);
	case SSL_ERROR_WANT_WRITE:
		return await(stream->descriptor, POLLOUT, deadline);
	default:
		return false;
	}
}

static SSL_CTX *context_new(const struct tls_target *target, const char **why)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	bool ok = context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;

	*why = "no memory";
	if (ok) {
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		*why = "ca_file cannot be read";
		ok = target->ca_file ? SSL_CTX_load_verify_file(context, target->ca_file) == 1
				     : SSL_CTX_set_default_verify_paths(context) == 1;
	}
	if (ok && target->certificate_file) {
		*why = "certificate_file or key_file cannot be read, or they do not belong together";
		ok = SSL_CTX_use_certificate_chain_file(context, target->certificate_file) == 1 &&
		     SSL_CTX_use_PrivateKey_file(context, target->key_file, SSL_FILETYPE_PEM) == 1 &&
		     SSL_CTX_check_private_key(context) == 1;
	}
	if (ok)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

/* The name, or the address, that the peer's certificate must be for. */
static bool name_expect(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return true;
	return SSL_set_tlsext_host_name(ssl, host) == 1 && X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static bool handshake(struct tls_stream *stream, const char *host, struct deadline deadline, const char **why)
{
	int result;

	*why = "no memory";
	stream->ssl = SSL_new(stream->context);
	if (!stream->ssl || !name_expect(stream->ssl, host) || SSL_set_fd(stream->ssl, stream->descriptor) != 1)
		return false;
	do {
		ERR_clear_error();
		result = SSL_connect(stream->ssl);
	} while (result != 1 && again(stream, result, deadline));
	*why = SSL_get_verify_result(stream->ssl) == X509_V_OK
		       ? "the TLS handshake failed"
		       : "its certificate is not trusted, or is for another name";
	return result == 1;
}

struct tls_stream *tls_stream_open(const struct tls_target *target, uint64_t time_ms, const char **why)
{
	struct tls_stream *stream = calloc(1, sizeof(*stream));
	struct deadline deadline = deadline_in(time_ms);
	char host[HOST_SIZE];
	char port[PORT_SIZE];
	bool ok;

	*why = "no memory";
	if (!stream)
		return NULL;
	stream->descriptor = -1;
	ok = address_split(target->address, host, port);
	if (!ok)
		*why = "its address is not host:port";
	if (ok)
		stream->context = context_new(target, why);
	if (stream->context) {
		stream->descriptor = connect_any(host, port, deadline);
		if (stream->descriptor < 0)
			*why = "it cannot be connected to";
	}
	if (stream->descriptor >= 0 && handshake(stream, host, deadline, why))
		return stream;
	tls_stream_close(stream);
	return NULL;
}

bool tls_stream_write(struct tls_stream *stream, struct str bytes, uint64_t time_ms)
{
	struct deadline deadline = deadline_in(time_ms);

	while (bytes.size > 0) {
		int written;

		ERR_clear_error();
		written = SSL_write(stream->ssl, bytes.data, bytes.size > INT32_MAX ? INT32_MAX : (int)bytes.size);

		if (written > 0)
			bytes = str_from(bytes, (size_t)written);
		else if (!again(stream, written, deadline))
			return false;
	}
	return true;
}

bool tls_stream_whole(struct tls_stream *stream)
{
	char dropped[1024];
	int got;

	do {
		ERR_clear_error();
		got = SSL_read(stream->ssl, dropped, sizeof(dropped));
	} while (got > 0);
	return SSL_get_error(stream->ssl, got) == SSL_ERROR_WANT_READ;
}

void tls_stream_wait(const struct tls_stream *stream, uint64_t ms)
{
	if (stream)
		await(stream->descriptor, POLLIN, deadline_in(ms));
}

void tls_stream_close(struct tls_stream *stream)
{
	if (!stream)
		return;
	if (stream->ssl)
		SSL_shutdown(stream->ssl);
	SSL_free(stream->ssl);
	SSL_CTX_free(stream->context);
	if (stream->descriptor >= 0)
		close(stream->descriptor);
	free(stream);
}
