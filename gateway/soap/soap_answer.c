#include "gateway/soap/soap_answer.h"

#include <errno.h>
#include <unistd.h>

#include "gateway/run/random.h"
#include "mappers/base/uuid.h"

#define ANSWER_BYTES_MAX (256U << 20)
#define FAULT_BYTES_MAX  65536
#define STREAM_BYTES     65536
#define ROOT_ID          "root@passerelle"

static void message_id_new(char text[UUID_URN_SIZE])
{
	unsigned char random[16];

	random_bytes(random, sizeof random);
	uuid_format(random, text);
}

bool soap_answer_begin(struct soap_answer *answer, const struct soap_head *request, struct str action, bool mtom,
		       struct arena *arena)
{
	char id[UUID_URN_SIZE];

	*answer = (struct soap_answer) { .mtom = mtom, .arena = arena };
	buf_init(&answer->body, ANSWER_BYTES_MAX);
	xml_writer_init(&answer->writer, &answer->body);
	answer->action = action;
	if (!action.data)
		return false;
	message_id_new(id);
	struct soap_head head = soap_response_head(answer->action, str_from_c(id), request);

	soap_begin(&answer->writer, &head);
	return true;
}

struct xml_writer *soap_answer_writer(struct soap_answer *answer)
{
	return &answer->writer;
}

static struct str part_add(struct soap_answer *answer, const struct soap_part *part)
{
	struct str id = arena_printf(answer->arena, "document%zu@passerelle", answer->attachment_count + 1);
	struct str type = arena_copy(answer->arena, part->content_type);
	struct soap_part *added;

	if (!id.data || !type.data ||
	    !arena_grow(answer->arena, &answer->attachments, answer->attachment_count, &answer->attachment_capacity,
			sizeof *answer->attachments))
		return STR_NONE;
	added = &answer->attachments[answer->attachment_count++];
	*added = *part;
	added->content_id = id;
	added->content_type = type;
	return id;
}

struct str soap_answer_attach(struct soap_answer *answer, int descriptor, uint64_t size, struct str content_type)
{
	struct str id =
		part_add(answer,
			 &(struct soap_part) { .content_type = content_type, .size = size, .descriptor = descriptor });

	if (!id.data)
		close(descriptor);
	return id;
}

struct str soap_answer_attach_spool(struct soap_answer *answer, struct spool *document, struct str content_type)
{
	struct str id = part_add(answer, &(struct soap_part) { .content_type = content_type,
							       .size = spool_size(document),
							       .descriptor = -1,
							       .spool = document });

	if (!id.data)
		spool_free(document);
	return id;
}

struct str soap_answer_announce(struct soap_answer *answer, uint64_t size, struct str content_type)
{
	return part_add(answer, &(struct soap_part) { .content_type = content_type, .size = size, .descriptor = -1 });
}

void soap_answer_free(struct soap_answer *answer)
{
	for (size_t i = 0; i < answer->attachment_count; i++) {
		if (answer->attachments[i].descriptor >= 0)
			close(answer->attachments[i].descriptor);
		spool_free(answer->attachments[i].spool);
	}
	answer->attachment_count = 0;
	buf_free(&answer->body);
}

/* One file through the stream. False when the client is gone or the file is shorter than it was. */
static bool file_stream(const struct soap_part *part, struct http_exchange *exchange)
{
	char bytes[STREAM_BYTES];
	uint64_t left = part->size;

	while (left > 0) {
		ssize_t got = read(part->descriptor, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || !http_stream_write(exchange, bytes, (size_t)got))
			return false;
		left -= (uint64_t)got;
	}
	return true;
}

/* What was announced comes by soap_answer_write. */
static bool part_stream(const struct soap_part *part, struct http_exchange *exchange)
{
	struct str view;

	if (part->descriptor >= 0)
		return file_stream(part, exchange);
	if (!part->spool)
		return true;
	view = spool_view(part->spool);
	return http_stream_write(exchange, view.data, view.size);
}

/* What stands between the parts: before the root, before each document, the end. In the arena; NULL without memory. */
static struct str *package_heads(const struct soap_answer *answer, struct str boundary)
{
	size_t count = answer->attachment_count + 2;
	struct str *heads = arena_array(answer->arena, count, sizeof *heads);
	bool ok = heads != NULL;
	struct buf text;

	buf_init(&text, FAULT_BYTES_MAX);
	for (size_t i = 0; ok && i < count; i++) {
		buf_clear(&text);
		if (i == 0)
			mtom_write_root_head(&text, boundary, STR(ROOT_ID));
		else if (i == count - 1)
			mtom_write_end(&text, boundary);
		else
			mtom_write_part_head(&text, boundary, answer->attachments[i - 1].content_id,
					     answer->attachments[i - 1].content_type);
		heads[i] = text.failed ? STR_NONE : arena_copy(answer->arena, buf_str(&text));
		ok = heads[i].data != NULL;
	}
	buf_free(&text);
	return ok ? heads : NULL;
}

