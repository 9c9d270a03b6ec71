#include "mappers/identifier.h"

#include "mappers/base/oid.h"
#include "mappers/code_system.h"

/* Systems of ours for what XDS leaves without one: FHIR wants a URI. */
#define UNIQUE_ID_SYSTEM "urn:passerelle:unique-id"
#define AUTHORITY_SYSTEM "urn:passerelle:authority:"

static bool is_uri_system(struct str system)
{
	return system.size == 0 || str_equal(system, STR("urn:ietf:rfc:3986"));
}

bool oid_shaped(struct str oid)
{
	struct str rest = oid;
	struct str arc;
	size_t arcs = 0;
	uint64_t first;

	if (oid.size == 0 || oid.size > 128)
		return false;
	while (str_next(&rest, '.', &arc)) {
		if (arc.size == 0 || (arc.size > 1 && arc.data[0] == '0'))
			return false;
		for (size_t i = 0; i < arc.size; i++) {
			if (arc.data[i] < '0' || arc.data[i] > '9')
				return false;
		}
		if (arcs++ == 0 && (!str_to_u64(arc, &first) || first > 2))
			return false;
	}
	return arcs > 1;
}

struct str without_oid_prefix(struct str text)
{
	bool prefixed = str_starts_with_nocase(text, STR("urn:oid:")) && oid_shaped(str_from(text, 8));

	return prefixed ? str_from(text, 8) : text;
}

bool identifier_to_unique_id(const struct identifier *identifier, struct arena *arena, struct str *unique_id)
{
	struct str oid = code_system_scheme(identifier->system);

	if (identifier->value.size == 0)
		return false;
	if (is_uri_system(identifier->system) || str_equal(identifier->system, STR(UNIQUE_ID_SYSTEM)))
		*unique_id = without_oid_prefix(identifier->value);
	else if (oid_valid(oid))
		*unique_id = arena_printf(arena, "%.*s^%.*s", STR_ARG(oid), STR_ARG(identifier->value));
	else
		return false;
	return unique_id->data != NULL;
}

bool identifier_from_unique_id(struct str unique_id, struct arena *arena, struct identifier *identifier)
{
	size_t caret = str_find(unique_id, '^');
	struct str root = { unique_id.data, caret };
	struct str extension = str_from(unique_id, caret + 1);

	if (unique_id.size == 0)
		return false;
	*identifier = (struct identifier) { STR("urn:ietf:rfc:3986"), unique_id };
	if (oid_shaped(unique_id)) {
		identifier->value = oid_urn(unique_id, arena);
	} else if (extension.size && oid_valid(root) && str_find(extension, '^') == extension.size) {
		identifier->system = oid_urn(root, arena);
		identifier->value = extension;
	} else if (!is_uri(unique_id)) {
		identifier->system = STR(UNIQUE_ID_SYSTEM);
	}
	return identifier->system.data && identifier->value.data;
}

struct hl7_hd authority_from_system(struct str system)
{
	struct str oid = code_system_scheme(system);

	if (is_uri_system(system))
		return (struct hl7_hd) { 0 };
	if (oid_valid(oid))
		return (struct hl7_hd) { .universal_id = oid, .universal_id_type = STR("ISO") };
	if (str_starts_with(system, STR(AUTHORITY_SYSTEM)))
		return (struct hl7_hd) { .namespace_id = str_without_prefix(system, STR(AUTHORITY_SYSTEM)) };
	return (struct hl7_hd) { .universal_id = system, .universal_id_type = STR("URI") };
}

/* A namespace that can stand in a URI as it is. */
static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' &&
		    c != '_' && c != '-')
			return false;
	}
	return text.size > 0;
}

struct str authority_to_system(const struct hl7_hd *authority, struct arena *arena)
{
	struct str id = authority->universal_id;

	if (oid_valid(id))
		return code_system_uri(id, arena);
	if (is_uri(id))
		return id;
	if (is_plain(authority->namespace_id))
		return arena_printf(arena, AUTHORITY_SYSTEM "%.*s", STR_ARG(authority->namespace_id));
	return STR_NONE;
}

bool identifier_to_cx(const struct identifier *identifier, struct arena *arena, struct str *cx)
{
	struct hl7_cx parts = {
		.id = identifier->value,
		.authority = authority_from_system(identifier->system),
	};

	if (is_uri_system(identifier->system))
		parts.id = without_oid_prefix(identifier->value);
	if (parts.id.size == 0)
		return false;
	*cx = hl7_cx_write(&parts, arena);
	return cx->data != NULL;
}

bool identifier_from_parts(struct str id, const struct hl7_hd *authority, struct arena *arena,
			   struct identifier *identifier)
{
	*identifier = (struct identifier) { authority_to_system(authority, arena), id };
	if (id.size == 0)
		return false;
	if (identifier->system.size)
		return true;
	if (oid_shaped(id))
		identifier->value = oid_urn(id, arena);
	if (is_uri(identifier->value))
		identifier->system = STR("urn:ietf:rfc:3986");
	return identifier->value.data != NULL;
}

bool identifier_from_cx(struct str cx, struct arena *arena, struct identifier *identifier)
{
	struct hl7_cx parts;

	return hl7_cx_parse(cx, arena, &parts) && identifier_from_parts(parts.id, &parts.authority, arena, identifier);
}
