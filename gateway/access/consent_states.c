#include "gateway/access/consent_states.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/run/clock.h"

#define BUCKET_COUNT 16384 /* a power of two */
#define ASKS_MAX     8     /* that one call may see fail to become a lease */

struct entry {
	struct entry *next;  /* in its bucket */
	struct entry *newer; /* in the order of use */
	struct entry *older;
	uint64_t version;
	char *set; /* NULL: nothing is known */
	size_t set_size;
	uint64_t asked_us; /* of the last answer */
	uint64_t kept_us;
	uint64_t until_us; /* end of the lease */
	uint64_t floor;    /* versions below are outdated */
	uint64_t outdated_count;
	bool is_outdated; /* what is known is not true any more */
	bool is_asking;
	unsigned user_count; /* asking or waiting: it must stay */
	uint64_t ask_count;  /* those that have ended */
	uint64_t failed_ask; /* number of the last one that failed */
	size_t patient_size;
	char patient_id[];
};

struct consent_states {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t asked;
	size_t patients_max;
	size_t bytes_max;
	size_t patient_count;
	size_t byte_count;
	struct entry *newest;
	struct entry *oldest;
	struct entry *buckets[BUCKET_COUNT];
};

struct consent_states *consent_states_new(size_t patients_max, size_t bytes_max)
{
	struct consent_states *states = calloc(1, sizeof(*states));
	pthread_condattr_t attributes;

	if (!states)
		return NULL;
	states->patients_max = patients_max;
	states->bytes_max = bytes_max;
	pthread_mutex_init(&states->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&states->asked, &attributes);
	pthread_condattr_destroy(&attributes);
	return states;
}

void consent_states_free(struct consent_states *states)
{
	struct entry *older;

	if (!states)
		return;
	for (struct entry *entry = states->newest; entry; entry = older) {
		older = entry->older;
		free(entry->set);
		free(entry);
	}
	pthread_cond_destroy(&states->asked);
	pthread_mutex_destroy(&states->lock);
	free(states);
}

/* FNV-1a. */
static struct entry **bucket_of(struct consent_states *states, struct str patient_id)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < patient_id.size; i++)
		hash = (hash ^ (unsigned char)patient_id.data[i]) * 16777619U;
	return &states->buckets[(hash ^ hash >> 16) & (BUCKET_COUNT - 1)];
}

static struct str patient_of(const struct entry *entry)
{
	return (struct str) { entry->patient_id, entry->patient_size };
}

static struct entry *entry_find(struct consent_states *states, struct str patient_id)
{
	struct entry *entry = *bucket_of(states, patient_id);

	while (entry && !str_equal(patient_of(entry), patient_id))
		entry = entry->next;
	return entry;
}

static void order_remove(struct consent_states *states, struct entry *entry)
{
	*(entry->newer ? &entry->newer->older : &states->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &states->oldest) = entry->newer;
}

static void order_first(struct consent_states *states, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = states->newest;
	*(states->newest ? &states->newest->newer : &states->oldest) = entry;
	states->newest = entry;
}

static void entry_remove(struct consent_states *states, struct entry *entry)
{
	struct entry **link = bucket_of(states, patient_of(entry));

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	order_remove(states, entry);
	states->patient_count--;
	states->byte_count -= entry->set_size;
	free(entry->set);
	free(entry);
}

/* Makes room; what is in use stays, so that for a moment there may be more than the bounds say, by one per thread. */
static void entries_trim(struct consent_states *states)
{
	struct entry *newer;

	for (struct entry *entry = states->oldest; entry; entry = newer) {
		if (states->patient_count <= states->patients_max && states->byte_count <= states->bytes_max)
			return;
		newer = entry->newer;
		if (entry->user_count == 0)
			entry_remove(states, entry);
	}
}

static struct entry *entry_use(struct consent_states *states, struct str patient_id)
{
	struct entry *entry = entry_find(states, patient_id);
	struct entry **bucket = bucket_of(states, patient_id);

	if (entry) {
		order_remove(states, entry);
		order_first(states, entry);
		return entry;
	}
	entry = calloc(1, sizeof(*entry) + patient_id.size);
	if (!entry)
		return NULL;
	entry->patient_size = patient_id.size;
	memcpy(entry->patient_id, patient_id.data, patient_id.size);
	entry->next = *bucket;
	*bucket = entry;
	order_first(states, entry);
	states->patient_count++;
	return entry;
}

static bool known_copy(const struct entry *entry, uint64_t now_us, struct arena *arena, struct consent_known *known)
{
	*known = (struct consent_known) { .version = entry->version,
					  .set = arena_copy(arena, (struct str) { entry->set, entry->set_size }),
					  .age_us = now_us - entry->asked_us };
	return known->set.data != NULL;
}

/* Waits for the ask that is under way. False when it takes too long or fails: who has waited for it shares its fate, or
 * a thousand of them would ask a source that is away one after the other. */
