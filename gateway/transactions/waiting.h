/* What this gateway has accepted and its first source has not registered yet, as readers see it beside what is registered:
 * under the ids that it keeps, marked by meta.tag. Consent decides about it as about everything (visible_waiting.h). It is
 * read before the registry is asked: what is delivered in between is met twice, and then the registry's copy counts. */
#ifndef PASSERELLE_WAITING_H
#define PASSERELLE_WAITING_H

#include "gateway/transactions/transactions.h"
#include "mappers/metadata.h"

struct neighbourhood;
struct visible_change;

struct waiting_one {
	struct str id; /* of the item */
	struct metadata metadata;
	struct str *documents; /* uniqueIds in the order of the item's documents, hidden ones as well */
	size_t document_count;
	bool is_refused; /* a dead letter */
};

struct waiting {
	struct waiting_one *items;
	size_t count;
	bool is_unknown; /* the outbox could not be read: what waits is missing, and what is registered is as good as ever */
	bool is_cut;  /* more waits than is read for one request: the oldest is missing */
	bool is_lost; /* something that waits cannot be read any more, or not without its key: it is missing */
};

/* What brings these objects ("urn:uuid:") into being, and what else waits of this patient (STR_NONE: of nobody); as far as
 * the caller may see it, those that came last first. Of a patient no more than the newest: see is_cut. Nothing at another
 * source than the first (copies of its documents there: copies.h), or where nothing ever waits, and nothing that takes the
 * place of what is registered (waiting_registered.h). An outbox that is away is no error: see is_unknown. */
bool waiting_find(const struct transaction *t, struct str patient_id, const struct strs *uuids,
		  struct waiting *waiting) MUST_CHECK;

/* The waiting object with this entryUUID; NULL when it is none. */
const struct document_entry *waiting_entry(const struct waiting *waiting, struct str uuid);
const struct waiting_one *waiting_list(const struct waiting *waiting, struct str uuid);

/* ERR_NOT_FOUND with this text for what is not registered; ERR_STORAGE when it may wait. Returns false. */
bool waiting_not_there(const struct transaction *t, const struct waiting *waiting, const char *text);

/* What brings this object into being, without what a patient hides in another source (elsewhere.h). */
bool waiting_here(const struct transaction *t, struct str urn, struct waiting *waiting) MUST_CHECK;

/* The document with this id, and what else waits of its patient: it waits itself, and nobody is asked, or it is what
 * document_entry_shown finds (entries.h). */
bool document_entry_here(const struct transaction *t, struct str urn, struct waiting *waiting,
			 const struct document_entry **entry) MUST_CHECK;

/* meta.tag of an object that waits; code empty: it does not. */
struct code waiting_tag(const struct waiting *waiting, struct str uuid);

/* meta.tag of a document, waiting or registered, that one which waits will supersede; code empty: none will. */
struct code waiting_superseded_tag(const struct waiting *waiting, const struct document_entry *entry);

/* The same tag, for who knows that it is so. */
struct code waiting_superseding_tag(void);

/* meta.tag of a document that is shown as what waits will leave it, and of one that will be removed; code empty: it is
 * not. change may be NULL. */
struct code waiting_change_tag(const struct visible_change *change);
struct code waiting_removal_tag(const struct visible_change *change);

/* Adds what waits to what is at hand around a page. */
bool waiting_around(const struct transaction *t, const struct waiting *waiting,
		    struct neighbourhood *around) MUST_CHECK;

/* The bytes of a waiting document: finished, verified, in a spool that the caller frees. NULL with an issue; ERR_NOT_FOUND
 * when it was settled meanwhile. */
struct spool *waiting_document(const struct transaction *t, const struct waiting *waiting,
			       const struct document_entry *entry) MUST_CHECK;

#endif
