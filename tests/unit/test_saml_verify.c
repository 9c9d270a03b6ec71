/* The strict verifier of assertions: what it believes, and the attacks that it must not believe. Each attack is made
 * with real signatures, so that only the one thing that is attacked can be the reason. */
#include "signature_support.h"

#include <arpa/inet.h>
#include <libxml/parser.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <xmlsec/xmlsec.h>

#include <xmlsec/app.h>
#include <xmlsec/crypto.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmltree.h>

#include "gateway/soap/saml_verify.h"
#include "gateway/south/xua.h"
#include "mappers/base/xds_time.h"

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

static const char *instant(int64_t from_now_s)
{
	char *text = arena_alloc(arena, FHIR_INSTANT_SIZE);

	fhir_instant_from_unix(fixed_ms / 1000 + from_now_s, text);
	return text;
}

static const char *or_else(const char *text, const char *usual)
{
	return text ? text : usual;
}

#define FORMAT(...) arena_printf(arena, __VA_ARGS__).data

static const char *template_of(const struct shape *shape)
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

static const char *text_of(const struct shape *shape, const char *signature)
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
static const char *sign(const char *text, const struct key_files *files)
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

static const char *make_by(const struct shape *shape, const struct key_files *files)
{
	if (shape->no_signature)
		return text_of(shape, "");
	return sign(text_of(shape, template_of(shape)), files);
}

static const char *make(const struct shape *shape)
{
	return make_by(shape, &trusted);
}

static const char *envelope(const char *header, const char *body)
{
	return FORMAT("<e:Envelope xmlns:e=\"" ENVELOPE "\"><e:Header>%s</e:Header><e:Body>%s</e:Body></e:Envelope>",
		      header, body);
}

static const char *secured(const char *content)
{
	return envelope(FORMAT("<w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security>", content), "<x/>");
}

static struct saml_assertion believed;
static const char *why;

static enum saml_end verify_as(const char *message, const char *message_id, const char *peer)
{
	const struct saml_presented presented = { str_from_c(message), str_from_c(message_id), str_from_c(peer),
						  fixed_ms / 1000, arena };

	believed = (struct saml_assertion) { 0 };
	return saml_verify(verifier, &presented, &believed, &why);
}

static enum saml_end verify(const char *message)
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

