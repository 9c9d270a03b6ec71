/* Memory of one request: everything is freed at once, by the one who made the arena. */
#ifndef PASSERELLE_ARENA_H
#define PASSERELLE_ARENA_H

#include "mappers/base/str.h"

struct arena;

/* A new arena that hands out at most bytes_max bytes. Returns NULL without memory. Free with arena_free. */
struct arena *arena_new(size_t bytes_max) MUST_CHECK;

/* Runs the deferred releases, last first, and frees everything. NULL is allowed. */
void arena_free(struct arena *arena);

/* Zeroed memory, aligned for any type, that lives as long as the arena. Returns NULL past the limit or without
 * memory: callers report ERR_NO_MEMORY. */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;

/* An array of count zeroed elements; NULL also when count * size overflows. count 0 gives a valid pointer. */
void *arena_array(struct arena *arena, size_t count, size_t size) MUST_CHECK;

/* Grows an array that holds count elements so that one more fits, doubling; *capacity is kept by the caller.
 * array_pointer is the address of the pointer to them. False without memory: then nothing has changed. */
bool arena_grow(struct arena *arena, void *array_pointer, size_t count, size_t *capacity, size_t size) MUST_CHECK;

/* A NUL-terminated copy of s in the arena; data is NULL when there was no memory. */
struct str arena_copy(struct arena *arena, struct str s);

/* printf into the arena; data is NULL when there was no memory. */
struct str arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ties a foreign object to the arena: release(object) runs in arena_free. When it cannot be tied (false) it is
 * released at once. */
bool arena_defer(struct arena *arena, void (*release)(void *object), void *object) MUST_CHECK;

/* True once memory was refused: for whoever asks at the end instead of at each call. */
bool arena_failed(const struct arena *arena);

/* For tests: the n-th allocation from now on (0 is the next) fails, once. SIZE_MAX switches it off. */
void arena_fail_at(struct arena *arena, size_t n);

/* Bytes handed out so far. */
size_t arena_used(const struct arena *arena);

#endif
