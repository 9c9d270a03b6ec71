#include "gateway/access/jwks.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/run/clock.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/south/json_fetch.h"

#define SET_BYTES_MAX ((size_t)256 * 1024)
#define FETCH_MS      3000
#define REFRESH_MS    600000u             /* 10 minutes, a fifth more or less */
#define KEEP_MS       (24u * 3600 * 1000) /* without an answer of the source */
#define MISS_MS       60000               /* between two readings because of a kid that nobody knows */
#define RETRY_MS      2000                /* without any keys */
#define WAITING_MAX   32
#define RETRY_KEPT_MS 60000 /* while old ones serve */

struct jwks {
	struct jwks_source source;
	pthread_mutex_t lock; /* of what follows; never held during I/O */
	pthread_cond_t read;  /* somebody has read the source */
	struct key_set *set;  /* NULL: none, or too old */
	uint64_t read_ms;     /* when set was read; all times monotonic */
	uint64_t refresh_ms;  /* from then on it is read again */
	uint64_t miss_ms;     /* from then on an unknown kid may have it read again */
	bool is_reading;
	bool has_failed; /* the last time that the source was read */
	unsigned waiting;
};

/* Under the lock. */
static void set_replace(struct jwks *jwks, struct key_set *set)
{
	uint64_t now = clock_monotonic_ms();

	jwks->has_failed = !set;
	if (set || (jwks->set && now - jwks->read_ms > KEEP_MS)) {
		key_set_drop(jwks->set);
		jwks->set = set;
		jwks->read_ms = now;
	}
	if (set)
		jwks->refresh_ms = now + REFRESH_MS * 4 / 5 + random_below(REFRESH_MS * 2 / 5);
	else
		jwks->refresh_ms = now + (jwks->set ? RETRY_KEPT_MS : RETRY_MS);
}

/* What the source gives now; NULL when it is away or gives no keys. */
static struct key_set *source_read(const struct jwks *jwks, const struct south *south)
{
	struct json_ask ask = { .url = jwks->source.url.data,
				.tls = { .ca_file = jwks->source.ca_file.data },
				.bytes_max = SET_BYTES_MAX,
				.time_ms = FETCH_MS };
	struct outcome reading;
	struct key_set *set;
	struct str text;
	bool got;

	outcome_init(&reading);
	got = jwks->source.url.size ? json_fetch(south, &ask, &text)
				    : file_read(jwks->source.path.data, SET_BYTES_MAX, south->arena, &text, &reading);
	set = got ? key_set_read(text) : NULL;
	LOG(INFO, LOG_KEYS_READ, south->request_id,
	    LOG_TEXT("source", jwks->source.url.size ? jwks->source.url : jwks->source.path),
	    LOG_NUMBER("good", set != NULL));
	return set;
}

/* Reads the source, or waits for who reads it already: as few as WAITING_MAX, so that a slow source costs few requests
 * their time. Under the lock, which is let go meanwhile. */
static void refresh(struct jwks *jwks, const struct south *south, bool wait)
{
	struct key_set *set;

	if (jwks->is_reading) {
		if (!wait || jwks->waiting == WAITING_MAX)
			return;
		jwks->waiting++;
		while (jwks->is_reading)
			pthread_cond_wait(&jwks->read, &jwks->lock);
		jwks->waiting--;
		return;
	}
	jwks->is_reading = true;
	pthread_mutex_unlock(&jwks->lock);
	set = source_read(jwks, south);
	pthread_mutex_lock(&jwks->lock);
	set_replace(jwks, set);
	jwks->is_reading = false;
	pthread_cond_broadcast(&jwks->read);
}

/* Verifies by the set as it is; under the lock, which is let go meanwhile. */
static enum key_end verify(struct jwks *jwks, const struct jwt *jwt)
{
	struct key_set *set = jwks->set ? key_set_hold(jwks->set) : NULL;
	enum key_end end;

	if (!set)
		return KEY_UNKNOWN;
	pthread_mutex_unlock(&jwks->lock);
	end = key_set_verify(set, jwt);
	key_set_drop(set);
	pthread_mutex_lock(&jwks->lock);
	return end;
}

/* True when reading the source (again) may make the kid known: it is being read, or its time has come. Taken: the next
 * one has to wait. */
static bool miss_take(struct jwks *jwks, bool take)
{
	uint64_t now = clock_monotonic_ms();

	if (jwks->source.fixed.size)
		return false;
	if (jwks->is_reading)
		return true;
	if (now < jwks->miss_ms)
		return false;
	if (take)
		jwks->miss_ms = now + MISS_MS;
	return true;
}

static enum jwks_end locked_verify(struct jwks *jwks, const struct jwt *jwt, const struct south *south)
{
	enum key_end end;

	if (clock_monotonic_ms() >= jwks->refresh_ms) {
		if (!south)
			return JWKS_LATER;
		/* Who has keys does not wait; nor does anybody for a source that was away a moment ago. */
		refresh(jwks, south, !jwks->set && !jwks->has_failed);
	}
	if (!jwks->set)
		return jwks->is_reading && !south ? JWKS_LATER : JWKS_AWAY;
	end = verify(jwks, jwt);
	if (end == KEY_UNKNOWN && miss_take(jwks, south != NULL)) {
		if (!south)
			return JWKS_LATER;
		refresh(jwks, south, true);
		end = verify(jwks, jwt);
	}
	return end == KEY_VERIFIED ? JWKS_VERIFIED : JWKS_WRONG;
}

enum jwks_end jwks_verify(struct jwks *jwks, const struct jwt *jwt, const struct south *south)
{
	enum jwks_end end;

	pthread_mutex_lock(&jwks->lock);
	end = locked_verify(jwks, jwt, south);
	pthread_mutex_unlock(&jwks->lock);
	return end;
}

static bool first_read(struct jwks *jwks, const char *path, struct outcome *outcome)
{
	struct arena *arena = arena_new(2 * SET_BYTES_MAX);
	struct key_set *set = NULL;
	struct str text = jwks->source.fixed;
	struct outcome reading;
	bool ok;

	outcome_init(&reading);
	ok = arena && (text.size || file_read(jwks->source.path.data, SET_BYTES_MAX, arena, &text, &reading));
	if (!ok) {
		outcome_add(outcome, ERR_VALUE_INVALID, path, "%s",
			    reading.count ? reading.issues[0].text : "Give the process more memory.");
	} else {
		set = key_set_read(text);
		if (set)
			set_replace(jwks, set);
		else
			ok = outcome_add(outcome, ERR_VALUE_INVALID, path,
					 "The file must be a JWK Set with at least one public key for signatures: RSA "
					 "of 2048 bits or more, or EC on P-256 or P-384.");
	}
	if (jwks->source.fixed.size)
		jwks->refresh_ms = UINT64_MAX;
	arena_free(arena);
	return ok;
}

struct jwks *jwks_open(const struct jwks_source *source, const char *path, struct outcome *outcome)
{
	struct jwks *jwks = calloc(1, sizeof(*jwks));

	if (!jwks) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
		return NULL;
	}
	jwks->source = *source;
	pthread_mutex_init(&jwks->lock, NULL);
	pthread_cond_init(&jwks->read, NULL);
	if (source->url.size || first_read(jwks, path, outcome))
		return jwks;
	jwks_close(jwks);
	return NULL;
}

void jwks_close(struct jwks *jwks)
{
	if (!jwks)
		return;
	key_set_drop(jwks->set);
	pthread_mutex_destroy(&jwks->lock);
	pthread_cond_destroy(&jwks->read);
	free(jwks);
}
