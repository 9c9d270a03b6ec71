/* JSON Patch over a tree, whatever the tree means. Source: RFC 6902, RFC 6901 (pointers). */
#ifndef PASSERELLE_JSON_PATCH_H
#define PASSERELLE_JSON_PATCH_H

#include <jansson.h>

#include "mappers/base/error.h"

#define PATCH_OPERATIONS_MAX 100
#define PATCH_VALUES_MAX     20000              /* of the tree after each operation: copies of copies grow fast */
#define PATCH_BYTES_MAX      (4u * 1024 * 1024) /* of its texts and names, for the same reason */
#define PATCH_DEPTH_MAX      64

/* Applies the operations to the tree, in their order; after a failure the tree is of no use. The root stays the object
 * that it is, and its member resourceType what it says.
 * operations  the patch document, an array
 * Issues name operations ("[2].path"). Errors: ERR_BODY_MALFORMED (no operation), ERR_RULE (its place is not there, or its
 * test fails), ERR_TOO_COSTLY, ERR_NO_MEMORY. */
bool json_patch_apply(json_t *tree, const json_t *operations, struct outcome *outcome) MUST_CHECK;

/* False for what no tree could be patched by: for who does not have the tree yet. Errors: ERR_BODY_MALFORMED,
 * ERR_TOO_COSTLY. */
bool json_patch_check(const json_t *operations, struct outcome *outcome) MUST_CHECK;

/* One place in a tree: a member of an object, or an item of an array. */
struct json_spot {
	json_t *holder;  /* borrowed */
	struct str name; /* of an object */
	size_t index;    /* of an array; its size for the place behind the last item */
};

/* What stands there; NULL when nothing does. Borrowed. */
json_t *json_spot_value(const struct json_spot *spot);

/* Puts a value there: over what is there, or (insert) before it, which in an object is the same. The value is taken over,
 * also after a failure, which is want of memory, or a value that is NULL. */
bool json_spot_set(const struct json_spot *spot, json_t *value) MUST_CHECK;
bool json_spot_insert(const struct json_spot *spot, json_t *value) MUST_CHECK;
bool json_spot_remove(const struct json_spot *spot) MUST_CHECK;

/* False when the tree is deeper or larger than a patch may make it. */
bool json_patch_bounded(const json_t *tree);

#endif