static const char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	return FORMAT("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* The signature element of a signed assertion, and the assertion without it. */
static const char *signature_of(const char *assertion)
{
	const char *begin = strstr(assertion, "<ds:Signature ");
	const char *end = strstr(assertion, "</ds:Signature>") + 15;

	return FORMAT("%.*s", (int)(end - begin), begin);
}

static const char *without_signature(const char *assertion)
{
	return replaced(assertion, signature_of(assertion), "");
}

static void test_saml__a_good_one_is_believed(void **state)
{
	const struct shape shape = { 0 };

	(void)state;
	assert_int_equal(verify(secured(make(&shape))), SAML_GOOD);
	assert_true(str_equal(believed.caller.subject, STR("dr-1")));
	assert_true(str_equal(believed.caller.issuer, STR(ISSUER)));
	assert_true(str_equal(believed.caller.token_id, STR("_a1")));
	assert_true(str_equal(believed.caller.purpose.code, STR("TREAT")));
	assert_true(str_equal(believed.patient_id, STR("P-1^^^&2.999.3&ISO")));
	assert_int_equal(believed.caller.expires_s, fixed_ms / 1000 + 300);
}

/* The gateway's own, with namespaces and all; by RSA too. */
static void test_saml__the_gateways_own_is_believed(void **state)
{
	const struct key_files rsa = key_files_make("rsa", "RSA", -60, 3600);
	const struct saml_issuer issuers[] = { { STR_INIT(ISSUER), rsa.certificate } };
	const struct str audiences[] = { STR_INIT(AUDIENCE) };
	const struct saml_verifier_options options = { issuers, 1, audiences, 1, 100, NULL };
	const struct xua_options own = { rsa.key, rsa.certificate, STR(ISSUER) };
	struct caller caller = { .kind = CALLER_USER,
				 .subject = STR("dr-1"),
				 .name = STR("Zo\xC3\xA9 & \"x\" <y>\r\n\t'"),
				 .organization_id = STR("urn:oid:2.999.1"),
				 .purpose = { STR_INIT("BTG"), STR_INIT(PURPOSE_SYSTEM_OID), STR_INIT("a\nb") } };
	struct outcome outcome;
	struct saml_verifier *before = verifier;
	struct xua *xua;
	struct str text;

	(void)state;
	outcome_init(&outcome);
	xua = xua_open(&own, &outcome);
	verifier = saml_verifier_open(&options, &outcome);
	assert_true(xua && verifier);
	assert_true(xua_assertion(xua, &caller, STR("P&1"), STR(AUDIENCE), arena, &text, &outcome));
	assert_int_equal(verify(secured(FORMAT("%.*s", STR_ARG(text)))), SAML_GOOD);
	assert_true(str_equal(believed.caller.name, str_trim(caller.name)));
	assert_true(str_equal(believed.caller.purpose.code, STR("BTG")));
	assert_true(str_equal(believed.patient_id, STR("P&1")));
	saml_verifier_close(verifier);
	verifier = before;
	xua_close(xua);
	key_files_drop(&rsa);
}

static void test_saml__prefixes_may_be_declared_outside(void **state)
{
	const struct shape shape = {
		.transforms = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>"
			      "<ds:Transform Algorithm=\"" EXC "\"><ec:InclusiveNamespaces xmlns:ec=\"" EXC
			      "\" PrefixList=\"s\"/></ds:Transform>"
	};
	const char *text = make(&shape);

	(void)state;
	text = replaced(text, " xmlns:s=\"" NS_SAML "\"", "");
	text = FORMAT("<e:Envelope xmlns:e=\"" ENVELOPE "\" xmlns:s=\"" NS_SAML
		      "\"><e:Header><w:Security xmlns:w=\"" NS_WSSE
		      "\">%s</w:Security></e:Header><e:Body/></e:Envelope>",
		      text);
	assert_int_equal(verify(text), SAML_GOOD);
}

static void test_saml__without_any_it_is_absent(void **state)
{
	(void)state;
	assert_int_equal(verify(envelope("", "<x/>")), SAML_ABSENT);
	REFUSED(secured(""), SAML_MALFORMED, "no assertion in the Security header");
	REFUSED(secured("<u:Timestamp xmlns:u=\"urn:x\"/>"), SAML_MALFORMED, "no assertion");
}

static void test_saml__unsigned_or_changed_ones_are_refused(void **state)
{
	const struct shape none = { .no_signature = true };
	const struct shape shape = { 0 };
	const char *good = make(&shape);

	(void)state;
	REFUSED(secured(make(&none)), SAML_MALFORMED, "accepted shape");
	REFUSED(secured(replaced(good, "dr-1", "dr-2")), SAML_UNTRUSTED, "not right");
	REFUSED(secured(replaced(good, "TREAT", "BTG")), SAML_UNTRUSTED, "not right");
	REFUSED(secured(replaced(good, "P-1", "P-2")), SAML_UNTRUSTED, "not right");
	REFUSED(secured(replaced(good, "<s:Issuer>", "<s:Issuer> ")), SAML_UNTRUSTED, "issuer that is not known");
	assert_int_equal(verify(secured(good)), SAML_GOOD);
}

static void test_076_saml__wrapped_signatures_are_refused(void **state)
{
	const struct shape shape = { 0 };
	const struct shape forged_shape = { .id = "_evil", .name_id = "admin", .no_signature = true };
	const char *original = make(&shape);
	const char *signature = signature_of(original);
	const char *bare = without_signature(original);
	const char *forged = make(&forged_shape);
	const char *same_id = replaced(forged, "_evil", "_a1");
	const char *with_signature = replaced(forged, "</s:Issuer>", FORMAT("</s:Issuer>%s", signature));
	const char *same_id_signed = replaced(same_id, "</s:Issuer>", FORMAT("</s:Issuer>%s", signature));
	const char *extended = replaced(original, "</s:Assertion>", FORMAT("%s</s:Assertion>", forged));
	const struct {
		const char *what;
		const char *message;
	} attacks[] = {
		/* XSW1 and 2: the forged one first, the original as object of its signature, or beside it */
		{ "XSW1", secured(replaced(with_signature, "</ds:Signature>",
					   FORMAT("<ds:Object>%s</ds:Object></ds:Signature>", bare))) },
		{ "XSW2", secured(FORMAT("%s%s%s", forged, signature, bare)) },
		/* XSW3: the forged one beside the original, before it and behind it */
		{ "XSW3", secured(FORMAT("%s%s", forged, original)) },
		{ "XSW3 behind", secured(FORMAT("%s%s", original, forged)) },
		/* XSW4: the original inside the forged one */
		{ "XSW4", secured(replaced(forged, "</s:Assertion>", FORMAT("%s</s:Assertion>", original))) },
		{ "XSW4 inside out", secured(extended) },
		/* XSW5 and 6: the signature in the forged one, the original at the end or in the signature */
		{ "XSW5", secured(FORMAT("%s%s", with_signature, bare)) },
		{ "XSW6", secured(replaced(with_signature, "</ds:Signature>", FORMAT("%s</ds:Signature>", bare))) },
		/* XSW7 and 8: in extensions or objects with room for anything */
		{ "XSW7",
		  secured(FORMAT("<s:Extensions xmlns:s=\"" NS_SAML "\">%s</s:Extensions>%s", forged, original)) },
		{ "XSW8", secured(replaced(with_signature, "</ds:Signature>",
					   FORMAT("<ds:Object>%s</ds:Object></ds:Signature>", original))) },
		{ "one ID twice", secured(FORMAT("%s%s", same_id, original)) },
		{ "one ID, other claims", secured(same_id_signed) },
		{ "other header",
		  envelope(FORMAT("<w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security><w:Security xmlns:w=\"" NS_WSSE
				  "\">%s</w:Security>",
				  forged, original),
			   "<x/>") },
		{ "unknown header",
		  envelope(FORMAT("<w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security><y>%s</y>", with_signature, bare),
			   "<x/>") },
		{ "in the body",
		  envelope(FORMAT("<w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security>", with_signature), bare) },
		{ "all in the body", envelope("", original) },
		{ "advice", secured(replaced(with_signature, "</s:Conditions>",
					     FORMAT("</s:Conditions><s:Advice>%s</s:Advice>", bare))) },
		{ "ID of another element",
		  envelope(FORMAT("<w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security><y Id=\"_a1\"/>", original),
			   "<x/>") },
		{ "ID of an element before",
		  envelope(FORMAT("<y xml:id=\"_a1\"/><w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security>", original),
			   "<x/>") },
		{ "ID in the body", envelope(FORMAT("<w:Security xmlns:w=\"" NS_WSSE "\">%s</w:Security>", original),
					     "<x id=\"_a1\"/>") },
		{ "header behind the body",
		  FORMAT("<e:Envelope xmlns:e=\"" ENVELOPE "\"><e:Body/><e:Header><w:Security xmlns:w=\"" NS_WSSE
			 "\">%s</w:Security></e:Header></e:Envelope>",
			 original) },
		{ "encrypted", secured(FORMAT("%s<s:EncryptedAssertion xmlns:s=\"" NS_SAML "\"/>", original)) },
		{ "SAML 1",
		  secured(FORMAT("<a:Assertion xmlns:a=\"urn:oasis:names:tc:SAML:1.0:assertion\"/>%s", original)) },
		{ "something beside it",
		  secured(FORMAT("%s<w:BinarySecurityToken xmlns:w=\"" NS_WSSE "\"/>", original)) },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(attacks); i++) {
		enum saml_end end = verify(attacks[i].message);

		/* By their place and number; only the one that keeps its form needs a look at its digest. */
		if (end != (strstr(attacks[i].what, "other claims") ? SAML_UNTRUSTED : SAML_MALFORMED))
			fail_msg("%s: %d %s", attacks[i].what, end, why);
	}
	assert_int_equal(verify(secured(original)), SAML_GOOD);
}

static void test_077_saml__text_is_the_whole_text(void **state)
{
	const struct shape commented = { .id = "_c1", .name_id = "admin<!-- -->.evil" };
	const struct shape plain = { .id = "_c2", .name_id = "admin.evil" };
	const struct shape section = { .id = "_c3", .name_id = "<![CDATA[admin]]>.evil<![CDATA[<!---->]]>" };
	const struct shape blank = { .id = "_c4", .name_id = " admin\n" };
	const struct shape instruction = { .id = "_c5", .name_id = "admin<?x y?>.evil" };
	const struct shape element = { .id = "_c6", .name_id = "admin<s:x/>.evil" };
	const struct shape issuer = { .id = "_c7", .issuer = ISSUER "<!-- -->" };
	const struct shape entity = { .id = "_c8", .name_id = "a&#100;min&amp;&lt;" };

	(void)state;
	assert_int_equal(verify(secured(make(&commented))), SAML_GOOD);
	assert_true(str_equal(believed.caller.subject, STR("admin.evil")));
	/* Put in after it was signed: the canonical form has no comments, so the signature holds. */
	assert_int_equal(verify(secured(replaced(make(&plain), "admin", "admin<!-- -->"))), SAML_GOOD);
	assert_true(str_equal(believed.caller.subject, STR("admin.evil")));
	assert_int_equal(verify(secured(make(&section))), SAML_GOOD);
	assert_true(str_equal(believed.caller.subject, STR("admin.evil<!---->")));
	assert_int_equal(verify(secured(make(&blank))), SAML_GOOD);
	assert_true(str_equal(believed.caller.subject, STR(" admin\n")));
	assert_int_equal(verify(secured(make(&entity))), SAML_GOOD);
	assert_true(str_equal(believed.caller.subject, STR("admin&<")));
	assert_int_equal(verify(secured(make(&issuer))), SAML_GOOD);
	REFUSED(secured(make(&instruction)), SAML_MALFORMED, "processing instruction");
	REFUSED(secured(make(&element)), SAML_MALFORMED, "not understood");
}

static int listener_open(unsigned short *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	int descriptor = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(descriptor, 8), 0);
	getsockname(descriptor, (struct sockaddr *)&address, &size);
	*port = ntohs(address.sin_port);
	return descriptor;
}

