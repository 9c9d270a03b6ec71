#include "mappers/hl7v3_words.h"

#include "mappers/base/xds_time.h"

struct word {
	struct str from;
	struct str to;
};

static const struct {
	struct str root;
	struct str trigger;
} kinds[] = {
	[HL7V3_PIX_QUERY] = { STR_INIT("PRPA_IN201309UV02"), STR_INIT("PRPA_TE201309UV02") },
	[HL7V3_PIX_ANSWER] = { STR_INIT("PRPA_IN201310UV02"), STR_INIT("PRPA_TE201310UV02") },
	[HL7V3_PDQ_QUERY] = { STR_INIT("PRPA_IN201305UV02"), STR_INIT("PRPA_TE201305UV02") },
	[HL7V3_PDQ_ANSWER] = { STR_INIT("PRPA_IN201306UV02"), STR_INIT("PRPA_TE201306UV02") },
	[HL7V3_ADD] = { STR_INIT("PRPA_IN201301UV02"), STR_INIT("PRPA_TE201301UV02") },
	[HL7V3_REVISE] = { STR_INIT("PRPA_IN201302UV02"), STR_INIT("PRPA_TE201302UV02") },
	[HL7V3_MERGE] = { STR_INIT("PRPA_IN201304UV02"), STR_INIT("PRPA_TE201304UV02") },
	[HL7V3_ACK] = { STR_INIT("MCCI_IN000002UV01"), { NULL, 0 } },
};

static const struct word genders[] = {
	{ STR_INIT("M"), STR_INIT("male") },
	{ STR_INIT("F"), STR_INIT("female") },
	{ STR_INIT("UN"), STR_INIT("other") },
};

/* Several codes may mean one word; the first is the one written. */
static const struct word name_uses[] = {
	{ STR_INIT("L"), STR_INIT("official") }, { STR_INIT("OR"), STR_INIT("official") },
	{ STR_INIT("C"), STR_INIT("official") }, { STR_INIT("P"), STR_INIT("nickname") },
	{ STR_INIT("A"), STR_INIT("nickname") },
};

static const struct word address_uses[] = {
	{ STR_INIT("HP"), STR_INIT("home") },  { STR_INIT("H"), STR_INIT("home") },
	{ STR_INIT("HV"), STR_INIT("home") },  { STR_INIT("WP"), STR_INIT("work") },
	{ STR_INIT("DIR"), STR_INIT("work") }, { STR_INIT("PUB"), STR_INIT("work") },
	{ STR_INIT("TMP"), STR_INIT("temp") }, { STR_INIT("BAD"), STR_INIT("old") },
};

static const struct word telecom_uses[] = {
	{ STR_INIT("MC"), STR_INIT("mobile") }, { STR_INIT("HP"), STR_INIT("home") },
	{ STR_INIT("H"), STR_INIT("home") },    { STR_INIT("HV"), STR_INIT("home") },
	{ STR_INIT("WP"), STR_INIT("work") },   { STR_INIT("DIR"), STR_INIT("work") },
	{ STR_INIT("PUB"), STR_INIT("work") },  { STR_INIT("TMP"), STR_INIT("temp") },
	{ STR_INIT("BAD"), STR_INIT("old") },
};

static const struct word schemes[] = {
	{ STR_INIT("tel:"), STR_INIT("phone") },
	{ STR_INIT("fax:"), STR_INIT("fax") },
	{ STR_INIT("mailto:"), STR_INIT("email") },
	{ STR_INIT("sms:"), STR_INIT("sms") },
};

static struct str word_to(const struct word *words, size_t count, struct str from)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(words[i].from, from))
			return words[i].to;
	}
	return STR_NONE;
}

static struct str word_from(const struct word *words, size_t count, struct str to)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(words[i].to, to))
			return words[i].from;
	}
	return STR_NONE;
}

/* The first word of a list that has a meaning. */
static struct str words_to(const struct word *words, size_t count, struct str list)
{
	struct str part;

	while (list.data && str_next(&list, ' ', &part)) {
		struct str found = word_to(words, count, part);

		if (found.data)
			return found;
	}
	return STR_NONE;
}

