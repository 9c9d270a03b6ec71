#include "mappers/explain.h"

#include "mappers/association.h"
#include "mappers/attribute.h"

#define NAME_WIDTH 46
#define PATH_WIDTH 54

static const char *const places[] = {
	[PLACE_ATTRIBUTE] = "attribute",
	[PLACE_SLOT] = "Slot",
	[PLACE_CLASSIFICATION] = "Classification",
	[PLACE_EXTERNAL_ID] = "ExternalIdentifier",
	[PLACE_NAME] = "Name",
	[PLACE_DESCRIPTION] = "Description",
	[PLACE_VERSION] = "VersionInfo",
};

/* One object that is being explained. */
struct explanation {
	const struct attribute_table *table;
	struct str resource; /* "DocumentReference" */
	const char *arrow;
	struct buf *out;
};

/* Text of others, for a terminal: what could steer it (C0, DEL, C1) becomes a question mark. */
static void add_harmless(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool c1 = c == 0xC2 && i + 1 < text.size && (unsigned char)text.data[i + 1] < 0xA0;

		buf_add_char(out, c < 0x20 || c == 0x7F || c1 ? '?' : text.data[i]);
		i += c1;
	}
}

static void pad(struct buf *out, size_t from, size_t width)
{
	for (size_t size = out->size - from; size < width; size++)
		buf_add_char(out, ' ');
	buf_add_char(out, ' ');
}

/* "XDSDocumentEntry.classCode <- DocumentReference.category[] Classification urn:uuid:...: " */
static void front_explain(const struct explanation *explanation, const struct attribute *row, bool is_filled)
{
	struct buf *out = explanation->out;
	size_t start = out->size;

	buf_add(out, explanation->table->name);
	buf_add_char(out, '.');
	buf_add(out, row->name);
	pad(out, start, NAME_WIDTH);
	buf_printf(out, "%s ", row->fhir_path.size ? explanation->arrow : "--");
	start = out->size;
	if (is_filled) {
		buf_add(out, STR("(filled in by the gateway)"));
	} else if (row->fhir_path.size) {
		buf_add(out, explanation->resource);
		buf_add_char(out, '.');
		buf_add(out, row->fhir_path);
	} else {
		buf_add(out, STR("(no place in FHIR)"));
	}
	pad(out, start, PATH_WIDTH);
	buf_printf(out, "%s%s%.*s: ", places[row->place], row->key.size ? " " : "", STR_ARG(row->key));
}

static void strings_explain(struct buf *out, const struct strs *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (i)
			buf_add(out, STR(" | "));
		add_harmless(out, list->items[i]);
	}
}

static void code_explain(struct buf *out, const struct code *value)
{
	add_harmless(out, value->code);
	buf_add(out, STR("^^"));
	add_harmless(out, value->scheme);
	if (value->display.size) {
		buf_add(out, STR(" \""));
		add_harmless(out, value->display);
		buf_add(out, STR("\""));
	}
}

static void author_explain(struct buf *out, const struct author *value)
{
	const struct {
		const char *name;
		const struct strs *list;
	} lists[] = { { "institution", &value->institutions },
		      { "role", &value->roles },
		      { "specialty", &value->specialties },
		      { "telecommunication", &value->telecommunications } };

	const char *between = "";

	if (value->person.size) {
		buf_add(out, STR("person "));
		add_harmless(out, value->person);
		between = "; ";
	}
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		if (!lists[i].list->count)
			continue;
		buf_printf(out, "%s%s ", between, lists[i].name);
		strings_explain(out, lists[i].list);
		between = "; ";
	}
}

