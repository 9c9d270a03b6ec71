#include "gateway/access/grant.h"

#include "gateway/access/access_state.h"
#include "gateway/access/claims_write.h"
#include "gateway/state/cache.h"
#include "mappers/scope.h"
#include "mappers/search_params.h"

#define ASSERTION_S    300 /* longest life of an assertion: SMART App Launch 2.2, Backend Services */
#define JTI_BYTES_MAX  128
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* One request on its way. */
struct asking {
	struct access *access;
	const struct south *south;
	int64_t now_s;
	struct grant *grant;
	struct str grant_type;
	struct str assertion_type;
	struct str assertion;
	struct str client_id;
	struct str scope;
	struct str resource;
	struct str requested_type;
};

static bool refuse(const struct asking *asking, const char *error, const char *sentence)
{
	asking->grant->error = error;
	asking->grant->sentence = sentence;
	return false;
}

static bool not_now(const struct asking *asking)
{
	asking->grant->may_retry = true;
	return refuse(asking, "temporarily_unavailable", "Try again in a moment, with a new assertion.");
}

/* Who the client is is all that this says: not which part of the assertion was wrong. */
static bool refuse_client(const struct asking *asking)
{
	return refuse(asking, "invalid_client",
		      "Sign a new assertion: RS384 or ES384, a key that is registered, iss and sub your client_id, aud "
		      "the token endpoint, exp at most five minutes ahead, a jti that was never used.");
}

/* RFC 6749 3.2: no parameter twice; unknown ones are ignored. */
static bool form_read(struct asking *asking, struct str form)
{
	const struct {
		const char *name;
		struct str *value;
	} known[] = {
		{ "grant_type", &asking->grant_type },
		{ "client_assertion_type", &asking->assertion_type },
		{ "client_assertion", &asking->assertion },
		{ "client_id", &asking->client_id },
		{ "scope", &asking->scope },
		{ "resource", &asking->resource },
		{ "requested_token_type", &asking->requested_type },
	};
	struct search_params params;
	struct outcome reading;

	outcome_init(&reading);
	if (!search_params_read(STR_NONE, form, asking->south->arena, &params, &reading))
		return refuse(asking, "invalid_request", "Send the parameters as a form, each once.");
	for (size_t i = 0; i < params.count; i++) {
		for (size_t k = 0; k < COUNT_OF(known); k++) {
			if (!str_equal(params.items[i].name, str_from_c(known[k].name)))
				continue;
			if (known[k].value->data)
				return refuse(asking, "invalid_request", "Send each parameter once.");
			*known[k].value = params.items[i].value;
		}
	}
	return true;
}

static bool form_check(const struct asking *asking)
{
	if (!str_equal(asking->grant_type, STR("client_credentials")))
		return refuse(asking, asking->grant_type.data ? "unsupported_grant_type" : "invalid_request",
			      "Ask with grant_type client_credentials.");
	if (!str_equal(asking->assertion_type, STR(ASSERTION_TYPE)) || !asking->assertion.data)
		return refuse(asking, "invalid_client",
			      "Show who you are by client_assertion, of the type " ASSERTION_TYPE ".");
	if (asking->resource.data && !str_equal(asking->resource, asking->access->config->public_base) &&
	    (str_is_empty(asking->resource) || !str_equal(asking->resource, asking->access->config->bare_base)))
		return refuse(asking, "invalid_target",
			      "Ask for this gateway as resource, by its FHIR base URL, or name none.");
	if (asking->requested_type.data &&
	    !str_equal(asking->requested_type, STR("urn:ietf:params:oauth:token-type:jwt")) &&
	    !str_equal(asking->requested_type, STR("urn:ietf:params:oauth:token-type:access-token")))
		return refuse(asking, "invalid_request", "Ask for a JWT: no other tokens are issued here.");
	return true;
}

static int64_t time_of(const json_t *claims, const char *name)
{
	const json_t *value = json_object_get(claims, name);

	return json_is_integer(value) && json_integer_value(value) > 0 && json_integer_value(value) < INT32_MAX * 8LL
		       ? json_integer_value(value)
		       : -1;
}

/* A token endpoint URL, as a text or as an array of this text alone. */
static bool audience_good(const struct asking *asking, const json_t *claims)
{
	const json_t *audience = json_object_get(claims, "aud");
	struct str wanted =
		arena_printf(asking->south->arena, "%.*s/auth/token", STR_ARG(asking->access->config->public_base));

	if (json_is_array(audience) && json_array_size(audience) == 1)
		audience = json_array_get(audience, 0);
	return json_is_string(audience) && wanted.data &&
	       str_equal((struct str) { json_string_value(audience), json_string_length(audience) }, wanted);
}

