/* The calling thread's own libcurl handle; only for this room. */
#ifndef PASSERELLE_CURL_HANDLE_H
#define PASSERELLE_CURL_HANDLE_H

#include <curl/curl.h>

#include "gateway/south/backend.h"
#include "mappers/base/buf.h"

/* Made on first use and closed when the thread ends: it keeps connections warm, and making one per request would cost
 * nearly three times the exchange. Options are those of a fresh handle. Inside a callback of curl_handle_perform it is
 * another one. NULL without memory. */
CURL *curl_handle_here(void) MUST_CHECK;

/* curl_easy_perform of the handle that curl_handle_here has given last: every transfer goes through here. */
CURLcode curl_handle_perform(CURL *easy) MUST_CHECK;

/* What every transfer of ours has: the scheme of its URL and no other, no redirects, no proxy of the environment, no
 * signals, HTTP/1.1; with https TLS as in struct peer_tls (NULL: the system's authorities, no certificate of ours),
 * without renegotiation. timeout_ms 0: no time is left. Returns false without memory. */
bool curl_handle_harden(CURL *easy, const char *url, const struct peer_tls *tls, long connect_timeout_ms,
			long timeout_ms) MUST_CHECK;

/* For CURLOPT_WRITEFUNCTION with a struct buf as CURLOPT_WRITEDATA; one that is full ends the transfer with
 * CURLE_WRITE_ERROR. */
size_t curl_receive(char *bytes, size_t size, size_t count, void *buf);

/* Why a transfer came to nothing, in words for an operator who probes: the issue ERR_BACKEND_TIMEOUT, ERR_BACKEND_DOWN or
 * ERR_BACKEND_ANSWER. code is not CURLE_OK. */
void curl_code_explain(CURLcode code, struct outcome *outcome);

/* True for the ends that mean: the peer is not who it should be, or TLS could not be agreed on. */
bool curl_code_is_tls(CURLcode code);

#endif
