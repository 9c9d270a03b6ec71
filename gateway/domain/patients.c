#include "gateway/domain/patients.h"

#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"

#define PATIENT_DIGITS_MAX 18 /* of the number at the end of a range's ends */

/* One configured item: a value, or a range where first and last differ in the digits at their end. */
struct patient_range {
	struct str prefix; /* what comes before the digits; the whole value when it is no range */
	bool is_range;
	size_t digits;
	uint64_t first;
	uint64_t last;
};

struct patients {
	struct str authority;
	struct patient_range *ranges;
	size_t count;
};

/* Splits text into what comes before its last digits, and their number. */
static bool digits_split(struct str text, struct str *prefix, size_t *digits, uint64_t *number)
{
	size_t start = text.size;

	while (start > 0 && text.data[start - 1] >= '0' && text.data[start - 1] <= '9' &&
	       text.size - start < PATIENT_DIGITS_MAX)
		start--;
	*prefix = (struct str) { text.data, start };
	*digits = text.size - start;
	return str_to_u64(str_from(text, start), number);
}

static bool range_read(struct str text, struct patient_range *range)
{
	size_t dots = 0;

	while (dots + 1 < text.size && !(text.data[dots] == '.' && text.data[dots + 1] == '.'))
		dots++;
	if (dots + 1 >= text.size) {
		*range = (struct patient_range) { .prefix = text };
		return text.size > 0;
	}
	struct str last_prefix;
	size_t last_digits;

	range->is_range = true;
	return digits_split((struct str) { text.data, dots }, &range->prefix, &range->digits, &range->first) &&
	       digits_split(str_from(text, dots + 2), &last_prefix, &last_digits, &range->last) &&
	       str_equal(range->prefix, last_prefix) && range->digits == last_digits && range->first <= range->last;
}

bool patients_read(struct str authority, const struct strs *values, struct arena *arena, struct patients **patients,
		   struct outcome *outcome)
{
	struct patients *read = arena_alloc(arena, sizeof *read);
	struct patient_range *ranges = arena_array(arena, values->count, sizeof *ranges);

	if (!read || !ranges)
		return outcome_add(outcome, ERR_NO_MEMORY, "domain.patients", "Start again when memory is free.");
	for (size_t i = 0; i < values->count; i++) {
		if (!range_read(values->items[i], &ranges[i]))
			return outcome_add(outcome, ERR_VALUE_INVALID, "domain.patients",
					   "Write item %zu as a value or as a range of the same width, for instance "
					   "P-001..P-020.",
					   i + 1);
	}
	*read = (struct patients) { .authority = authority, .ranges = ranges, .count = values->count };
	*patients = read;
	return true;
}

bool patient_is_known(const struct patients *patients, struct str value, struct str authority)
{
	if (!str_equal(authority, patients->authority))
		return false;
	for (size_t i = 0; i < patients->count; i++) {
		const struct patient_range *range = &patients->ranges[i];
		uint64_t number;

		if (!range->is_range && str_equal(value, range->prefix))
			return true;
		if (range->is_range && value.size == range->prefix.size + range->digits &&
		    str_starts_with(value, range->prefix) && str_to_u64(str_from(value, range->prefix.size), &number) &&
		    number >= range->first && number <= range->last)
			return true;
	}
	return false;
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
