/* Whose a document is, where several hospitals keep theirs in one domain: known by the institutions of its authors. */
#ifndef PASSERELLE_CONSENT_HOSPITAL_H
#define PASSERELLE_CONSENT_HOSPITAL_H

#include "mappers/base/arena.h"
#include "mappers/document_entry.h"

struct consent_hospital {
	struct str name;
	struct strs organizations; /* each a URI ("urn:oid:..."), or system|value */
	bool is_own;               /* this tenant's */
};

struct consent_hospitals {
	const struct consent_hospital *items;
	size_t count;
	struct strs communities; /* OIDs of the homes of other networks: no hospital here recorded what is there */
};

/* The name of another hospital whose document this is. STR_NONE: it is of our own, also when it is of others too; or
 * nobody can tell. */
struct str consent_hospital_of(const struct consent_hospitals *hospitals, const struct document_entry *entry);

/* True when nobody can tell whose a document of our domains is, although there are others and our own could be told. */
bool consent_hospital_is_unknown(const struct consent_hospitals *hospitals, const struct document_entry *entry);

/* True when an author's institution is another hospital's and not our own, so that the document would count as that one's,
 * too; but not where it did before (NULL: it is new). *author: the index of the first such author. */
bool consent_hospital_is_claimed(const struct consent_hospitals *hospitals, const struct document_entry *entry,
				 const struct document_entry *before, size_t *author);

/* True when there are others whose documents could be told. */
bool consent_hospitals_elsewhere(const struct consent_hospitals *hospitals);

#endif
