#include "mappers/json_tree.h"

static void release(void *tree)
{
	json_decref(tree);
}

bool json_tree_keep(struct arena *arena, json_t *tree)
{
	return tree && arena_defer(arena, release, tree);
}
