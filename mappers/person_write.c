#include "mappers/person_write.h"

#include "mappers/fhir_context.h"

void contained_begin(struct fhir_emitter *emitter, const char *type, struct contained_id id, struct str part)
{
	char digits[24];
	size_t at = sizeof digits;

	emit_at(emitter, STR("contained[]"));
	json_begin_object(emitter->writer);
	json_member(emitter->writer, STR("resourceType"), str_from_c(type));
	json_key(emitter->writer, STR("id"));
	json_begin_text(emitter->writer);
	json_text_part(emitter->writer, id.name);
	for (size_t n = id.number; n; n /= 10)
		digits[--at] = (char)('0' + n % 10);
	json_text_part(emitter->writer, (struct str) { digits + at, sizeof digits - at });
	json_text_part(emitter->writer, part);
	json_end_text(emitter->writer);
}

void contained_reference(struct fhir_emitter *emitter, struct contained_id id, struct str part)
{
	char digits[24];
	size_t at = sizeof digits;

	for (size_t n = id.number; n; n /= 10)
		digits[--at] = (char)('0' + n % 10);
	json_begin_object(emitter->writer);
	json_key(emitter->writer, STR("reference"));
	json_begin_text(emitter->writer);
	json_text_part(emitter->writer, STR("#"));
	json_text_part(emitter->writer, id.name);
	json_text_part(emitter->writer, (struct str) { digits + at, sizeof digits - at });
	json_text_part(emitter->writer, part);
	json_end_text(emitter->writer);
	json_end_object(emitter->writer);
}

void identifier_members(struct json_writer *writer, const struct identifier *identifier)
{
	json_member(writer, STR("system"), identifier->system);
	json_member(writer, STR("value"), identifier->value);
}

bool identifier_write(struct fhir_emitter *emitter, struct str id, const struct hl7_hd *authority)
{
	struct identifier identifier;

	if (!id.size)
		return false;
	if (!identifier_from_parts(id, authority, emitter->arena, &identifier)) {
		emit_fail(emitter);
		return false;
	}
	json_begin_object(emitter->writer);
	identifier_members(emitter->writer, &identifier);
	json_end_object(emitter->writer);
	return true;
}

/* "identifier":[{...}] when there is an id. */
static void identifier_array(struct fhir_emitter *emitter, struct str id, const struct hl7_hd *authority)
{
	if (!id.size)
		return;
	json_member_array(emitter->writer, STR("identifier"));
	identifier_write(emitter, id, authority);
	json_end_array(emitter->writer);
}

void words_member(struct json_writer *writer, struct str name, struct str text)
{
	struct str word;

	if (!str_trim(text).size)
		return;
	json_member_array(writer, name);
	while (str_next(&text, ' ', &word)) {
		if (word.size)
			json_text(writer, word);
	}
	json_end_array(writer);
}

void given_member(struct json_writer *writer, struct str given, struct str second)
{
	struct str word;

	if (!given.size && !str_trim(second).size)
		return;
	json_member_array(writer, STR("given"));
	if (given.size)
		json_text(writer, given);
	while (second.data && str_next(&second, ' ', &word)) {
		if (word.size)
			json_text(writer, word);
	}
	json_end_array(writer);
}

static void xcn_members(struct fhir_emitter *emitter, struct str text)
{
	struct json_writer *writer = emitter->writer;
	struct hl7_xcn xcn;

	if (!hl7_xcn_parse(text, emitter->arena, &xcn)) {
		emit_fail(emitter);
		return;
	}
	identifier_array(emitter, xcn.id, &xcn.authority);
	if (!xcn.family.size && !xcn.given.size && !str_trim(xcn.prefix).size && !xcn.suffix.size && !xcn.degree.size &&
	    !str_trim(xcn.second).size)
		return;
	json_member_array(writer, STR("name"));
	json_begin_object(writer);
	json_member(writer, STR("family"), xcn.family);
	given_member(writer, xcn.given, xcn.second);
	words_member(writer, STR("prefix"), xcn.prefix);
	if (xcn.suffix.size || xcn.degree.size) {
		/* The degree is an old place for what FHIR calls a suffix. */
		json_member_array(writer, STR("suffix"));
		if (xcn.suffix.size)
			json_text(writer, xcn.suffix);
		if (xcn.degree.size)
			json_text(writer, xcn.degree);
		json_end_array(writer);
	}
	json_end_object(writer);
	json_end_array(writer);
}

