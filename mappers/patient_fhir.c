#include "mappers/patient_fhir.h"

#include <stdio.h>

#include "mappers/fhir_mark.h"
#include "mappers/fhir_read.h"
#include "mappers/json_writer.h"
#include "mappers/person_read.h"

/* Members of Patient and its parts that are one string here and there. */
struct text_row {
	struct str name;
	size_t offset;
};

#define TEXT_ROW(object, name, member)                          \
	{                                                       \
		STR_INIT(name), offsetof(struct object, member) \
	}

static const struct text_row patient_texts[] = {
	TEXT_ROW(patient, "gender", gender),
	TEXT_ROW(patient, "birthDate", birth_date),
	TEXT_ROW(patient, "deceasedDateTime", deceased),
};
static const struct text_row address_texts[] = {
	TEXT_ROW(patient_address, "use", use),
	TEXT_ROW(patient_address, "city", city),
	TEXT_ROW(patient_address, "district", district),
	TEXT_ROW(patient_address, "state", state),
	TEXT_ROW(patient_address, "postalCode", postal_code),
	TEXT_ROW(patient_address, "country", country),
};
static const struct text_row telecom_texts[] = {
	TEXT_ROW(patient_telecom, "system", system),
	TEXT_ROW(patient_telecom, "value", value),
	TEXT_ROW(patient_telecom, "use", use),
};

static void texts_read(const json_t *json, const struct text_row *rows, size_t count, void *object)
{
	for (size_t i = 0; i < count; i++) {
		struct str text = fhir_string(json, rows[i].name.data);

		if (text.size)
			memcpy((char *)object + rows[i].offset, &text, sizeof text);
	}
}

static void texts_write(struct json_writer *writer, const struct text_row *rows, size_t count, const void *object)
{
	for (size_t i = 0; i < count; i++) {
		struct str text;

		memcpy(&text, (const char *)object + rows[i].offset, sizeof text);
		json_member(writer, rows[i].name, text);
	}
}

struct reading {
	const json_t *json;
	const char *path;
	const struct system_names *names;
	struct arena *arena;
	struct outcome *outcome;
};

