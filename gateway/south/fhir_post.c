#include "gateway/south/fhir_post.h"

#include <stdio.h>

#include "gateway/south/curl_handle.h"

#define CONNECT_TIME_MS 5000
#define HEADER_SIZE     256

static bool options_set(CURL *easy, const char *url, const struct peer_tls *tls, struct str json,
			struct curl_slist *headers, struct buf *reply)
{
	int bad = !curl_handle_harden(easy, url, tls, CONNECT_TIME_MS, FHIR_POST_TIME_MAX_MS);

	bad |= (int)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, json.data);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json.size);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, curl_receive);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
	return bad == 0;
}

static struct curl_slist *headers_build(const char *if_none_exist)
{
	static const char *const fixed[] = { "Content-Type: application/fhir+json; charset=utf-8",
					     "Accept: application/fhir+json", "Expect:" };
	struct curl_slist *headers = NULL;
	char line[HEADER_SIZE];
	bool ok = true;

	for (size_t i = 0; i < COUNT_OF(fixed) + 1 && ok; i++) {
		const char *text = i < COUNT_OF(fixed) ? fixed[i] : line;
		struct curl_slist *longer;

		if (text == line) {
			if (!if_none_exist)
				break;
			snprintf(line, sizeof(line), "If-None-Exist: %s", if_none_exist);
		}
		longer = curl_slist_append(headers, text);
		ok = longer != NULL;
		headers = longer ? longer : headers;
	}
	if (ok)
		return headers;
	curl_slist_free_all(headers);
	return NULL;
}

long fhir_post(const char *url, const struct peer_tls *tls, struct str json, const char *if_none_exist,
	       struct buf *reply, const char **why)
{
	struct curl_slist *headers = headers_build(if_none_exist);
	CURL *easy = curl_handle_here();
	long status = 0;
	CURLcode code;

	*why = "no memory";
	if (easy && headers && options_set(easy, url, tls, json, headers, reply)) {
		code = curl_handle_perform(easy);
		*why = curl_easy_strerror(code);
		if (code == CURLE_OK)
			curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	}
	if (easy)
		curl_easy_reset(easy);
	curl_slist_free_all(headers);
	return status;
}
