/* The reference and the sample file, made from the same table that checks the configuration. */
#include "gateway/run/config_document.h"

#include <inttypes.h>

#include "gateway/run/config_table.h"

static const char *type_text(enum config_type type)
{
	switch (type) {
	case CONFIG_TEXT:
		return "text";
	case CONFIG_URL:
	case CONFIG_BASE:
		return "URL";
	case CONFIG_OID:
		return "OID";
	case CONFIG_CODE:
		return "code";
	case CONFIG_PATH:
		return "path";
	case CONFIG_SECRET:
		return "file";
	case CONFIG_INTEGER:
		return "number";
	case CONFIG_BYTES:
		return "bytes";
	case CONFIG_SWITCH:
		return "true or false";
	case CONFIG_CHOICE:
		return "one of";
	case CONFIG_OFFSET:
		return "offset";
	case CONFIG_FLAGS:
		return "list of";
	case CONFIG_TEXTS:
		return "list of texts";
	case CONFIG_BASES:
		return "list of URLs";
	case CONFIG_REPOSITORIES:
	case CONFIG_BACK_ENDS:
	case CONFIG_KEYS:
	case CONFIG_AUDIT_REPOSITORIES:
	case CONFIG_AUTHORITIES:
	case CONFIG_SAML_ISSUERS:
	case CONFIG_TENANTS:
	case CONFIG_ISSUERS:
	case CONFIG_CLIENTS:
		return "list";
	}
	return "";
}

static bool has_names(const struct config_row *row)
{
	return row->type == CONFIG_CHOICE || row->type == CONFIG_FLAGS;
}

static bool is_number(const struct config_row *row)
{
	return row->type == CONFIG_INTEGER || row->type == CONFIG_BYTES;
}

static void reference_row(struct buf *out, const struct config_row *row, const char *shown)
{
	buf_printf(out, "| `%s%s` | %s", shown, row->key, type_text(row->type));
	if (has_names(row)) {
		struct str rest = str_from_c(row->words);
		struct str name;

		for (const char *between = " "; str_next(&rest, ' ', &name); between = ", ")
			buf_printf(out, "%s`%.*s`", between, STR_ARG(name));
	}
	if (is_number(row))
		buf_printf(out, ", %" PRId64 " to %" PRId64, row->min, row->max);
	if (row->required & CONFIG_REQUIRED)
		buf_add(out, STR(" | required | "));
	else if (row->default_text[0])
		buf_printf(out, " | `%s` | ", row->default_text);
	else
		buf_add(out, STR(" | none | "));
	/* A bar would end the cell. */
	for (const char *at = row->sentence; *at; at++) {
		if (*at == '|')
			buf_add_char(out, '\\');
		buf_add_char(out, *at);
	}
	buf_add(out, STR(" |\n"));
}

static void reference_section(struct buf *out, const struct config_section *section, const char *shown)
{
	char inner[128];
	struct buf name;

	for (size_t i = 0; i < section->row_count; i++) {
		const struct config_row *row = &section->rows[i];
		const struct config_section *items = config_section_of(row->type);

		reference_row(out, row, shown);
		if (!items)
			continue;
		buf_init(&name, sizeof inner - 1);
		buf_printf(&name, "%s%s[].", shown, row->key);
		memcpy(inner, buf_str(&name).data, name.size);
		inner[name.size] = '\0';
		buf_free(&name);
		/* The depth is that of the table: back_ends[].repositories[]. */
		reference_section(out, items, inner);
	}
}

void config_reference_write(struct buf *out)
{
	buf_add(out, STR("| key | value | default | meaning |\n|---|---|---|---|\n"));
	reference_section(out, &config_root, "");
}

/* Lists that may be left out are written as comments: an example of one would not be right for anybody. */
static void indent(struct buf *out, size_t depth, bool commented)
{
	if (commented)
		buf_add(out, STR("# "));
	for (size_t i = 0; i < depth; i++)
		buf_add(out, STR("  "));
}

static size_t dots(const char *key)
{
	size_t count = 0;

	for (; *key; key++)
		count += *key == '.';
	return count;
}

/* Writes the lines "listen:" that lead to the key, as far as the key before did not write them yet. Returns the last
 * part of the key. */
static const char *open_groups(struct buf *out, const char *key, const char *before, size_t depth, bool commented)
{
	bool same = true;

	for (const char *dot = strchr(key, '.'); dot; dot = strchr(key, '.')) {
		size_t size = (size_t)(dot - key) + 1;

		same = same && strncmp(key, before, size) == 0;
		if (!same) {
			indent(out, depth, commented);
			buf_printf(out, "%.*s:\n", (int)size - 1, key);
		}
		before += same ? size : 0;
		key = dot + 1;
		depth++;
	}
	return key;
}

static void sample_section(struct buf *out, const struct config_section *section, size_t depth, bool in_list,
			   bool commented)
{
	const char *before = "";

	for (size_t i = 0; i < section->row_count; i++) {
		const struct config_row *row = &section->rows[i];
		const struct config_section *items = config_section_of(row->type);
		const char *value = row->default_text[0] ? row->default_text : row->words;
		bool active = row->required & (CONFIG_REQUIRED | CONFIG_SHOWN) || row->default_text[0];
		bool quiet = commented || (items && row->min == 0);

		if (depth == 0 &&
		    (dots(row->key) == 0 || strncmp(row->key, before, str_find(str_from_c(row->key), '.') + 1) != 0))
			buf_add_char(out, '\n');
		const char *key = open_groups(out, row->key, before, depth, commented);
		size_t level = depth + dots(row->key);

		before = row->key;
		/* The comment of a list item's first key stands before its dash. */
		indent(out, in_list && i == 0 ? level - 1 : level, commented);
		buf_printf(out, "# %s%s\n", row->required & CONFIG_REQUIRED ? "(required) " : "", row->sentence);
		indent(out, in_list && i == 0 ? level - 1 : level, quiet);
		buf_add(out, in_list && i == 0 ? STR("- ") : STR(""));
		if (items) {
			buf_printf(out, "%s:\n", key);
			sample_section(out, items, level + 2, true, quiet);
			continue;
		}
		if (config_is_sequence(row->type) && !row->default_text[0])
			value = "[]";
		buf_printf(out, active ? "%s: %s\n" : "# %s: %s\n", key, value);
	}
}

void config_sample_write(struct buf *out)
{
	buf_add(out, STR("# Every key of Passerelle's configuration, with its default or an example.\n"));
	sample_section(out, &config_root, 0, false, false);
}
