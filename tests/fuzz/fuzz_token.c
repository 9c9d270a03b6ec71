/* What a stranger may put behind "Bearer": a token is taken apart, and its claims (or the text itself as claims, which
 * no signature then stands before) become a caller. */
#include "fuzz.h"
#include "mappers/claims.h"
#include "mappers/jwt.h"
#include "mappers/scope.h"

static const struct claim_rules rules = { .issuer = STR_INIT("https://as.example"),
					  .audience = STR_INIT("https://gw.example/fhir"),
					  .base = STR_INIT("https://gw.example/fhir"),
					  .tenant = STR_INIT("default"),
					  .now_s = 1800000000,
					  .skew_s = 30,
					  .lifetime_max_s = 3600 };
static const struct scope_need need = { .ihe = STR_INIT("ITI-65"), .smart = STR_INIT("List.c Binary.c | Bundle.c") };

/* Whoever is let in is somebody, and not a professional without a role. */
static void check_claims(const json_t *object, struct arena *arena)
{
	struct claims claims;
	const struct caller *caller = &claims.caller;
	void *block;

	if (claims_read(object, &rules, arena, &claims) != CLAIMS_GOOD)
		return;
	if (str_is_empty(caller->subject) || caller->kind == CALLER_ANONYMOUS || caller->expires_s < rules.now_s - 30 ||
	    (caller->kind == CALLER_USER && (!caller->roles.count || !caller->purpose.code.data)) ||
	    (caller->kind != CALLER_USER && str_equal(caller->purpose.code, STR("BTG"))))
		abort();
	block = arena_alloc(arena, caller_pack(caller, NULL));
	if (block && caller_pack(caller, block) != caller_pack(block, NULL))
		abort();
	(void)scope_opens(caller->scopes, caller->kind, &need);
	/* Whatever is granted of the granted scopes is granted again. */
	struct str granted = scope_grant(caller->scopes, caller->scopes, arena);

	if (granted.data && !str_equal(scope_grant(granted, granted, arena), granted))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct arena *arena = arena_new((size_t)4 * 1024 * 1024);
	const json_t *object;
	struct jwt jwt;

	if (!arena)
		return 0;
	if (jwt_read(text, arena, &jwt) == JWT_FORM_GOOD)
		check_claims(jwt.claims, arena);
	object = jwt_object_read(text, arena);
	if (object)
		check_claims(object, arena);
	arena_free(arena);
	return 0;
}
