#include "mappers/stored_query.h"

#include "mappers/ebrim_write.h"

#define NS_QUERY "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
#define NS_RIM   "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
/* A rim:Value takes 256 characters (rim.xsd LongName). */
#define VALUE_SIZE_MAX 256

bool stored_query_add(struct stored_query *query, struct arena *arena, struct str name, enum stored_query_form form,
		      struct strs values)
{
	size_t same = 0;

	for (size_t i = 0; i < query->param_count; i++)
		same += str_equal(query->params[i].name, name) ? 1 : 0;
	if (!arena_grow(arena, &query->params, query->param_count, &query->param_capacity, sizeof *query->params))
		return false;
	query->params[query->param_count++] = (struct stored_query_param) { .name = name,
									    .values = values,
									    .number = form == QUERY_NUMBER,
									    .list = form == QUERY_STRING_LIST,
									    .and_group = same };
	return true;
}

bool stored_query_add_one(struct stored_query *query, struct arena *arena, struct str name, enum stored_query_form form,
			  struct str value)
{
	struct str *items = arena_array(arena, 1, sizeof *items);

	if (!items)
		return false;
	items[0] = value;
	return stored_query_add(query, arena, name, form, (struct strs) { items, 1 });
}

const struct stored_query_param *stored_query_find(const struct stored_query *query, struct str name, size_t and_group)
{
	for (size_t i = 0; i < query->param_count; i++) {
		if (query->params[i].and_group == and_group && str_equal(query->params[i].name, name))
			return &query->params[i];
	}
	return NULL;
}

struct value_reader {
	struct arena *arena;
	struct strs values;
	size_t capacity;
	bool any_bare;
	bool any_quoted;
	bool list;
	bool no_memory;
};

/* The quoted value that *rest begins with, each doubled quote undone. */
static bool take_quoted(struct value_reader *reader, struct str *rest, struct str *value)
{
	size_t end = 1;
	size_t size = 0;

	while (end < rest->size && (rest->data[end] != '\'' || (end + 1 < rest->size && rest->data[end + 1] == '\'')))
		end += rest->data[end] == '\'' ? 2 : 1;
	if (end >= rest->size)
		return false;
	char *text = arena_alloc(reader->arena, end);

	reader->no_memory = !text;
	if (!text)
		return false;
	for (size_t i = 1; i < end; i++) {
		text[size++] = rest->data[i];
		i += rest->data[i] == '\'';
	}
	*value = (struct str) { text, size };
	*rest = str_trim(str_from(*rest, end + 1));
	return true;
}

/* One value off the front of *rest: 'text' with '' for a quote, or bare text up to a comma or parenthesis. */
static bool take_value(struct value_reader *reader, struct str *rest, struct str *value, bool *bare)
{
	*rest = str_trim(*rest);
	if (rest->size == 0 || rest->data[0] != '\'') {
		size_t end = 0;

		while (end < rest->size && !strchr(",()'", rest->data[end]))
			end++;
		*value = str_trim((struct str) { rest->data, end });
		*bare = true;
		*rest = str_from(*rest, end);
		return value->size > 0;
	}
	*bare = false;
	return take_quoted(reader, rest, value);
}

static bool add_value(struct value_reader *reader, struct str *rest)
{
	struct str value;
	bool bare;

	if (!take_value(reader, rest, &value, &bare))
		return false;
	if (!arena_grow(reader->arena, &reader->values.items, reader->values.count, &reader->capacity, sizeof value)) {
		reader->no_memory = true;
		return false;
	}
	reader->values.items[reader->values.count++] = value;
	reader->any_bare = reader->any_bare || bare;
	reader->any_quoted = reader->any_quoted || !bare;
	return true;
}

/* A value, or values in parentheses with commas between. */
static bool read_text(struct value_reader *reader, struct str text)
{
	struct str rest = str_trim(text);

	if (rest.size == 0 || rest.data[0] != '(')
		return add_value(reader, &rest) && rest.size == 0;
	reader->list = true;
	do {
		rest = str_from(rest, 1);
		if (!add_value(reader, &rest))
			return false;
	} while (rest.size && rest.data[0] == ',');
	return rest.size == 1 && rest.data[0] == ')';
}

