#include "gateway/north/operator.h"

#include "gateway/run/watch.h"
#include "mappers/json_writer.h"

#define HEALTH_BYTES_MAX  ((size_t)256 * 1024)
#define METRICS_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* From this host itself, and not by way of a proxy on it, which brings whoever asks the proxy. */
static bool is_from_here(const struct http_request *http)
{
	static const char *const by_proxy[] = { "Forwarded", "X-Forwarded-For", "X-Real-IP", "Via" };

	for (size_t i = 0; i < COUNT_OF(by_proxy); i++) {
		if (http_request_header_count(http, str_from_c(by_proxy[i])) > 0)
			return false;
	}
	return str_starts_with(http->peer, STR("127.")) || str_equal(http->peer, STR("::1")) ||
	       str_starts_with(http->peer, STR("::ffff:127."));
}

/* Takes the same time wherever the first difference is. */
static bool is_same(struct str one, struct str other)
{
	unsigned difference = 0;

	for (size_t i = 0; i < one.size && i < other.size; i++)
		difference |= (unsigned char)one.data[i] ^ (unsigned char)other.data[i];
	return one.size == other.size && difference == 0;
}

static bool has_secret(const struct http_request *http, struct str secret)
{
	struct str header = http_request_header(http, STR("Authorization"));
	struct str token = str_trim(str_from(header, strlen("Bearer ")));

	secret = str_trim(secret);
	return !str_is_empty(secret) && str_starts_with_nocase(header, STR("Bearer ")) && is_same(token, secret);
}

static void respond(struct http_exchange *exchange, int status, const char *type, struct buf *body)
{
	http_response_header(exchange, "Content-Type", str_from_c(type));
	http_response_header(exchange, "Cache-Control", STR("no-store"));
	http_respond_buf(exchange, status, body);
}

static void text(struct http_exchange *exchange, int status, const char *sentence)
{
	struct buf body;

	buf_init(&body, HEALTH_BYTES_MAX);
	buf_add(&body, str_from_c(sentence));
	respond(exchange, status, "text/plain; charset=utf-8", &body);
}

static void part_tell(void *ctx, struct str tenant, struct str name, bool works)
{
	struct json_writer *writer = ctx;

	json_begin_object(writer);
	json_member(writer, STR("tenant"), tenant);
	json_member(writer, STR("name"), name);
	json_member(writer, STR("status"), works ? STR("ok") : STR("not ok"));
	json_end_object(writer);
}

static void health(struct http_exchange *exchange, const struct judgement *judgement, struct buf *parts)
{
	bool is_good = judgement_is_good(judgement);
	struct buf body;

	buf_init(&body, HEALTH_BYTES_MAX);
	buf_printf(&body, "{\"status\":\"%s\"", !is_good ? "not ok" : judgement->lacks_any ? "degraded" : "ok");
	if (judgement->tell) {
		buf_add(&body, STR(",\"parts\":"));
		buf_add(&body, buf_str(parts));
	}
	buf_add(&body, STR("}"));
	respond(exchange, is_good ? 200 : 503, "application/json", &body);
}

static void ready(struct http_exchange *exchange, const struct http_request *http)
{
	struct judgement judgement = { 0 };
	struct json_writer writer;
	struct buf parts;

	buf_init(&parts, HEALTH_BYTES_MAX / 2);
	json_writer_init(&writer, &parts);
	json_begin_array(&writer);
	if (is_from_here(http)) {
		judgement.tell = part_tell;
		judgement.ctx = &writer;
	}
	watch_judge(&judgement);
	json_end_array(&writer);
	health(exchange, &judgement, &parts);
	buf_free(&parts);
}

static void metrics(struct http_exchange *exchange, const struct http_request *http, struct str secret)
{
	struct buf body;

	if (!is_from_here(http) && !has_secret(http, secret)) {
		http_response_header(exchange, "WWW-Authenticate", STR("Bearer realm=\"metrics\""));
		text(exchange, 401, "Show the secret of metrics.secret_file as Authorization: Bearer.\n");
		return;
	}
	buf_init(&body, METRICS_BYTES_MAX);
	if (metrics_write(&body)) {
		respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
		return;
	}
	buf_free(&body);
	text(exchange, 503, "There is no memory for this.\n");
}

bool operator_answer(struct http_exchange *exchange, struct http_request *http, struct str secret)
{
	static const struct judgement lives = { 0 };
	bool is_live = str_equal(http->path, STR("/health/live"));
	bool is_ready = str_equal(http->path, STR("/health/ready"));
	bool is_metrics = str_equal(http->path, STR("/metrics"));

	if (!is_live && !is_ready && !is_metrics)
		return false;
	http->what = is_metrics ? "metrics" : "health";
	http->is_routine = true;
	if (!str_equal(http->method, STR("GET")) && !http->is_head) {
		http_response_header(exchange, "Allow", STR("GET, HEAD"));
		text(exchange, 405, "Use GET.\n");
	} else if (is_live) {
		health(exchange, &lives, NULL);
	} else if (is_ready) {
		ready(exchange, http);
	} else {
		metrics(exchange, http, secret);
	}
	return true;
}
