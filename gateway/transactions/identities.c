#include "gateway/transactions/identities.h"

#include "mappers/base/hl7v2.h"

/* Number of the affinity domain's authority in sealed patient ids. */
#define AFFINITY_DOMAIN 0

struct system_names identity_names(const struct transaction *t)
{
	const struct config_authorities *authorities = &t->gateway->config->identity_authorities;
	struct system_name *items = arena_array(t->south.arena, authorities->count, sizeof *items);
	struct system_names names = { items, 0 };

	for (size_t i = 0; items && i < authorities->count; i++) {
		if (authorities->items[i].system.size)
			items[names.count++] =
				(struct system_name) { authorities->items[i].system, authorities->items[i].oid };
	}
	return names;
}

const struct config_authority *identity_authority_row(const struct transaction *t, struct str authority)
{
	const struct config_authorities *authorities = &t->gateway->config->identity_authorities;

	for (size_t i = 0; i < authorities->count; i++) {
		if (str_equal(authorities->items[i].oid, authority))
			return &authorities->items[i];
	}
	return NULL;
}

static bool is_affinity(const struct transaction *t, struct str authority)
{
	return str_equal(authority, t->gateway->config->patient_assigning_authority);
}

bool identity_authority_known(const struct transaction *t, struct str authority)
{
	return is_affinity(t, authority) || identity_authority_row(t, authority);
}

bool identity_is_affinity(const struct transaction *t, const struct patient_identity *identity)
{
	return is_affinity(t, identity->authority);
}

/* The form of a value, against what is known of its domain. */
bool identity_check(const struct transaction *t, const struct patient_identity *identity, const char *path)
{
	struct str name = identifier_authority_name(identity->authority);

	if (!name.size)
		name = STR("patient identifier");
	switch (identifier_check(identity->authority, identity->value)) {
	case IDENTIFIER_GOOD:
		return true;
	case IDENTIFIER_DOUBTFUL:
		if (!t->gateway->config->identity_strict_check_digits)
			return outcome_warn(t->outcome, ERR_VALUE_INVALID, path,
					    "Check the %.*s: its check digits are wrong.", STR_ARG(name));
		return outcome_add(t->outcome, ERR_VALUE_INVALID, path, "Correct the %.*s: its check digits are wrong.",
				   STR_ARG(name));
	case IDENTIFIER_MALFORMED:
		break;
	}
	return outcome_add(t->outcome, ERR_VALUE_INVALID, path, "Correct the %.*s: it has not the form of one.",
			   STR_ARG(name));
}

enum identity_read identity_read(const struct transaction *t, struct str system, struct str value, const char *path,
				 struct patient_identity *identity)
{
	struct system_names names = identity_names(t);

	if (!names.items) {
		no_memory(t);
		return IDENTITY_WRONG;
	}
	*identity = (struct patient_identity) { identifier_authority(system, &names), value };
	if (!identity->authority.size || !identity_authority_known(t, identity->authority))
		return IDENTITY_STRANGE;
	return identity_check(t, identity, path) ? IDENTITY_TAKEN : IDENTITY_WRONG;
}

struct str identity_seal(const struct transaction *t, const struct patient_identity *identity)
{
	const struct config_authority *row = identity_authority_row(t, identity->authority);
	uint8_t number = row ? (uint8_t)row->number : AFFINITY_DOMAIN;
	char id[SEAL_ID_SIZE];

	if (identity_is_affinity(t, identity))
		number = AFFINITY_DOMAIN;
	else if (!row)
		return STR_NONE;
	return seal_patient(t->gateway->seal, number, identity->value, id) ? arena_copy(t->south.arena, str_from_c(id))
									   : STR_NONE;
}

bool identity_open(const struct transaction *t, struct str id, struct patient_identity *identity)
{
	const struct config_authorities *authorities = &t->gateway->config->identity_authorities;
	uint8_t number = 0;

	*identity = (struct patient_identity) { 0 };
	if (!seal_patient_open(t->gateway->seal, id, t->south.arena, &number, &identity->value))
		return false;
	if (number == AFFINITY_DOMAIN)
		identity->authority = t->gateway->config->patient_assigning_authority;
	for (size_t i = 0; number != AFFINITY_DOMAIN && i < authorities->count; i++) {
		if (authorities->items[i].number == number)
			identity->authority = authorities->items[i].oid;
	}
	return identity->authority.size > 0;
}

static const struct patient_identity *identity_in(const struct transaction *t,
						  const struct patient_identities *identities, struct str authority)
{
	for (size_t i = 0; i < identities->count; i++) {
		if (str_equal(identities->items[i].authority, authority) &&
		    identity_seal(t, &identities->items[i]).data)
			return &identities->items[i];
	}
	return NULL;
}

const struct patient_identity *identity_of_patient(const struct transaction *t,
						   const struct patient_identities *identities)
{
	const struct config *config = t->gateway->config;
	const struct patient_identity *found = identity_in(t, identities, config->patient_assigning_authority);

	for (size_t i = 0; !found && i < config->identity_authorities.count; i++)
		found = identity_in(t, identities, config->identity_authorities.items[i].oid);
	return found;
}

bool identity_cx(const struct transaction *t, struct str value, struct str *patient_id)
{
	struct hl7_cx cx = { .id = value,
			     .authority = { .universal_id = t->gateway->config->patient_assigning_authority,
					    .universal_id_type = STR("ISO") } };

	*patient_id = hl7_cx_write(&cx, t->south.arena);
	return patient_id->data || no_memory(t);
}
