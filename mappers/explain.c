#include "mappers/explain.h"

#include "mappers/attribute.h"

static const char *place_word(enum place place)
{
	switch (place) {
	case PLACE_ATTRIBUTE:
		return "attribute";
	case PLACE_SLOT:
		return "Slot";
	case PLACE_CLASSIFICATION:
		return "Classification";
	case PLACE_EXTERNAL_ID:
		return "ExternalIdentifier";
	case PLACE_NAME:
		return "Name";
	case PLACE_DESCRIPTION:
		return "Description";
	case PLACE_VERSION:
		return "VersionInfo";
	}
	return "";
}

static void code_add(const struct code *code, struct buf *out)
{
	buf_add(out, code->code);
	buf_add(out, STR("^^"));
	buf_add(out, code->scheme);
	if (!str_is_empty(code->display)) {
		buf_add(out, STR(" \""));
		buf_add(out, code->display);
		buf_add_char(out, '"');
	}
}

static void strings_add(const struct strs *strings, struct buf *out)
{
	for (size_t i = 0; i < strings->count; i++) {
		if (i > 0)
			buf_add(out, STR(" ~ "));
		buf_add(out, strings->items[i]);
	}
}

static void author_add(const struct author *author, struct buf *out)
{
	buf_add(out, author->person);
	if (author->institutions.count > 0) {
		buf_add(out, STR(" at "));
		strings_add(&author->institutions, out);
	}
	if (author->roles.count > 0) {
		buf_add(out, STR(" as "));
		strings_add(&author->roles, out);
	}
	if (author->specialties.count > 0) {
		buf_add(out, STR(" in "));
		strings_add(&author->specialties, out);
	}
	if (author->telecommunications.count > 0) {
		buf_add(out, STR(" by "));
		strings_add(&author->telecommunications, out);
	}
}

/* The value as XDS has it; several are separated by " ~ ". */
static void value_add(const struct attribute *attribute, const void *object, struct buf *out)
{
	const char *member = (const char *)object + attribute->offset;
	struct str string;
	struct strs strings;
	struct code code;
	struct codes codes;
	struct authors authors;

	switch (attribute->shape) {
	case SHAPE_STRING:
		memcpy(&string, member, sizeof(string));
		buf_add(out, string);
		break;
	case SHAPE_STRINGS:
		memcpy(&strings, member, sizeof(strings));
		strings_add(&strings, out);
		break;
	case SHAPE_CODE:
		memcpy(&code, member, sizeof(code));
		code_add(&code, out);
		break;
	case SHAPE_CODES:
		memcpy(&codes, member, sizeof(codes));
		for (size_t i = 0; i < codes.count; i++) {
			buf_add(out, i > 0 ? STR(" ~ ") : STR(""));
			code_add(&codes.items[i], out);
		}
		break;
	case SHAPE_AUTHORS:
		memcpy(&authors, member, sizeof(authors));
		for (size_t i = 0; i < authors.count; i++) {
			buf_add(out, i > 0 ? STR(" ~ ") : STR(""));
			author_add(&authors.items[i], out);
		}
		break;
	}
}

/* A value of a sender may hold line ends: each attribute stays one line. */
static void lines_join(struct buf *out, size_t from)
{
	for (size_t i = from; !out->failed && i < out->size; i++) {
		if ((unsigned char)out->data[i] < ' ')
			out->data[i] = ' ';
	}
}

static void object_explain(const struct attribute_table *table, const void *object, const char *resource,
			   enum explain_direction direction, struct buf *out)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct attribute *attribute = &table->rows[i];
		size_t begin = out->size;

		if (attribute_is_empty(attribute, object))
			continue;
		buf_printf(out, "%.*s.%.*s", STR_ARG(table->name), STR_ARG(attribute->name));
		while (!out->failed && out->size - begin < 46)
			buf_add_char(out, ' ');
		buf_add(out, direction == EXPLAIN_FROM_FHIR ? STR(" <- ") : STR(" -> "));
		if (str_is_empty(attribute->fhir_path))
			buf_add(out,
				direction == EXPLAIN_FROM_FHIR ? STR("(made by the gateway)") : STR("(not shown)"));
		else
			buf_printf(out, "%s.%.*s", resource, STR_ARG(attribute->fhir_path));
		while (!out->failed && out->size - begin < 96)
			buf_add_char(out, ' ');
		buf_printf(out, "  %s %.*s  ", place_word(attribute->place), STR_ARG(attribute->key));
		value_add(attribute, object, out);
		lines_join(out, begin);
		buf_add_char(out, '\n');
	}
}

static void association_explain(const struct association *association, struct buf *out)
{
	size_t begin = out->size;

	buf_printf(out, "Association  %.*s  %.*s -> %.*s", STR_ARG(association->type_urn), STR_ARG(association->source),
		   STR_ARG(association->target));
	lines_join(out, begin);
	buf_add_char(out, '\n');
}

void metadata_explain(const struct metadata *metadata, enum explain_direction direction, struct buf *out)
{
	for (size_t i = 0; i < metadata->submission_set_count; i++)
		object_explain(&submission_set_table, &metadata->submission_sets[i], "List", direction, out);
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		object_explain(&document_entry_table, &metadata->document_entries[i], "DocumentReference", direction,
			       out);
	for (size_t i = 0; i < metadata->folder_count; i++)
		object_explain(&folder_table, &metadata->folders[i], "List", direction, out);
	for (size_t i = 0; i < metadata->association_count; i++)
		association_explain(&metadata->associations[i], out);
}
