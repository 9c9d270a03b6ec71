#include "mappers/provide_read.h"

#include "mappers/base/uuid.h"
#include "mappers/fhir_mark.h"
#include "mappers/identifier.h"
#include "mappers/search_filter.h"

#define REFERENCES_MAX 1000 /* of one element */

static bool is_http(struct str url)
{
	return str_starts_with(url, STR("http://")) || str_starts_with(url, STR("https://"));
}

/* Index of the last slash before end; end when there is none. */
static size_t last_slash(struct str url, size_t end)
{
	for (size_t i = end; i > 0; i--) {
		if (url.data[i - 1] == '/')
			return i - 1;
	}
	return end;
}

/* base/Type/id; base is empty for a relative reference. A version (/_history/2) is left off. */
static bool split_url(struct str url, struct str *base, struct str *type, struct str *id)
{
	static const char history[] = "/_history/";
	const char *version = url.size ? memmem(url.data, url.size, history, sizeof history - 1) : NULL;
	size_t end = version ? (size_t)(version - url.data) : url.size;
	size_t last = last_slash(url, end);
	size_t before = last_slash(url, last);

	if (last == end)
		return false;
	*id = (struct str) { url.data + last + 1, end - last - 1 };
	*base = (struct str) { url.data, before == last ? 0 : before };
	*type = before == last ? (struct str) { url.data, last }
			       : (struct str) { url.data + before + 1, last - before - 1 };
	return type->size && id->size;
}

static bool find_entry(const struct provide_bundle *bundle, struct str url, size_t *entry)
{
	for (size_t i = 0; i < bundle->entry_count; i++) {
		if (bundle->entries[i].full_url.size && str_equal(bundle->entries[i].full_url, url)) {
			*entry = i;
			return true;
		}
	}
	return false;
}

static json_t *find_contained(const json_t *resource, struct str id)
{
	json_t *contained = json_object_get(resource, "contained");

	for (size_t i = 0; id.size && i < json_array_size(contained) && i < REFERENCES_MAX; i++) {
		json_t *one = json_array_get(contained, i);

		if (str_equal(fhir_text(json_object_get(one, "id")), id))
			return one;
	}
	return NULL;
}

bool provide_resolve(const struct provide_bundle *bundle, struct str base, size_t from, struct str reference,
		     struct arena *arena, struct provide_reference *found)
{
	const struct provide_entry *entry = &bundle->entries[from];
	struct str front;
	struct str type;
	struct str id;

	*found = (struct provide_reference) { 0 };
	if (reference.size == 0)
		return true;
	if (reference.data[0] == '#') {
		found->resource = find_contained(entry->resource, str_from(reference, 1));
		found->kind = found->resource ? REFERENCE_CONTAINED : REFERENCE_UNKNOWN;
		return true;
	}
	found->url = reference;
	if (!find_entry(bundle, reference, &found->entry)) {
		if (!split_url(reference, &front, &type, &id) || str_starts_with(reference, STR("urn:")))
			return true;
		if (front.size == 0) { /* relative to whom it stands in, otherwise to us */
			struct str own_type;
			struct str own_id;

			if (!is_http(entry->full_url) || !split_url(entry->full_url, &front, &own_type, &own_id))
				front = base;
			found->url = arena_printf(arena, "%.*s/%.*s", STR_ARG(front), STR_ARG(reference));
			if (!found->url.data)
				return false;
		}
		found->type = type;
		found->id = id;
		found->kind = str_equal(front, base) ? REFERENCE_OWN
			      : is_http(found->url)  ? REFERENCE_URL
						     : REFERENCE_UNKNOWN;
		if (!find_entry(bundle, found->url, &found->entry))
			return true;
	}
	found->kind = REFERENCE_ENTRY;
	found->resource = bundle->entries[found->entry].resource;
	return true;
}

json_t *provide_lookup(const struct provide_bundle *bundle, struct str base, size_t from, struct str reference,
		       struct arena *arena)
{
	size_t fragment = str_find(reference, '#');
	struct str whole = { reference.data, fragment };
	struct provide_reference found;
	json_t *resource = NULL;