static bool package_type_header(const struct soap_answer *answer, struct str boundary, struct http_exchange *exchange)
{
	struct buf type;
	bool ok;

	buf_init(&type, FAULT_BYTES_MAX);
	mtom_write_content_type(&type, boundary, STR(ROOT_ID), answer->action);
	ok = !type.failed;
	if (ok)
		http_response_header(exchange, "Content-Type", buf_str(&type));
	buf_free(&type);
	return ok;
}

/* The package up to its end, its length known before the first byte goes. False: the client is gone, or, when nothing
 * was sent, there was no memory. */
static bool package_begin(struct soap_answer *answer, struct http_exchange *exchange)
{
	char boundary_text[UUID_URN_SIZE];
	struct str boundary;
	struct str *heads;
	size_t count = answer->attachment_count;
	uint64_t length = answer->body.size;
	bool ok;

	message_id_new(boundary_text);
	boundary = str_from(str_from_c(boundary_text), sizeof "urn:uuid:" - 1);
	heads = package_heads(answer, boundary);
	if (!heads || !package_type_header(answer, boundary, exchange))
		return false;
	for (size_t i = 0; i < count + 2; i++)
		length += heads[i].size;
	for (size_t i = 0; i < count; i++)
		length += answer->attachments[i].size;
	answer->exchange = exchange;
	answer->package_end = heads[count + 1];
	ok = http_stream_begin(exchange, 200, length) && http_stream_write(exchange, heads[0].data, heads[0].size) &&
	     http_stream_write(exchange, answer->body.data, answer->body.size);
	for (size_t i = 0; ok && i < count; i++)
		ok = http_stream_write(exchange, heads[i + 1].data, heads[i + 1].size) &&
		     part_stream(&answer->attachments[i], exchange);
	return ok;
}

bool soap_answer_open(struct soap_answer *answer, struct http_exchange *exchange, struct outcome *outcome)
{
	soap_end(&answer->writer);
	if (!xml_writer_finish(&answer->writer, outcome))
		return false;
	return package_begin(answer, exchange) || http_answered(exchange) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

bool soap_answer_write(struct soap_answer *answer, const void *bytes, size_t size)
{
	return http_stream_write(answer->exchange, bytes, size);
}

bool soap_answer_end(struct soap_answer *answer)
{
	return http_stream_write(answer->exchange, answer->package_end.data, answer->package_end.size) &&
	       http_stream_end(answer->exchange);
}

static void plain_type_header(struct http_exchange *exchange, struct str action)
{
	struct buf type;

	buf_init(&type, FAULT_BYTES_MAX);
	buf_printf(&type, "application/soap+xml; charset=UTF-8; action=\"%.*s\"", STR_ARG(action));
	http_response_header(exchange, "Content-Type", buf_str(&type));
	buf_free(&type);
}

bool soap_answer_send(struct soap_answer *answer, struct http_exchange *exchange, struct outcome *outcome)
{
	if (answer->exchange)
		return true;
	if (answer->mtom) {
		if (!soap_answer_open(answer, exchange, outcome))
			return false;
		if (!soap_answer_end(answer))
			http_stream_abort(exchange);
		return true;
	}
	soap_end(&answer->writer);
	if (!xml_writer_finish(&answer->writer, outcome))
		return false;
	plain_type_header(exchange, answer->action);
	return http_respond_buf(exchange, 200, &answer->body);
}

void soap_fault_send(struct http_exchange *exchange, const struct soap_fault *fault, const struct soap_head *request,
		     int status)
{
	static const struct soap_head no_head;
	char id[UUID_URN_SIZE];
	struct str action = fault->subcode.size && !fault->subcode_of_security ? STR(ACTION_ADDRESSING_FAULT)
									       : STR(ACTION_SOAP_FAULT);
	struct outcome outcome;
	struct xml_writer writer;
	struct buf body;

	buf_init(&body, FAULT_BYTES_MAX);
	xml_writer_init(&writer, &body);
	message_id_new(id);
	struct soap_head head = soap_response_head(action, str_from_c(id), request ? request : &no_head);

	soap_begin(&writer, &head);
	soap_fault_write(&writer, fault);
	soap_end(&writer);
	outcome_init(&outcome);
	if (!xml_writer_finish(&writer, &outcome))
		buf_clear(&body);
	plain_type_header(exchange, action);
	http_respond_buf(exchange, status ? status : soap_fault_http_status(fault->code), &body);
	buf_free(&body);
}
