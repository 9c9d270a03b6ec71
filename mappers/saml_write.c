#include "mappers/base/oid.h"
#include "mappers/base/xds_time.h"
#include "mappers/code_system.h"
#include "mappers/saml_assertion.h"
#include "mappers/saml_names.h"

#define NAME_FORMAT     "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
#define NAME_PERSISTENT "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
#define AUTHN_CLASSES   "urn:oasis:names:tc:SAML:2.0:ac:classes:"
#define NS_HL7          "urn:hl7-org:v3"
#define NS_XSI          "http://www.w3.org/2001/XMLSchema-instance"

static bool code_check(const struct code *code, const char *path, struct outcome *outcome)
{
	return oid_valid(code_system_scheme(code->scheme)) ||
	       outcome_add(outcome, ERR_CODE_INVALID, path,
			   "The back-end wants the code system as an OID, and this one has none here: use a code "
			   "system of HL7 or write its OID (urn:oid:...).");
}

bool saml_assertion_check(const struct saml_assertion *assertion, struct outcome *outcome)
{
	const struct caller *caller = &assertion->caller;

	for (size_t i = 0; i < caller->roles.count; i++) {
		if (!code_check(&caller->roles.items[i], "subject_role", outcome))
			return false;
	}
	return str_is_empty(caller->purpose.code) || code_check(&caller->purpose, "purpose_of_use", outcome);
}

static void write_time(struct xml_writer *writer, struct str name, int64_t seconds)
{
	char text[FHIR_INSTANT_SIZE];

	fhir_instant_from_unix(seconds, text);
	xml_attribute(writer, name, str_from_c(text));
}

static void write_subject(struct xml_writer *writer, const struct saml_assertion *assertion)
{
	const struct caller *caller = &assertion->caller;

	xml_begin(writer, STR("saml2:Subject"));
	xml_begin(writer, STR("saml2:NameID"));
	xml_attribute(writer, STR("Format"), STR(NAME_PERSISTENT));
	/* A sub is unique only for who issued it. */
	if (caller->issuer.size)
		xml_attribute(writer, STR("NameQualifier"), caller->issuer);
	xml_text(writer, caller->subject.size ? caller->subject : caller->client_id);
	xml_end(writer);
	xml_begin(writer, STR("saml2:SubjectConfirmation"));
	xml_attribute(writer, STR("Method"), STR(SAML_BEARER));
	xml_begin(writer, STR("saml2:SubjectConfirmationData"));
	write_time(writer, STR("NotOnOrAfter"), assertion->not_on_or_after_s);
	xml_end(writer);
	xml_end(writer);
	xml_end(writer);
}

static void write_conditions(struct xml_writer *writer, const struct saml_assertion *assertion)
{
	xml_begin(writer, STR("saml2:Conditions"));
	write_time(writer, STR("NotBefore"), assertion->not_before_s);
	write_time(writer, STR("NotOnOrAfter"), assertion->not_on_or_after_s);
	xml_begin(writer, STR("saml2:AudienceRestriction"));
	for (size_t i = 0; i < assertion->audiences.count; i++)
		xml_element(writer, STR("saml2:Audience"), assertion->audiences.items[i]);
	xml_end(writer);
	xml_end(writer);
}

/* How the person proved who they are: what the token says, where SAML has the same word. */
static struct str authn_class(const struct caller *caller)
{
	if (str_starts_with(caller->authentication, STR(AUTHN_CLASSES)))
		return caller->authentication;
	return caller->certificate.size ? STR(AUTHN_CLASSES "X509") : STR(AUTHN_CLASSES "unspecified");
}

static void write_authentication(struct xml_writer *writer, const struct saml_assertion *assertion)
{
	const struct caller *caller = &assertion->caller;

	xml_begin(writer, STR("saml2:AuthnStatement"));
	write_time(writer, STR("AuthnInstant"),
		   caller->authenticated_s ? caller->authenticated_s : assertion->issued_s);
	xml_begin(writer, STR("saml2:AuthnContext"));
	xml_element(writer, STR("saml2:AuthnContextClassRef"), authn_class(caller));
	xml_end(writer);
	xml_end(writer);
}

