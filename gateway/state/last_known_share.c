#include "gateway/state/last_known_share.h"

#include "gateway/run/clock.h"
#include "gateway/run/log.h"

#define TIME_BYTES    8
#define PUT_BYTES_MAX ((size_t)4 * CACHE_VALUE_BYTES_MAX)
#define SECONDS_MAX   (UINT64_C(366) * 24 * 3600)
#define MS_PER_S      1000

bool last_known_answer_open(const struct vault *vault, const unsigned char hash[VAULT_NAME_BYTES], struct str sealed,
			    struct arena *arena, struct last_known_answer *answer)
{
	unsigned char *plain = arena_alloc(arena, sealed.size);
	uint64_t time;
	size_t size = 0;

	if (!plain)
		return false;
	if (vault_open(vault, (struct str) { (const char *)hash, VAULT_NAME_BYTES }, sealed, plain, &size) !=
		    VAULT_OPENED ||
	    size < TIME_BYTES) {
		LOG(WARN, LOG_CACHE_FOREIGN, NULL, LOG_C("class", "last known"));
		return false;
	}
	memcpy(&time, plain, TIME_BYTES);
	*answer = (struct last_known_answer) { .is_there = true,
					       .at_s = (int64_t)__builtin_bswap64(time),
					       .value = { (const char *)plain + TIME_BYTES, size - TIME_BYTES } };
	return true;
}

const struct last_known_answer *last_known_answer_choose(const struct last_known_answer *own,
							 const struct last_known_answer *shared)
{
	int64_t newer_s;

	if (!own->is_there || !shared->is_there)
		return own->is_there ? own : shared->is_there ? shared : NULL;
	newer_s = own->at_s - shared->at_s;
	if (!str_equal(own->value, shared->value) && newer_s <= LAST_KNOWN_CLOCKS_S && newer_s >= -LAST_KNOWN_CLOCKS_S)
		return NULL;
	return newer_s >= 0 ? own : shared;
}

static struct cache_name name_of(const struct last_known_share *share, const struct str *part)
{
	return (struct cache_name) { .tenant = share->tenant, .kind = "last-known", .parts = part, .part_count = 1 };
}

void last_known_shared_get(const struct last_known_share *share, const unsigned char hash[VAULT_NAME_BYTES],
			   struct arena *arena, struct last_known_answer *answer)
{
	const struct str part = { (const char *)hash, VAULT_NAME_BYTES };
	const struct cache_name name = name_of(share, &part);
	struct str sealed;

	*answer = (struct last_known_answer) { 0 };
	if (share->cache && cache_get(share->cache, &name, arena, &sealed) == CACHE_HIT &&
	    !last_known_answer_open(share->vault, hash, sealed, arena, answer))
		*answer = (struct last_known_answer) { 0 };
}

/* One from the future is not newer: it would keep all others away until then. */
static bool is_outdated(const struct last_known_share *share, const unsigned char hash[VAULT_NAME_BYTES],
			struct str sealed, struct arena *arena)
{
	struct last_known_answer present;
	struct last_known_answer answer;

	if (!last_known_answer_open(share->vault, hash, sealed, arena, &answer))
		return true;
	if (answer.value.size == 0)
		return false;
	last_known_shared_get(share, hash, arena, &present);
	return present.is_there && present.at_s <= clock_wall_ms() / MS_PER_S + LAST_KNOWN_CLOCKS_S &&
	       (present.at_s > answer.at_s || (present.at_s == answer.at_s && present.value.size == 0));
}

void last_known_shared_put(const struct last_known_share *share, const unsigned char hash[VAULT_NAME_BYTES],
			   struct str sealed, uint64_t ttl_s)
{
	const struct str part = { (const char *)hash, VAULT_NAME_BYTES };
	const struct cache_name name = name_of(share, &part);
	struct arena *arena;

	if (!share->cache)
		return;
	arena = arena_new(PUT_BYTES_MAX);
	if (sealed.size > CACHE_VALUE_BYTES_MAX)
		cache_drop(share->cache, &name); /* an older one would be wrong */
	else if (arena && !is_outdated(share, hash, sealed, arena))
		cache_put(share->cache, &name, sealed, (ttl_s < SECONDS_MAX ? ttl_s : SECONDS_MAX) * MS_PER_S);
	arena_free(arena);
}

void last_known_shared_drop(const struct last_known_share *share, const unsigned char hash[VAULT_NAME_BYTES])
{
	const struct str part = { (const char *)hash, VAULT_NAME_BYTES };
	const struct cache_name name = name_of(share, &part);

	if (share->cache)
		cache_drop(share->cache, &name);
}