bool stored_query_param_read(const struct strs *texts, struct arena *arena, struct stored_query_param *param)
{
	struct value_reader reader = { .arena = arena };
	bool good = texts->count > 0;

	for (size_t i = 0; good && i < texts->count; i++)
		good = read_text(&reader, texts->items[i]);
	if (reader.no_memory)
		return false;
	good = good && !(reader.any_bare && reader.any_quoted);
	param->values = good ? reader.values : *texts;
	param->number = good && reader.any_bare;
	param->list = good && reader.list;
	param->malformed = !good;
	return true;
}

/* Length of a value with its quotes. */
static size_t quoted_size(struct str value)
{
	size_t size = value.size + 2;

	for (size_t i = 0; i < value.size; i++)
		size += value.data[i] == '\'' ? 1 : 0;
	return size;
}

static void write_value(struct xml_writer *writer, struct str value, bool bare)
{
	struct str rest = value.data ? value : STR("");
	struct str piece;
	bool first = true;

	if (bare) {
		xml_text(writer, value);
		return;
	}
	xml_text(writer, STR("'"));
	while (str_next(&rest, '\'', &piece)) {
		if (!first)
			xml_text(writer, STR("''"));
		xml_text(writer, piece);
		first = false;
	}
	xml_text(writer, STR("'"));
}

static void write_param(struct xml_writer *writer, const struct stored_query_param *param)
{
	bool list = param->list || param->values.count > 1;
	size_t i = 0;

	xml_begin(writer, STR("rim:Slot"));
	xml_attribute(writer, STR("name"), param->name);
	xml_begin(writer, STR("rim:ValueList"));
	while (i < param->values.count) {
		size_t size = quoted_size(param->values.items[i]) + 2;

		xml_begin(writer, STR("rim:Value"));
		if (list)
			xml_text(writer, STR("("));
		write_value(writer, param->values.items[i++], param->number);
		for (; i < param->values.count; i++) {
			size += quoted_size(param->values.items[i]) + 1;
			if (size > VALUE_SIZE_MAX)
				break;
			xml_text(writer, STR(","));
			write_value(writer, param->values.items[i], param->number);
		}
		if (list)
			xml_text(writer, STR(")"));
		xml_end(writer);
	}
	xml_end(writer);
	xml_end(writer);
}

void stored_query_write(struct xml_writer *writer, const struct stored_query *query)
{
	xml_begin(writer, STR("query:AdhocQueryRequest"));
	xml_attribute(writer, STR("xmlns:query"), STR(NS_QUERY));
	xml_attribute(writer, STR("xmlns:rim"), STR(NS_RIM));
	xml_begin(writer, STR("query:ResponseOption"));
	xml_attribute(writer, STR("returnComposedObjects"), STR("true"));
	xml_attribute(writer, STR("returnType"), query->object_ref ? STR("ObjectRef") : STR("LeafClass"));
	xml_end(writer);
	xml_begin(writer, STR("rim:AdhocQuery"));
	xml_attribute(writer, STR("id"), query->id);
	xml_attribute(writer, STR("home"), query->home.size ? query->home : STR_NONE);
	for (size_t i = 0; i < query->param_count; i++)
		write_param(writer, &query->params[i]);
	xml_end(writer);
	xml_end(writer);
}

void stored_query_response_write(struct xml_writer *writer, const struct registry_response *response,
				 const struct rim_list *list)
{
	xml_begin(writer, STR("query:AdhocQueryResponse"));
	xml_attribute(writer, STR("xmlns:query"), STR(NS_QUERY));
	xml_attribute(writer, STR("xmlns:rim"), STR(NS_RIM));
	registry_response_write_inside(writer, response);
	xml_begin(writer, STR("rim:RegistryObjectList"));
	ebrim_write_objects(writer, list);
	xml_end(writer);
	xml_end(writer);
}
