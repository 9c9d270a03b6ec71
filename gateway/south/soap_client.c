#include "gateway/south/soap_client.h"

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/spool.h"
#include "gateway/south/backend_call.h"
#include "gateway/south/curl_handle.h"
#include "gateway/south/soap_failure.h"
#include "mappers/base/uuid.h"

/* Documents of one reply, and bytes per millisecond that a document is given time for (256 KiB a second). */
#define REPLY_PARTS_MAX       64
#define DOCUMENT_BYTES_PER_MS 256
#define ENVELOPE_BYTES_MAX    (64u * 1024 * 1024)
#define INLINE_BYTES_MAX      UINT32_MAX
#define FAIR_TIME_MS          1000 /* who does not answer in less may only have been given too little */

/* What goes out, piece by piece; the pieces are borrowed. */
struct outgoing {
	struct str *pieces;
	size_t piece_count;
	size_t piece; /* being sent */
	size_t offset;
	uint64_t total;
	uint64_t sent; /* handed to libcurl, or to the network with its headers */
	struct str assertion_id;
};

/* What comes in. The SOAP part is collected; documents go on to the caller as they come. */
struct incoming {
	CURL *easy;
	const struct south *south;
	const struct soap_call *request;
	struct str message_id;
	struct mtom_parser *parser; /* NULL for a plain answer */
	struct mtom_handler handler;
	struct buf root;
	struct spool *inline_documents[REPLY_PARTS_MAX];
	size_t inline_count;
	struct xds_message *message;
	struct outcome *outcome; /* for the caller's sink: it adds its own issues */
	bool begun;              /* the first bytes of the body are here */
	bool root_open;          /* the part being read is the SOAP part */
	bool root_read;          /* message is filled */
	bool drop;               /* the part being read goes nowhere */
	bool refused;            /* the sink wants no more */
	bool says_no;            /* request->read has read a refusal */
	bool no_memory;
	bool is_page;     /* a web page, or nothing */
	char wrong[128];  /* what is wrong with the answer; empty when nothing is */
	long time_ms;     /* that the transfer was given */
	uint64_t sink_us; /* that the caller's sink has taken of it */
	enum breaker_end end;
};

static size_t send_bytes(char *out, size_t size, size_t count, void *ctx)
{
	struct outgoing *outgoing = ctx;
	size_t room = size * count;
	size_t written = 0;

	while (written < room && outgoing->piece < outgoing->piece_count) {
		struct str rest = str_from(outgoing->pieces[outgoing->piece], outgoing->offset);
		size_t step = rest.size < room - written ? rest.size : room - written;

		if (step > 0)
			memcpy(out + written, rest.data, step);
		written += step;
		outgoing->offset += step;
		if (step == rest.size) {
			outgoing->piece++;
			outgoing->offset = 0;
		}
	}
	outgoing->sent += written;
	return written;
}

static bool answer_wrong(struct incoming *incoming, const char *why)
{
	if (!incoming->wrong[0])
		snprintf(incoming->wrong, sizeof(incoming->wrong), "%s", why);
	return false;
}

static bool sink_refused(struct incoming *incoming)
{
	incoming->refused = true;
	return false;
}

static bool inline_begin(void *ctx, size_t index)
{
	struct incoming *incoming = ctx;

	if (index >= REPLY_PARTS_MAX)
		return answer_wrong(incoming, "too many documents");
	incoming->inline_documents[index] = spool_new(incoming->south->spools, INLINE_BYTES_MAX, false);
	if (!incoming->inline_documents[index]) {
		incoming->no_memory = true;
		return false;
	}
	incoming->inline_count = index + 1;
	return true;
}

static bool inline_data(void *ctx, const void *bytes, size_t size)
{
	struct incoming *incoming = ctx;

	if (spool_write(incoming->inline_documents[incoming->inline_count - 1], bytes, size) == SPOOL_OK)
		return true;
	return answer_wrong(incoming, "a document that is too large");
}

