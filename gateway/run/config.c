/* libyaml's events, checked against the table as they come. No tree of YAML values exists: an alias bomb, a tag or a
 * second opinion about what `010` means has nowhere to go. */
#include "gateway/run/config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "gateway/run/config_read.h"
#include "gateway/run/file.h"

#define KEYS_PER_MAP_MAX 64
#define SHOWN_SIZE       128
#define SKIP_DEPTH_MAX   1000

struct loader {
	yaml_parser_t parser;
	yaml_event_t event; /* valid while has_event */
	bool has_event;
	bool stopped; /* nothing after this can be trusted */
	unsigned role;
	struct config_place place;
	char key[SHOWN_SIZE];          /* place.key */
	size_t lines[CONFIG_ROWS_MAX]; /* of the root's keys in this file; 0: not there */
	struct arena *arena;
	struct outcome *outcome;
};

static bool parse_mapping(struct loader *loader, const struct config_section *section, void *object, const char *prefix,
			  const char *shown, size_t *seen);

/* Puts a key together as it is shown or looked up; what is too long is cut, and then is no known key. */
static void key_print(char key[SHOWN_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void key_print(char key[SHOWN_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(key, SHOWN_SIZE, format, args);
	va_end(args);
}

/* From now on issues are about this key. */
static void key_set(struct loader *loader, const char *key)
{
	key_print(loader->key, "%s", key);
}

static void event_drop(struct loader *loader)
{
	if (loader->has_event)
		yaml_event_delete(&loader->event);
	loader->has_event = false;
}

static bool stop(struct loader *loader, const char *text)
{
	loader->stopped = true;
	return config_complain(&loader->place, "%s", text);
}

static bool event_is_decorated(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return true;
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor || event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor || event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor || event->data.mapping_start.tag;
	default:
		return false;
	}
}

/* The next event is in loader->event, its line in loader->place. False when the file cannot be read further. */
static bool event_next(struct loader *loader)
{
	event_drop(loader);
	if (loader->stopped)
		return false;
	if (!yaml_parser_parse(&loader->parser, &loader->event)) {
		loader->place.line = loader->parser.problem_mark.line + 1;
		key_set(loader, "");
		return stop(loader, "Correct the YAML at or above this line: a blank behind each colon, blanks instead "
				    "of tabs, the same "
				    "indent for what belongs together.");
	}
	loader->has_event = true;
	loader->place.line = loader->event.start_mark.line + 1;
	if (event_is_decorated(&loader->event))
		return stop(loader, "Write the value itself: aliases, anchors and tags are not used here.");
	return true;
}

static struct str scalar_of(const yaml_event_t *event)
{
	return (struct str) { (const char *)event->data.scalar.value, event->data.scalar.length };
}

/* True for a value that was left out: nothing, ~ or null. */
static bool is_nothing(const yaml_event_t *event)
{
	if (event->type != YAML_SCALAR_EVENT || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	struct str text = scalar_of(event);

	return text.size == 0 || str_equal(text, STR("~")) || str_equal(text, STR("null"));
}

/* Passes over the value whose first event is the current one. */
static void skip_value(struct loader *loader)
{
	unsigned depth = 0;

	for (;;) {
		yaml_event_type_t type = loader->event.type;

		if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
			depth++;
		if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
			depth--;
		if (depth == 0)
			return;
		if (depth > SKIP_DEPTH_MAX) {
			stop(loader, "Correct the file: it is nested too deeply.");
			return;
		}
		if (!event_next(loader))
			return;
	}
}

/* Sets the members of a new object to what the rows say. */
static bool set_defaults(struct loader *loader, const struct config_section *section, void *object)
{
	for (size_t i = 0; i < section->row_count; i++) {
		const struct config_row *row = &section->rows[i];
		struct str text = str_from_c(row->default_text);
		struct str part;

		if (row->type == CONFIG_FLAGS) {
			struct str rest = { text.data + 1, text.size - 2 };

			while (str_next(&rest, ',', &part)) {
				if (!config_value_read(row, str_trim(part), &loader->place, object, NULL))
					return false;
			}
		} else if (text.size && !config_is_sequence(row->type)) {
			if (!config_value_read(row, text, &loader->place, object, NULL))
				return false;
		}
	}
	return true;
}

static void complain_missing(struct loader *loader, const struct config_section *section, const char *shown,
			     const size_t *seen, size_t line)
{
	char key[SHOWN_SIZE];

	for (size_t i = 0; i < section->row_count; i++) {
		const struct config_row *row = &section->rows[i];

		if (seen[i] || !(row->required & loader->role))
			continue;
		key_print(key, "%s%s", shown, row->key);
		key_set(loader, key);
		loader->place.line = line;
		config_complain(&loader->place, "Add this key: %s", row->sentence);
	}
}

/* One object of a list, whose mapping start is the current event. */
static void parse_item(struct loader *loader, const struct config_section *section, void *object, const char *shown)
{
	size_t seen[CONFIG_ROWS_MAX] = { 0 };
	struct config_origin origin = { loader->place.file, loader->place.line };
	char prefix[SHOWN_SIZE];

	key_print(prefix, "%s.", shown);
	if (loader->event.type != YAML_MAPPING_START_EVENT) {
		config_complain(&loader->place, "Write keys and values here.");
		skip_value(loader);
		return;
	}
	if (section->origin_offset)
		memcpy((char *)object + section->origin_offset, &origin, sizeof origin);
	if (set_defaults(loader, section, object) && parse_mapping(loader, section, object, "", prefix, seen))
		complain_missing(loader, section, prefix, seen, origin.line);
}

/* Every list member of a struct has this shape. */
struct any_list {
	void *items;
	size_t count;
};

/* One item of a sequence; the current event is its first. */
static bool parse_element(struct loader *loader, const struct config_row *row, void *object, size_t *capacity,
			  const char *shown)
{
	const struct config_section *section = config_section_of(row->type);
	struct any_list *list = (struct any_list *)(void *)((char *)object + row->offset);
	size_t size = section ? section->struct_size : sizeof(struct str);

	if (row->type != CONFIG_FLAGS) {
		if (!arena_grow(loader->arena, &list->items, list->count, capacity, size))
			return stop(loader, "Retry with more memory.");
		memset((char *)list->items + list->count * size, 0, size);
	}
	if (section) {
		parse_item(loader, section, (char *)list->items + list->count * size, shown);
		list->count++;
		return true;
	}
	if (loader->event.type != YAML_SCALAR_EVENT) {
		config_complain(&loader->place, "Write a single value.");
		skip_value(loader);
		return true;
	}
	struct str *item = row->type == CONFIG_FLAGS ? NULL : (struct str *)list->items + list->count;

	if (config_value_read(row, scalar_of(&loader->event), &loader->place, object, item) && item)
		list->count++;
	return true;
}

static void parse_sequence(struct loader *loader, const struct config_row *row, void *object, const char *shown)
{
	struct any_list *list = (struct any_list *)(void *)((char *)object + row->offset);
	size_t capacity = 0;
	size_t count = 0;
	size_t line = loader->place.line;
	char key[SHOWN_SIZE];

	if (loader->event.type != YAML_SEQUENCE_START_EVENT) {
		config_complain(&loader->place, "Write a list here.");
		skip_value(loader);
		return;
	}
	/* What is there already is a default, or of a file that this one takes the place of. */
	if (row->type == CONFIG_FLAGS)
		*(unsigned *)(void *)((char *)object + row->offset) = 0;
	else
		*list = (struct any_list) { 0 };
	for (;; count++) {
		key_set(loader, shown);
		if (!event_next(loader))
			return;
		if (loader->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		key_print(key, "%s[%zu]", shown, count);
		key_set(loader, key);
		if (!parse_element(loader, row, object, &capacity, key))
			return;
	}
	loader->place.line = line;
	if ((int64_t)count < row->min || (int64_t)count > row->max)
		config_complain(&loader->place, "List from %" PRId64 " to %" PRId64 " items.", row->min, row->max);
}

static void parse_row(struct loader *loader, const struct config_row *row, void *object, const char *shown)
{
	if (config_is_sequence(row->type)) {
		parse_sequence(loader, row, object, shown);
		return;
	}
	if (loader->event.type != YAML_SCALAR_EVENT) {
		config_complain(&loader->place, "Write a single value.");
		skip_value(loader);
		return;
	}
	struct str text = scalar_of(&loader->event);
	bool plain = loader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (is_nothing(&loader->event))
		config_complain(&loader->place, "Write a value, or remove the key.");
	else if (row->type == CONFIG_SWITCH && !plain)
		config_complain(&loader->place, "Write true or false without quotes.");
	else if (row->type == CONFIG_SECRET && !((row->required | row->required >> 2) & loader->role))
		return; /* another role's secret is none of our business */
	else
		config_value_read(row, text, &loader->place, object, NULL);
}

/* The row with this key, and whether the key is the beginning of rows' keys ("listen" of "listen.port"). */
static const struct config_row *row_find(const struct config_section *section, const char *key, bool *is_group,
					 size_t *index)
{
	size_t size = strlen(key);

	*is_group = false;
	for (size_t i = 0; i < section->row_count; i++) {
		const char *row_key = section->rows[i].key;

		*index = i;
		if (strcmp(row_key, key) == 0)
			return &section->rows[i];
		if (strncmp(row_key, key, size) == 0 && row_key[size] == '.')
			*is_group = true;
	}
	return NULL;
}

/* The value of one key; its first event is read here. */
static bool parse_member(struct loader *loader, const struct config_section *section, void *object, const char *key,
			 const char *shown, const char *shown_key, size_t *seen)
{
	char prefix[SHOWN_SIZE];
	bool is_group;
	size_t index;
	const struct config_row *row = row_find(section, key, &is_group, &index);

	size_t line = loader->place.line;

	bool is_foreign =
		row && loader->place.tenant && section == &config_root &&
		(config_scope_of(row->key) == CONFIG_OF_PROCESS || config_scope_of(row->key) == CONFIG_OF_MAIN);

	if (!row && !is_group)
		config_complain(&loader->place,
				"Remove this key or correct its name: the configuration has no such key.");
	if (is_foreign)
		config_complain(&loader->place, "Write this key into the main file: it holds for all tenants.");
	if (!event_next(loader))
		return false;
	if (is_foreign) {
		skip_value(loader);
	} else if (row) {
		seen[index] = line;
		parse_row(loader, row, object, shown_key);
	} else if (!is_group) {
		skip_value(loader);
	} else if (loader->event.type != YAML_MAPPING_START_EVENT) {
		/* "listen:" whose keys are all commented out says nothing. */
		if (!is_nothing(&loader->event))
			config_complain(&loader->place, "Write keys and values here.");
		skip_value(loader);
	} else {
		key_print(prefix, "%s.", key);
		return parse_mapping(loader, section, object, prefix, shown, seen);
	}
	return !loader->stopped;
}

/* Reads keys and values up to the end of the mapping whose start is the current event.
 * prefix  of the rows' keys, "listen." inside listen; the depth of recursion is that of the table
 * shown   what stands before the row's key in issues: "back_ends[0]." */
static bool parse_mapping(struct loader *loader, const struct config_section *section, void *object, const char *prefix,
			  const char *shown, size_t *seen)
{
	struct str keys[KEYS_PER_MAP_MAX];
	size_t key_count = 0;

	for (;;) {
		char key[SHOWN_SIZE];
		char shown_key[SHOWN_SIZE];

		key_print(shown_key, "%s%s", shown, prefix);
		key_set(loader, shown_key);
		if (!event_next(loader))
			return false;
		if (loader->event.type == YAML_MAPPING_END_EVENT)
			return true;
		if (loader->event.type != YAML_SCALAR_EVENT || key_count == KEYS_PER_MAP_MAX)
			return stop(loader, "Write plain names as keys, each once.");
		struct str name = arena_copy(loader->arena, scalar_of(&loader->event));

		if (!name.data || name.size > 64 || memchr(name.data, '.', name.size) || !str_is_utf8(name))
			return stop(loader, "Write a known key: its parts have no dots and are shorter than this.");
		key_print(key, "%s%s", prefix, name.data);
		key_print(shown_key, "%s%s", shown, key);
		key_set(loader, shown_key);
		for (size_t i = 0; i < key_count; i++) {
			if (str_equal(keys[i], name))
				return stop(loader, "Write this key only once.");
		}
		keys[key_count++] = name;
		if (!parse_member(loader, section, object, key, shown, shown_key, seen))
			return false;
	}
}

static bool parse_document(struct loader *loader, struct config *config)
{
	if (!event_next(loader) || !event_next(loader))
		return false;
	if (loader->event.type == YAML_DOCUMENT_START_EVENT && !event_next(loader))
		return false;
	if (loader->event.type != YAML_MAPPING_START_EVENT)
		return stop(loader, "Write keys and values: the file has none.");
	if (!parse_mapping(loader, &config_root, config, "", "", loader->lines))
		return false;
	key_set(loader, "");
	if (!event_next(loader) || !event_next(loader))
		return false;
	if (loader->event.type != YAML_STREAM_END_EVENT)
		return stop(loader, "Keep one document in the file.");
	return true;
}

void config_require(const struct config_place *place, unsigned role, const struct config_origins *origins)
{
	for (size_t i = 0; i < config_root.row_count; i++) {
		const struct config_row *row = &config_root.rows[i];
		struct config_place at = *place;

		at.key = row->key;
		if (!origins->rows[i].file && (row->required & role))
			config_complain(&at, "Add this key: %s", row->sentence);
	}
}

void config_derive_base(struct config *config, struct arena *arena)
{
	bool is_v6 = str_find(config->listen_address, ':') < config->listen_address.size;

	if (config->public_base.size || config->listen_port == 0)
		return;
	config->public_base =
		arena_printf(arena, "%s://%s%.*s%s:%" PRIu64 "/fhir",
			     str_is_empty(config->tls_certificate_file) ? "http" : "https", is_v6 ? "[" : "",
			     STR_ARG(config->listen_address), is_v6 ? "]" : "", config->listen_port);
}

void config_derive_authorities(struct config *config)
{
	for (size_t i = 0; i < config->back_ends.count; i++) {
		struct config_back_end *back_end = &config->back_ends.items[i];

		if (str_is_empty(back_end->assigning_authority))
			back_end->assigning_authority = config->patient_assigning_authority;
	}
}

bool config_read(const char *path, struct str text, const char *tenant, unsigned role, struct arena *arena,
		 struct config *config, struct config_origins *origins, struct outcome *outcome)
{
	struct loader loader = {
		.role = role, .arena = arena, .outcome = outcome, .place = { path, 1, "", tenant, arena, outcome }
	};
	bool whole;

	loader.place.key = loader.key;
	if (!tenant && !set_defaults(&loader, &config_root, config))
		return false;
	if (!yaml_parser_initialize(&loader.parser))
		return outcome_add(outcome, ERR_NO_MEMORY, path, "Retry with more memory.");
	yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&loader.parser, (const unsigned char *)text.data, text.size);
	whole = parse_document(&loader, config);
	event_drop(&loader);
	yaml_parser_delete(&loader.parser);
	for (size_t i = 0; i < config_root.row_count; i++) {
		if (loader.lines[i])
			origins->rows[i] = (struct config_origin) { path, loader.lines[i] };
	}
	config->file = path;
	return whole;
}

bool config_load(const char *path, enum config_role role, struct arena *arena, struct config *config,
		 struct outcome *outcome)
{
	const struct config_place place = { path, 1, "", NULL, arena, outcome };
	struct config_origins *origins = arena_alloc(arena, sizeof *origins);
	struct str text;

	*config = (struct config) { .origins = origins };
	if (!origins)
		return outcome_add(outcome, ERR_NO_MEMORY, path, "Retry with more memory.");
	*origins = (struct config_origins) { 0 };
	if (file_read(path, CONFIG_FILE_BYTES_MAX, arena, &text, outcome) &&
	    config_read(path, text, NULL, role, arena, config, origins, outcome)) {
		config_require(&place, role, origins);
		config_check_process(&place, origins, config);
		config_check_tenant(&place, origins, config);
		config_derive_base(config, arena);
		config_derive_authorities(config);
	}
	return !outcome->has_error;
}
