/* Slices of bytes. Not NUL-terminated: C strings exist only at the borders of libraries. */
#ifndef PASSERELLE_STR_H
#define PASSERELLE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK      __attribute__((warn_unused_result))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct str {
	const char *data; /* NULL only when absent; an empty string that is there has data != NULL, size 0 */
	size_t size;
};

#define STR(literal) ((struct str) { .data = "" literal "", .size = sizeof(literal) - 1 })
/* the same for static tables: static const struct str names[] = { STR_INIT("a"), STR_INIT("b") }; */
#define STR_INIT(literal)                                          \
	{                                                          \
		.data = "" literal "", .size = sizeof(literal) - 1 \
	}
#define STR_NONE ((struct str) { .data = NULL, .size = 0 })
/* for printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).size, (s).data ? (s).data : ""

/* A slice of a C string, which must outlive it; STR_NONE for NULL. */
static inline struct str str_from_c(const char *text)
{
	return text ? (struct str) { text, strlen(text) } : STR_NONE;
}

static inline bool str_is_empty(struct str s)
{
	return s.size == 0;
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool str_starts_with(struct str s, struct str prefix)
{
	return s.size >= prefix.size && (prefix.size == 0 || memcmp(s.data, prefix.data, prefix.size) == 0);
}

static inline bool str_ends_with(struct str s, struct str suffix)
{
	return s.size >= suffix.size &&
	       (suffix.size == 0 || memcmp(s.data + s.size - suffix.size, suffix.data, suffix.size) == 0);
}

/* The part of s from offset on; empty when offset is past the end. */
static inline struct str str_from(struct str s, size_t offset)
{
	if (offset > s.size)
		offset = s.size;
	return s.size ? (struct str) { s.data + offset, s.size - offset } : s;
}

/* s without prefix, or s itself when it does not begin so. */
static inline struct str str_without_prefix(struct str s, struct str prefix)
{
	return str_starts_with(s, prefix) ? str_from(s, prefix.size) : s;
}

/* ASCII case is ignored; other bytes are compared as they are. */
bool str_equal_nocase(struct str a, struct str b);
bool str_starts_with_nocase(struct str s, struct str prefix);

/* Index of the first c in s, or s.size when there is none. */
size_t str_find(struct str s, char c);

/* Takes the part before the next separator off the front of *rest. Returns false when *rest is used up;
 * an empty part between two separators is returned as an empty part. Begin with a *rest whose data is not NULL. */
bool str_next(struct str *rest, char separator, struct str *part);

/* s without ASCII blanks, tabs and line ends at both ends. */
struct str str_trim(struct str s);

/* Decimal digits only, no sign, no blank, fits into 64 bits; otherwise false and *value untouched. */
bool str_to_u64(struct str s, uint64_t *value) MUST_CHECK;

/* True when s is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF). */
bool str_is_utf8(struct str s);

#endif
