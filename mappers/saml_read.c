/* One SAX pass with a table of what may stand where; what the table does not know ends it. */
#include <assert.h>

#include "mappers/base/xds_time.h"
#include "mappers/saml_assertion.h"
#include "mappers/saml_names.h"
#include "mappers/xml_sax.h"

#define NS_HL7         "urn:hl7-org:v3"
#define DEPTH_MAX      16
#define TEXT_BYTES_MAX ((size_t)64 * 1024)
#define VALUES_MAX     64 /* roles, audiences, attributes */
/* An entity's name (SAML 2.0 core 8.3.6), and what is written into an attribute: escaped six times as long, it still fits
 * the limits below, so that what was read can be written on. */
#define ISSUER_BYTES_MAX    1024
#define ATTRIBUTE_BYTES_MAX 2048
#define REASON_BYTES_MAX    512

static const struct xml_limits saml_limits = {
	.depth_max = DEPTH_MAX,
	.attributes_max = 32,
	.attribute_bytes_max = 16 << 10,
	.tag_bytes_max = 64 << 10,
	.elements_max = 4096,
};

enum element {
	NOTHING,
	ASSERTION,
	ISSUER,
	SUBJECT,
	NAME_ID,
	CONFIRMATION,
	CONFIRMATION_DATA,
	CONDITIONS,
	AUDIENCE_RESTRICTION,
	AUDIENCE,
	ONE_TIME_USE,
	AUTHN_STATEMENT,
	SUBJECT_LOCALITY,
	AUTHN_CONTEXT,
	AUTHN_CLASS,
	ATTRIBUTE_STATEMENT,
	ATTRIBUTE,
	ATTRIBUTE_VALUE,
	HL7_CODE,
	ORIGINAL_TEXT, /* of a code */
	FOREIGN,       /* in an attribute's value: passed over */
	ELEMENT_COUNT
};

/* rank: children of Assertion come in this order (SAML core 2.3.3), equal ones may repeat; once: at most one in all. */
static const struct {
	const char *name;
	enum element element;
	enum element parent;
	unsigned rank;
	bool once;
} places[] = {
	{ "Assertion", ASSERTION, NOTHING, 0, true },
	{ "Issuer", ISSUER, ASSERTION, 1, true },
	{ "Subject", SUBJECT, ASSERTION, 2, true },
	{ "NameID", NAME_ID, SUBJECT, 0, true },
	{ "SubjectConfirmation", CONFIRMATION, SUBJECT, 0, true },
	{ "SubjectConfirmationData", CONFIRMATION_DATA, CONFIRMATION, 0, true },
	{ "Conditions", CONDITIONS, ASSERTION, 3, true },
	{ "AudienceRestriction", AUDIENCE_RESTRICTION, CONDITIONS, 0, true },
	{ "Audience", AUDIENCE, AUDIENCE_RESTRICTION, 0, false },
	{ "OneTimeUse", ONE_TIME_USE, CONDITIONS, 0, true },
	{ "AuthnStatement", AUTHN_STATEMENT, ASSERTION, 4, true },
	{ "SubjectLocality", SUBJECT_LOCALITY, AUTHN_STATEMENT, 0, true },
	{ "AuthnContext", AUTHN_CONTEXT, AUTHN_STATEMENT, 0, true },
	{ "AuthnContextClassRef", AUTHN_CLASS, AUTHN_CONTEXT, 0, true },
	{ "AttributeStatement", ATTRIBUTE_STATEMENT, ASSERTION, 4, true },
	{ "Attribute", ATTRIBUTE, ATTRIBUTE_STATEMENT, 0, false },
	{ "AttributeValue", ATTRIBUTE_VALUE, ATTRIBUTE, 0, false },
};

struct reader {
	struct arena *arena;
	struct saml_assertion *assertion;
	struct outcome *outcome;
	enum element stack[DEPTH_MAX];
	size_t depth;
	bool seen[ELEMENT_COUNT];
	unsigned rank;                /* of the last child of Assertion */
	struct buf text;              /* of the open element */
	struct str names[VALUES_MAX]; /* of the attributes so far */
	size_t name_count;
	size_t value_count; /* of the open attribute */
	bool value_has_elements;
	size_t audience_capacity;
	size_t role_capacity;
};

static bool refuse(struct reader *reader, const char *why)
{
	return outcome_add(reader->outcome, ERR_CREDENTIALS, "", "The assertion %s.", why);
}

static bool no_memory(struct reader *reader)
{
	return outcome_add(reader->outcome, ERR_NO_MEMORY, "", "Retry later.");
}

/* --- attributes of elements --- */

struct xml_attributes {
	const unsigned char **items; /* five pointers each */
	size_t count;
};

