/* For the tests of the mapping: files, the corpus, and a canonical text of registry objects to compare them by. */
#ifndef TESTS_META_SUPPORT_H
#define TESTS_META_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "mappers/base/buf.h"
#include "mappers/rim.h"

/* The folder with the larger public corpora: $PASSERELLE_SHARED, or ../shared beside the sources. NULL (and a loud
 * line) when it is not there. */
static inline const char *shared_folder(const char *test, const char *part, char path[512])
{
	const char *base = getenv("PASSERELLE_SHARED");
	DIR *folder;

	if (base)
		snprintf(path, 512, "%s/%s", base, part);
	else
		snprintf(path, 512, "%s/../shared/%s", TEST_SOURCE_DIR, part);
	folder = opendir(path);
	if (!folder) {
		fprintf(stderr, "SKIPPED %s: no %s (set PASSERELLE_SHARED)\n", test, path);
		return NULL;
	}
	closedir(folder);
	return path;
}

static inline struct str file_read(const char *path, struct arena *arena)
{
	FILE *file = fopen(path, "rb");
	struct buf buf;
	char *place;
	size_t got;

	if (!file)
		fail_msg("cannot open %s", path);
	buf_init(&buf, (size_t)64 << 20);
	while ((place = buf_reserve(&buf, 65536)) && (got = fread(place, 1, 65536, file)) > 0)
		buf_advance(&buf, got);
	fclose(file);
	struct str copy = arena_copy(arena, buf_str(&buf));
	buf_free(&buf);
	assert_non_null(copy.data);
	return copy;
}

static inline void canonical_member(struct buf *out, const char *name, struct str value)
{
	if (value.size)
		buf_printf(out, " %s=[%.*s]", name, STR_ARG(value));
}

static inline void canonical_texts(struct buf *out, const char *name, const struct rim_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		buf_printf(out, " %s=[", name);
		buf_add(out, texts->items[i].value);
		buf_printf(out, "|%.*s|%.*s]", STR_ARG(texts->items[i].lang), STR_ARG(texts->items[i].charset));
	}
}

static inline int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts lines and adds them. */
static inline void canonical_lines(struct buf *out, char **lines, size_t count)
{
	qsort(lines, count, sizeof *lines, by_text);
	for (size_t i = 0; i < count; i++) {
		buf_add(out, str_from_c(lines[i]));
		buf_add_char(out, '\n');
		free(lines[i]);
	}
	free(lines);
}

static inline char *canonical_take(struct buf *buf)
{
	buf_add_char(buf, ' ');
	assert_false(buf->failed);
	char *text = buf->data;
	*buf = (struct buf) { .size_max = buf->size_max };
	return text;
}

static inline void canonical_slots(struct buf *out, const char *front, const struct rim_slots *slots)
{
	char **lines = calloc(slots->count + 1, sizeof *lines);
	struct buf line;

	buf_init(&line, 1 << 24);
	for (size_t i = 0; i < slots->count; i++) {
		const struct rim_slot *slot = &slots->items[i];

		buf_printf(&line, "%s slot %.*s type=%.*s", front, STR_ARG(slot->name), STR_ARG(slot->slot_type));
		for (size_t k = 0; k < slot->values.count; k++) {
			buf_add(&line, STR(" ["));
			buf_add(&line, slot->values.items[k]);
			buf_add(&line, STR("]"));
		}
		lines[i] = canonical_take(&line);
	}
	canonical_lines(out, lines, slots->count);
}

/* Names that XDS fixes, and object types that say what the element says anyway, may be missing. */
static inline bool is_fixed(struct str text)
{
	return text.size == 0 || str_starts_with(text, STR("XDSDocumentEntry.")) ||
	       str_starts_with(text, STR("XDSSubmissionSet.")) || str_starts_with(text, STR("XDSFolder.")) ||
	       str_starts_with(text, STR("urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"));
}

