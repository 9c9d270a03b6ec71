#include "gateway/access/authenticate.h"

#include <openssl/sha.h>

#include "gateway/access/challenge.h"
#include "gateway/access/introspect.h"

#define QUICK_BYTES_MAX  ((size_t)512 * 1024)
#define REASON_BYTES_MAX 512
#define LOOKING_UP_MAX   64 /* who sends rubbish shall not hold all workers */
#define LOOKED_UP_S      60 /* for which an introspection holds */
#define LOOKED_UP_WARY_S 5  /* where much depends on it: writes, broken glass, and refusals */

/* One request at the door. */
struct visitor {
	struct access *access;
	const struct credentials *credentials;
	const struct south *south; /* NULL: without I/O */
	struct arena *arena;
	int64_t now_s;
	struct challenge *challenge;
	unsigned char hash[TOKEN_HASH_SIZE];
	struct str token;
};

static enum quick refuse(const struct visitor *visitor, enum error_code code, const char *sentence)
{
	challenge_error(visitor->access, code, "invalid_token", sentence, visitor->challenge);
	return QUICK_REFUSED;
}

static enum quick refuse_token(const struct visitor *visitor)
{
	return refuse(visitor, ERR_UNAUTHENTICATED, "Get a new access token: this one is not accepted here.");
}

static enum quick unavailable(const struct visitor *visitor)
{
	challenge_unavailable("Try again later: nobody can say now whether your access token is good.",
			      visitor->challenge);
	return QUICK_REFUSED;
}

/* RFC 6750 2.1: the scheme in any case, a blank, token68. False for another scheme or another shape. */
static bool bearer_read(struct str authorization, struct str *token)
{
	const struct str scheme = STR("Bearer ");

	if (!str_starts_with_nocase(authorization, scheme))
		return false;
	*token = str_trim(str_from(authorization, scheme.size));
	for (size_t i = 0; i < token->size; i++) {
		char c = token->data[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      strchr("-._~+/=", c)))
			return false;
	}
	return token->size > 0 && token->size <= JWT_BYTES_MAX;
}

/* A token that is bound to a certificate is nothing without it. RFC 8705 3 */
static enum quick admit(const struct visitor *visitor, const struct claims *claims)
{
	return str_is_empty(claims->bound_certificate) ||
			       str_equal(claims->bound_certificate, visitor->credentials->certificate)
		       ? QUICK_KNOWN
		       : refuse_token(visitor);
}

static enum quick claims_admit(const struct visitor *visitor, const struct issuer *issuer, const json_t *object,
			       bool is_introspected, struct claims *claims)
{
	const struct config *config = visitor->access->config;
	struct claim_rules rules = { .issuer = issuer->name,
				     .audience = issuer->audience,
				     .audience_too = issuer->audience_too,
				     .others_below = config->shared_base,
				     .base = config->public_base,
				     .tenant = config->tenant,
				     .now_s = visitor->now_s,
				     .skew_s = (int64_t)config->access_skew_seconds,
				     .lifetime_max_s = issuer->lifetime_max_s,
				     .is_introspected = is_introspected };
	struct token_known known = { .checked_s = visitor->now_s };
	struct str tail = visitor->token;

	switch (claims_read(object, &rules, visitor->arena, claims)) {
	case CLAIMS_GOOD:
		break;
	case CLAIMS_ELSEWHERE:
		return refuse(visitor, ERR_OTHER_TENANT,
			      "Get an access token for this tenant: this one is for another.");
	case CLAIMS_EXPIRED:
		return refuse(visitor, ERR_TOKEN_EXPIRED, "Get a new access token: this one has expired.");
	case CLAIMS_LACKING:
		return refuse(visitor, ERR_UNAUTHENTICATED,
			      "Get an access token that says more: of a patient, who it is about; of a professional, "
			      "name, role, organization and purpose of use.");
	case CLAIMS_NO_MEMORY:
		return unavailable(visitor);
	case CLAIMS_WRONG:
		return refuse_token(visitor);
	}
	if (is_introspected)
		claims->caller.token_id = tail.size > 32 ? str_from(tail, tail.size - 32) : tail;
	known.claims = *claims;
	token_cache_put(visitor->access->trust->tokens, visitor->hash, &known,
			claims->caller.expires_s + (int64_t)config->access_skew_seconds);
	return admit(visitor, claims);
}

static enum quick look_up(const struct visitor *visitor, const struct issuer *issuer, struct claims *claims)
{
	struct token_known refused = { .checked_s = visitor->now_s, .is_refused = true };
	struct trust *trust = visitor->access->trust;
	enum introspected end = INTROSPECT_AWAY;
	json_t *answer;

	if (!issuer || !issuer->config || !issuer->config->introspection_url.size)
		return refuse_token(visitor);
	if (!visitor->south)
		return QUICK_LATER;
	if (atomic_fetch_add(&trust->looking_up, 1) < LOOKING_UP_MAX)
		end = introspect(issuer, visitor->token, visitor->south, &answer);
	atomic_fetch_sub(&trust->looking_up, 1);
	switch (end) {
	case INTROSPECT_ACTIVE:
		return claims_admit(visitor, issuer, answer, true, claims);
	case INTROSPECT_INACTIVE:
		token_cache_put(trust->tokens, visitor->hash, &refused, visitor->now_s + LOOKED_UP_WARY_S);
		return refuse_token(visitor);
	case INTROSPECT_AWAY:
		break;
	}
	return unavailable(visitor);
}

/* RFC 9068 2.1; IUA writes JWT or IUA-JWT. What signed something else, such as an id_token, does not do. */
static bool type_good(struct str type)
{
	return !type.data || str_equal_nocase(type, STR("at+jwt")) || str_equal_nocase(type, STR("JWT")) ||
	       str_equal_nocase(type, STR("IUA-JWT"));
}

