#include "mappers/person_read.h"

#include "mappers/base/oid.h"
#include "mappers/base/xds_time.h"
#include "mappers/code_system.h"
#include "mappers/fhir_mark.h"

#define NAMES_MAX 8 /* parts of one name that are looked at */

bool strs_add(struct strs *list, struct str value, struct arena *arena)
{
	for (size_t i = 0; i < list->count; i++) {
		if (str_equal(list->items[i], value))
			return true;
	}
	/* doubled at powers of two, so that no capacity need be kept */
	if ((list->count & (list->count - 1)) == 0) {
		struct str *items = arena_array(arena, list->count ? list->count * 2 : 1, sizeof *items);

		if (!items)
			return false;
		if (list->count)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
	}
	list->items[list->count++] = value;
	return true;
}

static bool is_type(const json_t *resource, const char *type)
{
	return str_equal(fhir_string(resource, "resourceType"), str_from_c(type));
}

bool strings_join(const json_t *array, size_t from, struct arena *arena, struct str *out)
{
	struct str parts[NAMES_MAX];
	size_t count = 0;

	*out = STR_NONE;
	for (size_t i = from; i < json_array_size(array) && count < NAMES_MAX; i++) {
		struct str part = fhir_text(json_array_get(array, i));

		if (part.size)
			parts[count++] = part;
	}
	if (count == 1)
		*out = parts[0];
	else if (count > 1)
		*out = hl7_join(parts, count, ' ', arena);
	return count == 0 || out->data;
}

bool human_name_read(const json_t *name, struct arena *arena, struct human_name *parts)
{
	*parts = (struct human_name) {
		.family = fhir_string(name, "family"),
		.given = fhir_text(fhir_item(name, "given", 0)),
	};
	if (!parts->family.size && !parts->given.size)
		parts->family = fhir_string(name, "text");
	return strings_join(json_object_get(name, "given"), 1, arena, &parts->second) &&
	       strings_join(json_object_get(name, "suffix"), 0, arena, &parts->suffix) &&
	       strings_join(json_object_get(name, "prefix"), 0, arena, &parts->prefix);
}

/* A name that stands at another place in every type of resource. */
static bool resource_name(const json_t *resource, struct arena *arena, struct human_name *parts)
{
	const json_t *name = json_object_get(resource, "name");

	if (is_type(resource, "Device")) {
		*parts = (struct human_name) { .family = fhir_string(fhir_item(resource, "deviceName", 0), "name") };
		return true;
	}
	return human_name_read(json_is_array(name) ? json_array_get(name, 0) : name, arena, parts);
}

/* An id and its authority as XCN and XON have them: an OID or URI stands for itself. */
static struct str id_parts(struct identifier identifier, struct hl7_hd *authority)
{
	*authority = authority_from_system(identifier.system);
	return authority->universal_id.size || authority->namespace_id.size ? identifier.value
									    : without_oid_prefix(identifier.value);
}

static bool xcn_write(const struct human_name *name, struct identifier identifier, struct arena *arena, struct str *out)
{
	struct hl7_xcn xcn = {
		.family = name->family,
		.given = name->given,
		.second = name->second,
		.suffix = name->suffix,
		.prefix = name->prefix,
	};

	xcn.id = id_parts(identifier, &xcn.authority);
	/* TF-3 4.2.3.1.7: an XCN without family and id says nothing. A given name alone is taken for the family. */
	if (!xcn.family.size && !xcn.id.size) {
		xcn.family = xcn.given;
		xcn.given = STR_NONE;
	}
	*out = xcn.family.size || xcn.id.size ? hl7_xcn_write(&xcn, arena) : STR_NONE;
	return out->data || !(xcn.family.size || xcn.id.size);
}

static bool xon_write(struct str name, struct identifier identifier, struct arena *arena, struct str *out)
{
	struct hl7_xon xon = { .name = name };

	xon.id = id_parts(identifier, &xon.authority);
	/* A name is mandatory in XON; where FHIR has only an identifier it stands for the name. */
	if (!xon.name.size)
		xon.name = xon.id;
	*out = xon.name.size ? hl7_xon_write(&xon, arena) : STR_NONE;
	return out->data || !xon.name.size;
}

static struct str organization_name(const json_t *organization)
{
	struct str name = fhir_string(organization, "name");

	return name.size ? name : fhir_text(fhir_item(organization, "alias", 0));
}

/* HL7 tables 0201 (use) and 0202 (equipment). */
static const struct {
	struct str system, equipment;
} equipments[] = {
	{ STR_INIT("phone"), STR_INIT("PH") },
	{ STR_INIT("sms"), STR_INIT("PH") },
	{ STR_INIT("fax"), STR_INIT("FX") },
	{ STR_INIT("pager"), STR_INIT("BP") },
};

