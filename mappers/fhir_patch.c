#include "mappers/fhir_patch.h"

#include <stdio.h>

#include "mappers/fhir_mark.h"
#include "mappers/fhir_table.h"
#include "mappers/json_patch.h"

/* One operation on its way. */
struct operation {
	json_t *resource;
	const json_t *parts;
	size_t index;
	struct outcome *outcome;
};

/* Where a path leads. */
struct target {
	struct json_spot member; /* the element as member of its object */
	const struct fhir_element *element;
	bool is_item; /* one item of a list: index */
	size_t index;
	json_t *value; /* the element, or the item; NULL: not there */
};

static bool refuse(const struct operation *operation, enum error_code code, const char *part, const char *text)
{
	char path[80];

	snprintf(path, sizeof path, "Parameters.parameter[%zu].part.where(name = '%s')", operation->index, part);
	outcome_add(operation->outcome, code, path, "%s", text);
	return false;
}

static bool no_memory(const struct operation *operation)
{
	outcome_add(operation->outcome, ERR_NO_MEMORY, "", "Try again later.");
	return false;
}

static const json_t *part_find(const struct operation *operation, const char *name)
{
	for (size_t i = 0; i < json_array_size(operation->parts); i++) {
		const json_t *part = json_array_get(operation->parts, i);

		if (str_equal(fhir_text(json_object_get(part, "name")), str_from_c(name)))
			return part;
	}
	return NULL;
}

/* The value[x] of a part, whatever its type; NULL when it has none. */
static json_t *part_value(const struct operation *operation, const char *name)
{
	const json_t *part = part_find(operation, name);
	const char *member;
	json_t *value;

	json_object_foreach((json_t *)part, member, value)
	{
		if (str_starts_with(str_from_c(member), STR("value")))
			return value;
	}
	return NULL;
}

static bool index_part(const struct operation *operation, const char *name, size_t bound, size_t *index)
{
	const json_t *value = part_value(operation, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0 || (size_t)json_integer_value(value) >= bound)
		return refuse(operation, ERR_RULE, name, "Name a place in the list by its index, from 0 on.");
	*index = (size_t)json_integer_value(value);
	return true;
}

/* A copy of the operation's value. */
static bool value_copy(const struct operation *operation, json_t **copy)
{
	const json_t *value = part_value(operation, "value");

	if (!value && part_find(operation, "value"))
		return refuse(operation, ERR_NOT_SUPPORTED, "value",
			      "Send a value[x]: elements of the resource's own are changed one by one, or by PUT.");
	if (!value)
		return refuse(operation, ERR_BODY_MALFORMED, "value", "Send a value.");
	*copy = json_deep_copy(value);
	return *copy || no_memory(operation);
}

/* --- paths --- */

static size_t name_size(struct str path)
{
	size_t dot = str_find(path, '.');
	size_t bracket = str_find(path, '[');

	return dot < bracket ? dot : bracket;
}

/* "[2]" at the front of path; *has_index is false when there is none. */
static bool index_take(struct str *path, bool *has_index, size_t *index)
{
	size_t end = str_find(*path, ']');
	uint64_t number;

	*has_index = path->size > 0 && path->data[0] == '[';
	if (!*has_index)
		return true;
	if (end == path->size || !str_to_u64((struct str) { path->data + 1, end - 1 }, &number) || number > SIZE_MAX)
		return false;
	*index = (size_t)number;
	*path = str_from(*path, end + 1);
	return true;
}

/* One step down: the member of this name, and the item of it that is meant. A list of one needs no index. */
static bool step(json_t *holder, const struct fhir_type *type, struct str name, bool has_index, size_t index,
		 struct target *target)
{
	bool is_list;

	target->element = fhir_element_find(type, name);
	if (!target->element || !json_is_object(holder))
		return false;
	target->member = (struct json_spot) { .holder = holder, .name = name };
	target->value = json_spot_value(&target->member);
	is_list = target->element->flags & FHIR_MANY;
	if (!is_list)
		return !has_index;
	target->is_item = has_index || json_array_size(target->value) == 1;
	target->index = has_index ? index : 0;
	if (target->is_item)
		target->value = json_array_get(target->value, target->index);
	return true;
}