/* The value of an attribute without a namespace; STR_NONE when it is not there. */
static struct str attribute_of(const struct xml_attributes *attributes, const char *name)
{
	for (size_t i = 0; i < attributes->count; i++) {
		const unsigned char **one = attributes->items + i * 5;

		if (!one[2] && strcmp((const char *)one[0], name) == 0)
			return (struct str) { (const char *)one[3], (size_t)(one[4] - one[3]) };
	}
	return STR_NONE;
}

static bool copy_attribute(struct reader *reader, const struct xml_attributes *attributes, const char *name,
			   struct str *out)
{
	struct str value = attribute_of(attributes, name);

	if (!value.data)
		return true;
	if (value.size > ATTRIBUTE_BYTES_MAX)
		return refuse(reader, "has a value that is too long");
	*out = arena_copy(reader->arena, str_trim(value));
	return out->data || no_memory(reader);
}

/* xs:dateTime in UTC (SAML core 1.3.3); a fraction of a second is dropped. 0 stays where there is no such attribute. */
static bool read_time(struct reader *reader, const struct xml_attributes *attributes, const char *name,
		      int64_t *seconds)
{
	struct str value = attribute_of(attributes, name);
	struct str dtm;

	if (!value.data)
		return true;
	value = str_trim(value);
	if (value.size < 20 || !str_ends_with(value, STR("Z")) || !xds_time_from_fhir(value, 0, reader->arena, &dtm) ||
	    !xds_time_to_unix(dtm, seconds) || *seconds <= 0)
		return refuse(reader, "has a time that is not one in UTC");
	return true;
}

/* --- elements that begin --- */

static bool begin_assertion(struct reader *reader, const struct xml_attributes *attributes)
{
	struct saml_assertion *assertion = reader->assertion;

	if (!str_equal(attribute_of(attributes, "Version"), STR("2.0")))
		return refuse(reader, "is not of version 2.0");
	return copy_attribute(reader, attributes, "ID", &assertion->id) &&
	       read_time(reader, attributes, "IssueInstant", &assertion->issued_s);
}

static bool begin_confirmation(struct reader *reader, const struct xml_attributes *attributes)
{
	if (str_equal(attribute_of(attributes, "Method"), STR(SAML_BEARER)))
		return true;
	return refuse(reader, "wants a proof besides itself (it is not a bearer's)");
}

static bool begin_confirmation_data(struct reader *reader, const struct xml_attributes *attributes)
{
	struct saml_assertion *assertion = reader->assertion;

	return read_time(reader, attributes, "NotBefore", &assertion->confirmed_from_s) &&
	       read_time(reader, attributes, "NotOnOrAfter", &assertion->confirmed_until_s) &&
	       copy_attribute(reader, attributes, "Recipient", &assertion->recipient);
}

static bool begin_attribute(struct reader *reader, const struct xml_attributes *attributes)
{
	struct str name = STR_NONE;

	if (!copy_attribute(reader, attributes, "Name", &name))
		return false;
	if (str_is_empty(name) || reader->name_count == VALUES_MAX)
		return refuse(reader, "has an attribute without a name, or too many");
	for (size_t i = 0; i < reader->name_count; i++) {
		if (str_equal(reader->names[i], name))
			return refuse(reader, "has two attributes of one name");
	}
	reader->names[reader->name_count++] = name;
	reader->value_count = 0;
	return true;
}

static struct str open_name(const struct reader *reader)
{
	return reader->name_count ? reader->names[reader->name_count - 1] : STR("");
}

/* A coded value (HL7 V3 CE) in the value of the attribute that takes such. */
static bool begin_code(struct reader *reader, const struct xml_attributes *attributes)
{
	struct caller *caller = &reader->assertion->caller;
	struct code code = { 0 };

	if (!copy_attribute(reader, attributes, "code", &code.code) ||
	    !copy_attribute(reader, attributes, "codeSystem", &code.scheme) ||
	    !copy_attribute(reader, attributes, "displayName", &code.display))
		return false;
	if (str_is_empty(code.code) || str_is_empty(code.scheme) || reader->value_has_elements)
		return refuse(reader, "has a role or purpose without code and codeSystem, or two in one value");
	reader->value_has_elements = true;
	if (str_equal(open_name(reader), STR(SAML_PURPOSE))) {
		if (caller->purpose.code.size)
			return refuse(reader, "has two purposes of use");
		caller->purpose = code;
		return true;
	}
	if (caller->roles.count == VALUES_MAX)
		return refuse(reader, "has too many roles");
	if (!arena_grow(reader->arena, &caller->roles.items, caller->roles.count, &reader->role_capacity, sizeof(code)))
		return no_memory(reader);
	caller->roles.items[caller->roles.count++] = code;
	return true;
}

