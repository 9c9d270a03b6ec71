#include "gateway/domain/identity_match.h"

#include "mappers/fold.h"

/* Of 100 each; what is not asked for does not count. An identifier says more than any trait. */
enum {
	WEIGHT_IDENTIFIERS = 100,
	WEIGHT_FAMILY = 30,
	WEIGHT_GIVEN = 15,
	WEIGHT_BIRTH = 30,
	WEIGHT_GENDER = 5,
	WEIGHT_ADDRESS = 10,
	WEIGHT_TELECOM = 10,
	WEIGHT_MOTHER = 10,
	BEGINS_PERCENT = 80
};

struct tally {
	int asked;
	int fits;
	bool all_fit;
};

static void tally_add(struct tally *tally, int weight, int percent)
{
	tally->asked += weight;
	tally->fits += weight * percent / 100;
	tally->all_fit = tally->all_fit && percent > 0;
}

static bool fold_into(struct str text, struct arena *arena, struct str *folded)
{
	*folded = text.size > 0 ? fold(text, arena) : STR("");
	return folded->data != NULL;
}

static bool address_fold(const struct patient_address *address, struct arena *arena, struct patient_address *folded)
{
	return fold_into(address->line, arena, &folded->line) && fold_into(address->city, arena, &folded->city) &&
	       fold_into(address->state, arena, &folded->state) &&
	       fold_into(address->postal_code, arena, &folded->postal_code) &&
	       fold_into(address->country, arena, &folded->country);
}

/* Blanks, dashes and the like in a telephone number mean nothing. */
static bool telecom_fold(struct str text, struct arena *arena, struct str *folded)
{
	char *copy = arena_alloc(arena, text.size + 1);
	size_t size = 0;

	if (!copy)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (!memchr(" -./()", text.data[i], 6))
			copy[size++] = text.data[i];
	}
	return fold_into((struct str) { copy, size }, arena, folded);
}

bool identity_wanted_fold(const struct patient_query *query, struct arena *arena, struct identity_wanted *wanted)
{
	*wanted = (struct identity_wanted) { .query = query };
	return fold_into(query->family, arena, &wanted->family) && fold_into(query->given, arena, &wanted->given) &&
	       fold_into(query->mothers_maiden_name, arena, &wanted->mother) &&
	       telecom_fold(query->telecom, arena, &wanted->telecom) &&
	       address_fold(&query->address, arena, &wanted->address);
}

static bool address_is_asked(const struct patient_address *address)
{
	return address->line.size + address->city.size + address->state.size + address->postal_code.size +
		       address->country.size >
	       0;
}

bool identity_has_traits(const struct patient_query *query)
{
	return query->family.size + query->given.size + query->gender.size + query->birth_from.size +
			       query->birth_to.size + query->telecom.size + query->mothers_maiden_name.size >
		       0 ||
	       address_is_asked(&query->address);
}

/* 100 when the text, or one of its words, is what is wanted; less when it begins so; 0 when neither. */
static int text_fits(struct str text, struct str wanted, bool is_exact)
{
	int best = 0;

	for (size_t i = 0; i < text.size; i++) {
		struct str rest = str_from(text, i);

		if ((i > 0 && text.data[i - 1] != ' ') || !str_starts_with(rest, wanted))
			continue;
		if (rest.size == wanted.size || rest.data[wanted.size] == ' ')
			return 100;
		best = is_exact ? best : BEGINS_PERCENT;
	}
	return best;
}

static int folded_fits(struct str text, struct str wanted, bool is_exact, struct arena *arena, bool *failed)
{
	struct str folded = text.size > 0 ? fold(text, arena) : STR("");

	*failed = *failed || !folded.data;
	return folded.data ? text_fits(folded, wanted, is_exact) : 0;
}

/* Which of two names fits better: the one that fits in more of what is asked, then the one whose family name does. */
static int name_rank(const struct identity_wanted *wanted, int family, int given)
{
	int fits = (wanted->family.size == 0 || family > 0) + (wanted->given.size == 0 || given > 0);

	return fits * 1000 + family * 4 + given;
}

/* Family and given name must be of one name: not the given name of now and the family name of then. */
static void names_tally(const struct identity_wanted *wanted, const struct patient *patient, struct arena *arena,
			struct tally *tally, bool *failed)
{
	bool is_exact = wanted->query->name_is_exact;
	int best_family = 0;
	int best_given = 0;

