#include "gateway/soap/saml_signature.h"

#include <openssl/err.h>
#include <xmlsec/app.h>
#include <xmlsec/buffer.h>
#include <xmlsec/crypto.h>
#include <xmlsec/list.h>
#include <xmlsec/transforms.h>
#include <xmlsec/xmldsig.h>

#include "mappers/saml_assertion.h"

#define EXCLUSIVE_C14N "http://www.w3.org/2001/10/xml-exc-c14n#"
#define ENVELOPED      NS_DSIG "enveloped-signature"

static const char *const signature_methods[] = {
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",   "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",   "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
};

static const char *const digest_methods[] = {
	"http://www.w3.org/2001/04/xmlenc#sha256",
	"http://www.w3.org/2001/04/xmldsig-more#sha384",
	"http://www.w3.org/2001/04/xmlenc#sha512",
};

static bool is_dsig(const xmlNode *node, const char *name)
{
	return node && node->ns && strcmp((const char *)node->ns->href, NS_DSIG) == 0 &&
	       strcmp((const char *)node->name, name) == 0;
}

/* The node's one attribute is this one, and nothing else. */
static bool has_only(const xmlNode *node, const char *name, const char *value)
{
	const xmlAttr *one = node->properties;
	xmlChar *text;
	bool same;

	if (!one || one->next || one->ns || strcmp((const char *)one->name, name) != 0)
		return false;
	text = xmlNodeListGetString(one->doc, one->children, 1);
	same = text && strcmp((const char *)text, value) == 0;
	xmlFree(text);
	return same;
}

static bool is_empty(xmlNodePtr node)
{
	return !xmlFirstElementChild(node);
}

static bool has_method(xmlNodePtr node, const char *name, const char *const *methods, size_t count)
{
	if (!is_dsig(node, name) || !is_empty(node))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (has_only(node, "Algorithm", methods[i]))
			return true;
	}
	return false;
}

/* Exclusive canonicalization may be told of prefixes that are used in values (its section 4). */
static bool has_prefix_list_at_most(xmlNodePtr node)
{
	xmlNodePtr child = xmlFirstElementChild(node);

	return !child || (!xmlNextElementSibling(child) && is_empty(child) && child->ns && child->properties &&
			  !child->properties->next && !child->properties->ns &&
			  strcmp((const char *)child->ns->href, EXCLUSIVE_C14N) == 0 &&
			  strcmp((const char *)child->name, "InclusiveNamespaces") == 0 &&
			  strcmp((const char *)child->properties->name, "PrefixList") == 0);
}

static bool transforms_check(xmlNodePtr transforms)
{
	xmlNodePtr enveloped = xmlFirstElementChild(transforms);
	xmlNodePtr canonical = enveloped ? xmlNextElementSibling(enveloped) : NULL;

	return is_dsig(transforms, "Transforms") && !transforms->properties && is_dsig(enveloped, "Transform") &&
	       has_only(enveloped, "Algorithm", ENVELOPED) && is_empty(enveloped) && is_dsig(canonical, "Transform") &&
	       has_only(canonical, "Algorithm", EXCLUSIVE_C14N) && has_prefix_list_at_most(canonical) &&
	       !xmlNextElementSibling(canonical);
}

static bool reference_check(xmlNodePtr reference, const char *id)
{
	xmlNodePtr transforms = xmlFirstElementChild(reference);
	xmlNodePtr method = transforms ? xmlNextElementSibling(transforms) : NULL;
	xmlNodePtr value = method ? xmlNextElementSibling(method) : NULL;
	char uri[160];

	snprintf(uri, sizeof(uri), "#%s", id);
	return is_dsig(reference, "Reference") && has_only(reference, "URI", uri) && transforms &&
	       transforms_check(transforms) && method &&
	       has_method(method, "DigestMethod", digest_methods, COUNT_OF(digest_methods)) &&
	       is_dsig(value, "DigestValue") && is_empty(value) && !xmlNextElementSibling(value);
}

static bool signed_info_check(xmlNodePtr info, const char *id)
{
	xmlNodePtr canonical = xmlFirstElementChild(info);
	xmlNodePtr method = canonical ? xmlNextElementSibling(canonical) : NULL;
	xmlNodePtr reference = method ? xmlNextElementSibling(method) : NULL;

	return is_dsig(info, "SignedInfo") && is_dsig(canonical, "CanonicalizationMethod") &&
	       has_only(canonical, "Algorithm", EXCLUSIVE_C14N) && has_prefix_list_at_most(canonical) && method &&
	       has_method(method, "SignatureMethod", signature_methods, COUNT_OF(signature_methods)) && reference &&
	       reference_check(reference, id) && !xmlNextElementSibling(reference);
}

