#include "gateway/domain/consent_directory.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "gateway/domain/consent_leases.h"
#include "gateway/domain/consent_store.h"
#include "gateway/run/log.h"
#include "mappers/json_tree.h"
#include "mappers/json_writer.h"

#define BODY_BYTES_MAX   (1024U * 1024)
#define ANSWER_BYTES_MAX (16U * 1024 * 1024)
#define NAME_SIZE_MAX    64 /* of gateways and ids */
#define PATIENT_SIZE_MAX 256
#define RETURNS_MAX      1000
#define READS_MAX        100 /* of one state, while others write it */

struct consent_directory {
	struct server_handlers handlers;
	struct consent_store *store;
	struct leases *leases;
	bool (*knows)(void *ctx, struct str value, struct str authority, bool *is_known, struct outcome *outcome);
	void *ctx;
	struct str secret;
};

/* One request. */
struct asked {
	struct consent_directory *directory;
	const struct http_request *http;
	const json_t *body;         /* an object */
	struct json_writer *writer; /* inside the answer's object */
	struct outcome *outcome;
};

static bool wrong(struct asked *asked, const char *name, const char *text)
{
	return outcome_add(asked->outcome, ERR_VALUE_INVALID, name, "%s", text);
}

/* A text member of 1 to size_max bytes. */
static bool text_member(struct asked *asked, const json_t *object, const char *name, size_t size_max, struct str *text)
{
	*text = str_from_c(json_string_value(json_object_get(object, name)));
	return (text->size > 0 && text->size <= size_max) || wrong(asked, name, "Send a text of the right length.");
}

/* A number that is not negative; other when the member is not there. */
static bool number_member(struct asked *asked, const json_t *object, const char *name, int64_t other, int64_t *number)
{
	const json_t *member = json_object_get(object, name);

	*number = member ? json_integer_value(member) : other;
	return !member || (json_is_integer(member) && *number >= 0) || wrong(asked, name, "Send a whole number.");
}

static bool patient_member(struct asked *asked, const json_t *object, struct str *patient_id, bool *is_known)
{
	struct str cx;
	struct str value;
	struct str authority;

	if (!text_member(asked, object, "patient", PATIENT_SIZE_MAX, &cx))
		return false;
	if (!patient_id_normalise(cx, asked->http->arena, patient_id, &value, &authority))
		return wrong(asked, "patient", "Send the patient as value^^^&oid&ISO.");
	return !is_known || asked->directory->knows(asked->directory->ctx, value, authority, is_known, asked->outcome);
}

static void version_write(struct json_writer *writer, const struct consent_version *version)
{
	json_begin_object(writer);
	json_member(writer, STR("id"), version->id);
	json_member(writer, STR("patient"), version->patient_id);
	json_key(writer, STR("version_id"));
	json_u64(writer, (uint64_t)version->version_id);
	json_key(writer, STR("updated_ms"));
	json_u64(writer, (uint64_t)version->updated_ms);
	json_key(writer, STR("active"));
	json_bool(writer, version->is_active);
	json_member(writer, STR("resource"), version->resource);
	json_end_object(writer);
}

static void versions_write(struct json_writer *writer, const struct consent_versions *versions)
{
	json_member_array(writer, STR("consents"));
	for (size_t i = 0; i < versions->count; i++)
		version_write(writer, &versions->items[i]);
	json_end_array(writer);
}

static void number_write(struct json_writer *writer, const char *name, int64_t number)
{
	json_key(writer, str_from_c(name));
	json_u64(writer, (uint64_t)number);
}

static bool state_handle(struct asked *asked)
{
	struct leases *leases = asked->directory->leases;
	bool content = !json_is_false(json_object_get(asked->body, "content"));
	struct consent_versions active = { 0 };
	uint64_t lease_ms = 0;
	bool is_granted = false;
	struct str gateway;
	struct str patient_id;
	int64_t version = 0;
	int64_t known;

	if (!text_member(asked, asked->body, "gateway", NAME_SIZE_MAX, &gateway) ||
	    !patient_member(asked, asked->body, &patient_id, NULL) ||
	    !number_member(asked, asked->body, "known", -1, &known))
		return false;
	for (int i = 0; i < READS_MAX && !is_granted; i++) {
		uint64_t mark = leases_begin(leases, patient_id);

		if (!consent_store_state(asked->directory->store, patient_id, known, content, asked->http->arena,
					 &version, &active, asked->outcome))
			return false;
		is_granted = leases_grant(leases, gateway, patient_id, version, mark, &lease_ms);
	}
	if (!is_granted)
		return outcome_add(asked->outcome, ERR_BUSY, "", "Ask again: this patient's Consents are changing.");
	number_write(asked->writer, "version", version);
	number_write(asked->writer, "lease_ms", (int64_t)lease_ms);
	if (content && version != known)
		versions_write(asked->writer, &active);
	return true;
}

