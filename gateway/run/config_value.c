/* One scalar at a time: text of the file -> member of the struct. */
#include "gateway/run/config_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gateway/run/file.h"
#include "mappers/base/oid.h"

#define PLACE_SIZE 256

/* What stands in the main file is read for each tenant, said once, and then of no single one. */
static bool said_before(const struct config_place *place, const char *path, const char *text)
{
	size_t size = strlen(text);

	for (size_t i = 0; place->tenant && i < place->outcome->count; i++) {
		struct issue *issue = &place->outcome->issues[i];

		if (strcmp(issue->path, path) != 0 || strncmp(issue->text, text, size) != 0)
			continue;
		if (strncmp(issue->text + size, " (tenant ", 9) == 0)
			issue->text[size] = '\0';
		if (!issue->text[size])
			return true;
	}
	return false;
}

static void path_write(const struct config_place *place, char path[PLACE_SIZE])
{
	snprintf(path, PLACE_SIZE, "%s:%zu%s%s", place->file, place->line, place->key[0] ? ": " : "", place->key);
}

bool config_complain(const struct config_place *place, const char *format, ...)
{
	char path[PLACE_SIZE];
	char text[320];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	path_write(place, path);
	if (said_before(place, path, text))
		return false;
	return outcome_add(place->outcome, ERR_VALUE_INVALID, path, place->tenant ? "%s (tenant %s)" : "%s", text,
			   place->tenant);
}

bool config_warn(const struct config_place *place, const char *text)
{
	char path[PLACE_SIZE];

	path_write(place, path);
	/* Half of the room is for what is wrong for sure. */
	if (place->outcome->count >= OUTCOME_ISSUES_MAX / 2 || said_before(place, path, text))
		return true;
	return outcome_warn(place->outcome, ERR_VALUE_INVALID, path, place->tenant ? "%s (tenant %s)" : "%s", text,
			    place->tenant);
}

/* A whole value "${NAME}" is taken from the environment, so that a deployment can set it without touching the file. */
static bool expand(struct str *text, const struct config_place *place)
{
	char name[128];

	if (!str_starts_with(*text, STR("${")) || !str_ends_with(*text, STR("}")))
		return true;
	struct str inner = { text->data + 2, text->size - 3 };

	if (inner.size == 0 || inner.size >= sizeof name)
		return config_complain(place, "Write the name of an environment variable between ${ and }.");
	memcpy(name, inner.data, inner.size);
	name[inner.size] = '\0';
	const char *value = getenv(name);

	if (!value)
		return config_complain(place, "Set the environment variable %s, or write the value here.", name);
	*text = str_from_c(value);
	return true;
}

static bool is_printable(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F)
			return false;
	}
	return str_is_utf8(text);
}

static bool keep_text(const struct config_row *row, struct str text, const struct config_place *place, struct str *out)
{
	if (!is_printable(text))
		return config_complain(place, "Remove control characters and write UTF-8.");
	if ((int64_t)text.size > row->max)
		return config_complain(place, "Write at most %" PRId64 " bytes.", row->max);
	if ((int64_t)text.size < row->min)
		return config_complain(place, "Write a value: it must not be empty.");
	*out = arena_copy(place->arena, text);
	return out->data || config_complain(place, "Retry with more memory.");
}

/* An absolute http or https URL without user and fragment; ours to call or to show. */
static bool is_url(struct str url)
{
	struct str rest = str_without_prefix(url, STR("https://"));

	if (rest.size == url.size)
		rest = str_without_prefix(url, STR("http://"));
	if (rest.size == url.size || rest.size == 0 || rest.data[0] == '/' || rest.data[0] == ':')
		return false;
	for (size_t i = 0; i < rest.size; i++) {
		if (rest.data[i] <= ' ' || rest.data[i] >= 0x7F || strchr("#@\"<>\\^`{|}", rest.data[i]))
			return false;
	}
	return true;
}