static bool no_room(const struct reading *reading)
{
	return outcome_add(reading->outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static bool complain(const struct reading *reading, enum error_code code, const char *member, const char *text)
{
	char path[160];

	snprintf(path, sizeof path, "%s.%s", reading->path, member);
	return outcome_add(reading->outcome, code, path, "%s", text);
}

/* An array for all items of a member that repeats. */
static void *room_for(const struct reading *reading, const char *member, size_t size)
{
	size_t count = json_array_size(json_object_get(reading->json, member));
	void *room;

	if (count > PATIENT_REPEATS_MAX) {
		complain(reading, ERR_TOO_COSTLY, member, "Send no more than 32 of these.");
		return NULL;
	}
	room = arena_array(reading->arena, count, size);
	if (!room)
		no_room(reading);
	return room;
}

static bool identity_read(const struct reading *reading, const json_t *json, struct patient_identity *identity)
{
	struct identifier identifier = fhir_identifier(json);

	identity->authority = identifier_authority(identifier.system, reading->names);
	identity->value = identifier.value;
	return identity->authority.size && identity->value.size && !str_equal(fhir_string(json, "use"), STR("old"));
}

static bool identities_read(const struct reading *reading, struct patient *patient)
{
	const json_t *items = json_object_get(reading->json, "identifier");
	struct patient_identities *identities = &patient->identifiers;

	identities->items = room_for(reading, "identifier", sizeof(*identities->items));
	if (!identities->items)
		return false;
	for (size_t i = 0; i < json_array_size(items); i++) {
		if (identity_read(reading, json_array_get(items, i), &identities->items[identities->count]))
			identities->count++;
	}
	return true;
}

static bool names_read(const struct reading *reading, struct patient *patient)
{
	const json_t *items = json_object_get(reading->json, "name");

	patient->names = room_for(reading, "name", sizeof(*patient->names));
	if (!patient->names)
		return false;
	for (size_t i = 0; i < json_array_size(items); i++) {
		const json_t *item = json_array_get(items, i);
		struct patient_name *name = &patient->names[patient->name_count];

		name->family = fhir_string(item, "family");
		name->use = fhir_string(item, "use");
		if (!strings_join(json_object_get(item, "given"), 0, reading->arena, &name->given) ||
		    !strings_join(json_object_get(item, "prefix"), 0, reading->arena, &name->prefix) ||
		    !strings_join(json_object_get(item, "suffix"), 0, reading->arena, &name->suffix))
			return no_room(reading);
		if (!name->family.size && !name->given.size)
			name->family = fhir_string(item, "text");
		if (name->family.size || name->given.size)
			patient->name_count++;
	}
	return true;
}

static bool lines_join(const struct reading *reading, const json_t *address, struct str *joined)
{
	const json_t *lines = json_object_get(address, "line");
	struct str parts[PATIENT_REPEATS_MAX];
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(lines) && count < COUNT_OF(parts); i++) {
		struct str line = fhir_text(json_array_get(lines, i));

		if (line.size)
			parts[count++] = line;
	}
	*joined = count ? hl7_join(parts, count, '\n', reading->arena) : fhir_string(address, "text");
	return !count || joined->data || no_room(reading);
}

static bool addresses_read(const struct reading *reading, struct patient *patient)
{
	const json_t *items = json_object_get(reading->json, "address");

	patient->addresses = room_for(reading, "address", sizeof(*patient->addresses));
	if (!patient->addresses)
		return false;
	patient->address_count = json_array_size(items);
	for (size_t i = 0; i < patient->address_count; i++) {
		const json_t *item = json_array_get(items, i);
		struct patient_address *address = &patient->addresses[i];

		texts_read(item, address_texts, COUNT_OF(address_texts), address);
		if (!lines_join(reading, item, &address->line))
			return false;
	}
	return true;
}

static bool telecoms_read(const struct reading *reading, struct patient *patient)
{
	const json_t *items = json_object_get(reading->json, "telecom");

	patient->telecoms = room_for(reading, "telecom", sizeof(*patient->telecoms));
	if (!patient->telecoms)
		return false;
	for (size_t i = 0; i < json_array_size(items); i++) {
		struct patient_telecom *telecom = &patient->telecoms[patient->telecom_count];

		texts_read(json_array_get(items, i), telecom_texts, COUNT_OF(telecom_texts), telecom);
		if (telecom->value.size)
			patient->telecom_count++;
	}
	return true;
}

/* Who survived a merge: an identifier, or what the link refers to. FHIR R4 Patient.link */
static bool link_read(const struct reading *reading, struct patient *patient, struct str *reference)
{
	const json_t *links = json_object_get(reading->json, "link");
	size_t found = 0;

	*reference = STR_NONE;
	for (size_t i = 0; i < json_array_size(links); i++) {
		const json_t *link = json_array_get(links, i);
		const json_t *other = json_object_get(link, "other");

		if (!str_equal(fhir_string(link, "type"), STR("replaced-by")))
			continue;
		if (++found > 1)
			return complain(reading, ERR_METADATA_INVALID, "link",
					"Name one Patient that replaces this one.");
		if (identity_read(reading, json_object_get(other, "identifier"), &patient->replaced_by))
			continue;
		patient->replaced_by = (struct patient_identity) { 0 };
		*reference = fhir_string(other, "reference");
		if (!reference->size)
			return complain(reading, ERR_METADATA_INVALID, "link.other",
					"Name the surviving Patient by an identifier, with a system that is known "
					"here.");
	}
	return true;
}

static void maiden_name_read(const json_t *json, struct patient *patient)
{
	const json_t *extensions = json_object_get(json, "extension");

	for (size_t i = 0; i < json_array_size(extensions); i++) {
		const json_t *extension = json_array_get(extensions, i);

		if (str_equal(fhir_string(extension, "url"), STR(MOTHERS_MAIDEN_NAME)))
			patient->mothers_maiden_name = fhir_string(extension, "valueString");
	}
}

bool patient_from_fhir(const json_t *json, const char *path, const struct system_names *names, struct arena *arena,
		       struct patient *patient, struct str *replaced_by_reference, struct outcome *outcome)
{
	struct reading reading = { json, path, names, arena, outcome };
	struct patient found = { .match_percent = -1 };
	struct str reference;

	if (!identities_read(&reading, &found) || !names_read(&reading, &found) || !addresses_read(&reading, &found) ||
	    !telecoms_read(&reading, &found) || !link_read(&reading, &found, &reference))
		return false;
	texts_read(json, patient_texts, COUNT_OF(patient_texts), &found);
	if (json_is_true(json_object_get(json, "deceasedBoolean")))
		found.deceased = STR("true");
	found.is_inactive = json_is_false(json_object_get(json, "active"));
	maiden_name_read(json, &found);
	*patient = found;
	*replaced_by_reference = reference;
	return true;
}

void patient_identity_members(struct json_writer *writer, const struct patient_identity *identity)
{
	json_key(writer, STR("system"));
	json_begin_text(writer);
	json_text_part(writer, STR("urn:oid:"));
	json_text_part(writer, identity->authority);
	json_end_text(writer);
	json_member(writer, STR("value"), identity->value);
}

/* Words between separators as an array of strings; nothing for no word. */
static void words_write(struct json_writer *writer, struct str name, struct str words, char separator)
{
	struct str rest = words;
	struct str word;
	bool open = false;

	while (words.size && str_next(&rest, separator, &word)) {
		if (!word.size)
			continue;
		if (!open)
			json_member_array(writer, name);
		open = true;
		json_text(writer, word);
	}
	if (open)
		json_end_array(writer);
}

static void identities_write(const struct patient *patient, struct json_writer *writer)
{
	if (patient->identifiers.count == 0)
		return;
	json_member_array(writer, STR("identifier"));
	for (size_t i = 0; i < patient->identifiers.count; i++) {
		json_begin_object(writer);
		patient_identity_members(writer, &patient->identifiers.items[i]);
		json_end_object(writer);
	}
	json_end_array(writer);
}

static void names_write(const struct patient *patient, struct json_writer *writer)
{
	if (patient->name_count == 0)
		return;
	json_member_array(writer, STR("name"));
	for (size_t i = 0; i < patient->name_count; i++) {
		const struct patient_name *name = &patient->names[i];

		json_begin_object(writer);
		json_member(writer, STR("use"), name->use);
		json_member(writer, STR("family"), name->family);
		words_write(writer, STR("given"), name->given, ' ');
		words_write(writer, STR("prefix"), name->prefix, ' ');
		words_write(writer, STR("suffix"), name->suffix, ' ');
		json_end_object(writer);
	}
	json_end_array(writer);
}

static void telecoms_write(const struct patient *patient, struct json_writer *writer)
{
	if (patient->telecom_count == 0)
		return;
	json_member_array(writer, STR("telecom"));
	for (size_t i = 0; i < patient->telecom_count; i++) {
		json_begin_object(writer);
		texts_write(writer, telecom_texts, COUNT_OF(telecom_texts), &patient->telecoms[i]);
		json_end_object(writer);
	}
	json_end_array(writer);
}

static void addresses_write(const struct patient *patient, struct json_writer *writer)
{
	if (patient->address_count == 0)
		return;
	json_member_array(writer, STR("address"));
	for (size_t i = 0; i < patient->address_count; i++) {
		const struct patient_address *address = &patient->addresses[i];

		json_begin_object(writer);
		words_write(writer, STR("line"), address->line, '\n');
		texts_write(writer, address_texts, COUNT_OF(address_texts), address);
		json_end_object(writer);
	}
	json_end_array(writer);
}

static void link_write(const struct patient *patient, struct str replaced_by, struct json_writer *writer)
{
	bool named = patient->replaced_by.authority.size && patient->replaced_by.value.size;

	if (!named && !replaced_by.size)
		return;
	json_member_array(writer, STR("link"));
	json_begin_object(writer);
	json_member_object(writer, STR("other"));
	json_member(writer, STR("reference"), replaced_by);
	if (named) {
		json_member_object(writer, STR("identifier"));
		patient_identity_members(writer, &patient->replaced_by);
		json_end_object(writer);
	}
	json_end_object(writer);
	json_member(writer, STR("type"), STR("replaced-by"));
	json_end_object(writer);
	json_end_array(writer);
}

static void maiden_name_write(const struct patient *patient, struct json_writer *writer)
{
	if (!patient->mothers_maiden_name.size)
		return;
	json_member_array(writer, STR("extension"));
	json_begin_object(writer);
	json_member(writer, STR("url"), STR(MOTHERS_MAIDEN_NAME));
	json_member(writer, STR("valueString"), patient->mothers_maiden_name);
	json_end_object(writer);
	json_end_array(writer);
}

void patient_to_fhir(const struct patient *patient, struct str id, struct str replaced_by, struct json_writer *writer)
{
	bool only_the_fact = str_equal(patient->deceased, STR("true"));

	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("Patient"));
	json_member(writer, STR("id"), id);
	maiden_name_write(patient, writer);
	identities_write(patient, writer);
	/* PDQm iti-pdqm-linkstatus: with a link, active must be there. */
	json_key(writer, STR("active"));
	json_bool(writer, !patient->is_inactive);
	names_write(patient, writer);
	telecoms_write(patient, writer);
	json_member(writer, STR("gender"), patient->gender);
	json_member(writer, STR("birthDate"), patient->birth_date);
	if (only_the_fact) {
		json_key(writer, STR("deceasedBoolean"));
		json_bool(writer, true);
	} else {
		json_member(writer, STR("deceasedDateTime"), patient->deceased);
	}
	addresses_write(patient, writer);
	link_write(patient, replaced_by, writer);
	json_end_object(writer);
}
