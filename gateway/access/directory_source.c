#include "gateway/access/directory_source.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/access/consent_states.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/thread.h"
#include "gateway/state/cache.h"
#include "mappers/base/hex.h"
#include "mappers/json_tree.h"

#define PATIENTS_MAX    20000
#define SETS_BYTES_MAX  ((size_t)64 * 1024 * 1024)
#define SET_BYTES_MAX   ((size_t)4 * 1024 * 1024) /* of one patient, compiled */
#define ASK_MS          2000
#define SHARED_MS       600000 /* a set in the cache; its name holds the version, so it may be old but not wrong */
#define RETURN_MS       2000
#define RETURNS_MAX     4096 /* waiting; what is lost runs out by itself */
#define RETURN_BATCH    100
#define RETURN_BYTES    ((size_t)1024 * 1024)
#define GATEWAY_BYTES   16
#define AGE_PARTS       4 /* what is known is written down anew after this part of the age that it may have */
#define BELL_BYTES_MAX  CACHE_BELL_BYTES_MAX
#define US_PER_MS       1000
#define VERSION_UNKNOWN 0

/* A lease to give back. */
struct give {
	struct give *next;
	uint64_t version;
	size_t patient_size;
	char patient_id[];
};

struct directory_source {
	struct directory_source_options options;
	struct consent_client *client;
	struct consent_states *states;
	char gateway[2 * GATEWAY_BYTES + 1];
	pthread_t returner;
	bool is_returning;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct give *first;
	struct give **end;
	size_t give_count;
	bool is_stopping;
};

/* One question on its way to the directory. */
struct asking {
	struct directory_source *directory;
	const struct south *south;
	int64_t asked_s; /* wall clock, of what was told */
};

static uint64_t max_age_us(const struct directory_source *directory)
{
	return directory->options.config->consent_max_age_seconds * 1000 * US_PER_MS;
}

/* parts must live as long as the name. */
static struct cache_name last_known_name(const struct directory_source *directory, const struct str *patient_id)
{
	return (struct cache_name) {
		.tenant = directory->options.config->tenant, .kind = "consents", .parts = patient_id, .part_count = 1
	};
}

/* The Consents as an array of trees, in the arena. NULL without memory, or when one is no JSON object: a directory whose
 * answer is broken has not answered. */
static json_t *records_parse(const struct consent_records *records, struct arena *arena)
{
	json_t *list = json_array();

	if (!json_tree_keep(arena, list))
		return NULL;
	for (size_t i = 0; i < records->count; i++) {
		const struct consent_record *record = &records->items[i];
		json_t *tree = json_loadb(record->resource.data, record->resource.size, JSON_REJECT_DUPLICATES, NULL);

		if (!json_is_object(tree) ||
		    json_object_set_new(tree, "id", json_stringn(record->id.data, record->id.size)) != 0) {
			json_decref(tree);
			return NULL;
		}
		if (json_array_append_new(list, tree) != 0)
			return NULL;
	}
	return list;
}

/* Compiles what the directory said, into bytes of the arena. */
static bool set_compile(const struct asking *asking, const struct consent_records *records, struct str *bytes)
{
	const struct config *config = asking->directory->options.config;
	struct arena *arena = asking->south->arena;
	const json_t *list = records_parse(records, arena);
	const struct consent_set *set;
	struct outcome outcome;
	struct buf text;

	outcome_init(&outcome);
	if (!list || !consent_set_read(list, config->default_timezone, arena, &set, &outcome))
		return false;
	buf_init(&text, SET_BYTES_MAX);
	consent_set_write(set, &text);
	*bytes = text.failed ? STR_NONE : arena_copy(arena, buf_str(&text));
	buf_free(&text);
	return bytes->data != NULL;
}

/* The set of this version: from the cache that all gateways share, or compiled from what the directory has. The lease may
 * become another one on the way. */
static bool set_find(struct asking *asking, struct str patient_id, struct consent_state *state,
		     struct consent_told *told)
{
	const struct directory_source_options *options = &asking->directory->options;
	struct arena *arena = asking->south->arena;
	const struct str parts[] = { patient_id, arena_printf(arena, "%llu", (unsigned long long)state->version),
				     arena_printf(arena, "%d", options->config->default_timezone) };
	const struct cache_name name = { options->config->tenant, "consents", parts, COUNT_OF(parts) };
	const struct consent_set *set;
	uint64_t version = state->version;
	struct outcome outcome;

