/* From what a back-end has to what this caller may see: the only way by which registry objects and documents reach the
 * transactions. Everything is decided by the patient's consent (consent.h), entry by entry; of what is hidden nothing
 * remains: no entry, no List that holds nothing else, no relation that leads to it. Source: IHE PCF, MHD 4.2.4 5.3. */
#ifndef PASSERELLE_VISIBLE_H
#define PASSERELLE_VISIBLE_H

#include "gateway/access/visit.h"
#include "mappers/metadata.h"
#include "mappers/registry_response.h"
#include "mappers/stored_query.h"
#include "mappers/xds_message.h"

/* ITI-18: sends the query and reads those objects of the answer that action permits to be seen. Folders and
 * SubmissionSets are there when at least one of their documents is, or when they have none and the patient hides
 * nothing. */
bool visible_query(struct visit *visit, enum consent_action action, const struct south *south,
		   const struct stored_query *query, struct metadata *metadata, struct outcome *outcome) MUST_CHECK;

/* What a patient hides in one source is hidden in all: drops from what a part of the visit has found every object of which
 * another part has met a copy (same uniqueId, same patient) that may not be seen, every document of which the part itself
 * has, and every List that holds nothing else. After the threads of all parts. */
void visible_everywhere(const struct visit *visit, struct metadata *metadata);

/* A document by name. */
struct visible_name {
	struct str unique_id;
	struct str patient_id; /* CX */
};

/* The documents on whose copies it depends whether what was found may be seen: its own, and those that its
 * Lists are shown for; of patients who hide documents one by one. False without memory. */
bool visible_names(struct visit *visit, enum consent_action action, const struct metadata *found,
		   struct visible_name **names, size_t *count) MUST_CHECK;

/* True when the patient hides documents one by one, so that copies of them can be recognised only by who has looked at
 * every document of the patient in every source. */
bool visible_by_document(struct visit *visit, enum consent_action action, struct str patient_id);

/* The ids that a query finds. They are names to ask by, not an answer: who gives one to a client asks for the object
 * first. */
bool visible_refs(const struct south *south, const struct stored_query *query, struct strs *refs,
		  struct outcome *outcome) MUST_CHECK;

/* Takes the one document of a retrieve. */
struct visible_sink {
	void *ctx;
	/* The DocumentResponse that answers the request; the bytes follow. */
	bool (*begin)(void *ctx, const struct document_response *response);
	bool (*data)(void *ctx, const void *bytes, size_t size);
};

/* ITI-43 of the document of this entry, decided anew. home: of the back-end, for an entry that names none. Errors as for
 * a document that is not there: ERR_NOT_FOUND. */
bool visible_retrieve(struct visit *visit, const struct south *south, const struct document_entry *entry,
		      struct str home, uint64_t bytes_expected, const struct visible_sink *sink,
		      struct outcome *outcome) MUST_CHECK;

/* Is it still so, now, right before the first byte leaves? Asks the sources again (a look at a lease, mostly).
 * ERR_NOT_FOUND when not. */
bool visible_confirm(struct visit *visit, const struct south *south, const struct document_entry *entry, int64_t now_s,
		     struct outcome *outcome) MUST_CHECK;

/* May the caller publish these documents for this patient? ERR_FORBIDDEN when not. When nobody can tell now:
 * ERR_TRUST_UNAVAILABLE; or, with undecided, *undecided and true: then the visit has decided nothing about the patient. */
bool visible_may_publish(struct visit *visit, struct str patient_id, const struct document_entry *entries, size_t count,
			 bool *undecided, struct outcome *outcome) MUST_CHECK;

/* May the caller change this document, or (changed) make that of it? moves_consent: so that Consents mean it by other rules
 * than before, which is for the patient, and for the organization that made it. ERR_FORBIDDEN when not. */
bool visible_may_change(struct visit *visit, const struct document_entry *current, const struct document_entry *changed,
			bool moves_consent, struct outcome *outcome) MUST_CHECK;

/* Is none of the authors of another hospital on this gateway, whose document it would be then, if it was not before (NULL: it
 * is new)? ERR_FORBIDDEN when one is, with the path of that author; path: of the DocumentReference. */
bool visible_may_author(const struct visit *visit, const struct document_entry *entry,
			const struct document_entry *before, const char *path, struct outcome *outcome) MUST_CHECK;

/* May the caller register something that takes this document's place? Who may not change it may not. path: of what says so,
 * for ERR_FORBIDDEN. */
bool visible_may_supersede(struct visit *visit, const struct document_entry *current, const char *path,
			   struct outcome *outcome) MUST_CHECK;

#endif
