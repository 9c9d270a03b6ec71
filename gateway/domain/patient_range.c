#include "gateway/domain/patient_range.h"

#include <inttypes.h>

#define PATIENT_DIGITS_MAX 18 /* of the number at the end of a range's ends */

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

bool patient_range_read(struct str text, struct patient_range *range)
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

bool patient_range_has(const struct patient_range *range, struct str value)
{
	uint64_t number;

	if (!range->is_range)
		return str_equal(value, range->prefix);
	return value.size == range->prefix.size + range->digits && str_starts_with(value, range->prefix) &&
	       str_to_u64(str_from(value, range->prefix.size), &number) && number >= range->first &&
	       number <= range->last;
}

uint64_t patient_range_count(const struct patient_range *range)
{
	return range->is_range ? range->last - range->first + 1 : 1;
}

struct str patient_range_at(const struct patient_range *range, uint64_t index, struct arena *arena)
{
	if (!range->is_range)
		return arena_copy(arena, range->prefix);
	return arena_printf(arena, "%.*s%0*" PRIu64, STR_ARG(range->prefix), (int)range->digits, range->first + index);
}