	if (!parts[1].data || !parts[2].data)
		return false;
	if (cache_get(options->cache, &name, arena, &told->set) == CACHE_HIT &&
	    consent_set_open(told->set, arena, &set))
		return true;
	outcome_init(&outcome);
	told->asked_us = clock_monotonic_us();
	asking->asked_s = clock_wall_ms() / 1000;
	if (!directory_state(asking->directory->client, asking->south, patient_id, CONSENT_VERSION_NONE, true, state,
			     &outcome) ||
	    !state->has_consents || !set_compile(asking, &state->consents, &told->set))
		return false;
	if (state->version == version)
		cache_put(options->cache, &name, told->set, SHARED_MS);
	return true;
}

/* Writes down what is known, for the time when the directory cannot be asked. */
static void set_keep(void *ctx, struct str patient_id, struct str set)
{
	const struct asking *asking = ctx;
	struct cache_name name = last_known_name(asking->directory, &patient_id);

	last_known_put(asking->directory->options.last_known, &name, set, asking->asked_s,
		       asking->directory->options.config->consent_max_age_seconds);
}

static bool directory_ask(void *ctx, struct str patient_id, const struct consent_known *known,
			  struct consent_told *told)
{
	struct asking *asking = ctx;
	struct consent_state state;
	struct outcome outcome;

	outcome_init(&outcome);
	told->asked_us = clock_monotonic_us();
	asking->asked_s = clock_wall_ms() / 1000;
	told->set = STR_NONE;
	if (!directory_state(asking->directory->client, asking->south, patient_id, CONSENT_VERSION_NONE, false, &state,
			     &outcome))
		return false;
	if ((!known->set.data || known->version != state.version) && !set_find(asking, patient_id, &state, told))
		return false;
	told->version = state.version;
	told->lease_us = state.lease_ms * US_PER_MS;
	return true;
}

/* What the directory said last, if that is not too long ago. */
static bool set_remembered(const struct directory_source *directory, struct str patient_id, enum consent_got got,
			   struct arena *arena, struct consent_known *known)
{
	struct cache_name name = last_known_name(directory, &patient_id);
	uint64_t age_s = 0;
	bool found;

	if (got == CONSENT_GOT_OLD)
		found = known->age_us <= max_age_us(directory);
	else
		found = last_known_get_permit(directory->options.last_known, &name, clock_wall_ms() / 1000,
					      directory->options.config->consent_max_age_seconds, arena, &known->set,
					      &age_s);
	if (found)
		LOG(WARN, LOG_CONSENT, NULL, LOG_C("what", "decided by the last known Consents"),
		    LOG_NUMBER("age_s", got == CONSENT_GOT_OLD ? known->age_us / (1000 * US_PER_MS) : age_s));
	return found;
}

static void source_ask(void *ctx, const struct consent_question *question, struct consent_answer *answer)
{
	struct directory_source *directory = ctx;
	struct asking asking = { .directory = directory, .south = question->south };
	uint64_t max_us = max_age_us(directory);
	const struct consent_asker asker = { .ctx = &asking,
					     .ask = directory_ask,
					     .keep = max_us > 0 ? set_keep : NULL,
					     .keep_us = max_us / AGE_PARTS };
	struct str patient_id = question->request.patient_id;
	struct arena *arena = question->south->arena;
	const struct consent_set *set;
	struct consent_known known;
	enum consent_got got;

	*answer = (struct consent_answer) { .extent = CONSENT_NO_DOCUMENT, .decision.reason = CONSENT_UNAVAILABLE };
	got = consent_states_get(directory->states, patient_id, question->south->deadline, &asker, arena, &known);
	if (got != CONSENT_GOT && (max_us == 0 || !set_remembered(directory, patient_id, got, arena, &known)))
		return;
	if (!consent_set_open(known.set, arena, &set))
		return;
	answer->state = set;
	answer->extent = consent_extent(set, directory->options.policy, &question->request, &answer->decision);
}

