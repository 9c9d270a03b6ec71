#include "gateway/north/negotiate.h"

#include "mappers/base/hex.h"

/* One media range of an Accept header, or a Content-Type. */
struct media_range {
	struct str type;  /* "application/fhir+json", "application/" + "*", without parameters */
	unsigned quality; /* thousandths */
	struct str fhir_version;
	struct str charset;
};

/* Names that clients use for the two formats: media types (R4 and older), and the short ones of _format. */
static const struct {
	const char *name;
	enum fhir_format format;
	bool short_form; /* only in _format */
} format_names[] = {
	{ "application/fhir+json", FHIR_JSON, false },
	{ "application/json", FHIR_JSON, false },
	{ "text/json", FHIR_JSON, false },
	{ "application/json+fhir", FHIR_JSON, false },
	{ "json", FHIR_JSON, true },
	{ "application/fhir+xml", FHIR_XML, false },
	{ "application/xml", FHIR_XML, false },
	{ "text/xml", FHIR_XML, false },
	{ "application/xml+fhir", FHIR_XML, false },
	{ "xml", FHIR_XML, true },
};

/* qvalue of RFC 9110 12.4.2 in thousandths; something else counts as 0, so that it never wins. */
static unsigned quality_read(struct str text)
{
	unsigned value = 0;
	unsigned weight = 1000;

	if (text.size == 0 || text.size > 5 || (text.data[0] != '0' && text.data[0] != '1'))
		return 0;
	if (text.size > 1 && text.data[1] != '.')
		return 0;
	value = text.data[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return 0;
		weight /= 10;
		value += weight * (unsigned)(text.data[i] - '0');
	}
	return value > 1000 ? 0 : value;
}

static struct str unquote(struct str text)
{
	if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"')
		return (struct str) { text.data + 1, text.size - 2 };
	return text;
}

static struct media_range range_read(struct str text)
{
	struct media_range range = { .quality = 1000 };
	struct str part = STR_NONE;

	if (!text.data || !str_next(&text, ';', &part))
		return range;
	range.type = str_trim(part);
	while (str_next(&text, ';', &part)) {
		size_t equals = str_find(part, '=');
		struct str name = str_trim((struct str) { part.data, equals });
		struct str value = unquote(str_trim(str_from(part, equals + 1)));

		if (str_equal_nocase(name, STR("q")))
			range.quality = quality_read(value);
		else if (str_equal_nocase(name, STR("fhirVersion")))
			range.fhir_version = value;
		else if (str_equal_nocase(name, STR("charset")))
			range.charset = value;
	}
	return range;
}

static bool version_known(struct str version)
{
	return str_is_empty(version) || str_equal(version, STR("4.0"));
}

static bool charset_known(struct str charset)
{
	return str_is_empty(charset) || str_equal_nocase(charset, STR("utf-8"));
}

static bool format_find(struct str name, bool short_forms, enum fhir_format *format)
{
	for (size_t i = 0; i < COUNT_OF(format_names); i++) {
		if ((short_forms || !format_names[i].short_form) &&
		    str_equal_nocase(str_from_c(format_names[i].name), name)) {
			*format = format_names[i].format;
			return true;
		}
	}
	return false;
}

static bool is_wildcard(struct str type)
{
	return str_equal(type, STR("*/*")) || str_equal(type, STR("*")) || str_equal_nocase(type, STR("application/*"));
}

bool negotiate_answer(struct str accept, struct str format, enum fhir_format *answer)
{
	unsigned best = 0;
	bool is_page = false; /* a browser: it takes pages, and anything else */
	bool takes_all = false;
	bool names_fhir = false;
	struct str part;

	if (!str_is_empty(format)) {
		struct media_range range = range_read(format);

		return version_known(range.fhir_version) && format_find(range.type, true, answer);
	}
	*answer = FHIR_JSON;
	if (str_is_empty(str_trim(accept)))
		return true;
	while (str_next(&accept, ',', &part)) {
		struct media_range range = range_read(part);
		enum fhir_format found = FHIR_JSON;

		is_page = is_page || str_equal_nocase(range.type, STR("text/html"));
		takes_all = takes_all || (str_equal(range.type, STR("*/*")) && range.quality > 0);
		names_fhir = names_fhir || str_starts_with(range.type, STR("application/fhir+"));
		if (!version_known(range.fhir_version) || range.quality <= best)
			continue;
		if (!is_wildcard(range.type) && !format_find(range.type, false, &found))
			continue;
		best = range.quality;
		*answer = found;
	}
	/* Browsers rank application/xml over the rest, but show FHIR's JSON and only save its XML. */
	if (is_page && takes_all && !names_fhir)
		*answer = FHIR_JSON;
	return best > 0;
}

bool negotiate_body(struct str content_type, enum fhir_format *body)
{
	struct media_range range = range_read(content_type);

	return version_known(range.fhir_version) && charset_known(range.charset) &&
	       format_find(range.type, false, body);
}

bool negotiate_json_patch(struct str content_type)
{
	struct media_range range = range_read(content_type);

	return charset_known(range.charset) && str_equal_nocase(range.type, STR("application/json-patch+json"));
}

bool negotiate_form(struct str content_type)
{
	struct media_range range = range_read(content_type);

	return charset_known(range.charset) && str_equal_nocase(range.type, STR("application/x-www-form-urlencoded"));
}

static struct str type_only(struct str media_type)
{
	return str_trim((struct str) { media_type.data, str_find(media_type, ';') });
}

bool negotiate_accepts(struct str accept, struct str media_type)
{
	struct str wanted = type_only(media_type);
	size_t slash = str_find(wanted, '/');
	unsigned quality = 0;
	size_t precision = 0; /* the most precise range decides: RFC 9110 12.5.1 */
	struct str part;

	if (str_is_empty(str_trim(accept)))
		return true;
	while (str_next(&accept, ',', &part)) {
		struct media_range range = range_read(part);
		struct str major = { range.type.data, str_find(range.type, '/') };
		size_t found = 0;

		if (str_equal_nocase(range.type, wanted))
			found = 3;
		else if (str_ends_with(range.type, STR("/*")) &&
			 str_equal_nocase(major, (struct str) { wanted.data, slash }))
			found = 2;
		else if (str_equal(range.type, STR("*/*")) || str_equal(range.type, STR("*")))
			found = 1;
		if (found > precision || (found == precision && found > 0 && range.quality > quality)) {
			precision = found;
			quality = range.quality;
		}
	}
	return precision > 0 && quality > 0;
}

struct str negotiate_parameter(struct str query, struct str name, char *out, size_t size)
{
	struct str part;

	while (query.data && str_next(&query, '&', &part)) {
		size_t equals = str_find(part, '=');
		struct str value = str_from(part, equals + 1);
		size_t written = 0;

		if (!str_equal((struct str) { part.data, equals }, name))
			continue;
		for (size_t i = 0; i < value.size && written < size; i++) {
			/* A plus is left as it is: here it stands for itself (application/fhir+json) far more often
			 * than for a blank, and no format has a blank. */
			if (value.data[i] == '%' && i + 2 < value.size && hex_value(value.data[i + 1]) >= 0 &&
			    hex_value(value.data[i + 2]) >= 0) {
				out[written++] =
					(char)(hex_value(value.data[i + 1]) * 16 + hex_value(value.data[i + 2]));
				i += 2;
			} else {
				out[written++] = value.data[i];
			}
		}
		return (struct str) { out, written };
	}
	return STR_NONE;
}
