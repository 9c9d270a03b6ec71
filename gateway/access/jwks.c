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
#define RETRY_KEPT_MS 60000               /* while old ones serve */

struct jwks {
	struct jwks_source source;
	pthread_mutex_t lock;     /* of what follows; never held during I/O */
	pthread_mutex_t fetching; /* held by the one who reads the source */
	struct key_set *set;      /* NULL: none, or too old */
	uint64_t read_ms;         /* when set was read; all times monotonic */
	uint64_t refresh_ms;      /* from then on it is read again */
	uint64_t miss_ms;         /* from then on an unknown kid may have it read again */
};

static void set_replace(struct jwks *jwks, struct key_set *set)
{
	uint64_t now = clock_monotonic_ms();
	struct key_set *old = NULL;

	pthread_mutex_lock(&jwks->lock);
	if (set) {
		old = jwks->set;
		jwks->set = set;
		jwks->read_ms = now;
		jwks->refresh_ms = now + REFRESH_MS * 4 / 5 + random_below(REFRESH_MS * 2 / 5);
	} else {
		if (jwks->set && now - jwks->read_ms > KEEP_MS) {
			old = jwks->set;
			jwks->set = NULL;
		}
		jwks->refresh_ms = now + (jwks->set ? RETRY_KEPT_MS : RETRY_MS);
	}
	pthread_mutex_unlock(&jwks->lock);
	key_set_drop(old);
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

/* The set as it is now, held; NULL for none. due: it should be read (again) first. */
static struct key_set *set_take(struct jwks *jwks, bool *due)
{
	struct key_set *set;

	pthread_mutex_lock(&jwks->lock);
	set = jwks->set ? key_set_hold(jwks->set) : NULL;
	*due = clock_monotonic_ms() >= jwks->refresh_ms;
	pthread_mutex_unlock(&jwks->lock);
	return set;
}

/* Reads the source when nobody else does; with wait also after somebody else did, unless that was enough. */
static void refresh(struct jwks *jwks, const struct south *south, bool wait)
{
	struct key_set *set;
	bool due;

	if (wait)
		pthread_mutex_lock(&jwks->fetching);
	else if (pthread_mutex_trylock(&jwks->fetching) != 0)
		return;
	set = set_take(jwks, &due);
	if (due)
		set_replace(jwks, source_read(jwks, south));
	key_set_drop(set);
	pthread_mutex_unlock(&jwks->fetching);
}

/* True for the one who may have the source read because of an unknown kid. */
static bool miss_take(struct jwks *jwks, bool really)
{
	uint64_t now = clock_monotonic_ms();
	bool may;

	pthread_mutex_lock(&jwks->lock);
	may = !jwks->source.fixed.size && now >= jwks->miss_ms;
	if (may && really) {
		jwks->miss_ms = now + MISS_MS;
		jwks->refresh_ms = now;
	}
	pthread_mutex_unlock(&jwks->lock);
	return may;
}

static enum jwks_end verify_once(struct jwks *jwks, const struct jwt *jwt, bool *is_unknown)
{
	bool due;
	struct key_set *set = set_take(jwks, &due);
	enum key_end end = set ? key_set_verify(set, jwt) : KEY_UNKNOWN;

	*is_unknown = set && end == KEY_UNKNOWN;
	key_set_drop(set);
	if (!set)
		return JWKS_AWAY;
	return end == KEY_VERIFIED ? JWKS_VERIFIED : JWKS_WRONG;
}

enum jwks_end jwks_verify(struct jwks *jwks, const struct jwt *jwt, const struct south *south)
{
	bool due;
	bool is_unknown;
	struct key_set *set = set_take(jwks, &due);
	bool has_set = set != NULL;
	enum jwks_end end;

	key_set_drop(set);
	if (due && !south)
		return JWKS_LATER;
	if (due)
		refresh(jwks, south, !has_set);
	end = verify_once(jwks, jwt, &is_unknown);
	if (!is_unknown || !miss_take(jwks, south != NULL))
		return end;
	if (!south)
		return JWKS_LATER;
	refresh(jwks, south, true);
	return verify_once(jwks, jwt, &is_unknown);
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
					 "of "
					 "2048 bits or more, or EC on P-256 or P-384.");
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
	pthread_mutex_init(&jwks->fetching, NULL);
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
	pthread_mutex_destroy(&jwks->fetching);
	free(jwks);
}
