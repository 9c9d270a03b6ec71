#include "gateway/access/communities.h"

#include "gateway/access/access_state.h"
#include "gateway/access/cross_reference.h"
#include "gateway/access/identity_source.h"
#include "gateway/state/cache.h"
#include "gateway/state/last_known.h"
#include "mappers/base/hl7v2.h"

#define KIND_THERE \
	"community-there"          /* authority there, value here, epoch: '+' and the value there, or '-' for nobody */
#define KIND_HERE "community-here" /* authority there, value there: the value here */

/* Who hangs leaves time to whoever is asked next, and to what the patient's number is wanted for. */
#define PARTS 4

/* One question on its way. */
struct question {
	struct access *access;
	const struct south *south;
	const struct other_community *community;
	int64_t now_s;
	struct outcome *outcome;
	uint64_t part_ms;
	bool is_source_away; /* an identity source did not answer; set while asking */
};

static struct question question_of(struct access *access, const struct south *south,
				   const struct other_community *community, int64_t now_s, struct outcome *outcome)
{
	return (struct question) { .access = access,
				   .south = south,
				   .community = community,
				   .now_s = now_s,
				   .outcome = outcome,
				   .part_ms = deadline_left_ms(south->deadline) / PARTS };
}

/* An identity source is given one part of the time. */
static struct south to_identity_source(const struct question *question)
{
	struct south south = *question->south;

	south.deadline = deadline_part(south.deadline, question->part_ms);
	return south;
}

static struct str own_authority(const struct question *question)
{
	return question->access->config->patient_assigning_authority;
}

static bool identity_read(const struct question *question, struct str cx, struct str authority,
			  struct patient_identity *identity)
{
	struct hl7_cx read;

	if (!hl7_cx_parse(cx, question->south->arena, &read) || str_is_empty(read.id) ||
	    !str_equal(read.authority.universal_id, authority))
		return false;
	*identity = (struct patient_identity) { authority, read.id };
	return true;
}

static enum community_end without_memory(const struct question *question)
{
	outcome_add(question->outcome, ERR_NO_MEMORY, "", "Try again later.");
	return COMMUNITY_FAILED;
}

static enum community_end identity_write(const struct question *question, struct str authority, struct str value,
					 struct str *cx)
{
	const struct hl7_cx written = { .id = value,
					.authority = { .universal_id = authority, .universal_id_type = STR("ISO") } };

	*cx = hl7_cx_write(&written, question->south->arena);
	return cx->data ? COMMUNITY_FOUND : without_memory(question);
}

/* The one identifier of this authority. Of several, nobody here may choose. */
static enum community_end identity_choose(const struct question *question, const struct patient_identities *found,
					  struct str authority, struct str *cx)
{
	struct str value = STR_NONE;

	for (size_t i = 0; i < found->count; i++) {
		if (!str_equal(found->items[i].authority, authority) || str_equal(found->items[i].value, value))
			continue;
		if (value.data) {
			outcome_add(question->outcome, ERR_PATIENT_AMBIGUOUS, "",
				    "Have the records merged there: the patient has several identifiers.");
			return COMMUNITY_FAILED;
		}
		value = found->items[i].value;
	}
	return value.data ? identity_write(question, authority, value, cx) : COMMUNITY_NOBODY;
}

/* It is not the community that did not answer, but whoever knows the patient's number there. */
static enum community_end unasked(const struct question *question, const struct outcome *before)
{
	enum error_code code = question->outcome->count > before->count ? question->outcome->issues[before->count].code
									: ERR_BACKEND_DOWN;

	*question->outcome = *before;
	outcome_add(question->outcome, code, "",
		    "The patient's number there cannot be asked for now: the identity source does not answer. "
		    "Try again later.");
	return COMMUNITY_FAILED;
}

/* Without a PIX manager it may yet be the community that tells; without either, nobody has said "nobody". */
static enum community_end pix_is_missing(const struct question *question)
{
	if (!str_is_empty(str_from_c(question->community->service.url)))
		return COMMUNITY_NOBODY;
	outcome_add(question->outcome, ERR_BACKEND_DOWN, "",
		    "Nobody can be asked for the patient's number there; tell the operator to configure xcpd_url or "
		    "identity.pix_url.");
	return COMMUNITY_FAILED;
}

/* What the PIX manager knows. */
static enum community_end pix_find(struct question *question, const struct patient_identity *identity,
				   struct str authority, struct str *cx)
{
	const struct outcome before = *question->outcome;
	const struct south south = to_identity_source(question);
	struct patient_identities found;
	enum identity_end end;