static bool read_url(const struct config_row *row, struct str text, const struct config_place *place, struct str *out)
{
	if (text.size && !is_url(text))
		return config_complain(place,
				       "Write an absolute URL that begins with http:// or https://, without user "
				       "and fragment.");
	if (row->type != CONFIG_URL) {
		while (text.size && text.data[text.size - 1] == '/')
			text.size--;
	}
	return keep_text(row, text, place, out);
}

static bool read_oid(const struct config_row *row, struct str text, const struct config_place *place, struct str *out)
{
	text = str_without_prefix(text, STR("urn:oid:"));
	if (text.size && !oid_valid(text))
		return config_complain(place, "Write an OID: numbers with dots between, such as 1.3.6.1.4.1.21367.");
	return keep_text(row, text, place, out);
}

/* system|code|display of a coding; its system is a URI, so it has a colon. */
static bool read_code(const struct config_row *row, struct str text, const struct config_place *place, struct str *out)
{
	struct str system = { text.data, str_find(text, '|') };
	struct str code = str_from(text, system.size + 1);

	if (text.size && (str_find(system, ':') == system.size || str_find(code, '|') == 0 || str_is_empty(code)))
		return config_complain(place, "Write system|code|display, such as http://loinc.org|34133-9|Summary of "
					      "episode note; the system is a URI.");
	return keep_text(row, text, place, out);
}

/* Relative names begin at the directory of the configuration file. */
static bool read_path(const struct config_row *row, struct str text, const struct config_place *place, struct str *out)
{
	const char *slash = strrchr(place->file, '/');

	if (!keep_text(row, text, place, out))
		return false;
	if (text.size == 0 || text.data[0] == '/' || !slash)
		return true;
	*out = arena_printf(place->arena, "%.*s/%.*s", (int)(slash - place->file), place->file, STR_ARG(text));
	return out->data || config_complain(place, "Retry with more memory.");
}

/* Whoever has an account on the machine can read it, and be who it makes one. */
static void warn_of_readers(const char *path, const struct config_place *place)
{
	struct stat status;

	if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & (S_IROTH | S_IWOTH)))
		config_warn(place, "Take the file's rights away from others (chmod o=): it holds a secret.");
}

static bool read_secret(const struct config_row *row, struct str text, const struct config_place *place,
			struct str *out)
{
	struct config_row path_row = { .type = CONFIG_PATH, .min = 1, .max = 4000 };
	struct outcome reading;
	struct str path = STR_NONE;

	outcome_init(&reading);
	if (!read_path(&path_row, text, place, &path))
		return false;
	if (!file_read(path.data, (size_t)row->max, place->arena, out, &reading))
		return config_complain(place, "%s %s", reading.issues[0].text, row->sentence);
	if ((int64_t)out->size < row->min)
		return config_complain(place, "The file is too short. %s", row->sentence);
	warn_of_readers(path.data, place);
	return true;
}

/* Decimal, and nothing that YAML readers disagree about (010, 0x10, 1_000). */
static bool is_decimal(struct str text)
{
	return text.size == 1 || (text.size > 1 && text.data[0] != '0');
}

static bool read_number(const struct config_row *row, struct str text, const struct config_place *place, uint64_t *out)
{
	static const struct {
		struct str suffix;
		uint64_t factor;
	} units[] = { { { "KiB", 3 }, 1 << 10 }, { { "MiB", 3 }, 1 << 20 }, { { "GiB", 3 }, 1 << 30 } };
	uint64_t factor = 1;
	uint64_t value = 0;

	for (size_t i = 0; row->type == CONFIG_BYTES && i < COUNT_OF(units); i++) {
		if (!str_ends_with(text, units[i].suffix))
			continue;
		factor = units[i].factor;
		text = str_trim((struct str) { text.data, text.size - units[i].suffix.size });
	}
	if (!is_decimal(text) || !str_to_u64(text, &value) || __builtin_mul_overflow(value, factor, &value))
		return config_complain(place, row->type == CONFIG_BYTES
						      ? "Write a number of bytes, or a number with KiB, MiB or GiB."
						      : "Write a decimal number without sign and leading zeros.");
	if (value > INT64_MAX || (int64_t)value < row->min || (int64_t)value > row->max)
		return config_complain(place, "Write a number from %" PRId64 " to %" PRId64 ".", row->min, row->max);
	*out = value;
	return true;
}

