/* A publication [ITI-65] between its validation and its answer: what is sent, with identifiers that no longer change, and
 * what the answer is made of. */
#ifndef PASSERELLE_PUBLICATION_H
#define PASSERELLE_PUBLICATION_H

#include "gateway/transactions/publications.h"
#include "mappers/provide_bundle.h"

struct publication {
	struct provide_bundle *bundle;
	struct provide_resolved resolved;
	struct metadata metadata;
	struct xds_document *documents; /* parallel to metadata.document_entries */
	struct strs unverified;         /* names of targets that nobody could look up now; with one it can only wait */
	struct strs chosen;             /* as in publication_head */
	struct strs unresolved;         /* CX of the patient when nobody could say who that is; undecided */
	struct str alias;               /* CX of another domain by which the patient was named; STR_NONE: none */
	bool is_undecided; /* nobody could say who the patient is or what they consent to: it can only wait, unseen */
	bool respond_async;
	struct str task; /* of the dead letter that it corrects; STR_NONE: none */
	bool is_unclear; /* it was sent, and nobody said how that ended */
};

/* One deadline holds for all that is asked before a publication is answered, t's: where it may wait, that is
 * publication.deadline_ms after it was read. Each question has half of what is left, so that the ones after it have some too,
 * and sending leaves a quarter to what must be asked when that was in vain. Else both are t's deadline. */
struct deadline publication_question_deadline(const struct transaction *t);
struct deadline publication_send_deadline(const struct transaction *t);

/* Sends it once [ITI-41] and is sure how it ended: what the repository does not say is asked of the registry. True when
 * it is registered, perhaps from an earlier attempt, whose identifiers the metadata has then. Where publications may
 * wait, an unclear end stays one. */
bool publication_send(const struct transaction *t, struct publication *publication) MUST_CHECK;

/* Whether this gateway accepts what cannot be registered now; and also for patients of whom nobody can tell now who they
 * are or what they consent to. */
bool publications_may_wait(const struct transaction *t);
bool publications_may_wait_undecided(const struct transaction *t);

/* Whether the client's wish to wait is granted: who need not wait leaves half of the room, and of their own part of it, to
 * those who will have to. */
bool publication_waits_by_wish(const struct transaction *t, bool respond_async);

/* Whether it must go into the outbox, and why an attempt that failed need not be its end. */
bool publication_must_wait(const struct transaction *t, const struct publication *publication,
			   bool *must_wait) MUST_CHECK;
bool publication_may_wait(const struct transaction *t, const struct publication *publication,
			  const struct outcome *refusal);

/* Puts it into the outbox: durable when this returns true. A publication with the same content that waits, or waited, is
 * the same one: provided is its own, and answer what was made of it. Errors: ERR_DUPLICATE (other content waits under
 * this SubmissionSet, the same is another sender's, or see publication_identifiers_admit), ERR_PATIENT_UNKNOWN, ERR_CONFLICT
 * (it builds upon one whose patient nobody could tell), those of the outbox and of who was asked about the patient. */
bool publication_accept(const struct transaction *t, struct publication *publication, struct provided *provided,
			struct buf *answer) MUST_CHECK;

/* Where publications may wait, before it is sent or accepted: whether the entryUUIDs that its sender chose are free, and no
 * uniqueId is that of something else that waits: the registry, which does not know that one, would take this. False
 * with ERR_DUPLICATE when one is registered, other than as this very submission, or waits as somebody else's. *is_known is
 * false when the registry does not say: then its objects must have others (provide_rules.own_uuids), since under its id
 * everybody would be shown what waits in the place of what is registered. TF-3 4.2.3.2.7 */
bool publication_chosen_admit(const struct transaction *t, const struct publication *publication,
			      bool *is_known) MUST_CHECK;

/* Notes what its sender chose, as was stands for it, in place of the ids that its metadata has. */
bool publication_chosen_note(const struct transaction *t, struct publication *publication,
			     const struct metadata *was) MUST_CHECK;

/* Who goes on naming something by the entryUUID that they chose for it means what waits in its place: *urn becomes that. */
bool publication_chosen_find(const struct transaction *t, struct str *urn) MUST_CHECK;

/* Before it is accepted anew: false with ERR_DUPLICATE when another submission waits under the uniqueId of its set, but for
 * the item that it corrects (NULL: none), or when the uniqueId of another document or of a folder is registered already, or
 * waits as somebody else's. While the registry cannot be asked, what it would say is found out at delivery. One that is
 * registered as it is, is admitted, and gets the ids that it has. */
bool publication_identifiers_admit(const struct transaction *t, struct publication *publication,
				   const char *corrected) MUST_CHECK;

/* Gives it the identifiers of the dead letter that it corrects, as far as it has the same documents; it must be mapped
 * again. Errors as of publication_correct. */
bool publication_ids_keep(const struct transaction *t, struct publication *publication) MUST_CHECK;

/* Puts it in the place of the dead letter that it corrects, under whose ids it stays as far as it has the same documents.
 * Errors: ERR_NOT_FOUND, ERR_FORBIDDEN (somebody else's), ERR_CONFLICT (no dead letter), ERR_RULE (another patient,
 * where that was not what was refused), ERR_CONFLICT as of outbox_correct. */
bool publication_correct(const struct transaction *t, struct publication *publication, struct provided *provided,
			 struct buf *answer) MUST_CHECK;

/* The transaction-response for a publication that is registered as its metadata says; warnings in t->outcome go in. */
bool publication_answer_write(const struct transaction *t, const struct publication *publication,
			      struct buf *answer) MUST_CHECK;

#endif