static void value_explain(struct buf *out, const struct attribute *row, const void *field)
{
	const struct codes *codes = field;
	const struct authors *authors = field;

	switch (row->shape) {
	case SHAPE_STRING:
		add_harmless(out, *(const struct str *)field);
		break;
	case SHAPE_STRINGS:
		strings_explain(out, field);
		break;
	case SHAPE_CODE:
		code_explain(out, field);
		break;
	case SHAPE_CODES:
		for (size_t i = 0; i < codes->count; i++) {
			buf_add(out, i ? STR(", ") : STR(""));
			code_explain(out, &codes->items[i]);
		}
		break;
	case SHAPE_AUTHORS:
		for (size_t i = 0; i < authors->count; i++) {
			buf_add(out, i ? STR(" // ") : STR(""));
			author_explain(out, &authors->items[i]);
		}
		break;
	}
}

/* said: the object before anything was filled in, or NULL */
static void object_explain(const struct explanation *explanation, const void *object, const void *said)
{
	const char *base = object;
	const struct rim_slots *extra = (const struct rim_slots *)(base + explanation->table->extra_offset);

	for (size_t i = 0; i < explanation->table->count; i++) {
		const struct attribute *row = &explanation->table->rows[i];

		if (attribute_is_empty(row, base))
			continue;
		front_explain(explanation, row, said && row->fhir_path.size && attribute_is_empty(row, said));
		value_explain(explanation->out, row, base + row->offset);
		buf_add_char(explanation->out, '\n');
	}
	for (size_t i = 0; i < extra->count; i++) {
		size_t start = explanation->out->size;

		buf_add(explanation->out, explanation->table->name);
		buf_add(explanation->out, STR(" extra metadata"));
		pad(explanation->out, start, NAME_WIDTH);
		buf_add(explanation->out, STR("-- (no place in FHIR) Slot "));
		add_harmless(explanation->out, extra->items[i].name);
		buf_add(explanation->out, STR(": "));
		strings_explain(explanation->out, &extra->items[i].values);
		buf_add_char(explanation->out, '\n');
	}
	buf_add_char(explanation->out, '\n');
}

static void association_explain(const struct association *association, const char *arrow, struct buf *out)
{
	struct str relates_to = association_relates_to(association->type);
	size_t start = out->size;

	buf_add(out, STR("Association "));
	add_harmless(out, association->type_urn.size ? association->type_urn : association_urn(association->type));
	pad(out, start, NAME_WIDTH);
	if (relates_to.size)
		buf_printf(out, "%s DocumentReference.relatesTo %.*s: ", arrow, STR_ARG(relates_to));
	else
		buf_printf(out, "%s %s: ", arrow,
			   association->type == ASSOCIATION_HAS_MEMBER ? "List.entry.item" : "(no place in FHIR)");
	add_harmless(out, association->source);
	buf_add(out, STR(" -> "));
	add_harmless(out, association->target);
	if (association->submission_set_status.size) {
		buf_add(out, STR(" SubmissionSetStatus "));
		add_harmless(out, association->submission_set_status);
	}
	buf_add_char(out, '\n');
}

void metadata_explain(const struct metadata *metadata, const struct metadata *said, enum explain_direction direction,
		      struct buf *out)
{
	const char *arrow = direction == EXPLAIN_FROM_FHIR ? "<-" : "->";
	struct explanation set = { &submission_set_table, STR("List"), arrow, out };
	struct explanation entry = { &document_entry_table, STR("DocumentReference"), arrow, out };
	struct explanation folder = { &folder_table, STR("List"), arrow, out };

	for (size_t i = 0; i < metadata->submission_set_count; i++)
		object_explain(&set, &metadata->submission_sets[i], said ? &said->submission_sets[i] : NULL);
	for (size_t i = 0; i < metadata->document_entry_count; i++)
		object_explain(&entry, &metadata->document_entries[i], said ? &said->document_entries[i] : NULL);
	for (size_t i = 0; i < metadata->folder_count; i++)
		object_explain(&folder, &metadata->folders[i], said ? &said->folders[i] : NULL);
	for (size_t i = 0; i < metadata->association_count; i++)
		association_explain(&metadata->associations[i], arrow, out);
}
