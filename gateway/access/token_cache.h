/* Inside gateway/access only: tokens that were verified, under the SHA-256 of their text, so that the next request with
 * the same one costs a hash and a look. In this process's memory alone; the oldest make room. Any thread may call. */
#ifndef PASSERELLE_TOKEN_CACHE_H
#define PASSERELLE_TOKEN_CACHE_H

#include "mappers/base/arena.h"
#include "mappers/claims.h"

#define TOKEN_HASH_SIZE 32

struct token_cache;

/* Holds at most bytes_max bytes. NULL without memory. */
struct token_cache *token_cache_new(size_t bytes_max) MUST_CHECK;
void token_cache_free(struct token_cache *cache); /* NULL is allowed */

struct token_known {
	struct claims claims; /* in the arena */
	int64_t checked_s;    /* when its issuer last spoke for it */
	bool is_refused;      /* its issuer does not know it; claims are empty */
};

/* What is known of a token, unless it is past its time. False: nothing, or no memory. */
bool token_cache_get(struct token_cache *cache, const unsigned char hash[TOKEN_HASH_SIZE], int64_t now_s,
		     struct arena *arena, struct token_known *known) MUST_CHECK;

/* Keeps it until until_s, and not longer. What was known before is forgotten. Best effort. */
void token_cache_put(struct token_cache *cache, const unsigned char hash[TOKEN_HASH_SIZE],
		     const struct token_known *known, int64_t until_s);

#endif
