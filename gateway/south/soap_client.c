/* The exchange: what goes out is built in soap_outgoing.c, what comes in is read in soap_incoming.c, and what went wrong
 * is told in soap_failure.c. */
#include "gateway/south/soap_client.h"

#include "gateway/run/random.h"
#include "gateway/south/backend_call.h"
#include "gateway/south/curl_handle.h"
#include "gateway/south/soap_failure.h"
#include "gateway/south/soap_incoming.h"
#include "gateway/south/soap_outgoing.h"
#include "mappers/base/uuid.h"

/* Bytes per millisecond that a document is given time for (256 KiB a second). */
#define DOCUMENT_BYTES_PER_MS 256
#define FAIR_TIME_MS          1000 /* who does not answer in less may only have been given too little */

struct exchange {
	const struct south *south;
	const struct soap_call *request;
	struct xds_message *message;
	struct outcome *outcome;
	struct soap_outgoing outgoing;
	struct soap_incoming incoming;
	struct backend_call call;
	long time_ms; /* that the transfer was given */
	curl_off_t received;
	enum breaker_end breaker_end; /* what the breaker is told */
};

/* Milliseconds for this exchange: what the back-end is given, more for documents, never past the deadline. */
static long exchange_time(const struct south *south, const struct soap_call *request, uint64_t bytes_out)
{
	uint64_t time = (uint64_t)south->backend->timeout_ms;
	uint64_t left = deadline_left_ms(south->deadline);

	time += (bytes_out + request->reply_bytes_expected) / DOCUMENT_BYTES_PER_MS;
	if (time > left)
		time = left;
	return time > INT32_MAX ? INT32_MAX : (long)time;
}

/* Whenever something comes, and about once a second while nothing does: libcurl ends the transfer with
 * CURLE_ABORTED_BY_CALLBACK when told so. */
static int progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
	struct exchange *exchange = ctx;

	(void)down_total;
	(void)up_total;
	(void)up;
	if (down > exchange->received) {
		exchange->received = down;
		silence_heard(&exchange->call.silence);
	}
	return down == 0 && silence_gives_way(&exchange->call.silence);
}

static bool options_set(CURL *easy, struct exchange *exchange, struct curl_slist *headers)
{
	const struct south *south = exchange->south;
	const struct soap_call *request = exchange->request;
	struct soap_outgoing *outgoing = &exchange->outgoing;
	int bad;

	exchange->time_ms = exchange_time(south, request, outgoing->total);
	bad = !curl_handle_harden(easy, request->url, &south->backend->tls, south->backend->connect_timeout_ms,
				  exchange->time_ms);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	/* Memory of each waiting request: 64 KiB are only of use where documents go out. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, request->attachment_count > 0 ? 65536L : 16384L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)outgoing->total);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, soap_incoming_receive);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange->incoming);
	if (soap_outgoing_is_whole(outgoing, request)) {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, outgoing->pieces[0].data);
	} else {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_READFUNCTION, soap_outgoing_send);
		bad |= (int)curl_easy_setopt(easy, CURLOPT_READDATA, outgoing);
	}
	if (exchange->call.silence.patience_ms > 0) {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, progress);
		bad |= (int)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, exchange);
		bad |= (int)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	}
	/* A warm connection that has died would have to be sent to twice. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)request->once);
	return bad == 0;
}

/* How the transfer ended, for the log, the client and the breaker. code is what libcurl says of it. */
static void failure_tell(struct exchange *exchange, CURLcode code)
{
	const struct soap_incoming *incoming = &exchange->incoming;
	struct soap_failure failure = { .code = code,
					.sent = exchange->outgoing.sent,
					.wrong = incoming->wrong,
					.is_soap = incoming->root_read,
					.is_page = incoming->is_page,
					.is_fair = exchange->time_ms >= FAIR_TIME_MS ||
						   exchange->time_ms >= exchange->south->backend->timeout_ms,
					.is_ours = incoming->refused || incoming->no_memory ||
						   incoming->sink_us / 500 > (uint64_t)exchange->time_ms };

	curl_easy_getinfo(incoming->easy, CURLINFO_RESPONSE_CODE, &failure.status);
	soap_failure_log(&failure, exchange->south, exchange->request->action);
	exchange->breaker_end = soap_failure_end(&failure);
	if (incoming->no_memory)
		outcome_add(exchange->outcome, ERR_NO_MEMORY, "", "Try again later.");
	else if (!incoming->refused)
		soap_failure_explain(&failure, exchange->south->is_probe, exchange->outcome);
}

/* What came of it. code is what libcurl says of the transfer. */
static enum soap_end exchange_end(struct exchange *exchange, CURLcode code)
{
	const struct soap_call *request = exchange->request;
	const struct xds_message *message = exchange->message;
	enum soap_end wrong = request->once && exchange->outgoing.sent > 0 ? SOAP_UNCLEAR : SOAP_FAILED;

	if (code != CURLE_OK || !soap_incoming_end(&exchange->incoming)) {
		failure_tell(exchange, code);
		return wrong;
	}
	exchange->breaker_end = soap_message_end(message);
	if (message->kind != SOAP_FAULT)
		return SOAP_ANSWERED;
	soap_fault_explain(&message->fault, exchange->south, request->action, exchange->outcome);
	return message->fault.code == FAULT_RECEIVER ? wrong : SOAP_FAILED;
}

/* One transfer on the worker's warm handle. */
static enum soap_end transfer(struct exchange *exchange)
{
	struct soap_outgoing *outgoing = &exchange->outgoing;
	CURL *easy = curl_handle_here();
	struct curl_slist *headers = soap_outgoing_headers(exchange->south, exchange->request, outgoing);
	enum soap_end end;

	exchange->incoming.easy = easy;
	if (!easy || !headers || !options_set(easy, exchange, headers)) {
		outcome_add(exchange->outcome, ERR_NO_MEMORY, "", "Try again later.");
		end = SOAP_FAILED;
	} else {
		CURLcode code = curl_handle_perform(easy);
		long request_bytes = 0;

		if (soap_outgoing_is_whole(outgoing, exchange->request) &&
		    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes) == CURLE_OK)
			outgoing->sent = (uint64_t)request_bytes;
		end = exchange_end(exchange, code);
		curl_easy_reset(easy); /* it must not keep pointers to what ends here */
	}
	curl_slist_free_all(headers);
	return end;
}

