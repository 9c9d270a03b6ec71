/* Exactly once rests on identity: who does not know how a publication ended, or sends one again, is answered by what the
 * registry holds under the uniqueId of the SubmissionSet. Here is what that is compared by; asking is for others. */
#ifndef PASSERELLE_SUBMISSION_MATCH_H
#define PASSERELLE_SUBMISSION_MATCH_H

#include "mappers/metadata.h"
#include "mappers/stored_query.h"

enum submission_found {
	SUBMISSION_SAME,  /* the set is there with the same patient, documents (uniqueId and hash) and folders */
	SUBMISSION_OTHER, /* another set has this uniqueId */
	SUBMISSION_ABSENT,
	SUBMISSION_UNKNOWN /* the registry does not answer */
};

/* GetSubmissionSetAndContents by the set's uniqueId. False without memory. TF-2 3.18.4.1.2.3.7.9 */
bool submission_query(struct str unique_id, struct str home, struct arena *arena,
		      struct stored_query *query) MUST_CHECK;

/* What the answer says of this submission (of one SubmissionSet). Never SUBMISSION_UNKNOWN. */
enum submission_found submission_match(const struct metadata *found, const struct metadata *submitted,
				       struct arena *arena);

/* After SUBMISSION_SAME: the objects of submitted get the ids under which they are registered. */
void submission_ids_take(const struct metadata *found, struct metadata *submitted);

/* True when a registry refused in words that fit a submission that it holds already. */
bool submission_may_be_there(const struct outcome *refusal);

/* True when nothing is wrong with what was sent: the back-end was not there, not able, or did not say why. What it would
 * say later is open. False as soon as one error is about the submission. */
bool submission_may_pass(const struct outcome *refusal);

/* A name for this content, "8-4-4-4-12" in text: the same for the same tenant, target, set, patient and documents,
 * another for anything else. turn tells apart those that were withdrawn. False without memory. */
#define SUBMISSION_NAME_SIZE 37
bool submission_name(const struct metadata *submitted, struct str tenant, struct str target, unsigned turn,
		     char name[SUBMISSION_NAME_SIZE]) MUST_CHECK;

#endif
