/* Resource ids that carry where a thing is and nothing a stranger could use: sealed by AES-SIV (RFC 5297), written in
 * base32 so that they match [a-z2-7]{1,64} (FHIR id). The same thing has the same id on every gateway that shares the
 * deployment's keys; an id of another kind, tenant or deployment opens like one that was never made: not at all.
 * An id begins with the number of its key in clear; the first key seals, all keys open, so that keys can be rotated. */
#ifndef PASSERELLE_SEAL_H
#define PASSERELLE_SEAL_H

#include "mappers/base/arena.h"

#define SEAL_ID_SIZE       65 /* with the final NUL */
#define SEAL_PATIENT_MAX   22 /* bytes of a patient's value that fit into an id; a lower-case UUID fits as well */
#define SEAL_AUTHORITY_MAX 127
#define SEAL_KEY_BYTES_MIN 32

enum seal_kind {
	SEAL_DOCUMENT_REFERENCE,
	SEAL_LIST,
	SEAL_BINARY,
	SEAL_PATIENT,
	SEAL_CURSOR,
	SEAL_TASK,
	SEAL_KIND_COUNT
};

struct seal_key {
	uint8_t id;
	struct str secret; /* at least SEAL_KEY_BYTES_MIN bytes */
};

struct seal; /* immutable after seal_new: any thread may use it */

/* The keys of one tenant, derived by HKDF-SHA-256 from the deployment's keys, per tenant and kind. keys[0] seals.
 * Returns NULL without memory, for no or short keys, or for two keys with one id. Free with seal_free (wipes). */
struct seal *seal_new(struct str tenant, const struct seal_key *keys, size_t key_count) MUST_CHECK;
void seal_free(struct seal *seal);

/* An id for the object with this logical UUID in this source (back-end number). False only without memory. */
bool seal_id(const struct seal *seal, enum seal_kind kind, uint8_t source, const uint8_t uuid[16],
	     char id[SEAL_ID_SIZE]) MUST_CHECK;

/* The reverse. False for everything that seal_id did not make for this tenant and kind. */
bool seal_id_open(const struct seal *seal, enum seal_kind kind, struct str id, uint8_t *source,
		  uint8_t uuid[16]) MUST_CHECK;

/* An id for a patient: number of the assigning authority and value there. False when the value is empty or too long. */
bool seal_patient(const struct seal *seal, uint8_t authority, struct str value, char id[SEAL_ID_SIZE]) MUST_CHECK;

/* The reverse; value is put into the arena. */
bool seal_patient_open(const struct seal *seal, struct str id, struct arena *arena, uint8_t *authority,
		       struct str *value) MUST_CHECK;

/* Any bytes (at most 4096) as an unforgeable base64url token of no fixed length, for instance a paging cursor. */
bool seal_token(const struct seal *seal, enum seal_kind kind, struct str plain, struct arena *arena,
		struct str *token) MUST_CHECK;
bool seal_token_open(const struct seal *seal, enum seal_kind kind, struct str token, struct arena *arena,
		     struct str *plain) MUST_CHECK;

#endif