	if (fragment == 0)
		return find_contained(bundle->entries[from].resource, str_from(reference, 1));
	if (!provide_resolve(bundle, base, from, whole, arena, &found))
		return NULL;
	if (found.kind == REFERENCE_ENTRY)
		resource = found.resource;
	for (size_t i = 0; !resource && found.url.data && i < bundle->external_count; i++) {
		if (str_equal(bundle->externals[i].url, found.url))
			resource = bundle->externals[i].resource;
	}
	return fragment < reference.size ? find_contained(resource, str_from(reference, fragment + 1)) : resource;
}

bool provide_target_add(struct provide_reading *reading, const struct provide_target *target, size_t *index)
{
	struct provide_bundle *out = reading->out;

	for (size_t i = 0; i < out->target_count; i++) {
		if (out->targets[i].kind == target->kind && out->targets[i].is_folder == target->is_folder &&
		    str_equal(out->targets[i].value, target->value)) {
			*index = i;
			return true;
		}
	}
	if (out->target_count == PROVIDE_TARGETS_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, target->path,
				   "Refer to at most %d registered documents and folders per Bundle.",
				   PROVIDE_TARGETS_MAX);
	*index = out->target_count;
	out->targets[out->target_count++] = *target;
	return true;
}

static bool target_of_token(const struct identifier *identifier, struct arena *arena, struct provide_target *target)
{
	if (uuid_valid(identifier->value)) {
		target->kind = TARGET_ENTRY_UUID;
		target->value = identifier->value;
		return true;
	}
	target->kind = TARGET_UNIQUE_ID;
	return identifier_to_unique_id(identifier, arena, &target->value);
}

bool provide_target_of_identifier(const json_t *identifier, struct arena *arena, struct provide_target *target)
{
	struct identifier found = { fhir_text(json_object_get(identifier, "system")),
				    fhir_text(json_object_get(identifier, "value")) };

	return found.value.size && target_of_token(&found, arena, target);
}

bool provide_target_of_url(struct str base, struct str url, struct str type, struct arena *arena,
			   struct provide_target *target)
{
	struct str rest = url;
	struct search_params params;
	struct search_token token;
	struct outcome ignored;

	if (base.size && str_starts_with(rest, base))
		rest = str_without_prefix(str_from(rest, base.size), STR("/"));
	if (!str_starts_with(rest, type))
		return false;
	rest = str_from(rest, type.size);
	if (str_starts_with(rest, STR("/"))) {
		target->kind = TARGET_OWN_ID;
		target->value = str_from(rest, 1);
		return target->value.size && target->value.size <= 64 &&
		       str_find(target->value, '/') == target->value.size;
	}
	if (!str_starts_with(rest, STR("?")))
		return false;
	outcome_init(&ignored);
	if (!search_params_read(str_from(rest, 1), STR_NONE, arena, &params, &ignored) || params.count != 1 ||
	    !str_equal(params.items[0].name, STR("identifier")) || params.items[0].values.count != 1 ||
	    !search_token_read(params.items[0].value, arena, &token))
		return false;
	return target_of_token(&(struct identifier) { token.has_system ? token.system : STR_NONE, token.code }, arena,
			       target);
}

static bool external_add(struct provide_bundle *out, struct str url, const char *path, struct outcome *outcome)
{
	for (size_t i = 0; i < out->external_count; i++) {
		if (str_equal(out->externals[i].url, url))
			return true;
	}
	if (out->external_count == PROVIDE_EXTERNALS_MAX)
		return outcome_add(outcome, ERR_TOO_COSTLY, path,
				   "Refer to at most %d resources of other servers per Bundle.", PROVIDE_EXTERNALS_MAX);
	out->externals[out->external_count++] = (struct provide_external) { .url = url, .path = path };
	return true;
}

static bool is_role(const json_t *resource)
{
	return str_equal(provide_resource_type(resource), STR("PractitionerRole"));
}

