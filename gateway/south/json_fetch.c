#include "gateway/south/json_fetch.h"

#include "gateway/run/log.h"
#include "gateway/south/curl_handle.h"
#include "mappers/base/buf.h"

/* NULL without memory. */
static struct curl_slist *headers_make(const struct south *south, const struct json_ask *ask)
{
	struct str authorization;
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
	struct curl_slist *more = headers;

	if (headers && ask->authorization.data) {
		authorization = arena_printf(south->arena, "Authorization: %.*s", STR_ARG(ask->authorization));
		more = authorization.data ? curl_slist_append(headers, authorization.data) : NULL;
		if (!more)
			curl_slist_free_all(headers);
	}
	return more;
}

static bool options_set(CURL *easy, const struct south *south, const struct json_ask *ask, struct curl_slist *headers,
			struct buf *body)
{
	uint64_t left = deadline_left_ms(deadline_part(south->deadline, ask->time_ms));
	int bad = !curl_handle_harden(easy, ask->url, &ask->tls, (long)ask->time_ms, left > 0 ? (long)left : 1);

	if (ask->form.data) {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)ask->form.size);
		bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, ask->form.data);
	} else {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, curl_receive);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
	return bad == 0;
}

static bool fetch(const struct south *south, CURL *easy, const struct buf *body, struct str *text)
{
	CURLcode code = curl_handle_perform(easy);
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status == 200) {
		*text = arena_copy(south->arena, buf_str(body));
		return text->data != NULL;
	}
	LOG(WARN, LOG_SOUTH_ERROR, south->request_id, LOG_C("fetch", "json"), LOG_NUMBER("curl", code),
	    LOG_NUMBER("http", status));
	return false;
}

bool json_fetch(const struct south *south, const struct json_ask *ask, struct str *text)
{
	struct curl_slist *headers = headers_make(south, ask);
	CURL *easy = curl_handle_here();
	struct buf body;
	bool ok = false;

	buf_init(&body, ask->bytes_max);
	if (headers && easy && options_set(easy, south, ask, headers, &body))
		ok = fetch(south, easy, &body, text);
	if (easy)
		curl_easy_reset(easy);
	curl_slist_free_all(headers);
	buf_free(&body);
	return ok;
}