#define TRANSFORM(algorithm, content) "<ds:Transform Algorithm=\"" algorithm "\">" content "</ds:Transform>"
#define ENVELOPED_TRANSFORM           TRANSFORM("http://www.w3.org/2000/09/xmldsig#enveloped-signature", "")

static void test_078_saml__only_one_shape_of_signature(void **state)
{
	const struct shape shape = { 0 };
	const char *good = make(&shape);
	const char *transform = "<ds:Transform Algorithm=\"" EXC "\"/>";
	unsigned short port;
	int listener = listener_open(&port);
	const char *far = FORMAT("http://127.0.0.1:%u/x", port);
	const char *changes[][2] = {
		{ "URI=\"#_a1\"", "URI=\"\"" },
		{ "URI=\"#_a1\"", FORMAT("URI=\"%s\"", far) },
		{ "URI=\"#_a1\"", "URI=\"file:///etc/passwd\"" },
		{ "URI=\"#_a1\"", "URI=\"#xpointer(id('_a1'))\"" },
		{ "URI=\"#_a1\"", "URI=\"#xpointer(/)\"" },
		{ "URI=\"#_a1\"", "" },
		{ "URI=\"#_a1\"", "URI=\"#_a1\" Type=\"http://www.w3.org/2000/09/xmldsig#Manifest\"" },
		{ transform, TRANSFORM("http://www.w3.org/TR/1999/REC-xslt-19991116",
				       "<xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" "
				       "version=\"1.0\"><xsl:template match=\"/\"/></xsl:stylesheet>") },
		{ transform, TRANSFORM("http://www.w3.org/TR/1999/REC-xpath-19991116", "<ds:XPath>true()</ds:XPath>") },
		{ transform, TRANSFORM("http://www.w3.org/2002/06/xmldsig-filter2", "") },
		{ transform, TRANSFORM("http://www.w3.org/2000/09/xmldsig#base64", "") },
		{ transform, TRANSFORM("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "") },
		{ transform, TRANSFORM("http://www.w3.org/2001/10/xml-exc-c14n#WithComments", "") },
		{ transform, "" },
		{ transform, "<ds:Transform Algorithm=\"" EXC "\"/><ds:Transform Algorithm=\"" EXC "\"/>" },
		{ ENVELOPED_TRANSFORM, "" },
		{ SHA256, "http://www.w3.org/2000/09/xmldsig#sha1" },
		{ MORE "ecdsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1" },
		{ MORE "ecdsa-sha256", MORE "ecdsa-sha1" },
		{ MORE "ecdsa-sha256", MORE "rsa-md5" },
		{ "<ds:SignatureMethod Algorithm=\"" MORE "ecdsa-sha256\"/>",
		  "<ds:SignatureMethod Algorithm=\"" MORE "hmac-sha256\"><ds:HMACOutputLength>8</ds:HMACOutputLength>"
		  "</ds:SignatureMethod>" },
		{ "<ds:CanonicalizationMethod Algorithm=\"" EXC "\"/>",
		  "<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/1999/REC-xslt-19991116\"/>" },
		{ "</ds:Reference>", "</ds:Reference><ds:Reference URI=\"#_a1\"/>" },
		{ "<ds:Reference ", "<ds:Reference URI=\"#other\"/><ds:Reference " },
		{ "</ds:SignedInfo>", "</ds:SignedInfo><ds:SignedInfo/>" },
	};

	(void)state;
	/* libxml2 has closed the empty elements its own way. */
	good = replaced(good, "xmldsig#enveloped-signature\"/>", "xmldsig#enveloped-signature\"></ds:Transform>");
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		enum saml_end end = verify(secured(replaced(good, changes[i][0], changes[i][1])));

		if (end != SAML_MALFORMED || !strstr(why, "accepted shape"))
			fail_msg("%s: %d %s", changes[i][1], end, why);
	}
	struct pollfd ready = { .fd = listener, .events = POLLIN };

	assert_int_equal(poll(&ready, 1, 0), 0); /* nobody was asked for anything */
	close(listener);
	assert_int_equal(verify(secured(good)), SAML_GOOD);
}

/* The same with signatures that are right. */
static void test_078_saml__weak_signatures_that_are_right_are_refused(void **state)
{
	const struct shape shapes[] = {
		{ .uri = "" },
		{ .digest = "http://www.w3.org/2000/09/xmldsig#sha1" },
		{ .transforms =
			  ENVELOPED_TRANSFORM TRANSFORM("http://www.w3.org/2001/10/xml-exc-c14n#WithComments", "") },
		{ .transforms = ENVELOPED_TRANSFORM
			  TRANSFORM("http://www.w3.org/TR/1999/REC-xpath-19991116",
				    "<ds:XPath>not(ancestor-or-self::*[local-name()='NameID'])</ds:XPath>")
				  TRANSFORM(EXC, "") },
		{ .reference_extra = "<ds:Reference URI=\"#_a1\"><ds:Transforms>" ENVELOPED_TRANSFORM
				     "</ds:Transforms><ds:DigestMethod Algorithm=\"" SHA256
				     "\"/><ds:DigestValue/></ds:Reference>" },
		{ .c14n = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments" },
		{ .signature_extra = "<ds:Object>x</ds:Object>" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(shapes); i++) {
		enum saml_end end = verify(secured(make(&shapes[i])));

		if (end != SAML_MALFORMED)
			fail_msg("shape %zu: %d %s", i, end, why);
	}
}

static const char *certificate_text(const struct key_files *files)
{
	static char text[4096];
	FILE *file = fopen(files->certificate, "re");
	size_t size = fread(text, 1, sizeof text - 1, file);

	fclose(file);
	text[size] = '\0';
	*strstr(text, "-----END") = '\0';
	return strchr(text, '\n') + 1;
}

static void test_079_saml__key_info_is_not_believed(void **state)
{
	unsigned short port;
	int listener = listener_open(&port);
	const char *key_info =
		FORMAT("<ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data>"
		       "</ds:KeyInfo>",
		       certificate_text(&attacker));
	const char *retrieval = FORMAT("<ds:KeyInfo><ds:RetrievalMethod URI=\"http://127.0.0.1:%u/key\" "
				       "Type=\"http://www.w3.org/2000/09/xmldsig#rawX509Certificate\"/></ds:KeyInfo>",
				       port);
	const struct shape foreign = { .key_info = key_info };
	const struct shape far = { .key_info = retrieval };
	const struct shape unknown = { .issuer = "https://attacker.example", .key_info = key_info };

	(void)state;
	REFUSED(secured(make_by(&foreign, &attacker)), SAML_UNTRUSTED, "configured certificate");
	REFUSED(secured(make_by(&far, &attacker)), SAML_UNTRUSTED, "configured certificate");
	REFUSED(secured(make_by(&unknown, &attacker)), SAML_UNTRUSTED, "issuer that is not known");
	/* What stands there changes nothing for a signature by the right key either. */
	assert_int_equal(verify(secured(make(&foreign))), SAML_GOOD);
	struct pollfd ready = { .fd = listener, .events = POLLIN };

	assert_int_equal(poll(&ready, 1, 0), 0);
	close(listener);
	REFUSED(secured(replaced(make(&foreign), "</ds:KeyInfo>", "</ds:KeyInfo><ds:KeyInfo/>")), SAML_MALFORMED,
		"shape");
}

static void test_saml__both_keys_of_an_issuer_are_believed(void **state)
{
	const struct shape shape = { 0 };

	(void)state;
	assert_int_equal(verify(secured(make_by(&shape, &second))), SAML_GOOD);
	assert_int_equal(verify(secured(make(&shape))), SAML_GOOD);
}

static void test_saml__certificates_outside_their_time_are_refused(void **state)
{
	const struct shape shape = { .issuer = "https://late.example" };

	(void)state;
	REFUSED(secured(make_by(&shape, &attacker)), SAML_UNTRUSTED, "not valid now");
}

static void test_080_saml__times_audiences_and_confirmations(void **state)
{
	const struct {
		struct shape shape;
		const char *why; /* NULL: believed */
	} cases[] = {
		{ { .begin_s = -300, .end_s = -61 }, "ended" },
		{ { .begin_s = -300, .end_s = -60 }, "ended" },
		{ { .begin_s = -300, .end_s = -59 }, NULL },
		{ { .begin_s = 61 }, "not valid yet" },
		{ { .begin_s = 60 }, NULL },
		{ { .begin_s = -1, .end_s = 90000 }, "more than a day" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>urn:oid:2.999.99</s:Audience></"
				  "s:AudienceRestriction>" },
		  "another audience" },
		{ { .conditions =
			    "<s:AudienceRestriction><s:Audience>" AUDIENCE "1</s:Audience></s:AudienceRestriction>" },
		  "another audience" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>urn:x</s:Audience><s:Audience> " AUDIENCE
				  "\n</s:Audience></s:AudienceRestriction>" },
		  NULL },
		{ { .conditions = "" }, "lacks" },
		{ { .conditions =
			    "<s:AudienceRestriction><s:Audience>" AUDIENCE
			    "</s:Audience></s:AudienceRestriction><s:AudienceRestriction><s:Audience>urn:x</s:Audience>"
			    "</s:AudienceRestriction>" },
		  "not understood" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>" AUDIENCE
				  "</s:Audience></s:AudienceRestriction><s:Condition/>" },
		  "not understood" },
		{ { .conditions = "<s:AudienceRestriction><s:Audience>" AUDIENCE
				  "</s:Audience></s:AudienceRestriction><s:ProxyRestriction/>" },
		  "not understood" },
		{ { .confirmation =
			    "<s:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:holder-of-key\"/>" },
		  "proof" },
		{ { .confirmation =
			    "<s:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:sender-vouches\"/>" },
		  "proof" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"/>" }, NULL },
		{ { .confirmation = "" }, "lacks" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER
				    "\"/><s:SubjectConfirmation Method=\"" SAML_BEARER "\"/>" },
		  "not understood" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER
				    "\"><s:SubjectConfirmationData Recipient=\"urn:x\"/></s:SubjectConfirmation>" },
		  "another recipient" },
		{ { .confirmation =
			    "<s:SubjectConfirmation Method=\"" SAML_BEARER
			    "\"><s:SubjectConfirmationData Recipient=\"" AUDIENCE "\"/></s:SubjectConfirmation>" },
		  NULL },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"><s:SubjectConfirmationData "
				    "NotOnOrAfter=\"2020-01-01T00:00:00Z\"/></s:SubjectConfirmation>" },
		  "ended" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"><s:SubjectConfirmationData "
				    "NotBefore=\"2099-01-01T00:00:00Z\"/></s:SubjectConfirmation>" },
		  "not valid yet" },
		{ { .confirmation = "<s:SubjectConfirmation Method=\"" SAML_BEARER "\"><s:SubjectConfirmationData "
				    "NotOnOrAfter=\"2099-01-01T00:00:00\"/></s:SubjectConfirmation>" },
		  "time" },
		{ { .subject = "<s:NameID>a</s:NameID><s:NameID>b</s:NameID>" }, "not understood" },
		{ { .subject = "<s:EncryptedID/>" }, "not understood" },
		{ { .statement = "<s:AuthzDecisionStatement/>" }, "not understood" },
		{ { .statement = "<s:Advice/>" }, "not understood" },
		{ { .statement = "<s:AuthnStatement "
				 "AuthnInstant=\"2026-01-01T00:00:00.123Z\"><s:AuthnContext><s:AuthnContextClassRef>"
				 "urn:x</s:AuthnContextClassRef></s:AuthnContext></s:AuthnStatement>" },
		  NULL },
		{ { .purpose = "<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"TREAT\"/>" }, "codeSystem" },
		{ { .purpose = "TREAT" }, "no code" },
		{ { .purpose = "<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"TREAT\" "
			       "codeSystem=\"1.2\"/></s:AttributeValue>"
			       "<s:AttributeValue><PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"BTG\" "
			       "codeSystem=\"1.2\"/>" },
		  "two purposes" },
		{ { .purpose = "<PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"TREAT\" "
			       "codeSystem=\"1.2\"/></s:AttributeValue>"
			       "</s:Attribute><s:Attribute Name=\"urn:oasis:names:tc:xspa:1.0:subject:purposeofuse\">"
			       "<s:AttributeValue><PurposeOfUse xmlns=\"urn:hl7-org:v3\" code=\"BTG\" "
			       "codeSystem=\"1.2\"/>" },
		  "two attributes" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct shape shape = cases[i].shape;

		shape.id = FORMAT("_t%zu", i);
		enum saml_end end = verify(secured(make(&shape)));

		if (cases[i].why ? end == SAML_GOOD || !strstr(why, cases[i].why) : end != SAML_GOOD)
			fail_msg("case %zu: %d %s, expected %s", i, end, why, cases[i].why ? cases[i].why : "good");
	}
}