static void source_decide(void *ctx, const struct consent_question *question, const struct consent_answer *answer,
			  const struct document_entry *entry, struct consent_decision *decision)
{
	const struct directory_source *directory = ctx;

	consent_decide(answer->state, directory->options.policy, &question->request, entry, decision);
}

static struct give *give_take(struct directory_source *directory)
{
	struct give *give = directory->first;

	if (!give)
		return NULL;
	directory->first = give->next;
	if (!directory->first)
		directory->end = &directory->first;
	directory->give_count--;
	return give;
}

/* Returns up to RETURN_BATCH leases; best effort. */
static void gives_send(struct directory_source *directory, struct give *const *gives, size_t count)
{
	struct arena *arena = arena_new(RETURN_BYTES);
	const struct south south = { .arena = arena, .deadline = deadline_in(RETURN_MS) };
	struct consent_return returns[RETURN_BATCH];
	struct outcome outcome;

	outcome_init(&outcome);
	for (size_t i = 0; i < count; i++)
		returns[i] =
			(struct consent_return) { { gives[i]->patient_id, gives[i]->patient_size }, gives[i]->version };
	if (arena && !directory_return(directory->client, &south, returns, count, &outcome))
		LOG(INFO, LOG_CONSENT, NULL, LOG_C("what", "leases not returned; they run out"),
		    LOG_NUMBER("leases", count));
	arena_free(arena);
}

static void *return_run(void *ctx)
{
	struct directory_source *directory = ctx;
	struct give *gives[RETURN_BATCH];

	pthread_mutex_lock(&directory->lock);
	while (!directory->is_stopping) {
		size_t count = 0;

		while (count < RETURN_BATCH && directory->first)
			gives[count++] = give_take(directory);
		if (count == 0) {
			pthread_cond_wait(&directory->wake, &directory->lock);
			continue;
		}
		pthread_mutex_unlock(&directory->lock);
		gives_send(directory, gives, count);
		for (size_t i = 0; i < count; i++)
			free(gives[i]);
		pthread_mutex_lock(&directory->lock);
	}
	pthread_mutex_unlock(&directory->lock);
	return NULL;
}

static void give_add(struct directory_source *directory, struct str patient_id, uint64_t version)
{
	struct give *give = calloc(1, sizeof(*give) + patient_id.size);

	if (!give)
		return;
	give->version = version;
	give->patient_size = patient_id.size;
	memcpy(give->patient_id, patient_id.data, patient_id.size);
	pthread_mutex_lock(&directory->lock);
	if (directory->give_count < RETURNS_MAX) {
		*directory->end = give;
		directory->end = &give->next;
		directory->give_count++;
		give = NULL;
		pthread_cond_signal(&directory->wake);
	}
	pthread_mutex_unlock(&directory->lock);
	free(give);
}

/* A newer version is there, or may be: nothing older is used from now on. */
static void patient_outdate(struct directory_source *directory, struct str patient_id, uint64_t version)
{
	struct cache_name name = last_known_name(directory, &patient_id);

	consent_states_outdate(directory->states, patient_id, version);
	if (max_age_us(directory) > 0)
		last_known_drop(directory->options.last_known, &name,
				directory->options.config->consent_max_age_seconds);
}

/* "consent", version, gateway that rings, tenant, patient; each on its line. */
static void ring(struct directory_source *directory, struct str patient_id, uint64_t version)
{
	struct buf message;

	buf_init(&message, BELL_BYTES_MAX);
	buf_printf(&message, "consent\n%llu\n%s\n%.*s\n%.*s", (unsigned long long)version, directory->gateway,
		   STR_ARG(directory->options.config->tenant), STR_ARG(patient_id));
	if (!message.failed)
		cache_ring(directory->options.cache, buf_str(&message));
	buf_free(&message);
}

static void on_bell(void *ctx, struct str message)
{
	struct directory_source *directory = ctx;
	struct str parts[4];
	uint64_t version;

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (!str_next(&message, '\n', &parts[i]))
			return;
	}
	if (!str_equal(parts[0], STR("consent")) || !str_to_u64(parts[1], &version) ||
	    str_equal(parts[2], str_from_c(directory->gateway)) ||
	    !str_equal(parts[3], directory->options.config->tenant))
		return;
	patient_outdate(directory, message, version);
	if (version != VERSION_UNKNOWN)
		give_add(directory, message, version);
}

