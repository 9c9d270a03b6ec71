#include "mappers/consent_identity.h"

#include "mappers/base/hl7v2.h"
#include "mappers/identifier.h"

/* UUIDs may be written in either case. */
static bool same_text(struct str a, struct str b)
{
	if (a.size != b.size)
		return false;
	return str_starts_with(a, STR("urn:uuid:")) ? str_equal_nocase(a, b) : str_equal(a, b);
}

/* Two of one root are told apart by their extensions, and OIDs that stand for themselves are different things; otherwise
 * nobody can say that they are not the same. */
static enum match identifier_match(const struct consent_identifier *a, const struct consent_identifier *b)
{
	bool roots_equal = same_text(a->root, b->root);

	if (roots_equal || str_is_empty(a->root) || str_is_empty(b->root)) {
		if (str_equal(a->extension, b->extension) && (roots_equal || a->extension.size))
			return MATCH_YES;
		return a->extension.size && b->extension.size ? MATCH_NO : MATCH_MAYBE;
	}
	if (!a->extension.size && !b->extension.size && oid_shaped(a->root) && oid_shaped(b->root))
		return MATCH_NO;
	return MATCH_MAYBE;
}

/* What is known of one party, gathered over pairs of identifiers. */
struct knowledge {
	bool same;
	bool other;
};

static void learn(struct knowledge *knowledge, const struct consent_identifiers *identifiers,
		  const struct consent_identifier *fact)
{
	if (str_is_empty(fact->root) && str_is_empty(fact->extension))
		return;
	for (size_t i = 0; i < identifiers->count; i++) {
		enum match match = identifier_match(&identifiers->items[i], fact);

		knowledge->same = knowledge->same || match == MATCH_YES;
		knowledge->other = knowledge->other || match == MATCH_NO;
	}
}

static enum match conclude(const struct knowledge *knowledge)
{
	if (knowledge->same)
		return MATCH_YES;
	return knowledge->other ? MATCH_NO : MATCH_MAYBE;
}

/* "system|value", or a value whose system the policy knows. */
static struct consent_identifier provider_identifier(const struct consent_facts *facts)
{
	struct str text = facts->request->caller->provider_id;
	size_t bar = str_find(text, '|');

	if (str_is_empty(text))
		return (struct consent_identifier) { STR_NONE, STR_NONE };
	if (bar < text.size)
		return consent_identifier_of((struct str) { text.data, bar }, str_from(text, bar + 1));
	return consent_identifier_of(facts->policy->provider_system, text);
}

static enum match person_match(const struct consent_identifiers *identifiers, const struct consent_facts *facts)
{
	const struct caller *caller = facts->request->caller;
	struct consent_identifier provider = provider_identifier(facts);
	struct consent_identifier subject = { STR_NONE, STR_NONE };
	struct knowledge knowledge = { false, false };

	if (caller->kind == CALLER_SYSTEM)
		return MATCH_NO;
	if (caller->subject.size)
		subject = consent_identifier_of(caller->issuer, caller->subject);
	learn(&knowledge, identifiers, &provider);
	learn(&knowledge, identifiers, &subject);
	return conclude(&knowledge);
}

static enum match organization_match(const struct consent_identifiers *identifiers, const struct caller *caller)
{
	struct consent_identifier organization = { STR_NONE, STR_NONE };
	struct knowledge knowledge = { false, false };

	if (caller->organization_id.size)
		organization = consent_identifier_of(STR_NONE, caller->organization_id);
	learn(&knowledge, identifiers, &organization);
	return conclude(&knowledge);
}

static enum match device_match(const struct consent_identifiers *identifiers, const struct caller *caller)
{
	struct consent_identifier device = { STR_NONE, STR_NONE };
	struct knowledge knowledge = { false, false };

	if (caller->client_id.size)
		device = consent_identifier_of(caller->issuer, caller->client_id);
	learn(&knowledge, identifiers, &device);
	return conclude(&knowledge);
}

