/* What is laid down outside of this process so that nobody else can read, change or move it: names become keyed hashes,
 * values are encrypted and bound to their place. For the cache, the last known answers, and whoever else keeps state.
 * The first key writes, all open: put a new one second everywhere, then first everywhere, then remove the old one.
 * Immutable after vault_new: any thread may use it. */
#ifndef PASSERELLE_VAULT_H
#define PASSERELLE_VAULT_H

#include "gateway/run/config.h"
#include "gateway/run/seal.h"

#define VAULT_KEYS_MAX   2
#define VAULT_NAME_BYTES 32
#define VAULT_OVERHEAD   30 /* version 1, id of the key 1, nonce 12, tag 16 */

struct vault;

/* Keys for one purpose ("cache", "last known"), derived by HKDF-SHA-256: what one purpose wrote does not open for
 * another. NULL without memory, for no, too many or short keys (SEAL_KEY_BYTES_MIN), or for two keys with one id. Free
 * with vault_free (wipes). */
struct vault *vault_new(const char *purpose, const struct seal_key *keys, size_t key_count) MUST_CHECK;
void vault_free(struct vault *vault);
size_t vault_key_count(const struct vault *vault);

/* The keys of config.state_keys; their count. */
size_t vault_keys_read(const struct config *config, struct seal_key keys[VAULT_KEYS_MAX]);

/* The same from config.state_keys. NULL with an issue, also when there are none. */
struct vault *vault_from_config(const struct config *config, const char *purpose, struct outcome *outcome) MUST_CHECK;

/* HMAC-SHA-256 over the parts, each with its length before it, so that no two lists of parts meet. key: 0 for the name
 * to write to, up to vault_key_count - 1 for the names that other keys give. False without memory. */
bool vault_name(const struct vault *vault, size_t key, const struct str *parts, size_t part_count,
		unsigned char name[VAULT_NAME_BYTES]) MUST_CHECK;

/* AES-256-GCM under a random nonce; place (the additional data) must be the same when it is opened. sealed has
 * plain.size + VAULT_OVERHEAD bytes. False without memory. One key is good for 2^32 values (NIST SP 800-38D 8.3). */
bool vault_seal(const struct vault *vault, struct str place, struct str plain, unsigned char *sealed) MUST_CHECK;

enum vault_opened {
	VAULT_OPENED,
	VAULT_NOT_OURS, /* vault_seal did not make it for this place */
	VAULT_NO_KEY, /* it says that a key sealed it which is not there (VAULT_KEY_PLACE): put back, it may open it */
	VAULT_NO_MEMORY
};
#define VAULT_KEY_PLACE 1 /* byte of a sealed value that is the id of its key */

/* The reverse; plain has sealed.size bytes, VAULT_OVERHEAD of which stay unused, and holds nothing when it is not opened. */
enum vault_opened vault_open(const struct vault *vault, struct str place, struct str sealed, unsigned char *plain,
			     size_t *plain_size) MUST_CHECK;

#endif