static bool inline_end(void *ctx)
{
	struct incoming *incoming = ctx;

	return spool_finish(incoming->inline_documents[incoming->inline_count - 1]);
}

/* The addressing head must be the answer to our question. WS-Addressing SOAP Binding 1.0, 3: RelatesTo; many real
 * answers leave it out, which is accepted. */
static bool head_check(struct incoming *incoming)
{
	const struct soap_head *head = &incoming->message->head;

	if (!str_is_empty(head->relates_to) && !str_equal(head->relates_to, incoming->message_id))
		return answer_wrong(incoming, "it relates to another message");
	if (!str_is_empty(head->not_understood))
		return answer_wrong(incoming, "it has a SOAP header that must be understood and is not known here");
	return true;
}

/* The SOAP part is complete: read it, tell the caller. */
static bool root_read(struct incoming *incoming)
{
	const struct document_sink *sink = incoming->request->documents;
	struct inline_sink inlines = { incoming, inline_begin, inline_data, inline_end };
	struct outcome reading;

	outcome_init(&reading);
	if (!xds_message_read(buf_str(&incoming->root), sink ? &inlines : NULL, incoming->south->arena,
			      incoming->message, &reading))
		return answer_wrong(incoming, reading.count ? reading.issues[0].text : "no XDS message");
	incoming->root_read = true;
	if (!head_check(incoming))
		return false;
	if (incoming->request->read && incoming->message->kind == HL7V3_BODY)
		incoming->says_no = !incoming->request->read(incoming->request->read_ctx, buf_str(&incoming->root));
	buf_free(&incoming->root);
	if (incoming->message->kind == SOAP_FAULT || !sink)
		return true;
	if (!sink->root(sink->ctx, incoming->message))
		return sink_refused(incoming);
	return true;
}

static bool part_begin(void *ctx, const struct mtom_part *part)
{
	struct incoming *incoming = ctx;
	const struct document_sink *sink = incoming->request->documents;

	incoming->root_open = part->is_root;
	incoming->drop = false;
	if (part->is_root)
		return true;
	if (!incoming->root_read)
		return answer_wrong(incoming, "a document comes before the SOAP part");
	if (!sink || incoming->message->kind == SOAP_FAULT) {
		incoming->drop = true;
		return true;
	}
	if (!sink->begin(sink->ctx, part->content_id, false, 0))
		return sink_refused(incoming);
	return true;
}

/* A sink may lead to a client that is slower than the back-end. */
static bool sink_pass(struct incoming *incoming, const void *bytes, size_t size)
{
	const struct document_sink *sink = incoming->request->documents;
	uint64_t began_us = clock_monotonic_us();
	bool taken = sink->data(sink->ctx, bytes, size);

	incoming->sink_us += clock_monotonic_us() - began_us;
	return taken;
}

static bool part_data(void *ctx, const void *bytes, size_t size)
{
	struct incoming *incoming = ctx;

	if (incoming->root_open) {
		buf_add(&incoming->root, (struct str) { bytes, size });
		return incoming->root.failed ? answer_wrong(incoming, "too large") : true;
	}
	if (incoming->drop)
		return true;
	return sink_pass(incoming, bytes, size) || sink_refused(incoming);
}

static bool part_end(void *ctx)
{
	struct incoming *incoming = ctx;
	const struct document_sink *sink = incoming->request->documents;

	if (incoming->root_open)
		return root_read(incoming);
	if (incoming->drop)
		return true;
	if (!sink->end(sink->ctx))
		return sink_refused(incoming);
	return true;
}

