/* What the patient consents to, for one request: the sources are asked (through leases and cache), and every document is
 * decided by the same set of rules. The one narrow door behind which a second source, such as a national decision point,
 * may stand: all sources must permit. Deny when unsure. */
#ifndef PASSERELLE_ACCESS_CONSENT_H
#define PASSERELLE_ACCESS_CONSENT_H

#include "gateway/access/access.h"
#include "gateway/south/consent_client.h"

/* Whether this configuration asks a consent directory, and whether it says where that is: false with an issue when not. */
bool consent_config_check(const struct config *config, bool *wanted, struct outcome *outcome) MUST_CHECK;

/* What was found out about one patient for one request; in the request's arena. */
struct consent;

/* Asks the sources what holds for this patient, this caller and this action. Never fails: when a source cannot be asked
 * (or the last known state is older than the configured age), the consent denies everything with CONSENT_UNAVAILABLE.
 * With consent.source none everything is permitted. patient_id: CX of the affinity domain. What it says holds at the
 * moment of the call; who answers much later asks again (mostly a look at a lease). */
const struct consent *consent_ask(struct access *access, const struct south *south, const struct caller *caller,
				  enum consent_action action, struct str patient_id, bool is_patient, int64_t now_s);

/* The answer for all documents at once, when they need not be looked at. */
enum consent_extent consent_extent_of(const struct consent *consent, struct consent_decision *decision);

/* The answer for one document. */
void consent_decide_entry(const struct consent *consent, const struct document_entry *entry,
			  struct consent_decision *decision);

/* True for the patient, and for who is of an organization that made the document; for everybody when nobody is asked. */
bool consent_is_makers(const struct access *access, const struct caller *caller, const struct document_entry *entry);

/* consent_hospital_is_claimed, by the hospitals of this gateway. */
bool consent_claims(const struct access *access, const struct document_entry *entry,
		    const struct document_entry *before, size_t *author);

/* The directory that holds the Consents, to read and list them (directory_read, directory_list); NULL when this
 * deployment has none (consent.source none). */
const struct consent_client *consent_directory(const struct access *access);

/* Writes a Consent and brings it into force: when this returns CONSENT_WRITTEN, it is durable and no gateway decides by
 * the older state any more. Takes as long as the slowest gateway needs to let go, at most a lease's time (2 s).
 * CONSENT_UNCLEAR, with ERR_BACKEND_TIMEOUT, when nobody can tell whether it was stored, or whether all gateways know:
 * from then on it may be in force or not. Only with consent_directory. */
enum consent_written consent_change(struct access *access, const struct south *south, const struct consent_write *write,
				    struct consent_stored *stored, struct outcome *outcome) MUST_CHECK;

#endif
