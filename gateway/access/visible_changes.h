/* Changes of registered and waiting documents that their registry has not taken yet. One that closes something does so as
 * soon as it is accepted: who may not see the document as any of them will leave it is not shown it at all, on whatever
 * way (visible.h). One that opens something opens nothing before it is registered. What was refused changes nothing, and
 * what builds upon that neither. */
#ifndef PASSERELLE_ACCESS_VISIBLE_CHANGES_H
#define PASSERELLE_ACCESS_VISIBLE_CHANGES_H

#include "gateway/access/visible.h"

struct outbox;

/* Before any visit: where changes of documents of the back-end of this name wait; outbox NULL: nowhere. Borrowed. */
void access_changes_set(struct access *access, struct outbox *outbox, struct str source);

/* A document as it will be. */
struct visible_change {
	struct document_entry entry;
	struct str submission_time; /* of the last new version among them; STR_NONE: there is none */
	bool is_changed;            /* there are others than a removal */
	bool is_removed;            /* the last of them removes it */
};

/* What waits for the document of this entry, which the caller was shown: NULL when nothing does, or when somebody has made
 * another version of it than the one that the changes build upon. It is in the visit's memory. */
const struct visible_change *visible_change(struct visit *visit, const struct document_entry *entry);

/* The same of a copy that another source has (same uniqueId, bytes and patient), with the copy's ids and place. visit: of the
 * source where changes wait, which has read what waits of the patient (visible_changes_of). */
const struct visible_change *visible_change_of_copy(struct visit *visit, const struct document_entry *entry);

/* Reads beforehand, by its id ("urn:uuid:", logicalID), what waits for a document whose patient is not known yet. */
void visible_changes_read(struct visit *visit, struct str urn);

/* How many changes of one document may wait, and whether one of so many bytes of metadata may: with what would be too much
 * to read at once, nobody would be shown it. Leaves room for those that are kept in any case. 0: any number. */
size_t visible_changes_max(const struct visit *visit);
bool visible_change_fits(const struct visit *visit, size_t size) MUST_CHECK;

/* Reads beforehand what waits for documents of this patient, so that it counts also where their registry does not answer
 * and other sources have copies. wanted: of which of them the ids are asked for, NULL: of none; uuids get the entryUUIDs
 * under which those may be registered now. *is_cut: more waits than is read at once, and some ids may be missing; what
 * the caller may see is exact nevertheless. False without memory. */
struct changes_wanted {
	bool (*is_wanted)(const void *ctx, const struct document_entry *entry);
	const void *ctx;
};
bool visible_changes_of(struct visit *visit, struct str patient_id, const struct changes_wanted *wanted,
			struct strs *uuids, bool *is_cut) MUST_CHECK;

#endif