static bool ask_await(struct consent_states *states, struct entry *entry, struct deadline deadline)
{
	const struct timespec until = { .tv_sec = (time_t)(deadline.at_ms / 1000),
					.tv_nsec = (long)(deadline.at_ms % 1000) * 1000000 };
	uint64_t number = entry->ask_count + 1;

	while (entry->ask_count < number && !deadline_passed(deadline))
		pthread_cond_timedwait(&states->asked, &states->lock, &until);
	return entry->ask_count >= number && entry->failed_ask != number;
}

/* Keeps what was told. False without memory: then it is good for the asker only. */
static bool told_keep(struct consent_states *states, struct entry *entry, const struct consent_told *told)
{
	if (told->set.data) {
		char *set = malloc(told->set.size + 1);

		if (!set)
			return false;
		memcpy(set, told->set.data, told->set.size);
		states->byte_count += told->set.size - entry->set_size;
		free(entry->set);
		entry->set = set;
		entry->set_size = told->set.size;
	}
	entry->version = told->version;
	entry->asked_us = told->asked_us;
	entry->is_outdated = false;
	return true;
}

/* A call under way. */
struct getting {
	struct consent_states *states;
	struct entry *entry;
	struct arena *arena;
	const struct consent_asker *asker;
	struct consent_known *known;
};

/* Asks; called and left with the lock held. */
static enum consent_got entry_ask(struct getting *getting)
{
	struct consent_states *states = getting->states;
	struct entry *entry = getting->entry;
	struct consent_told told = { 0 };
	uint64_t outdated_count = entry->outdated_count;
	bool is_copied = true;
	bool is_told;

	*getting->known = (struct consent_known) { 0 };
	if (entry->set)
		is_copied = known_copy(entry, clock_monotonic_us(), getting->arena, getting->known);
	entry->is_asking = true;
	pthread_mutex_unlock(&states->lock);
	is_told = is_copied && getting->asker->ask(getting->asker->ctx, patient_of(entry), getting->known, &told);
	pthread_mutex_lock(&states->lock);
	entry->is_asking = false;
	entry->ask_count++;
	if (!is_told)
		entry->failed_ask = entry->ask_count;
	pthread_cond_broadcast(&states->asked);
	if (!is_told)
		return CONSENT_GOT_NOTHING;
	getting->known->version = told.version;
	getting->known->age_us = 0;
	if (told.set.data)
		getting->known->set = told.set;
	if (told.version < entry->floor || entry->outdated_count != outdated_count || !told_keep(states, entry, &told))
		return CONSENT_GOT;
	entry->until_us = told.asked_us + told.lease_us;
	if (getting->asker->keep && (told.set.data || told.asked_us - entry->kept_us >= getting->asker->keep_us)) {
		getting->asker->keep(getting->asker->ctx, patient_of(entry), getting->known->set);
		entry->kept_us = told.asked_us;
	}
	return CONSENT_GOT;
}

enum consent_got consent_states_get(struct consent_states *states, struct str patient_id, struct deadline deadline,
				    const struct consent_asker *asker, struct arena *arena, struct consent_known *known)
{
	struct getting getting = { .states = states, .arena = arena, .asker = asker, .known = known };
	enum consent_got got = CONSENT_GOT_NOTHING;
	struct entry *entry;

	pthread_mutex_lock(&states->lock);
	entry = entry_use(states, patient_id);
	getting.entry = entry;
	if (entry)
		entry->user_count++;
	for (int i = 0; entry && i < ASKS_MAX; i++) {
		uint64_t now_us = clock_monotonic_us();

		if (entry->set && now_us < entry->until_us) {
			got = known_copy(entry, now_us, arena, known) ? CONSENT_GOT : CONSENT_GOT_NOTHING;
			break;
		}
		if (!entry->is_asking) {
			got = entry_ask(&getting);
			break;
		}
		if (!ask_await(states, entry, deadline))
			break;
	}
	if (entry && got == CONSENT_GOT_NOTHING && entry->set && !entry->is_outdated &&
	    known_copy(entry, clock_monotonic_us(), arena, known))
		got = CONSENT_GOT_OLD;
	if (entry)
		entry->user_count--;
	entries_trim(states);
	pthread_mutex_unlock(&states->lock);
	return got;
}

void consent_states_outdate(struct consent_states *states, struct str patient_id, uint64_t version)
{
	struct entry *entry;

	pthread_mutex_lock(&states->lock);
	entry = entry_find(states, patient_id);
	if (entry) {
		if (version == 0)
			entry->outdated_count++;
		else if (version > entry->floor)
			entry->floor = version;
		if (version == 0 || entry->version < entry->floor) {
			entry->until_us = 0;
			entry->is_outdated = true;
		}
	}
	pthread_mutex_unlock(&states->lock);
}
