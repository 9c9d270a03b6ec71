#include "mappers/person_write.h"

#include "mappers/base/xds_time.h"

/* Walks the values of one PID field: lines "PID-5|...", repetitions with ~ in a line, or both. TF-3 4.2.3.2.23 */
struct pid_walk {
	const struct strs *lines;
	struct str front; /* "PID-5|" */
	size_t next;
	struct str rest; /* of the line that is being walked; data NULL: none */
};

static struct pid_walk pid_walk_of(const struct strs *lines, struct str front)
{
	return (struct pid_walk) { .lines = lines, .front = front };
}

static bool pid_next(struct pid_walk *walk, struct str *value)
{
	for (;;) {
		while (walk->rest.data && str_next(&walk->rest, '~', value)) {
			if (value->size)
				return true;
		}
		if (walk->next >= walk->lines->count)
			return false;
		struct str line = str_trim(walk->lines->items[walk->next++]);

		walk->rest = STR_NONE;
		if (str_starts_with(line, walk->front) && line.size > walk->front.size)
			walk->rest = str_from(line, walk->front.size);
	}
}

static struct str pid_first(const struct strs *lines, struct str front)
{
	struct pid_walk walk = pid_walk_of(lines, front);
	struct str value;

	return pid_next(&walk, &value) ? value : STR_NONE;
}

/* A component, unescaped; its first subcomponent. */
static struct str component(struct fhir_emitter *emitter, struct str text, size_t n)
{
	struct str raw = first_subcomponent(text, '^', n);
	struct str plain = hl7_unescape(raw, emitter->arena);

	if (raw.data && !plain.data)
		emit_fail(emitter);
	return plain;
}

static void identifiers_member(struct fhir_emitter *emitter, struct str source_patient_id, const struct strs *lines)
{
	struct json_writer *writer = emitter->writer;
	struct pid_walk walk = pid_walk_of(lines, STR("PID-3|"));
	struct identifier identifier;
	struct str value;
	bool open = false;

	if (source_patient_id.size && identifier_from_cx(source_patient_id, emitter->arena, &identifier)) {
		json_member_array(writer, STR("identifier"));
		json_begin_object(writer);
		json_member(writer, STR("use"), STR("usual"));
		identifier_members(writer, &identifier);
		json_end_object(writer);
		open = true;
	}
	while (pid_next(&walk, &value)) {
		if (str_equal(value, source_patient_id) || !identifier_from_cx(value, emitter->arena, &identifier))
			continue;
		if (!open)
			json_member_array(writer, STR("identifier"));
		open = true;
		json_begin_object(writer);
		identifier_members(writer, &identifier);
		json_end_object(writer);
	}
	if (open)
		json_end_array(writer);
}

/* The FHIR word for a code of an HL7 table; STR_NONE when there is none. */
struct word {
	struct str code, word;
};

static struct str word_of(const struct word *words, size_t count, struct str code)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(words[i].code, code))
			return words[i].word;
	}
	return STR_NONE;
}

static void name_write(struct fhir_emitter *emitter, struct str xpn)
{
	static const struct word uses[] = {
		/* HL7 table 0200 */
		{ STR_INIT("L"), STR_INIT("official") }, { STR_INIT("D"), STR_INIT("usual") },
		{ STR_INIT("N"), STR_INIT("nickname") }, { STR_INIT("A"), STR_INIT("nickname") },
		{ STR_INIT("M"), STR_INIT("maiden") },   { STR_INIT("S"), STR_INIT("anonymous") }
	};
	struct json_writer *writer = emitter->writer;
	struct str family = component(emitter, xpn, 1);
	struct str given = component(emitter, xpn, 2);

	if (!family.size && !given.size)
		return;
	json_begin_object(writer);
	json_member(writer, STR("use"), word_of(uses, COUNT_OF(uses), component(emitter, xpn, 7)));
	json_member(writer, STR("family"), family);
	given_member(writer, given, component(emitter, xpn, 3));
	words_member(writer, STR("prefix"), component(emitter, xpn, 5));
	words_member(writer, STR("suffix"), component(emitter, xpn, 4));
	json_end_object(writer);
}

