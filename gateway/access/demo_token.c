#include "gateway/access/demo_token.h"

#include "gateway/access/claims_write.h"
#include "gateway/access/trust.h"

struct role_row {
	const char *word;
	struct str user;
	struct code role; /* code empty: none */
	struct str purpose;
	struct str scopes;
};

/* clang-format off */
static const struct role_row roles[DEMO_ROLE_COUNT] = {
	[DEMO_DOCTOR] = { "doctor", STR_INIT("demo-doctor"),
			  { STR_INIT("309343006"), STR_INIT("http://snomed.info/sct"), STR_INIT("Physician") }, STR_INIT("TREAT"),
			  STR_INIT("user/DocumentReference.cruds user/List.crs user/Binary.cr user/Bundle.cr "
				   "user/Patient.rs user/Consent.rs") },
	[DEMO_NURSE] = { "nurse", STR_INIT("demo-nurse"),
			 { STR_INIT("106292003"), STR_INIT("http://snomed.info/sct"), STR_INIT("Professional nurse") }, STR_INIT("TREAT"),
			 STR_INIT("user/DocumentReference.rs user/List.rs user/Binary.r user/Patient.rs") },
	[DEMO_PATIENT] = { "patient", STR_INIT("demo-patient"), { .code = { NULL, 0 } }, STR_INIT("PATRQT"),
			   STR_INIT("patient/DocumentReference.rs patient/List.rs patient/Binary.r patient/Patient.rs "
				    "patient/Consent.cruds patient/AuditEvent.rs") },
	[DEMO_SYSTEM] = { "system", STR_INIT("demo-system"), { .code = { NULL, 0 } }, STR_INIT("TREAT"),
			  STR_INIT("system/DocumentReference.cruds system/List.crs system/Binary.cr system/Bundle.cr "
				   "system/Patient.cruds system/Consent.cruds system/AuditEvent.rs") },
};
/* clang-format on */

bool demo_role_read(const char *word, enum demo_role *role)
{
	for (size_t i = 0; i < COUNT_OF(roles); i++) {
		if (strcmp(roles[i].word, word) == 0) {
			*role = (enum demo_role)i;
			return true;
		}
	}
	return false;
}

static struct str or_else(struct str given, struct str otherwise)
{
	return given.size ? given : otherwise;
}

static void claims_fill(const struct config *config, const struct demo_person *person, int64_t now_s,
			struct arena *arena, struct claims_text *claims)
{
	const struct role_row *row = &roles[person->role];
	struct str user = or_else(person->user, row->user);
	struct str organization = or_else(person->organization, config->demo_organization);
	bool is_system = person->role == DEMO_SYSTEM;

	*claims = (struct claims_text) { .issuer = STR(DEMO_ISSUER),
					 .subject = user,
					 .client_id = is_system ? user : STR("passerelle-demo"),
					 .audience = config->public_base,
					 .scopes = or_else(person->scopes, row->scopes),
					 .issued_s = now_s,
					 .expires_s = now_s + person->seconds,
					 .name = is_system ? STR_NONE : user,
					 .organization = STR("Demonstration"),
					 .organization_id = arena_printf(arena, "urn:oid:%.*s", STR_ARG(organization)),
					 .role = row->role,
					 .purpose = or_else(person->purpose, row->purpose),
					 .person_id = person->patient,
					 .tenant = or_else(person->tenant, config->tenant),
					 .reason = person->reason };
}

bool demo_token_make(const struct config *config, const struct demo_person *person, int64_t now_s, struct arena *arena,
		     struct str *token, struct outcome *outcome)
{
	struct claims_text claims;
	struct signing_key *key;

	if (!config->demo_token_key.size)
		return outcome_add(outcome, ERR_VALUE_INVALID, config->file,
				   "This is no configuration of a demonstration: it has no demo.token_key. Tokens for "
				   "it come from its issuers.");
	if (str_is_empty(config->public_base))
		return outcome_add(outcome, ERR_VALUE_INVALID, config->file,
				   "Give public_base: tokens are made for it.");
	if (person->role == DEMO_PATIENT && str_is_empty(person->patient))
		return outcome_add(outcome, ERR_VALUE_INVALID, "--patient", "Say who the patient is: SYSTEM|VALUE.");
	key = signing_key_read(config->demo_token_key);
	if (!key)
		return outcome_add(outcome, ERR_VALUE_INVALID, "demo.token_key",
				   "The file must be a private key without passphrase, EC on P-256 or P-384, as PEM.");
	claims_fill(config, person, now_s, arena, &claims);
	*token = claims_sign(&claims, key, arena);
	signing_key_free(key);
	return token->data || outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}
