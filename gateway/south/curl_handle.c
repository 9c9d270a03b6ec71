#include "gateway/south/curl_handle.h"

#include <pthread.h>

#include "gateway/south/soap_client.h"

static pthread_key_t handle_key;

static void handle_close(void *easy)
{
	curl_easy_cleanup(easy);
}

bool south_start(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && pthread_key_create(&handle_key, handle_close) == 0;
}

CURL *curl_handle_here(void)
{
	CURL *easy = pthread_getspecific(handle_key);

	if (easy) {
		curl_easy_reset(easy); /* keeps connections */
		return easy;
	}
	easy = curl_easy_init();
	if (easy && pthread_setspecific(handle_key, easy) != 0) {
		curl_easy_cleanup(easy);
		return NULL;
	}
	return easy;
}

bool curl_handle_harden(CURL *easy, const char *url, long connect_timeout_ms, long timeout_ms)
{
	int bad = 0;

	bad |= (int)curl_easy_setopt(easy, CURLOPT_URL, url);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= (int)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	bad |= (int)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 4L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	return bad == 0;
}
