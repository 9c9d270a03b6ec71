#include "gateway/state/last_known.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "gateway/run/thread.h"
#include "gateway/state/database.h"
#include "gateway/state/last_known_share.h"

#define PATH_SIZE           4096
#define TIME_BYTES          8
#define WAITING_BYTES_MAX   (32u * 1024 * 1024) /* then a put forgets the name instead */
#define WAITING_MAX         65536               /* then nothing more is taken */
#define COLLECT_MS          200                 /* changes of this time share a commit */
#define SLOTS               1024
#define EVICTED_TOGETHER    "64"
#define READING_CONNECTIONS 4

#define SCHEMA                                                                                                \
	"CREATE TABLE last_known (name BLOB PRIMARY KEY, value BLOB NOT NULL, at_s INTEGER NOT NULL) STRICT;" \
	"CREATE INDEX last_known_age ON last_known(at_s);"

/* A change that is not on the disk yet. */
struct change {
	unsigned char name[VAULT_NAME_BYTES];
	int64_t at_s;
	uint64_t max_age_s;
	size_t size;
	bool is_drop;
	struct change *next;      /* in the order they came */
	struct change *same_slot; /* the newest of a name stands first */
	char value[];
};

struct changes {
	struct change *first;
	struct change **last;
	struct change *slots[SLOTS];
	size_t count;
	size_t bytes;
};

struct last_known {
	struct vault *vault;
	struct last_known_share share;
	struct database *database;
	_Atomic uint64_t bytes_max;
	int64_t found_s; /* the newest that was there at the start; 0: nothing */
	int lock_file;
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	pthread_cond_t written;
	struct changes *waiting;
	struct changes *writing; /* until they are on the disk; only read */
	uint64_t taken;          /* batches that the thread has begun and ended */
	uint64_t ended;
	struct outcome last; /* of the batch that ended last */
	bool hurry;
	bool stopping;
};

static unsigned slot_of(const unsigned char *name)
{
	return (unsigned)(name[0] << 8 | name[1]) % SLOTS;
}

static void changes_clear(struct changes *changes)
{
	while (changes->first) {
		struct change *next = changes->first->next;

		free(changes->first);
		changes->first = next;
	}
	*changes = (struct changes) { .last = &changes->first };
}

static struct changes *changes_new(void)
{
	struct changes *changes = calloc(1, sizeof *changes);

	if (changes)
		changes->last = &changes->first;
	return changes;
}

static const struct change *change_find(const struct changes *changes, const unsigned char *name)
{
	const struct change *change = changes->slots[slot_of(name)];

	while (change && memcmp(change->name, name, VAULT_NAME_BYTES) != 0)
		change = change->same_slot;
	return change;
}

/* Takes over change. With the lock held. */
static void change_add(struct last_known *known, struct change *change)
{
	struct changes *changes = known->waiting;
	struct change **slot = &changes->slots[slot_of(change->name)];

	change->same_slot = *slot;
	*slot = change;
	*changes->last = change;
	changes->last = &change->next;
	changes->count++;
	changes->bytes += change->size;
	if (changes->count == 1)
		pthread_cond_signal(&known->wake);
}

static bool change_run(struct connection *connection, const struct change *change, struct outcome *outcome)
{
	struct str name = { (const char *)change->name, VAULT_NAME_BYTES };
	struct statement *statement;

	if (!statement_prepare(connection,
			       change->is_drop ? "DELETE FROM last_known WHERE name = ?1"
					       : "INSERT INTO last_known(name, value, at_s) VALUES(?1, ?2, ?3) "
						 "ON CONFLICT(name) DO UPDATE SET value = ?2, at_s = ?3",
			       &statement, outcome))
		return false;
	statement_bind_blob(statement, 1, name);
	if (!change->is_drop) {
		statement_bind_blob(statement, 2, (struct str) { change->value, change->size });
		statement_bind_i64(statement, 3, change->at_s);
	}
	return statement_run(statement, outcome);
}

static int64_t ask_i64(struct connection *connection, const char *sql, struct outcome *outcome)
{
	struct statement *statement;
	int64_t value = -1;

	if (!statement_prepare(connection, sql, &statement, outcome))
		return -1;
	if (statement_step(statement, outcome) == STEP_ROW)
		value = statement_i64(statement, 0);
	statement_reset(statement);
	return value;
}

