/* Registered objects as FHIR resources of this gateway: with its ids, its addresses, and the relations between them. */
#ifndef PASSERELLE_RESOURCES_H
#define PASSERELLE_RESOURCES_H

#include "gateway/access/visible_changes.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/waiting.h"

struct copies;
struct json_writer;

/* Objects that are at hand anyway: they tell the logicalID, and so the id, of what an association names. */
struct neighbourhood {
	struct association *associations;
	size_t association_count;
	struct document_entry *entries;
	size_t entry_count;
	struct folder *folders;
	size_t folder_count;
	struct strs named;             /* ends of waiting relations that are shown as their sender named them */
	const struct waiting *waiting; /* what is not registered yet; NULL: nothing */
	const struct copies *copies;   /* what waits for them at the first source; NULL: they are that one's */
	struct str
		asked_id; /* by which the one resource was read: its id stays that after a change of keys; STR_NONE */
};

/* Adds what these objects are to what is at hand. */
bool neighbourhood_add(const struct transaction *t, struct neighbourhood *around,
		       const struct metadata *metadata) MUST_CHECK;

/* Associations that begin or end at these objects, asked in batches and added to around, with the documents that relations
 * lead to: relations to others are not shown. */
bool associations_ask(const struct transaction *t, const struct str *uuids, size_t count,
		      struct neighbourhood *around) MUST_CHECK;

/* The documents that these waiting ones relate to, as far as around does not have them: what the registry says of them, and
 * where it is away or does not answer, what is known of them by earlier reads. Those that nobody knows are shown by the name
 * that their sender gave them: to the sender, and to who may see every document of the patient. */
bool waiting_relations_ask(const struct transaction *t, const struct str *uuids, size_t count, bool is_away,
			   struct neighbourhood *around) MUST_CHECK;

/* What the HasMember associations in around lead to: document entries and folders, which are asked for and added, so
 * that members can be told from the associations that a SubmissionSet also holds. TF-3 4.2.1.4 */
bool members_ask(const struct transaction *t, struct neighbourhood *around) MUST_CHECK;

/* Drops what the patient hides in another source (hidden_elsewhere_drop). */
bool around_drop(const struct transaction *t, struct neighbourhood *around) MUST_CHECK;

/* One whole resource. Errors stick in the writer; without memory links are missing and outcome has the issue.
 * change: what waits for the document, which is shown as it will be, at the place of the version that is there; or NULL. */
bool document_reference_write(const struct transaction *t, const struct document_entry *entry,
			      const struct visible_change *change, const struct neighbourhood *around,
			      struct json_writer *writer) MUST_CHECK;
bool submission_set_write(const struct transaction *t, const struct submission_set *set,
			  const struct neighbourhood *around, struct json_writer *writer) MUST_CHECK;
bool folder_write(const struct transaction *t, const struct folder *folder, const struct neighbourhood *around,
		  struct json_writer *writer) MUST_CHECK;

/* The text of a weak ETag for an object: it changes with its version and its status. */
struct str version_etag(const struct transaction *t, struct str entry_uuid, struct str version, struct str status);

#endif
