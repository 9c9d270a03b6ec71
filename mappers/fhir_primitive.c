#include "mappers/fhir_primitive.h"

#include "mappers/base/base64.h"
#include "mappers/fhir_mark.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes exactly count digits off the front. */
static bool take_digits(struct str *text, size_t count, unsigned *value)
{
	*value = 0;
	if (text->size < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!is_digit(text->data[i]))
			return false;
		*value = *value * 10 + (unsigned)(text->data[i] - '0');
	}
	*text = str_from(*text, count);
	return true;
}

static bool take(struct str *text, char c)
{
	if (text->size == 0 || text->data[0] != c)
		return false;
	*text = str_from(*text, 1);
	return true;
}

static unsigned days_of(unsigned year, unsigned month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

/* Takes YYYY, YYYY-MM or YYYY-MM-DD; *parts says how much. */
static bool take_date(struct str *text, unsigned *parts)
{
	unsigned year;
	unsigned month;
	unsigned day;

	*parts = 1;
	if (!take_digits(text, 4, &year) || year == 0)
		return false;
	if (!take(text, '-'))
		return true;
	*parts = 2;
	if (!take_digits(text, 2, &month) || month < 1 || month > 12)
		return false;
	if (!take(text, '-'))
		return true;
	*parts = 3;
	return take_digits(text, 2, &day) && day >= 1 && day <= days_of(year, month);
}

/* hh:mm:ss, perhaps with a fraction; 60 is a leap second. */
static bool take_time(struct str *text)
{
	unsigned hour;
	unsigned minute;
	unsigned second;

	if (!take_digits(text, 2, &hour) || hour > 23 || !take(text, ':') || !take_digits(text, 2, &minute) ||
	    minute > 59 || !take(text, ':') || !take_digits(text, 2, &second) || second > 60)
		return false;
	if (!take(text, '.'))
		return true;
	if (text->size == 0 || !is_digit(text->data[0]))
		return false;
	while (text->size && is_digit(text->data[0]))
		*text = str_from(*text, 1);
	return true;
}

static bool take_zone(struct str *text)
{
	unsigned hour;
	unsigned minute;

	if (take(text, 'Z'))
		return true;
	if (!take(text, '+') && !take(text, '-'))
		return false;
	return take_digits(text, 2, &hour) && take(text, ':') && take_digits(text, 2, &minute) &&
	       ((hour < 14 && minute < 60) || (hour == 14 && minute == 0));
}

static bool is_date(struct str text)
{
	unsigned parts;

	return take_date(&text, &parts) && text.size == 0;
}

static bool is_date_time(struct str text, bool instant)
{
	unsigned parts;

	if (!take_date(&text, &parts))
		return false;
	if (text.size == 0)
		return !instant;
	return parts == 3 && take(&text, 'T') && take_time(&text) && take_zone(&text) && text.size == 0;
}

static bool is_time(struct str text)
{
	return take_time(&text) && text.size == 0;
}

/* An integer of at most 31 bits and a sign, at least least. */
static bool is_integer(struct str text, int64_t least)
{
	struct str digits = str_without_prefix(text, STR("-"));
	bool minus = digits.size < text.size;
	uint64_t value;

	if (!str_to_u64(digits, &value) || value > (uint64_t)INT32_MAX + minus ||
	    (digits.size > 1 && digits.data[0] == '0'))
		return false;
	return (minus ? -(int64_t)value : (int64_t)value) >= least && !(minus && least >= 0);
}

static bool is_id(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !is_digit(c) && c != '-' && c != '.')
			return false;
	}
	return text.size >= 1 && text.size <= 64;
}

static bool has_no_blanks(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (is_blank(text.data[i]))
			return false;
	}
	return text.size > 0;
}

/* Blanks only one by one and inside. */
static bool is_code(struct str text)
{
	bool blank = true;

	for (size_t i = 0; i < text.size; i++) {
		if (is_blank(text.data[i]) && blank)
			return false;
		blank = is_blank(text.data[i]);
	}
	return !blank;
}

static bool is_oid(struct str text)
{
	struct str arcs = str_without_prefix(text, STR("urn:oid:"));
	struct str arc;
	size_t count = 0;

	if (arcs.size == text.size)
		return false;
	while (str_next(&arcs, '.', &arc)) {
		if (arc.size == 0 || (arc.size > 1 && arc.data[0] == '0') ||
		    (count == 0 && (arc.size > 1 || arc.data[0] > '2')))
			return false;
		for (size_t i = 0; i < arc.size; i++) {
			if (!is_digit(arc.data[i]))
				return false;
		}
		count++;
	}
	return count > 1;
}

