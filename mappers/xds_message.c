/* One SAX2 pass. A stack of known elements says where we are; what the table in profiles/xds/message.def does not allow
 * at a place is skipped whole. */
#include "mappers/xds_message.h"

#include <assert.h>

#include "mappers/base/base64.h"
#include "mappers/ebrim_read.h"
#include "mappers/hl7v3.h"
#include "mappers/xml_sax.h"

#define DEPTH_MAX        64
#define TEXT_BYTES_MAX   (1 << 20) /* of one Value or header; documents are streamed and have no limit here */
#define CHUNK_BYTES      (32 << 10)
#define QUERY_SLOTS_MAX  256
#define DECODE_BYTES_MAX 3072

struct reader {
	struct arena *arena;
	struct xds_message *message;
	struct outcome *outcome;
	const struct inline_sink *sink;
	struct xds_names names;
	struct ebrim_reader ebrim;
	enum xds_element stack[DEPTH_MAX];
	size_t depth;
	size_t skipped;  /* depth of the element that is skipped, counted from 1; 0 while nothing is */
	bool has_root;   /* the Body's element was there */
	struct buf text; /* of the open element */
	struct gather errors;
	struct gather requests;
	struct gather responses;
	struct gather documents;
	struct document_content content; /* of the open Document */
	struct base64_decoder decoder;
	size_t inline_count;
};

static bool refuse(struct reader *reader, enum error_code code, const char *text)
{
	return outcome_add(reader->outcome, code, "", "%s", text);
}

static bool no_memory(struct reader *reader)
{
	return refuse(reader, ERR_NO_MEMORY, "Retry later, or send less in one message.");
}

static enum xds_element parent_of(const struct reader *reader)
{
	return reader->depth > 1 ? reader->stack[reader->depth - 2] : ELEMENT_NOTHING;
}

static bool copy_attribute(struct reader *reader, const struct xds_attributes *attributes, enum xds_attribute attribute,
			   struct str *value)
{
	return xds_attribute_copy(attributes, attribute, reader->arena, value) || no_memory(reader);
}

/* --- the Body's element --- */

static enum xds_message_kind kind_of(enum xds_element root)
{
	switch ((int)root) {
	case ELEMENT_PROVIDE:
		return XDS_PROVIDE_REQUEST;
	case ELEMENT_SUBMIT:
		return XDS_SUBMIT_REQUEST;
	case ELEMENT_REMOVE:
		return XDS_REMOVE_REQUEST;
	case ELEMENT_QUERY_REQUEST:
		return XDS_QUERY_REQUEST;
	case ELEMENT_QUERY_RESPONSE:
		return XDS_QUERY_RESPONSE;
	case ELEMENT_RETRIEVE_REQUEST:
		return XDS_RETRIEVE_REQUEST;
	case ELEMENT_RETRIEVE_RESPONSE:
		return XDS_RETRIEVE_RESPONSE;
	case ELEMENT_REMOVE_DOCUMENTS:
		return XDS_REMOVE_DOCUMENTS_REQUEST;
	case ELEMENT_REGISTRY_RESPONSE:
		return XDS_REGISTRY_RESPONSE;
	case ELEMENT_FAULT:
		return SOAP_FAULT;
	default:
		return XDS_UNKNOWN;
	}
}

static bool begin_root(struct reader *reader, enum xds_element element, const char *local, const char *uri)
{
	struct xds_message *message = reader->message;

	if (reader->has_root)
		return refuse(reader, ERR_BODY_MALFORMED, "Send one element in the SOAP Body, not several.");
	reader->has_root = true;
	message->kind = uri && strcmp(uri, HL7V3_NAMESPACE) == 0 ? HL7V3_BODY : kind_of(element);
	message->root_name = arena_copy(reader->arena, str_from_c(local));
	message->root_namespace = arena_copy(reader->arena, str_from_c(uri ? uri : ""));
	return (message->root_name.data && message->root_namespace.data) || no_memory(reader);
}

/* Elements at the root of the document or of the Body that are no Envelope. */
static bool is_root_place(const struct reader *reader, enum xds_element parent, enum xds_element element)
{
	return parent == ELEMENT_BODY ||
	       (parent == ELEMENT_NOTHING && element != ELEMENT_ENVELOPE && !reader->has_root);
}

/* --- head --- */

static bool is_true(struct str value)
{
	return str_equal(value, STR("1")) || str_equal(value, STR("true"));
}

