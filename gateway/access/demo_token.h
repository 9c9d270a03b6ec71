/* Tokens for demonstrations: any role, for whoever can read the key. A gateway takes them only where its configuration
 * names that key, which it may only on a loopback address (gateway/run/config_check.c). */
#ifndef PASSERELLE_DEMO_TOKEN_H
#define PASSERELLE_DEMO_TOKEN_H

#include "gateway/run/config.h"

enum demo_role { DEMO_DOCTOR, DEMO_NURSE, DEMO_PATIENT, DEMO_SYSTEM, DEMO_ROLE_COUNT };

/* False for a word that is no role. */
bool demo_role_read(const char *word, enum demo_role *role) MUST_CHECK;

/* Who the token is for. Empty members get what fits the role. */
struct demo_person {
	enum demo_role role;
	struct str user;
	struct str organization; /* OID */
	struct str tenant;
	struct str purpose; /* of v3-ActReason */
	struct str reason;
	struct str patient; /* system|value */
	struct str scopes;
	int64_t seconds; /* until it expires */
};

/* The token, in the arena. Errors: ERR_VALUE_INVALID with a sentence that says what to do: no demo.token_key, a key that
 * is none, a role patient without a patient. */
bool demo_token_make(const struct config *config, const struct demo_person *person, int64_t now_s, struct arena *arena,
		     struct str *token, struct outcome *outcome) MUST_CHECK;

#endif