static void xon_members(struct fhir_emitter *emitter, struct str text)
{
	struct hl7_xon xon;

	if (!hl7_xon_parse(text, emitter->arena, &xon)) {
		emit_fail(emitter);
		return;
	}
	identifier_array(emitter, xon.id, &xon.authority);
	json_member(emitter->writer, STR("name"), xon.name);
}

/* The number, from whichever components it is in. TF-3 4.2.3.1.7 "XTN" */
static void number_write(struct json_writer *writer, const struct hl7_xtn *xtn)
{
	struct str whole = xtn->unformatted.size ? xtn->unformatted : xtn->number;

	json_key(writer, STR("value"));
	json_begin_text(writer);
	if (xtn->local.size) {
		if (xtn->country.size) {
			json_text_part(writer, xtn->country.data[0] == '+' ? STR("") : STR("+"));
			json_text_part(writer, xtn->country);
			json_text_part(writer, STR(" "));
		}
		if (xtn->area.size) {
			json_text_part(writer, xtn->area);
			json_text_part(writer, STR(" "));
		}
		json_text_part(writer, xtn->local);
	} else {
		json_text_part(writer, whole);
	}
	if (xtn->extension.size) {
		json_text_part(writer, STR(" x"));
		json_text_part(writer, xtn->extension);
	}
	json_end_text(writer);
}

void contact_write(struct fhir_emitter *emitter, struct str text, struct str use)
{
	static const struct {
		struct str equipment, system;
	} systems[] = { { STR_INIT("FX"), STR_INIT("fax") }, { STR_INIT("BP"), STR_INIT("pager") } };
	struct json_writer *writer = emitter->writer;
	struct hl7_xtn xtn;
	struct str system = STR("phone");

	if (!hl7_xtn_parse(text, emitter->arena, &xtn)) {
		emit_fail(emitter);
		return;
	}
	if (!xtn.email.size && !xtn.local.size && !xtn.unformatted.size && !xtn.number.size)
		return;
	for (size_t i = 0; i < COUNT_OF(systems); i++) {
		if (str_equal(xtn.equipment, systems[i].equipment))
			system = systems[i].system;
	}
	if (xtn.email.size)
		system = STR("email");
	if (str_equal(xtn.use, STR("PRN")))
		use = STR("home");
	if (str_equal(xtn.use, STR("WPN")))
		use = STR("work");
	if (str_equal(xtn.equipment, STR("CP")))
		use = STR("mobile");
	json_begin_object(writer);
	json_member(writer, STR("system"), system);
	if (xtn.email.size)
		json_member(writer, STR("value"), xtn.email);
	else
		number_write(writer, &xtn);
	json_member(writer, STR("use"), use);
	json_end_object(writer);
}

struct str first_subcomponent(struct str text, char separator, size_t n)
{
	return hl7_part(hl7_part(text, separator, n), '&', 1);
}

bool contact_says_something(struct str text)
{
	return first_subcomponent(text, '^', 1).size || first_subcomponent(text, '^', 4).size ||
	       first_subcomponent(text, '^', 7).size || first_subcomponent(text, '^', 12).size;
}

static void telecom_member(struct fhir_emitter *emitter, const struct strs *telecoms)
{
	bool any = false;

	for (size_t i = 0; i < telecoms->count; i++)
		any = any || contact_says_something(telecoms->items[i]);
	if (!any)
		return;
	json_member_array(emitter->writer, STR("telecom"));
	for (size_t i = 0; i < telecoms->count; i++)
		contact_write(emitter, telecoms->items[i], STR_NONE);
	json_end_array(emitter->writer);
}

enum author_form author_form_of(const struct author *author, bool is_source)
{
	bool has_role = author->roles.count || author->specialties.count;
	size_t institutions = author->institutions.count;

	if (has_role || institutions > 1 || (institutions == 1 && author->person.size && !is_source))
		return AUTHOR_ROLE;
	if (author->person.size)
		return AUTHOR_PERSON;
	if (institutions == 1 && (!is_source || !author->telecommunications.count))
		return AUTHOR_ORGANIZATION;
	return author->telecommunications.count ? AUTHOR_PERSON : AUTHOR_NOBODY;
}

static struct str organization_part(struct fhir_emitter *emitter, size_t number)
{
	struct str part = arena_printf(emitter->arena, "-organization%zu", number);

	if (!part.data)
		emit_fail(emitter);
	return part;
}

