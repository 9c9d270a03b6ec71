#include "mappers/fhir_mark.h"

#define MARK_SIZE 2

static struct str mark_rest(const json_t *value, struct str mark)
{
	if (!json_is_string(value))
		return STR_NONE;
	struct str text = { json_string_value(value), json_string_length(value) };

	return str_starts_with(text, mark) ? str_from(text, mark.size) : STR_NONE;
}

bool fhir_cut_index(const json_t *value, size_t *index)
{
	struct str digits = mark_rest(value, STR(FHIR_MARK_CUT));
	uint64_t number;

	if (!digits.data || !str_to_u64(digits, &number))
		return false;
	*index = (size_t)number;
	return true;
}

bool fhir_decimal_lexeme(const json_t *value, struct str *lexeme)
{
	struct str rest = mark_rest(value, STR(FHIR_MARK_DECIMAL));

	if (!rest.data)
		return false;
	*lexeme = rest;
	return true;
}

struct str fhir_text(const json_t *value)
{
	if (!json_is_string(value))
		return STR_NONE;
	struct str text = { json_string_value(value), json_string_length(value) };

	return text.size && text.data[0] == '\001' ? STR_NONE : text;
}

static size_t digits_end(struct str text, size_t at)
{
	while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9')
		at++;
	return at;
}

size_t fhir_number_size(struct str text, bool *integer)
{
	size_t start = text.size && text.data[0] == '-' ? 1 : 0;
	size_t end = digits_end(text, start);

	if (end == start)
		return 0;
	if (text.data[start] == '0')
		end = start + 1; /* no leading zeros: what follows is no part of the number */
	/* Eighteen digits always fit into 64 bits; -0 would come back as 0. */
	*integer = end - start <= 18 && !(start && text.data[start] == '0');
	if (end < text.size && text.data[end] == '.') {
		size_t fraction = digits_end(text, end + 1);

		if (fraction == end + 1)
			return 0;
		end = fraction;
		*integer = false;
	}
	if (end < text.size && (text.data[end] == 'e' || text.data[end] == 'E')) {
		size_t sign = end + 1;

		if (sign < text.size && (text.data[sign] == '+' || text.data[sign] == '-'))
			sign++;
		size_t exponent = digits_end(text, sign);

		if (exponent == sign)
			return 0;
		end = exponent;
		*integer = false;
	}
	return end;
}

json_t *fhir_number_new(struct str lexeme)
{
	bool integer = false;
	char mark[MARK_SIZE + 256];
	struct str digits = str_without_prefix(lexeme, STR("-"));
	uint64_t value;

	if (fhir_number_size(lexeme, &integer) != lexeme.size || lexeme.size > sizeof mark - MARK_SIZE)
		return NULL;
	if (integer && str_to_u64(digits, &value))
		return json_integer(digits.size < lexeme.size ? -(json_int_t)value : (json_int_t)value);
	memcpy(mark, FHIR_MARK_DECIMAL, MARK_SIZE);
	memcpy(mark + MARK_SIZE, lexeme.data, lexeme.size);
	return json_stringn_nocheck(mark, MARK_SIZE + lexeme.size);
}
