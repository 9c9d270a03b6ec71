#include "gateway/south/consent_client.h"

#include <jansson.h>
#include <stdlib.h>

#include "gateway/run/log.h"
#include "gateway/south/curl_handle.h"
#include "mappers/json_tree.h"
#include "mappers/json_writer.h"

#define REQUEST_BYTES_MAX (1024U * 1024)
#define REPLY_BYTES_MAX   (16U * 1024 * 1024)
#define RECORDS_MAX       10000
#define SETTLE_MS         4000 /* more than a directory lets anybody wait */
#define SECRET_BYTES_MAX  256

struct consent_client {
	struct breaker states; /* of questions for the state alone: who changes Consents is never kept from trying */
	struct consent_client_options options;
	char authorization[SECRET_BYTES_MAX + 32];
};

/* One exchange. Filled by the caller up to `once`, below it by exchange. */
struct exchange {
	const struct consent_client *client;
	const struct south *south;
	struct str path; /* behind the URL, begins with a slash */
	struct buf body;
	uint64_t time_ms;
	bool once;             /* never sent a second time by itself */
	struct breaker *guard; /* NULL: always sent */
	bool had_time;         /* all of time_ms, not only what was left of the request */
	struct buf reply;
	json_t *tree; /* an object; in the arena */
	long status;
	enum { EXCHANGE_ANSWERED, EXCHANGE_NOT_SENT, EXCHANGE_BROKEN } end;
};

struct consent_client *consent_client_open(const struct consent_client_options *options)
{
	struct consent_client *client = calloc(1, sizeof(*client));
	struct str secret = str_trim(options->secret);

	if (!client)
		return NULL;
	client->options = *options;
	if (secret.size > SECRET_BYTES_MAX)
		secret.size = SECRET_BYTES_MAX;
	snprintf(client->authorization, sizeof(client->authorization), "Authorization: Bearer %.*s", STR_ARG(secret));
	return client;
}

void consent_client_close(struct consent_client *client)
{
	if (!client)
		return;
	explicit_bzero(client->authorization, sizeof(client->authorization));
	free(client);
}

static struct curl_slist *headers_make(const struct exchange *exchange)
{
	const char *const lines[] = { exchange->client->authorization, "Content-Type: application/json",
				      "Accept: application/json", "Expect:" };
	struct curl_slist *headers = NULL;
	char trace[80];

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct curl_slist *more = curl_slist_append(headers, lines[i]);

		if (!more) {
			curl_slist_free_all(headers);
			return NULL;
		}
		headers = more;
	}
	if (exchange->south->traceparent) {
		struct curl_slist *more;

		snprintf(trace, sizeof(trace), "traceparent: %s", exchange->south->traceparent);
		more = curl_slist_append(headers, trace);
		headers = more ? more : headers;
	}
	return headers;
}

