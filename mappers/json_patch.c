#include "mappers/json_patch.h"

#include <inttypes.h>
#include <stdio.h>

#include "mappers/fhir_mark.h"

#define NAME_BYTES_MAX 256

/* Names come from JSON strings, which jansson keeps with a NUL at their end; in a pointer they end elsewhere. */
static json_t *member_of(const json_t *object, struct str name)
{
	return json_object_getn(object, name.data, name.size);
}

json_t *json_spot_value(const struct json_spot *spot)
{
	return json_is_array(spot->holder) ? json_array_get(spot->holder, spot->index)
					   : member_of(spot->holder, spot->name);
}

bool json_spot_set(const struct json_spot *spot, json_t *value)
{
	if (json_is_array(spot->holder))
		return json_array_set_new(spot->holder, spot->index, value) == 0;
	return json_object_setn_new(spot->holder, spot->name.data, spot->name.size, value) == 0;
}

bool json_spot_insert(const struct json_spot *spot, json_t *value)
{
	if (json_is_array(spot->holder))
		return json_array_insert_new(spot->holder, spot->index, value) == 0;
	return json_spot_set(spot, value);
}

bool json_spot_remove(const struct json_spot *spot)
{
	if (json_is_array(spot->holder))
		return json_array_remove(spot->holder, spot->index) == 0;
	return json_object_deln(spot->holder, spot->name.data, spot->name.size) == 0;
}

/* How large a tree is. */
struct extent {
	size_t values;
	size_t bytes; /* of texts and names */
};

static bool extent_add(const json_t *value, size_t depth, struct extent *extent)
{
	const char *name;
	size_t name_size;
	json_t *item;
	size_t i;

	extent->bytes += json_string_length(value);
	if (depth > PATCH_DEPTH_MAX || ++extent->values > PATCH_VALUES_MAX || extent->bytes > PATCH_BYTES_MAX)
		return false;
	if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			if (!extent_add(item, depth + 1, extent))
				return false;
		}
	} else if (json_is_object(value)) {
		json_object_keylen_foreach((json_t *)value, name, name_size, item)
		{
			extent->bytes += name_size;
			if (!extent_add(item, depth + 1, extent))
				return false;
		}
	}
	return true;
}

bool json_patch_bounded(const json_t *tree)
{
	struct extent extent = { 0 };

	return extent_add(tree, 0, &extent);
}

/* One operation on its way. */
struct operation {
	json_t *tree;
	const json_t *object;
	size_t index;
	struct outcome *outcome;
};

static bool refuse(const struct operation *operation, enum error_code code, const char *member, const char *text)
{
	char path[48];

	snprintf(path, sizeof path, "[%zu].%s", operation->index, member);
	outcome_add(operation->outcome, code, path, "%s", text);
	return false;
}

static bool no_memory(const struct operation *operation)
{
	outcome_add(operation->outcome, ERR_NO_MEMORY, "", "Try again later.");
	return false;
}

/* A reference token without its escapes, in name. RFC 6901 4 */
static bool token_read(struct str token, char name[NAME_BYTES_MAX], struct str *out)
{
	size_t size = 0;

	for (size_t i = 0; i < token.size; i++) {
		char c = token.data[i];

		if (size + 1 >= NAME_BYTES_MAX)
			return false;
		if (c == '~') {
			if (++i >= token.size || (token.data[i] != '0' && token.data[i] != '1'))
				return false;
			c = token.data[i] == '0' ? '~' : '/';
		}
		name[size++] = c;
	}
	*out = (struct str) { name, size };
	return true;
}

/* An index has no sign and no zeros before it; "-" is the place behind the last item. RFC 6902 4.1 */
static bool index_read(struct str token, const json_t *array, size_t *index)
{
	uint64_t number;

	if (str_equal(token, STR("-"))) {
		*index = json_array_size(array);
		return true;
	}
	if ((token.size > 1 && token.data[0] == '0') || !str_to_u64(token, &number) || number > json_array_size(array))
		return false;
	*index = (size_t)number;
	return true;
}