/* The first bytes are here, so the headers are too: is it a package or plain XML? */
static bool body_begin(struct incoming *incoming)
{
	const char *header = NULL;
	struct content_type type;
	struct outcome reading;

	outcome_init(&reading);
	incoming->begun = true;
	if (curl_easy_getinfo(incoming->easy, CURLINFO_CONTENT_TYPE, &header) != CURLE_OK || !header)
		return true; /* some say nothing: if it is not XML, the reader will say so */
	if (!content_type_parse(str_from_c(header), incoming->south->arena, &type, &reading))
		return answer_wrong(incoming, "its Content-Type is malformed");
	incoming->is_page = str_equal(type.media_type, STR("text/html"));
	if (incoming->is_page)
		return answer_wrong(incoming, "a web page");
	if (!content_type_is_multipart(&type))
		return true;
	incoming->handler = (struct mtom_handler) { incoming, part_begin, part_data, part_end };
	incoming->parser = mtom_parser_new(&type, &incoming->handler, REPLY_PARTS_MAX, incoming->south->arena);
	incoming->no_memory = !incoming->parser;
	return incoming->parser != NULL;
}

static bool body_data(struct incoming *incoming, const void *bytes, size_t size)
{
	struct outcome reading;

	if (!incoming->begun && !body_begin(incoming))
		return false;
	if (!incoming->parser) {
		buf_add(&incoming->root, (struct str) { bytes, size });
		return incoming->root.failed ? answer_wrong(incoming, "too large") : true;
	}
	outcome_init(&reading);
	if (mtom_push(incoming->parser, bytes, size, &reading))
		return true;
	return answer_wrong(incoming, reading.count ? reading.issues[0].text : "its package is malformed");
}

static size_t receive_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
	/* Returning less than was given makes libcurl end the transfer with CURLE_WRITE_ERROR. */
	return body_data(ctx, bytes, size * count) ? size * count : 0;
}

/* Inline documents were kept until the SOAP part was read as a whole; now they go the way of the others. */
static bool inline_documents_pass(struct incoming *incoming)
{
	const struct document_sink *sink = incoming->request->documents;

	for (size_t i = 0; i < incoming->inline_count; i++) {
		struct str bytes = spool_view(incoming->inline_documents[i]);

		if (!sink->begin(sink->ctx, STR_NONE, true, i) || !sink->data(sink->ctx, bytes.data, bytes.size) ||
		    !sink->end(sink->ctx))
			return sink_refused(incoming);
	}
	return true;
}

static bool body_end(struct incoming *incoming)
{
	struct outcome reading;

	incoming->is_page = !incoming->begun;
	if (incoming->is_page)
		return answer_wrong(incoming, "it is empty");
	outcome_init(&reading);
	if (incoming->parser) {
		if (!mtom_finish(incoming->parser, &reading))
			return answer_wrong(incoming, reading.count ? reading.issues[0].text : "it is cut short");
	} else if (!root_read(incoming)) {
		return false;
	}
	return inline_documents_pass(incoming);
}

static void incoming_free(struct incoming *incoming)
{
	buf_free(&incoming->root);
	for (size_t i = 0; i < incoming->inline_count; i++)
		spool_free(incoming->inline_documents[i]);
}

/* Says who asks, where the back-end wants to know. A caller whom no assertion can be made for is not sent on unsigned. */
static bool assertion_add(const struct south *south, struct soap_head *head, struct outcome *outcome)
{
	if (!south->xua || !south->caller || str_is_empty(south->backend->xua_audience))
		return true;
	return xua_assertion(south->xua, south->caller, south->patient_id, south->backend->xua_audience, south->arena,
			     &head->assertion, outcome);
}

/* The pieces of the request in their order: a package, or just the envelope. */
static bool outgoing_build(const struct south *south, const struct soap_call *request, struct str message_id,
			   struct buf *text, struct outgoing *outgoing, struct outcome *outcome)
{
	struct xml_writer writer;
	struct soap_head head = soap_request_head(request->action, message_id, str_from_c(request->url));
	struct str boundary = arena_printf(south->arena, "part-%.*s", STR_ARG(str_from(message_id, 9)));
	size_t *ends = arena_array(south->arena, request->attachment_count + 2, sizeof(*ends));
	size_t count = 0;

