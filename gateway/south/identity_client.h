/* The identity manager as its client meets it: PIXV3 and PDQV3 over SOAP. What comes back is taken only when it names
 * this very question (targetMessage and queryId): a mixed-up answer would be another patient.
 * Answers are in south->arena. Source: ITI TF-2 3.44, 3.45, 3.47. */
#ifndef PASSERELLE_IDENTITY_CLIENT_H
#define PASSERELLE_IDENTITY_CLIENT_H

#include "gateway/south/soap_client.h"
#include "mappers/patient_query.h"

/* One endpoint of an identity manager. */
struct identity_service {
	const char *url;
	struct str receiver; /* OID of the manager as HL7 device; STR_NONE: not said */
	struct str sender;   /* OID of this gateway as HL7 device; STR_NONE: not said */
};

/* How a question or feed ended. Only IDENTITY_FAILED and IDENTITY_REFUSED leave an issue in outcome: the words for the
 * others are the caller's. */
enum identity_end {
	IDENTITY_OK,
	IDENTITY_UNKNOWN_ID,     /* the domain is known and the identifier is not, or no longer after a merge */
	IDENTITY_UNKNOWN_SOURCE, /* the assigning authority of the identifier is not known */
	IDENTITY_UNKNOWN_TARGET, /* an assigning authority that answers were asked of is not known */
	IDENTITY_REFUSED,        /* feed only: ERR_BACKEND_REFUSED, or ERR_CONFLICT for what was merged before */
	IDENTITY_FAILED /* no usable answer: never to be taken for "none". After a feed: it may have been done */
};

/* ITI-45: which identifiers the person of source has. targets are OIDs; none: all domains. found has no doubles and not
 * source itself; count 0 with IDENTITY_OK: the person is known and has none there. */
enum identity_end pix_query(const struct south *south, const struct identity_service *service,
			    const struct patient_identity *source, const struct strs *targets,
			    struct patient_identities *found, struct outcome *outcome) MUST_CHECK;

/* ITI-47. list may be empty. Ends: IDENTITY_OK, IDENTITY_UNKNOWN_TARGET (one of query->domains), IDENTITY_FAILED. */
enum identity_end pdq_query(const struct south *south, const struct identity_service *service,
			    const struct patient_query *query, struct patient_list *list,
			    struct outcome *outcome) MUST_CHECK;

enum identity_feed { IDENTITY_ADD, IDENTITY_REVISE, IDENTITY_MERGE };

/* ITI-44. May be sent again: doing it twice is doing it once.
 * patient   identifiers[0] is the one this feed is about (for a merge the surviving one); the others are stated to be the
 *           same person's; links that were stated before and are not mentioned now stay
 * subsumed  of a merge: the identifier that patient takes the place of; NULL otherwise
 * Ends: IDENTITY_OK, IDENTITY_UNKNOWN_ID and IDENTITY_UNKNOWN_SOURCE (of a merge), IDENTITY_REFUSED, IDENTITY_FAILED. */
enum identity_end identity_feed(const struct south *south, const struct identity_service *service,
				enum identity_feed feed, const struct patient *patient,
				const struct patient_identity *subsumed, struct outcome *outcome) MUST_CHECK;

/* ITI-44, a revise that takes a link back: other is not the person of own, whose traits stay as they are. The identity
 * manager must know a link between just these two (IDENTITY_UNKNOWN_ID otherwise). Ends as above. */
enum identity_end identity_unlink(const struct south *south, const struct identity_service *service,
				  const struct patient_identity *own, const struct patient_identity *other,
				  struct outcome *outcome) MUST_CHECK;

#endif
