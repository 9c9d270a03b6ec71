#include "mappers/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_EXACT 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_EXACT 1
#endif
#endif

#define CHUNK_BYTES (32 * 1024)

struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	_Alignas(max_align_t) char bytes[];
};

struct deferred {
	struct deferred *next;
	void (*release)(void *);
	void *object;
};

struct arena {
	struct chunk *chunks;
	struct deferred *deferred;
	size_t bytes_max;
	size_t bytes_used;
	size_t fail_at;
	bool failed; /* some allocation was refused */
};

struct arena *arena_new(size_t bytes_max)
{
	struct arena *arena = calloc(1, sizeof *arena);

	if (!arena)
		return NULL;
	arena->bytes_max = bytes_max;
	arena->fail_at = SIZE_MAX;
	return arena;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	for (struct deferred *d = arena->deferred; d; d = d->next)
		d->release(d->object);
	while (arena->chunks) {
		struct chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	free(arena);
}

#ifdef ARENA_EXACT
/* Each object gets its own malloc, so that the sanitizer sees an overrun. */
static void *chunk_take(struct arena *arena, size_t size)
{
	struct chunk *chunk = malloc(sizeof *chunk + (size ? size : 1));

	if (!chunk)
		return NULL;
	chunk->size = chunk->used = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk->bytes;
}
#else
static struct chunk *chunk_add(struct arena *arena, size_t size)
{
	struct chunk *chunk = malloc(sizeof *chunk + size);

	if (!chunk)
		return NULL;
	chunk->size = size;
	chunk->used = 0;
	/* A chunk made for one large object goes behind the current one, whose rest stays in use. */
	if (arena->chunks && size > CHUNK_BYTES) {
		chunk->next = arena->chunks->next;
		arena->chunks->next = chunk;
	} else {
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	return chunk;
}

static void *chunk_take(struct arena *arena, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	size_t rounded = (size + align - 1) & ~(align - 1);
	struct chunk *chunk = arena->chunks;

	if (rounded < size)
		return NULL;
	if (!chunk || chunk->size - chunk->used < rounded) {
		chunk = chunk_add(arena, rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES);
		if (!chunk)
			return NULL;
	}
	chunk->used += rounded;
	return chunk->bytes + chunk->used - rounded;
}
#endif

static void *take(struct arena *arena, size_t size)
{
	void *memory;

	if (arena->fail_at != SIZE_MAX && arena->fail_at-- == 0) {
		arena->fail_at = SIZE_MAX;
		return NULL;
	}
	if (size > arena->bytes_max - arena->bytes_used)
		return NULL;
	arena->bytes_used += size;
	memory = chunk_take(arena, size);
	return memory ? memset(memory, 0, size) : NULL;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	void *memory = take(arena, size);

	if (!memory)
		arena->failed = true;
	return memory;
}

bool arena_failed(const struct arena *arena)
{
	return arena->failed;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return arena_alloc(arena, bytes);
}

bool arena_grow(struct arena *arena, void *array_pointer, size_t count, size_t *capacity, size_t size)
{
	void *old;
	size_t wanted = *capacity ? *capacity * 2 : 4;

	if (count < *capacity)
		return true;
	memcpy(&old, array_pointer, sizeof old);
	void *grown = wanted > count ? arena_array(arena, wanted, size) : NULL;

	if (!grown)
		return false;
	if (count)
		memcpy(grown, old, count * size);
	memcpy(array_pointer, &grown, sizeof grown);
	*capacity = wanted;
	return true;
}

struct str arena_copy(struct arena *arena, struct str s)
{
	char *copy = s.size < SIZE_MAX ? arena_alloc(arena, s.size + 1) : NULL;

	if (!copy)
		return STR_NONE;
	if (s.size)
		memcpy(copy, s.data, s.size);
	return (struct str) { copy, s.size };
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	va_list again;

	va_start(args, format);
	va_copy(again, args);
	int size = vsnprintf(NULL, 0, format, args);

	va_end(args);
	char *text = size >= 0 ? arena_alloc(arena, (size_t)size + 1) : NULL;

	if (text)
		vsnprintf(text, (size_t)size + 1, format, again);
	va_end(again);
	return text ? (struct str) { text, (size_t)size } : STR_NONE;
}

bool arena_defer(struct arena *arena, void (*release)(void *object), void *object)
{
	struct deferred *d = arena_alloc(arena, sizeof *d);

	if (!d) {
		release(object);
		return false;
	}
	*d = (struct deferred) { .next = arena->deferred, .release = release, .object = object };
	arena->deferred = d;
	return true;
}

void arena_fail_at(struct arena *arena, size_t n)
{
	arena->fail_at = n;
}

size_t arena_used(const struct arena *arena)
{
	return arena->bytes_used;
}
