/* Names of XDS messages turned into numbers: elements by (namespace, local name), from profiles/xds/message.def, and
 * attributes. libxml2 keeps each name once per parse, so a name is looked up by its address after the first time. */
#ifndef PASSERELLE_XDS_NAMES_H
#define PASSERELLE_XDS_NAMES_H

#include "mappers/base/str.h"

enum xds_element {
	ELEMENT_NOTHING, /* no parent: the start of the document */
#define ELEMENT(name, ...) ELEMENT_##name,
#include "profiles/xds/message.def"
#undef ELEMENT
	ELEMENT_COUNT,
	ELEMENT_OTHER = ELEMENT_COUNT
};
_Static_assert(ELEMENT_COUNT <= 64, "parents are a set of 64 bits");

#define XDS_ATTRIBUTES(ATTRIBUTE)                                \
	ATTRIBUTE(ID, "id")                                      \
	ATTRIBUTE(LID, "lid")                                    \
	ATTRIBUTE(HOME, "home")                                  \
	ATTRIBUTE(OBJECT_TYPE, "objectType")                     \
	ATTRIBUTE(STATUS, "status")                              \
	ATTRIBUTE(MIME_TYPE, "mimeType")                         \
	ATTRIBUTE(IS_OPAQUE, "isOpaque")                         \
	ATTRIBUTE(ASSOCIATION_TYPE, "associationType")           \
	ATTRIBUTE(SOURCE_OBJECT, "sourceObject")                 \
	ATTRIBUTE(TARGET_OBJECT, "targetObject")                 \
	ATTRIBUTE(CLASSIFIED_OBJECT, "classifiedObject")         \
	ATTRIBUTE(SCHEME, "classificationScheme")                \
	ATTRIBUTE(NODE, "classificationNode")                    \
	ATTRIBUTE(NODE_REPRESENTATION, "nodeRepresentation")     \
	ATTRIBUTE(REGISTRY_OBJECT, "registryObject")             \
	ATTRIBUTE(IDENTIFICATION_SCHEME, "identificationScheme") \
	ATTRIBUTE(VALUE, "value")                                \
	ATTRIBUTE(NAME, "name")                                  \
	ATTRIBUTE(SLOT_TYPE, "slotType")                         \
	ATTRIBUTE(CHARSET, "charset")                            \
	ATTRIBUTE(VERSION_NAME, "versionName")                   \
	ATTRIBUTE(COMMENT, "comment")                            \
	ATTRIBUTE(ERROR_CODE, "errorCode")                       \
	ATTRIBUTE(CODE_CONTEXT, "codeContext")                   \
	ATTRIBUTE(SEVERITY, "severity")                          \
	ATTRIBUTE(LOCATION, "location")                          \
	ATTRIBUTE(RETURN_TYPE, "returnType")                     \
	ATTRIBUTE(HREF, "href")

enum xds_attribute {
	ATTRIBUTE_OTHER,
#define ATTRIBUTE(name, text) ATTRIBUTE_##name,
	XDS_ATTRIBUTES(ATTRIBUTE)
#undef ATTRIBUTE
		ATTRIBUTE_XML_LANG, /* xml:lang */
	ATTRIBUTE_MUST_UNDERSTAND,  /* of SOAP 1.2 */
	ATTRIBUTE_ROLE,             /* of SOAP 1.2 */
	ATTRIBUTE_COUNT
};

#define XDS_NAMES_CACHED 256

struct xds_name {
	const void *local;
	const void *uri;
	unsigned char number;
};

/* One per parse; begin with all zeros. */
struct xds_names {
	struct xds_name elements[XDS_NAMES_CACHED];
	struct xds_name attributes[XDS_NAMES_CACHED];
	size_t element_count;
	size_t attribute_count;
};

/* local and uri are NUL-terminated and the same text has the same address for the whole parse; uri may be NULL. */
enum xds_element xds_names_element(struct xds_names *names, const char *local, const char *uri);
enum xds_attribute xds_names_attribute(struct xds_names *names, const char *local, const char *uri);

/* True when the table allows element under parent, and when its text counts. */
bool xds_element_allowed(enum xds_element element, enum xds_element parent);
bool xds_element_has_text(enum xds_element element);

/* Namespaces of ebXML 2.1, which XDS.b has left behind. */
bool xds_namespace_is_ebxml21(const char *uri);

#endif