/* practitioner and organization of a PractitionerRole, which stands in or belongs to entries[entry]. */
static bool read_role(struct provide_reading *reading, size_t entry, const json_t *role, const char *path)
{
	static const char *const members[] = { "practitioner", "organization" };

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		struct str text = fhir_text(json_object_get(json_object_get(role, members[i]), "reference"));
		struct provide_reference found;

		if (text.size == 0)
			continue;
		if (!provide_resolve(reading->out, reading->rules->base, entry, text, reading->arena, &found))
			return provide_no_memory(reading->outcome);
		if (found.kind == REFERENCE_UNKNOWN)
			return outcome_add(reading->outcome, ERR_REFERENCE_UNRESOLVED, path,
					   "Add the %s that the PractitionerRole refers to.", members[i]);
		if ((found.kind == REFERENCE_OWN || found.kind == REFERENCE_URL) &&
		    !external_add(reading->out, found.url, path, reading->outcome))
			return false;
	}
	return true;
}

bool provide_read_person(struct provide_reading *reading, size_t entry, const json_t *reference, bool contained_only,
			 const char *path)
{
	struct str text = fhir_text(json_object_get(reference, "reference"));
	struct provide_reference found;

	if (text.size == 0)
		return true; /* what an identifier or a display alone is worth is seen when it is mapped */
	if (contained_only && text.data[0] != '#')
		return outcome_add(reading->outcome, ERR_METADATA_INVALID, path,
				   "Put the resource into contained and refer to it by its #id; the profile asks for "
				   "it.");
	if (!provide_resolve(reading->out, reading->rules->base, entry, text, reading->arena, &found))
		return provide_no_memory(reading->outcome);
	switch (found.kind) {
	case REFERENCE_CONTAINED:
		return !is_role(found.resource) || read_role(reading, entry, found.resource, path);
	case REFERENCE_ENTRY:
		return !is_role(found.resource) || read_role(reading, found.entry, found.resource, path);
	case REFERENCE_OWN:
	case REFERENCE_URL:
		return external_add(reading->out, found.url, path, reading->outcome);
	case REFERENCE_UNKNOWN:
		break;
	}
	return outcome_add(reading->outcome, ERR_REFERENCE_UNRESOLVED, path,
			   "Refer to a contained resource, to the fullUrl of an entry, or to a URL.");
}

/* Reference.reference of one member: "#x" becomes url#x, Type/id gets the base of url. */
static bool absolutise_member(json_t *resource, const char *member, struct str url, struct arena *arena)
{
	json_t *reference = json_object_get(resource, member);
	struct str text = fhir_text(json_object_get(reference, "reference"));
	struct str base;
	struct str type;
	struct str id;
	struct str absolute;

	if (text.size == 0 || is_http(text) || str_starts_with(text, STR("urn:")))
		return true;
	if (text.data[0] == '#')
		absolute = arena_printf(arena, "%.*s%.*s", STR_ARG(url), STR_ARG(text));
	else if (is_http(url) && split_url(url, &base, &type, &id))
		absolute = arena_printf(arena, "%.*s/%.*s", STR_ARG(base), STR_ARG(text));
	else
		return true;
	return absolute.data &&
	       json_object_set_new(reference, "reference", json_stringn(absolute.data, absolute.size)) == 0;
}

bool provide_absolutise(json_t *resource, struct str url, struct arena *arena)
{
	return !is_role(resource) || (absolutise_member(resource, "practitioner", url, arena) &&
				      absolutise_member(resource, "organization", url, arena));
}

bool provide_bundle_fetched(struct provide_bundle *bundle, size_t index, json_t *resource, struct arena *arena,
			    struct outcome *outcome)
{
	static const char *const members[] = { "practitioner", "organization" };
	struct provide_external *external = &bundle->externals[index];

	external->resource = resource;
	if (!provide_absolutise(resource, external->url, arena))
		return provide_no_memory(outcome);
	for (size_t i = 0; is_role(resource) && i < COUNT_OF(members); i++) {
		struct str url = fhir_text(json_object_get(json_object_get(resource, members[i]), "reference"));
		size_t entry;

		if (!is_http(url) || str_find(url, '#') < url.size || find_entry(bundle, url, &entry))
			continue;
		if (!external_add(bundle, url, external->path, outcome))
			return false;
	}
	return true;
}
