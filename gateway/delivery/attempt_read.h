/* Inside gateway/delivery only: reading what was kept of an item. */
#ifndef PASSERELLE_ATTEMPT_READ_H
#define PASSERELLE_ATTEMPT_READ_H

#include "gateway/delivery/attempt.h"

/* Reads all but the documents, and sets kind; of an unknown one nothing can be read: ERR_NOT_SUPPORTED. */
bool attempt_read(struct attempt *attempt) MUST_CHECK;

/* Reads the documents out of the outbox, once, and verifies them. */
bool attempt_documents(struct attempt *attempt) MUST_CHECK;

/* Where something of it could not be read, or made a message of. STAND_REFUSED: it never can, and nobody else of the patient
 * waits for that; STAND_LATER: it may (the store is away, there is no memory, the key is missing here). */
enum stand attempt_unusable(const struct attempt *attempt) MUST_CHECK;

#endif
