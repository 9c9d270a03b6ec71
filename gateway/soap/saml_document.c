#include "gateway/soap/saml_document.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>

#include "gateway/soap/saml_signature.h"
#include "mappers/saml_assertion.h"
#include "mappers/xml_guard.h"

#define NS_SOAP          "http://www.w3.org/2003/05/soap-envelope"
#define NS_ENCRYPTION    "http://www.w3.org/2001/04/xmlenc#"
#define NS_UTILITY       "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
#define CHUNK_BYTES      ((size_t)32 * 1024)
#define HEAD_BYTES_MAX   ((size_t)256 * 1024)
#define HEAD_ELEMENT_MAX 2000

/* Where the parser is. */
struct builder {
	xmlParserCtxtPtr parser;
	struct saml_document *document;
	size_t depth;
	bool in_head;   /* inside Header, or Envelope itself */
	bool head_done; /* the one Header is over */
	size_t element_count;
	size_t head_bytes;
	size_t assertion_count;
	size_t signature_count;
	size_t security_count;
	xmlChar *id; /* of the assertion */
};

static void wrong(struct builder *builder, const char *why)
{
	if (!builder->document->why)
		builder->document->why = why;
	xmlStopParser(builder->parser);
}

static bool is_named(const xmlChar *local, const xmlChar *uri, const char *name, const char *space)
{
	return uri && strcmp((const char *)local, name) == 0 && strcmp((const char *)uri, space) == 0;
}

/* Counted over the whole message: a second one anywhere is somebody's hiding place. */
static void count_element(struct builder *builder, const xmlChar *local, const xmlChar *uri)
{
	if (!uri)
		return;
	builder->assertion_count += is_named(local, uri, "Assertion", NS_SAML);
	builder->signature_count += is_named(local, uri, "Signature", NS_DSIG);
	builder->security_count +=
		strcmp((const char *)local, "Security") == 0 && strcmp((const char *)uri, NS_WSSE) == 0;
	if (is_named(local, uri, "EncryptedAssertion", NS_SAML) || strcmp((const char *)uri, NS_ENCRYPTION) == 0)
		wrong(builder, "something is encrypted");
	else if (is_named(local, uri, "Object", NS_DSIG) || is_named(local, uri, "Manifest", NS_DSIG))
		wrong(builder, "a signature with an Object or Manifest");
	else if (str_starts_with(str_from_c((const char *)uri), STR("urn:oasis:names:tc:SAML:1.")))
		wrong(builder, "SAML 1");
	else if (builder->assertion_count > 1 || builder->signature_count > 1 || builder->security_count > 1)
		wrong(builder, "several assertions, signatures or Security headers");
}

/* SOAP has Envelope, one Header, then the Body. */
static void place_element(struct builder *builder, const xmlChar *local, const xmlChar *uri)
{
	if (builder->depth == 1 && !is_named(local, uri, "Envelope", NS_SOAP))
		wrong(builder, "no SOAP 1.2 envelope");
	if (builder->depth != 2)
		return;
	builder->in_head = is_named(local, uri, "Header", NS_SOAP);
	if (builder->in_head && builder->head_done)
		wrong(builder, "two headers, or a header behind the body");
	builder->head_done = true;
}

static bool is_id_name(const xmlChar *name)
{
	size_t size = strlen((const char *)name);

	return size > 1 && (name[size - 1] == 'D' || name[size - 1] == 'd');
}

/* Attributes of the Body that could be taken for the assertion's ID. The Header comes first, so it is known. */
static void look_for_id(struct builder *builder, const xmlChar **attributes, size_t count)
{
	for (size_t i = 0; builder->id && i < count; i++) {
		const xmlChar **one = attributes + i * 5;
		struct str value = { (const char *)one[3], (size_t)(one[4] - one[3]) };

		if (is_id_name(one[0]) && str_equal(value, str_from_c((const char *)builder->id)))
			wrong(builder, "a second element with the assertion's ID");
	}
}

