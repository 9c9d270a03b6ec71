#include "gateway/south/xua.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/run/file.h"
#include "gateway/run/random.h"
#include "gateway/south/xua_cache.h"
#include "gateway/south/xua_sign.h"
#include "mappers/base/hex.h"
#include "mappers/saml_assertion.h"

#define FILE_BYTES_MAX      ((size_t)256 * 1024)
#define ASSERTION_BYTES_MAX ((size_t)256 * 1024)

struct xua {
	struct xua_signer *signer;
	struct xua_cache *cache;
	char *issuer;
};

struct xua *xua_open(const struct xua_options *options, struct outcome *outcome)
{
	struct xua *xua = calloc(1, sizeof(*xua));
	struct arena *arena = arena_new(2 * FILE_BYTES_MAX + 4096);
	struct str key = STR_NONE;
	struct str certificate = STR_NONE;

	if (xua && arena) {
		xua->issuer = strndup(options->issuer.data, options->issuer.size);
		xua->cache = xua_cache_new();
	}
	if (!xua || !arena || !xua->issuer || !xua->cache)
		outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	else if (file_read_for("xua.key_file", options->key_file, FILE_BYTES_MAX, arena, &key, outcome) &&
		 file_read_for("xua.certificate_file", options->certificate_file, FILE_BYTES_MAX, arena, &certificate,
			       outcome))
		xua->signer = xua_signer_new(key, certificate, outcome);
	if (key.data) {
		union {
			const char *in;
			char *out;
		} text = { .in = key.data };

		explicit_bzero(text.out, key.size);
	}
	arena_free(arena);
	if (xua && xua->signer)
		return xua;
	xua_close(xua);
	return NULL;
}

void xua_close(struct xua *xua)
{
	if (!xua)
		return;
	xua_signer_free(xua->signer);
	xua_cache_free(xua->cache);
	free(xua->issuer);
	free(xua);
}

/* What an assertion is about. */
struct asked {
	const struct caller *caller;
	struct str patient_id;
	struct str audience;
};

static bool digest_texts(EVP_MD_CTX *digest, const struct str *texts, size_t count)
{
	bool good = true;

	for (size_t i = 0; good && i < count; i++)
		good = EVP_DigestUpdate(digest, &texts[i].size, sizeof(texts[i].size)) == 1 &&
		       EVP_DigestUpdate(digest, texts[i].data ? texts[i].data : "", texts[i].size) == 1;
	return good;
}

static bool digest_code(EVP_MD_CTX *digest, const struct code *code)
{
	const struct str texts[] = { code->code, code->scheme, code->display };

	return digest_texts(digest, texts, COUNT_OF(texts));
}

/* Everything that an assertion says or depends on. A part that was missing here would hand one caller's assertion to
 * another, so all of the caller goes in, each part with its length. */
static bool digest_asked(EVP_MD_CTX *digest, const struct asked *asked)
{
	const struct caller *caller = asked->caller;
	const int64_t numbers[] = { (int64_t)caller->kind, caller->authenticated_s, caller->expires_s,
				    caller->is_opaque,     caller->is_asserted,     (int64_t)caller->roles.count };
	const struct str texts[] = {
		asked->audience,      asked->patient_id,       caller->tenant,         caller->issuer,
		caller->subject,      caller->client_id,       caller->token_id,       caller->name,
		caller->organization, caller->organization_id, caller->person_id,      caller->acting_for,
		caller->provider_id,  caller->certificate,     caller->authentication, caller->home_community_id,
		caller->reason
	};
	bool good = EVP_DigestUpdate(digest, numbers, sizeof(numbers)) == 1 &&
		    digest_texts(digest, texts, COUNT_OF(texts)) && digest_code(digest, &caller->purpose);

	for (size_t i = 0; good && i < caller->roles.count; i++)
		good = digest_code(digest, &caller->roles.items[i]);
	return good;
}

static bool key_make(const struct asked *asked, unsigned char key[XUA_KEY_SIZE])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 && digest_asked(digest, asked) &&
		    EVP_DigestFinal_ex(digest, key, NULL) == 1;

	EVP_MD_CTX_free(digest);
	return good;
}

/* Makes and signs one that holds from now_s to end_s. */
static bool assertion_make(const struct xua *xua, const struct asked *asked, int64_t now_s, int64_t end_s,
			   struct buf *text, struct outcome *outcome)
{
	struct str audience = asked->audience;
	unsigned char random[16];
	char id[2 * sizeof(random) + 2] = "_";
	struct saml_assertion assertion = { .id = { id, sizeof(id) - 1 },
					    .issuer = str_from_c(xua->issuer),
					    .issued_s = now_s,
					    .not_before_s = now_s, /* TF-2 3.40.4.1.2: the issue instant */
					    .not_on_or_after_s = end_s,
					    .audiences = { &audience, 1 },
					    .patient_id = asked->patient_id,
					    .caller = *asked->caller };

	random_bytes(random, sizeof(random));
	hex_write(random, sizeof(random), id + 1);
	return saml_assertion_check(&assertion, outcome) && xua_sign(xua->signer, &assertion, text, outcome);
}

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

bool xua_assertion(const struct xua *xua, const struct caller *caller, struct str patient_id, struct str audience,
		   struct arena *arena, struct str *assertion, struct outcome *outcome)
{
	const struct asked asked = { caller, patient_id, audience };
	int64_t now_s = clock_wall_ms() / 1000;
	int64_t end_s = now_s + XUA_LIFETIME_S;
	unsigned char key[XUA_KEY_SIZE];
	struct buf text;

	*assertion = STR_NONE;
	if (caller->kind == CALLER_ANONYMOUS)
		return true;
	if (caller->expires_s && caller->expires_s <= now_s)
		return outcome_add(outcome, ERR_TOKEN_EXPIRED, "", "Get a new token: this one has ended.");
	if (caller->expires_s && caller->expires_s < end_s)
		end_s = caller->expires_s;
	if (!key_make(&asked, key))
		return no_memory(outcome);
	if (xua_cache_get(xua->cache, key, now_s, arena, assertion))
		return assertion->data || no_memory(outcome);
	buf_init(&text, ASSERTION_BYTES_MAX);
	if (assertion_make(xua, &asked, now_s, end_s, &text, outcome)) {
		xua_cache_put(xua->cache, key, now_s, end_s - XUA_MARGIN_S, buf_str(&text));
		*assertion = arena_copy(arena, buf_str(&text));
		if (!assertion->data)
			no_memory(outcome);
	}
	if (text.data)
		explicit_bzero(text.data, text.size);
	buf_free(&text);
	return assertion->data != NULL;
}

struct str xua_assertion_id(struct str assertion)
{
	static const char before[] = " ID=\"";
	const char *at = assertion.size ? memmem(assertion.data, assertion.size, before, sizeof(before) - 1) : NULL;
	struct str id;

	if (!at)
		return STR_NONE;
	id = str_from(assertion, (size_t)(at - assertion.data) + sizeof(before) - 1);
	id.size = str_find(id, '"');
	return id;
}
