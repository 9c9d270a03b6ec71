#include "gateway/south/probe.h"

#include "gateway/run/random.h"
#include "gateway/south/curl_handle.h"
#include "gateway/south/unchecked.h"
#include "mappers/base/uuid.h"
#include "mappers/search_query.h"

static void retrieve_write(struct xml_writer *writer, const void *body)
{
	retrieve_request_write(writer, body, 1);
}

bool probe_registry(const struct south *south, struct outcome *outcome)
{
	struct stored_query query = { .id = STR(QUERY_GET_DOCUMENTS) };
	unsigned char random[16];
	char uuid[UUID_URN_SIZE];
	struct rim_list objects;
	struct strs refs;

	random_bytes(random, sizeof(random));
	uuid_format(random, uuid);
	return stored_query_add_one(&query, south->arena, STR("$XDSDocumentEntryEntryUUID"), QUERY_STRING_LIST,
				    str_from_c(uuid)) &&
	       xds_query(south, &query, &objects, &refs, outcome);
}

bool probe_repository(const struct south *south, const struct backend_repository *repository, struct outcome *outcome)
{
	bool is_cross = south->backend->kind == BACKEND_XCA;
	struct document_request document = { .home = south->backend->home,
					     .repository_unique_id = repository->unique_id };
	struct soap_call request = { .url = repository->url,
				     .action = is_cross ? STR(ACTION_CROSS_RETRIEVE) : STR(ACTION_RETRIEVE),
				     .write_body = retrieve_write,
				     .body = &document,
				     .mtom = true };
	struct xds_message message;
	unsigned char random[16];
	char uuid[UUID_URN_SIZE];
	char oid[UUID_OID_SIZE];

	random_bytes(random, sizeof(random));
	uuid_format(random, uuid);
	if (!uuid_to_oid(str_from_c(uuid), oid))
		return false;
	document.document_unique_id = str_from_c(oid);
	if (soap_exchange(south, &request, &message, outcome) != SOAP_ANSWERED)
		return false;
	for (size_t i = 0; i < message.response.error_count; i++) {
		struct str code = message.response.errors[i].code;

		if (!is_cross && str_equal(code, STR("XDSUnknownRepositoryId")))
			return outcome_add(outcome, ERR_NOT_FOUND, "",
					   "The repository at this address has another repositoryUniqueId.");
		if (is_cross && str_equal(code, STR("XDSUnknownCommunity")))
			return outcome_add(outcome, ERR_NOT_FOUND, "",
					   "The community at this address has another homeCommunityId.");
	}
	return true;
}

static size_t drop_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
	(void)bytes;
	(void)ctx;
	return size * count;
}

bool probe_address(const struct south *south, const char *url, long *status, struct outcome *outcome)
{
	CURL *easy = curl_handle_here();
	CURLcode code;

	if (!easy ||
	    !curl_handle_harden(easy, url, &south->backend->tls, south->backend->connect_timeout_ms,
				south->backend->timeout_ms) ||
	    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop_bytes) != CURLE_OK)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	code = curl_handle_perform(easy);
	if (code == CURLE_OK)
		return curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, status) == CURLE_OK;
	curl_code_explain(code, outcome);
	return false;
}
