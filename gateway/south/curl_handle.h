/* The calling thread's own libcurl handle; only for this room. */
#ifndef PASSERELLE_CURL_HANDLE_H
#define PASSERELLE_CURL_HANDLE_H

#include <curl/curl.h>

#include "mappers/base/str.h"

/* Made on first use and closed when the thread ends: it keeps connections warm, and making one per request would cost
 * nearly three times the exchange. Options are those of a fresh handle. NULL without memory. */
CURL *curl_handle_here(void) MUST_CHECK;

/* What every transfer of ours has: http and https only, no redirects, no proxy of the environment, no signals,
 * HTTP/1.1. Returns false without memory. */
bool curl_handle_harden(CURL *easy, const char *url, long connect_timeout_ms, long timeout_ms) MUST_CHECK;

#endif