static enum quick verify(const struct visitor *visitor, const struct jwt *jwt, struct claims *claims)
{
	/* iss decides only whose keys must have signed; it is believed once they have. */
	const struct issuer *issuer = trust_issuer(visitor->access->trust, jwt_text(jwt->claims, "iss"));

	if (!issuer || !type_good(jwt->type))
		return refuse_token(visitor);
	if (!issuer->keys)
		return look_up(visitor, issuer, claims);
	if (!(issuer->algorithms & 1u << jwt->algorithm))
		return refuse_token(visitor);
	switch (jwks_verify(issuer->keys, jwt, visitor->south)) {
	case JWKS_VERIFIED:
		return claims_admit(visitor, issuer, jwt->claims, false, claims);
	case JWKS_WRONG:
		return refuse_token(visitor);
	case JWKS_LATER:
		return QUICK_LATER;
	case JWKS_AWAY:
		break;
	}
	return unavailable(visitor);
}

/* Whether what is known of an introspected token is still fresh enough for this request. */
static bool is_fresh(const struct visitor *visitor, const struct token_known *known)
{
	const struct caller *caller = &known->claims.caller;
	bool is_wary = visitor->credentials->is_write || str_equal(caller->purpose.code, STR("BTG")) ||
		       str_equal(caller->purpose.code, STR("ETREAT"));

	return !caller->is_opaque || visitor->now_s - known->checked_s <= (is_wary ? LOOKED_UP_WARY_S : LOOKED_UP_S);
}

static enum quick token_decide(struct visitor *visitor, struct claims *claims)
{
	struct token_known known;
	struct jwt jwt;

	if (!bearer_read(visitor->credentials->authorization, &visitor->token))
		return refuse_token(visitor);
	SHA256((const unsigned char *)visitor->token.data, visitor->token.size, visitor->hash);
	if (token_cache_get(visitor->access->trust->tokens, visitor->hash, visitor->now_s, visitor->arena, &known)) {
		if (known.is_refused)
			return refuse_token(visitor);
		if (is_fresh(visitor, &known)) {
			*claims = known.claims;
			return admit(visitor, claims);
		}
	}
	switch (jwt_read(visitor->token, visitor->arena, &jwt)) {
	case JWT_FORM_GOOD:
		return verify(visitor, &jwt, claims);
	case JWT_FORM_OTHER:
		return look_up(visitor, trust_introspecting(visitor->access->trust), claims);
	case JWT_FORM_NO_MEMORY:
		return unavailable(visitor);
	case JWT_FORM_BAD:
		break;
	}
	return refuse_token(visitor);
}

/* Who shows no token: a system with its certificate, or nobody. */
static enum quick tokenless_decide(const struct visitor *visitor, struct claims *claims)
{
	const struct access *access = visitor->access;
	const struct client *client = trust_certificate(access->trust, visitor->credentials->certificate);

	if (client) {
		claims->caller = client->caller;
		claims->caller.issuer = visitor->credentials->certificate_issuer;
		return QUICK_KNOWN;
	}
	if (access->config->access_anonymous) {
		claims->caller = (struct caller) { .kind = CALLER_ANONYMOUS, .tenant = access->config->tenant };
		return QUICK_KNOWN;
	}
	challenge_nobody(access, visitor->challenge);
	return QUICK_REFUSED;
}

static enum quick decide(struct visitor *visitor, struct claims *claims)
{
	*claims = (struct claims) { .bound_certificate = STR_NONE };
	if (visitor->credentials->is_doubled) {
		challenge_error(visitor->access, ERR_CREDENTIALS, "invalid_request",
				"Send one access token, in one Authorization header and nowhere else.",
				visitor->challenge);
		return QUICK_REFUSED;
	}
	return visitor->credentials->authorization.data ? token_decide(visitor, claims)
							: tokenless_decide(visitor, claims);
}

enum quick authenticate_quick(struct access *access, const struct credentials *credentials, int64_t now_s,
			      struct challenge *challenge)
{
	struct visitor visitor = { .access = access,
				   .credentials = credentials,
				   .arena = arena_new(QUICK_BYTES_MAX),
				   .now_s = now_s,
				   .challenge = challenge };
	enum quick quick = QUICK_LATER;
	struct claims claims;

	challenge->is_bare = credentials->is_bare;
	if (visitor.arena)
		quick = decide(&visitor, &claims);
	arena_free(visitor.arena);
	return quick;
}

/* A reason that could not be shown to anybody is none. */
static struct str reason_of(const struct credentials *credentials, struct str claimed)
{
	struct str reason = str_trim(credentials->reason);

	return reason.size > 0 && reason.size <= REASON_BYTES_MAX && str_is_utf8(reason) ? reason : claimed;
}

const struct caller *authenticate(struct access *access, const struct credentials *credentials,
				  const struct south *south, int64_t now_s, struct challenge *challenge)
{
	struct visitor visitor = { .access = access,
				   .credentials = credentials,
				   .south = south,
				   .arena = south->arena,
				   .now_s = now_s,
				   .challenge = challenge };
	struct caller *caller = arena_alloc(south->arena, sizeof(*caller));
	struct claims claims;

	challenge->is_bare = credentials->is_bare;
	if (!caller) {
		unavailable(&visitor);
		return NULL;
	}
	if (decide(&visitor, &claims) != QUICK_KNOWN)
		return NULL;
	*caller = claims.caller;
	caller->reason = reason_of(credentials, caller->reason);
	caller->certificate = credentials->certificate;
	caller->address = credentials->address;
	return caller;
}
