#include "gateway/domain/datatype_rules.h"

#include "gateway/domain/patients.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"
#include "mappers/base/xds_time.h"

#define VALUE_BYTES_MAX    4096
#define SIZE_DIGITS_MAX    19
#define LANGUAGE_BYTES_MAX 64

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *hash_check(struct str value)
{
	bool hex = value.size == 40;

	for (size_t i = 0; hex && i < value.size; i++)
		hex = is_hex(value.data[i]);
	return hex ? NULL : "write the SHA-1 as 40 hexadecimal digits.";
}

static const char *size_check(struct str value)
{
	uint64_t number;

	return value.size <= SIZE_DIGITS_MAX && str_to_u64(value, &number) ? NULL
									   : "write the octets in decimal digits.";
}

/* The authority of a CX, XCN or XON: &oid&ISO. Empty is the caller's business. */
static bool authority_valid(struct str authority)
{
	return oid_valid(hl7_part(authority, '&', 2)) && str_equal(hl7_part(authority, '&', 3), STR("ISO"));
}

static const char *person_check(struct str value)
{
	struct str authority = hl7_part(value, '^', 9);

	if (hl7_part(value, '^', 1).size == 0 && hl7_part(value, '^', 2).size == 0)
		return "give the person an identifier or a family name (XCN).";
	return authority.size == 0 || authority_valid(authority) ? NULL : "write the authority of the XCN as &oid&ISO.";
}

static const char *organisation_check(struct str value)
{
	struct str authority = hl7_part(value, '^', 6);
	struct str id = hl7_part(value, '^', 10);

	if (hl7_part(value, '^', 1).size == 0)
		return "give the organisation a name (XON).";
	if (authority.size > 0 && !authority_valid(authority))
		return "write the authority of the XON as &oid&ISO.";
	if (id.size > 0 && authority.size == 0 && !oid_valid(id))
		return "give the identifier of the XON an authority, or make it an OID.";
	return NULL;
}

/* PID-n|data. TF-3 4.2.3.2.23 */
static const char *patient_info_check(struct str value)
{
	size_t bar = str_find(value, '|');
	uint64_t field;

	if (!str_starts_with(value, STR("PID-")) || bar == value.size ||
	    !str_to_u64((struct str) { value.data + 4, bar - 4 }, &field) || field == 0 || field > 39)
		return "write each value as PID-n|data.";
	return NULL;
}

/* id^^^&oid&ISO^type. TF-3 4.2.3.2.28 */
static const char *reference_id_check(struct str value)
{
	if (hl7_part(value, '^', 1).size == 0)
		return "give the reference an identifier in component 1.";
	if (hl7_part(value, '^', 5).size == 0)
		return "give the reference its type in component 5, for instance urn:ihe:iti:xds:2013:order.";
	return NULL;
}

/* organisation|person|telecommunication. TF-3 4.2.3.3.7 */
static const char *recipient_check(struct str value)
{
	struct str organisation = hl7_part(value, '|', 1);
	struct str person = hl7_part(value, '|', 2);
	const char *fault = NULL;

	if (organisation.size == 0 && person.size == 0 && hl7_part(value, '|', 3).size == 0)
		return "give the recipient an organisation, a person or a telecommunication.";
	if (organisation.size > 0)
		fault = organisation_check(organisation);
	return fault || person.size == 0 ? fault : person_check(person);
}

static const char *patient_check(struct str value, struct arena *arena)
{
	struct str normalised;

	return patient_id_normalise(value, arena, &normalised, NULL, NULL)
		       ? NULL
		       : "write the patient id as id^^^&oid&ISO and nothing else.";
}

const char *datatype_check(enum datatype type, struct str value, struct arena *arena)
{
	if (str_is_empty(str_trim(value)))
		return "give it a value.";
	if (value.size > VALUE_BYTES_MAX)
		return "shorten it.";
	switch (type) {
	case DATATYPE_TIME:
		return xds_time_valid(value) ? NULL : "write YYYY[MM[DD[hh[mm[ss]]]]] in UTC.";
	case DATATYPE_CX:
		return patient_check(value, arena);
	case DATATYPE_XCN:
		return person_check(value);
	case DATATYPE_XON:
		return organisation_check(value);
	case DATATYPE_OID:
		return oid_valid(value) ? NULL : "write an OID in dotted form, at most 64 characters.";
	case DATATYPE_HASH:
		return hash_check(value);
	case DATATYPE_SIZE:
		return size_check(value);
	case DATATYPE_PID:
		return patient_info_check(value);
	case DATATYPE_CXI:
		return reference_id_check(value);
	case DATATYPE_RECIPIENT:
		return recipient_check(value);
	case DATATYPE_STRING:
	case DATATYPE_XTN:
	case DATATYPE_UUID:
	case DATATYPE_STATUS:
	case DATATYPE_CODE:
	case DATATYPE_AUTHOR:
		return NULL;
	}
	return NULL;
}

/* restricted-name of RFC 6838 4.2: a wildcard is none. */
static bool is_token(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		char c = text.data[i];

		if (!is_alpha(c) && !is_digit(c) && (i == 0 || !strchr("!#$&-^_.+", c)))
			return false;
	}
	return text.size > 0;
}

const char *datatype_check_media_type(struct str value)
{
	size_t end = str_find(value, ';');
	struct str essence = str_trim((struct str) { value.data, end });
	size_t slash = str_find(essence, '/');

	if (slash < essence.size && is_token((struct str) { essence.data, slash }) &&
	    is_token(str_from(essence, slash + 1)))
		return NULL;
	return "write a media type such as text/xml.";
}

const char *datatype_check_home(struct str value)
{
	return oid_urn_valid(value) ? NULL : "write urn:oid: and an OID.";
}

const char *datatype_check_language(struct str value)
{
	static const char fault[] = "write a language tag of RFC 5646, for instance fr-LU.";
	struct str rest = value;
	struct str part;

	if (value.size == 0 || value.size > LANGUAGE_BYTES_MAX)
		return fault;
	for (size_t n = 0; str_next(&rest, '-', &part); n++) {
		if (part.size == 0 || part.size > 8)
			return fault;
		for (size_t i = 0; i < part.size; i++) {
			if (!is_alpha(part.data[i]) && (n == 0 || !is_digit(part.data[i])))
				return fault;
		}
	}
	return NULL;
}
