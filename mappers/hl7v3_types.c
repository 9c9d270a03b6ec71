#include "mappers/hl7v3_types.h"

#include "mappers/hl7v3_read.h"

bool v3_malformed(struct v3_reader *reader, const char *text)
{
	return outcome_add(reader->outcome, ERR_BODY_MALFORMED, "", "%s", text);
}

bool v3_no_memory(struct v3_reader *reader)
{
	return outcome_add(reader->outcome, ERR_NO_MEMORY, "", "Retry later, or ask for less in one message.");
}

bool v3_attribute(struct v3_reader *reader, const char *name, struct str *value)
{
	for (size_t i = 0; i < reader->attribute_count; i++) {
		const unsigned char **raw = reader->attributes + 5 * i;

		if (raw[2] || strcmp((const char *)raw[0], name) != 0)
			continue;
		*value = arena_copy(reader->arena,
				    str_trim((struct str) { (const char *)raw[3], (size_t)(raw[4] - raw[3]) }));
		return value->data || v3_no_memory(reader);
	}
	*value = STR_NONE;
	return true;
}

bool v3_ii_read(struct v3_reader *reader, struct hl7v3_ii *ii)
{
	struct str null_flavor;

	if (!v3_attribute(reader, "nullFlavor", &null_flavor) || !v3_attribute(reader, "root", &ii->root) ||
	    !v3_attribute(reader, "extension", &ii->extension))
		return false;
	if (null_flavor.size > 0)
		*ii = (struct hl7v3_ii) { 0 };
	return true;
}

bool v3_ii_read_once(struct v3_reader *reader, struct hl7v3_ii *ii)
{
	struct hl7v3_ii read;

	if (!v3_ii_read(reader, &read))
		return false;
	if (ii->root.data && (!str_equal(ii->root, read.root) || !str_equal(ii->extension, read.extension)))
		return v3_malformed(reader, "Send a message that names one query and one message only.");
	*ii = read;
	return true;
}

bool v3_identity_append(struct v3_reader *reader, struct patient_identity identity,
			struct patient_identities *identities, size_t *capacity)
{
	for (size_t i = 0; i < identities->count; i++) {
		if (patient_identity_equal(&identities->items[i], &identity))
			return true;
	}
	if (identities->count == HL7V3_IDENTIFIERS_MAX)
		return outcome_add(reader->outcome, ERR_TOO_LONG, "", "Send at most %d identifiers of a patient.",
				   HL7V3_IDENTIFIERS_MAX);
	if (!arena_grow(reader->arena, &identities->items, identities->count, capacity, sizeof identity))
		return v3_no_memory(reader);
	identities->items[identities->count++] = identity;
	return true;
}

bool v3_identity_add(struct v3_reader *reader, struct patient_identities *identities, size_t *capacity)
{
	struct hl7v3_ii ii;

	if (!v3_ii_read(reader, &ii))
		return false;
	struct patient_identity identity = { .authority = ii.root, .value = ii.extension };

	return identity.authority.size == 0 || identity.value.size == 0 ||
	       v3_identity_append(reader, identity, identities, capacity);
}

bool v3_number_read(struct v3_reader *reader, size_t *number)
{
	struct str value;
	uint64_t read;

	if (!v3_attribute(reader, "value", &value))
		return false;
	if (str_to_u64(value, &read) && read <= INT32_MAX)
		*number = (size_t)read;
	return true;
}

bool v3_percent_read(struct v3_reader *reader, int *percent)
{
	size_t number = SIZE_MAX;

	if (!v3_number_read(reader, &number))
		return false;
	if (number <= 100)
		*percent = (int)number;
	return true;
}

bool v3_word_add(struct v3_reader *reader, struct strs *words, size_t *capacity, struct str word)
{
	if (!arena_grow(reader->arena, &words->items, words->count, capacity, sizeof(struct str)))
		return v3_no_memory(reader);
	words->items[words->count++] = word;
	return true;
}
