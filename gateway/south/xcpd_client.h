/* Cross Gateway Patient Discovery, as an Initiating Gateway asks it: by which identifiers another community knows a
 * patient. An answer is taken only when it names this very question (targetMessage and queryId) and is the asked
 * community's own; one who could be somebody else is nobody. Answers are in south->arena. Source: ITI TF-2 3.55. */
#ifndef PASSERELLE_XCPD_CLIENT_H
#define PASSERELLE_XCPD_CLIENT_H

#include "gateway/south/soap_client.h"
#include "mappers/patient.h"

/* The community that south->backend (BACKEND_XCA) is, as far as patients go. */
struct xcpd_service {
	const char *url;      /* ITI-55 */
	struct str authority; /* OID of the community's patient identifiers */
	struct str own_home;  /* homeCommunityId of who asks; STR_NONE: not said */
	struct str sender;    /* OID of this gateway as an HL7 device; STR_NONE: not said */
};

/* How a question ended. Only XCPD_FAILED leaves an issue in outcome. */
enum xcpd_end {
	XCPD_FOUND,
	XCPD_NOBODY,    /* the community knows nobody who fits */
	XCPD_AMBIGUOUS, /* it knows several, or too little is known of the patient to ask */
	XCPD_FAILED     /* no usable answer: never to be taken for "nobody" */
};

/* Asks by what is known of the patient: a name, gender and birth date, and all of patient->identifiers; traits that the
 * community asks for in its answer are said in a second question. found: the patient's identifiers in the community, all
 * of service->authority; one at least with XCPD_FOUND. */
enum xcpd_end xcpd_discover(const struct south *south, const struct xcpd_service *service,
			    const struct patient *patient, struct patient_identities *found,
			    struct outcome *outcome) MUST_CHECK;

#endif
