/* Trees of jansson that live as long as an arena. */
#ifndef PASSERELLE_JSON_TREE_H
#define PASSERELLE_JSON_TREE_H

#include <jansson.h>

#include "mappers/base/arena.h"

/* Hands a tree over to the arena, which releases it at its end. False without a tree (NULL), and without memory: then it
 * is released at once. */
bool json_tree_keep(struct arena *arena, json_t *tree) MUST_CHECK;

#endif