static void on_start(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri, int namespace_count,
		     const xmlChar **namespaces, int attribute_count, int defaulted_count, const xmlChar **attributes)
{
	xmlParserCtxtPtr parser = ctx;
	struct builder *builder = parser->_private;

	if (builder->document->why)
		return;
	if (++builder->depth > xml_limits_default.depth_max) {
		wrong(builder, "too deep");
		return;
	}
	count_element(builder, local, uri);
	place_element(builder, local, uri);
	if (builder->document->why)
		return;
	if (builder->depth > 1 && !builder->in_head) {
		look_for_id(builder, attributes, (size_t)attribute_count);
		return;
	}
	for (int i = 0; i < attribute_count; i++)
		builder->head_bytes += (size_t)(attributes[i * 5 + 4] - attributes[i * 5 + 3]);
	if (++builder->element_count > HEAD_ELEMENT_MAX || builder->head_bytes > HEAD_BYTES_MAX) {
		wrong(builder, "a header that is too long");
		return;
	}
	xmlSAX2StartElementNs(ctx, local, prefix, uri, namespace_count, namespaces, attribute_count, defaulted_count,
			      attributes);
	if (is_named(local, uri, "Assertion", NS_SAML) && parser->node) {
		builder->document->assertion = parser->node;
		builder->id = xmlGetNoNsProp(parser->node, BAD_CAST "ID");
	}
}

static void on_end(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	xmlParserCtxtPtr parser = ctx;
	struct builder *builder = parser->_private;

	if (builder->document->why)
		return;
	if (builder->depth == 1 || builder->in_head)
		xmlSAX2EndElementNs(ctx, local, prefix, uri);
	if (builder->depth == 2)
		builder->in_head = false;
	builder->depth--;
}

/* Also CDATA, which is text in canonical form. */
static void on_text(void *ctx, const xmlChar *bytes, int size)
{
	xmlParserCtxtPtr parser = ctx;
	struct builder *builder = parser->_private;

	if (builder->document->why || !builder->in_head || size <= 0)
		return;
	builder->head_bytes += (size_t)size;
	if (builder->head_bytes > HEAD_BYTES_MAX)
		wrong(builder, "a header that is too long");
	else
		xmlSAX2Characters(ctx, bytes, size);
}

static void on_instruction(void *ctx, const xmlChar *target, const xmlChar *data)
{
	xmlParserCtxtPtr parser = ctx;

	(void)target;
	(void)data;
	wrong(parser->_private, "a processing instruction");
}

static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
	xmlParserCtxtPtr parser = ctx;

	(void)name;
	(void)external_id;
	(void)system_id;
	wrong(parser->_private, "a DOCTYPE");
}

/* libxml2's words may quote the message. */
static void on_error(void *ctx, xmlErrorPtr error)
{
	xmlParserCtxtPtr parser = ctx;
	struct builder *builder = parser->_private;

	if (error->level < XML_ERR_ERROR)
		return;
	builder->document->no_memory |= error->code == XML_ERR_NO_MEMORY;
	wrong(builder, "XML that is not well-formed");
}

static void callbacks_set(xmlParserCtxtPtr parser)
{
	xmlSAXHandlerPtr sax = parser->sax;

	memset(sax, 0, sizeof(*sax));
	sax->initialized = XML_SAX2_MAGIC;
	sax->startDocument = xmlSAX2StartDocument;
	sax->endDocument = xmlSAX2EndDocument;
	sax->startElementNs = on_start;
	sax->endElementNs = on_end;
	sax->characters = on_text;
	sax->ignorableWhitespace = on_text;
	sax->cdataBlock = on_text;
	sax->processingInstruction = on_instruction;
	sax->internalSubset = on_doctype;
	sax->serror = on_error;
}

static void build(struct str message, struct saml_document *document, struct builder *builder)
{
	xmlParserCtxtPtr parser = xmlCreatePushParserCtxt(NULL, NULL, NULL, 0, NULL);

	if (!parser) {
		document->no_memory = true;
		return;
	}
	*builder = (struct builder) { .parser = parser, .document = document };
	callbacks_set(parser);
	parser->_private = builder;
	xmlCtxtUseOptions(parser, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NODICT);
	for (struct str rest = message; rest.size && !document->why;) {
		size_t size = rest.size < CHUNK_BYTES ? rest.size : CHUNK_BYTES;

		xmlParseChunk(parser, rest.data, (int)size, 0);
		rest = str_from(rest, size);
	}
	if (!document->why)
		xmlParseChunk(parser, NULL, 0, 1);
	if (!document->why && !parser->wellFormed)
		document->why = "XML that is not well-formed";
	document->tree = parser->myDoc;
	parser->myDoc = NULL;
	xmlFree(builder->id);
	xmlFreeParserCtxt(parser);
}