/* Header blocks that one may pass over: their sender asked for an understanding that does not change the message. */
static bool block_is_known(const char *uri)
{
	struct str space = str_from_c(uri ? uri : "");

	return str_equal(space, STR("http://www.w3.org/2005/08/addressing")) ||
	       str_equal(space, STR("http://docs.oasis-open.org/wss/2004/01/"
				    "oasis-200401-wss-wssecurity-secext-1.0.xsd"));
}

/* SOAP 1.2 part 1, 2.4: blocks for another role than the last receiver (or next) are none of our business. */
static bool unknown_block(struct reader *reader, const char *local, const char *uri,
			  const struct xds_attributes *attributes)
{
	struct soap_head *head = &reader->message->head;
	struct str must_understand;
	struct str role;

	if (block_is_known(uri) || head->not_understood.data)
		return true;
	if (!copy_attribute(reader, attributes, ATTRIBUTE_MUST_UNDERSTAND, &must_understand) ||
	    !copy_attribute(reader, attributes, ATTRIBUTE_ROLE, &role))
		return false;
	if (!is_true(must_understand))
		return true;
	if (role.size && !str_ends_with(role, STR("/role/ultimateReceiver")) && !str_ends_with(role, STR("/role/next")))
		return true;
	head->not_understood = arena_copy(reader->arena, str_from_c(local));
	return head->not_understood.data || no_memory(reader);
}

/* An element that the table does not allow here. */
static bool unknown_element(struct reader *reader, enum xds_element parent, const char *local, const char *uri,
			    const struct xds_attributes *attributes)
{
	if (uri && xds_namespace_is_ebxml21(uri))
		return refuse(reader, ERR_BODY_MALFORMED, "Send ebXML 3.0 as XDS.b has it, not ebXML 2.1.");
	if (parent == ELEMENT_NOTHING && strcmp(local, "Envelope") == 0) {
		reader->message->head.version_mismatch = true;
		return refuse(reader, ERR_BODY_MALFORMED, "Send SOAP 1.2.");
	}
	if (parent == ELEMENT_DOCUMENT)
		return refuse(reader, ERR_BODY_MALFORMED, "Put base64 or one xop:Include into Document.");
	if (parent == ELEMENT_HEADER)
		return unknown_block(reader, local, uri, attributes);
	if (is_root_place(reader, parent, ELEMENT_OTHER))
		return begin_root(reader, ELEMENT_OTHER, local, uri);
	return true;
}

/* --- documents --- */

static bool begin_inline(struct reader *reader)
{
	reader->content.is_inline = true;
	reader->content.inline_index = reader->inline_count++;
	base64_decoder_init(&reader->decoder);
	return !reader->sink || reader->sink->begin(reader->sink->ctx, reader->content.inline_index);
}

/* Text of a Document: base64, or the blanks around an xop:Include. */
static bool document_text(struct reader *reader, struct str text)
{
	unsigned char bytes[DECODE_BYTES_MAX + 3];

	if (!reader->content.is_inline) {
		if (str_trim(text).size == 0)
			return true;
		if (reader->content.content_id.data)
			return refuse(reader, ERR_BODY_MALFORMED, "Put base64 or one xop:Include into Document.");
		if (!begin_inline(reader))
			return false;
	}
	while (text.size) {
		struct str piece = { text.data, text.size < DECODE_BYTES_MAX ? text.size : DECODE_BYTES_MAX };
		size_t size;

		if (!base64_decoder_push(&reader->decoder, piece, bytes, &size))
			return refuse(reader, ERR_BODY_MALFORMED, "Write the content of Document as base64.");
		if (size && reader->sink && !reader->sink->data(reader->sink->ctx, bytes, size))
			return false;
		reader->content.inline_size += size;
		text = str_from(text, piece.size);
	}
	return true;
}

static bool begin_include(struct reader *reader, const struct xds_attributes *attributes)
{
	struct str href;

	if (!copy_attribute(reader, attributes, ATTRIBUTE_HREF, &href))
		return false;
	if (reader->content.is_inline || reader->content.content_id.data)
		return refuse(reader, ERR_BODY_MALFORMED, "Put base64 or one xop:Include into Document.");
	/* Anything else than cid: would be a request that the sender makes us send. */
	if (!str_starts_with_nocase(href, STR("cid:")))
		return refuse(reader, ERR_BODY_MALFORMED, "Let xop:Include refer to a MIME part with cid:.");
	reader->content.content_id = str_from(href, 4);
	return true;
}

