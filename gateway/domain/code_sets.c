#include "gateway/domain/code_sets.h"

#include <jansson.h>

#include "mappers/json_tree.h"

struct allowed_code {
	struct str code;
	struct str scheme; /* STR_NONE in a set of plain texts */
};

struct code_set {
	struct str attribute;
	struct allowed_code *codes;
	size_t count;
};

struct code_sets {
	struct code_set *sets;
	size_t count;
};

static bool code_read(const json_t *item, struct allowed_code *code)
{
	const json_t *text = json_is_string(item) ? item : json_object_get(item, "code");

	*code = (struct allowed_code) { .code = str_from_c(json_string_value(text)),
					.scheme = str_from_c(json_string_value(json_object_get(item, "scheme"))) };
	return code->code.size > 0 && (json_is_string(item) || code->scheme.size > 0);
}

static bool set_read(const char *attribute, const json_t *items, struct arena *arena, struct code_set *set,
		     struct outcome *outcome)
{
	if (!json_is_array(items))
		return outcome_add(outcome, ERR_VALUE_INVALID, attribute, "Write the codes as a list.");
	*set = (struct code_set) { .attribute = str_from_c(attribute),
				   .codes = arena_array(arena, json_array_size(items), sizeof *set->codes),
				   .count = json_array_size(items) };
	if (!set->codes)
		return outcome_add(outcome, ERR_NO_MEMORY, attribute, "Start again when memory is free.");
	for (size_t i = 0; i < set->count; i++) {
		if (!code_read(json_array_get(items, i), &set->codes[i]))
			return outcome_add(outcome, ERR_VALUE_INVALID, attribute,
					   "Give item %zu a code and a scheme, or write it as a plain text.", i + 1);
	}
	return true;
}

bool code_sets_read(struct str json, struct arena *arena, struct code_sets **sets, struct outcome *outcome)
{
	json_error_t where;
	json_t *tree = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, &where);
	const char *attribute;
	json_t *items;

	if (!tree)
		return outcome_add(outcome, ERR_BODY_MALFORMED, "domain.codes_file", "Fix the JSON near line %d: %s",
				   where.line, where.text);
	/* The strings point into the tree. */
	if (!json_tree_keep(arena, tree))
		return outcome_add(outcome, ERR_NO_MEMORY, "domain.codes_file", "Start again when memory is free.");
	if (!json_is_object(tree))
		return outcome_add(outcome, ERR_VALUE_INVALID, "domain.codes_file",
				   "Write an object with a list of codes per attribute.");
	struct code_sets *read = arena_alloc(arena, sizeof *read);
	struct code_set *all = arena_array(arena, json_object_size(tree), sizeof *all);

	if (!read || !all)
		return outcome_add(outcome, ERR_NO_MEMORY, "domain.codes_file", "Start again when memory is free.");
	read->sets = all;
	json_object_foreach(tree, attribute, items)
	{
		if (!set_read(attribute, items, arena, &all[read->count], outcome))
			return false;
		read->count++;
	}
	*sets = read;
	return true;
}

bool code_sets_allow(const struct code_sets *sets, const char *attribute, struct str code, struct str scheme)
{
	const struct code_set *set = NULL;

	for (size_t i = 0; i < sets->count && !set; i++) {
		if (str_equal(sets->sets[i].attribute, str_from_c(attribute)))
			set = &sets->sets[i];
	}
	if (!set)
		return true;
	for (size_t i = 0; i < set->count; i++) {
		const struct allowed_code *allowed = &set->codes[i];

		if (str_equal(allowed->code, code) && (!allowed->scheme.data || str_equal(allowed->scheme, scheme)))
			return true;
	}
	return false;
}
