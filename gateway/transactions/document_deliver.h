/* A document whose entry is known already, to who takes documents. */
#ifndef PASSERELLE_DOCUMENT_DELIVER_H
#define PASSERELLE_DOCUMENT_DELIVER_H

#include "gateway/transactions/transactions.h"

/* The second half of retrieve_document, for an entry that was found and may be read: fetched from t->source, verified,
 * confirmed and handed over. accepts, has and described are not asked. */
bool document_deliver(const struct transaction *t, const struct document_entry *entry,
		      const struct document_receiver *receiver) MUST_CHECK;

#endif