	outgoing->pieces = arena_array(south->arena, 2 * request->attachment_count + 2, sizeof(struct str));
	if (!boundary.data || !ends || !outgoing->pieces)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!assertion_add(south, &head, outcome))
		return false;
	outgoing->assertion_id = xua_assertion_id(head.assertion);
	if (request->mtom)
		mtom_write_root_head(text, boundary, STR("root@passerelle"));
	xml_writer_init(&writer, text);
	soap_begin(&writer, &head);
	request->write_body(&writer, request->body);
	soap_end(&writer);
	if (!xml_writer_finish(&writer, outcome))
		return false;
	for (size_t i = 0; i < request->attachment_count; i++) {
		const struct soap_attachment *attachment = &request->attachments[i];

		mtom_write_part_head(text, boundary, attachment->content_id, attachment->media_type);
		ends[count++] = text->size;
	}
	if (request->mtom)
		mtom_write_end(text, boundary);
	ends[count++] = text->size;
	if (text->failed)
		return outcome_add(outcome, ERR_TOO_LONG, "", "Send less metadata in one submission.");

	/* Only now: text no longer moves. */
	for (size_t i = 0, begin = 0; i < count; begin = ends[i++]) {
		outgoing->pieces[outgoing->piece_count++] = (struct str) { text->data + begin, ends[i] - begin };
		if (i < request->attachment_count)
			outgoing->pieces[outgoing->piece_count++] = spool_view(request->attachments[i].spool);
	}
	for (size_t i = 0; i < outgoing->piece_count; i++)
		outgoing->total += outgoing->pieces[i].size;
	return true;
}

static struct curl_slist *header_add(struct curl_slist *headers, const struct buf *line)
{
	struct curl_slist *more = line->failed ? NULL : curl_slist_append(headers, line->data);

	if (!more)
		curl_slist_free_all(headers);
	return more;
}

/* Content-Type, no Expect (a body of ours is always wanted), and the trace. NULL without memory. */
static struct curl_slist *headers_build(const struct south *south, const struct soap_call *request,
					struct str message_id)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	struct str boundary = arena_printf(south->arena, "part-%.*s", STR_ARG(str_from(message_id, 9)));
	struct buf line;

	if (!headers || !boundary.data) {
		curl_slist_free_all(headers);
		return NULL;
	}
	buf_init(&line, 4096);
	buf_add(&line, STR("Content-Type: "));
	if (request->mtom)
		mtom_write_content_type(&line, boundary, STR("root@passerelle"), request->action);
	else
		buf_printf(&line, "application/soap+xml; charset=UTF-8; action=\"%.*s\"", STR_ARG(request->action));
	headers = header_add(headers, &line);
	if (headers && south->traceparent) {
		buf_clear(&line);
		buf_printf(&line, "traceparent: %s", south->traceparent);
		headers = header_add(headers, &line);
	}
	buf_free(&line);
	return headers;
}

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

/* What may be asked twice and is one piece goes out with its headers in one write, and libcurl may start again from the
 * beginning when a warm connection turns out dead. All else is read from its pieces without a way back, so that
 * libcurl gives up instead (CURLE_SEND_FAIL_REWIND). */
static bool is_whole(const struct soap_call *request, const struct outgoing *outgoing)
{
	return !request->once && outgoing->piece_count == 1;
}

static bool options_set(CURL *easy, const struct south *south, const struct soap_call *request,
			struct outgoing *outgoing, struct incoming *incoming, struct curl_slist *headers)
{
	int bad;

	incoming->time_ms = exchange_time(south, request, outgoing->total);
	bad = !curl_handle_harden(easy, request->url, &south->backend->tls, south->backend->connect_timeout_ms,
				  incoming->time_ms);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POST, 1L);
	/* Memory of each waiting request: 64 KiB are only of use where documents go out. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, request->attachment_count > 0 ? 65536L : 16384L);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)outgoing->total);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive_bytes);
	bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, incoming);
	if (is_whole(request, outgoing)) {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, outgoing->pieces[0].data);
	} else {
		bad |= (int)curl_easy_setopt(easy, CURLOPT_READFUNCTION, send_bytes);
		bad |= (int)curl_easy_setopt(easy, CURLOPT_READDATA, outgoing);
	}
	/* A warm connection that has died would have to be sent to twice. */
	bad |= (int)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)request->once);
	return bad == 0;
}

