#include "gateway/domain/identity_seed.h"

#include <inttypes.h>

#include <jansson.h>

#include "gateway/domain/patient_range.h"
#include "mappers/base/oid.h"

#define REFERENCES     "domain.cross_references"
#define DEMOGRAPHICS   "domain.demographics_file"
#define PAIRS_MAX      100000      /* of one item */
#define SEED_BYTES_MAX (64U << 20) /* for one item or person */
#define PATIENTS_MAX   100000

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
}

/* One side of a cross-reference, or the identifier of a person. */
struct side {
	struct str authority;
	struct patient_range range;
};

static bool side_read(struct str text, const struct patients *patients, struct side *side)
{
	size_t bar;

	text = str_trim(text);
	bar = str_find(text, '|');
	side->authority = patients_authority(patients);
	if (bar < text.size) {
		side->authority = str_trim((struct str) { text.data, bar });
		text = str_trim(str_from(text, bar + 1));
	}
	side->authority = str_without_prefix(side->authority, STR("urn:oid:"));
	return oid_valid(side->authority) && patient_range_read(text, &side->range);
}

struct seeding {
	const struct patients *patients;
	const struct strs *items;
	const json_t *persons;
};

static bool pair_enter(struct connection *connection, const struct side *left, const struct side *right, uint64_t index,
		       struct arena *arena, struct outcome *outcome)
{
	struct patient_identity a = { left->authority, patient_range_at(&left->range, index, arena) };
	struct patient_identity b = { right->authority, patient_range_at(&right->range, index, arena) };
	struct identity_row row_a;
	struct identity_row row_b;
	struct str key;
	bool was_new = false;

	if (!a.value.data || !b.value.data)
		return no_memory(outcome);
	key = arena_printf(arena, "%.*s|%.*s = %.*s|%.*s", STR_ARG(a.authority), STR_ARG(a.value), STR_ARG(b.authority),
			   STR_ARG(b.value));
	if (!key.data)
		return no_memory(outcome);
	if (!identity_seed_once(connection, key, &was_new, outcome))
		return false;
	if (!was_new)
		return true;
	if (!identity_enter(connection, &a, &row_a, outcome) || !identity_enter(connection, &b, &row_b, outcome))
		return false;
	/* What a feed has merged since is not brought back. */
	return row_a.survivor != 0 || row_b.survivor != 0 || identity_link(connection, row_a.id, row_b.id, outcome);
}

static bool item_enter(struct connection *connection, const struct seeding *seeding, size_t index,
		       struct outcome *outcome)
{
	struct str item = seeding->items->items[index];
	size_t equals = str_find(item, '=');
	struct side left = { 0 };
	struct side right = { 0 };

	if (equals == item.size || !side_read((struct str) { item.data, equals }, seeding->patients, &left) ||
	    !side_read(str_from(item, equals + 1), seeding->patients, &right))
		return outcome_add(outcome, ERR_VALUE_INVALID, REFERENCES,
				   "Write item %zu as \"oid|A-001..A-020 = B-001..B-020\".", index + 1);
	if (patient_range_count(&left.range) != patient_range_count(&right.range) ||
	    patient_range_count(&left.range) > PAIRS_MAX)
		return outcome_add(outcome, ERR_VALUE_INVALID, REFERENCES,
				   "Let both sides of item %zu have the same number of identifiers, %d at most.",
				   index + 1, PAIRS_MAX);
	struct arena *arena = arena_new(SEED_BYTES_MAX);
	bool good = arena || no_memory(outcome);

	for (uint64_t i = 0; good && i < patient_range_count(&left.range); i++)
		good = pair_enter(connection, &left, &right, i, arena, outcome);
	arena_free(arena);
	return good;
}

static bool references_work(void *context, struct connection *connection, struct outcome *outcome)
{
	const struct seeding *seeding = context;

	for (size_t i = 0; i < seeding->items->count; i++) {
		if (!item_enter(connection, seeding, i, outcome))
			return false;
	}
	return true;
}

bool identity_seed_references(struct database *database, const struct patients *patients, const struct strs *items,
			      struct outcome *outcome)
{
	struct seeding seeding = { .patients = patients, .items = items };

	return database_write(database, references_work, &seeding, outcome);
}