/* Tells the recorder how it ended: an answer that says no is a failure too. */
static void exchange_record(const struct exchange *exchange, enum soap_end end)
{
	const struct south *south = exchange->south;
	const struct soap_call *request = exchange->request;
	const struct xds_message *message = exchange->message;
	const struct outcome *outcome = exchange->outcome;
	struct south_call call = {
		.action = request->action,
		.url = request->url,
		.backend = south->backend->name,
		.patient_id = south->patient_id,
		.assertion_id = exchange->outgoing.assertion_id,
		.write_body = request->write_body,
		.body = request->body,
		.succeeded = end == SOAP_ANSWERED && !exchange->incoming.says_no &&
			     (message->kind == XDS_UNKNOWN || message->response.status != REGISTRY_FAILURE),
		.code = outcome->count ? outcome->issues[outcome->count - 1].code : ERR_BACKEND_REFUSED
	};

	if (south->recorder)
		south->recorder->called(south->recorder->ctx, &call);
}

static enum soap_end exchange_run(struct exchange *exchange)
{
	unsigned char random[16];
	char message_id[UUID_URN_SIZE];
	enum soap_end end = SOAP_FAILED;

	random_bytes(random, sizeof(random));
	uuid_format(random, message_id);
	soap_incoming_init(&exchange->incoming, exchange->south, exchange->request, str_from_c(message_id),
			   exchange->message);
	if (soap_outgoing_build(exchange->south, exchange->request, str_from_c(message_id), &exchange->outgoing,
				exchange->outcome))
		end = transfer(exchange);
	exchange_record(exchange, end);
	soap_incoming_free(&exchange->incoming);
	soap_outgoing_free(&exchange->outgoing);
	return end;
}

enum soap_end soap_exchange(const struct south *south, const struct soap_call *request, struct xds_message *message,
			    struct outcome *outcome)
{
	static const char *const how[] = {
		[SOAP_ANSWERED] = "answered", [SOAP_FAILED] = "failed", [SOAP_UNCLEAR] = "unclear"
	};
	struct exchange exchange = { .south = south,
				     .request = request,
				     .message = message,
				     .outcome = outcome,
				     .breaker_end = BREAKER_UNSAID };
	const struct asking asking = { request->url, request->action, south->insists, south->gives_way };
	enum soap_end end;

	memset(message, 0, sizeof(*message));
	if (deadline_left_ms(south->deadline) == 0) {
		outcome_add(outcome, ERR_BACKEND_TIMEOUT, "", "There was no time left; try again later.");
		return SOAP_FAILED;
	}
	if (!backend_call_begin(south->backend, &asking, &exchange.call, outcome))
		return SOAP_FAILED;
	end = exchange_run(&exchange);
	backend_call_end(south->backend, &exchange.call, exchange.breaker_end, how[end]);
	return end;
}
