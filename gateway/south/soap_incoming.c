#include "gateway/south/soap_incoming.h"

#include "gateway/run/clock.h"
#include "gateway/run/spool.h"
#include "gateway/south/soap_client.h"

#define INLINE_BYTES_MAX UINT32_MAX

static bool answer_wrong(struct soap_incoming *incoming, const char *why)
{
	if (!incoming->wrong[0])
		snprintf(incoming->wrong, sizeof(incoming->wrong), "%s", why);
	return false;
}

static bool sink_refused(struct soap_incoming *incoming)
{
	incoming->refused = true;
	return false;
}

static bool inline_begin(void *ctx, size_t index)
{
	struct soap_incoming *incoming = ctx;

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
	struct soap_incoming *incoming = ctx;

	if (spool_write(incoming->inline_documents[incoming->inline_count - 1], bytes, size) == SPOOL_OK)
		return true;
	return answer_wrong(incoming, "a document that is too large");
}

static bool inline_end(void *ctx)
{
	struct soap_incoming *incoming = ctx;

	return spool_finish(incoming->inline_documents[incoming->inline_count - 1]);
}

/* The addressing head must be the answer to our question. WS-Addressing SOAP Binding 1.0, 3: RelatesTo; many real
 * answers leave it out, which is accepted. */
static bool head_check(struct soap_incoming *incoming)
{
	const struct soap_head *head = &incoming->message->head;

	if (!str_is_empty(head->relates_to) && !str_equal(head->relates_to, incoming->message_id))
		return answer_wrong(incoming, "it relates to another message");
	if (!str_is_empty(head->not_understood))
		return answer_wrong(incoming, "it has a SOAP header that must be understood and is not known here");
	return true;
}

/* The SOAP part is complete: read it, tell the caller. */
static bool root_read(struct soap_incoming *incoming)
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
	struct soap_incoming *incoming = ctx;
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
static bool sink_pass(struct soap_incoming *incoming, const void *bytes, size_t size)
{
	const struct document_sink *sink = incoming->request->documents;
	uint64_t began_us = clock_monotonic_us();
	bool taken = sink->data(sink->ctx, bytes, size);

	incoming->sink_us += clock_monotonic_us() - began_us;
	return taken;
}

static bool part_data(void *ctx, const void *bytes, size_t size)
{
	struct soap_incoming *incoming = ctx;

	if (incoming->root_open) {
		buf_add(&incoming->root, (struct str) { bytes, size });
		return incoming->root.failed ? answer_wrong(incoming, "too large") : true;
	}
	if (incoming->drop) {
		incoming->dropped += size;
		return incoming->dropped <= incoming->south->backend->reply_bytes_max ||
		       answer_wrong(incoming, "too large");
	}
	return sink_pass(incoming, bytes, size) || sink_refused(incoming);
}

static bool part_end(void *ctx)
{
	struct soap_incoming *incoming = ctx;
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
static bool body_begin(struct soap_incoming *incoming)
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

static bool body_data(struct soap_incoming *incoming, const void *bytes, size_t size)
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

size_t soap_incoming_receive(char *bytes, size_t size, size_t count, void *ctx)
{
	/* Returning less than was given makes libcurl end the transfer with CURLE_WRITE_ERROR. */
	return body_data(ctx, bytes, size * count) ? size * count : 0;
}

/* Inline documents were kept until the SOAP part was read as a whole; now they go the way of the others. */
static bool inline_documents_pass(struct soap_incoming *incoming)
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

/* The last bytes are here. */
static bool body_end(struct soap_incoming *incoming)
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

bool soap_incoming_end(struct soap_incoming *incoming)
{
	if (!body_end(incoming))
		return false;
	return incoming->message->kind != XDS_UNKNOWN || answer_wrong(incoming, "it is not an XDS message");
}

void soap_incoming_init(struct soap_incoming *incoming, const struct south *south, const struct soap_call *request,
			struct str message_id, struct xds_message *message)
{
	*incoming = (struct soap_incoming) {
		.south = south, .request = request, .message_id = message_id, .message = message
	};
	buf_init(&incoming->root, south->backend->reply_bytes_max);
}

void soap_incoming_free(struct soap_incoming *incoming)
{
	buf_free(&incoming->root);
	for (size_t i = 0; i < incoming->inline_count; i++)
		spool_free(incoming->inline_documents[i]);
}
