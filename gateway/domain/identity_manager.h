/* The identity manager of the embedded domain: what PIX, PDQ and the identity feed mean, on a connection to the database.
 * Source: ITI TF-2 3.44.4, 3.45.4, 3.47.4, 3.55.4.
 *
 * Links. A feed says whose identifiers are one person's: patient/id is the subject, asOtherIDs are further identifiers of
 * the same person, and each is linked to the subject; an asOtherIDs role with statusCode "terminated" takes the link
 * between just these two back. What a feed does not mention stays. A merge gives the links of the subsumed identifier to
 * the surviving one, and in the affinity domain its documents too (TF-2 3.44.4.3.3); the subsumed one is unknown from
 * then on, for queries, publications and feeds. */
#ifndef PASSERELLE_IDENTITY_MANAGER_H
#define PASSERELLE_IDENTITY_MANAGER_H

#include "gateway/domain/identity_store.h"
#include "mappers/hl7v3.h"

/* Why a message is refused: the acknowledgementDetail. code NULL: it is not. */
struct identity_refusal {
	const char *code;     /* HL7V3_UNKNOWN_KEY and the like */
	const char *location; /* below the message's root: "/controlActProcess/..." */
	const char *text;
};

/* ITI-44: add, revise, merge. Call inside database_write. False when it is refused (refusal->code is set) or failed (an
 * issue in outcome): then nothing is stored. Doing it twice is doing it once. */
bool identity_feed_apply(struct connection *connection, const struct patients *patients,
			 const struct hl7v3_message *feed, struct arena *arena, struct identity_refusal *refusal,
			 struct outcome *outcome) MUST_CHECK;

/* Whether a merge would be refused now; only another merge can change that. Call inside database_read; true also when
 * refusal is set. */
bool identity_merge_check(struct connection *connection, const struct patients *patients,
			  const struct hl7v3_message *merge, struct arena *arena, struct identity_refusal *refusal,
			  struct outcome *outcome) MUST_CHECK;

/* A patient id as the registry keeps it: "value^^^&oid&ISO". data is NULL without memory. */
struct str identity_patient_id(const struct patient_identity *identity, struct arena *arena);

/* ITI-45: the other identifiers of the person of query->identifiers[0] in query->domains. Call inside database_read; true
 * also when refusal is set. */
bool identity_pix(struct connection *connection, const struct patients *patients, const struct patient_query *query,
		  struct arena *arena, struct patient_identities *found, struct identity_refusal *refusal,
		  struct outcome *outcome) MUST_CHECK;

/* ITI-47: persons that match, the best first, at most PATIENT_QUERY_MATCHES_MAX and query->count_max of them; each with
 * all its identifiers (those of query->domains), the one that was found first in front. Like identity_pix. */
bool identity_pdq(struct connection *connection, const struct patients *patients, const struct patient_query *query,
		  struct arena *arena, struct patient_list *found, struct identity_refusal *refusal,
		  struct outcome *outcome) MUST_CHECK;

/* ITI-55: what is known of whom another community means. At most one patient, with the identifiers of the affinity domain
 * alone: several would leave the choice to those who know the patients less. */
struct identity_discovery {
	struct patient_list patients;
	struct strs requests; /* several fit: HL7V3_..._REQUESTED that would tell them apart */
	bool is_hopeless;     /* several fit, and everything was said */
};

/* All traits must fit, names as a whole, and every identifier must be the person's or the domain's of nobody here;
 * without an identifier that is known here family name and birth time are required. Like identity_pix. */
bool identity_discover(struct connection *connection, const struct patients *patients,
		       const struct patient_query *query, struct arena *arena, struct identity_discovery *discovery,
		       struct identity_refusal *refusal, struct outcome *outcome) MUST_CHECK;

/* Sets *refusal when one of these domains is not known; location is where it stands. False only after a failure. */
bool identity_domains_check(struct connection *connection, const struct patients *patients, const struct strs *domains,
			    const char *location, struct identity_refusal *refusal, struct outcome *outcome) MUST_CHECK;

#endif
