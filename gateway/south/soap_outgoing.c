#include "gateway/south/soap_outgoing.h"

#include "gateway/run/spool.h"
#include "gateway/south/soap_client.h"

#define ENVELOPE_BYTES_MAX (64u * 1024 * 1024)
#define ROOT_ID            "root@passerelle" /* of the part that is the envelope */

/* Says who asks, where the back-end wants to know. A caller whom no assertion can be made for is not sent on unsigned. */
static bool assertion_add(const struct south *south, struct soap_head *head, struct outcome *outcome)
{
	if (!south->xua || !south->caller || str_is_empty(south->backend->xua_audience))
		return true;
	return xua_assertion(south->xua, south->caller, south->patient_id, south->backend->xua_audience, south->arena,
			     &head->assertion, outcome);
}

/* Puts the text, divided where ends says, and the attachments in their order. Only when the text is whole: it no longer
 * moves. */
static void pieces_lay(const struct soap_call *request, const size_t *ends, size_t count,
		       struct soap_outgoing *outgoing)
{
	for (size_t i = 0, begin = 0; i < count; begin = ends[i++]) {
		outgoing->pieces[outgoing->piece_count++] =
			(struct str) { outgoing->text.data + begin, ends[i] - begin };
		if (i < request->attachment_count)
			outgoing->pieces[outgoing->piece_count++] = spool_view(request->attachments[i].spool);
	}
	for (size_t i = 0; i < outgoing->piece_count; i++)
		outgoing->total += outgoing->pieces[i].size;
}

bool soap_outgoing_build(const struct south *south, const struct soap_call *request, struct str message_id,
			 struct soap_outgoing *outgoing, struct outcome *outcome)
{
	struct xml_writer writer;
	struct soap_head head = soap_request_head(request->action, message_id, str_from_c(request->url));
	struct buf *text = &outgoing->text;
	size_t *ends = arena_array(south->arena, request->attachment_count + 2, sizeof(*ends));
	size_t count = 0;

	*outgoing = (struct soap_outgoing) { 0 };
	buf_init(text, ENVELOPE_BYTES_MAX);
	outgoing->boundary = arena_printf(south->arena, "part-%.*s", STR_ARG(str_from(message_id, 9)));
	outgoing->pieces = arena_array(south->arena, 2 * request->attachment_count + 2, sizeof(struct str));
	if (!outgoing->boundary.data || !ends || !outgoing->pieces)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!assertion_add(south, &head, outcome))
		return false;
	outgoing->assertion_id = xua_assertion_id(head.assertion);
	if (request->mtom)
		mtom_write_root_head(text, outgoing->boundary, STR(ROOT_ID));
	xml_writer_init(&writer, text);
	soap_begin(&writer, &head);
	request->write_body(&writer, request->body);
	soap_end(&writer);
	if (!xml_writer_finish(&writer, outcome))
		return false;
	for (size_t i = 0; i < request->attachment_count; i++) {
		const struct soap_attachment *attachment = &request->attachments[i];

		mtom_write_part_head(text, outgoing->boundary, attachment->content_id, attachment->media_type);
		ends[count++] = text->size;
	}
	if (request->mtom)
		mtom_write_end(text, outgoing->boundary);
	ends[count++] = text->size;
	if (text->failed)
		return outcome_add(outcome, ERR_TOO_LONG, "", "Send less metadata in one submission.");
	pieces_lay(request, ends, count, outgoing);
	return true;
}

void soap_outgoing_free(struct soap_outgoing *outgoing)
{
	buf_free(&outgoing->text);
}

static struct curl_slist *header_add(struct curl_slist *headers, const struct buf *line)
{
	struct curl_slist *more = line->failed ? NULL : curl_slist_append(headers, line->data);

	if (!more)
		curl_slist_free_all(headers);
	return more;
}

/* Content-Type, no Expect (a body of ours is always wanted), and the trace. */
struct curl_slist *soap_outgoing_headers(const struct south *south, const struct soap_call *request,
					 const struct soap_outgoing *outgoing)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	struct buf line;

	if (!headers)
		return NULL;
	buf_init(&line, 4096);
	buf_add(&line, STR("Content-Type: "));
	if (request->mtom)
		mtom_write_content_type(&line, outgoing->boundary, STR(ROOT_ID), request->action);
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

bool soap_outgoing_is_whole(const struct soap_outgoing *outgoing, const struct soap_call *request)
{
	return !request->once && outgoing->piece_count == 1;
}

size_t soap_outgoing_send(char *out, size_t size, size_t count, void *ctx)
{
	struct soap_outgoing *outgoing = ctx;
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