static void concept_write(struct fhir_emitter *emitter, const struct hl7_cx *value)
{
	struct json_writer *writer = emitter->writer;
	struct str system = authority_to_system(&value->authority, emitter->arena);

	json_begin_object(writer);
	if (system.size && is_code(value->id)) {
		json_member_array(writer, STR("coding"));
		json_begin_object(writer);
		json_member(writer, STR("system"), system);
		json_member(writer, STR("code"), value->id);
		json_end_object(writer);
		json_end_array(writer);
	} else {
		json_member(writer, STR("text"), value->id);
	}
	json_end_object(writer);
}

/* Coded strings; what has no code and no text says nothing. */
static void concepts_member(struct fhir_emitter *emitter, struct str name, const struct strs *values)
{
	bool open = false;

	for (size_t i = 0; i < values->count; i++) {
		struct hl7_cx cx;

		if (!hl7_cx_parse(values->items[i], emitter->arena, &cx)) {
			emit_fail(emitter);
			return;
		}
		if (!cx.id.size)
			continue;
		if (!open)
			json_member_array(emitter->writer, name);
		open = true;
		concept_write(emitter, &cx);
	}
	if (open)
		json_end_array(emitter->writer);
}

/* A second institution and the following: PractitionerRole.organization is one. */
static void more_organizations(struct fhir_emitter *emitter, struct contained_id id, size_t count)
{
	struct json_writer *writer = emitter->writer;

	if (count < 2)
		return;
	json_member_array(writer, STR("extension"));
	for (size_t i = 2; i <= count; i++) {
		json_begin_object(writer);
		json_member(writer, STR("url"), STR(FHIR_MORE_ORGANIZATION_URL));
		json_key(writer, STR("valueReference"));
		contained_reference(emitter, id, organization_part(emitter, i));
		json_end_object(writer);
	}
	json_end_array(writer);
}

static void role_contain(struct fhir_emitter *emitter, struct contained_id id, const struct author *author)
{
	struct json_writer *writer = emitter->writer;

	contained_begin(emitter, "PractitionerRole", id, STR_NONE);
	more_organizations(emitter, id, author->institutions.count);
	if (author->person.size) {
		json_key(writer, STR("practitioner"));
		contained_reference(emitter, id, STR("-practitioner"));
	}
	if (author->institutions.count) {
		json_key(writer, STR("organization"));
		contained_reference(emitter, id, organization_part(emitter, 1));
	}
	concepts_member(emitter, STR("code"), &author->roles);
	concepts_member(emitter, STR("specialty"), &author->specialties);
	telecom_member(emitter, &author->telecommunications);
	json_end_object(writer);
}

static void organizations_contain(struct fhir_emitter *emitter, struct contained_id id, const struct author *author)
{
	for (size_t i = 0; i < author->institutions.count; i++) {
		contained_begin(emitter, "Organization", id, organization_part(emitter, i + 1));
		xon_members(emitter, author->institutions.items[i]);
		json_end_object(emitter->writer);
	}
}

void author_contain(struct fhir_emitter *emitter, struct contained_id id, const struct author *author, bool is_source)
{
	enum author_form form = author_form_of(author, is_source);

	if (form == AUTHOR_ROLE)
		role_contain(emitter, id, author);
	if (form == AUTHOR_PERSON || (form == AUTHOR_ROLE && author->person.size)) {
		contained_begin(emitter, "Practitioner", id, form == AUTHOR_ROLE ? STR("-practitioner") : STR_NONE);
		if (author->person.size)
			xcn_members(emitter, author->person);
		if (form == AUTHOR_PERSON)
			telecom_member(emitter, &author->telecommunications);
		json_end_object(emitter->writer);
	}
	if (form == AUTHOR_ORGANIZATION && !is_source) {
		contained_begin(emitter, "Organization", id, STR_NONE);
		xon_members(emitter, author->institutions.items[0]);
		telecom_member(emitter, &author->telecommunications);
		json_end_object(emitter->writer);
	} else {
		organizations_contain(emitter, id, author);
	}
}

bool recipient_parse(struct str recipient, struct arena *arena, struct author *author)
{
	struct str institution = hl7_part(recipient, '|', 1);
	struct str telecom = hl7_part(recipient, '|', 3);

	*author = (struct author) { .person = hl7_part(recipient, '|', 2) };
	if (institution.size) {
		author->institutions.items = arena_array(arena, 1, sizeof *author->institutions.items);
		if (!author->institutions.items)
			return false;
		author->institutions.items[author->institutions.count++] = institution;
	}
	if (telecom.size) {
		author->telecommunications.items = arena_array(arena, 1, sizeof *author->telecommunications.items);
		if (!author->telecommunications.items)
			return false;
		author->telecommunications.items[author->telecommunications.count++] = telecom;
	}
	return true;
}