static void test_080_saml__replay(void **state)
{
	const struct shape shape = { .id = "_r1" };
	const struct shape once = { .id = "_r2",
				    .conditions = "<s:AudienceRestriction><s:Audience>" AUDIENCE
						  "</s:Audience></s:AudienceRestriction><s:OneTimeUse/>" };
	const char *message = secured(make(&shape));

	(void)state;
	assert_int_equal(verify_as(message, "urn:uuid:r1", "cert-a"), SAML_GOOD);
	assert_int_equal(verify_as(message, "urn:uuid:r2", "cert-a"), SAML_GOOD);
	assert_int_equal(verify_as(message, "urn:uuid:r1", "cert-a"), SAML_UNTRUSTED);
	assert_non_null(strstr(why, "came before"));
	assert_int_equal(verify_as(message, "urn:uuid:r3", "cert-b"), SAML_UNTRUSTED);
	assert_non_null(strstr(why, "another peer"));
	assert_int_equal(verify_as(message, "", "cert-a"), SAML_UNTRUSTED);
	assert_non_null(strstr(why, "without an id"));
	message = secured(make(&once));
	assert_int_equal(verify_as(message, "urn:uuid:r4", "cert-a"), SAML_GOOD);
	assert_int_equal(verify_as(message, "urn:uuid:r5", "cert-a"), SAML_UNTRUSTED);
}

