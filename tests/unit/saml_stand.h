/* Assertions made with real signatures, and a verifier of them: each attack is made so that only the one thing that is
 * attacked can be the reason. */
#ifndef PASSERELLE_TESTS_SAML_STAND_H
#define PASSERELLE_TESTS_SAML_STAND_H

#include "signature_support.h"
#include "gateway/soap/saml_verify.h"
#include "mappers/base/xds_time.h"

#include <libxml/parser.h>
#include <xmlsec/app.h>
#include <xmlsec/crypto.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmltree.h>

#define ISSUER   "https://gateway.example/xua"
#define AUDIENCE "urn:oid:2.999.4"
#define PATIENT  "P-1^^^&amp;2.999.3&amp;ISO"
#define EXC      "http://www.w3.org/2001/10/xml-exc-c14n#"
#define MORE     "http://www.w3.org/2001/04/xmldsig-more#"
#define SHA256   "http://www.w3.org/2001/04/xmlenc#sha256"
#define ENVELOPE "http://www.w3.org/2003/05/soap-envelope"

static struct key_files trusted;
static struct key_files second; /* of the same issuer, the next key */
static struct key_files attacker;
static struct saml_verifier *verifier;
static struct arena *arena;
static int message_number;

/* An assertion as a test wants it; what is NULL is as it should be. */
struct shape {
	const char *id, *issuer, *name_id, *subject, *confirmation, *conditions, *statement, *purpose;
	const char *c14n, *method, *digest, *transforms, *uri, *key_info, *signature_extra, *reference_extra;
	int64_t begin_s, end_s; /* from now; 0: the usual */
	bool no_signature;
};

static inline const char *instant(int64_t from_now_s)
{
	char *text = arena_alloc(arena, FHIR_INSTANT_SIZE);

	fhir_instant_from_unix(fixed_ms / 1000 + from_now_s, text);
	return text;
}

static inline const char *or_else(const char *text, const char *usual)
{
	return text ? text : usual;
}

#define FORMAT(...) arena_printf(arena, __VA_ARGS__).data

static inline const char *template_of(const struct shape *shape)
{
	const char *id = or_else(shape->id, "_a1");
	const char *transforms =
		or_else(shape->transforms,
			"<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>"
			"<ds:Transform Algorithm=\"" EXC "\"/>");
	const char *reference =
		FORMAT("<ds:Reference URI=\"%s\"><ds:Transforms>%s</ds:Transforms><ds:DigestMethod Algorithm=\"%s\"/>"
		       "<ds:DigestValue/></ds:Reference>",
		       or_else(shape->uri, FORMAT("#%s", id)), transforms, or_else(shape->digest, SHA256));

	return FORMAT("<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>"
		      "<ds:CanonicalizationMethod Algorithm=\"%s\"/><ds:SignatureMethod Algorithm=\"%s\"/>%s%s"
		      "</ds:SignedInfo><ds:SignatureValue/>%s%s</ds:Signature>",
		      or_else(shape->c14n, EXC), or_else(shape->method, MORE "ecdsa-sha256"), reference,
		      or_else(shape->reference_extra, ""), or_else(shape->key_info, ""),
		      or_else(shape->signature_extra, ""));
}

