#include "gateway/soap/soap_answer.h"

#include <errno.h>
#include <unistd.h>

#include "gateway/run/random.h"
#include "mappers/base/uuid.h"

#define ANSWER_BYTES_MAX (256U << 20)
#define FAULT_BYTES_MAX  65536
#define STREAM_BYTES     65536
#define ROOT_ID          "root@domain.passerelle"

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

struct str soap_answer_attach(struct soap_answer *answer, int descriptor, uint64_t size, struct str content_type)
{
	struct str id = arena_printf(answer->arena, "document%zu@domain.passerelle", answer->attachment_count + 1);
	struct str type = arena_copy(answer->arena, content_type);

	if (!id.data || !type.data ||
	    !arena_grow(answer->arena, &answer->attachments, answer->attachment_count, &answer->attachment_capacity,
			sizeof *answer->attachments)) {
		close(descriptor);
		return STR_NONE;
	}
	answer->attachments[answer->attachment_count++] =
		(struct soap_part) { .content_id = id, .content_type = type, .size = size, .descriptor = descriptor };
	return id;
}

void soap_answer_free(struct soap_answer *answer)
{
	for (size_t i = 0; i < answer->attachment_count; i++)
		close(answer->attachments[i].descriptor);
	answer->attachment_count = 0;
	buf_free(&answer->body);
}

/* One file through the stream. False when the client is gone or the file is shorter than it was. */
static bool attachment_stream(const struct soap_part *attachment, struct http_exchange *exchange)
{
	char bytes[STREAM_BYTES];
	uint64_t left = attachment->size;

	while (left > 0) {
		ssize_t got = read(attachment->descriptor, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || !http_stream_write(exchange, bytes, (size_t)got))
			return false;
		left -= (uint64_t)got;
	}
	return true;
}

/* The package apart from the files, so that its length is known before the first byte goes. */
static bool package_send(struct soap_answer *answer, struct http_exchange *exchange)
{
	char boundary_text[UUID_URN_SIZE];
	struct buf type;
	struct buf *heads = arena_array(answer->arena, answer->attachment_count + 2, sizeof *heads);
	size_t head_count = answer->attachment_count + 2; /* before the root, before each file, the end */
	uint64_t length = answer->body.size;
	bool ok = true;

	if (!heads)
		return false;
	message_id_new(boundary_text);
	struct str boundary = str_from(str_from_c(boundary_text), sizeof "urn:uuid:" - 1);

	buf_init(&type, FAULT_BYTES_MAX);
	mtom_write_content_type(&type, boundary, STR(ROOT_ID), answer->action);
	for (size_t i = 0; i < head_count; i++) {
		buf_init(&heads[i], FAULT_BYTES_MAX);
		if (i == 0) {
			mtom_write_root_head(&heads[i], boundary, STR(ROOT_ID));
		} else if (i == head_count - 1) {
			mtom_write_end(&heads[i], boundary);
		} else {
			mtom_write_part_head(&heads[i], boundary, answer->attachments[i - 1].content_id,
					     answer->attachments[i - 1].content_type);
			length += answer->attachments[i - 1].size;
		}
		length += heads[i].size;
		ok = ok && !heads[i].failed;
	}
	if (ok && !type.failed) {
		http_response_header(exchange, "Content-Type", buf_str(&type));
		ok = http_stream_begin(exchange, 200, length) &&
		     http_stream_write(exchange, heads[0].data, heads[0].size) &&
		     http_stream_write(exchange, answer->body.data, answer->body.size);
		for (size_t i = 0; ok && i < answer->attachment_count; i++)
			ok = http_stream_write(exchange, heads[i + 1].data, heads[i + 1].size) &&
			     attachment_stream(&answer->attachments[i], exchange);
		if (ok && http_stream_write(exchange, heads[head_count - 1].data, heads[head_count - 1].size))
			http_stream_end(exchange);
		else if (http_answered(exchange))
			http_stream_abort(exchange);
	}
	for (size_t i = 0; i < head_count; i++)
		buf_free(&heads[i]);
	buf_free(&type);
	return http_answered(exchange);
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
	soap_end(&answer->writer);
	if (!xml_writer_finish(&answer->writer, outcome))
		return false;
	if (answer->mtom)
		return package_send(answer, exchange) ||
		       outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
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