	if (!cross_references_are_known(question->access))
		return pix_is_missing(question);
	end = cross_reference_find(question->access, &south, identity, question->now_s, &found, question->outcome);
	/* A last known answer comes with a warning. */
	question->is_source_away =
		end == IDENTITY_FAILED || (end == IDENTITY_OK && question->outcome->count > before.count);
	switch (end) {
	case IDENTITY_OK:
		return identity_choose(question, &found, authority, cx);
	case IDENTITY_UNKNOWN_ID:
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
		return COMMUNITY_NOBODY;
	case IDENTITY_REFUSED:
		break;
	case IDENTITY_FAILED:
		return unasked(question, &before);
	}
	return COMMUNITY_FAILED;
}

/* --- what is remembered --- */

struct memory {
	struct str parts[3];
	struct cache_name name;
};

/* epoch NULL: a name without it. */
static void memory_name(const struct question *question, const char *kind, struct str value, const uint64_t *epoch,
			struct memory *memory)
{
	*memory = (struct memory) { .parts = { question->community->service.authority, value } };
	if (epoch)
		memory->parts[2] = (struct str) { (const char *)epoch, sizeof(*epoch) };
	memory->name = (struct cache_name) { .tenant = question->access->config->tenant,
					     .kind = kind,
					     .parts = memory->parts,
					     .part_count = epoch ? 3 : 2 };
}

static void keep(const struct question *question, struct str here, const uint64_t *epoch, struct str there)
{
	const struct config *config = question->access->config;
	struct cache *cache = question->access->cache;
	uint64_t seconds = there.data ? config->identity_positive_seconds : config->identity_negative_seconds;
	/* Who only goes back is confirmed by going there again, and so may be remembered for long. */
	uint64_t age_max = config->identity_last_known_hours * 3600;
	uint64_t hint_seconds = seconds + age_max;
	struct str text = arena_printf(question->south->arena, "%c%.*s", there.data ? '+' : '-', STR_ARG(there));
	struct memory memory;

	if (!text.data)
		return;
	memory_name(question, KIND_THERE, here, epoch, &memory);
	if (epoch && seconds > 0)
		cache_put(cache, &memory.name, text, seconds * 1000);
	memory_name(question, KIND_THERE, here, NULL, &memory);
	if (!there.data) {
		last_known_drop(question->access->last_known, &memory.name, age_max);
		return;
	}
	last_known_put(question->access->last_known, &memory.name, there, question->now_s, age_max);
	memory_name(question, KIND_HERE, there, NULL, &memory);
	if (hint_seconds > 0)
		cache_put(cache, &memory.name, here, hint_seconds * 1000);
	last_known_put(question->access->last_known, &memory.name, here, question->now_s, age_max);
}

static bool remembered(const struct question *question, struct str here, const uint64_t *epoch, struct str *there)
{
	struct memory memory;
	struct str text;

	memory_name(question, KIND_THERE, here, epoch, &memory);
	if (cache_get(question->access->cache, &memory.name, question->south->arena, &text) != CACHE_HIT ||
	    text.size == 0)
		return false;
	*there = text.data[0] == '+' ? str_from(text, 1) : STR_NONE;
	return true;
}

static bool last_known(const struct question *question, const char *kind, struct str value, struct str *other)
{
	uint64_t age_max = question->access->config->identity_last_known_hours * 3600;
	struct memory memory;
	uint64_t age;

	memory_name(question, kind, value, NULL, &memory);
	return age_max > 0 && last_known_get(question->access->last_known, &memory.name, question->now_s, age_max,
					     question->south->arena, other, &age);
}

/* --- asking the community --- */

/* All that is known of the patient; without a source of demographics, the identifier. */
static bool demographics_find(const struct question *question, const struct south *south,
			      struct patient_identity *identity, struct patient *patient)
{
	struct patient_query query = PATIENT_QUERY_NONE;
	struct patient_list list = { 0 };

	*patient = (struct patient) { .identifiers = { identity, 1 } };
	query.identifiers = patient->identifiers;
	if (str_is_empty(question->access->config->identity_pdq_url))
		return true;
	if (!identity_source_patients(question->access, south, &query, &list, question->outcome))
		return false;
	for (size_t i = 0; i < list.count; i++) {
		if (patient_has(&list.items[i], identity))
			*patient = list.items[i];
	}
	return true;
}

static enum community_end discover(struct question *question, const struct south *to_demographics,
				   struct patient_identity *identity, struct str *there)
{
	const struct xcpd_service *service = &question->community->service;
	const struct outcome before = *question->outcome;
	struct south south = *question->south;
	struct patient patient;
	struct patient_identities found;

	if (!demographics_find(question, to_demographics, identity, &patient)) {
		question->is_source_away = true;
		return unasked(question, &before);
	}
	south.backend = question->community->backend;
	south.deadline.at_ms -= question->part_ms;
	switch (xcpd_discover(&south, service, &patient, &found, question->outcome)) {
	case XCPD_FOUND:
		return identity_choose(question, &found, service->authority, there);
	case XCPD_NOBODY:
		return COMMUNITY_NOBODY;
	case XCPD_AMBIGUOUS:
		outcome_add(question->outcome, ERR_PATIENT_AMBIGUOUS, "",
			    "The community cannot tell which of its patients is meant.");
		break;
	case XCPD_FAILED:
		break;
	}
	return COMMUNITY_FAILED;
}