/* What was seen is bounded; what has ended makes room. */
static void test_saml__what_was_seen_is_bounded(void **state)
{
	const struct saml_issuer issuers[] = { { STR_INIT(ISSUER), trusted.certificate } };
	const struct str audiences[] = { STR_INIT(AUDIENCE) };
	const struct saml_verifier_options options = { issuers, 1, audiences, 1, 200, NULL };
	struct saml_verifier *before = verifier;
	struct outcome outcome;
	const struct shape shape = { 0 };
	const char *message = secured(make(&shape));
	int good = 0;

	(void)state;
	outcome_init(&outcome);
	verifier = saml_verifier_open(&options, &outcome);
	while (good < 1000 && verify(message) == SAML_GOOD)
		good++;
	assert_in_range(good, 190, 200);
	assert_int_equal(verify(message), SAML_BUSY);
	fixed_ms += 400 * 1000;
	assert_int_equal(verify(secured(make(&shape))), SAML_GOOD);
	saml_verifier_close(verifier);
	verifier = before;
}

static void test_saml__sizes_and_depths_are_bounded(void **state)
{
	char *deep = arena_alloc(arena, 2000);
	char *many = arena_alloc(arena, 40000);
	char *large = arena_alloc(arena, 400000);

	(void)state;
	for (int i = 0; i < 200; i++)
		memcpy(deep + strlen(deep), "<a>", 4);
	REFUSED(envelope(deep, ""), SAML_MALFORMED, "");
	for (int i = 0; i < 3000; i++)
		memcpy(many + strlen(many), "<a/>", 5);
	REFUSED(envelope(many, "<x/>"), SAML_MALFORMED, "too long");
	memset(large, 'x', 300000);
	REFUSED(envelope(large, "<x/>"), SAML_MALFORMED, "too long");
	assert_int_equal(verify(envelope("", large)), SAML_ABSENT);
	REFUSED("<!DOCTYPE e [<!ENTITY x \"y\">]><e/>", SAML_MALFORMED, "not accepted");
	REFUSED("<e", SAML_MALFORMED, "");
	REFUSED("", SAML_MALFORMED, "");
	REFUSED(replaced(secured(""), "</e:Envelope>", ""), SAML_MALFORMED, "well-formed");
}