/* --- the tree --- */

/* How many attributes in the tree end in "id", whatever their case and namespace, and have this value. Not recursive. */
static size_t id_count(xmlNodePtr root, const char *id)
{
	size_t count = 0;
	xmlNodePtr node = root;

	while (node) {
		for (xmlAttrPtr one = node->type == XML_ELEMENT_NODE ? node->properties : NULL; one; one = one->next) {
			xmlChar *value =
				is_id_name(one->name) ? xmlNodeListGetString(one->doc, one->children, 1) : NULL;

			count += value && strcmp((const char *)value, id) == 0;
			xmlFree(value);
		}
		if (node->type == XML_ELEMENT_NODE && node->children) {
			node = node->children;
			continue;
		}
		while (node && node != root && !node->next)
			node = node->parent;
		node = node && node != root ? node->next : NULL;
	}
	return count;
}

/* An NCName of plain characters: what else would be put into an expression by whoever resolves it. */
static bool read_id(struct saml_document *document)
{
	xmlChar *id;
	size_t size;
	bool good;

	document->id_attribute = xmlHasNsProp(document->assertion, BAD_CAST "ID", NULL);
	id = document->id_attribute ? xmlGetNoNsProp(document->assertion, BAD_CAST "ID") : NULL;
	size = id ? strlen((const char *)id) : 0;
	good = size > 0 && size < SAML_ID_SIZE && !strchr("0123456789-.", id[0]);
	for (size_t i = 0; good && i < size; i++) {
		char c = (char)id[i];

		good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		       c == '-' || c == '.';
	}
	if (good)
		memcpy(document->id, id, size + 1);
	xmlFree(id);
	return good;
}

static bool node_is(const xmlNode *node, const char *name, const char *space)
{
	return node && node->type == XML_ELEMENT_NODE && node->ns && is_named(node->name, node->ns->href, name, space);
}

/* Envelope/Header/Security/Assertion, and nothing beside it in Security but a Timestamp, which is not relied on. */
static bool place_check(const struct saml_document *document)
{
	xmlNodePtr security = document->assertion->parent;

	if (!node_is(security, "Security", NS_WSSE) || !node_is(security->parent, "Header", NS_SOAP) ||
	    !node_is(security->parent->parent, "Envelope", NS_SOAP))
		return false;
	for (xmlNodePtr one = xmlFirstElementChild(security); one; one = xmlNextElementSibling(one)) {
		if (one != document->assertion && !node_is(one, "Timestamp", NS_UTILITY))
			return false;
	}
	return true;
}

static bool tree_check(struct saml_document *document)
{
	if (!document->assertion)
		document->why = "no assertion in the Security header";
	else if (!place_check(document))
		document->why = "an assertion that is not alone in the Security header";
	else if (!read_id(document))
		document->why = "an assertion without a plain ID";
	else if (id_count(xmlDocGetRootElement(document->tree), document->id) != 1)
		document->why = "a second element with the assertion's ID";
	else
		document->signature = saml_signature_find(document->assertion, document->id, &document->why);
	return document->signature != NULL;
}

bool saml_document_read(struct str message, struct saml_document *document)
{
	struct builder builder = { 0 };
	struct outcome guarding;

	*document = (struct saml_document) { 0 };
	outcome_init(&guarding);
	if (!xml_guard(message, &xml_limits_default, &guarding)) {
		document->has_security = true; /* nobody looked */
		document->why = "XML that is not accepted";
		return false;
	}
	build(message, document, &builder);
	document->has_security =
		builder.security_count > 0 || builder.assertion_count > 0 || document->why || document->no_memory;
	if (document->why || document->no_memory || !document->has_security)
		return false;
	return tree_check(document);
}

void saml_document_free(struct saml_document *document)
{
	if (document->tree)
		xmlFreeDoc(document->tree);
	document->tree = NULL;
}

xmlChar *saml_document_issuer(const struct saml_document *document)
{
	return xmlNodeGetContent(xmlFirstElementChild(document->assertion));
}