/* How the transfer ended, for the log, the client and the breaker. */
static void failure_explain(struct incoming *incoming, const struct outgoing *outgoing, CURLcode code)
{
	struct soap_failure failure = { .code = code,
					.sent = outgoing->sent,
					.wrong = incoming->wrong,
					.is_soap = incoming->root_read,
					.is_page = incoming->is_page,
					.is_fair = incoming->time_ms >= FAIR_TIME_MS ||
						   incoming->time_ms >= incoming->south->backend->timeout_ms,
					.is_ours = incoming->refused || incoming->no_memory ||
						   incoming->sink_us / 500 > (uint64_t)incoming->time_ms };

	curl_easy_getinfo(incoming->easy, CURLINFO_RESPONSE_CODE, &failure.status);
	LOG(WARN, LOG_SOUTH_ERROR, incoming->south->request_id, LOG_TEXT("backend", incoming->south->backend->name),
	    LOG_TEXT("action", incoming->request->action), LOG_NUMBER("curl", code), LOG_NUMBER("http", failure.status),
	    LOG_NUMBER("bytes_sent", outgoing->sent), LOG_C("wrong", incoming->wrong));
	incoming->end = soap_failure_end(&failure);
	if (incoming->no_memory)
		outcome_add(incoming->outcome, ERR_NO_MEMORY, "", "Try again later.");
	else if (!incoming->refused)
		soap_failure_explain(&failure, incoming->outcome);
}

/* Nobody knows what a stranger writes as the reason, patients and places among it: only who debugs sees it. */
static void fault_tell(const struct incoming *incoming)
{
	static const char *const codes[] = { [FAULT_SENDER] = "Sender",
					     [FAULT_RECEIVER] = "Receiver",
					     [FAULT_VERSION_MISMATCH] = "VersionMismatch",
					     [FAULT_MUST_UNDERSTAND] = "MustUnderstand" };
	const struct soap_fault *fault = &incoming->message->fault;
	bool is_probe = incoming->south->is_probe;
	LOG(WARN, LOG_SOUTH_ERROR, incoming->south->request_id, LOG_TEXT("backend", incoming->south->backend->name),
	    LOG_TEXT("action", incoming->request->action), LOG_C("fault", codes[fault->code]));
	LOG(DEBUG, LOG_SOUTH_ERROR, incoming->south->request_id, LOG_TEXT("reason", fault->reason));
	outcome_add(incoming->outcome, ERR_BACKEND_REFUSED, "", "The back-end answered with a SOAP fault%s%s%s%.*s.",
		    is_probe ? ": " : "", is_probe ? codes[fault->code] : "", is_probe ? ", " : "",
		    STR_ARG(is_probe ? fault->reason : STR("; give its operator the id of this request")));
}

/* What came of it. code is what libcurl says of the transfer. */
static enum soap_end exchange_end(struct incoming *incoming, const struct outgoing *outgoing, CURLcode code)
{
	const struct soap_call *request = incoming->request;
	const struct xds_message *message = incoming->message;
	enum soap_end wrong = request->once && outgoing->sent > 0 ? SOAP_UNCLEAR : SOAP_FAILED;

	if (code == CURLE_OK && body_end(incoming) && message->kind == XDS_UNKNOWN)
		answer_wrong(incoming, "it is not an XDS message");
	if (code != CURLE_OK || incoming->wrong[0] || incoming->refused || incoming->no_memory) {
		failure_explain(incoming, outgoing, code);
		return wrong;
	}
	incoming->end = message->kind == SOAP_FAULT && message->fault.code == FAULT_RECEIVER ? BREAKER_FAILED
											     : BREAKER_ANSWERED;
	if (message->kind != SOAP_FAULT)
		return SOAP_ANSWERED;
	fault_tell(incoming);
	return message->fault.code == FAULT_RECEIVER ? wrong : SOAP_FAILED;
}

