#include "gateway/access/cross_reference.h"

#include <jansson.h>

#include "gateway/access/access_state.h"
#include "gateway/access/identity_source.h"
#include "gateway/run/log.h"
#include "gateway/state/cache.h"
#include "gateway/state/last_known.h"
#include "mappers/fhir_mark.h"
#include "mappers/json_tree.h"
#include "mappers/json_writer.h"

#define KIND            "xref"
#define BELL_SEPARATOR  '\x1F' /* identifiers hold no control characters */
#define VALUE_BYTES_MAX CACHE_VALUE_BYTES_MAX
#define IDENTITIES_MAX  1000 /* of one person, read back from the cache */

/* The name of one question. */
struct question {
	struct str parts[3]; /* authority, value, and for the cache the epoch */
	struct cache_name name;
};

static struct cache_name epoch_name(const struct access *access)
{
	return (struct cache_name) { .tenant = access->config->tenant, .kind = KIND "-epoch" };
}

/* epoch NULL: a name for the disk, which no feed makes unreachable at once. */
static void question_make(struct str tenant, const struct patient_identity *source, const uint64_t *epoch,
			  struct question *question)
{
	*question = (struct question) { .parts = { source->authority, source->value } };
	if (epoch)
		question->parts[2] = (struct str) { (const char *)epoch, sizeof *epoch };
	question->name = (struct cache_name) {
		.tenant = tenant, .kind = KIND, .parts = question->parts, .part_count = epoch ? 3 : 2
	};
}

uint64_t cross_reference_age_max(const struct config *config)
{
	return config->identity_last_known_hours * 3600;
}

static void answer_write(enum identity_end end, const struct patient_identities *found, struct buf *text)
{
	struct json_writer writer;

	json_writer_init(&writer, text);
	json_begin_array(&writer);
	json_u64(&writer, end);
	for (size_t i = 0; end == IDENTITY_OK && i < found->count; i++) {
		json_text(&writer, found->items[i].authority);
		json_text(&writer, found->items[i].value);
	}
	json_end_array(&writer);
}

static bool answer_read(struct str text, struct arena *arena, enum identity_end *end, struct patient_identities *found)
{
	json_t *array = json_loadb(text.data, text.size, 0, NULL);
	struct patient_identities identities = { 0 };
	size_t size;

	if (!json_tree_keep(arena, array))
		return false;
	size = json_array_size(array);
	if (size % 2 != 1 || size > 2 * IDENTITIES_MAX + 1)
		return false;
	identities.count = size / 2;
	identities.items = arena_array(arena, identities.count, sizeof *identities.items);
	if (!identities.items)
		return false;
	for (size_t i = 0; i < identities.count; i++) {
		identities.items[i] = (struct patient_identity) { fhir_text(json_array_get(array, 2 * i + 1)),
								  fhir_text(json_array_get(array, 2 * i + 2)) };
	}
	switch (json_integer_value(json_array_get(array, 0))) {
	case IDENTITY_OK:
		*end = IDENTITY_OK;
		break;
	case IDENTITY_UNKNOWN_ID:
		*end = IDENTITY_UNKNOWN_ID;
		break;
	case IDENTITY_UNKNOWN_SOURCE:
		*end = IDENTITY_UNKNOWN_SOURCE;
		break;
	default:
		return false;
	}
	*found = identities;
	return true;
}

static bool remembered(struct access *access, const struct question *question, struct arena *arena,
		       enum identity_end *end, struct patient_identities *found)
{
	struct str value;

	return cache_get(access->cache, &question->name, arena, &value) == CACHE_HIT &&
	       answer_read(value, arena, end, found);
}

/* Keeps an answer for the other gateways and, when it names somebody, for the day when nobody can be asked. The cache's
 * name holds the epoch from before the question, so that an answer older than a feed is stored where nobody looks. The
 * disk has no epochs: what was stored while a feed came by is dropped again. */
static void keep(struct access *access, const struct question *question, const struct patient_identity *source,
		 uint64_t epoch, int64_t now_s, enum identity_end end, const struct patient_identities *found)
{
	const struct config *config = access->config;
	uint64_t seconds = end == IDENTITY_OK ? config->identity_positive_seconds : config->identity_negative_seconds;
	struct cache_name epochs = epoch_name(access);
	struct question on_disk;
	uint64_t epoch_now;
	struct buf text;

	buf_init(&text, VALUE_BYTES_MAX);
	answer_write(end, found, &text);
	question_make(access->config->tenant, source, NULL, &on_disk);
	if (!text.failed && seconds > 0)
		cache_put(access->cache, &question->name, buf_str(&text), seconds * 1000);
	if (end == IDENTITY_OK && !text.failed)
		last_known_put(access->last_known, &on_disk.name, buf_str(&text), now_s,
			       cross_reference_age_max(config));
	if (end != IDENTITY_OK || text.failed || !cache_epoch(access->cache, &epochs, &epoch_now) || epoch_now != epoch)
		last_known_drop(access->last_known, &on_disk.name, cross_reference_age_max(config));
	buf_free(&text);
}