static enum community_end as_last_known(const struct question *question, struct str value, struct str *there)
{
	outcome_warn(question->outcome, ERR_BACKEND_DOWN, "", "%s; the patient's last known number there was used.",
		     question->is_source_away ? "The identity source does not answer"
					      : "It does not tell the patient's number now");
	return identity_write(question, question->community->service.authority, value, there);
}

/* Asks the community, with what it answers to be kept. Whoever has waited for another has not more time for all that. */
static enum community_end discover_anew(struct question *question, const struct south *to_demographics,
					struct patient_identity *identity, const uint64_t *epoch, struct str *there)
{
	const struct outcome before = *question->outcome;
	enum community_end end = discover(question, to_demographics, identity, there);
	struct str value;
	struct hl7_cx cx;

	if (end == COMMUNITY_FOUND && hl7_cx_parse(*there, question->south->arena, &cx))
		keep(question, identity->value, epoch, cx.id);
	if (end == COMMUNITY_NOBODY)
		keep(question, identity->value, epoch, STR_NONE);
	if (end != COMMUNITY_FAILED || !last_known(question, KIND_THERE, identity->value, &value))
		return end;
	*question->outcome = before;
	return as_last_known(question, value, there);
}

/* Asks the community, unless it has answered a moment ago or somebody is asking it right now; or it has ever answered and
 * the PIX manager is away: the source of demographics is then mostly away too, and both would take the time of the read. */
static enum community_end discover_once(struct question *question, struct patient_identity *identity, struct str *there)
{
	const struct south to_demographics = to_identity_source(question);
	struct cache *cache = question->access->cache;
	struct memory memory;
	enum community_end end;
	uint64_t epoch;
	bool has_epoch = cross_references_epoch(question->access, &epoch);
	struct str value = STR_NONE;
	bool known = has_epoch && remembered(question, identity->value, &epoch, &value);
	bool first = false;

	if (!known && question->is_source_away && last_known(question, KIND_THERE, identity->value, &value))
		return as_last_known(question, value, there);
	if (has_epoch && !known) {
		memory_name(question, KIND_THERE, identity->value, &epoch, &memory);
		first = cache_ask(cache, &memory.name, deadline_left_ms(question->south->deadline));
		known = !first && remembered(question, identity->value, &epoch, &value);
	}
	if (known)
		return value.data ? identity_write(question, question->community->service.authority, value, there)
				  : COMMUNITY_NOBODY;
	end = discover_anew(question, &to_demographics, identity, has_epoch ? &epoch : NULL, there);
	if (first)
		cache_asked(cache, &memory.name);
	return end;
}

enum community_end community_find(struct access *access, const struct south *south,
				  const struct other_community *community, struct str here, int64_t now_s,
				  struct str *there, struct outcome *outcome)
{
	struct question question = question_of(access, south, community, now_s, outcome);
	struct outcome before = *outcome;
	struct patient_identity identity;
	enum community_end end;

	*there = STR_NONE;
	if (!identity_read(&question, here, own_authority(&question), &identity))
		return COMMUNITY_NOBODY;
	end = pix_find(&question, &identity, community->service.authority, there);
	if (end == COMMUNITY_FOUND || str_is_empty(str_from_c(community->service.url)))
		return end;
	*outcome = before;
	return discover_once(&question, &identity, there);
}

enum community_end community_patient(struct access *access, const struct south *south,
				     const struct other_community *community, struct str there, int64_t now_s,
				     struct str *here, struct outcome *outcome)
{
	struct question question = question_of(access, south, community, now_s, outcome);
	struct outcome before = *outcome;
	struct patient_identity identity;
	struct memory memory;
	enum community_end end;
	struct str confirmed;
	struct str value;

	*here = STR_NONE;
	if (!identity_read(&question, there, community->service.authority, &identity))
		return COMMUNITY_NOBODY;
	end = pix_find(&question, &identity, own_authority(&question), here);
	if (end == COMMUNITY_FOUND)
		return end;
	memory_name(&question, KIND_HERE, identity.value, NULL, &memory);
	if (cache_get(access->cache, &memory.name, south->arena, &value) != CACHE_HIT &&
	    !last_known(&question, KIND_HERE, identity.value, &value))
		return end;
	*outcome = before;
	if (identity_write(&question, own_authority(&question), value, here) != COMMUNITY_FOUND)
		return COMMUNITY_FAILED;
	end = community_find(access, south, community, *here, now_s, &confirmed, outcome);
	if (end == COMMUNITY_FOUND && !hl7_cx_same(confirmed, there, south->arena))
		end = COMMUNITY_NOBODY;
	return end;
}
