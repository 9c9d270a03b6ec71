/* Inside gateway/south only: assertions that are still valid, by everything that they depend on. Bounded, in the memory
 * of the process alone. */
#ifndef PASSERELLE_XUA_CACHE_H
#define PASSERELLE_XUA_CACHE_H

#include "mappers/base/arena.h"

#define XUA_KEY_SIZE 32

struct xua_cache;

struct xua_cache *xua_cache_new(void) MUST_CHECK; /* NULL without memory */
void xua_cache_free(struct xua_cache *cache);     /* NULL is allowed */

/* True when there is one under this key at this time; text is then in the arena (data NULL without memory). */
bool xua_cache_get(struct xua_cache *cache, const unsigned char key[XUA_KEY_SIZE], int64_t now_s, struct arena *arena,
		   struct str *text);

/* Keeps a copy until then; what ends first makes room. Nothing is kept without memory, or when `until` is over. */
void xua_cache_put(struct xua_cache *cache, const unsigned char key[XUA_KEY_SIZE], int64_t now_s, int64_t until_s,
		   struct str text);

#endif