static void test_saml__survives_the_want_of_memory(void **state)
{
	const struct shape shape = { .id = "_m1" };
	const char *message = secured(make(&shape));
	enum saml_end end = SAML_BUSY;

	(void)state;
	for (size_t n = 0; end != SAML_GOOD; n++) {
		struct arena *small = arena_new(1 << 20);
		const struct saml_presented presented = { str_from_c(message), STR("urn:uuid:m"), STR("peer"),
							  fixed_ms / 1000, small };
		struct saml_assertion assertion = { .id = STR("untouched") };

		arena_fail_at(small, n);
		end = saml_verify(verifier, &presented, &assertion, &why);
		assert_true(end == SAML_GOOD || end == SAML_BUSY);
		assert_true(end == SAML_GOOD || str_equal(assertion.id, STR("untouched")));
		arena_free(small);
		assert_true(n < 200);
	}
}

struct crowd {
	const char *message;
	int number;
	bool good;
};

static void *crowd_main(void *argument)
{
	struct crowd *crowd = argument;

	crowd->good = true;
	for (int i = 0; i < 50; i++) {
		struct arena *own = arena_new(1 << 20);
		char id[64];
		const char *reason;
		struct saml_assertion assertion;

		snprintf(id, sizeof id, "urn:uuid:%d-%d", crowd->number, i);
		const struct saml_presented presented = { str_from_c(crowd->message), str_from_c(id), STR("peer"),
							  fixed_ms / 1000, own };

		crowd->good = crowd->good && saml_verify(verifier, &presented, &assertion, &reason) == SAML_GOOD;
		arena_free(own);
	}
	return NULL;
}