static void attribute_begin(struct xml_writer *writer, struct str name)
{
	xml_begin(writer, STR("saml2:Attribute"));
	xml_attribute(writer, STR("Name"), name);
	xml_attribute(writer, STR("NameFormat"), STR(NAME_FORMAT));
}

static void write_text(struct xml_writer *writer, struct str name, struct str text)
{
	if (str_is_empty(text))
		return;
	attribute_begin(writer, name);
	xml_element(writer, STR("saml2:AttributeValue"), text);
	xml_end(writer);
}

/* The type's name has no prefix: exclusive canonicalization protects only prefixes that elements use, and the default
 * namespace is used by the element itself. */
static void write_code(struct xml_writer *writer, struct str element, const struct code *code, struct str original_text)
{
	xml_begin(writer, STR("saml2:AttributeValue"));
	xml_begin(writer, element);
	xml_attribute(writer, STR("xmlns"), STR(NS_HL7));
	xml_attribute(writer, STR("xmlns:xsi"), STR(NS_XSI));
	xml_attribute(writer, STR("xsi:type"), STR("CE"));
	xml_attribute(writer, STR("code"), code->code);
	xml_attribute(writer, STR("codeSystem"), code_system_scheme(code->scheme));
	if (code->display.size)
		xml_attribute(writer, STR("displayName"), code->display);
	xml_element(writer, STR("originalText"), original_text);
	xml_end(writer);
	xml_end(writer);
}

static void write_roles(struct xml_writer *writer, const struct codes *roles)
{
	if (roles->count == 0)
		return;
	attribute_begin(writer, STR(SAML_ROLE));
	for (size_t i = 0; i < roles->count; i++)
		write_code(writer, STR("Role"), &roles->items[i], STR_NONE);
	xml_end(writer);
}

/* Who breaks the glass says why, in words: to whoever decides there, and for their records. */
static void write_purpose(struct xml_writer *writer, const struct caller *caller)
{
	bool breaks_glass = str_equal(caller->purpose.code, STR("BTG")) && !str_is_empty(caller->reason);

	if (str_is_empty(caller->purpose.code))
		return;
	attribute_begin(writer, STR(SAML_PURPOSE));
	write_code(writer, STR("PurposeOfUse"), &caller->purpose, breaks_glass ? caller->reason : STR_NONE);
	xml_end(writer);
}

static void write_attributes(struct xml_writer *writer, const struct saml_assertion *assertion)
{
	const struct caller *caller = &assertion->caller;
	bool has_purpose = !str_is_empty(caller->purpose.code);

	if (!caller->name.size && !caller->organization.size && !caller->organization_id.size && !caller->roles.count &&
	    !has_purpose && !caller->provider_id.size && !caller->home_community_id.size && !assertion->patient_id.size)
		return; /* the schema wants one at least */
	xml_begin(writer, STR("saml2:AttributeStatement"));
	write_text(writer, STR(SAML_SUBJECT_NAME), caller->name);
	write_text(writer, STR(SAML_ORGANIZATION), caller->organization);
	write_text(writer, STR(SAML_ORGANIZATION_ID), caller->organization_id);
	write_roles(writer, &caller->roles);
	write_purpose(writer, caller);
	write_text(writer, STR(SAML_PROVIDER_ID), caller->provider_id);
	write_text(writer, STR(SAML_HOME_COMMUNITY), caller->home_community_id);
	write_text(writer, STR(SAML_PATIENT), assertion->patient_id);
	xml_end(writer);
}

void saml_assertion_write(struct xml_writer *writer, const struct saml_assertion *assertion, struct str signature)
{
	xml_begin(writer, STR("saml2:Assertion"));
	xml_attribute(writer, STR("xmlns:saml2"), STR(NS_SAML));
	xml_attribute(writer, STR("ID"), assertion->id);
	write_time(writer, STR("IssueInstant"), assertion->issued_s);
	xml_attribute(writer, STR("Version"), STR("2.0"));
	xml_element(writer, STR("saml2:Issuer"), assertion->issuer);
	xml_raw(writer, signature);
	write_subject(writer, assertion);
	write_conditions(writer, assertion);
	write_authentication(writer, assertion);
	write_attributes(writer, assertion);
	xml_end(writer);
}
