/* The one place that makes random bytes. In production they come from the kernel; a test seeds it and prints the
 * seed, so that a failure can be repeated. */
#ifndef PASSERELLE_RANDOM_H
#define PASSERELLE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "mappers/base/arena.h"

/* Fills size bytes. From the kernel's generator unless seeded. Never fails: without kernel randomness the process
 * ends, because ids and keys made from anything else would be worse. */
void random_bytes(void *bytes, size_t size);

/* A number from 0 to limit - 1; 0 for limit 0. */
uint32_t random_below(uint32_t limit);

/* "urn:uuid:" and a new UUID (RFC 9562, version 4), in the arena; the data is NULL without memory. */
struct str random_uuid(struct arena *arena);

/* For tests only: bytes are from now on a function of the seed and of the order of the calls. */
void random_seed(uint64_t seed);

#endif
