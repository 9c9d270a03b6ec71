/* Who a request says its patient is, before anybody has asked an identity source. Source: MHD 4.2.4 3.65.4.1.2
 * (subject), 3.67.4.1.2 (patient, patient.identifier). Memory belongs to the arena of whoever filled it. */
#ifndef PASSERELLE_PATIENT_CLAIM_H
#define PASSERELLE_PATIENT_CLAIM_H

#include <jansson.h>

#include "mappers/base/str.h"

#define PATIENT_IDENTIFIERS_MAX 16

struct patient_identifier {
	struct str system; /* URI as sent ("urn:oid:1.2.3"); STR_NONE when none was sent */
	struct str value;
};

/* Any one way is enough to resolve a claim: an identifier of the affinity domain, otherwise own_id, otherwise url. */
struct patient_claim {
	struct patient_identifier *identifiers; /* a logical reference has one, a Patient resource may have several */
	size_t identifier_count;
	struct str own_id;      /* the X of Patient/X or [base]/Patient/X: an id that this gateway gave out */
	struct str url;         /* absolute URL of a Patient elsewhere */
	const json_t *resource; /* the Patient itself when it came in the Bundle or contained */
	const char *path;       /* FHIRPath or parameter name, for issues; never NULL */
};

/* Fills own_id or url of a claim from a reference: Patient/{id}, {id}, the same under base (without final slash; may be
 * empty), or the URL of a Patient elsewhere; borrows text. False for an id that is empty or longer than ids are. */
bool patient_claim_refer(struct str text, struct str base, struct patient_claim *claim) MUST_CHECK;

/* True when both claims say the same in the same words. */
bool patient_claim_equal(const struct patient_claim *a, const struct patient_claim *b);

#endif