xmlNodePtr saml_signature_find(xmlNodePtr assertion, const char *id, const char **why)
{
	xmlNodePtr issuer = xmlFirstElementChild(assertion);
	xmlNodePtr signature = issuer ? xmlNextElementSibling(issuer) : NULL;
	xmlNodePtr info = is_dsig(signature, "Signature") ? xmlFirstElementChild(signature) : NULL;
	xmlNodePtr value = info ? xmlNextElementSibling(info) : NULL;
	xmlNodePtr key_info = value ? xmlNextElementSibling(value) : NULL;

	*why = "a signature that is not the assertion's own, or not of the accepted shape";
	if (!issuer || !issuer->ns || strcmp((const char *)issuer->ns->href, NS_SAML) != 0 ||
	    strcmp((const char *)issuer->name, "Issuer") != 0 || !info || !signed_info_check(info, id) ||
	    !is_dsig(value, "SignatureValue") || !is_empty(value))
		return NULL;
	if (key_info) {
		if (!is_dsig(key_info, "KeyInfo") || xmlNextElementSibling(key_info))
			return NULL;
		/* Whose key it is, the configuration says and nobody else. */
		xmlUnlinkNode(key_info);
		xmlFreeNode(key_info);
	}
	*why = NULL;
	return signature;
}

static bool transforms_enable(xmlSecDSigCtxPtr context)
{
	const xmlSecTransformId reference[] = { xmlSecTransformEnvelopedId, xmlSecTransformExclC14NId,
						xmlSecTransformSha256Id, xmlSecTransformSha384Id,
						xmlSecTransformSha512Id };
	const xmlSecTransformId signature[] = { xmlSecTransformExclC14NId,    xmlSecTransformRsaSha256Id,
						xmlSecTransformRsaSha384Id,   xmlSecTransformRsaSha512Id,
						xmlSecTransformEcdsaSha256Id, xmlSecTransformEcdsaSha384Id,
						xmlSecTransformEcdsaSha512Id };
	bool good = true;

	for (size_t i = 0; good && i < COUNT_OF(reference); i++)
		good = xmlSecDSigCtxEnableReferenceTransform(context, reference[i]) >= 0;
	for (size_t i = 0; good && i < COUNT_OF(signature); i++)
		good = xmlSecDSigCtxEnableSignatureTransform(context, signature[i]) >= 0;
	return good;
}

/* The bytes of the one reference, as they went into the digest. */
static struct str signed_bytes_of(xmlSecDSigCtxPtr context, struct arena *arena)
{
	xmlSecDSigReferenceCtxPtr reference = xmlSecPtrListGetItem(&context->signedInfoReferences, 0);
	xmlSecBufferPtr bytes = reference ? xmlSecDSigReferenceCtxGetPreDigestBuffer(reference) : NULL;

	if (!bytes || xmlSecPtrListGetSize(&context->signedInfoReferences) != 1)
		return STR_NONE;
	return arena_copy(arena, (struct str) { (const char *)xmlSecBufferGetData(bytes), xmlSecBufferGetSize(bytes) });
}

enum saml_signature_end saml_signature_verify(xmlNodePtr signature, xmlSecKeyPtr key, struct arena *arena,
					      struct str *signed_bytes)
{
	enum saml_signature_end end = SIGNATURE_NO_MEMORY;
	xmlSecDSigCtxPtr context = xmlSecDSigCtxCreate(NULL);

	if (!context)
		return SIGNATURE_NO_MEMORY;
	context->flags = XMLSEC_DSIG_FLAGS_IGNORE_MANIFESTS | XMLSEC_DSIG_FLAGS_STORE_SIGNEDINFO_REFERENCES;
	context->enabledReferenceUris = xmlSecTransformUriTypeSameDocument;
	context->signKey = xmlSecKeyDuplicate(key);
	if (context->signKey && transforms_enable(context)) {
		end = SIGNATURE_BAD;
		if (xmlSecDSigCtxVerify(context, signature) >= 0 && context->status == xmlSecDSigStatusSucceeded) {
			*signed_bytes = signed_bytes_of(context, arena);
			end = signed_bytes->data ? SIGNATURE_GOOD : SIGNATURE_NO_MEMORY;
		}
	}
	xmlSecDSigCtxDestroy(context);
	ERR_clear_error();
	return end;
}
