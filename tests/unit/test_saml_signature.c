/* Signatures of assertions that must not be believed. */
#include "saml_stand.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_076_saml__wrapped_signatures_are_refused),
		TEST(test_077_saml__text_is_the_whole_text),
		TEST(test_078_saml__only_one_shape_of_signature),
		TEST(test_078_saml__weak_signatures_that_are_right_are_refused),
		TEST(test_079_saml__key_info_is_not_believed),
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
