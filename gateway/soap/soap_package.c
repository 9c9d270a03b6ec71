#include "gateway/soap/soap_package.h"

/* What goes on while a package is read: first for its root, later for the documents. */
struct package_reading {
	struct soap_request *request;
	struct buf *root;                      /* first pass */
	const struct soap_document_sink *sink; /* second pass */
	bool *taken;                           /* documents that have had their part */
	bool is_wanted;                        /* the present part */
	struct outcome *outcome;
};

static struct str body_view(const struct soap_request *request)
{
	return request->http->body ? spool_view(request->http->body) : STR("");
}

static bool package_read(struct soap_request *request, const struct mtom_handler *handler, struct outcome *outcome)
{
	struct str body = body_view(request);
	struct mtom_parser *parser = mtom_parser_new(&request->type, handler, SOAP_PARTS_MAX, request->arena);

	if (!parser)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	return mtom_push(parser, body.data, body.size, outcome) && mtom_finish(parser, outcome);
}

static bool root_begin(void *ctx, const struct mtom_part *part)
{
	struct package_reading *reading = ctx;

	reading->is_wanted = part->is_root;
	return true;
}

static bool root_data(void *ctx, const void *bytes, size_t size)
{
	struct package_reading *reading = ctx;

	if (!reading->is_wanted)
		return true;
	buf_add(reading->root, (struct str) { bytes, size });
	return !reading->root->failed ||
	       outcome_add(reading->outcome, ERR_TOO_LONG, "",
			   "Send documents as MIME parts: the SOAP message itself is too long.");
}

static bool part_end(void *ctx)
{
	struct package_reading *reading = ctx;

	reading->is_wanted = false;
	return true;
}

static void root_release(void *buf)
{
	buf_free(buf);
}

static bool root_read(struct soap_request *request, uint64_t root_bytes_max, struct outcome *outcome)
{
	struct buf *root = arena_alloc(request->arena, sizeof *root);
	struct package_reading reading = { .request = request, .root = root, .outcome = outcome };
	const struct mtom_handler handler = {
		.ctx = &reading, .part_begin = root_begin, .part_data = root_data, .part_end = part_end
	};

	if (!root)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	buf_init(root, root_bytes_max);
	if (!arena_defer(request->arena, root_release, root))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	if (!package_read(request, &handler, outcome))
		return false;
	request->root = buf_str(root);
	return true;
}

bool soap_package_open(struct soap_request *request, uint64_t root_bytes_max, struct outcome *outcome)
{
	struct str header = http_request_header(request->http, STR("Content-Type"));

	if (!header.data)
		return outcome_add(outcome, ERR_MEDIA_TYPE, "",
				   "Send Content-Type application/soap+xml, or multipart/related for MTOM.");
	if (!content_type_parse(header, request->arena, &request->type, outcome))
		return false;
	if (content_type_is_multipart(&request->type)) {
		request->is_mtom = true;
		return root_read(request, root_bytes_max, outcome);
	}
	if (!str_equal(request->type.media_type, STR("application/soap+xml")))
		return outcome_add(outcome, ERR_MEDIA_TYPE, "",
				   "Send SOAP 1.2: Content-Type application/soap+xml, or multipart/related for MTOM.");
	request->root = body_view(request);
	if (request->root.size > root_bytes_max)
		return outcome_add(outcome, ERR_TOO_LONG, "", "Send a shorter message, with documents as MIME parts.");
	return true;
}

/* The document that this part belongs to and that has no bytes yet; document_count when there is none. */
static size_t document_of(const struct package_reading *reading, struct str content_id)
{
	const struct xds_message *message = &reading->request->message;
	size_t i = 0;

	while (i < message->document_count &&
	       (reading->taken[i] || !message->documents[i].content.content_id.data ||
		!content_id_matches(message->documents[i].content.content_id, content_id)))
		i++;
	return i;
}

static bool document_begin(void *ctx, const struct mtom_part *part)
{
	struct package_reading *reading = ctx;
	size_t index = document_of(reading, part->content_id);

	reading->is_wanted = !part->is_root && index < reading->request->message.document_count;
	if (!reading->is_wanted)
		return true;
	reading->taken[index] = true;
	return reading->sink->begin(reading->sink->ctx, index);
}

static bool document_data(void *ctx, const void *bytes, size_t size)
{
	struct package_reading *reading = ctx;

	return !reading->is_wanted || reading->sink->data(reading->sink->ctx, bytes, size);
}

static bool document_end(void *ctx)
{
	struct package_reading *reading = ctx;

	return !reading->is_wanted || reading->sink->end(reading->sink->ctx);
}

/* Inline documents are counted apart: this finds the document that has the inline index. */
static bool inline_begin(void *ctx, size_t index)
{
	struct package_reading *reading = ctx;
	const struct xds_message *message = &reading->request->message;
	size_t i = 0;

	while (i < message->document_count &&
	       !(message->documents[i].content.is_inline && message->documents[i].content.inline_index == index))
		i++;
	reading->is_wanted = i < message->document_count;
	return !reading->is_wanted || reading->sink->begin(reading->sink->ctx, i);
}

/* The message is read a second time, now with somewhere to put the bytes: the first time nobody knew whether they
 * were wanted. */
static bool inline_documents_read(struct package_reading *reading, struct outcome *outcome)
{
	const struct inline_sink sink = {
		.ctx = reading, .begin = inline_begin, .data = document_data, .end = document_end
	};
	struct xds_message *again = arena_alloc(reading->request->arena, sizeof *again);

	if (!again)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	return xds_message_read(reading->request->root, &sink, reading->request->arena, again, outcome);
}

bool soap_documents_read(struct soap_request *request, const struct soap_document_sink *sink, struct outcome *outcome)
{
	const struct xds_message *message = &request->message;
	struct package_reading reading = { .request = request, .sink = sink, .outcome = outcome };
	const struct mtom_handler handler = {
		.ctx = &reading, .part_begin = document_begin, .part_data = document_data, .part_end = document_end
	};
	bool has_parts = false;
	bool has_inline = false;

	reading.taken = arena_array(request->arena, message->document_count, sizeof *reading.taken);
	if (!reading.taken)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	for (size_t i = 0; i < message->document_count; i++) {
		has_parts = has_parts || message->documents[i].content.content_id.data;
		has_inline = has_inline || message->documents[i].content.is_inline;
	}
	if (has_parts && request->is_mtom && !package_read(request, &handler, outcome))
		return false;
	return !has_inline || inline_documents_read(&reading, outcome);
}
