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

/* "system|value", and "value" alone for who does not ask by system. */
static bool add_pair(const struct naming *naming, enum audit_token_kind kind, struct str system, struct str value)
{
	struct str pair = arena_printf(naming->arena, "%.*s|%.*s", STR_ARG(system), STR_ARG(value));

	if (str_is_empty(value))
		return true;
	return pair.data && add(naming, kind, pair) && add(naming, kind, value);
}

static bool add_coding(const struct naming *naming, enum audit_token_kind kind, const json_t *coding)
{
	return add_pair(naming, kind, member(coding, "system"), member(coding, "code"));
}

static bool add_what(const struct naming *naming, enum audit_token_kind kind, const json_t *what)
{
	const json_t *identifier = json_object_get(what, "identifier");

	return add(naming, kind, member(what, "reference")) &&
	       add_pair(naming, kind, member(identifier, "system"), member(identifier, "value"));
}

static bool add_agents(const struct naming *naming, const json_t *agents)
{
	size_t i;
	json_t *agent;

	json_array_foreach(agents, i, agent)
	{
		if (!add_what(naming, AUDIT_TOKEN_AGENT, json_object_get(agent, "who")) ||
		    !add(naming, AUDIT_TOKEN_ADDRESS, member(json_object_get(agent, "network"), "address")))
			return false;
	}
	return true;
}

static bool add_entities(const struct naming *naming, const json_t *entities)
{
	size_t i;
	json_t *entity;

	json_array_foreach(entities, i, entity)
	{
		const json_t *what = json_object_get(entity, "what");
		bool is_patient = str_equal(member(json_object_get(entity, "type"), "code"), STR("1"));

		if (!add_what(naming, AUDIT_TOKEN_ENTITY, what) ||
		    (is_patient && !add_what(naming, AUDIT_TOKEN_PATIENT, what)))
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
		if (!add_coding(&naming, AUDIT_TOKEN_SUBTYPE, subtype))
			return false;
	}
	return add_coding(&naming, AUDIT_TOKEN_TYPE, json_object_get(event, "type")) &&
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
