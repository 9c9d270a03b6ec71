/* Whether an identifier in a Consent is the caller's, a document's, or an author's. */
#ifndef PASSERELLE_CONSENT_IDENTITY_H
#define PASSERELLE_CONSENT_IDENTITY_H

#include "mappers/consent_match.h"

/* All identifiers are of one and the same. YES when one is known to be the caller's, NO when one is known not to be,
 * otherwise MAYBE: people and organisations have other identifiers elsewhere. A machine that asks for itself is nobody
 * of those persons. */
enum match consent_caller_match(const struct consent_identifiers *identifiers, unsigned party,
				const struct consent_facts *facts);

/* By entryUUID, logicalID or uniqueId. */
enum match consent_document_match(const struct consent_identifiers *identifiers, const struct document_entry *entry);

/* By referenceIdList: what is not recorded there is not related. ITI TF-3 4.2.3.2.28 */
enum match consent_related_match(const struct consent_identifiers *identifiers, const struct document_entry *entry);

/* By author persons (XCN) or institutions (XON), or either; a document whose authors have no identifier is MAYBE. */
enum match consent_author_match(const struct consent_identifiers *identifiers, unsigned party,
				const struct document_entry *entry);

#endif
