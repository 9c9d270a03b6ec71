#include "gateway/audit/index_names.h"

#include "mappers/base/xds_time.h"
#include "mappers/fhir_body.h"

struct naming {
	struct arena *arena;
	bool (*add)(void *context, enum audit_token_kind kind, struct str value);
	void *context;
};

struct str audit_token_word(enum audit_token_kind kind)
{
	static const struct str words[] = {
		[AUDIT_TOKEN_PATIENT] = STR_INIT("patient"), [AUDIT_TOKEN_TYPE] = STR_INIT("type"),
		[AUDIT_TOKEN_SUBTYPE] = STR_INIT("subtype"), [AUDIT_TOKEN_OUTCOME] = STR_INIT("outcome"),
		[AUDIT_TOKEN_ACTION] = STR_INIT("action"),   [AUDIT_TOKEN_AGENT] = STR_INIT("agent"),
		[AUDIT_TOKEN_ENTITY] = STR_INIT("entity"),   [AUDIT_TOKEN_ADDRESS] = STR_INIT("address"),
		[AUDIT_TOKEN_ID] = STR_INIT("id"),
	};

	return words[kind];
}

static struct str member(const json_t *object, const char *key)
{
	return fhir_text(json_object_get(object, key));
}

static bool add(const struct naming *naming, enum audit_token_kind kind, struct str value)
{
	return str_is_empty(value) || naming->add(naming->context, kind, value);
}

/* "system|value". */
static bool add_pair(const struct naming *naming, enum audit_token_kind kind, struct str system, struct str value)
{
	struct str pair;

	if (str_is_empty(value) || str_is_empty(system))
		return true;
	pair = arena_printf(naming->arena, "%.*s|%.*s", STR_ARG(system), STR_ARG(value));
	return pair.data && add(naming, kind, pair);
}

static bool add_identifier(const struct naming *naming, enum audit_token_kind kind, const json_t *what)
{
	const json_t *identifier = json_object_get(what, "identifier");

	return add_pair(naming, kind, member(identifier, "system"), member(identifier, "value"));
}

/* Who took part, by identifier; the address of who asked. */
static bool add_agents(const struct naming *naming, const json_t *agents)
{
	size_t i;
	json_t *agent;

	json_array_foreach(agents, i, agent)
	{
		const json_t *who = json_object_get(agent, "who");
		const json_t *network = json_object_get(agent, "network");

		if (!add_identifier(naming, AUDIT_TOKEN_AGENT, who) ||
		    !add(naming, AUDIT_TOKEN_AGENT, member(json_object_get(who, "identifier"), "value")))
			return false;
		if (str_equal(member(network, "type"), STR("2")) &&
		    !add(naming, AUDIT_TOKEN_ADDRESS, member(network, "address")))
			return false;
	}
	return true;
}

/* The patient by the identifier of the affinity domain, to which every search for one leads; what else was touched by its
 * reference and its identifier; the request by its id. */
static bool add_entities(const struct naming *naming, const json_t *entities)
{
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity)
	{
		const json_t *what = json_object_get(entity, "what");
		const json_t *identifier = json_object_get(what, "identifier");
		bool ok;

		if (str_equal(member(json_object_get(entity, "type"), "code"), STR("1")))
			ok = add_identifier(naming, AUDIT_TOKEN_PATIENT, what);
		else
			ok = add(naming, AUDIT_TOKEN_ENTITY, member(what, "reference")) &&
			     add_identifier(naming, AUDIT_TOKEN_ENTITY, what) &&
			     (!str_is_empty(member(identifier, "system")) ||
			      add(naming, AUDIT_TOKEN_ENTITY, member(identifier, "value")));
		if (!ok)
			return false;
	}
	return true;
}

bool audit_event_names(const json_t *event, struct arena *arena,
		       bool (*call)(void *context, enum audit_token_kind kind, struct str value), void *context)
{
	struct naming naming = { arena, call, context };
	const json_t *subtypes = json_object_get(event, "subtype");
	size_t i;
	json_t *subtype;

	json_array_foreach(subtypes, i, subtype)
	{
		if (!add(&naming, AUDIT_TOKEN_SUBTYPE, member(subtype, "code")))
			return false;
	}
	return add(&naming, AUDIT_TOKEN_TYPE, member(json_object_get(event, "type"), "code")) &&
	       add(&naming, AUDIT_TOKEN_OUTCOME, member(event, "outcome")) &&
	       add(&naming, AUDIT_TOKEN_ACTION, member(event, "action")) &&
	       add(&naming, AUDIT_TOKEN_ID, member(event, "id")) &&
	       add_agents(&naming, json_object_get(event, "agent")) &&
	       add_entities(&naming, json_object_get(event, "entity"));
}

int64_t audit_event_recorded_ms(const json_t *event)
{
	struct arena *arena = arena_new(4096);
	struct str recorded = member(event, "recorded");
	struct str dtm;
	int64_t seconds = 0;
	int64_t ms = 0;

	if (arena && xds_time_from_fhir(recorded, 0, arena, &dtm) && xds_time_to_unix(dtm, &seconds))
		ms = seconds * 1000;
	arena_free(arena);
	return ms;
}