/* The file's pages in use are what is bounded: no sum to keep, and no row that could be forgotten in it. */
static bool make_room(const struct last_known *known, struct connection *connection, struct outcome *outcome)
{
	for (;;) {
		int64_t used = ask_i64(connection,
				       "SELECT (p.page_count - f.freelist_count) * s.page_size "
				       "FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s",
				       outcome);
		struct statement *statement;

		if (used < 0)
			return false;
		if ((uint64_t)used <= known->bytes_max ||
		    ask_i64(connection, "SELECT count(*) FROM (SELECT 1 FROM last_known LIMIT 1)", outcome) == 0)
			return true;
		if (!statement_prepare(connection,
				       "DELETE FROM last_known WHERE name IN (SELECT name FROM last_known ORDER BY "
				       "at_s LIMIT " EVICTED_TOGETHER ")",
				       &statement, outcome) ||
		    !statement_run(statement, outcome))
			return false;
	}
}

static bool batch_work(void *context, struct connection *connection, struct outcome *outcome)
{
	const struct last_known *known = context;

	for (const struct change *change = known->writing->first; change; change = change->next) {
		if (!change_run(connection, change, outcome))
			return false;
	}
	return make_room(known, connection, outcome);
}

/* The last of each name. */
static void batch_share(const struct last_known *known, const struct changes *changes)
{
	for (const struct change *change = changes->first; known->share.cache && change; change = change->next) {
		if (change_find(changes, change->name) != change)
			continue;
		if (change->is_drop)
			last_known_shared_drop(&known->share, change->name);
		else
			last_known_shared_put(&known->share, change->name, (struct str) { change->value, change->size },
					      change->max_age_s);
	}
}

