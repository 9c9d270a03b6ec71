#include "mappers/consent_reference.h"

#include "mappers/base/xds_time.h"
#include "mappers/code_system.h"
#include "mappers/fhir_read.h"
#include "mappers/fhir_table.h"
#include "mappers/search_date.h"

#define IDENTIFIERS_MAX 50

enum consent_type consent_type_of(struct str name)
{
	static const char *const parties[] = { "Device",       "Organization",     "Patient",
					       "Practitioner", "PractitionerRole", "RelatedPerson" };
	static const char *const unclear[] = { "Binary",           "Bundle", "CareTeam", "Composition",
					       "DocumentManifest", "Group",  "List",     "Media" };

	if (str_is_empty(name))
		return TYPE_UNKNOWN;
	if (str_equal(name, STR("DocumentReference")))
		return TYPE_DOCUMENT;
	for (size_t i = 0; i < COUNT_OF(parties); i++) {
		if (str_equal(name, str_from_c(parties[i])))
			return TYPE_PARTY;
	}
	for (size_t i = 0; i < COUNT_OF(unclear); i++) {
		if (str_equal(name, str_from_c(unclear[i])))
			return TYPE_UNCLEAR;
	}
	return fhir_resource_type(name) ? TYPE_OTHER : TYPE_UNCLEAR;
}

static enum consent_party party_of(struct str type)
{
	if (str_is_empty(type))
		return PARTY_ANYBODY;
	if (str_equal(type, STR("Device")))
		return PARTY_DEVICE;
	return str_equal(type, STR("Organization")) ? PARTY_ORGANIZATION : PARTY_PERSON;
}

bool consent_scheme_is(struct str scheme, struct str system)
{
	return str_equal(code_system_scheme(scheme), code_system_scheme(system));
}

struct consent_identifier consent_identifier_of(struct str system, struct str value)
{
	struct str bare = without_oid_prefix(value);

	if (system.size > 0 && !str_equal(system, STR(REFERENCE_URI)))
		return (struct consent_identifier) { code_system_scheme(system), value };
	if (oid_shaped(bare))
		return (struct consent_identifier) { bare, STR_NONE };
	if (system.size > 0 || is_uri(value))
		return (struct consent_identifier) { value, STR_NONE };
	return (struct consent_identifier) { STR_NONE, value };
}

static bool identifier_add(struct consent_reference *read, struct str system, struct str value, struct arena *arena)
{
	struct consent_identifier identifier = consent_identifier_of(system, value);

	if (str_is_empty(str_trim(value)) || read->identifiers.count == IDENTIFIERS_MAX) {
		read->state = REFERENCE_UNCLEAR;
		return true;
	}
	if (!read->identifiers.items) {
		read->identifiers.items = arena_array(arena, IDENTIFIERS_MAX, sizeof(*read->identifiers.items));
		if (!read->identifiers.items)
			return false;
	}
	if (identifier.root.size)
		identifier.root = arena_copy(arena, identifier.root);
	if (identifier.extension.size)
		identifier.extension = arena_copy(arena, identifier.extension);
	read->identifiers.items[read->identifiers.count++] = identifier;
	return !arena_failed(arena);
}

/* A contained resource has its own identifiers; one that is no longer used names nobody for certain. */
static bool contained_read(const json_t *consent, struct str id, struct arena *arena, struct str *type,
			   struct consent_reference *read)
{
	const json_t *resource = fhir_contained(consent, id);
	const json_t *identifiers = json_object_get(resource, "identifier");
	size_t i;
	json_t *item;

	*type = fhir_string(resource, "resourceType");
	if (json_is_object(identifiers)) {
		struct identifier one = fhir_identifier(identifiers);

		return identifier_add(read, one.system, one.value, arena);
	}
	json_array_foreach(identifiers, i, item)
	{
		struct identifier one = fhir_identifier(item);

		if (str_equal(fhir_string(item, "use"), STR("old")))
			continue;
		if (!identifier_add(read, one.system, one.value, arena))
			return false;
	}
	return true;
}

/* The type in "Practitioner/12", "https://server/fhir/Practitioner/12" and ".../Practitioner/12/_history/3". */
static struct str type_in(struct str text)
{
	struct str parts[4] = { STR_NONE, STR_NONE, STR_NONE, STR_NONE };
	struct str part;

	while (str_next(&text, '/', &part)) {
		memmove(parts, parts + 1, 3 * sizeof(parts[0]));
		parts[3] = part;
	}
	return str_equal(parts[2], STR("_history")) ? parts[0] : parts[2];
}

static bool literal_read(const json_t *consent, struct str text, struct arena *arena, struct str *type,
			 struct consent_reference *read)
{
	if (text.data[0] == '#')
		return contained_read(consent, str_from(text, 1), arena, type, read);
	if (!is_uri(text) || str_starts_with_nocase(text, STR("http"))) {
		*type = type_in(text);
		/* What stands at an address cannot be asked; the address may still be how the caller is called. */
		return read->identifiers.count || !is_uri(text) ||
		       identifier_add(read, STR(REFERENCE_URI), text, arena);
	}
	return identifier_add(read, STR(REFERENCE_URI), text, arena);
}

bool consent_reference_read(const json_t *consent, const json_t *reference, struct arena *arena,
			    struct consent_reference *read)
{
	const json_t *identifier = json_object_get(reference, "identifier");
	struct str literal = fhir_string(reference, "reference");
	struct str type = fhir_string(reference, "type");
	struct str found = STR_NONE;

	*read = (struct consent_reference) { .state = REFERENCE_NOBODY };
	if (identifier) {
		struct identifier one = fhir_identifier(identifier);

		if (!identifier_add(read, one.system, one.value, arena))
			return false;
	}
	if (literal.size && !literal_read(consent, literal, arena, &found, read))
		return false;
	read->type = consent_type_of(found.size ? found : type);
	if (found.size && type.size && !str_equal(found, type))
		read->type = TYPE_UNCLEAR;
	if (read->type == TYPE_PARTY)
		read->party = party_of(found.size ? found : type);
	if (read->state != REFERENCE_UNCLEAR) {
		if (read->identifiers.count)
			read->state = REFERENCE_NAMED;
		else if (literal.size)
			read->state = REFERENCE_UNCLEAR;
	}
	return true;
}

/* The seconds that a FHIR date or dateTime covers: search_date.h reads the same form, with a prefix that none has. */
static bool moment_read(struct str text, int default_offset_minutes, int64_t *from_s, int64_t *to_s)
{
	struct search_date date;

	return text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9' &&
	       search_date_read(text, default_offset_minutes, &date) &&
	       xds_time_to_unix(str_from_c(date.interval.from.text), from_s) &&
	       xds_time_to_unix(str_from_c(date.interval.to.text), to_s);
}

bool consent_period_read(const json_t *period, int default_offset_minutes, struct consent_period *read)
{
	struct str start = fhir_string(period, "start");
	struct str end = fhir_string(period, "end");
	struct consent_period found = { INT64_MIN, INT64_MAX };
	int64_t ignored;

	if (!period)
		return true;
	if ((json_object_get(period, "start") && !start.size) || (json_object_get(period, "end") && !end.size) ||
	    (!start.size && !end.size))
		return false;
	if ((start.size && !moment_read(start, default_offset_minutes, &found.from_s, &ignored)) ||
	    (end.size && !moment_read(end, default_offset_minutes, &ignored, &found.to_s)) ||
	    found.from_s >= found.to_s)
		return false;
	*read = found;
	return true;
}