/* --- traits --- */

static struct str member(const json_t *object, const char *name)
{
	return str_from_c(json_string_value(json_object_get(object, name)));
}

/* Everything of a person as the file has it; strings stay the tree's. */
struct person {
	struct patient patient;
	struct patient_name names[2];
	struct patient_address address;
	struct patient_telecom telecoms[2];
};

static void person_read(const json_t *item, struct person *person)
{
	struct patient *patient = &person->patient;
	struct str maiden = member(item, "maiden_name");
	struct str phone = member(item, "phone");
	struct str email = member(item, "email");

	*person = (struct person) { .patient = { .match_percent = -1 } };
	person->names[patient->name_count++] = (struct patient_name) { .family = member(item, "family"),
								       .given = member(item, "given"),
								       .prefix = member(item, "prefix"),
								       .use = STR("official") };
	if (maiden.size > 0)
		person->names[patient->name_count++] = (struct patient_name) { .family = maiden,
									       .given = member(item, "given"),
									       .use = STR("maiden") };
	person->address = (struct patient_address) { .line = member(item, "line"),
						     .city = member(item, "city"),
						     .state = member(item, "state"),
						     .postal_code = member(item, "postal_code"),
						     .country = member(item, "country"),
						     .use = STR("home") };
	patient->address_count = person->address.city.size + person->address.line.size > 0 ? 1 : 0;
	if (phone.size > 0)
		person->telecoms[patient->telecom_count++] =
			(struct patient_telecom) { STR("phone"), phone, STR("home") };
	if (email.size > 0)
		person->telecoms[patient->telecom_count++] = (struct patient_telecom) { STR("email"), email, STR_NONE };
	patient->names = person->names;
	patient->addresses = &person->address;
	patient->telecoms = person->telecoms;
	patient->gender = member(item, "gender");
	patient->birth_date = member(item, "birth_date");
	patient->mothers_maiden_name = member(item, "mothers_maiden_name");
}

static bool person_enter(struct connection *connection, const struct seeding *seeding, size_t index,
			 struct outcome *outcome)
{
	const json_t *item = json_array_get(seeding->persons, index);
	struct str text = member(item, "identifier");
	struct patient_identity identity;
	struct identity_row row;
	struct side side = { 0 };
	struct person person;

	if (text.size == 0 || !side_read(text, seeding->patients, &side) || side.range.is_range)
		return outcome_add(outcome, ERR_VALUE_INVALID, DEMOGRAPHICS,
				   "Give patient %zu an identifier: a value, or oid|value.", index + 1);
	identity = (struct patient_identity) { side.authority, side.range.prefix };
	person_read(item, &person);
	if (!identity_enter(connection, &identity, &row, outcome))
		return false;
	if (row.survivor != 0)
		return true;
	struct arena *arena = arena_new(SEED_BYTES_MAX);
	bool good = arena ? identity_person_store(connection, row.id, &person.patient, true, arena, outcome)
			  : no_memory(outcome);

	arena_free(arena);
	return good;
}

static bool demographics_work(void *context, struct connection *connection, struct outcome *outcome)
{
	const struct seeding *seeding = context;

	for (size_t i = 0; i < json_array_size(seeding->persons); i++) {
		if (!person_enter(connection, seeding, i, outcome))
			return false;
	}
	return true;
}

bool identity_seed_demographics(struct database *database, const struct patients *patients, struct str json,
				struct outcome *outcome)
{
	json_error_t where;
	json_t *tree = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, &where);
	struct seeding seeding = { .patients = patients, .persons = json_object_get(tree, "patients") };
	bool good = false;

	if (!tree)
		return outcome_add(outcome, ERR_BODY_MALFORMED, DEMOGRAPHICS,
				   "Correct the file at line %d: it is no JSON.", where.line);
	if (!json_is_array(seeding.persons) || json_array_size(seeding.persons) > PATIENTS_MAX)
		outcome_add(outcome, ERR_VALUE_INVALID, DEMOGRAPHICS,
			    "Write the file as {\"patients\": [...]}, with at most %d patients.", PATIENTS_MAX);
	else
		good = database_write(database, demographics_work, &seeding, outcome);
	json_decref(tree);
	return good;
}