static bool options_set(CURL *easy, struct exchange *exchange, const char *url, struct curl_slist *headers)
{
	uint64_t left = deadline_left_ms(deadline_part(exchange->south->deadline, exchange->time_ms));
	long time_ms = left > 0 ? (long)left : 1;
	int bad;

	exchange->had_time = deadline_left_ms(exchange->south->deadline) >= exchange->time_ms;
	bad = !curl_handle_harden(easy, url, &exchange->client->options.tls, time_ms, time_ms);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange->body.data);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)exchange->body.size);
	/* On a connection that went stale libcurl would send again what may have been done already. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)exchange->once);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, curl_receive);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange->reply);
	return bad == 0;
}

static void perform(CURL *easy, struct exchange *exchange)
{
	CURLcode code = curl_handle_perform(easy);
	long sent = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &exchange->status);
	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
	if (code == CURLE_OK) {
		json_t *tree = json_loadb(exchange->reply.data ? exchange->reply.data : "", exchange->reply.size,
					  JSON_REJECT_DUPLICATES, NULL);

		exchange->end = EXCHANGE_BROKEN;
		if (json_tree_keep(exchange->south->arena, tree) && json_is_object(tree)) {
			exchange->tree = tree;
			exchange->end = EXCHANGE_ANSWERED;
			return;
		}
	} else {
		exchange->end = sent == 0 ? EXCHANGE_NOT_SENT : EXCHANGE_BROKEN;
	}
	LOG(WARN, LOG_SOUTH_ERROR, exchange->south->request_id, LOG_C("peer", "consent directory"),
	    LOG_NUMBER("curl", code), LOG_NUMBER("http", exchange->status));
}

/* Sends and receives; false, with an issue, only when there is no memory for it. */
static bool exchange_run(struct exchange *exchange, struct outcome *outcome)
{
	CURL *easy = curl_handle_here();
	struct curl_slist *headers = headers_make(exchange);
	struct str url = arena_printf(exchange->south->arena, "%.*s%.*s", STR_ARG(exchange->client->options.url),
				      STR_ARG(exchange->path));
	bool ready;

	buf_init(&exchange->reply, REPLY_BYTES_MAX);
	ready = easy && headers && url.data && !exchange->body.failed && options_set(easy, exchange, url.data, headers);
	if (ready)
		perform(easy, exchange);
	else
		outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (easy)
		curl_easy_reset(easy);
	curl_slist_free_all(headers);
	buf_free(&exchange->reply);
	buf_free(&exchange->body);
	return ready;
}

static bool unusable(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_TRUST_UNAVAILABLE, "",
			   "The consent directory cannot be asked at the moment; try again later.");
}

/* The error that the directory names, as it names it. */
static bool refused(const struct exchange *exchange, struct outcome *outcome)
{
	struct str name = str_from_c(json_string_value(json_object_get(exchange->tree, "error")));
	const char *text = json_string_value(json_object_get(exchange->tree, "text"));

	for (int code = ERR_NONE + 1; code < ERROR_CODE_COUNT; code++) {
		/* A wrong secret is between the two servers: the client who asks has done nothing wrong. */
		if (text && code != ERR_UNAUTHENTICATED &&
		    str_equal(name, str_from_c(error_info((enum error_code)code)->name)))
			return outcome_add(outcome, (enum error_code)code, "", "%s", text);
	}
	return unusable(outcome);
}

const struct breaker *consent_client_breaker(const struct consent_client *client)
{
	return &client->states;
}

/* Runs the exchange unless the directory has not answered for a while. False like exchange_run. */
static bool exchange_guard(struct exchange *exchange, struct outcome *outcome)
{
	struct breaker_call call;
	enum breaker_end end = BREAKER_UNSAID;
	bool run;

	if (!breaker_pass(exchange->guard, &call)) {
		buf_free(&exchange->body);
		exchange->end = EXCHANGE_NOT_SENT;
		return true;
	}
	run = exchange_run(exchange, outcome);
	if (run && exchange->end == EXCHANGE_ANSWERED)
		end = BREAKER_ANSWERED;
	else if (run && exchange->had_time)
		end = BREAKER_FAILED;
	if (breaker_end(exchange->guard, &BREAKER_DEFAULTS, &call, end) == BREAKER_OPENED)
		LOG(WARN, LOG_BREAKER, NULL, LOG_C("backend", "consent directory"), LOG_C("state", "open"));
	return run;
}

/* The whole of a question: false with an issue for everything but an answer with status 200. */
static bool ask(struct exchange *exchange, struct outcome *outcome)
{
	if (!(exchange->guard ? exchange_guard(exchange, outcome) : exchange_run(exchange, outcome)))
		return false;
	if (exchange->end != EXCHANGE_ANSWERED)
		return unusable(outcome);
	return exchange->status == 200 || refused(exchange, outcome);
}

/* A number of the answer that must be there and not be negative. */
static bool number_read(const json_t *object, const char *name, uint64_t *value)
{
	const json_t *member = json_object_get(object, name);

	if (!json_is_integer(member) || json_integer_value(member) < 0)
		return false;
	*value = (uint64_t)json_integer_value(member);
	return true;
}