static bool times_good(const struct asking *asking, const json_t *claims)
{
	int64_t skew = (int64_t)asking->access->config->access_skew_seconds;
	int64_t expires = time_of(claims, "exp");
	int64_t issued = time_of(claims, "iat");
	int64_t not_before = time_of(claims, "nbf");

	if ((json_object_get(claims, "iat") && issued < 0) || (json_object_get(claims, "nbf") && not_before < 0))
		return false;
	return expires > 0 && asking->now_s <= expires + skew && expires <= asking->now_s + ASSERTION_S + skew &&
	       issued <= asking->now_s + skew && not_before <= asking->now_s + skew;
}

/* Each assertion once. It cannot have been used before it was issued, nor earlier than five minutes before it ends; what
 * was used since then must be known for certain. */
static bool first_use(const struct asking *asking, struct str client, const json_t *claims)
{
	const struct str parts[] = { client, jwt_text(claims, "jti") };
	const struct cache_name name = { .tenant = asking->access->config->tenant,
					 .kind = "assertion",
					 .parts = parts,
					 .part_count = COUNT_OF(parts) };
	int64_t skew = (int64_t)asking->access->config->access_skew_seconds;
	int64_t expires = time_of(claims, "exp");
	int64_t since = expires - ASSERTION_S > time_of(claims, "iat") ? expires - ASSERTION_S : time_of(claims, "iat");
	int64_t known_s = asking->now_s - since + skew + 1; /* clocks are read in whole seconds */
	bool certain;

	if (!cache_first(access_cache(asking->access), &name, (uint64_t)(expires + skew + 1 - asking->now_s) * 1000,
			 known_s > 0 ? (uint64_t)known_s * 1000 : 0, &certain))
		return refuse_client(asking);
	return certain || not_now(asking);
}

/* Form and claims of an assertion that client is said to have signed. */
static bool assertion_good(const struct asking *asking, const struct jwt *jwt, const struct client *client)
{
	struct str issuer = jwt_text(jwt->claims, "iss");
	struct str id = jwt_text(jwt->claims, "jti");

	return (jwt->algorithm == JWT_RS384 || jwt->algorithm == JWT_ES384) &&
	       (!jwt->type.data || str_equal_nocase(jwt->type, STR("JWT"))) && client && client->keys &&
	       str_equal(issuer, jwt_text(jwt->claims, "sub")) &&
	       (!asking->client_id.data || str_equal(asking->client_id, issuer)) && id.size > 0 &&
	       id.size <= JTI_BYTES_MAX && audience_good(asking, jwt->claims) && times_good(asking, jwt->claims);
}

/* The client that signed the assertion. False: refused. */
static bool client_find(const struct asking *asking, const struct client **client)
{
	struct jwt jwt;

	if (jwt_read(asking->assertion, asking->south->arena, &jwt) != JWT_FORM_GOOD)
		return refuse_client(asking);
	*client = trust_client(asking->access->trust, jwt_text(jwt.claims, "iss"));
	if (!assertion_good(asking, &jwt, *client))
		return refuse_client(asking);
	switch (jwks_verify((*client)->keys, &jwt, asking->south)) {
	case JWKS_VERIFIED:
		return first_use(asking, (*client)->config->id, jwt.claims);
	case JWKS_WRONG:
		return refuse_client(asking);
	case JWKS_LATER:
	case JWKS_AWAY:
		break;
	}
	return not_now(asking);
}

static bool token_make(const struct asking *asking, const struct client *client)
{
	const struct config *config = asking->access->config;
	const struct caller *caller = &client->caller;
	struct grant *grant = asking->grant;
	struct claims_text claims = { .issuer = config->public_base,
				      .subject = caller->subject,
				      .client_id = caller->client_id,
				      .audience = config->public_base,
				      .issued_s = asking->now_s,
				      .expires_s = asking->now_s + (int64_t)config->authorization_server_token_seconds,
				      .organization = caller->organization,
				      .organization_id = caller->organization_id,
				      .roles = &caller->roles,
				      .purpose = caller->purpose.code,
				      .tenant = config->tenant };

	grant->scopes =
		asking->scope.data ? scope_grant(asking->scope, caller->scopes, asking->south->arena) : caller->scopes;
	if (grant->scopes.data && str_is_empty(grant->scopes))
		return refuse(asking, "invalid_scope", "Ask for scopes that your system was registered for.");
	claims.scopes = grant->scopes;
	grant->token = claims_sign(&claims, asking->access->trust->server_key, asking->south->arena);
	grant->seconds = config->authorization_server_token_seconds;
	grant->client = caller;
	return (grant->scopes.data && grant->token.data) || not_now(asking);
}

bool grant_make(struct access *access, struct str form, const struct south *south, int64_t now_s, struct grant *grant)
{
	struct asking asking = { .access = access, .south = south, .now_s = now_s, .grant = grant };
	const struct client *client;

	*grant = (struct grant) { .error = NULL };
	if (!access->trust->server_key)
		return refuse(&asking, "invalid_request", "There is no token endpoint here.");
	return form_read(&asking, form) && form_check(&asking) && client_find(&asking, &client) &&
	       token_make(&asking, client);
}