/* What a path names; is_there: an element or item must be there. The path of the resource itself leaves element NULL. */
static bool path_read(const struct operation *operation, bool is_there, struct target *target)
{
	struct str path = fhir_text(part_value(operation, "path"));
	struct str type_name = fhir_text(json_object_get(operation->resource, "resourceType"));
	const struct fhir_type *type = fhir_resource_type(type_name);
	json_t *holder = operation->resource;

	*target = (struct target) { .value = holder };
	if (!type || !str_starts_with(path, type_name))
		return refuse(operation, ERR_RULE, "path", "Begin the path with the type of the resource.");
	for (path = str_from(path, type_name.size); path.size > 0;) {
		bool has_index;
		size_t index = 0;
		struct str name;

		if (path.data[0] != '.')
			break;
		path = str_from(path, 1);
		name = (struct str) { path.data, name_size(path) };
		path = str_from(path, name.size);
		*target = (struct target) { .value = NULL };
		if (!index_take(&path, &has_index, &index) || !step(holder, type, name, has_index, index, target))
			return refuse(operation, ERR_RULE, "path",
				      "Name one element: names of elements with dots between, and [index] behind "
				      "lists.");
		if (path.size > 0 && !target->value)
			break;
		holder = target->value;
		type = fhir_type_at(target->element->type);
	}
	if (path.size == 0 && (target->value || !is_there))
		return true;
	return refuse(operation, ERR_RULE, "path", "Name one element that is in the resource.");
}

/* The list that a path names; it may be empty. */
static bool list_read(const struct operation *operation, struct target *target, json_t **list)
{
	if (!path_read(operation, false, target))
		return false;
	*list = target->element && (target->element->flags & FHIR_MANY) ? json_spot_value(&target->member) : NULL;
	return json_is_array(*list) || refuse(operation, ERR_RULE, "path", "Name a list that is in the resource.");
}

/* --- operations --- */

static bool apply_add(const struct operation *operation)
{
	struct str name = fhir_text(part_value(operation, "name"));
	const struct fhir_type *type;
	struct target target;
	struct target added;
	json_t *value;

	if (!path_read(operation, true, &target))
		return false;
	type = target.element ? fhir_type_at(target.element->type)
			      : fhir_resource_type(fhir_text(json_object_get(operation->resource, "resourceType")));
	if (!step(target.value, type, name, false, 0, &added))
		return refuse(operation, ERR_RULE, "name", "Name an element that may stand there.");
	if (!(added.element->flags & FHIR_MANY) && added.value)
		return refuse(operation, ERR_RULE, "name", "Replace the element: it is there already, and only once.");
	if (!value_copy(operation, &value))
		return false;
	if (!(added.element->flags & FHIR_MANY))
		return json_spot_set(&added.member, value) || no_memory(operation);
	if (!json_spot_value(&added.member) && !json_spot_set(&added.member, json_array())) {
		json_decref(value);
		return no_memory(operation);
	}
	return json_array_append_new(json_spot_value(&added.member), value) == 0 || no_memory(operation);
}

static bool apply_insert(const struct operation *operation)
{
	struct target target;
	json_t *list;
	json_t *value;
	size_t index;

	if (!list_read(operation, &target, &list) ||
	    !index_part(operation, "index", json_array_size(list) + 1, &index) || !value_copy(operation, &value))
		return false;
	return json_array_insert_new(list, index, value) == 0 || no_memory(operation);
}

/* The one element, or the one item of a list. */
static bool one_read(const struct operation *operation, bool is_there, struct target *target)
{
	if (!path_read(operation, is_there, target))
		return false;
	if (!target->element)
		return refuse(operation, ERR_RULE, "path", "Name an element of the resource, or send it whole by PUT.");
	return target->is_item || !(target->element->flags & FHIR_MANY) || !target->value ||
	       refuse(operation, ERR_RULE, "path", "Say by [index] which item of the list is meant.");
}

