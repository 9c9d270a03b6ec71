#include "mappers/identifier_system.h"

#include "mappers/base/check_digit.h"
#include "mappers/identifier.h"

enum form { FORM_TEXT, FORM_DIGITS, FORM_DATED };
enum check { CHECK_NONE, CHECK_MATRICULE };

#define MATRICULE_CHECKED 11 /* digits before the two check digits */

static const struct identifier_system {
	struct str oid;
	size_t size_min;
	size_t size_max;
	enum form form;
	enum check check;
	struct str name;
} systems[] = {
#define IDENTIFIER_SYSTEM(oid, least, most, form, check, name) \
	{ STR_INIT(oid), least, most, FORM_##form, CHECK_##check, STR_INIT(name) },
#include "profiles/identifiers.def"
#undef IDENTIFIER_SYSTEM
};

static const struct identifier_system *system_of(struct str oid)
{
	for (size_t i = 0; i < COUNT_OF(systems); i++) {
		if (str_equal(systems[i].oid, oid))
			return &systems[i];
	}
	return NULL;
}

struct str identifier_authority(struct str system, const struct system_names *names)
{
	const struct str urn = STR("urn:oid:");

	if (str_starts_with_nocase(system, urn))
		return oid_shaped(str_from(system, urn.size)) ? str_from(system, urn.size) : STR_NONE;
	for (size_t i = 0; system.size && i < names->count; i++) {
		if (str_equal(names->items[i].system, system))
			return names->items[i].oid;
	}
	return STR_NONE;
}

static bool is_printable(struct str value)
{
	for (size_t i = 0; i < value.size; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c < 0x20 || c == 0x7F)
			return false;
	}
	return str_is_utf8(value) && str_trim(value).size == value.size;
}

/* YYYYMMDD; a day or month that nobody knew is 00. */
static bool is_dated(struct str value)
{
	uint64_t month;
	uint64_t day;

	return value.size >= 8 && str_to_u64((struct str) { value.data + 4, 2 }, &month) && month <= 12 &&
	       str_to_u64((struct str) { value.data + 6, 2 }, &day) && day <= 31;
}

static bool matricule_adds_up(struct str value)
{
	struct str checked = { value.data, MATRICULE_CHECKED };

	return value.data[MATRICULE_CHECKED] == luhn_digit(checked) &&
	       value.data[MATRICULE_CHECKED + 1] == verhoeff_digit(checked);
}

enum identifier_check identifier_check(struct str authority, struct str value)
{
	const struct identifier_system *system = system_of(authority);

	if (value.size == 0 || value.size > PATIENT_VALUE_BYTES_MAX || !is_printable(value))
		return IDENTIFIER_MALFORMED;
	if (!system)
		return IDENTIFIER_GOOD;
	if (value.size < system->size_min || value.size > system->size_max ||
	    (system->form != FORM_TEXT && !digits_only(value)) || (system->form == FORM_DATED && !is_dated(value)))
		return IDENTIFIER_MALFORMED;
	if (system->check == CHECK_MATRICULE && !matricule_adds_up(value))
		return IDENTIFIER_DOUBTFUL;
	return IDENTIFIER_GOOD;
}

struct str identifier_authority_name(struct str authority)
{
	const struct identifier_system *system = system_of(authority);

	return system ? system->name : STR_NONE;
}
