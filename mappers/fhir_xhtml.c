#include "mappers/fhir_xhtml.h"

#include "mappers/xml_sax.h"

#define XHTML_NAMESPACE "http://www.w3.org/1999/xhtml"
#define XML_NAMESPACE   "http://www.w3.org/XML/1998/namespace"

static const struct xml_limits div_limits = {
	.depth_max = FHIR_XHTML_DEPTH_MAX,
	.attributes_max = 64,
	.attribute_bytes_max = 1 << 20,
	.tag_bytes_max = 2 << 20,
	.elements_max = 100000,
};

static bool is_uri(const char *uri, const char *wanted)
{
	return uri && strcmp(uri, wanted) == 0;
}

static void attribute_write(struct fhir_xhtml *xhtml, const unsigned char **attribute)
{
	struct str name = str_from_c((const char *)attribute[0]);
	struct str value = { (const char *)attribute[3], (size_t)(attribute[4] - attribute[3]) };

	if (!attribute[2])
		xml_attribute(xhtml->writer, name, value);
	else if (is_uri((const char *)attribute[2], XML_NAMESPACE) && str_equal(name, STR("lang")))
		xml_attribute(xhtml->writer, STR("xml:lang"), value);
	else if (is_uri((const char *)attribute[2], XML_NAMESPACE) && str_equal(name, STR("space")))
		xml_attribute(xhtml->writer, STR("xml:space"), value);
	else
		xhtml->refused = true;
}

void fhir_xhtml_start(struct fhir_xhtml *xhtml, const char *name, const char *uri, const unsigned char **attributes,
		      size_t count)
{
	struct str element = str_from_c(name);

	/* An element `data` could be the place of a document that was cut out: there is none in the XHTML of FHIR. */
	if (!is_uri(uri, XHTML_NAMESPACE) || (xhtml->depth == 0 && !str_equal(element, STR("div"))) ||
	    str_equal(element, STR("data")) || xhtml->depth >= FHIR_XHTML_DEPTH_MAX)
		xhtml->refused = true;
	if (xhtml->refused)
		return;
	xml_begin(xhtml->writer, element);
	if (xhtml->depth++ == 0)
		xml_attribute(xhtml->writer, STR("xmlns"), STR(XHTML_NAMESPACE));
	for (size_t i = 0; i < count; i++)
		attribute_write(xhtml, attributes + 5 * i);
}

void fhir_xhtml_text(struct fhir_xhtml *xhtml, struct str text)
{
	if (!xhtml->refused)
		xml_text(xhtml->writer, text);
}

void fhir_xhtml_end(struct fhir_xhtml *xhtml)
{
	if (xhtml->refused)
		return;
	xml_end(xhtml->writer);
	xhtml->depth--;
}

static bool on_begin(void *ctx, const char *name, const char *uri, const unsigned char **attributes, size_t count)
{
	struct fhir_xhtml *xhtml = ctx;

	fhir_xhtml_start(xhtml, name, uri, attributes, count);
	return !xhtml->refused;
}

static bool on_end(void *ctx)
{
	fhir_xhtml_end(ctx);
	return true;
}

static bool on_text(void *ctx, struct str text)
{
	fhir_xhtml_text(ctx, text);
	return true;
}

bool fhir_xhtml_write(struct str div, const char *path, struct xml_writer *writer, struct outcome *outcome)
{
	static const struct xml_handler handler = { on_begin, on_end, on_text, NULL };
	struct fhir_xhtml xhtml = { .writer = writer };
	struct outcome own;

	/* The reader's sentences speak of a message; these are about one value in it. */
	outcome_init(&own);
	if (xml_sax_read(div, &div_limits, &handler, &xhtml, &own))
		return true;
	if (own.count && own.issues[0].code == ERR_NO_MEMORY)
		return outcome_add(outcome, ERR_NO_MEMORY, path, "Retry later.");
	return outcome_add(outcome, ERR_BODY_MALFORMED, path,
			   "Make this one well-formed <div xmlns=\"" XHTML_NAMESPACE
			   "\">, with numeric references instead of names such as &nbsp;.");
}