bool xtn_read(const json_t *contact, struct arena *arena, struct str *out)
{
	struct str system = fhir_string(contact, "system");
	struct str use = fhir_string(contact, "use");
	struct str value = fhir_string(contact, "value");
	struct hl7_xtn xtn = { 0 };

	*out = STR_NONE;
	if (!value.size)
		return true;
	if (str_equal(system, STR("email"))) {
		xtn.equipment = STR("Internet");
		xtn.email = value;
	}
	for (size_t i = 0; i < COUNT_OF(equipments); i++) {
		if (str_equal(system, equipments[i].system)) {
			xtn.equipment = equipments[i].equipment;
			xtn.local = value;
			break;
		}
	}
	if (!xtn.equipment.size)
		return true;
	if (str_equal(use, STR("mobile")) && str_equal(xtn.equipment, STR("PH")))
		xtn.equipment = STR("CP");
	if (str_equal(use, STR("home")) && xtn.local.size)
		xtn.use = STR("PRN");
	if (str_equal(use, STR("work")) && xtn.local.size)
		xtn.use = STR("WPN");
	*out = hl7_xtn_write(&xtn, arena);
	return out->data;
}

static bool telecoms_read(const json_t *resource, struct arena *arena, struct strs *telecoms)
{
	const json_t *array = json_object_get(resource, "telecom");

	for (size_t i = 0; i < json_array_size(array); i++) {
		struct str xtn;

		if (!xtn_read(json_array_get(array, i), arena, &xtn))
			return false;
		if (xtn.size && !strs_add(telecoms, xtn, arena))
			return false;
	}
	return true;
}

/* Coded strings: code^^^&OID&ISO, or the text when there is no code. TF-3 4.2.3.1.4.2 */
static bool concepts_read(const json_t *array, struct arena *arena, struct strs *values)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *concept = json_array_get(array, i);
		const json_t *coding = fhir_item(concept, "coding", 0);
		struct identifier code = { fhir_string(coding, "system"), fhir_string(coding, "code") };
		struct str value;

		if (!code.value.size)
			code = (struct identifier) { STR_NONE, fhir_string(concept, "text") };
		if (!code.value.size)
			code.value = fhir_string(coding, "display");
		if (!code.value.size)
			continue;
		if (!identifier_to_cx(&code, arena, &value) || !strs_add(values, value, arena))
			return false;
	}
	return true;
}

static bool unresolved(struct fhir_reader *reader, const struct fhir_place *place)
{
	return outcome_add(reader->outcome, ERR_REFERENCE_UNRESOLVED, FHIR_PLACE_TEXT(reader, place),
			   "The resource that this reference names was not found; contain it, put it into the Bundle, "
			   "or refer to a server that the gateway may read.");
}

static bool person_read(struct fhir_reader *reader, const json_t *person, struct author *author)
{
	struct human_name name;

	if (!resource_name(person, reader->arena, &name) ||
	    !xcn_write(&name, fhir_first_identifier(person), reader->arena, &author->person) ||
	    !telecoms_read(person, reader->arena, &author->telecommunications))
		return fhir_no_memory(reader);
	return true;
}

static bool institution_read(struct fhir_reader *reader, const json_t *organization, struct author *author,
			     bool with_telecoms)
{
	struct str xon;

	if (!xon_write(organization_name(organization), fhir_first_identifier(organization), reader->arena, &xon) ||
	    (xon.size && !strs_add(&author->institutions, xon, reader->arena)) ||
	    (with_telecoms && !telecoms_read(organization, reader->arena, &author->telecommunications)))
		return fhir_no_memory(reader);
	return true;
}

/* A logical reference: who is meant is said by identifier and display alone. */
static bool logical_read(struct fhir_reader *reader, const json_t *reference, struct author *author)
{
	struct identifier identifier = fhir_identifier(json_object_get(reference, "identifier"));
	struct human_name name = { .family = fhir_string(reference, "display") };
	struct str xon = STR_NONE;
	bool ok;

	if (str_equal(fhir_string(reference, "type"), STR("Organization"))) {
		ok = xon_write(name.family, identifier, reader->arena, &xon) &&
		     (!xon.size || strs_add(&author->institutions, xon, reader->arena));
	} else {
		ok = xcn_write(&name, identifier, reader->arena, &author->person);
	}
	return ok || fhir_no_memory(reader);
}

/* An organization that a role refers to, also by further references in our own extension. */
static bool role_organization(struct fhir_reader *reader, const struct fhir_place *place, const json_t *container,
			      const json_t *reference, struct author *author)
{
	struct fhir_resolved organization = fhir_resolve(reader, container, reference);

	if (!reference)
		return true;
	if (organization.resource)
		return institution_read(reader, organization.resource, author, false);
	if (fhir_has_reference(reference))
		return unresolved(reader, place);
	struct identifier identifier = fhir_identifier(json_object_get(reference, "identifier"));
	struct str xon;

	if (!xon_write(fhir_string(reference, "display"), identifier, reader->arena, &xon) ||
	    (xon.size && !strs_add(&author->institutions, xon, reader->arena)))
		return fhir_no_memory(reader);
	return true;
}