static bool begin_document(struct reader *reader, const struct xds_attributes *attributes)
{
	struct provided_document document = { 0 };

	reader->content = (struct document_content) { 0 };
	if (parent_of(reader) != ELEMENT_PROVIDE)
		return true;
	if (!copy_attribute(reader, attributes, ATTRIBUTE_ID, &document.id))
		return false;
	return gather_add(&reader->documents, &document, sizeof document, reader->arena) || no_memory(reader);
}

static struct document_response *last_response(struct reader *reader)
{
	return (struct document_response *)reader->responses.items + reader->responses.count - 1;
}

static bool end_document(struct reader *reader)
{
	/* An empty Document is a document of no bytes. */
	if (!reader->content.is_inline && !reader->content.content_id.data && !begin_inline(reader))
		return false;
	if (reader->content.is_inline) {
		if (!base64_decoder_finish(&reader->decoder))
			return refuse(reader, ERR_BODY_MALFORMED, "Write the content of Document as whole base64.");
		if (reader->sink && !reader->sink->end(reader->sink->ctx))
			return false;
	}
	if (parent_of(reader) == ELEMENT_PROVIDE) {
		struct provided_document *documents = reader->documents.items;

		documents[reader->documents.count - 1].content = reader->content;
	} else {
		last_response(reader)->content = reader->content;
	}
	return true;
}

/* --- answers and requests --- */

static bool begin_error(struct reader *reader, const struct xds_attributes *attributes)
{
	struct registry_error error = { 0 };
	struct str severity;

	if (!copy_attribute(reader, attributes, ATTRIBUTE_ERROR_CODE, &error.code) ||
	    !copy_attribute(reader, attributes, ATTRIBUTE_CODE_CONTEXT, &error.context) ||
	    !copy_attribute(reader, attributes, ATTRIBUTE_LOCATION, &error.location) ||
	    !copy_attribute(reader, attributes, ATTRIBUTE_SEVERITY, &severity))
		return false;
	/* The short words Error and Warning occur beside the URNs; the default is Error. */
	error.severity = str_ends_with(severity, STR("Warning")) ? SEVERITY_WARNING : SEVERITY_ERROR;
	return gather_add(&reader->errors, &error, sizeof error, reader->arena) || no_memory(reader);
}

static bool begin_response(struct reader *reader, const struct xds_attributes *attributes)
{
	struct str status;

	if (!copy_attribute(reader, attributes, ATTRIBUTE_STATUS, &status))
		return false;
	reader->message->response.status = registry_status_read(status);
	return true;
}

static bool begin_query(struct reader *reader, enum xds_element element, const struct xds_attributes *attributes)
{
	struct stored_query *query = &reader->message->query;

	if (element == ELEMENT_ADHOC_QUERY)
		return copy_attribute(reader, attributes, ATTRIBUTE_ID, &query->id) &&
		       copy_attribute(reader, attributes, ATTRIBUTE_HOME, &query->home);
	if (!copy_attribute(reader, attributes, ATTRIBUTE_RETURN_TYPE, &query->return_type))
		return false;
	query->object_ref = str_equal(query->return_type, STR("ObjectRef"));
	return true;
}

static bool end_query(struct reader *reader)
{
	struct stored_query *query = &reader->message->query;
	struct rim_slots slots;

	if (!ebrim_read_take_slots(&reader->ebrim, &slots))
		return no_memory(reader);
	if (slots.count > QUERY_SLOTS_MAX)
		return refuse(reader, ERR_TOO_LONG, "Send fewer Slots in the query.");
	for (size_t i = 0; i < slots.count; i++) {
		if (!stored_query_add(query, reader->arena, slots.items[i].name, QUERY_STRING, (struct strs) { 0 }) ||
		    !stored_query_param_read(&slots.items[i].values, reader->arena, &query->params[i]))
			return no_memory(reader);
	}
	return true;
}

static bool begin_item(struct reader *reader, enum xds_element element)
{
	static const struct document_request request;
	static const struct document_response response;
	bool good = element == ELEMENT_DOCUMENT_REQUEST
			    ? gather_add(&reader->requests, &request, sizeof request, reader->arena)
			    : gather_add(&reader->responses, &response, sizeof response, reader->arena);

	return good || no_memory(reader);
}

