/* Bytes of unknown length on their way through: request bodies and documents. The first memory_bytes stay in memory,
 * more goes to an unlinked temporary file. Written once from front to end, then looked at as a whole. One owner at a
 * time; no lock inside, but the limits are shared by all threads. */
#ifndef PASSERELLE_SPOOL_H
#define PASSERELLE_SPOOL_H

#include <stdatomic.h>

#include "mappers/base/str.h"

#define SPOOL_SHA1_SIZE 20

/* Shared by all spools of the process, or of a tenant; never freed before the last spool. */
struct spool_limits {
	const char *directory;        /* where temporary files go */
	size_t memory_bytes;          /* per spool, for instance 64 KiB */
	uint64_t total_bytes_max;     /* of all spools together */
	_Atomic uint64_t total_bytes; /* in use now; begin with 0 */
	struct spool_limits *whole;   /* what these are a part of, and count against too; NULL: nothing */
};

enum spool_result {
	SPOOL_OK,
	SPOOL_TOO_LONG,  /* past size_max of this spool: the sender's fault, 413 */
	SPOOL_EXHAUSTED, /* past the limit of all, or of the tenant: try later, 503 */
	SPOOL_FAILED     /* no memory, disk full or broken: 503 */
};

struct spool;

/* An empty spool for at most size_max bytes; with_sha1 counts the SHA-1 of the bytes while they pass. Returns NULL
 * without memory. limits must outlive it. Free with spool_free. */
struct spool *spool_new(struct spool_limits *limits, uint64_t size_max, bool with_sha1) MUST_CHECK;

/* Appends. After anything but SPOOL_OK the spool is of no use but to be freed; the result repeats. */
enum spool_result spool_write(struct spool *spool, const void *bytes, size_t size) MUST_CHECK;

/* Bytes written so far. */
uint64_t spool_size(const struct spool *spool);

/* No more writes: makes the content visible (spool_view) and the hash final. False when the file cannot be mapped. */
bool spool_finish(struct spool *spool) MUST_CHECK;

/* The whole content, from memory or mapped from the file; valid until spool_free. Only after spool_finish. */
struct str spool_view(const struct spool *spool);

/* SHA-1 of the content; NULL without with_sha1. Only after spool_finish. (XDS `hash` is its hex form, TF-3 4.2.3.2.10)
 */
const unsigned char *spool_sha1(const struct spool *spool);

/* Frees memory and file. NULL is allowed. The void variant fits arena_defer. */
void spool_free(struct spool *spool);
void spool_release(void *spool);

#endif