static bool last_answer(struct access *access, const struct south *south, const struct patient_identity *source,
			int64_t now_s, struct patient_identities *found)
{
	struct question question;
	enum identity_end end;
	struct str value;
	uint64_t age;

	question_make(access->config->tenant, source, NULL, &question);
	if (!cross_reference_age_max(access->config) ||
	    !last_known_get(access->last_known, &question.name, now_s, cross_reference_age_max(access->config),
			    south->arena, &value, &age) ||
	    !answer_read(value, south->arena, &end, found) || end != IDENTITY_OK)
		return false;
	LOG(WARN, LOG_SOUTH_ERROR, south->request_id, LOG_C("text", "last known cross-reference used"),
	    LOG_NUMBER("age_s", age));
	return true;
}

bool cross_references_epoch(struct access *access, uint64_t *epoch)
{
	struct cache_name epochs = epoch_name(access);

	return cache_epoch(access->cache, &epochs, epoch);
}

bool cross_references_are_known(const struct access *access)
{
	return access->config->identity_pix_url.size > 0;
}

enum identity_end cross_reference_find(struct access *access, const struct south *south,
				       const struct patient_identity *source, int64_t now_s,
				       struct patient_identities *found, struct outcome *outcome)
{
	struct cache_name epochs = epoch_name(access);
	struct outcome asking = *outcome;
	struct south once = *south;
	struct question question;
	enum identity_end end;
	uint64_t epoch;
	bool known = cache_epoch(access->cache, &epochs, &epoch);
	bool first = false;

	*found = (struct patient_identities) { 0 };
	question_make(access->config->tenant, source, &epoch, &question);
	if (known && remembered(access, &question, south->arena, &end, found))
		return end;
	/* Waiting for another's question, and asking when it had no answer, take together what one question may. */
	once.deadline = deadline_part(south->deadline, access->config->identity_timeout_ms);
	if (known) {
		first = cache_ask(access->cache, &question.name, deadline_left_ms(once.deadline));
		if (!first && remembered(access, &question, south->arena, &end, found))
			return end;
	}
	end = identity_source_pix(access, &once, source, found, &asking);
	if (known && end != IDENTITY_FAILED)
		keep(access, &question, source, epoch, now_s, end, found);
	if (first)
		cache_asked(access->cache, &question.name);
	if (end == IDENTITY_FAILED && last_answer(access, south, source, now_s, found)) {
		outcome_warn(outcome, ERR_BACKEND_DOWN, "",
			     "The PIX manager cannot be asked now: the patient was identified by what it last said.");
		return IDENTITY_OK;
	}
	*outcome = asking;
	return end;
}

/* "xref", tenant, authority, value. */
static void ring(struct access *access, const struct patient_identity *identity)
{
	struct buf text;

	buf_init(&text, CACHE_BELL_BYTES_MAX);
	buf_printf(&text, KIND "%c%.*s%c%.*s%c%.*s", BELL_SEPARATOR, STR_ARG(access->config->tenant), BELL_SEPARATOR,
		   STR_ARG(identity->authority), BELL_SEPARATOR, STR_ARG(identity->value));
	if (!text.failed)
		cache_ring(access->cache, buf_str(&text));
	buf_free(&text);
}

static void forget_last_known(struct access_stores *stores, const struct patient_identity *identity)
{
	struct question question;

	question_make(stores->tenant, identity, NULL, &question);
	last_known_drop(stores->last_known, &question.name, stores->cross_reference_age_s);
}

static void on_bell(void *context, struct str message)
{
	struct access_stores *stores = context;
	struct patient_identity identity;
	struct str kind;
	struct str tenant;

	if (str_next(&message, BELL_SEPARATOR, &kind) && str_equal(kind, STR(KIND)) &&
	    str_next(&message, BELL_SEPARATOR, &tenant) && str_equal(tenant, stores->tenant) &&
	    str_next(&message, BELL_SEPARATOR, &identity.authority) &&
	    str_next(&message, BELL_SEPARATOR, &identity.value))
		forget_last_known(stores, &identity);
}

bool cross_references_forget(struct access *access, const struct patient_identity *touched, size_t count,
			     struct outcome *outcome)
{
	struct cache_name epochs = epoch_name(access);

	if (!cache_epoch_bump(access->cache, &epochs))
		return outcome_add(outcome, ERR_TRUST_UNAVAILABLE, "",
				   "Send the patient again later: the other gateways cannot be told of the change "
				   "now.");
	for (size_t i = 0; i < count; i++) {
		forget_last_known(access->stores, &touched[i]);
		ring(access, &touched[i]);
	}
	return true;
}

bool cross_references_listen(struct access_stores *stores, struct outcome *outcome)
{
	return cache_listen(stores->cache, on_bell, stores) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}