static void address_write(struct fhir_emitter *emitter, struct str xad)
{
	static const struct word uses[] = { /* HL7 table 0190 */
					    { STR_INIT("H"), STR_INIT("home") },
					    { STR_INIT("B"), STR_INIT("work") },
					    { STR_INIT("O"), STR_INIT("work") },
					    { STR_INIT("C"), STR_INIT("temp") }
	};
	static const struct {
		struct str name;
		size_t component;
	} members[] = {
		{ STR_INIT("city"), 3 },       { STR_INIT("district"), 9 }, { STR_INIT("state"), 4 },
		{ STR_INIT("postalCode"), 5 }, { STR_INIT("country"), 6 },
	};
	struct json_writer *writer = emitter->writer;
	struct str lines[2] = { component(emitter, xad, 1), component(emitter, xad, 2) };

	json_begin_object(writer);
	json_member(writer, STR("use"), word_of(uses, COUNT_OF(uses), component(emitter, xad, 7)));
	if (lines[0].size || lines[1].size) {
		json_member_array(writer, STR("line"));
		for (size_t i = 0; i < COUNT_OF(lines); i++) {
			if (lines[i].size)
				json_text(writer, lines[i]);
		}
		json_end_array(writer);
	}
	for (size_t i = 0; i < COUNT_OF(members); i++)
		json_member(writer, members[i].name, component(emitter, xad, members[i].component));
	json_end_object(writer);
}

/* Something to write beside separators and the type of the address. */
static bool address_says_something(struct str xad)
{
	for (size_t i = 1; i <= 9; i++) {
		if (i != 7 && i != 8 && first_subcomponent(xad, '^', i).size)
			return true;
	}
	return false;
}

static bool name_says_something(struct str xpn)
{
	return first_subcomponent(xpn, '^', 1).size || first_subcomponent(xpn, '^', 2).size;
}

/* An array of all values of a field that say something. */
static void array_member(struct fhir_emitter *emitter, const struct strs *lines, struct str front, struct str name,
			 bool (*says_something)(struct str value),
			 void (*write)(struct fhir_emitter *emitter, struct str value))
{
	struct pid_walk walk = pid_walk_of(lines, front);
	struct str value;
	bool open = false;

	while (pid_next(&walk, &value)) {
		if (!says_something(value))
			continue;
		if (!open)
			json_member_array(emitter->writer, name);
		open = true;
		write(emitter, value);
	}
	if (open)
		json_end_array(emitter->writer);
}

static void telecoms_write(struct fhir_emitter *emitter, const struct strs *lines)
{
	static const struct {
		struct str front, use;
	} fields[] = { { STR_INIT("PID-13|"), STR_INIT("home") }, { STR_INIT("PID-14|"), STR_INIT("work") } };
	bool open = false;

	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		struct pid_walk walk = pid_walk_of(lines, fields[i].front);
		struct str value;

		while (pid_next(&walk, &value)) {
			if (!contact_says_something(value))
				continue;
			if (!open)
				json_member_array(emitter->writer, STR("telecom"));
			open = true;
			contact_write(emitter, value, fields[i].use);
		}
	}
	if (open)
		json_end_array(emitter->writer);
}

/* PID-7 may have a time; birthDate is a date. */
static void birth_member(struct fhir_emitter *emitter, struct str dtm)
{
	struct str day = { dtm.data, dtm.size > 8 ? 8 : dtm.size };
	struct str date;

	if (!xds_time_valid(day))
		return;
	if (xds_time_to_fhir(day, emitter->arena, &date))
		json_member(emitter->writer, STR("birthDate"), date);
	else
		emit_fail(emitter);
}

void patient_contain(struct fhir_emitter *emitter, struct contained_id id, struct str source_patient_id,
		     const struct strs *lines)
{
	static const struct word genders[] = {
		/* HL7 table 0001 */
		{ STR_INIT("M"), STR_INIT("male") },  { STR_INIT("F"), STR_INIT("female") },
		{ STR_INIT("O"), STR_INIT("other") }, { STR_INIT("A"), STR_INIT("other") },
		{ STR_INIT("N"), STR_INIT("other") }, { STR_INIT("U"), STR_INIT("unknown") }
	};

	contained_begin(emitter, "Patient", id, STR_NONE);
	identifiers_member(emitter, source_patient_id, lines);
	array_member(emitter, lines, STR("PID-5|"), STR("name"), name_says_something, name_write);
	telecoms_write(emitter, lines);
	json_member(emitter->writer, STR("gender"),
		    word_of(genders, COUNT_OF(genders), pid_first(lines, STR("PID-8|"))));
	birth_member(emitter, pid_first(lines, STR("PID-7|")));
	array_member(emitter, lines, STR("PID-11|"), STR("address"), address_says_something, address_write);
	json_end_object(emitter->writer);
}