static inline const char *text_of(const struct shape *shape, const char *signature)
{
	int64_t begin = shape->begin_s ? shape->begin_s : -1;
	int64_t end = shape->end_s ? shape->end_s : 300;
	const char *confirmation =
		or_else(shape->confirmation,
			FORMAT("<s:SubjectConfirmation Method=\"" SAML_BEARER "\">"
			       "<s:SubjectConfirmationData NotOnOrAfter=\"%s\"/></s:SubjectConfirmation>",
			       instant(end)));
	const char *conditions = or_else(shape->conditions, "<s:AudienceRestriction><s:Audience>" AUDIENCE
							    "</s:Audience></s:AudienceRestriction>");
	const char *purpose = or_else(shape->purpose,
				      "<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"TREAT\" codeSystem=\"2.999.5\"/>");

	return FORMAT("<s:Assertion xmlns:s=\"" NS_SAML "\" ID=\"%s\" IssueInstant=\"%s\" Version=\"2.0\">"
		      "<s:Issuer>%s</s:Issuer>%s<s:Subject>%s%s</s:Subject>"
		      "<s:Conditions NotBefore=\"%s\" NotOnOrAfter=\"%s\">%s</s:Conditions>%s<s:AttributeStatement>"
		      "<s:Attribute Name=\"urn:oasis:names:tc:xspa:1.0:subject:purposeofuse\"><s:AttributeValue>%s"
		      "</s:AttributeValue></s:Attribute>"
		      "<s:Attribute "
		      "Name=\"urn:oasis:names:tc:xacml:2.0:resource:resource-id\"><s:AttributeValue>" PATIENT
		      "</s:AttributeValue></s:Attribute></s:AttributeStatement></s:Assertion>",
		      or_else(shape->id, "_a1"), instant(begin), or_else(shape->issuer, ISSUER), signature,
		      or_else(shape->subject, FORMAT("<s:NameID>%s</s:NameID>", or_else(shape->name_id, "dr-1"))),
		      confirmation, instant(begin), instant(end), conditions, or_else(shape->statement, ""), purpose);
}

/* xmlsec signs whatever is asked of it. */
static inline const char *sign(const char *text, const struct key_files *files)
{
	xmlDocPtr document = xmlReadMemory(text, (int)strlen(text), NULL, NULL, XML_PARSE_NONET);
	xmlNodePtr root;
	xmlAttrPtr id;
	xmlSecDSigCtxPtr context = xmlSecDSigCtxCreate(NULL);
	xmlChar *printed = NULL;
	int size = 0;
	const char *result;

	assert_non_null(document);
	root = xmlDocGetRootElement(document);
	id = xmlHasProp(root, BAD_CAST "ID");
	xmlAddID(NULL, document, id->children->content, id);
	context->signKey = xmlSecCryptoAppKeyLoad(files->key, xmlSecKeyDataFormatPem, NULL, NULL, NULL);
	assert_non_null(context->signKey);
	assert_true(xmlSecDSigCtxSign(context, xmlSecFindNode(root, xmlSecNodeSignature, xmlSecDSigNs)) >= 0);
	xmlDocDumpMemory(document, &printed, &size);
	result = strstr((const char *)printed, "?>") + 2;
	result = FORMAT("%s", result);
	xmlFree(printed);
	xmlSecDSigCtxDestroy(context);
	xmlFreeDoc(document);
	return result;
}

static inline const char *make_by(const struct shape *shape, const struct key_files *files)
{
	if (shape->no_signature)
		return text_of(shape, "");
	return sign(text_of(shape, template_of(shape)), files);
}

static inline const char *make(const struct shape *shape)
{
	return make_by(shape, &trusted);
}

static inline const char *envelope(const char *header, const char *body)
{
	return FORMAT("<e:Envelope xmlns:e=\"" ENVELOPE "\"><e:Header>%s</e:Header><e:Body>%s</e:Body></e:Envelope>",
		      header, body);
}

static inline const char *secured(const char *content)
{
	return envelope(FORMAT("<w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security>", content), "<x/>");
}

static struct saml_assertion believed;
static const char *why;

static inline enum saml_end verify_as(const char *message, const char *message_id, const char *peer)
{
	const struct saml_presented presented = { str_from_c(message), str_from_c(message_id), str_from_c(peer),
						  fixed_ms / 1000, arena };

	believed = (struct saml_assertion) { 0 };
	return saml_verify(verifier, &presented, &believed, &why);
}

static inline enum saml_end verify(const char *message)
{
	return verify_as(message, FORMAT("urn:uuid:%d", message_number++), "10.0.0.1");
}

/* The end and the reason that are expected; so a test cannot pass by another check's merit. */
#define REFUSED(message, expected_end, expected_why)                                               \
	do {                                                                                       \
		enum saml_end got = verify(message);                                               \
		if (got != (expected_end) || !strstr(why, expected_why))                           \
			fail_msg("%d %s, expected %d %s", got, why, (expected_end), expected_why); \
	} while (0)

static inline const char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	return FORMAT("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static inline int begin(void **state)
{
	(void)state;
	arena = arena_new(256 << 20);
	return arena == NULL;
}

static inline int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
