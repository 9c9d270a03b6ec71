#include "mappers/consent_hospital.h"

#include "mappers/consent_identity.h"

static bool is_of(const struct consent_hospital *hospital, const struct document_entry *entry)
{
	for (size_t i = 0; i < hospital->organizations.count; i++) {
		struct str text = hospital->organizations.items[i];
		size_t bar = str_find(text, '|');
		struct consent_identifier organization =
			bar < text.size
				? consent_identifier_of((struct str) { text.data, bar }, str_from(text, bar + 1))
				: consent_identifier_of(STR_NONE, text);
		const struct consent_identifiers one = { &organization, 1 };

		if (consent_author_match(&one, PARTY_ORGANIZATION, entry) == MATCH_YES)
			return true;
	}
	return false;
}

struct str consent_hospital_of(const struct consent_hospitals *hospitals, const struct document_entry *entry)
{
	struct str other = STR_NONE;

	for (size_t i = 0; i < hospitals->count; i++) {
		const struct consent_hospital *hospital = &hospitals->items[i];

		if (!is_of(hospital, entry))
			continue;
		if (hospital->is_own)
			return STR_NONE;
		other = hospital->name;
	}
	return other;
}

/* Whether what this institution has recorded is another's, of whom before was not. */
static bool is_foreign(const struct consent_hospitals *hospitals, struct str *institution,
		       const struct document_entry *before)
{
	struct author alone = { .institutions = { institution, 1 } };
	const struct document_entry entry = { .authors = { &alone, 1 } };
	bool is_foreign = false;

	for (size_t i = 0; i < hospitals->count; i++) {
		const struct consent_hospital *hospital = &hospitals->items[i];

		if (!is_of(hospital, &entry))
			continue;
		if (hospital->is_own)
			return false;
		is_foreign = is_foreign || !before || !is_of(hospital, before);
	}
	return is_foreign;
}

bool consent_hospital_is_claimed(const struct consent_hospitals *hospitals, const struct document_entry *entry,
				 const struct document_entry *before, size_t *author)
{
	for (*author = 0; *author < entry->authors.count; ++*author) {
		const struct strs *institutions = &entry->authors.items[*author].institutions;

		for (size_t i = 0; i < institutions->count; i++) {
			if (is_foreign(hospitals, &institutions->items[i], before))
				return true;
		}
	}
	return false;
}

bool consent_hospitals_elsewhere(const struct consent_hospitals *hospitals)
{
	for (size_t i = 0; i < hospitals->count; i++) {
		if (!hospitals->items[i].is_own && hospitals->items[i].organizations.count)
			return true;
	}
	return false;
}

static bool is_of_community(const struct consent_hospitals *hospitals, struct str home)
{
	home = str_without_prefix(home, STR("urn:oid:"));
	for (size_t i = 0; home.size && i < hospitals->communities.count; i++) {
		if (str_equal(home, hospitals->communities.items[i]))
			return true;
	}
	return false;
}

bool consent_hospital_is_unknown(const struct consent_hospitals *hospitals, const struct document_entry *entry)
{
	bool own_is_told = false;

	if (!consent_hospitals_elsewhere(hospitals) || is_of_community(hospitals, entry->home_community_id))
		return false;
	for (size_t i = 0; i < hospitals->count; i++) {
		if (is_of(&hospitals->items[i], entry))
			return false;
		own_is_told = own_is_told || (hospitals->items[i].is_own && hospitals->items[i].organizations.count);
	}
	return own_is_told;
}