enum hl7v3_kind hl7v3_kind_of(struct str root_name)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (kinds[i].root.data && str_equal(kinds[i].root, root_name))
			return (enum hl7v3_kind)i;
	}
	return HL7V3_OTHER;
}

struct str hl7v3_root_name(enum hl7v3_kind kind)
{
	return kinds[kind].root;
}

struct str hl7v3_trigger(enum hl7v3_kind kind)
{
	return kinds[kind].trigger;
}

struct str v3_gender(struct str code)
{
	struct str gender = word_to(genders, COUNT_OF(genders), code);

	return gender.data ? gender : STR("unknown");
}

struct str v3_gender_code(struct str gender)
{
	return word_from(genders, COUNT_OF(genders), gender);
}

struct str v3_name_use(struct str uses)
{
	return words_to(name_uses, COUNT_OF(name_uses), uses);
}

struct str v3_name_use_code(struct str use)
{
	return word_from(name_uses, COUNT_OF(name_uses), use);
}

struct str v3_address_use(struct str uses)
{
	return words_to(address_uses, COUNT_OF(address_uses), uses);
}

struct str v3_address_use_code(struct str use)
{
	return word_from(address_uses, COUNT_OF(address_uses), use);
}

struct str v3_telecom_use(struct str uses)
{
	return words_to(telecom_uses, COUNT_OF(telecom_uses), uses);
}

struct str v3_telecom_use_code(struct str use)
{
	return word_from(telecom_uses, COUNT_OF(telecom_uses), use);
}

bool v3_has_word(struct str words, struct str word)
{
	struct str part;

	while (words.data && str_next(&words, ' ', &part)) {
		if (str_equal(part, word))
			return true;
	}
	return false;
}

struct str v3_telecom_system(struct str value)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		if (str_starts_with_nocase(value, schemes[i].from))
			return schemes[i].to;
	}
	return str_starts_with_nocase(value, STR("http:")) || str_starts_with_nocase(value, STR("https:"))
		       ? STR("url")
		       : STR("other");
}

struct str v3_telecom_value(struct str value)
{
	for (size_t i = 0; i < COUNT_OF(schemes); i++) {
		if (str_starts_with_nocase(value, schemes[i].from))
			return str_from(value, schemes[i].from.size);
	}
	return value;
}

struct str v3_telecom_scheme(struct str system)
{
	struct str scheme = word_from(schemes, COUNT_OF(schemes), system);

	return scheme.data ? scheme : STR("");
}

struct str v3_date(struct str ts, struct arena *arena)
{
	size_t digits = 0;

	while (digits < ts.size && digits < 8 && ts.data[digits] >= '0' && ts.data[digits] <= '9')
		digits++;
	ts.size = digits < 4 ? 0 : digits < 6 ? 4 : digits < 8 ? 6 : 8;
	if (!xds_time_valid(ts))
		return STR("");
	if (ts.size == 4)
		return arena_copy(arena, ts);
	if (ts.size == 6)
		return arena_printf(arena, "%.4s-%.2s", ts.data, ts.data + 4);
	return arena_printf(arena, "%.4s-%.2s-%.2s", ts.data, ts.data + 4, ts.data + 6);
}

void v3_time(struct str fhir, char out[V3_TIME_SIZE])
{
	size_t size = 0;
	bool in_time = false;
	bool in_fraction = false;

	for (size_t i = 0; i < fhir.size && size < V3_TIME_SIZE - 1; i++) {
		char c = fhir.data[i];

		if (c == 'T')
			in_time = true;
		else if (c == '.')
			in_fraction = true;
		else if (in_time && (c == '+' || c == '-')) {
			in_fraction = false;
			out[size++] = c;
		} else if (c >= '0' && c <= '9' && !in_fraction)
			out[size++] = c;
		else if (c == 'Z' && size + 5 < V3_TIME_SIZE) {
			memcpy(out + size, "+0000", 5);
			size += 5;
		}
	}
	out[size] = '\0';
}