static bool spot_at(json_t *holder, struct str token, struct json_spot *spot)
{
	*spot = (struct json_spot) { .holder = holder, .name = token };
	return json_is_object(holder) || (json_is_array(holder) && index_read(token, holder, &spot->index));
}

/* The place that a pointer names; name is room for its last token. False when what leads to it is not there. */
static bool pointer_find(json_t *tree, struct str pointer, char name[NAME_BYTES_MAX], struct json_spot *spot)
{
	json_t *holder = tree;
	struct str token;

	if (pointer.size == 0 || pointer.data[0] != '/')
		return false;
	for (pointer = str_from(pointer, 1);;) {
		struct str step = { pointer.data, str_find(pointer, '/') };

		if (!token_read(step, name, &token) || !spot_at(holder, token, spot))
			return false;
		if (step.size == pointer.size)
			return true;
		holder = json_spot_value(spot);
		pointer = str_from(pointer, step.size + 1);
	}
}

/* The place that a member of the operation names. is_there: something must stand there. */
static bool place_read(const struct operation *operation, const char *member, bool is_there, char name[NAME_BYTES_MAX],
		       struct json_spot *spot)
{
	const json_t *pointer = json_object_get(operation->object, member);

	if (!json_is_string(pointer))
		return refuse(operation, ERR_BODY_MALFORMED, member, "Send a JSON Pointer.");
	if (pointer_find(operation->tree, fhir_text(pointer), name, spot) && (!is_there || json_spot_value(spot)) &&
	    !(spot->holder == operation->tree && str_equal(spot->name, STR("resourceType"))))
		return true;
	return refuse(operation, ERR_RULE, member, "Name a place that is in the resource, below its root.");
}

/* The value of add, replace and test: a copy, since the tree is changed and the patch is not. */
static bool value_read(const struct operation *operation, json_t **value)
{
	const json_t *given = json_object_get(operation->object, "value");

	if (!given)
		return refuse(operation, ERR_BODY_MALFORMED, "value", "Send a value.");
	*value = json_deep_copy(given);
	return *value || no_memory(operation);
}

static bool apply_add(const struct operation *operation)
{
	char name[NAME_BYTES_MAX];
	struct json_spot spot;
	json_t *value;

	if (!place_read(operation, "path", false, name, &spot) || !value_read(operation, &value))
		return false;
	return json_spot_insert(&spot, value) || no_memory(operation);
}

static bool apply_remove(const struct operation *operation)
{
	char name[NAME_BYTES_MAX];
	struct json_spot spot;

	return place_read(operation, "path", true, name, &spot) && (json_spot_remove(&spot) || no_memory(operation));
}

static bool apply_replace(const struct operation *operation)
{
	char name[NAME_BYTES_MAX];
	struct json_spot spot;
	json_t *value;

	if (!place_read(operation, "path", true, name, &spot) || !value_read(operation, &value))
		return false;
	return json_spot_set(&spot, value) || no_memory(operation);
}

static bool apply_copy(const struct operation *operation)
{
	char name[NAME_BYTES_MAX];
	struct json_spot spot;
	json_t *value;

	if (!place_read(operation, "from", true, name, &spot))
		return false;
	value = json_deep_copy(json_spot_value(&spot));
	if (!value)
		return no_memory(operation);
	if (!place_read(operation, "path", false, name, &spot)) {
		json_decref(value);
		return false;
	}
	return json_spot_insert(&spot, value) || no_memory(operation);
}

static bool apply_move(const struct operation *operation)
{
	struct str from = fhir_text(json_object_get(operation->object, "from"));
	struct str path = fhir_text(json_object_get(operation->object, "path"));
	char name[NAME_BYTES_MAX];
	struct json_spot spot;
	json_t *value;

	/* RFC 6902 4.4: nothing is moved into itself. */
	if (str_starts_with(path, from) && path.size > from.size && path.data[from.size] == '/')
		return refuse(operation, ERR_RULE, "path", "Name a place that is not inside of what is moved.");
	if (!place_read(operation, "from", true, name, &spot))
		return false;
	value = json_incref(json_spot_value(&spot));
	if (!json_spot_remove(&spot) || !place_read(operation, "path", false, name, &spot)) {
		json_decref(value);
		return operation->outcome->has_error ? false : no_memory(operation);
	}
	return json_spot_insert(&spot, value) || no_memory(operation);
}