enum match consent_caller_match(const struct consent_identifiers *identifiers, unsigned party,
				const struct consent_facts *facts)
{
	const struct caller *caller = facts->request->caller;
	enum match person;
	enum match organization;

	switch ((enum consent_party)party) {
	case PARTY_PERSON:
		return person_match(identifiers, facts);
	case PARTY_ORGANIZATION:
		return organization_match(identifiers, caller);
	case PARTY_DEVICE:
		return device_match(identifiers, caller);
	case PARTY_ANYBODY:
	case PARTY_COUNT:
		break;
	}
	person = person_match(identifiers, facts);
	organization = organization_match(identifiers, caller);
	return person > organization ? person : organization;
}

enum match consent_document_match(const struct consent_identifiers *identifiers, const struct document_entry *entry)
{
	struct str root = entry->unique_id;
	struct str extension = STR_NONE;
	size_t caret = str_find(root, '^');

	if (caret < root.size) {
		extension = str_from(root, caret + 1);
		root.size = caret;
	}
	for (size_t i = 0; i < identifiers->count; i++) {
		const struct consent_identifier *one = &identifiers->items[i];

		if (!str_is_empty(one->root) && str_is_empty(one->extension) &&
		    (same_text(one->root, entry->entry_uuid) || same_text(one->root, entry->logical_id)))
			return MATCH_YES;
		if (same_text(one->root, root) && str_equal(one->extension, extension))
			return MATCH_YES;
	}
	return MATCH_NO;
}

/* Parts of HL7 text as they stand. What is escaped there (^ & ~ \ |) is in no identifier that could be compared. */
static struct consent_identifier identifier_in(struct str text, size_t id_component, size_t authority_component)
{
	struct str id = hl7_part(text, '^', id_component);
	struct str authority = hl7_part(hl7_part(text, '^', authority_component), '&', 2);

	if (str_is_empty(id) || str_find(id, '\\') < id.size)
		return (struct consent_identifier) { STR_NONE, STR_NONE };
	return consent_identifier_of(authority, id);
}

enum match consent_related_match(const struct consent_identifiers *identifiers, const struct document_entry *entry)
{
	struct knowledge knowledge = { false, false };

	for (size_t i = 0; i < entry->reference_ids.count; i++) {
		struct consent_identifier reference = identifier_in(entry->reference_ids.items[i], 1, 4);

		learn(&knowledge, identifiers, &reference);
	}
	return knowledge.same ? MATCH_YES : MATCH_NO;
}

/* One author after the other: one who is known to be the one is enough, one who may be is a doubt. */
enum match consent_author_match(const struct consent_identifiers *identifiers, unsigned party,
				const struct document_entry *entry)
{
	enum match match = entry->authors.count ? MATCH_NO : MATCH_MAYBE;

	for (size_t i = 0; i < entry->authors.count; i++) {
		const struct author *author = &entry->authors.items[i];
		struct knowledge person = { false, false };
		struct knowledge organization = { false, false };
		struct consent_identifier id = identifier_in(author->person, 1, 9);
		enum match found = MATCH_NO;

		learn(&person, identifiers, &id);
		for (size_t k = 0; k < author->institutions.count; k++) {
			id = identifier_in(author->institutions.items[k], 10, 6);
			learn(&organization, identifiers, &id);
		}
		if (party != PARTY_ORGANIZATION)
			found = conclude(&person);
		if (party != PARTY_PERSON && conclude(&organization) > found)
			found = conclude(&organization);
		match = found > match ? found : match;
	}
	return match;
}

bool consent_is_producer(const struct consent_facts *facts)
{
	struct str id = facts->request->caller->organization_id;
	struct consent_identifier organization;
	struct consent_identifiers identifiers = { &organization, 1 };

	if (str_is_empty(id) || facts->outlook == OUTLOOK_WORST)
		return false;
	organization = consent_identifier_of(STR_NONE, id);
	return facts->outlook == OUTLOOK_BEST ||
	       consent_author_match(&identifiers, PARTY_ORGANIZATION, facts->entry) == MATCH_YES;
}
