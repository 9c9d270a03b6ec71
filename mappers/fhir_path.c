#include "mappers/fhir_path.h"

#include <stdio.h>

#define PATH_NODES_MAX 80
#define NAME_BYTES_MAX 40

static bool looks_like_name(struct str name)
{
	if (name.size == 0)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '.' && c != '[' && c != ']')
			return false;
	}
	return true;
}

/* Writes one node; returns what it needs. The root may be a whole path itself, given by the caller. */
static size_t node_write(const struct fhir_path *node, char *out, size_t size)
{
	bool root = !node->parent;
	struct str name = node->name;

	if (!looks_like_name(name) || (!root && name.size > NAME_BYTES_MAX))
		name = STR("?");
	int written = node->index == FHIR_PATH_NOT_MANY
			      ? snprintf(out, size, "%s%.*s", root ? "" : ".", STR_ARG(name))
			      : snprintf(out, size, "%s%.*s[%zu]", root ? "" : ".", STR_ARG(name), node->index);

	return written > 0 ? (size_t)written : 0;
}

void fhir_path_write(const struct fhir_path *path, char out[FHIR_PATH_BYTES])
{
	const struct fhir_path *nodes[PATH_NODES_MAX];
	size_t count = 0;
	size_t used = 0;

	out[0] = '\0';
	for (; path && count < PATH_NODES_MAX; path = path->parent)
		nodes[count++] = path;
	while (count > 0) {
		size_t size = node_write(nodes[--count], out + used, FHIR_PATH_BYTES - used);

		if (used + size >= FHIR_PATH_BYTES) {
			out[used] = '\0'; /* a place above the culprit is still right */
			return;
		}
		used += size;
	}
}