/* Leases on what was before the write was answered have run out then, whatever has become of the directory. False when
 * the request ends before. */
static bool leases_outwait(const struct south *south, uint64_t written_ms)
{
	uint64_t end_ms = written_ms + CONSENT_LEASE_MS_MAX;
	const struct timespec until = { .tv_sec = (time_t)(end_ms / 1000), .tv_nsec = (long)(end_ms % 1000) * 1000000 };

	if (end_ms > south->deadline.at_ms)
		return false;
	while (clock_monotonic_ms() < end_ms)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	return true;
}

enum consent_written directory_source_change(struct directory_source *directory, const struct south *south,
					     const struct consent_write *write, struct consent_stored *stored,
					     struct outcome *outcome)
{
	enum consent_written written = directory_write(directory->client, south, write, stored, outcome);
	uint64_t version = written == CONSENT_WRITTEN ? stored->version : VERSION_UNKNOWN;
	uint64_t written_ms = clock_monotonic_ms();
	struct outcome settling;

	if (written == CONSENT_REFUSED)
		return written;
	patient_outdate(directory, write->patient_id, version);
	ring(directory, write->patient_id, version);
	if (written == CONSENT_UNCLEAR)
		return written;
	outcome_init(&settling);
	if (directory_settle(directory->client, south, write->patient_id, version, &settling) ||
	    leases_outwait(south, written_ms))
		return CONSENT_WRITTEN;
	outcome_add(outcome, ERR_BACKEND_TIMEOUT, "",
		    "The Consent is stored, but not all gateways may know it yet; read it and wait two seconds.");
	return CONSENT_UNCLEAR;
}

static bool client_open(struct directory_source *directory, struct outcome *outcome)
{
	const struct config *config = directory->options.config;
	unsigned char random[GATEWAY_BYTES];
	struct consent_client_options options = { .url = config->consent_directory_url,
						  .secret = config->consent_secret,
						  .gateway = { directory->gateway, 2 * GATEWAY_BYTES },
						  .tls = { config->consent_ca_file.data,
							   config->consent_client_certificate_file.data,
							   config->consent_client_key_file.data },
						  .ask_ms = ASK_MS };

	if (!peer_tls_check(&options.tls, "consent", outcome))
		return false;
	random_bytes(random, sizeof(random));
	hex_write(random, sizeof(random), directory->gateway);
	directory->client = consent_client_open(&options);
	directory->states = consent_states_new(PATIENTS_MAX, SETS_BYTES_MAX);
	return (directory->client && directory->states) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
}

bool directory_source_open(const struct directory_source_options *options, struct directory_source **directory,
			   struct outcome *outcome)
{
	struct directory_source *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	opened->options = *options;
	opened->end = &opened->first;
	pthread_mutex_init(&opened->lock, NULL);
	pthread_cond_init(&opened->wake, NULL);
	if (client_open(opened, outcome)) {
		opened->is_returning = thread_start(&opened->returner, return_run, opened);
		if (!opened->is_returning)
			outcome_add(outcome, ERR_INTERNAL, "", "Allow this process more threads.");
	}
	if (!opened->is_returning) {
		directory_source_close(opened);
		return false;
	}
	if (!cache_listen(options->cache, on_bell, opened)) {
		directory_source_close(opened);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	}
	*directory = opened;
	return true;
}

void directory_source_close(struct directory_source *directory)
{
	if (!directory)
		return;
	cache_unlisten(directory->options.cache, directory);
	pthread_mutex_lock(&directory->lock);
	directory->is_stopping = true;
	pthread_cond_signal(&directory->wake);
	pthread_mutex_unlock(&directory->lock);
	if (directory->is_returning)
		pthread_join(directory->returner, NULL);
	for (struct give *give = give_take(directory); give; give = give_take(directory))
		free(give);
	consent_client_close(directory->client);
	consent_states_free(directory->states);
	pthread_cond_destroy(&directory->wake);
	pthread_mutex_destroy(&directory->lock);
	free(directory);
}

struct consent_source directory_source(struct directory_source *directory)
{
	return (struct consent_source) { .ctx = directory, .ask = source_ask, .decide = source_decide };
}

const struct consent_client *directory_source_client(const struct directory_source *directory)
{
	return directory->client;
}
