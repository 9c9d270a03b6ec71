/* Inside gateway/delivery only: what was accepted is held against what counts when it is delivered. The patient may have
 * thought otherwise, and who may not see something must not build upon it, nor hold up who may. */
#ifndef PASSERELLE_DELIVERY_ATTEMPT_PERMIT_H
#define PASSERELLE_DELIVERY_ATTEMPT_PERMIT_H

#include "gateway/access/visit.h"
#include "gateway/delivery/attempt.h"

/* Of a publication that is refused: names that are registered as another's it has no more, as far as anybody says now. */
void attempt_names_give_up(struct attempt *attempt);

/* The visit of who sent it, which decides anew what they may see and do; in the arena, NULL without memory. */
struct visit *attempt_visit(struct attempt *attempt) MUST_CHECK;

/* Whether the patient permits its sender, now, to publish it. */
enum stand attempt_permit(struct attempt *attempt) MUST_CHECK;

/* What becomes of it when the visit (NULL: none could begin) did not permit it, for the reasons in asking. */
enum stand attempt_denied(struct attempt *attempt, const struct visit *visit, const struct outcome *asking) MUST_CHECK;

/* What nobody could say when it was accepted: who the patient is, and whether they permit its sender to publish it. Then it
 * becomes an ordinary publication of that patient, in its old place. */
enum stand attempt_decide(struct attempt *attempt) MUST_CHECK;

#endif
