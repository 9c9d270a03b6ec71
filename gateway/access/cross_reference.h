/* Which identifiers are of the same person: the PIX manager's word, remembered for a configured time by all gateways
 * together, forgotten by all at once when a patient is fed or merged through any of them, and kept on disk for the time
 * when the manager cannot be asked. Any thread may call. Source: ITI TF-2 3.45, PIXm 3.83, 3.104. */
#ifndef PASSERELLE_CROSS_REFERENCE_H
#define PASSERELLE_CROSS_REFERENCE_H

#include "gateway/access/access.h"
#include "gateway/south/identity_client.h"

/* True when a PIX manager is configured. */
bool cross_references_are_known(const struct access *access);

/* All identifiers of the person of source, without source itself, in south->arena. Ends as pix_query's, but never
 * IDENTITY_UNKNOWN_TARGET. While the manager cannot be asked the last known answer is given, as long as it is not older
 * than the configuration allows, with a warning in outcome; otherwise IDENTITY_FAILED with its issue.
 * now_s: wall clock in seconds since 1970. */
enum identity_end cross_reference_find(struct access *access, const struct south *south,
				       const struct patient_identity *source, int64_t now_s,
				       struct patient_identities *found, struct outcome *outcome) MUST_CHECK;

/* Makes everything that was remembered unreachable on every gateway; what is being asked right now is not remembered
 * either. touched: the identifiers that a feed is about, whose last known answers go too. Call it before a feed, so that
 * one which could not be announced is not made, and after it, before it is acknowledged. False when the other gateways
 * could not be told: ERR_TRUST_UNAVAILABLE. */
bool cross_references_forget(struct access *access, const struct patient_identity *touched, size_t count,
			     struct outcome *outcome) MUST_CHECK;

/* Inside the room: part of the name of whatever is remembered about patients, so that a feed makes it unreachable. False
 * when it cannot be known now: then nothing is to be remembered. */
bool cross_references_epoch(struct access *access, uint64_t *epoch) MUST_CHECK;

/* Inside the room: greatest age in seconds of a last known cross-reference; 0: none is used. */
uint64_t cross_reference_age_max(const struct config *config);

/* Inside the room: begins to listen for what other gateways forget; ends with cache_unlisten. ERR_NO_MEMORY. */
bool cross_references_listen(struct access_stores *stores, struct outcome *outcome) MUST_CHECK;

#endif