static bool return_handle(struct asked *asked)
{
	const json_t *list = json_object_get(asked->body, "leases");
	struct str gateway;

	if (!text_member(asked, asked->body, "gateway", NAME_SIZE_MAX, &gateway))
		return false;
	if (!json_is_array(list) || json_array_size(list) > RETURNS_MAX)
		return wrong(asked, "leases", "Send a list of leases.");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		struct str patient_id;
		int64_t version;

		if (!patient_member(asked, item, &patient_id, NULL) ||
		    !number_member(asked, item, "version", 0, &version))
			return false;
		leases_return(asked->directory->leases, gateway, patient_id, version);
	}
	return true;
}

static bool write_handle(struct asked *asked)
{
	struct consent_version new = { .resource = STR_NONE };
	bool is_known = false;
	int64_t expected;
	int64_t version;

	if (!text_member(asked, asked->body, "id", NAME_SIZE_MAX, &new.id) ||
	    !patient_member(asked, asked->body, &new.patient_id, &is_known) ||
	    !number_member(asked, asked->body, "expected", CONSENT_ANY_VERSION, &expected))
		return false;
	if (json_object_get(asked->body, "resource") &&
	    !text_member(asked, asked->body, "resource", CONSENT_BYTES_MAX, &new.resource))
		return false;
	if (!is_known)
		return outcome_add(asked->outcome, ERR_PATIENT_UNKNOWN, "Consent.patient",
				   "Name a patient that this affinity domain knows.");
	new.is_active = json_is_true(json_object_get(asked->body, "active")) && new.resource.data;
	if (!consent_store_write(asked->directory->store, &new, expected, &version, asked->outcome))
		return false;
	leases_committed(asked->directory->leases, new.patient_id);
	number_write(asked->writer, "version", version);
	number_write(asked->writer, "version_id", new.version_id);
	number_write(asked->writer, "updated_ms", new.updated_ms);
	return true;
}

static bool settle_handle(struct asked *asked)
{
	struct str gateway;
	struct str patient_id;
	int64_t version;

	if (!text_member(asked, asked->body, "gateway", NAME_SIZE_MAX, &gateway) ||
	    !patient_member(asked, asked->body, &patient_id, NULL) ||
	    !number_member(asked, asked->body, "version", 0, &version))
		return false;
	leases_return(asked->directory->leases, gateway, patient_id, version);
	return leases_settle(asked->directory->leases, patient_id, version, asked->http->deadline) ||
	       outcome_add(asked->outcome, ERR_BUSY, "", "Wait one lease's time yourself: too many wait here.");
}

static bool read_handle(struct asked *asked)
{
	struct consent_version found;
	struct str id;
	int64_t version_id;

	if (!text_member(asked, asked->body, "id", NAME_SIZE_MAX, &id) ||
	    !number_member(asked, asked->body, "version_id", 0, &version_id) ||
	    !consent_store_read(asked->directory->store, id, version_id, asked->http->arena, &found, asked->outcome))
		return false;
	json_key(asked->writer, STR("consent"));
	version_write(asked->writer, &found);
	return true;
}

static bool list_handle(struct asked *asked)
{
	struct consent_versions found;
	struct str patient_id;

	if (!patient_member(asked, asked->body, &patient_id, NULL) ||
	    !consent_store_list(asked->directory->store, patient_id, asked->http->arena, &found, asked->outcome))
		return false;
	versions_write(asked->writer, &found);
	return true;
}

static const struct operation {
	const char *path;
	bool (*handle)(struct asked *asked);
} operations[] = {
	{ CONSENT_DIRECTORY_PATH "state", state_handle }, { CONSENT_DIRECTORY_PATH "return", return_handle },
	{ CONSENT_DIRECTORY_PATH "write", write_handle }, { CONSENT_DIRECTORY_PATH "settle", settle_handle },
	{ CONSENT_DIRECTORY_PATH "read", read_handle },   { CONSENT_DIRECTORY_PATH "list", list_handle },
};

/* Compared in a time that does not tell how much of it was right. */
static bool is_authorized(const struct consent_directory *directory, const struct http_request *request)
{
	struct str sent = str_without_prefix(http_request_header(request, STR("Authorization")), STR("Bearer "));

	return http_request_header_count(request, STR("Authorization")) == 1 && sent.size == directory->secret.size &&
	       CRYPTO_memcmp(sent.data, directory->secret.data, sent.size) == 0;
}

static bool accept_request(void *ctx, struct http_exchange *exchange, struct http_request *request,
			   struct http_admission *admission)
{
	size_t i = 0;

