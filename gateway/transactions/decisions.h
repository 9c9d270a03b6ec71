/* What consent said of each patient that a request met, for the record of it. */
#ifndef PASSERELLE_DECISIONS_H
#define PASSERELLE_DECISIONS_H

#include "gateway/transactions/transactions.h"

/* Before audit_commit; t->visit may be NULL. */
void decisions_record(const struct transaction *t);

#endif
