/* Who a patient is in another community: by the PIX manager's cross-references, otherwise by asking the community with the
 * patient's demographics (XCPD). Remembered like cross-references, by all gateways together and on disk for the time when
 * nobody can be asked. Any thread may call. Source: ITI TF-2 3.45, 3.55. */
#ifndef PASSERELLE_COMMUNITIES_H
#define PASSERELLE_COMMUNITIES_H

#include "gateway/access/access.h"
#include "gateway/south/xcpd_client.h"

/* A back-end that knows patients by other identifiers than the affinity domain. Made at start, borrowed. */
struct other_community {
	struct xcpd_service service; /* its assigning authority; url empty: it cannot be asked about patients */
	struct backend *backend;
};

enum community_end {
	COMMUNITY_FOUND,
	COMMUNITY_NOBODY, /* there is no such patient, as somebody says who would know */
	COMMUNITY_FAILED  /* it cannot be told now, or not which of several: never to be taken for "nobody" */
};

/* The patient here (a CX of the affinity domain) as the community knows them: a CX there, in south->arena. Only
 * COMMUNITY_FAILED leaves an error in outcome. now_s: wall clock, seconds since 1970. */
enum community_end community_find(struct access *access, const struct south *south,
				  const struct other_community *community, struct str here, int64_t now_s,
				  struct str *there, struct outcome *outcome) MUST_CHECK;

/* The reverse. What is only known from an earlier community_find is confirmed by another one. */
enum community_end community_patient(struct access *access, const struct south *south,
				     const struct other_community *community, struct str there, int64_t now_s,
				     struct str *here, struct outcome *outcome) MUST_CHECK;

#endif
