/* Copies that other sources have of the first one's documents: the same uniqueId, bytes and patient. In an outage of the first
 * they are all that is shown of such a document, so what waits for it is shown at them, too, and who refers to one of them
 * means it. */
#ifndef PASSERELLE_COPIES_H
#define PASSERELLE_COPIES_H

#include "gateway/access/visible_changes.h"
#include "gateway/transactions/waiting.h"

/* What waits at the first source and concerns copies. */
struct copies {
	struct visit *visit;    /* at the first source */
	struct strs superseded; /* what waiting documents replace: uniqueIds, and "urn:uuid:" at the first source */
};

/* What waits of this patient (CX), as far as the caller may see it. first: a transaction at the first source, where waiting has
 * been found of them. Where nothing ever waits there is nothing. */
bool copies_take(const struct transaction *first, struct str patient_id, const struct waiting *waiting,
		 struct copies *copies) MUST_CHECK;

/* The same where nothing was found there yet; t: at another source, where this entry is. */
bool copies_look(const struct transaction *t, const struct document_entry *entry, struct copies *copies) MUST_CHECK;

/* meta.tag of a copy that a waiting document will supersede; code empty: none will. copies: NULL for what is no copy. */
struct code copy_superseded_tag(const struct copies *copies, const struct document_entry *entry);

/* What somebody means who names a copy at another source. */
struct copy_meant {
	const struct document_entry *copy; /* NULL: there is none, for this caller */
	struct source *source;             /* where it is */
	struct str urn;                    /* logicalID at the first source; STR_NONE: see is_missing */
	bool is_missing; /* the first source has no such document, or not the same bytes; otherwise nobody can tell now */
};

/* t: at the first source. urn: of the copy. may_wait: who does not answer may be spoken for by what is known of it, and what
 * the first source has may stay unknown. Everything as the caller may see it. Errors: those of either source. */
bool copy_meant_find(const struct transaction *t, struct source *source, struct str urn, bool may_wait,
		     struct copy_meant *meant) MUST_CHECK;

/* The document of the first source with these bytes under this uniqueId; *entry is NULL where there is none that the caller may
 * see. */
bool copied_document(const struct transaction *t, struct str unique_id, struct str hash,
		     const struct document_entry **entry) MUST_CHECK;

/* Says, with this error, that a copy stands for nothing at the first source, and why. Returns false. */
bool copy_refuse(const struct transaction *t, const struct copy_meant *meant, enum error_code code, const char *path);

#endif
