#include "gateway/access/care.h"

#include "mappers/base/hl7v2.h"
#include "mappers/code_system.h"

#define ANY STR("any")

struct relationship {
	struct str who;    /* data NULL: every professional */
	struct str system; /* OID without urn:oid:; data NULL: every patient */
	struct str value;
};

struct care {
	struct relationship *items;
	size_t count;
};

/* Cuts what stands behind the last bar off text; false when there is none. */
static bool last_part(struct str *text, struct str *part)
{
	size_t at = text->size;

	while (at > 0 && text->data[at - 1] != '|')
		at--;
	if (at == 0)
		return false;
	*part = str_from(*text, at);
	text->size = at - 1;
	return true;
}

static bool item_read(struct str text, struct relationship *item)
{
	struct str patient;

	*item = (struct relationship) { 0 };
	if (str_equal(text, ANY))
		return true;
	if (!last_part(&text, &patient))
		return false;
	if (!str_equal(patient, ANY)) {
		item->value = patient;
		if (!last_part(&text, &item->system) || str_is_empty(item->value) || str_is_empty(item->system))
			return false;
		item->system = str_without_prefix(item->system, STR("urn:oid:"));
	}
	if (!str_equal(text, ANY))
		item->who = text;
	return text.size > 0;
}

bool care_read(const struct config_strs *items, struct arena *arena, const struct care **care, struct outcome *outcome)
{
	struct care *read = arena_alloc(arena, sizeof(*read));

	if (read)
		read->items = arena_array(arena, items->count, sizeof(*read->items));
	if (!read || !read->items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	for (size_t i = 0; i < items->count; i++) {
		if (!item_read(items->items[i], &read->items[i]))
			return outcome_add(outcome, ERR_VALUE_INVALID, "consent.care_relationships",
					   "Write item %zu as WHO|any, WHO|system|value or any.", i + 1);
	}
	read->count = items->count;
	*care = read;
	return true;
}

/* "system|code", with the system in any of its spellings, or the code alone. */
static bool is_role(struct str who, const struct code *role)
{
	struct str system = { who.data, str_find(who, '|') };
	struct str code = system.size < who.size ? str_from(who, system.size + 1) : who;

	if (!str_equal(code, role->code))
		return false;
	return system.size == who.size || str_equal(code_system_scheme(system), code_system_scheme(role->scheme));
}

static bool is_who(struct str who, const struct caller *caller)
{
	if (!who.data)
		return caller->kind == CALLER_USER;
	if (str_equal(who, caller->subject) || str_equal(who, caller->organization_id))
		return true;
	for (size_t i = 0; i < caller->roles.count; i++) {
		if (is_role(who, &caller->roles.items[i]))
			return true;
	}
	return false;
}

static bool is_claimed(const struct caller *caller, struct str patient_id, const struct hl7_cx *patient)
{
	for (size_t i = 0; i < caller->care_of.count; i++) {
		struct str claim = caller->care_of.items[i];
		struct str value;

		if (str_equal(claim, patient_id))
			return true;
		if (last_part(&claim, &value) && str_equal(value, patient->id) &&
		    str_equal(str_without_prefix(claim, STR("urn:oid:")), patient->authority.universal_id))
			return true;
	}
	return false;
}

bool care_holds(const struct care *care, const struct caller *caller, struct str patient_id, struct arena *arena)
{
	struct hl7_cx patient;

	if ((caller->kind != CALLER_USER && caller->kind != CALLER_SYSTEM) ||
	    !hl7_cx_parse(patient_id, arena, &patient))
		return false;
	if (is_claimed(caller, patient_id, &patient))
		return true;
	for (size_t i = 0; i < care->count; i++) {
		const struct relationship *item = &care->items[i];

		if (is_who(item->who, caller) &&
		    (!item->system.data ||
		     (str_equal(item->value, patient.id) && str_equal(item->system, patient.authority.universal_id))))
			return true;
	}
	return false;
}
