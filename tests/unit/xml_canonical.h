/* Metadata of a message in a canonical form, read by libxml2's tree: a view that is independent of our reader. */
#ifndef PASSERELLE_TESTS_XML_CANONICAL_H
#define PASSERELLE_TESTS_XML_CANONICAL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "mappers/xds_message.h"

#define CANONICAL_MAX (8 << 20)
#define CHILDREN_MAX  4000

static inline int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline bool is(const xmlNode *node, const char *name)
{
	return strcmp((const char *)node->name, name) == 0;
}

static inline char *attribute_text(const xmlNode *node, const xmlAttr *attribute)
{
	xmlChar *raw = xmlNodeListGetString(node->doc, attribute->children, 1);
	struct str value = str_from_c(raw ? (const char *)raw : "");
	char *text = NULL;

	if (!is(node, "LocalizedString"))
		value = str_trim(value);
	/* An empty home or lang says nothing. */
	if (value.size || strcmp((const char *)attribute->name, "nodeRepresentation") == 0 ||
	    strcmp((const char *)attribute->name, "value") == 0)
		assert_true(asprintf(&text, "@%s=%.*s", (const char *)attribute->name, STR_ARG(value)) >= 0);
	xmlFree(raw);
	return text;
}

/* Parts get an id when they have none, and a reference to their object; neither is in question here. */
static inline bool attribute_counts(const xmlNode *node, const xmlAttr *attribute)
{
	bool part = is(node, "Classification") || is(node, "ExternalIdentifier");
	const char *name = (const char *)attribute->name;

	return !(part && (strcmp(name, "id") == 0 || strcmp(name, "registryObject") == 0));
}

static inline const xmlNode *owner_of_sibling(const xmlNode *list, const xmlNode *classification)
{
	xmlChar *wanted = xmlGetNoNsProp(classification, BAD_CAST "classifiedObject");
	const xmlNode *found = NULL;

	for (const xmlNode *node = list->children; wanted && node && !found; node = node->next) {
		xmlChar *id = node->type == XML_ELEMENT_NODE && !is(node, "Classification")
				      ? xmlGetNoNsProp(node, BAD_CAST "id")
				      : NULL;

		if (id && xmlStrcmp(id, wanted) == 0)
			found = node;
		xmlFree(id);
	}
	xmlFree(wanted);
	return found;
}

static inline bool is_query_value(const xmlNode *node)
{
	return is(node, "Value") && node->parent->parent->parent && is(node->parent->parent->parent, "AdhocQuery");
}

/* Blanks outside the quotes of a query value mean nothing. */
static inline char *value_text(const xmlNode *value, const xmlNode *text)
{
	struct str s = str_trim(str_from_c((const char *)text->content));
	char *out = calloc(1, s.size + 1);
	size_t size = 0;
	bool quoted = false;

	assert_non_null(out);
	for (size_t i = 0; i < s.size; i++) {
		quoted = quoted != (s.data[i] == '\'');
		if (quoted || !is_query_value(value) || !strchr(" \t\r\n", s.data[i]))
			out[size++] = s.data[i];
	}
	return out;
}

static inline char *canonical(const xmlNode *node, int depth);

static inline void add_child(char **texts, size_t *count, char *text)
{
	if (!text)
		return;
	assert_true(*count < CHILDREN_MAX);
	texts[(*count)++] = text;
}

static inline char *join(const char *name, char **texts, size_t count)
{
	struct buf buf;
	char *text;

	buf_init(&buf, CANONICAL_MAX);
	buf_printf(&buf, "%s{", name);
	for (size_t i = 0; i < count; i++) {
		buf_printf(&buf, "%s;", texts[i]);
		free(texts[i]);
	}
	buf_printf(&buf, "}\n");
	assert_false(buf.failed);
	text = strdup(buf.data);
	buf_free(&buf);
	return text;
}

static inline char *canonical(const xmlNode *node, int depth)
{
	char **texts = calloc(CHILDREN_MAX, sizeof *texts);
	size_t count = 0;
	size_t sorted;

	assert_non_null(texts);
	assert_true(depth < 12);
	for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
		if (attribute_counts(node, attribute))
			add_child(texts, &count, attribute_text(node, attribute));
	}
	qsort(texts, count, sizeof *texts, compare_texts);
	sorted = count;
	for (const xmlNode *child = node->children; child; child = child->next) {
		if (child->type == XML_TEXT_NODE && is(node, "Value"))
			add_child(texts, &count, value_text(node, child));
		if (child->type != XML_ELEMENT_NODE)
			continue;
		if (is(node, "RegistryObjectList") && is(child, "Classification") && owner_of_sibling(node, child))
			continue;
		add_child(texts, &count, canonical(child, depth + 1));
	}
	/* A Classification beside the objects belongs to the one that it names. */
	for (const xmlNode *sibling = node->parent ? node->parent->children : NULL; sibling; sibling = sibling->next) {
		if (sibling->type == XML_ELEMENT_NODE && is(node->parent, "RegistryObjectList") &&
		    is(sibling, "Classification") && !is(node, "Classification") &&
		    owner_of_sibling(node->parent, sibling) == node)
			add_child(texts, &count, canonical(sibling, depth + 1));
	}
	/* Order counts among values only. */
	if (!is(node, "ValueList") && !is(node, "Name") && !is(node, "Description"))
		qsort(texts + sorted, count - sorted, sizeof *texts, compare_texts);
	/* An empty Name or Description is none. */
	char *text = count || is(node, "RegistryObjectList") ? join((const char *)node->name, texts, count) : NULL;

	free(texts);
	return text;
}

static inline const xmlNode *find_element(const xmlNode *node, const char *name, int depth)
{
	for (; node && depth < 20; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		if (is(node, name))
			return node;
		const xmlNode *found = find_element(node->children, name, depth + 1);

		if (found)
			return found;
	}
	return NULL;
}

/* Several Values of a query mean the same as one with all their lists joined. */
static inline void join_query_lists(char *text)
{
	static const char seam[] = ");}\n;Value{(";

	for (char *at = strstr(text, seam); at; at = strstr(at, seam)) {
		*at = ',';
		memmove(at + 1, at + sizeof seam - 1, strlen(at + sizeof seam - 1) + 1);
	}
}

static inline char *canonical_metadata(struct str xml)
{
	static const char *lists[] = { "RegistryObjectList", "ObjectRefList", "AdhocQuery" };
	xmlDocPtr doc = xmlReadMemory(xml.data, (int)xml.size, NULL, NULL, XML_PARSE_NONET);
	char *text = NULL;

	assert_non_null(doc);
	for (size_t i = 0; i < COUNT_OF(lists) && !text; i++) {
		const xmlNode *list = find_element(xmlDocGetRootElement(doc), lists[i], 0);

		text = list ? canonical(list, 0) : NULL;
		if (text && is(list, "AdhocQuery"))
			join_query_lists(text);
	}
	xmlFreeDoc(doc);
	return text;
}

#endif
