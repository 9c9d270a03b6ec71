#include "gateway/south/fhir_fetch.h"

#include "gateway/run/log.h"
#include "gateway/south/curl_handle.h"
#include "mappers/fhir_body.h"

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_id_character(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* "Type/id" at the end of an allowed url; false when there is anything else. */
static bool type_and_id(struct str rest, struct str *type)
{
	size_t slash = str_find(rest, '/');
	struct str id = str_from(rest, slash + 1);

	*type = (struct str) { rest.data, slash };
	if (type->size == 0 || type->size > 64 || id.size == 0 || id.size > 64)
		return false;
	for (size_t i = 0; i < type->size; i++) {
		if (!is_letter(type->data[i]))
			return false;
	}
	for (size_t i = 0; i < id.size; i++) {
		if (!is_id_character(id.data[i]))
			return false;
	}
	/* "." and ".." are ids to FHIR and other places to a URL. */
	return !str_equal(id, STR(".")) && !str_equal(id, STR(".."));
}

bool fhir_fetch_allowed(struct str url, struct str base)
{
	struct str type;

	return !str_is_empty(base) && str_starts_with(url, base) && url.size > base.size &&
	       url.data[base.size] == '/' && type_and_id(str_from(url, base.size + 1), &type);
}

static bool options_set(CURL *easy, const struct south *south, const char *url, struct curl_slist *headers,
			struct buf *body)
{
	uint64_t left = deadline_left_ms(deadline_part(south->deadline, FHIR_FETCH_TIME_MAX_MS));
	int bad = !curl_handle_harden(easy, url, NULL, FHIR_FETCH_TIME_MAX_MS / 2, left > 0 ? (long)left : 1);

	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, curl_receive);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, body);
	return bad == 0;
}

static enum fhir_fetched fetch_failed(const struct south *south, enum error_code code, const char *path, CURLcode curl,
				      long status, struct outcome *outcome)
{
	LOG(WARN, LOG_SOUTH_ERROR, south->request_id, LOG_C("fetch", path), LOG_NUMBER("curl", curl),
	    LOG_NUMBER("http", status));
	outcome_add(outcome, code, path,
		    "The server that this reference names could not be read; try again later, or send the content "
		    "itself.");
	return FHIR_FETCH_FAILED;
}

/* Reads what came; it must be the resource that was asked for. */
static enum fhir_fetched answer_read(const struct south *south, struct str url, const char *content_type,
				     const struct buf *body, const char *path, json_t **resource,
				     struct outcome *outcome)
{
	struct str type;
	struct str own_id;
	struct outcome reading;
	bool xml = content_type && strstr(content_type, "xml");
	size_t id = url.size;
	size_t begin;

	while (id > 0 && url.data[id - 1] != '/')
		id--;
	for (begin = id - 1; begin > 0 && url.data[begin - 1] != '/';)
		begin--;
	type = (struct str) { url.data + begin, id - 1 - begin };
	outcome_init(&reading);
	if (!fhir_body_read(xml ? FHIR_XML : FHIR_JSON, buf_str(body), NULL, NULL, south->arena, resource, &reading))
		return fetch_failed(south, ERR_BACKEND_ANSWER, path, CURLE_OK, 200, outcome);
	own_id = fhir_text(json_object_get(*resource, "id"));
	if (!str_equal(fhir_text(json_object_get(*resource, "resourceType")), type) ||
	    (own_id.size && !str_equal(own_id, str_from(url, id))))
		return FHIR_FETCH_NOTHING;
	return FHIR_FETCHED;
}

/* One GET on the thread's handle. */
static enum fhir_fetched fetch(const struct south *south, CURL *easy, struct str url, const char *path,
			       struct buf *body, json_t **resource, struct outcome *outcome)
{
	CURLcode code = curl_handle_perform(easy);
	const char *content_type = NULL;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &content_type);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return fetch_failed(south, ERR_BACKEND_TIMEOUT, path, code, status, outcome);
	if (code == CURLE_WRITE_ERROR)
		return fetch_failed(south, ERR_BACKEND_ANSWER, path, code, status, outcome);
	if (code != CURLE_OK || status >= 500)
		return fetch_failed(south, ERR_BACKEND_DOWN, path, code, status, outcome);
	if (status != 200)
		return FHIR_FETCH_NOTHING;
	return answer_read(south, url, content_type, body, path, resource, outcome);
}

enum fhir_fetched fhir_fetch(const struct south *south, struct str url, const struct strs *bases, const char *path,
			     json_t **resource, struct outcome *outcome)
{
	struct curl_slist *headers;
	struct str address;
	struct buf body;
	CURL *easy;
	enum fhir_fetched fetched = FHIR_FETCH_FAILED;
	bool allowed = false;

	for (size_t i = 0; i < bases->count; i++)
		allowed = allowed || fhir_fetch_allowed(url, bases->items[i]);
	if (!allowed)
		return FHIR_FETCH_NOTHING;
	address = arena_copy(south->arena, url);
	easy = curl_handle_here();
	headers = curl_slist_append(NULL, "Accept: application/fhir+json, application/fhir+xml;q=0.5");
	buf_init(&body, FHIR_FETCH_BYTES_MAX);
	if (!address.data || !easy || !headers || !options_set(easy, south, address.data, headers, &body))
		outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	else
		fetched = fetch(south, easy, url, path, &body, resource, outcome);
	if (easy)
		curl_easy_reset(easy);
	curl_slist_free_all(headers);
	buf_free(&body);
	if (south->recorder)
		south->recorder->called(south->recorder->ctx,
					&(struct south_call) { .url = address.data,
							       .succeeded = fetched == FHIR_FETCHED,
							       .code = fetched == FHIR_FETCH_NOTHING
									       ? ERR_NOT_FOUND
									       : ERR_BACKEND_DOWN });
	return fetched;
}