static void test_saml__many_threads(void **state)
{
	const struct shape shape = { .id = "_p1" };
	const char *message = secured(make(&shape));
	struct crowd crowds[8];
	pthread_t threads[COUNT_OF(crowds)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(crowds); i++) {
		crowds[i] = (struct crowd) { message, (int)i, false };
		pthread_create(&threads[i], NULL, crowd_main, &crowds[i]);
	}
	for (size_t i = 0; i < COUNT_OF(crowds); i++) {
		pthread_join(threads[i], NULL);
		assert_true(crowds[i].good);
	}
}

/* For whoever asks what it costs; nothing is asserted of the time. */
static void test_saml__cost(void **state)
{
	const struct shape shape = { .id = "_k1" };
	const char *message = secured(make(&shape));
	const int rounds = 200;
	struct timespec from;
	struct timespec to;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < rounds; i++)
		assert_int_equal(verify(message), SAML_GOOD);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("             P-256: %.1f us to verify\n",
	       ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1000 / rounds);
}

static int begin(void **state)
{
	(void)state;
	arena = arena_new(256 << 20);
	return arena == NULL;
}

static int end(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_saml__a_good_one_is_believed),
		TEST(test_saml__the_gateways_own_is_believed),
		TEST(test_saml__prefixes_may_be_declared_outside),
		TEST(test_saml__without_any_it_is_absent),
		TEST(test_saml__unsigned_or_changed_ones_are_refused),
		TEST(test_076_saml__wrapped_signatures_are_refused),
		TEST(test_077_saml__text_is_the_whole_text),
		TEST(test_078_saml__only_one_shape_of_signature),
		TEST(test_078_saml__weak_signatures_that_are_right_are_refused),
		TEST(test_079_saml__key_info_is_not_believed),
		TEST(test_saml__both_keys_of_an_issuer_are_believed),
		TEST(test_saml__certificates_outside_their_time_are_refused),
		TEST(test_080_saml__times_audiences_and_confirmations),
		TEST(test_080_saml__replay),
		TEST(test_saml__what_was_seen_is_bounded),
		TEST(test_saml__sizes_and_depths_are_bounded),
		TEST(test_saml__survives_the_want_of_memory),
		TEST(test_saml__many_threads),
		TEST(test_saml__cost),
	};
	struct key_files late;
	struct outcome outcome;
	int failed;

	if (!signatures_start() || !mkdtemp(key_directory))
		return 1;
	fixed_ms = (int64_t)time(NULL) * 1000;
	clock_fix();
	trusted = key_files_make("trusted", "EC", -3600, 36000);
	second = key_files_make("second", "EC", -3600, 36000);
	attacker = key_files_make("attacker", "EC", -3600, 36000);
	late = key_files_make("late", "EC", -7200, -3600);
	const struct saml_issuer issuers[] = { { STR_INIT(ISSUER), trusted.certificate },
					       { STR_INIT("https://late.example"), late.certificate },
					       { STR_INIT(ISSUER), second.certificate } };
	const struct str audiences[] = { STR_INIT("urn:oid:2.999.77"), STR_INIT(AUDIENCE) };
	const struct saml_verifier_options options = { issuers,   COUNT_OF(issuers),
						       audiences, COUNT_OF(audiences),
						       100000,    NULL };

	outcome_init(&outcome);
	verifier = saml_verifier_open(&options, &outcome);
	if (!verifier)
		return 1;
	failed = cmocka_run_group_tests_name("saml_verify", tests, NULL, NULL);
	saml_verifier_close(verifier);
	key_files_drop(&trusted);
	key_files_drop(&second);
	key_files_drop(&attacker);
	key_files_drop(&late);
	rmdir(key_directory);
	return failed;
}