	while (i < COUNT_OF(operations) && !str_equal(request->path, str_from_c(operations[i].path)))
		i++;
	if (i < COUNT_OF(operations))
		request->what = operations[i].path;
	if (!is_authorized(ctx, request)) {
		http_response_header(exchange, "WWW-Authenticate", STR("Bearer"));
		http_refuse(exchange, ERR_UNAUTHENTICATED, "Send the secret of this consent directory.");
		return false;
	}
	if (i == COUNT_OF(operations)) {
		http_refuse(exchange, ERR_NOT_FOUND, "Ask for an operation of the consent directory.");
		return false;
	}
	if (!str_equal(request->method, STR("POST"))) {
		http_response_header(exchange, "Allow", STR("POST"));
		http_refuse(exchange, ERR_METHOD, "Use POST.");
		return false;
	}
	request->tag = (void *)(uintptr_t)i;
	admission->body_bytes_max = BODY_BYTES_MAX;
	return true;
}

static void respond(struct http_exchange *exchange, int status, struct buf *body)
{
	http_response_header(exchange, "Content-Type", STR("application/json"));
	http_response_header(exchange, "Cache-Control", STR("no-store"));
	http_respond_buf(exchange, status, body);
	buf_free(body);
}

static void refuse_request(void *ctx, struct http_exchange *exchange, const struct http_request *request, int status,
			   enum error_code code, const char *text)
{
	struct json_writer writer;
	struct buf body;

	(void)ctx, (void)request;
	buf_init(&body, 4096);
	json_writer_init(&writer, &body);
	json_begin_object(&writer);
	json_member(&writer, STR("error"), str_from_c(error_info(code)->name));
	json_member(&writer, STR("text"), str_from_c(text));
	json_end_object(&writer);
	respond(exchange, status, &body);
}

static bool body_read(struct asked *asked)
{
	struct str text = asked->http->body ? spool_view(asked->http->body) : STR("");
	json_t *tree = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);

	if (tree && !json_tree_keep(asked->http->arena, tree))
		return outcome_add(asked->outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	asked->body = tree;
	return json_is_object(tree) || outcome_add(asked->outcome, ERR_BODY_MALFORMED, "", "Send one JSON object.");
}

static void handle_request(void *ctx, struct http_exchange *exchange, struct http_request *request)
{
	struct json_writer writer;
	struct outcome outcome;
	struct asked asked = { .directory = ctx, .http = request, .writer = &writer, .outcome = &outcome };
	struct buf body;

	outcome_init(&outcome);
	buf_init(&body, ANSWER_BYTES_MAX);
	json_writer_init(&writer, &body);
	json_begin_object(&writer);
	if (body_read(&asked) && operations[(uintptr_t)request->tag].handle(&asked)) {
		json_end_object(&writer);
		if (json_writer_finish(&writer, &outcome)) {
			respond(exchange, 200, &body);
			return;
		}
	}
	buf_free(&body);
	LOG(WARN, LOG_DOMAIN_EVENT, request->trace.span_id, LOG_C("what", "consent refused"),
	    LOG_C("error", error_info(outcome.issues[0].code)->name));
	http_refuse(exchange, outcome.issues[0].code, outcome.issues[0].text);
}

static bool secret_check(struct str secret, struct outcome *outcome)
{
	bool ok = secret.size >= 16;

	for (size_t i = 0; i < secret.size; i++)
		ok = ok && secret.data[i] > ' ' && secret.data[i] < 0x7F;
	return ok || outcome_add(outcome, ERR_VALUE_INVALID, "domain.consent_secret",
				 "Let the file hold at least 16 printable characters without blanks; make it with: "
				 "openssl rand -hex 32");
}

bool consent_directory_open(const struct consent_directory_options *options, struct consent_directory **directory,
			    struct outcome *outcome)
{
	struct str secret = str_trim(options->secret);
	struct consent_directory *opened;

	if (!secret_check(secret, outcome))
		return false;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	*opened = (struct consent_directory) {
		.handlers = { .ctx = opened,
			      .accept = accept_request,
			      .handle = handle_request,
			      .refuse = refuse_request },
		.leases = leases_new(),
		.knows = options->knows,
		.ctx = options->ctx,
		.secret = secret,
	};
	if (!opened->leases)
		outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	if (!opened->leases || !consent_store_open(options->path, &opened->store, outcome)) {
		consent_directory_close(opened);
		return false;
	}
	*directory = opened;
	return true;
}

bool consent_directory_merge(struct consent_directory *directory, struct str survivor, struct str subsumed,
			     struct deadline deadline, struct outcome *outcome)
{
	int64_t version = 0;

	if (!consent_store_merge(directory->store, survivor, subsumed, &version, outcome))
		return false;
	leases_committed(directory->leases, survivor);
	return leases_settle(directory->leases, survivor, version, deadline) ||
	       outcome_add(outcome, ERR_BUSY, "", "Retry later: too many wait for Consents to be in force.");
}

void consent_directory_close(struct consent_directory *directory)
{
	if (!directory)
		return;
	consent_store_close(directory->store);
	leases_free(directory->leases);
	free(directory);
}

const struct server_handlers *consent_directory_handlers(const struct consent_directory *directory)
{
	return &directory->handlers;
}
