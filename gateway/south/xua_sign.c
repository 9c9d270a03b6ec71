#include "gateway/south/xua_sign.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <xmlsec/xmlsec.h>

#include <xmlsec/keys.h>
#include <xmlsec/openssl/evp.h>
#include <xmlsec/transforms.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmltree.h>

#include "mappers/base/base64.h"

#define RSA_BITS_MIN   2048
#define CURVE_BITS_MIN 256
#define TEXT_BYTES_MAX ((size_t)256 * 1024)
#define EXCLUSIVE_C14N "http://www.w3.org/2001/10/xml-exc-c14n#"

struct xua_signer {
	xmlSecKeyPtr key;
	const char *method;
	struct buf certificate; /* base64 of its DER */
};

/* Instead of asking at the terminal for the password of an encrypted key. */
static int no_password(char *out, int size, int writing, void *ctx)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static BIO *bio_of(struct str text)
{
	return BIO_new_mem_buf(text.data, (int)text.size);
}

static const char *method_of(EVP_PKEY *key)
{
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN)
		return "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_bits(key) >= CURVE_BITS_MIN)
		return "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
	return NULL;
}

/* key is taken over, also when this fails. */
static bool key_adopt(struct xua_signer *signer, EVP_PKEY *key)
{
	xmlSecKeyDataPtr data = xmlSecOpenSSLEvpKeyAdopt(key);

	if (!data) {
		EVP_PKEY_free(key);
		return false;
	}
	signer->key = xmlSecKeyCreate();
	if (signer->key && xmlSecKeySetValue(signer->key, data) >= 0)
		return true;
	xmlSecKeyDataDestroy(data);
	return false;
}

static bool certificate_keep(struct xua_signer *signer, X509 *certificate)
{
	unsigned char *der = NULL;
	int size = i2d_X509(certificate, &der);

	if (size > 0)
		buf_add_base64(&signer->certificate, (struct str) { (const char *)der, (size_t)size });
	OPENSSL_free(der);
	return size > 0 && !signer->certificate.failed;
}

/* Checks that they go together; takes over the key. */
static bool signer_fill(struct xua_signer *signer, EVP_PKEY *key, X509 *certificate, struct outcome *outcome)
{
	signer->method = key ? method_of(key) : NULL;
	if (!key || !certificate)
		outcome_add(outcome, ERR_VALUE_INVALID, "xua",
			    "Name PEM files with a key that is not encrypted and its "
			    "certificate.");
	else if (!signer->method)
		outcome_add(outcome, ERR_VALUE_INVALID, "xua",
			    "Use an RSA key of at least %d bits, or a key on an elliptic curve of at least %d.",
			    RSA_BITS_MIN, CURVE_BITS_MIN);
	else if (X509_check_private_key(certificate, key) != 1)
		outcome_add(outcome, ERR_VALUE_INVALID, "xua", "Name the certificate that belongs to the key.");
	else if (!certificate_keep(signer, certificate))
		outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	else
		return key_adopt(signer, key) ||
		       outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	EVP_PKEY_free(key);
	return false;
}

struct xua_signer *xua_signer_new(struct str key, struct str certificate, struct outcome *outcome)
{
	struct xua_signer *signer = calloc(1, sizeof(*signer));
	BIO *key_bio = bio_of(key);
	BIO *certificate_bio = bio_of(certificate);
	X509 *read = certificate_bio ? PEM_read_bio_X509(certificate_bio, NULL, no_password, NULL) : NULL;
	bool good = false;

	if (signer) {
		buf_init(&signer->certificate, TEXT_BYTES_MAX);
		good = signer_fill(signer, key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL) : NULL,
				   read, outcome);
	} else {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	}
	X509_free(read);
	BIO_free(key_bio);
	BIO_free(certificate_bio);
	ERR_clear_error();
	if (good)
		return signer;
	xua_signer_free(signer);
	return NULL;
}

void xua_signer_free(struct xua_signer *signer)
{
	if (!signer)
		return;
	if (signer->key)
		xmlSecKeyDestroy(signer->key);
	buf_free(&signer->certificate);
	free(signer);
}

static void write_empty(struct xml_writer *writer, struct str name, const char *algorithm)
{
	xml_begin(writer, name);
	xml_attribute(writer, STR("Algorithm"), str_from_c(algorithm));
	xml_end(writer);
}