static bool is_uuid(struct str text)
{
	struct str uuid = str_without_prefix(text, STR("urn:uuid:"));

	if (uuid.size == text.size || uuid.size != 36)
		return false;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = uuid.data[i];

		if (dash ? c != '-' : !is_digit(c) && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

static bool is_base64(struct str text)
{
	struct base64_decoder decoder;
	unsigned char out[1024 / 4 * 3 + 3];
	size_t written;
	size_t bytes = 0;

	base64_decoder_init(&decoder);
	while (text.size) {
		struct str piece = { text.data, text.size < 1024 ? text.size : 1024 };

		if (!base64_decoder_push(&decoder, piece, out, &written))
			return false;
		bytes += written;
		text = str_from(text, piece.size);
	}
	return base64_decoder_finish(&decoder) && bytes > 0;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_decimal(struct str text)
{
	bool integer;

	return text.size > 0 && fhir_number_size(text, &integer) == text.size;
}

bool fhir_primitive_valid(enum fhir_kind kind, struct str text)
{
	switch (kind) {
	case FHIR_BASE64BINARY:
		return is_base64(text);
	case FHIR_BOOLEAN:
		return str_equal(text, STR("true")) || str_equal(text, STR("false"));
	case FHIR_CANONICAL:
	case FHIR_URI:
	case FHIR_URL:
		return has_no_blanks(text);
	case FHIR_CODE:
		return is_code(text);
	case FHIR_DATE:
		return is_date(text);
	case FHIR_DATETIME:
		return is_date_time(text, false);
	case FHIR_DECIMAL:
		return is_decimal(text);
	case FHIR_ID:
		return is_id(text);
	case FHIR_INSTANT:
		return is_date_time(text, true);
	case FHIR_INTEGER:
		return is_integer(text, INT32_MIN);
	case FHIR_OID:
		return is_oid(text);
	case FHIR_POSITIVEINT:
		return is_integer(text, 1);
	case FHIR_TIME:
		return is_time(text);
	case FHIR_UNSIGNEDINT:
		return is_integer(text, 0);
	case FHIR_UUID:
		return is_uuid(text);
	case FHIR_MARKDOWN:
	case FHIR_STRING:
	case FHIR_XHTML:
		return text.size > 0;
	case FHIR_COMPLEX:
	case FHIR_RESOURCE:
	case FHIR_ANY_RESOURCE:
		return false;
	}
	return false;
}

const char *fhir_primitive_advice(enum fhir_kind kind)
{
	static const char *const advice[] = {
		[FHIR_BASE64BINARY] = "Write base64, padded with = to a multiple of four characters; not empty.",
		[FHIR_BOOLEAN] = "Write true or false, in JSON without quotes.",
		[FHIR_CANONICAL] = "Write a URI without blanks.",
		[FHIR_CODE] = "Write a code without blanks around it and not more than one blank inside.",
		[FHIR_DATE] = "Write a date of the calendar as YYYY, YYYY-MM or YYYY-MM-DD.",
		[FHIR_DATETIME] = "Write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with Z or +hh:mm.",
		[FHIR_DECIMAL] = "Write a number, in JSON without quotes.",
		[FHIR_ID] = "Write an id of 1 to 64 letters, digits, - and . .",
		[FHIR_INSTANT] = "Write YYYY-MM-DDThh:mm:ss with Z or +hh:mm.",
		[FHIR_INTEGER] = "Write a whole number of 32 bits, in JSON without quotes.",
		[FHIR_MARKDOWN] = "Write a string that is not empty.",
		[FHIR_OID] = "Write an OID as urn:oid:1.2.3.",
		[FHIR_POSITIVEINT] = "Write a whole number from 1 to 2147483647, in JSON without quotes.",
		[FHIR_STRING] = "Write a string that is not empty.",
		[FHIR_TIME] = "Write a time as hh:mm:ss.",
		[FHIR_UNSIGNEDINT] = "Write a whole number from 0 to 2147483647, in JSON without quotes.",
		[FHIR_URI] = "Write a URI without blanks.",
		[FHIR_URL] = "Write a URL without blanks.",
		[FHIR_UUID] = "Write a UUID as urn:uuid: and 36 lower-case characters.",
		[FHIR_XHTML] = "Write narrative as a string with one XHTML div.",
	};

	return kind <= FHIR_XHTML ? advice[kind] : "Write an object.";
}
