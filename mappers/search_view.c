#include "mappers/searchset.h"

#include <jansson.h>

#include "mappers/fhir_mark.h"

#define DEPTH_MAX        64
#define CONTAINED_MAX    200
#define SUBSETTED_SYSTEM "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

/* What stays of each resource. Mandatory elements and modifiers stay always (FHIR R4 3.1.1.5.9), so do identity and
 * meta. Summary elements are those that FHIR R4 marks with Sigma. */
static const struct view {
	const char *type;
	const char *mandatory;
	const char *summary;
} views[] = {
	{ "DocumentReference", "resourceType id meta implicitRules status content modifierExtension",
	  "masterIdentifier identifier docStatus type category subject date author relatesTo description securityLabel "
	  "context" },
	{ "List", "resourceType id meta implicitRules status mode modifierExtension",
	  "title code subject date source" },
};

bool search_view_is_whole(const struct search_view *view)
{
	return view->elements.count == 0 && (view->summary == SUMMARY_FALSE || view->summary == SUMMARY_COUNT);
}

/* True when name is one of the blank-separated words. */
static bool is_word(const char *words, struct str name)
{
	struct str rest = str_from_c(words);
	struct str word;

	while (str_next(&rest, ' ', &word)) {
		if (str_equal(word, name))
			return true;
	}
	return false;
}

/* An element may be asked for as DocumentReference.type or type; a companion of a primitive goes with it. */
static bool is_asked(const struct strs *elements, struct str type, struct str name)
{
	for (size_t i = 0; i < elements->count; i++) {
		struct str element = str_trim(elements->items[i]);

		if (str_starts_with(element, type) && element.size > type.size && element.data[type.size] == '.')
			element = str_from(element, type.size + 1);
		element.size = str_find(element, '.');
		if (str_equal(element, name))
			return true;
	}
	return false;
}

static bool is_kept(const struct search_view *view, const struct view *row, struct str name)
{
	struct str type = str_from_c(row->type);

	name = str_without_prefix(name, STR("_"));
	if (str_equal(name, STR("contained")) || is_word(row->mandatory, name))
		return true;
	if (view->elements.count && !is_asked(&view->elements, type, name))
		return false;
	switch (view->summary) {
	case SUMMARY_TRUE:
		return is_word(row->summary, name);
	case SUMMARY_TEXT:
		return str_equal(name, STR("text"));
	case SUMMARY_DATA:
		return !str_equal(name, STR("text"));
	case SUMMARY_FALSE:
	case SUMMARY_COUNT:
		break;
	}
	return true;
}

/* True when json refers to "#id" anywhere. */
static bool refers_to(const json_t *json, struct str id, unsigned depth)
{
	const char *key;
	json_t *value;
	size_t i;

	if (depth == 0)
		return false;
	if (json_is_array(json)) {
		json_array_foreach((json_t *)json, i, value)
		{
			if (refers_to(value, id, depth - 1))
				return true;
		}
		return false;
	}
	json_object_foreach((json_t *)json, key, value)
	{
		struct str text = fhir_text(value);

		if (strcmp(key, "reference") == 0 && text.size == id.size + 1 && text.data[0] == '#' &&
		    str_equal(str_from(text, 1), id))
			return true;
		if (strcmp(key, "contained") != 0 && (json_is_object(value) || json_is_array(value)) &&
		    refers_to(value, id, depth - 1))
			return true;
	}
	return false;
}

/* Drops contained resources that nothing refers to any more, until none is left to drop. */
static void drop_contained(json_t *resource)
{
	json_t *contained = json_object_get(resource, "contained");
	bool dropped = json_array_size(contained) <= CONTAINED_MAX;

	while (dropped) {
		dropped = false;
		for (size_t i = json_array_size(contained); i > 0; i--) {
			struct str id = fhir_text(json_object_get(json_array_get(contained, i - 1), "id"));
			bool needed = refers_to(resource, id, DEPTH_MAX);

			for (size_t j = 0; !needed && j < json_array_size(contained); j++)
				needed = j != i - 1 && refers_to(json_array_get(contained, j), id, DEPTH_MAX);
			if (!needed && json_array_remove(contained, i - 1) == 0)
				dropped = true;
		}
	}
	if (contained && json_array_size(contained) == 0)
		json_object_del(resource, "contained");
}

/* Of context, only the period is a summary element. */
static void cut_context(json_t *resource)
{
	json_t *context = json_object_get(resource, "context");
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(context, next, key, value)
	{
		if (strcmp(key, "period") != 0)
			json_object_del(context, key);
	}
	if (context && json_object_size(context) == 0)
		json_object_del(resource, "context");
}

static bool tag_subsetted(json_t *resource)
{
	json_t *meta = json_object_get(resource, "meta");
	json_t *tags;

	if (!meta && json_object_set_new(resource, "meta", json_object()) != 0)
		return false;
	meta = json_object_get(resource, "meta");
	if (!json_object_get(meta, "tag") && json_object_set_new(meta, "tag", json_array()) != 0)
		return false;
	tags = json_object_get(meta, "tag");
	return json_array_append_new(tags, json_pack("{s:s,s:s}", "system", SUBSETTED_SYSTEM, "code", "SUBSETTED")) ==
	       0;
}

static bool cut(const struct search_view *view, json_t *resource)
{
	const char *type = json_string_value(json_object_get(resource, "resourceType"));
	const struct view *row = NULL;
	const char *key;
	json_t *value;
	void *next;

	for (size_t i = 0; type && i < COUNT_OF(views); i++) {
		if (strcmp(views[i].type, type) == 0)
			row = &views[i];
	}
	if (!row)
		return false;
	json_object_foreach_safe(resource, next, key, value)
	{
		if (!is_kept(view, row, str_from_c(key)))
			json_object_del(resource, key);
	}
	if (view->summary == SUMMARY_TRUE)
		cut_context(resource);
	drop_contained(resource);
	return tag_subsetted(resource);
}

static void release(void *text)
{
	json_decref(text);
}

static int add_text(const char *text, size_t size, void *buf)
{
	buf_add(buf, (struct str) { text, size });
	return 0;
}

bool search_view_cut(const struct search_view *view, struct str resource, struct arena *arena, struct str *cut_text,
		     struct outcome *outcome)
{
	json_t *tree = json_loadb(resource.data, resource.size, 0, NULL);
	struct buf text;
	bool good;

	if (!tree)
		return outcome_add(outcome, ERR_INTERNAL, "", "Report this to the operator of the gateway.");
	if (!arena_defer(arena, release, tree))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
	buf_init(&text, resource.size * 2 + 1024);
	good = cut(view, tree) && json_dump_callback(tree, add_text, &text, JSON_COMPACT) == 0 && !text.failed;
	*cut_text = good ? arena_copy(arena, buf_str(&text)) : STR_NONE;
	buf_free(&text);
	return cut_text->data || outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
}