static bool role_read(struct fhir_reader *reader, const struct fhir_place *place, const struct fhir_resolved *role,
		      struct author *author)
{
	const json_t *practitioner = json_object_get(role->resource, "practitioner");
	struct fhir_resolved person = fhir_resolve(reader, role->container, practitioner);
	struct fhir_place at = { .up = place, .step = STR("resolve().practitioner") };
	struct fhir_place at_organization = { .up = place, .step = STR("resolve().organization") };
	struct fhir_cursor more;

	if (person.resource) {
		if (!person_read(reader, person.resource, author))
			return false;
	} else if (practitioner && fhir_has_reference(practitioner)) {
		return unresolved(reader, &at);
	} else if (practitioner && !logical_read(reader, practitioner, author)) {
		return false;
	}
	if (!role_organization(reader, &at_organization, role->container,
			       json_object_get(role->resource, "organization"), author))
		return false;
	fhir_cursor_init(&more, role->resource, STR(FHIR_MORE_ORGANIZATION));
	while (fhir_next(&more)) {
		if (!role_organization(reader, &at_organization, role->container, more.value, author))
			return false;
	}
	if (!concepts_read(json_object_get(role->resource, "code"), reader->arena, &author->roles) ||
	    !concepts_read(json_object_get(role->resource, "specialty"), reader->arena, &author->specialties) ||
	    !telecoms_read(role->resource, reader->arena, &author->telecommunications))
		return fhir_no_memory(reader);
	return true;
}

/* Whatever the reference names, as far as it goes. */
static bool anyone_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
			struct author *author)
{
	static const char *const persons[] = { "Practitioner", "Patient", "RelatedPerson", "Device" };
	struct fhir_resolved resolved = fhir_resolve(reader, reader->resource, reference);

	*author = (struct author) { 0 };
	if (!resolved.resource)
		return fhir_has_reference(reference) ? unresolved(reader, place)
						     : logical_read(reader, reference, author);
	if (is_type(resolved.resource, "Organization"))
		return institution_read(reader, resolved.resource, author, true);
	if (is_type(resolved.resource, "PractitionerRole"))
		return role_read(reader, place, &resolved, author);
	for (size_t i = 0; i < COUNT_OF(persons); i++) {
		if (is_type(resolved.resource, persons[i]))
			return person_read(reader, resolved.resource, author);
	}
	return outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, place),
			   "Refer to a Practitioner, PractitionerRole, Organization, Device, Patient or "
			   "RelatedPerson.");
}

bool author_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		 struct author *author)
{
	if (!anyone_read(reader, place, reference, author))
		return false;
	/* TF-3 4.2.3.1.4: an author has a person, an institution or a way to be reached. */
	if (author->person.size || author->institutions.count || author->telecommunications.count)
		return true;
	return outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, place),
			   "Give the author a name, an identifier, an organization or a telecom.");
}

bool authenticator_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
			struct str *xcn)
{
	struct author author;

	*xcn = STR_NONE;
	if (!anyone_read(reader, place, reference, &author))
		return false;
	*xcn = author.person;
	if (!xcn->size)
		outcome_warn(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, place),
			     "The authenticator was left out: XDS wants a person with a name or an identifier there.");
	return true;
}

bool recipient_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		    struct str *recipient)
{
	struct author who;

	*recipient = STR_NONE;
	if (!anyone_read(reader, place, reference, &who))
		return false;
	struct str parts[] = {
		who.institutions.count ? who.institutions.items[0] : STR_NONE,
		who.person,
		who.telecommunications.count ? who.telecommunications.items[0] : STR_NONE,
	};

	if (!parts[0].size && !parts[1].size && !parts[2].size)
		return outcome_add(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, place),
				   "Give the recipient a name, an identifier or a telecom.");
	*recipient = hl7_join(parts, COUNT_OF(parts), '|', reader->arena);
	return recipient->data || fhir_no_memory(reader);
}

bool organization_read(struct fhir_reader *reader, const struct fhir_place *place, const json_t *reference,
		       struct str *xon)
{
	struct author who;

	*xon = STR_NONE;
	if (!anyone_read(reader, place, reference, &who))
		return false;
	if (who.institutions.count)
		*xon = who.institutions.items[0];
	else if (who.person.size)
		outcome_warn(reader->outcome, ERR_METADATA_INVALID, FHIR_PLACE_TEXT(reader, place),
			     "This was left out: an Organization with a name or an identifier is wanted there.");
	return true;
}
