/* Is a submission in the registry already? Exactly once rests on identity: who does not know how a publication ended,
 * or sends one again, is answered by what the registry holds under the uniqueId of the SubmissionSet. */
#ifndef PASSERELLE_SUBMISSION_LOOKUP_H
#define PASSERELLE_SUBMISSION_LOOKUP_H

#include "gateway/transactions/transactions.h"
#include "mappers/metadata.h"

/* Kept from a request's time for asking. */
#define SUBMISSION_ASK_TIME_MS 5000

enum submission_found {
	SUBMISSION_SAME,  /* the set is there with the same patient, documents (uniqueId and hash) and folders */
	SUBMISSION_OTHER, /* another set has this uniqueId */
	SUBMISSION_ABSENT,
	SUBMISSION_UNKNOWN /* the registry does not answer */
};

/* Asks the registry (GetSubmissionSetAndContents) within SUBMISSION_ASK_TIME_MS. With SUBMISSION_SAME the objects of
 * metadata get the ids under which they are registered. Adds nothing to the outcome. */
enum submission_found submission_adopt(const struct transaction *t, struct metadata *metadata) MUST_CHECK;

/* True when a registry refused in words that fit a submission it holds already. */
bool submission_may_be_there(const struct outcome *refusal);

#endif