	for (size_t i = 0; i < patient->name_count; i++) {
		const struct patient_name *name = &patient->names[i];
		int family = folded_fits(name->family, wanted->family, is_exact, arena, failed);
		int given = folded_fits(name->given, wanted->given, is_exact, arena, failed);

		if (name_rank(wanted, family, given) > name_rank(wanted, best_family, best_given)) {
			best_family = family;
			best_given = given;
		}
	}
	if (wanted->family.size > 0)
		tally_add(tally, WEIGHT_FAMILY, best_family);
	if (wanted->given.size > 0)
		tally_add(tally, WEIGHT_GIVEN, best_given);
}

/* A FHIR date as its first or last day: dates in this form are ordered like their text. */
static void day_of(struct str date, const char *missing, char day[11])
{
	size_t size = date.size < 10 ? date.size : 10;

	memcpy(day, missing, 11);
	if (size > 0)
		memcpy(day, date.data, size);
}

/* The whole of what is known must lie in what is asked: who was born in 1984, nobody knows when, fits 1984 and not May. */
static bool birth_fits(const struct patient_query *query, struct str birth_date)
{
	char from[11];
	char to[11];
	char first[11];
	char last[11];

	day_of(query->birth_from, "0000-01-01", from);
	day_of(query->birth_to, query->birth_to.size == 0 ? "9999-12-31" : "0000-12-31", to);
	day_of(birth_date, "0000-01-01", first);
	day_of(birth_date, "0000-12-31", last);
	return birth_date.size > 0 && memcmp(first, from, 10) >= 0 && memcmp(last, to, 10) <= 0;
}

static bool part_fits(struct str part, struct str wanted, struct arena *arena, bool *failed)
{
	return wanted.size == 0 || folded_fits(part, wanted, false, arena, failed) > 0;
}

static bool address_fits(const struct patient_address *wanted, const struct patient *patient, struct arena *arena,
			 bool *failed)
{
	for (size_t i = 0; i < patient->address_count; i++) {
		const struct patient_address *address = &patient->addresses[i];

		if (part_fits(address->line, wanted->line, arena, failed) &&
		    part_fits(address->city, wanted->city, arena, failed) &&
		    part_fits(address->state, wanted->state, arena, failed) &&
		    part_fits(address->postal_code, wanted->postal_code, arena, failed) &&
		    part_fits(address->country, wanted->country, arena, failed))
			return true;
	}
	return false;
}

static bool telecom_fits(struct str wanted, const struct patient *patient, struct arena *arena, bool *failed)
{
	for (size_t i = 0; i < patient->telecom_count; i++) {
		struct str folded;

		if (!telecom_fold(patient->telecoms[i].value, arena, &folded))
			*failed = true;
		else if (str_equal(folded, wanted))
			return true;
	}
	return false;
}

int identity_match(const struct identity_wanted *wanted, const struct patient *patient, bool has_identifiers,
		   struct arena *arena, bool *failed)
{
	const struct patient_query *query = wanted->query;
	struct tally tally = { .all_fit = true };
	int percent;

	if (query->identifiers.count > 0)
		tally_add(&tally, WEIGHT_IDENTIFIERS, has_identifiers ? 100 : 0);
	if (wanted->family.size + wanted->given.size > 0)
		names_tally(wanted, patient, arena, &tally, failed);
	if (query->birth_from.size + query->birth_to.size > 0)
		tally_add(&tally, WEIGHT_BIRTH, birth_fits(query, patient->birth_date) ? 100 : 0);
	if (query->gender.size > 0)
		tally_add(&tally, WEIGHT_GENDER, str_equal(query->gender, patient->gender) ? 100 : 0);
	if (address_is_asked(&query->address))
		tally_add(&tally, WEIGHT_ADDRESS, address_fits(&wanted->address, patient, arena, failed) ? 100 : 0);
	if (wanted->telecom.size > 0)
		tally_add(&tally, WEIGHT_TELECOM, telecom_fits(wanted->telecom, patient, arena, failed) ? 100 : 0);
	if (wanted->mother.size > 0)
		tally_add(&tally, WEIGHT_MOTHER,
			  folded_fits(patient->mothers_maiden_name, wanted->mother, false, arena, failed));
	percent = tally.asked > 0 ? tally.fits * 100 / tally.asked : 0;
	if (query->minimum_percent < 0)
		return tally.all_fit && percent > 0 ? percent : -1;
	return percent > 0 && percent >= query->minimum_percent ? percent : -1;
}
