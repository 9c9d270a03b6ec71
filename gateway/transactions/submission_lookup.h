/* Is a submission in the registry already? Exactly once rests on identity: who does not know how a publication ended,
 * or sends one again, is answered by what the registry holds under the uniqueId of the SubmissionSet. */
#ifndef PASSERELLE_SUBMISSION_LOOKUP_H
#define PASSERELLE_SUBMISSION_LOOKUP_H

#include "gateway/transactions/transactions.h"
#include "mappers/submission_match.h"

/* Kept from a request's time for asking. */
#define SUBMISSION_ASK_TIME_MS 5000

/* Asks the registry (GetSubmissionSetAndContents) within SUBMISSION_ASK_TIME_MS. With SUBMISSION_SAME the objects of
 * metadata get the ids under which they are registered. Adds nothing to the outcome. */
enum submission_found submission_adopt(const struct transaction *t, struct metadata *metadata) MUST_CHECK;

#endif