static bool record_read(const json_t *object, struct consent_record *record)
{
	uint64_t updated = 0;

	*record = (struct consent_record) {
		.id = str_from_c(json_string_value(json_object_get(object, "id"))),
		.patient_id = str_from_c(json_string_value(json_object_get(object, "patient"))),
		.is_active = json_is_true(json_object_get(object, "active")),
		.is_deleted = json_is_true(json_object_get(object, "deleted")),
		.resource = str_from_c(json_string_value(json_object_get(object, "resource"))),
	};
	if (!number_read(object, "version_id", &record->version_id) || !number_read(object, "updated_ms", &updated))
		return false;
	record->updated_ms = (int64_t)updated;
	return record->id.size > 0 && record->patient_id.size > 0 && (record->resource.size > 0) != record->is_deleted;
}

static bool records_read(const json_t *list, const struct south *south, struct consent_records *records,
			 struct outcome *outcome)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list) || count > RECORDS_MAX)
		return unusable(outcome);
	records->items = arena_array(south->arena, count, sizeof(*records->items));
	records->count = 0;
	if (!records->items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	for (size_t i = 0; i < count; i++) {
		if (!record_read(json_array_get(list, i), &records->items[i]))
			return unusable(outcome);
	}
	records->count = count;
	return true;
}

/* Begins an exchange whose body is an object, with this gateway's name in it; the caller writes on and ends it. */
static void exchange_begin(struct exchange *exchange, const struct consent_client *client, const struct south *south,
			   struct str path, struct json_writer *writer)
{
	*exchange =
		(struct exchange) { .client = client, .south = south, .path = path, .time_ms = client->options.ask_ms };
	buf_init(&exchange->body, REQUEST_BYTES_MAX);
	json_writer_init(writer, &exchange->body);
	json_begin_object(writer);
	json_member(writer, STR("gateway"), client->options.gateway);
}

bool directory_state(struct consent_client *client, const struct south *south, struct str patient_id, uint64_t known,
		     bool content, struct consent_state *state, struct outcome *outcome)
{
	struct exchange exchange;
	struct json_writer writer;
	const json_t *list;

	exchange_begin(&exchange, client, south, STR("/state"), &writer);
	json_member(&writer, STR("patient"), patient_id);
	if (known != CONSENT_VERSION_NONE) {
		json_key(&writer, STR("known"));
		json_u64(&writer, known);
	}
	json_key(&writer, STR("content"));
	json_bool(&writer, content);
	json_end_object(&writer);
	exchange.guard = &client->states;
	if (!ask(&exchange, outcome))
		return false;
	*state = (struct consent_state) { 0 };
	if (!number_read(exchange.tree, "version", &state->version) ||
	    !number_read(exchange.tree, "lease_ms", &state->lease_ms) || state->lease_ms > CONSENT_LEASE_MS_MAX)
		return unusable(outcome);
	list = json_object_get(exchange.tree, "consents");
	state->has_consents = list != NULL;
	if (!list)
		return !content || state->version == known || unusable(outcome);
	return records_read(list, south, &state->consents, outcome);
}

bool directory_return(const struct consent_client *client, const struct south *south,
		      const struct consent_return *returns, size_t count, struct outcome *outcome)
{
	struct exchange exchange;
	struct json_writer writer;

	exchange_begin(&exchange, client, south, STR("/return"), &writer);
	json_member_array(&writer, STR("leases"));
	for (size_t i = 0; i < count; i++) {
		json_begin_object(&writer);
		json_member(&writer, STR("patient"), returns[i].patient_id);
		json_key(&writer, STR("version"));
		json_u64(&writer, returns[i].version);
		json_end_object(&writer);
	}
	json_end_array(&writer);
	json_end_object(&writer);
	return ask(&exchange, outcome);
}