static bool apply_delete(const struct operation *operation)
{
	struct target target;
	json_t *list;

	/* What is not there need not be deleted. */
	if (!one_read(operation, false, &target))
		return false;
	if (!target.value)
		return true;
	list = json_spot_value(&target.member);
	if (target.is_item && json_array_size(list) > 1)
		return json_array_remove(list, target.index) == 0 || no_memory(operation);
	return json_spot_remove(&target.member) || no_memory(operation);
}

static bool apply_replace(const struct operation *operation)
{
	struct target target;
	json_t *value;

	if (!one_read(operation, true, &target) || !value_copy(operation, &value))
		return false;
	if (target.is_item)
		return json_array_set_new(json_spot_value(&target.member), target.index, value) == 0 ||
		       no_memory(operation);
	return json_spot_set(&target.member, value) || no_memory(operation);
}

static bool apply_move(const struct operation *operation)
{
	struct target target;
	json_t *list;
	json_t *value;
	size_t source;
	size_t destination;

	if (!list_read(operation, &target, &list) || !index_part(operation, "source", json_array_size(list), &source) ||
	    !index_part(operation, "destination", json_array_size(list), &destination))
		return false;
	value = json_incref(json_array_get(list, source));
	if (json_array_remove(list, source) == 0 && json_array_insert_new(list, destination, value) == 0)
		return true;
	return no_memory(operation);
}

typedef bool (*operation_kind)(const struct operation *operation);

/* NULL, with the issue, for none of fhirpatch.html. */
static operation_kind kind_of(const struct operation *operation)
{
	static const struct {
		struct str name;
		operation_kind apply;
	} kinds[] = { { STR_INIT("add"), apply_add },
		      { STR_INIT("insert"), apply_insert },
		      { STR_INIT("delete"), apply_delete },
		      { STR_INIT("replace"), apply_replace },
		      { STR_INIT("move"), apply_move } };
	struct str type = fhir_text(part_value(operation, "type"));

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (str_equal(kinds[i].name, type))
			return kinds[i].apply;
	}
	refuse(operation, ERR_BODY_MALFORMED, "type", "Use add, insert, delete, replace or move.");
	return NULL;
}

static bool operations_check(const json_t *parameters, const json_t **operations, struct outcome *outcome)
{
	*operations = json_object_get(parameters, "parameter");
	if (!str_equal(fhir_text(json_object_get(parameters, "resourceType")), STR("Parameters")))
		return outcome_add(outcome, ERR_BODY_MALFORMED, "", "Send the patch as a Parameters resource.");
	return json_array_size(*operations) <= PATCH_OPERATIONS_MAX ||
	       outcome_add(outcome, ERR_TOO_COSTLY, "", "Send at most %d operations.", PATCH_OPERATIONS_MAX);
}

/* The operation at operation->index; NULL, with the issue, for none. */
static operation_kind operation_read(const json_t *operations, struct operation *operation)
{
	const json_t *one = json_array_get(operations, operation->index);

	operation->parts = json_object_get(one, "part");
	if (str_equal(fhir_text(json_object_get(one, "name")), STR("operation")))
		return kind_of(operation);
	refuse(operation, ERR_BODY_MALFORMED, "type", "Name every parameter operation.");
	return NULL;
}

bool fhir_patch_check(const json_t *parameters, struct outcome *outcome)
{
	struct operation operation = { .outcome = outcome };
	const json_t *operations;

	if (!operations_check(parameters, &operations, outcome))
		return false;
	for (; operation.index < json_array_size(operations); operation.index++) {
		if (!operation_read(operations, &operation))
			return false;
	}
	return json_patch_bounded(parameters) || outcome_add(outcome, ERR_TOO_COSTLY, "", "Send a smaller patch.");
}

bool fhir_patch_apply(json_t *resource, const json_t *parameters, struct outcome *outcome)
{
	struct operation operation = { .resource = resource, .outcome = outcome };
	const json_t *operations;

	if (!operations_check(parameters, &operations, outcome))
		return false;
	for (; operation.index < json_array_size(operations); operation.index++) {
		operation_kind apply = operation_read(operations, &operation);

		if (!apply || !apply(&operation))
			return false;
		if (!json_patch_bounded(resource))
			return refuse(&operation, ERR_TOO_COSTLY, "value",
				      "Send a patch that makes a smaller resource.");
	}
	return true;
}