/* --- elements --- */

static bool begin_element(struct reader *reader, enum xds_element element, const struct xds_attributes *attributes)
{
	switch ((int)element) {
	case ELEMENT_ENVELOPE:
		reader->message->has_envelope = true;
		return true;
	case ELEMENT_DOCUMENT:
		return begin_document(reader, attributes);
	case ELEMENT_INCLUDE:
		return begin_include(reader, attributes);
	case ELEMENT_ERROR_ENTRY:
		return begin_error(reader, attributes);
	case ELEMENT_REGISTRY_RESPONSE:
	case ELEMENT_QUERY_RESPONSE:
		return begin_response(reader, attributes);
	case ELEMENT_RESPONSE_OPTION:
	case ELEMENT_ADHOC_QUERY:
		return begin_query(reader, element, attributes);
	case ELEMENT_DOCUMENT_REQUEST:
	case ELEMENT_DOCUMENT_RESPONSE:
		return begin_item(reader, element);
	default:
		return ebrim_read_begin(&reader->ebrim, element, attributes) || no_memory(reader);
	}
}

/* A SOAP fault code is a QName; its prefix may be any. */
static void end_fault_value(struct reader *reader, struct str text)
{
	static const struct {
		struct str name;
		enum soap_fault_code code;
	} codes[] = { { STR_INIT("Sender"), FAULT_SENDER },
		      { STR_INIT("Receiver"), FAULT_RECEIVER },
		      { STR_INIT("VersionMismatch"), FAULT_VERSION_MISMATCH },
		      { STR_INIT("MustUnderstand"), FAULT_MUST_UNDERSTAND } };
	struct soap_fault *fault = &reader->message->fault;
	size_t colon = str_find(text, ':');
	struct str local = colon < text.size ? str_from(text, colon + 1) : text;

	if (parent_of(reader) == ELEMENT_FAULT_SUBCODE) {
		fault->subcode = local;
		return;
	}
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		if (str_equal(local, codes[i].name))
			fault->code = codes[i].code;
	}
}

/* Where the text of a DocumentRequest's or DocumentResponse's child goes. */
static struct str *item_member(struct reader *reader, enum xds_element element)
{
	if (parent_of(reader) == ELEMENT_DOCUMENT_REQUEST) {
		struct document_request *request =
			(struct document_request *)reader->requests.items + reader->requests.count - 1;

		return element == ELEMENT_HOME          ? &request->home
		       : element == ELEMENT_DOCUMENT_ID ? &request->document_unique_id
							: &request->repository_unique_id;
	}
	struct document_response *response = last_response(reader);

	switch ((int)element) {
	case ELEMENT_HOME:
		return &response->home;
	case ELEMENT_REPOSITORY_ID:
		return &response->repository_unique_id;
	case ELEMENT_DOCUMENT_ID:
		return &response->document_unique_id;
	case ELEMENT_NEW_REPOSITORY_ID:
		return &response->new_repository_unique_id;
	case ELEMENT_NEW_DOCUMENT_ID:
		return &response->new_document_unique_id;
	default:
		return &response->mime_type;
	}
}

/* The text of an element is complete. */
static bool end_text(struct reader *reader, enum xds_element element)
{
	struct xds_message *message = reader->message;
	struct str text;

	if (reader->text.failed)
		return refuse(reader, ERR_TOO_LONG, "Send shorter values.");
	if (element == ELEMENT_VALUE)
		return ebrim_read_value(&reader->ebrim, buf_str(&reader->text)) || no_memory(reader);
	text = arena_copy(reader->arena, str_trim(buf_str(&reader->text)));
	if (!text.data)
		return no_memory(reader);
	switch ((int)element) {
	case ELEMENT_ACTION:
		message->head.action = text;
		break;
	case ELEMENT_MESSAGE_ID:
		message->head.message_id = text;
		break;
	case ELEMENT_RELATES_TO:
		message->head.relates_to = text;
		break;
	case ELEMENT_TO:
		message->head.to = text;
		break;
	case ELEMENT_ADDRESS:
		message->head.reply_to = text;
		break;
	case ELEMENT_FAULT_VALUE:
		end_fault_value(reader, text);
		break;
	case ELEMENT_FAULT_TEXT:
		if (!message->fault.reason.data)
			message->fault.reason = text;
		break;
	default:
		*item_member(reader, element) = text;
		break;
	}
	return true;
}

