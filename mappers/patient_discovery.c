#include "mappers/patient_discovery.h"

#include "mappers/fold.h"
#include "mappers/hl7v3.h"

bool patient_is_other(const struct patient *patient, const struct patient_identities *asked)
{
	for (size_t i = 0; i < asked->count; i++) {
		bool has_one = false;
		bool has_this = false;

		for (size_t k = 0; k < patient->identifiers.count; k++) {
			has_one = has_one ||
				  str_equal(patient->identifiers.items[k].authority, asked->items[i].authority);
			has_this = has_this || patient_identity_equal(&patient->identifiers.items[k], &asked->items[i]);
		}
		if (has_one && !has_this)
			return true;
	}
	return false;
}

/* One of the names, as a whole. */
static bool name_fits(const struct patient *patient, const struct patient_query *query, struct arena *arena, bool *fits)
{
	struct str family = fold(query->family, arena);
	struct str given = fold(query->given, arena);

	*fits = query->family.size + query->given.size == 0;
	if ((query->family.size && !family.data) || (query->given.size && !given.data))
		return false;
	for (size_t i = 0; !*fits && i < patient->name_count; i++) {
		struct str own_family = fold(patient->names[i].family, arena);
		struct str own_given = fold(patient->names[i].given, arena);

		*fits = (!family.size || str_equal(family, own_family)) &&
			(!given.size || str_equal(given, own_given) ||
			 (str_starts_with(own_given, given) && own_given.data[given.size] == ' '));
	}
	return true;
}

/* Dates are compared as far as both go. */
static bool birth_fits(const struct patient *patient, const struct patient_query *query)
{
	struct str known = patient->birth_date;
	struct str said = query->birth_from;
	size_t size = known.size < said.size ? known.size : said.size;

	return size == 0 || !str_equal(said, query->birth_to) || memcmp(known.data, said.data, size) == 0;
}

bool patient_fits(const struct patient *patient, const struct patient_query *query, struct arena *arena, bool *fits)
{
	if (!name_fits(patient, query, arena, fits))
		return false;
	*fits = *fits && birth_fits(patient, query) &&
		(!query->gender.size || !patient->gender.size || str_equal(query->gender, patient->gender));
	return true;
}

bool patient_requests(const struct patient_query *query, struct arena *arena, struct strs *requests)
{
	const struct patient_address *address = &query->address;
	const struct {
		bool is_said;
		struct str request;
	} traits[] = {
		{ query->gender.size > 0, STR(HL7V3_GENDER_REQUESTED) },
		{ address->line.size + address->city.size + address->postal_code.size > 0,
		  STR(HL7V3_ADDRESS_REQUESTED) },
		{ query->telecom.size > 0, STR(HL7V3_TELECOM_REQUESTED) },
		{ query->mothers_maiden_name.size > 0, STR(HL7V3_MOTHER_REQUESTED) },
	};

	*requests = (struct strs) { .items = arena_array(arena, COUNT_OF(traits), sizeof *requests->items) };
	if (!requests->items)
		return false;
	for (size_t i = 0; i < COUNT_OF(traits); i++) {
		if (!traits[i].is_said)
			requests->items[requests->count++] = traits[i].request;
	}
	return true;
}