static bool read_name(const struct config_row *row, struct str text, const struct config_place *place, unsigned *index)
{
	struct str rest = str_from_c(row->words);
	struct str name;

	for (unsigned i = 0; str_next(&rest, ' ', &name); i++) {
		if (str_equal(name, text)) {
			*index = i;
			return true;
		}
	}
	return config_complain(place, "Write one of: %s.", row->words);
}

static bool read_switch(struct str text, const struct config_place *place, bool *out)
{
	*out = str_equal(text, STR("true"));
	return *out || str_equal(text, STR("false")) || config_complain(place, "Write true or false.");
}

/* UTC, or +hh:mm, -hh:mm. */
static bool read_offset(const struct config_row *row, struct str text, const struct config_place *place, int *out)
{
	uint64_t hours = 0;
	uint64_t minutes = 0;

	*out = 0;
	if (str_equal(text, STR("UTC")))
		return true;
	if (text.size != 6 || (text.data[0] != '+' && text.data[0] != '-') || text.data[3] != ':' ||
	    !str_to_u64((struct str) { text.data + 1, 2 }, &hours) ||
	    !str_to_u64((struct str) { text.data + 4, 2 }, &minutes) || minutes > 59 ||
	    (int64_t)(hours * 60 + minutes) > row->max)
		return config_complain(place, "Write UTC or an offset such as +01:00.");
	*out = (int)(hours * 60 + minutes);
	if (text.data[0] == '-')
		*out = -*out;
	return true;
}

static bool read_flag(const struct config_row *row, struct str text, const struct config_place *place, unsigned *flags)
{
	unsigned index = 0;

	if (!read_name(row, text, place, &index))
		return false;
	if (*flags & (1U << index))
		return config_complain(place, "Write each name once.");
	*flags |= 1U << index;
	return true;
}

bool config_value_read(const struct config_row *row, struct str text, const struct config_place *place, void *object,
		       struct str *item)
{
	struct config_row item_row = { .type = row->type, .min = 1, .max = 1000 };
	void *member = (char *)object + row->offset;

	if (!expand(&text, place))
		return false;
	switch (row->type) {
	case CONFIG_TEXT:
		return keep_text(row, text, place, member);
	case CONFIG_URL:
	case CONFIG_BASE:
		return read_url(row, text, place, member);
	case CONFIG_OID:
		return read_oid(row, text, place, member);
	case CONFIG_CODE:
		return read_code(row, text, place, member);
	case CONFIG_PATH:
		if (!read_path(row, text, place, member))
			return false;
		if (str_ends_with(str_from_c(row->key), STR("key_file")))
			warn_of_readers(((struct str *)member)->data, place);
		return true;
	case CONFIG_SECRET:
		return read_secret(row, text, place, member);
	case CONFIG_INTEGER:
	case CONFIG_BYTES:
		return read_number(row, text, place, member);
	case CONFIG_SWITCH:
		return read_switch(text, place, member);
	case CONFIG_CHOICE:
		return read_name(row, text, place, member);
	case CONFIG_OFFSET:
		return read_offset(row, text, place, member);
	case CONFIG_FLAGS:
		return read_flag(row, text, place, member);
	case CONFIG_TEXTS:
		return keep_text(&item_row, text, place, item);
	case CONFIG_BASES:
		return read_url(&item_row, text, place, item);
	case CONFIG_REPOSITORIES:
	case CONFIG_BACK_ENDS:
	case CONFIG_KEYS:
	case CONFIG_AUDIT_REPOSITORIES:
	case CONFIG_AUTHORITIES:
	case CONFIG_SAML_ISSUERS:
	case CONFIG_TENANTS:
	case CONFIG_ISSUERS:
	case CONFIG_CLIENTS:
		break;
	}
	return config_complain(place, "Write a list here.");
}
