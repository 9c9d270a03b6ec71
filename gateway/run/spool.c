#include "gateway/run/spool.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/run/file.h"

#define MEMORY_FIRST 4096

struct spool {
	struct spool_limits *limits;
	uint64_t size_max;
	uint64_t size;
	char *memory; /* the content while it fits, afterwards what waits to be written to the file */
	size_t memory_used;
	size_t memory_capacity;
	int descriptor;
	void *mapping;
	enum spool_result result; /* sticky */
	EVP_MD_CTX *digest;
	unsigned char sha1[SPOOL_SHA1_SIZE];
	bool finished;
};

struct spool *spool_new(struct spool_limits *limits, uint64_t size_max, bool with_sha1)
{
	struct spool *spool = calloc(1, sizeof *spool);

	if (!spool)
		return NULL;
	spool->limits = limits;
	spool->size_max = size_max;
	spool->descriptor = -1;
	if (!with_sha1)
		return spool;
	spool->digest = EVP_MD_CTX_new();
	if (!spool->digest || EVP_DigestInit_ex(spool->digest, EVP_sha1(), NULL) != 1) {
		spool_free(spool);
		return NULL;
	}
	return spool;
}

/* Counts size fewer bytes, up to but not in end. */
static void total_give_back(struct spool_limits *limits, const struct spool_limits *end, uint64_t size)
{
	for (; limits != end; limits = limits->whole)
		atomic_fetch_sub(&limits->total_bytes, size);
}

/* Counts size more bytes against the limits and what they are a part of. */
static bool total_take(struct spool_limits *limits, uint64_t size)
{
	for (struct spool_limits *each = limits; each; each = each->whole) {
		uint64_t before = atomic_fetch_add(&each->total_bytes, size);

		if (before + size > each->total_bytes_max) {
			total_give_back(limits, each->whole, size);
			return false;
		}
	}
	return true;
}

static bool memory_grow(struct spool *spool, size_t needed)
{
	size_t capacity = spool->memory_capacity ? spool->memory_capacity : MEMORY_FIRST;

	while (capacity < needed)
		capacity *= 2;
	if (capacity == spool->memory_capacity)
		return true;
	char *memory = realloc(spool->memory, capacity);

	if (!memory)
		return false;
	spool->memory = memory;
	spool->memory_capacity = capacity;
	return true;
}

static bool flush(struct spool *spool)
{
	if (spool->memory_used && !file_write_all(spool->descriptor, spool->memory, spool->memory_used))
		return false;
	spool->memory_used = 0;
	return true;
}

/* Past the memory limit: small writes are gathered in the memory that is there, large ones go straight to the file. */
static bool write_file(struct spool *spool, const void *bytes, size_t size)
{
	if (spool->descriptor < 0) {
		spool->descriptor = file_temporary(spool->limits->directory);
		if (spool->descriptor < 0 || !flush(spool))
			return false;
	}
	if (size <= spool->memory_capacity - spool->memory_used) {
		memcpy(spool->memory + spool->memory_used, bytes, size);
		spool->memory_used += size;
		return true;
	}
	return flush(spool) && file_write_all(spool->descriptor, bytes, size);
}

static bool keep(struct spool *spool, const void *bytes, size_t size)
{
	if (spool->descriptor >= 0 || spool->size + size > spool->limits->memory_bytes)
		return write_file(spool, bytes, size);
	if (!memory_grow(spool, spool->memory_used + size))
		return false;
	memcpy(spool->memory + spool->memory_used, bytes, size);
	spool->memory_used += size;
	return true;
}

enum spool_result spool_write(struct spool *spool, const void *bytes, size_t size)
{
	if (spool->result != SPOOL_OK || size == 0)
		return spool->result;
	if (spool->finished)
		return spool->result = SPOOL_FAILED;
	if (size > spool->size_max - spool->size)
		return spool->result = SPOOL_TOO_LONG;
	if (!total_take(spool->limits, size))
		return spool->result = SPOOL_EXHAUSTED;
	bool kept = keep(spool, bytes, size);

	spool->size += size;
	if (!kept || (spool->digest && EVP_DigestUpdate(spool->digest, bytes, size) != 1))
		spool->result = SPOOL_FAILED;
	return spool->result;
}

uint64_t spool_size(const struct spool *spool)
{
	return spool->size;
}

bool spool_finish(struct spool *spool)
{
	if (spool->finished)
		return spool->result == SPOOL_OK;
	spool->finished = true;
	if (spool->result != SPOOL_OK)
		return false;
	if (spool->digest && EVP_DigestFinal_ex(spool->digest, spool->sha1, NULL) != 1)
		spool->result = SPOOL_FAILED;
	if (spool->descriptor < 0 || spool->result != SPOOL_OK)
		return spool->result == SPOOL_OK;
	if (!flush(spool)) {
		spool->result = SPOOL_FAILED;
		return false;
	}
	spool->mapping = mmap(NULL, (size_t)spool->size, PROT_READ, MAP_SHARED, spool->descriptor, 0);
	if (spool->mapping == MAP_FAILED) {
		spool->mapping = NULL;
		spool->result = SPOOL_FAILED;
		return false;
	}
	madvise(spool->mapping, (size_t)spool->size, MADV_SEQUENTIAL);
	free(spool->memory);
	spool->memory = NULL;
	spool->memory_capacity = 0;
	return true;
}

struct str spool_view(const struct spool *spool)
{
	if (!spool->finished || spool->result != SPOOL_OK)
		return STR_NONE;
	if (spool->mapping)
		return (struct str) { spool->mapping, (size_t)spool->size };
	return (struct str) { spool->memory ? spool->memory : "", (size_t)spool->size };
}

const unsigned char *spool_sha1(const struct spool *spool)
{
	return spool->digest && spool->finished ? spool->sha1 : NULL;
}

void spool_free(struct spool *spool)
{
	if (!spool)
		return;
	if (spool->mapping)
		munmap(spool->mapping, (size_t)spool->size);
	if (spool->descriptor >= 0)
		close(spool->descriptor);
	total_give_back(spool->limits, NULL, spool->size);
	EVP_MD_CTX_free(spool->digest);
	free(spool->memory);
	free(spool);
}

void spool_release(void *spool)
{
	spool_free(spool);
}