static inline void canonical_classification(struct buf *out, const struct rim_classification *c)
{
	buf_add(out, STR(" classification"));
	canonical_member(out, "scheme", c->scheme);
	canonical_member(out, "node", c->node);
	canonical_member(out, "id", c->id);
	canonical_member(out, "of", c->classified_object);
	canonical_member(out, "lid", c->lid);
	canonical_member(out, "home", c->home);
	canonical_member(out, "status", c->status);
	if (c->node_representation.data)
		buf_printf(out, " value=[%.*s]", STR_ARG(c->node_representation));
	if (!is_fixed(c->object_type))
		canonical_member(out, "objectType", c->object_type);
	canonical_texts(out, "name", &c->name);
	canonical_texts(out, "description", &c->description);
	buf_add_char(out, '\n');
	canonical_slots(out, "  ", &c->slots);
}

static inline void canonical_external_identifier(struct buf *out, const struct rim_external_identifier *e)
{
	buf_add(out, STR(" identifier"));
	canonical_member(out, "scheme", e->scheme);
	canonical_member(out, "value", e->value);
	canonical_member(out, "id", e->id);
	canonical_member(out, "of", e->registry_object);
	canonical_member(out, "lid", e->lid);
	canonical_member(out, "home", e->home);
	canonical_member(out, "status", e->status);
	if (!is_fixed(e->object_type))
		canonical_member(out, "objectType", e->object_type);
	if (e->name.count && !is_fixed(e->name.items[0].value))
		canonical_texts(out, "name", &e->name);
	canonical_texts(out, "description", &e->description);
	buf_add_char(out, '\n');
	canonical_slots(out, "  ", &e->slots);
}

static inline void canonical_object(struct buf *out, const struct rim_object *o)
{
	char **lines = calloc(o->classification_count + o->external_identifier_count + 1, sizeof *lines);
	size_t count = 0;
	struct buf line;

	buf_init(&line, 1 << 24);
	buf_printf(out, "object kind=%d", (int)o->kind);
	canonical_member(out, "id", o->id);
	canonical_member(out, "lid", o->lid);
	canonical_member(out, "home", o->home);
	if (o->kind == RIM_EXTRINSIC_OBJECT || !is_fixed(o->object_type))
		canonical_member(out, "objectType", o->object_type);
	canonical_member(out, "status", o->status);
	canonical_member(out, "mimeType", o->mime_type);
	canonical_member(out, "isOpaque", o->is_opaque);
	canonical_member(out, "associationType", o->association_type);
	canonical_member(out, "source", o->source_object);
	canonical_member(out, "target", o->target_object);
	canonical_member(out, "version", o->version_name);
	canonical_member(out, "versionComment", o->version_comment);
	canonical_member(out, "contentVersion", o->content_version);
	canonical_texts(out, "name", &o->name);
	canonical_texts(out, "description", &o->description);
	buf_add_char(out, '\n');
	canonical_slots(out, " ", &o->slots);
	for (size_t i = 0; i < o->classification_count; i++) {
		canonical_classification(&line, &o->classifications[i]);
		lines[count++] = canonical_take(&line);
	}
	for (size_t i = 0; i < o->external_identifier_count; i++) {
		canonical_external_identifier(&line, &o->external_identifiers[i]);
		lines[count++] = canonical_take(&line);
	}
	canonical_lines(out, lines, count);
}

/* The whole list as text; free it. Order of objects, slots and Classifications of a scheme does not matter. */
static inline char *canonical_rim(const struct rim_list *list)
{
	char **lines = calloc(list->count + list->loose_count + 1, sizeof *lines);
	struct buf out;
	struct buf line;

	buf_init(&out, 1 << 26);
	buf_init(&line, 1 << 24);
	for (size_t i = 0; i < list->count; i++) {
		canonical_object(&line, &list->objects[i]);
		lines[i] = canonical_take(&line);
	}
	for (size_t i = 0; i < list->loose_count; i++) {
		canonical_classification(&line, &list->loose[i]);
		lines[list->count + i] = canonical_take(&line);
	}
	canonical_lines(&out, lines, list->count + list->loose_count);
	buf_free(&line);
	buf_add_char(&out, '\n');
	assert_false(out.failed);
	return out.data;
}

#endif
