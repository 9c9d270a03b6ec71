/* Inside gateway/audit only: what a segment file of the journal looks like.
 * head:  magic 8, number 8, first sequence 8, key id 4, salt 16, hash before the first entry 32, CRC 4
 * entry: length of what is sealed 4, CRC 4, sequence 8, hash of the entry before 32, sealed (cipher text, tag 16)
 * Numbers are little-endian. CRC is CRC-32C of all behind it (of the head: before it): it tells a torn write, without any
 * key. The key of a segment is derived from the state key and the salt; the nonce is the sequence; all that stands in
 * front of the sealed bytes is authenticated. The hash of an entry is SHA-256 of everything behind its CRC. */
#ifndef PASSERELLE_SEGMENT_H
#define PASSERELLE_SEGMENT_H

#include "gateway/audit/journal.h"

#define SEGMENT_HEAD_BYTES 80
#define ENTRY_HEAD_BYTES   48
#define SEGMENT_HASH_BYTES 32
#define SEGMENT_SALT_BYTES 16
#define SEGMENT_TAG_BYTES  16
#define SEGMENT_NAME_SIZE  32

struct segment_head {
	uint64_t number;
	uint64_t first; /* sequence of the first entry; entries of the segment before from here on are void */
	uint32_t key_id;
	unsigned char salt[SEGMENT_SALT_BYTES];
	unsigned char before[SEGMENT_HASH_BYTES];
};

struct segment_key; /* ready to seal and open; one thread at a time */

/* The key that head names, of keys. NULL when none has its id, or without memory. */
struct segment_key *segment_key_new(const struct segment_head *head, const struct seal_key *keys,
				    size_t key_count) MUST_CHECK;
void segment_key_free(struct segment_key *key);

void segment_head_write(const struct segment_head *head, unsigned char bytes[SEGMENT_HEAD_BYTES]);
bool segment_head_read(const unsigned char bytes[SEGMENT_HEAD_BYTES], struct segment_head *head) MUST_CHECK;

/* Adds one entry at the end of out; hash goes in as that of the entry before and comes out as that of this one. */
bool segment_entry_add(struct segment_key *key, uint64_t sequence, struct str plain,
		       unsigned char hash[SEGMENT_HASH_BYTES], struct buf *out) MUST_CHECK;

/* What the first ENTRY_HEAD_BYTES say: bytes of the sealed part that follow (at most JOURNAL_ENTRY_BYTES_MAX and a tag),
 * sequence. False for what cannot be an entry. */
bool segment_entry_peek(const unsigned char *head, size_t *sealed_bytes, uint64_t *sequence) MUST_CHECK;

/* True when the whole entry (head and sealed bytes) is as it was written and follows the one with this hash, which
 * becomes its own. */
bool segment_entry_check(const unsigned char *entry, size_t sealed_bytes,
			 unsigned char hash[SEGMENT_HASH_BYTES]) MUST_CHECK;

/* Opens the sealed part into plain (room for sealed_bytes). */
bool segment_entry_open(struct segment_key *key, const unsigned char *entry, size_t sealed_bytes, char *plain,
			size_t *plain_size) MUST_CHECK;

/* "0000000000000001.audit" */
void segment_name(uint64_t number, char name[SEGMENT_NAME_SIZE]);
bool segment_number(struct str name, uint64_t *number) MUST_CHECK;

/* CRC-32C (RFC 3720 B.4). */
uint32_t crc32c(const void *bytes, size_t size);

#endif