/* With the lock held: until there is something to write, and then a moment longer for others to join. */
static void batch_wait(struct last_known *known)
{
	struct timespec until;
	int error = 0;

	while (!known->waiting->count && !known->stopping)
		pthread_cond_wait(&known->wake, &known->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += COLLECT_MS * 1000000L;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	while (!known->hurry && !known->stopping && error == 0)
		error = pthread_cond_timedwait(&known->wake, &known->lock, &until);
	known->hurry = false;
}

static void *writer_main(void *argument)
{
	struct last_known *known = argument;

	pthread_mutex_lock(&known->lock);
	for (;;) {
		batch_wait(known);
		if (!known->waiting->count)
			break;
		struct changes *changes = known->waiting;
		struct outcome outcome;

		known->waiting = known->writing;
		known->writing = changes;
		known->taken++;
		pthread_mutex_unlock(&known->lock);
		outcome_init(&outcome);
		if (!database_write(known->database, batch_work, known, &outcome))
			LOG(ERROR, LOG_STORAGE_ERROR, NULL, LOG_C("what", "last known answers"),
			    LOG_NUMBER("lost", changes->count), LOG_C("text", outcome.issues[0].text));
		batch_share(known, changes);
		pthread_mutex_lock(&known->lock);
		changes_clear(changes);
		known->ended = known->taken;
		known->last = outcome;
		pthread_cond_broadcast(&known->written);
	}
	pthread_mutex_unlock(&known->lock);
	return NULL;
}

/* By what is there and not by the clock, which may have been set back since. */
static bool found_read(void *context, struct connection *connection, struct outcome *outcome)
{
	int64_t *found_s = context;

	*found_s = ask_i64(connection, "SELECT coalesce(max(at_s), 0) FROM last_known", outcome);
	return *found_s >= 0;
}

static bool directory_take(struct last_known *known, const char *directory, struct outcome *outcome)
{
	char path[PATH_SIZE];

	if (!file_make_directory(directory, outcome))
		return false;
	snprintf(path, sizeof path, "%s/last_known.lock", directory);
	return file_lock(path, &known->lock_file, outcome);
}

static struct last_known *known_new(void)
{
	struct last_known *known = calloc(1, sizeof *known);
	pthread_condattr_t attributes;

	if (!known)
		return NULL;
	known->lock_file = -1;
	pthread_mutex_init(&known->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&known->wake, &attributes);
	pthread_cond_init(&known->written, &attributes);
	pthread_condattr_destroy(&attributes);
	outcome_init(&known->last);
	known->waiting = changes_new();
	known->writing = changes_new();
	if (known->waiting && known->writing)
		return known;
	last_known_close(known);
	return NULL;
}

bool last_known_open(const struct config *config, struct cache *shared, struct last_known **last_known,
		     struct outcome *outcome)
{
	char path[PATH_SIZE];
	struct database_options options = {
		.path = path, .schema = SCHEMA, .version = 1, .readers_max = READING_CONNECTIONS
	};

	*last_known = NULL;
	if (config->state_directory.size == 0)
		return true;
	struct last_known *known = known_new();

	if (!known)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	known->bytes_max = config->last_known_bytes;
	known->vault = vault_from_config(config, "last known", outcome);
	known->share = (struct last_known_share) { .cache = shared, .tenant = config->tenant, .vault = known->vault };
	snprintf(path, sizeof path, "%s/last_known.db", config->state_directory.data);
	if (!known->vault || !directory_take(known, config->state_directory.data, outcome) ||
	    !database_open(&options, &known->database, outcome) ||
	    !database_read(known->database, found_read, &known->found_s, outcome))
		goto failed;
	if (!thread_start(&known->thread, writer_main, known)) {
		outcome_add(outcome, ERR_NO_MEMORY, "", "Raise the limit of threads.");
		goto failed;
	}
	known->has_thread = true;
	*last_known = known;
	return true;
failed:
	last_known_close(known);
	return false;
}

void last_known_bound(struct last_known *known, uint64_t bytes_max)
{
	atomic_store(&known->bytes_max, bytes_max);
}

void last_known_close(struct last_known *known)
{
	if (!known)
		return;
	if (known->has_thread) {
		pthread_mutex_lock(&known->lock);
		known->stopping = true;
		pthread_cond_signal(&known->wake);
		pthread_mutex_unlock(&known->lock);
		pthread_join(known->thread, NULL);
	}
	database_close(known->database);
	if (known->lock_file >= 0)
		close(known->lock_file);
	if (known->waiting)
		changes_clear(known->waiting);
	free(known->waiting);
	free(known->writing);
	vault_free(known->vault);
	pthread_cond_destroy(&known->written);
	pthread_cond_destroy(&known->wake);
	pthread_mutex_destroy(&known->lock);
	free(known);
}

static bool name_make(const struct last_known *known, const struct cache_name *name, size_t key,
		      unsigned char hash[VAULT_NAME_BYTES])
{
	struct str parts[CACHE_PARTS_MAX + 2] = { name->tenant, str_from_c(name->kind) };

	if (name->part_count > CACHE_PARTS_MAX)
		return false;
	for (size_t i = 0; i < name->part_count; i++)
		parts[i + 2] = name->parts[i];
	return vault_name(known->vault, key, parts, name->part_count + 2, hash);
}

/* Time and value, sealed for this name. NULL without memory. */
static struct change *change_new(const struct last_known *known, const unsigned char hash[VAULT_NAME_BYTES],
				 const struct str *value, int64_t at_s, uint64_t max_age_s)
{
	size_t size = value ? TIME_BYTES + value->size : 0;
	struct change *change = calloc(1, sizeof *change + size + VAULT_OVERHEAD);
	char *plain = malloc(size + 1);
	uint64_t time = __builtin_bswap64((uint64_t)at_s);
	bool ok = change && plain;

	if (ok) {
		memcpy(change->name, hash, VAULT_NAME_BYTES);
		change->at_s = at_s;
		change->max_age_s = max_age_s;
		change->is_drop = !value;
	}
	if (ok && value) {
		memcpy(plain, &time, TIME_BYTES);
		if (value->size)
			memcpy(plain + TIME_BYTES, value->data, value->size);
		change->size = size + VAULT_OVERHEAD;
		ok = vault_seal(known->vault, (struct str) { (const char *)hash, VAULT_NAME_BYTES },
				(struct str) { plain, size }, (unsigned char *)change->value);
	}
	free(plain);
	if (ok)
		return change;
	free(change);
	return NULL;
}

/* value NULL: forget it. What cannot be kept is at least forgotten: an older answer would be wrong. */
static void change(struct last_known *known, const struct cache_name *name, const struct str *value, int64_t now_s,
		   uint64_t max_age_s)
{
	for (size_t key = vault_key_count(known->vault); key-- > 0;) {
		unsigned char hash[VAULT_NAME_BYTES];

		if (!name_make(known, name, key, hash))
			return;
		/* Only the first key's name holds a value; those of other keys are forgotten. */
		struct change *new = change_new(known, hash, key == 0 ? value : NULL, now_s, max_age_s);

		pthread_mutex_lock(&known->lock);
		bool full = known->waiting->count >= WAITING_MAX;

		if (new && !new->is_drop && known->waiting->bytes + new->size > WAITING_BYTES_MAX) {
			new->is_drop = true;
			new->size = 0;
		}
		if (new && !full)
			change_add(known, new);
		pthread_mutex_unlock(&known->lock);
		if (full)
			free(new);
	}
}

/* Where others may still say what was true, that it is not is an answer too. */
static void forget(struct last_known *known, const struct cache_name *name, int64_t now_s, uint64_t max_age_s)
{
	const struct str nothing = STR("");

	change(known, name, known->share.cache ? &nothing : NULL, now_s, max_age_s);
}

void last_known_put(struct last_known *known, const struct cache_name *name, struct str value, int64_t now_s,
		    uint64_t max_age_s)
{
	if (!known)
		return;
	if (value.size == 0 || value.size > LAST_KNOWN_VALUE_BYTES_MAX)
		forget(known, name, now_s, max_age_s);
	else
		change(known, name, &value, now_s, max_age_s);
}

void last_known_drop(struct last_known *known, const struct cache_name *name, uint64_t max_age_s)
{
	if (known)
		forget(known, name, clock_wall_ms() / 1000, max_age_s);
}

struct reading {
	struct str name;
	struct arena *arena;
	struct str value; /* STR_NONE: there is none */
};

static bool read_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct reading *reading = context;
	struct statement *statement;

	if (!statement_prepare(connection, "SELECT value FROM last_known WHERE name = ?", &statement, outcome))
		return false;
	statement_bind_blob(statement, 1, reading->name);
	enum step step = statement_step(statement, outcome);

	if (step == STEP_ROW)
		reading->value = arena_copy(reading->arena, statement_text(statement, 0));
	return step != STEP_FAILED;
}