static bool apply_test(const struct operation *operation)
{
	const json_t *value = json_object_get(operation->object, "value");
	char name[NAME_BYTES_MAX];
	struct json_spot spot;

	if (!value)
		return refuse(operation, ERR_BODY_MALFORMED, "value", "Send a value.");
	return place_read(operation, "path", true, name, &spot) &&
	       (json_equal(json_spot_value(&spot), value) ||
		refuse(operation, ERR_RULE, "value", "Read the resource again: its test failed."));
}

struct operation_kind {
	struct str name;
	bool (*apply)(const struct operation *operation);
	bool has_from;
	bool has_value;
};

/* NULL, with the issue, for none of RFC 6902 4. */
static const struct operation_kind *kind_of(const struct operation *operation)
{
	static const struct operation_kind kinds[] = {
		{ STR_INIT("add"), apply_add, false, true },         { STR_INIT("remove"), apply_remove, false, false },
		{ STR_INIT("replace"), apply_replace, false, true }, { STR_INIT("move"), apply_move, true, false },
		{ STR_INIT("copy"), apply_copy, true, false },       { STR_INIT("test"), apply_test, false, true }
	};
	struct str name = fhir_text(json_object_get(operation->object, "op"));

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (str_equal(kinds[i].name, name))
			return &kinds[i];
	}
	refuse(operation, ERR_BODY_MALFORMED, "op", "Use add, remove, replace, move, copy or test.");
	return NULL;
}

static bool operation_apply(const struct operation *operation)
{
	const struct operation_kind *kind = kind_of(operation);

	return kind && kind->apply(operation);
}

static bool operations_check(const json_t *operations, struct outcome *outcome)
{
	if (!json_is_array(operations))
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Send an array of operations (RFC 6902).");
	return json_array_size(operations) <= PATCH_OPERATIONS_MAX ||
	       outcome_add(outcome, ERR_TOO_COSTLY, "", "Send at most %d operations.", PATCH_OPERATIONS_MAX);
}

static bool pointer_check(const struct operation *operation, const char *member)
{
	const json_t *pointer = json_object_get(operation->object, member);

	return (json_is_string(pointer) && str_starts_with(fhir_text(pointer), STR("/"))) ||
	       refuse(operation, ERR_BODY_MALFORMED, member, "Send a JSON Pointer to a place below the root.");
}

bool json_patch_check(const json_t *operations, struct outcome *outcome)
{
	struct operation operation = { .outcome = outcome };

	if (!operations_check(operations, outcome))
		return false;
	for (; operation.index < json_array_size(operations); operation.index++) {
		const struct operation_kind *kind;

		operation.object = json_array_get(operations, operation.index);
		kind = kind_of(&operation);
		if (!kind || !pointer_check(&operation, "path") ||
		    (kind->has_from && !pointer_check(&operation, "from")))
			return false;
		if (kind->has_value && !json_object_get(operation.object, "value"))
			return refuse(&operation, ERR_BODY_MALFORMED, "value", "Send a value.");
	}
	return json_patch_bounded(operations) || outcome_add(outcome, ERR_TOO_COSTLY, "", "Send a smaller patch.");
}

bool json_patch_apply(json_t *tree, const json_t *operations, struct outcome *outcome)
{
	struct operation operation = { .tree = tree, .outcome = outcome };

	if (!operations_check(operations, outcome))
		return false;
	for (; operation.index < json_array_size(operations); operation.index++) {
		operation.object = json_array_get(operations, operation.index);
		if (!operation_apply(&operation))
			return false;
		if (!json_patch_bounded(tree))
			return refuse(&operation, ERR_TOO_COSTLY, "op", "Send a patch that makes a smaller resource.");
	}
	return true;
}
