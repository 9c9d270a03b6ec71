#include "gateway/domain/patients.h"

#include "gateway/domain/patient_range.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"

struct patients {
	struct str authority;
	struct patient_range *ranges;
	size_t count;
};

bool patients_read(struct str authority, const struct strs *values, struct arena *arena, struct patients **patients,
		   struct outcome *outcome)
{
	struct patients *read = arena_alloc(arena, sizeof *read);
	struct patient_range *ranges = arena_array(arena, values->count, sizeof *ranges);

	if (!read || !ranges)
		return outcome_add(outcome, ERR_NO_MEMORY, "domain.patients", "Start again when memory is free.");
	for (size_t i = 0; i < values->count; i++) {
		if (!patient_range_read(values->items[i], &ranges[i]))
			return outcome_add(outcome, ERR_VALUE_INVALID, "domain.patients",
					   "Write item %zu as a value or as a range of the same width, for instance "
					   "P-001..P-020.",
					   i + 1);
	}
	*read = (struct patients) { .authority = authority, .ranges = ranges, .count = values->count };
	*patients = read;
	return true;
}

bool patient_is_configured(const struct patients *patients, struct str value, struct str authority)
{
	if (!str_equal(authority, patients->authority))
		return false;
	for (size_t i = 0; i < patients->count; i++) {
		if (patient_range_has(&patients->ranges[i], value))
			return true;
	}
	return false;
}

struct str patients_authority(const struct patients *patients)
{
	return patients->authority;
}

/* True when only separators follow the fourth component. */
static bool ends_after_four(struct str cx)
{
	struct str part;

	for (int i = 0; i < 4 && str_next(&cx, '^', &part); i++)
		;
	for (size_t i = 0; i < cx.size; i++) {
		if (cx.data[i] != '^')
			return false;
	}
	return true;
}

bool patient_id_normalise(struct str cx, struct arena *arena, struct str *normalised, struct str *value,
			  struct str *authority)
{
	struct str id = hl7_part(cx, '^', 1);
	struct str domain = hl7_part(cx, '^', 4);
	struct str oid = hl7_part(domain, '&', 2);

	if (id.size == 0 || hl7_part(cx, '^', 2).size > 0 || hl7_part(cx, '^', 3).size > 0 || !ends_after_four(cx) ||
	    !oid_valid(oid) || !str_equal(hl7_part(domain, '&', 3), STR("ISO")) || hl7_part(domain, '&', 4).size > 0)
		return false;
	*normalised = arena_printf(arena, "%.*s^^^&%.*s&ISO", STR_ARG(id), STR_ARG(oid));
	if (value)
		*value = hl7_unescape(id, arena);
	if (authority)
		*authority = oid;
	return normalised->data != NULL && (!value || value->data);
}