/* One transfer on the worker's warm handle. */
static enum soap_end transfer(struct incoming *incoming, struct outgoing *outgoing)
{
	CURL *easy = curl_handle_here();
	struct curl_slist *headers = headers_build(incoming->south, incoming->request, incoming->message_id);
	enum soap_end end;

	incoming->easy = easy;
	if (!easy || !headers || !options_set(easy, incoming->south, incoming->request, outgoing, incoming, headers)) {
		outcome_add(incoming->outcome, ERR_NO_MEMORY, "", "Try again later.");
		end = SOAP_FAILED;
	} else {
		CURLcode code = curl_handle_perform(easy);
		long request_bytes = 0;

		if (is_whole(incoming->request, outgoing) &&
		    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes) == CURLE_OK)
			outgoing->sent = (uint64_t)request_bytes;
		end = exchange_end(incoming, outgoing, code);
		curl_easy_reset(easy); /* it must not keep pointers to what ends here */
	}
	curl_slist_free_all(headers);
	return end;
}

/* Tells the recorder how it ended: an answer that says no is a failure too. */
static void exchange_record(const struct incoming *incoming, const struct outgoing *outgoing, enum soap_end end)
{
	const struct south *south = incoming->south;
	const struct soap_call *request = incoming->request;
	const struct xds_message *message = incoming->message;
	const struct outcome *outcome = incoming->outcome;
	struct south_call call = {
		.action = request->action,
		.url = request->url,
		.backend = south->backend->name,
		.patient_id = south->patient_id,
		.assertion_id = outgoing->assertion_id,
		.write_body = request->write_body,
		.body = request->body,
		.succeeded = end == SOAP_ANSWERED && !incoming->says_no &&
			     (message->kind == XDS_UNKNOWN || message->response.status != REGISTRY_FAILURE),
		.code = outcome->count ? outcome->issues[outcome->count - 1].code : ERR_BACKEND_REFUSED
	};

	if (south->recorder)
		south->recorder->called(south->recorder->ctx, &call);
}

static enum soap_end exchange(const struct south *south, const struct soap_call *request, struct xds_message *message,
			      enum breaker_end *breaker_end, struct outcome *outcome)
{
	unsigned char random[16];
	char message_id[UUID_URN_SIZE];
	struct outgoing outgoing = { 0 };
	struct incoming incoming = {
		.south = south, .request = request, .message = message, .outcome = outcome, .end = BREAKER_UNSAID
	};
	struct buf text;
	enum soap_end end = SOAP_FAILED;

	random_bytes(random, sizeof(random));
	uuid_format(random, message_id);
	incoming.message_id = str_from_c(message_id);
	buf_init(&text, ENVELOPE_BYTES_MAX);
	buf_init(&incoming.root, south->backend->reply_bytes_max);
	if (outgoing_build(south, request, incoming.message_id, &text, &outgoing, outcome))
		end = transfer(&incoming, &outgoing);
	exchange_record(&incoming, &outgoing, end);
	incoming_free(&incoming);
	buf_free(&text);
	*breaker_end = incoming.end;
	return end;
}

enum soap_end soap_exchange(const struct south *south, const struct soap_call *request, struct xds_message *message,
			    struct outcome *outcome)
{
	static const char *const how[] = {
		[SOAP_ANSWERED] = "answered", [SOAP_FAILED] = "failed", [SOAP_UNCLEAR] = "unclear"
	};
	struct backend_call call;
	enum breaker_end breaker_end;
	enum soap_end end;

	memset(message, 0, sizeof(*message));
	if (deadline_left_ms(south->deadline) == 0) {
		outcome_add(outcome, ERR_BACKEND_TIMEOUT, "", "There was no time left; try again later.");
		return SOAP_FAILED;
	}
	if (!backend_call_begin(south->backend, request->url, request->action, south->insists, &call, outcome))
		return SOAP_FAILED;
	end = exchange(south, request, message, &breaker_end, outcome);
	backend_call_end(south->backend, &call, breaker_end, how[end]);
	return end;
}