static bool end_element(struct reader *reader, enum xds_element element)
{
	if (xds_element_has_text(element))
		return end_text(reader, element);
	if (element == ELEMENT_DOCUMENT)
		return end_document(reader);
	if (element == ELEMENT_ADHOC_QUERY)
		return end_query(reader);
	return ebrim_read_end(&reader->ebrim, element) || no_memory(reader);
}

/* --- the walk --- */

static bool on_begin(void *ctx, const char *local, const char *uri, const unsigned char **raw, size_t count)
{
	struct reader *reader = ctx;
	struct xds_attributes attributes = { &reader->names, raw, count };
	enum xds_element parent = reader->depth ? reader->stack[reader->depth - 1] : ELEMENT_NOTHING;
	enum xds_element element = ELEMENT_OTHER;

	assert(reader->depth < DEPTH_MAX);
	if (!reader->skipped)
		element = xds_names_element(&reader->names, local, uri);
	reader->stack[reader->depth++] = element;
	if (reader->skipped)
		return true;
	if (!xds_element_allowed(element, parent)) {
		reader->skipped = reader->depth;
		return unknown_element(reader, parent, local, uri, &attributes);
	}
	if (is_root_place(reader, parent, element) && !begin_root(reader, element, local, uri))
		return false;
	if (xds_element_has_text(element))
		buf_clear(&reader->text);
	return begin_element(reader, element, &attributes);
}

static bool on_end(void *ctx)
{
	struct reader *reader = ctx;
	bool good = true;

	if (!reader->skipped)
		good = end_element(reader, reader->stack[reader->depth - 1]);
	else if (reader->skipped == reader->depth)
		reader->skipped = 0;
	reader->depth--;
	return good;
}

static bool on_text(void *ctx, struct str text)
{
	struct reader *reader = ctx;

	if (reader->skipped || reader->depth == 0)
		return true;
	enum xds_element element = reader->stack[reader->depth - 1];

	if (element == ELEMENT_DOCUMENT)
		return document_text(reader, text);
	if (xds_element_has_text(element))
		buf_add(&reader->text, text);
	return true;
}

/* Everything gathered goes into the message. */
static bool finish(struct reader *reader)
{
	struct xds_message *message = reader->message;
	struct arena *arena = reader->arena;
	struct registry_response *response = &message->response;
	bool good = ebrim_read_finish(&reader->ebrim, &message->objects) &&
		    gather_take(&reader->ebrim.refs, &message->object_refs.items, &message->object_refs.count,
				sizeof(struct str), arena) &&
		    gather_take(&reader->errors, &response->errors, &response->error_count,
				sizeof(struct registry_error), arena) &&
		    gather_take(&reader->requests, &message->requests, &message->request_count,
				sizeof(struct document_request), arena) &&
		    gather_take(&reader->responses, &message->responses, &message->response_count,
				sizeof(struct document_response), arena) &&
		    gather_take(&reader->documents, &message->documents, &message->document_count,
				sizeof(struct provided_document), arena);

	if (!good)
		return outcome_add(reader->outcome, ERR_NO_MEMORY, "", "Retry later, or send less in one message.");
	/* The ObjectRefs to be removed are a plain list of ids. */
	if (message->kind == XDS_REMOVE_REQUEST)
		message->objects = (struct rim_list) { 0 };
	if (message->has_envelope && !reader->has_root)
		return outcome_add(reader->outcome, ERR_BODY_MALFORMED, "", "Put a message into the SOAP Body.");
	return true;
}

bool xds_message_read(struct str xml, const struct inline_sink *sink, struct arena *arena, struct xds_message *message,
		      struct outcome *outcome)
{
	static const struct xml_handler handler = { on_begin, on_end, on_text, NULL };
	struct reader *reader;
	bool good;

	*message = (struct xds_message) { .response.status = REGISTRY_STATUS_UNKNOWN, .fault.code = FAULT_RECEIVER };
	reader = arena_alloc(arena, sizeof *reader);
	if (!reader)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	reader->arena = arena;
	reader->message = message;
	reader->outcome = outcome;
	reader->sink = sink;
	reader->ebrim.arena = arena;
	buf_init(&reader->text, TEXT_BYTES_MAX);
	good = xml_sax_read(xml, &xml_limits_default, &handler, reader, outcome) && finish(reader);
	buf_free(&reader->text);
	return good;
}