/* Something inside an attribute's value: a code where one belongs, or what nobody here reads. */
static enum element inside_value(const struct reader *reader, const char *local, const char *uri)
{
	struct str name = open_name(reader);
	bool is_role = str_equal(name, STR(SAML_ROLE)) && strcmp(local, "Role") == 0;
	bool is_purpose = str_equal(name, STR(SAML_PURPOSE)) && strcmp(local, "PurposeOfUse") == 0;

	return (is_role || is_purpose) && strcmp(uri, NS_HL7) == 0 ? HL7_CODE : FOREIGN;
}

static bool begin_element(struct reader *reader, enum element element, const struct xml_attributes *attributes)
{
	struct saml_assertion *assertion = reader->assertion;

	switch (element) {
	case ASSERTION:
		return begin_assertion(reader, attributes);
	case CONFIRMATION:
		return begin_confirmation(reader, attributes);
	case CONFIRMATION_DATA:
		return begin_confirmation_data(reader, attributes);
	case CONDITIONS:
		return read_time(reader, attributes, "NotBefore", &assertion->not_before_s) &&
		       read_time(reader, attributes, "NotOnOrAfter", &assertion->not_on_or_after_s);
	case ONE_TIME_USE:
		assertion->one_time_use = true;
		return true;
	case AUTHN_STATEMENT:
		return read_time(reader, attributes, "AuthnInstant", &assertion->caller.authenticated_s);
	case ATTRIBUTE:
		return begin_attribute(reader, attributes);
	case ATTRIBUTE_VALUE:
		reader->value_has_elements = false;
		return true;
	case HL7_CODE:
		return begin_code(reader, attributes);
	default:
		return true;
	}
}

/* --- elements that end --- */

/* Where the one text value of an attribute goes; NULL for one that nobody here reads, or that is coded. */
static struct str *attribute_member(struct saml_assertion *assertion, struct str name)
{
	const struct {
		struct str name;
		struct str *member;
	} members[] = { { STR_INIT(SAML_SUBJECT_NAME), &assertion->caller.name },
			{ STR_INIT(SAML_ORGANIZATION), &assertion->caller.organization },
			{ STR_INIT(SAML_ORGANIZATION_ID), &assertion->caller.organization_id },
			{ STR_INIT(SAML_PROVIDER_ID), &assertion->caller.provider_id },
			{ STR_INIT(SAML_HOME_COMMUNITY), &assertion->caller.home_community_id },
			{ STR_INIT(SAML_PATIENT), &assertion->patient_id } };

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		if (str_equal(name, members[i].name))
			return members[i].member;
	}
	return NULL;
}

static bool end_value(struct reader *reader, struct str text)
{
	struct str name = open_name(reader);
	struct str *member = attribute_member(reader->assertion, name);

	reader->value_count++;
	if (!member) {
		bool coded = str_equal(name, STR(SAML_ROLE)) || str_equal(name, STR(SAML_PURPOSE));

		return !coded || reader->value_has_elements || refuse(reader, "has a role or purpose that is no code");
	}
	if (reader->value_count > 1 || reader->value_has_elements)
		return refuse(reader, "has several values, or elements, where one text belongs");
	*member = arena_copy(reader->arena, str_trim(text));
	return member->data || no_memory(reader);
}

static bool end_audience(struct reader *reader, struct str text)
{
	struct strs *audiences = &reader->assertion->audiences;
	struct str audience = arena_copy(reader->arena, str_trim(text));

	if (audiences->count == VALUES_MAX)
		return refuse(reader, "has too many audiences");
	if (!audience.data || !arena_grow(reader->arena, &audiences->items, audiences->count,
					  &reader->audience_capacity, sizeof(audience)))
		return no_memory(reader);
	audiences->items[audiences->count++] = audience;
	return true;
}

/* Why the glass is broken is what somebody wrote, and no code: of the one purpose, once. */
static bool end_original_text(struct reader *reader, struct str text)
{
	struct caller *caller = &reader->assertion->caller;

	if (!str_equal(open_name(reader), STR(SAML_PURPOSE)))
		return true;
	if (caller->reason.data || text.size > REASON_BYTES_MAX)
		return refuse(reader, "gives two reasons, or one that is too long");
	caller->reason = arena_copy(reader->arena, text);
	return caller->reason.data || no_memory(reader);
}

static bool end_element(struct reader *reader, enum element element)
{
	struct saml_assertion *assertion = reader->assertion;
	struct str text = buf_str(&reader->text);
	struct str *member;

	if (reader->text.failed || (element == ISSUER && text.size > ISSUER_BYTES_MAX))
		return refuse(reader, "has a value that is too long");
	switch (element) {
	case ISSUER:
		member = &assertion->issuer;
		break;
	case NAME_ID:
		member = &assertion->caller.subject;
		break;
	case AUTHN_CLASS:
		member = &assertion->caller.authentication;
		break;
	case AUDIENCE:
		return end_audience(reader, text);
	case ORIGINAL_TEXT:
		return end_original_text(reader, str_trim(text));
	case ATTRIBUTE_VALUE:
		return end_value(reader, text);
	default:
		return true;
	}
	/* A subject or issuer is its whole text: who trims says that two names are one. */
	*member = arena_copy(reader->arena, text);
	return member->data || no_memory(reader);
}