/* What the name holds, also when that is not on the disk yet. */
static struct str sealed_find(struct last_known *known, const unsigned char hash[VAULT_NAME_BYTES], struct arena *arena)
{
	struct reading reading = { { (const char *)hash, VAULT_NAME_BYTES }, arena, STR_NONE };
	struct outcome outcome;

	pthread_mutex_lock(&known->lock);
	const struct change *change = change_find(known->waiting, hash);

	if (!change)
		change = change_find(known->writing, hash);
	if (change && !change->is_drop)
		reading.value = arena_copy(arena, (struct str) { change->value, change->size });
	pthread_mutex_unlock(&known->lock);
	outcome_init(&outcome);
	if (!change && !database_read(known->database, read_work, &reading, &outcome)) {
		LOG(ERROR, LOG_STORAGE_ERROR, NULL, LOG_C("what", "last known answers"),
		    LOG_C("text", outcome.issues[0].text));
		return STR_NONE;
	}
	return reading.value;
}

/* What the disk says, and what Redis does; under the first key that has it. */
static bool answers_find(struct last_known *known, const struct cache_name *name, struct arena *arena,
			 struct last_known_answer *own, struct last_known_answer *shared)
{
	for (size_t key = 0; key < vault_key_count(known->vault) && !(own->is_there && shared->is_there); key++) {
		unsigned char hash[VAULT_NAME_BYTES];

		if (!name_make(known, name, key, hash))
			return false;
		if (!own->is_there) {
			struct str sealed = sealed_find(known, hash, arena);

			if (sealed.data && !last_known_answer_open(known->vault, hash, sealed, arena, own))
				*own = (struct last_known_answer) { 0 };
		}
		if (!shared->is_there)
			last_known_shared_get(&known->share, hash, arena, shared);
	}
	return true;
}

static bool answer_take(const struct last_known_answer *own, const struct last_known_answer *shared, int64_t now_s,
			uint64_t max_age_s, struct str *value, uint64_t *age_s)
{
	const struct last_known_answer *answer = last_known_answer_choose(own, shared);
	int64_t age;

	if (!answer || answer->value.size == 0)
		return false;
	age = now_s - answer->at_s;
	if (age < -LAST_KNOWN_CLOCKS_S || (age > 0 && (uint64_t)age > max_age_s))
		return false;
	*age_s = age > 0 ? (uint64_t)age : 0;
	*value = answer->value;
	return true;
}

bool last_known_get(struct last_known *known, const struct cache_name *name, int64_t now_s, uint64_t max_age_s,
		    struct arena *arena, struct str *value, uint64_t *age_s)
{
	struct last_known_answer own = { 0 };
	struct last_known_answer shared = { 0 };

	return known && answers_find(known, name, arena, &own, &shared) &&
	       answer_take(&own, &shared, now_s, max_age_s, value, age_s);
}

bool last_known_get_permit(struct last_known *known, const struct cache_name *name, int64_t now_s, uint64_t max_age_s,
			   struct arena *arena, struct str *value, uint64_t *age_s)
{
	struct last_known_answer own = { 0 };
	struct last_known_answer shared = { 0 };

	return known && answers_find(known, name, arena, &own, &shared) &&
	       (!known->share.cache || shared.is_there || own.at_s > known->found_s) &&
	       answer_take(&own, &shared, now_s, max_age_s, value, age_s);
}

bool last_known_flush(struct last_known *known, struct outcome *outcome)
{
	if (!known)
		return true;
	pthread_mutex_lock(&known->lock);
	/* The batch under way, and one more when something waits. */
	uint64_t until = known->taken + (known->waiting->count ? 1 : 0);

	known->hurry = true;
	pthread_cond_signal(&known->wake);
	while (known->ended < until)
		pthread_cond_wait(&known->written, &known->lock);
	bool ok = !known->last.has_error;

	if (!ok)
		outcome_add(outcome, known->last.issues[0].code, "", "%s", known->last.issues[0].text);
	pthread_mutex_unlock(&known->lock);
	return ok;
}
