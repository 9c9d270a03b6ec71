#include "mappers/xds_names.h"

#define URI_SOAP  "http://www.w3.org/2003/05/soap-envelope"
#define URI_WSA   "http://www.w3.org/2005/08/addressing"
#define URI_RIM   "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
#define URI_RS    "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
#define URI_LCM   "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
#define URI_QUERY "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
#define URI_XDS   "urn:ihe:iti:xds-b:2007"
#define URI_RMD   "urn:ihe:iti:rmd:2017"
#define URI_XOP   "http://www.w3.org/2004/08/xop/include"
#define URI_XML   "http://www.w3.org/XML/1998/namespace"

#define IN(name) (UINT64_C(1) << ELEMENT_##name)
#define OBJECTS  (IN(EXTRINSIC_OBJECT) | IN(REGISTRY_PACKAGE) | IN(ASSOCIATION) | IN(OBJECT_REF))
#define PARTS    (IN(CLASSIFICATION) | IN(EXTERNAL_IDENTIFIER))

enum { STRUCTURE, TEXT };

static const struct {
	const char *local;
	const char *uri;
	uint64_t parents;
	bool has_text;
} elements[ELEMENT_COUNT] = {
#define ELEMENT(name, space, local, parents, text) [ELEMENT_##name] = { local, URI_##space, parents, text },
#include "profiles/xds/message.def"
#undef ELEMENT
};

static const struct {
	const char *local;
	const char *uri; /* NULL for the attributes of ebXML, which stand in no namespace */
} attributes[ATTRIBUTE_COUNT] = {
#define ATTRIBUTE(name, text) [ATTRIBUTE_##name] = { text, NULL },
	XDS_ATTRIBUTES(ATTRIBUTE)
#undef ATTRIBUTE
		[ATTRIBUTE_XML_LANG] = { "lang", URI_XML },
	[ATTRIBUTE_MUST_UNDERSTAND] = { "mustUnderstand", URI_SOAP },
	[ATTRIBUTE_ROLE] = { "role", URI_SOAP },
};

/* The place of a pair of addresses in the cache, or the empty place where it belongs. */
static struct xds_name *cache_place(struct xds_name *cache, const void *local, const void *uri)
{
	size_t at = ((uintptr_t)local >> 3) ^ ((uintptr_t)local >> 11) ^ ((uintptr_t)uri >> 5);

	/* The cache is never full, so that an empty place ends the search. */
	while (true) {
		struct xds_name *name = &cache[at++ % XDS_NAMES_CACHED];

		if (!name->local || (name->local == local && name->uri == uri))
			return name;
	}
}

static void cache_add(struct xds_name *place, size_t *count, const void *local, const void *uri, unsigned number)
{
	if (*count >= XDS_NAMES_CACHED / 2)
		return;
	*place = (struct xds_name) { local, uri, (unsigned char)number };
	(*count)++;
}

enum xds_element xds_names_element(struct xds_names *names, const char *local, const char *uri)
{
	struct xds_name *place = cache_place(names->elements, local, uri);
	unsigned found = ELEMENT_OTHER;

	if (place->local)
		return (enum xds_element)place->number;
	for (unsigned i = ELEMENT_NOTHING + 1; uri && i < ELEMENT_COUNT && found == ELEMENT_OTHER; i++) {
		if (strcmp(elements[i].local, local) == 0 && strcmp(elements[i].uri, uri) == 0)
			found = i;
	}
	cache_add(place, &names->element_count, local, uri, found);
	return (enum xds_element)found;
}

enum xds_attribute xds_names_attribute(struct xds_names *names, const char *local, const char *uri)
{
	struct xds_name *place = cache_place(names->attributes, local, uri);
	unsigned found = ATTRIBUTE_OTHER;

	if (place->local)
		return (enum xds_attribute)place->number;
	for (unsigned i = ATTRIBUTE_OTHER + 1; i < ATTRIBUTE_COUNT && found == ATTRIBUTE_OTHER; i++) {
		bool same_space =
			uri && attributes[i].uri ? strcmp(attributes[i].uri, uri) == 0 : !uri && !attributes[i].uri;

		if (same_space && strcmp(attributes[i].local, local) == 0)
			found = i;
	}
	cache_add(place, &names->attribute_count, local, uri, found);
	return (enum xds_attribute)found;
}

bool xds_element_allowed(enum xds_element element, enum xds_element parent)
{
	return element < ELEMENT_COUNT && parent < ELEMENT_COUNT && (elements[element].parents >> parent & 1);
}

bool xds_element_has_text(enum xds_element element)
{
	return element < ELEMENT_COUNT && elements[element].has_text;
}

bool xds_namespace_is_ebxml21(const char *uri)
{
	struct str space = str_from_c(uri);

	return str_starts_with(space, STR("urn:oasis:names:tc:ebxml-regrep:")) && str_ends_with(space, STR(":xsd:2.1"));
}