/* --- the walk --- */

static bool has_text(enum element element)
{
	return element == ISSUER || element == NAME_ID || element == AUDIENCE || element == AUTHN_CLASS ||
	       element == ATTRIBUTE_VALUE || element == ORIGINAL_TEXT;
}

static enum element place_find(struct reader *reader, enum element parent, const char *local, const char *uri)
{
	if (parent == HL7_CODE && strcmp(uri, NS_HL7) == 0 && strcmp(local, "originalText") == 0)
		return ORIGINAL_TEXT;
	if (parent == ATTRIBUTE_VALUE || parent == FOREIGN || parent == HL7_CODE || parent == ORIGINAL_TEXT)
		return parent == ATTRIBUTE_VALUE ? inside_value(reader, local, uri) : FOREIGN;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		if (places[i].parent != parent || strcmp(uri, NS_SAML) != 0 || strcmp(local, places[i].name) != 0)
			continue;
		if ((places[i].once && reader->seen[places[i].element]) ||
		    (parent == ASSERTION && places[i].rank < reader->rank))
			return NOTHING;
		if (parent == ASSERTION)
			reader->rank = places[i].rank;
		return places[i].element;
	}
	return NOTHING;
}

static bool on_begin(void *ctx, const char *local, const char *uri, const unsigned char **raw, size_t count)
{
	struct reader *reader = ctx;
	struct xml_attributes attributes = { raw, count };
	enum element parent = reader->depth ? reader->stack[reader->depth - 1] : NOTHING;
	enum element element = place_find(reader, parent, local, uri ? uri : "");

	assert(reader->depth < DEPTH_MAX);
	if (element == NOTHING)
		return refuse(reader, "has an element that is not understood, out of order or there twice");
	if (element == FOREIGN)
		reader->value_has_elements = true;
	reader->seen[element] = true;
	reader->stack[reader->depth++] = element;
	if (has_text(element))
		buf_clear(&reader->text);
	return begin_element(reader, element, &attributes);
}

static bool on_end(void *ctx)
{
	struct reader *reader = ctx;

	return end_element(reader, reader->stack[--reader->depth]);
}

static bool on_text(void *ctx, struct str text)
{
	struct reader *reader = ctx;

	if (reader->depth && has_text(reader->stack[reader->depth - 1]))
		buf_add(&reader->text, text);
	return true;
}

static bool finish(struct reader *reader)
{
	struct saml_assertion *assertion = reader->assertion;
	struct caller *caller = &assertion->caller;

	if (str_is_empty(assertion->id) || str_is_empty(assertion->issuer) || str_is_empty(caller->subject) ||
	    !reader->seen[CONFIRMATION] || !assertion->issued_s)
		return refuse(reader, "lacks its ID, IssueInstant, Issuer, NameID or SubjectConfirmation");
	if (!assertion->not_before_s || !assertion->not_on_or_after_s || assertion->audiences.count == 0)
		return refuse(reader, "lacks NotBefore, NotOnOrAfter or an audience");
	caller->kind = caller->name.size || caller->roles.count ? CALLER_USER : CALLER_SYSTEM;
	caller->issuer = assertion->issuer;
	caller->token_id = assertion->id;
	caller->is_asserted = true;
	caller->expires_s = assertion->not_on_or_after_s;
	return true;
}

bool saml_assertion_read(struct str xml, struct arena *arena, struct saml_assertion *assertion, struct outcome *outcome)
{
	static const struct xml_handler handler = { on_begin, on_end, on_text, NULL };
	struct reader *reader = arena_alloc(arena, sizeof(*reader));
	struct outcome reading;
	bool good;

	if (!reader)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	*assertion = (struct saml_assertion) { 0 };
	*reader = (struct reader) { .arena = arena, .assertion = assertion, .outcome = &reading };
	outcome_init(&reading);
	buf_init(&reader->text, TEXT_BYTES_MAX);
	good = xml_sax_read(xml, &saml_limits, &handler, reader, &reading) && finish(reader);
	buf_free(&reader->text);
	if (good)
		return true;
	if (arena_failed(arena) || (reading.count && reading.issues[0].code == ERR_NO_MEMORY))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	/* What the parser says of a text is here a matter of credentials. */
	if (reading.count && reading.issues[0].code == ERR_CREDENTIALS)
		return outcome_add(outcome, ERR_CREDENTIALS, "", "%s", reading.issues[0].text);
	return outcome_add(outcome, ERR_CREDENTIALS, "", "The assertion cannot be read.");
}
