#include "gateway/south/curl_handle.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/south/soap_client.h"

/* A document that is received may want a question asked about it, while its own transfer goes on. */
#define NESTED_MAX 3

/* One thread's handles: the first depth of them are in use. */
struct handles {
	CURL *items[NESTED_MAX];
	unsigned depth;
};

static pthread_key_t handles_key;

static void handles_close(void *object)
{
	struct handles *handles = object;

	for (size_t i = 0; i < NESTED_MAX; i++)
		curl_easy_cleanup(handles->items[i]);
	free(handles);
}

bool south_start(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
	       pthread_key_create(&handles_key, handles_close) == 0;
}

static struct handles *handles_here(void)
{
	struct handles *handles = pthread_getspecific(handles_key);

	if (handles)
		return handles;
	handles = calloc(1, sizeof(*handles));
	if (handles && pthread_setspecific(handles_key, handles) != 0) {
		free(handles);
		return NULL;
	}
	return handles;
}

CURL *curl_handle_here(void)
{
	struct handles *handles = handles_here();
	CURL **easy;

	if (!handles || handles->depth == NESTED_MAX)
		return NULL;
	easy = &handles->items[handles->depth];
	if (*easy)
		curl_easy_reset(*easy); /* keeps connections */
	else
		*easy = curl_easy_init();
	return *easy;
}

CURLcode curl_handle_perform(CURL *easy)
{
	struct handles *handles = handles_here();
	CURLcode code;

	if (!handles)
		return CURLE_OUT_OF_MEMORY;
	handles->depth++;
	code = curl_easy_perform(easy);
	handles->depth--;
	return code;
}

/* What libcurl has no option for. */
static CURLcode context_harden(CURL *easy, void *context, void *ctx)
{
	(void)easy;
	(void)ctx;
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	return CURLE_OK;
}

static bool is_given(const char *file)
{
	return file && file[0];
}

static bool harden_tls(CURL *easy, const struct peer_tls *tls)
{
	int bad = 0;

	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	/* The suites of RFC 9325 4.2 (BCP 195); those of TLS 1.3 are all good. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSL_CIPHER_LIST, "ECDHE+AESGCM:ECDHE+CHACHA20");
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSL_EC_CURVES, "X25519:P-256:P-384");
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, context_harden);
	if (tls && is_given(tls->ca_file)) {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file);
		/* Otherwise the system's directory would be believed beside the file. */
		bad |= (int)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (tls && is_given(tls->certificate_file)) {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->certificate_file);
		bad |= (int)curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_file);
	}
	return bad == 0;
}

/* What libcurl has no option for: after three probes nobody is there. */
static int probes_limit(void *ctx, curl_socket_t descriptor, curlsocktype purpose)
{
	int count = 3;

	(void)ctx;
	(void)purpose;
	setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	return CURL_SOCKOPT_OK;
}

bool curl_handle_harden(CURL *easy, const char *url, const struct peer_tls *tls, long connect_timeout_ms,
			long timeout_ms)
{
	bool secure = strncmp(url, "https:", 6) == 0;
	int bad = 0;

	bad |= (int)curl_easy_setopt(easy, CURLOPT_URL, url);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http");
	bad |= (int)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	bad |= (int)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* Else its time to connect does not bound the search for the name: it would wait for the resolver all the same. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	/* A warm connection to a host that is gone ends, before somebody asks by it and waits. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 3L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, probes_limit);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 4L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
	/* 0 would be no limit at all to libcurl; to whoever counts down to a deadline it is the end. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms > 0 ? timeout_ms : 1L);
	return bad == 0 && (!secure || harden_tls(easy, tls));
}

size_t curl_receive(char *bytes, size_t size, size_t count, void *buf)
{
	struct buf *received = buf;

	buf_add(received, (struct str) { bytes, size * count });
	return received->failed ? 0 : size * count;
}

bool curl_code_is_tls(CURLcode code)
{
	switch (code) {
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CLIENTCERT:
		return true;
	default:
		return false;
	}
}

void curl_code_explain(CURLcode code, struct outcome *outcome)
{
	if (code == CURLE_OPERATION_TIMEDOUT)
		outcome_add(outcome, ERR_BACKEND_TIMEOUT, "", "It did not answer in time.");
	else if (code == CURLE_SSL_CONNECT_ERROR)
		outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			    "TLS could not be agreed on: is this the port for https, and does it accept this gateway's "
			    "certificate?");
	else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR)
		outcome_add(outcome, ERR_BACKEND_ANSWER, "",
			    "Its certificate does not prove that it is this host: check the name in the address and "
			    "ca_file.");
	else if (curl_code_is_tls(code))
		outcome_add(outcome, ERR_BACKEND_ANSWER, "", "TLS cannot be spoken with these files: %s.",
			    curl_easy_strerror(code));
	else
		outcome_add(outcome, ERR_BACKEND_DOWN, "", "Nothing answers at this address: %s.",
			    curl_easy_strerror(code));
}

/* Instead of asking at the terminal for the password of an encrypted key. */
static int no_password(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

bool peer_tls_check(const struct peer_tls *tls, const char *name, struct outcome *outcome)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	bool good = false;

	if (!context)
		return outcome_add(outcome, ERR_NO_MEMORY, name, "Start again when memory is free.");
	SSL_CTX_set_default_passwd_cb(context, no_password);
	if (is_given(tls->ca_file) && SSL_CTX_load_verify_file(context, tls->ca_file) != 1)
		outcome_add(outcome, ERR_VALUE_INVALID, name, "Name a PEM file of certificates: %s is none.",
			    tls->ca_file);
	else if (is_given(tls->certificate_file) != is_given(tls->key_file))
		outcome_add(outcome, ERR_VALUE_INVALID, name,
			    "Give both client_certificate_file and client_key_file, or neither.");
	else if (is_given(tls->certificate_file) &&
		 (SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) != 1 ||
		  SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) != 1))
		outcome_add(outcome, ERR_VALUE_INVALID, name,
			    "%s and %s cannot be used: name a PEM certificate and its own PEM private key.",
			    tls->certificate_file, tls->key_file);
	else
		good = true;
	SSL_CTX_free(context);
	ERR_clear_error();
	return good;
}