/* The signature as it will be, but for the values that xmlsec computes. */
static void template_write(const struct xua_signer *signer, struct str id, struct buf *text)
{
	struct xml_writer writer;
	char uri[64];

	snprintf(uri, sizeof(uri), "#%.*s", STR_ARG(id));
	xml_writer_init(&writer, text);
	xml_begin(&writer, STR("ds:Signature"));
	xml_attribute(&writer, STR("xmlns:ds"), STR(NS_DSIG));
	xml_begin(&writer, STR("ds:SignedInfo"));
	write_empty(&writer, STR("ds:CanonicalizationMethod"), EXCLUSIVE_C14N);
	write_empty(&writer, STR("ds:SignatureMethod"), signer->method);
	xml_begin(&writer, STR("ds:Reference"));
	xml_attribute(&writer, STR("URI"), str_from_c(uri));
	xml_begin(&writer, STR("ds:Transforms"));
	write_empty(&writer, STR("ds:Transform"), NS_DSIG "enveloped-signature");
	write_empty(&writer, STR("ds:Transform"), EXCLUSIVE_C14N);
	xml_end(&writer);
	write_empty(&writer, STR("ds:DigestMethod"), "http://www.w3.org/2001/04/xmlenc#sha256");
	xml_begin(&writer, STR("ds:DigestValue"));
	xml_end(&writer);
	xml_end(&writer);
	xml_end(&writer);
	xml_begin(&writer, STR("ds:SignatureValue"));
	xml_end(&writer);
	xml_begin(&writer, STR("ds:KeyInfo"));
	xml_begin(&writer, STR("ds:X509Data"));
	xml_element(&writer, STR("ds:X509Certificate"), buf_str(&signer->certificate));
	xml_end(&writer);
	xml_end(&writer);
	xml_end(&writer);
}

static bool document_sign(const struct xua_signer *signer, xmlDocPtr document)
{
	xmlNodePtr root = xmlDocGetRootElement(document);
	xmlAttrPtr id = xmlHasProp(root, BAD_CAST "ID");
	xmlNodePtr signature = xmlSecFindNode(root, xmlSecNodeSignature, xmlSecDSigNs);
	xmlSecDSigCtxPtr context = xmlSecDSigCtxCreate(NULL);
	bool good = context && id && id->children && signature;

	if (good) {
		context->enabledReferenceUris = xmlSecTransformUriTypeSameDocument;
		context->signKey = xmlSecKeyDuplicate(signer->key);
		good = xmlAddID(NULL, document, id->children->content, id) && context->signKey &&
		       xmlSecDSigCtxSign(context, signature) >= 0 && context->status == xmlSecDSigStatusSucceeded;
	}
	if (context)
		xmlSecDSigCtxDestroy(context);
	ERR_clear_error();
	return good;
}

/* From the tree back to text: whoever reads it will get the same canonical form. */
static bool document_print(xmlDocPtr document, struct buf *text)
{
	xmlBufferPtr printed = xmlBufferCreate();
	bool good = printed && xmlNodeDump(printed, document, xmlDocGetRootElement(document), 0, 0) > 0;

	if (good)
		buf_add(text,
			(struct str) { (const char *)xmlBufferContent(printed), (size_t)xmlBufferLength(printed) });
	if (printed)
		xmlBufferFree(printed);
	return good && !text->failed;
}

bool xua_sign(const struct xua_signer *signer, const struct saml_assertion *assertion, struct buf *text,
	      struct outcome *outcome)
{
	struct buf signature;
	struct buf unsigned_text;
	struct xml_writer writer;
	xmlDocPtr document = NULL;
	bool good;

	buf_init(&signature, TEXT_BYTES_MAX);
	buf_init(&unsigned_text, TEXT_BYTES_MAX);
	template_write(signer, assertion->id, &signature);
	xml_writer_init(&writer, &unsigned_text);
	saml_assertion_write(&writer, assertion, buf_str(&signature));
	good = xml_writer_finish(&writer, outcome);
	if (good) {
		document = xmlReadMemory(unsigned_text.data, (int)unsigned_text.size, NULL, "UTF-8",
					 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
		good = (document && document_sign(signer, document) && document_print(document, text)) ||
		       outcome_add(outcome, ERR_INTERNAL, "",
				   "Report this: the gateway could not sign who asks for the back-end.");
	}
	if (document)
		xmlFreeDoc(document);
	buf_free(&unsigned_text);
	buf_free(&signature);
	return good;
}