static void write_body(struct json_writer *writer, const struct consent_write *write)
{
	json_member(writer, STR("id"), write->id);
	json_member(writer, STR("patient"), write->patient_id);
	if (write->expected != CONSENT_EXPECT_ANY) {
		json_key(writer, STR("expected"));
		json_u64(writer, write->expected);
	}
	json_key(writer, STR("active"));
	json_bool(writer, write->is_active && write->resource.data != NULL);
	json_member(writer, STR("resource"), write->resource);
	json_end_object(writer);
}

static enum consent_written unclear(struct outcome *outcome)
{
	outcome_add(outcome, ERR_BACKEND_TIMEOUT, "",
		    "The consent directory did not answer: the Consent may have been stored or not; read it to find "
		    "out.");
	return CONSENT_UNCLEAR;
}

/* True for an answer that was given before anything was stored. */
static bool is_refusal(const struct exchange *exchange)
{
	return exchange->end == EXCHANGE_ANSWERED && json_is_string(json_object_get(exchange->tree, "error")) &&
	       ((exchange->status >= 400 && exchange->status < 500) || exchange->status == 503);
}

enum consent_written directory_write(const struct consent_client *client, const struct south *south,
				     const struct consent_write *write, struct consent_stored *stored,
				     struct outcome *outcome)
{
	struct exchange exchange;
	struct json_writer writer;
	uint64_t updated = 0;

	if (write->resource.size > CONSENT_RESOURCE_BYTES_MAX) {
		outcome_add(outcome, ERR_TOO_LONG, "", "Send a Consent of at most %u bytes.",
			    CONSENT_RESOURCE_BYTES_MAX);
		return CONSENT_REFUSED;
	}
	exchange_begin(&exchange, client, south, STR("/write"), &writer);
	write_body(&writer, write);
	exchange.once = true;
	exchange.time_ms = deadline_left_ms(south->deadline);
	if (!exchange_run(&exchange, outcome))
		return CONSENT_REFUSED;
	if (exchange.end == EXCHANGE_NOT_SENT) {
		unusable(outcome);
		return CONSENT_REFUSED;
	}
	if (is_refusal(&exchange)) {
		refused(&exchange, outcome);
		return CONSENT_REFUSED;
	}
	if (exchange.end != EXCHANGE_ANSWERED || exchange.status != 200 ||
	    !number_read(exchange.tree, "version", &stored->version) ||
	    !number_read(exchange.tree, "version_id", &stored->version_id) ||
	    !number_read(exchange.tree, "updated_ms", &updated))
		return unclear(outcome);
	stored->updated_ms = (int64_t)updated;
	return CONSENT_WRITTEN;
}

bool directory_settle(const struct consent_client *client, const struct south *south, struct str patient_id,
		      uint64_t version, struct outcome *outcome)
{
	struct exchange exchange;
	struct json_writer writer;

	exchange_begin(&exchange, client, south, STR("/settle"), &writer);
	json_member(&writer, STR("patient"), patient_id);
	json_key(&writer, STR("version"));
	json_u64(&writer, version);
	json_end_object(&writer);
	exchange.time_ms = SETTLE_MS;
	return ask(&exchange, outcome);
}

bool directory_read(const struct consent_client *client, const struct south *south, struct str id, uint64_t version_id,
		    struct consent_record *record, struct outcome *outcome)
{
	struct exchange exchange;
	struct json_writer writer;

	exchange_begin(&exchange, client, south, STR("/read"), &writer);
	json_member(&writer, STR("id"), id);
	json_key(&writer, STR("version_id"));
	json_u64(&writer, version_id);
	json_end_object(&writer);
	return ask(&exchange, outcome) &&
	       (record_read(json_object_get(exchange.tree, "consent"), record) || unusable(outcome));
}

bool directory_list(const struct consent_client *client, const struct south *south, struct str patient_id,
		    struct consent_records *records, struct outcome *outcome)
{
	struct exchange exchange;
	struct json_writer writer;

	exchange_begin(&exchange, client, south, STR("/list"), &writer);
	json_member(&writer, STR("patient"), patient_id);
	json_end_object(&writer);
	return ask(&exchange, outcome) &&
	       records_read(json_object_get(exchange.tree, "consents"), south, records, outcome);
}
