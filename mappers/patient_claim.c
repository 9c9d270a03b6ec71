#include "mappers/patient_claim.h"

#define ID_BYTES_MAX 64 /* FHIR R4 datatype id, and the ids that this gateway gives out */

bool patient_claim_equal(const struct patient_claim *a, const struct patient_claim *b)
{
	if (a->identifier_count != b->identifier_count || !str_equal(a->own_id, b->own_id) ||
	    !str_equal(a->url, b->url))
		return false;
	for (size_t i = 0; i < a->identifier_count; i++) {
		if (!str_equal(a->identifiers[i].system, b->identifiers[i].system) ||
		    !str_equal(a->identifiers[i].value, b->identifiers[i].value))
			return false;
	}
	return true;
}

bool patient_claim_refer(struct str text, struct str base, struct patient_claim *claim)
{
	if (base.size && str_starts_with(text, base) && text.size > base.size && text.data[base.size] == '/')
		text = str_from(text, base.size + 1);
	if (str_starts_with(text, STR("http://")) || str_starts_with(text, STR("https://"))) {
		claim->url = text;
		return true;
	}
	claim->own_id = str_without_prefix(text, STR("Patient/"));
	return claim->own_id.size > 0 && claim->own_id.size <= ID_BYTES_MAX;
}
