/* A hash table with open addressing. Its keys are hashes under a secret of the process, so that nobody can choose where
 * they fall. What has ended goes when the table would grow, or is full. */
#include "gateway/soap/saml_seen.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/run/random.h"

#define ENTRIES_MIN ((size_t)1024)
#define KEY_SIZE    16
#define SECRET_SIZE 32

struct entry {
	unsigned char key[KEY_SIZE];
	int64_t until_s; /* 0: free */
	uint64_t peer;   /* of an assertion; 0 for a message */
};

struct saml_seen {
	pthread_mutex_t lock;
	struct entry *entries;
	size_t capacity; /* a power of two */
	size_t count;
	size_t entries_max;
	int64_t swept_s; /* when a full table was last swept */
	unsigned char secret[SECRET_SIZE];
};

struct saml_seen *saml_seen_new(size_t entries_max)
{
	struct saml_seen *seen = calloc(1, sizeof(*seen));

	if (!seen)
		return NULL;
	seen->capacity = ENTRIES_MIN;
	seen->entries_max = entries_max;
	seen->entries = calloc(seen->capacity, sizeof(*seen->entries));
	if (!seen->entries) {
		free(seen);
		return NULL;
	}
	pthread_mutex_init(&seen->lock, NULL);
	random_bytes(seen->secret, sizeof(seen->secret));
	return seen;
}

void saml_seen_free(struct saml_seen *seen)
{
	if (!seen)
		return;
	pthread_mutex_destroy(&seen->lock);
	free(seen->entries);
	free(seen);
}

/* The hash of texts, each with its length. */
static bool hash(const struct saml_seen *seen, const struct str *texts, size_t count, unsigned char out[32])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool good = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(digest, seen->secret, sizeof(seen->secret)) == 1;

	for (size_t i = 0; good && i < count; i++)
		good = EVP_DigestUpdate(digest, &texts[i].size, sizeof(texts[i].size)) == 1 &&
		       EVP_DigestUpdate(digest, texts[i].data ? texts[i].data : "", texts[i].size) == 1;
	good = good && EVP_DigestFinal_ex(digest, out, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return good;
}

/* The key's entry, or the free one where it belongs. */
static struct entry *entry_find(struct entry *entries, size_t capacity, const unsigned char key[KEY_SIZE])
{
	size_t at;

	memcpy(&at, key, sizeof(at));
	for (;; at++) {
		struct entry *entry = &entries[at & (capacity - 1)];

		if (entry->until_s == 0 || memcmp(entry->key, key, KEY_SIZE) == 0)
			return entry;
	}
}

/* A new table with what has not ended. False without memory: then nothing has changed. */
static bool rebuild(struct saml_seen *seen, size_t capacity, int64_t now_s)
{
	struct entry *entries = calloc(capacity, sizeof(*entries));
	size_t count = 0;

	if (!entries)
		return false;
	for (size_t i = 0; i < seen->capacity; i++) {
		if (seen->entries[i].until_s <= now_s)
			continue;
		*entry_find(entries, capacity, seen->entries[i].key) = seen->entries[i];
		count++;
	}
	free(seen->entries);
	seen->entries = entries;
	seen->capacity = capacity;
	seen->count = count;
	return true;
}

/* Room for two more. A table that stays full is swept once a second at most. */
static bool make_room(struct saml_seen *seen, int64_t now_s)
{
	if (seen->count + 2 <= seen->capacity / 2 && seen->count + 2 <= seen->entries_max)
		return true;
	if (seen->count + 2 <= seen->entries_max)
		return rebuild(seen, seen->capacity * 2, now_s);
	if (seen->swept_s == now_s)
		return false;
	seen->swept_s = now_s;
	return rebuild(seen, seen->capacity, now_s) && seen->count + 2 <= seen->entries_max;
}

static void entry_fill(struct saml_seen *seen, struct entry *entry, const unsigned char key[KEY_SIZE], uint64_t peer,
		       int64_t until_s)
{
	if (entry->until_s == 0)
		seen->count++;
	memcpy(entry->key, key, KEY_SIZE);
	entry->peer = peer;
	entry->until_s = until_s;
}

static enum saml_seen_end use_locked(struct saml_seen *seen, const struct saml_use *use,
				     const unsigned char *assertion_key, const unsigned char *message_key,
				     uint64_t peer, int64_t now_s)
{
	struct entry *assertion;
	struct entry *message;

	if (!make_room(seen, now_s))
		return SEEN_FULL;
	assertion = entry_find(seen->entries, seen->capacity, assertion_key);
	if (assertion->until_s > now_s) {
		if (assertion->peer != peer)
			return SEEN_STRANGER;
		if (use->one_time)
			return SEEN_REPLAYED;
	}
	entry_fill(seen, assertion, assertion_key, peer, use->until_s);
	message = entry_find(seen->entries, seen->capacity, message_key);
	if (message->until_s > now_s)
		return SEEN_REPLAYED;
	entry_fill(seen, message, message_key, 0, use->until_s);
	return SEEN_NEW;
}

enum saml_seen_end saml_seen_use(struct saml_seen *seen, const struct saml_use *use, int64_t now_s)
{
	const struct str assertion[] = { use->issuer, use->id };
	const struct str message[] = { use->issuer, use->id, use->message_id };
	unsigned char assertion_key[32];
	unsigned char message_key[32];
	unsigned char peer_key[32];
	uint64_t peer;
	enum saml_seen_end end;

	if (!hash(seen, assertion, COUNT_OF(assertion), assertion_key) ||
	    !hash(seen, message, COUNT_OF(message), message_key) || !hash(seen, &use->peer, 1, peer_key))
		return SEEN_FULL;
	memcpy(&peer, peer_key, sizeof(peer));
	pthread_mutex_lock(&seen->lock);
	end = use_locked(seen, use, assertion_key, message_key, peer, now_s);
	pthread_mutex_unlock(&seen->lock);
	return end;
}
