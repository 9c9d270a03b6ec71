/* Inside gateway/access only: one who says what a patient consents to. All sources must permit. The consent directory is
 * the first; a national decision point would be another. */
#ifndef PASSERELLE_CONSENT_SOURCE_H
#define PASSERELLE_CONSENT_SOURCE_H

#include "gateway/access/access.h"

struct consent_question {
	const struct south *south; /* arena, deadline and trace of the request */
	struct consent_request request;
};

/* What a source says about the patient as a whole; in the request's arena. */
struct consent_answer {
	enum consent_extent extent;
	struct consent_decision decision; /* for EVERY and NO */
	const void *state;                /* the source's own, for decide */
};

struct consent_source {
	void *ctx;
	/* May take time, never past the question's deadline. Who cannot say denies: CONSENT_NO_DOCUMENT with
	 * CONSENT_UNAVAILABLE. How long its own knowledge is good is the source's business: it never answers from what is
	 * older than its configuration allows. */
	void (*ask)(void *ctx, const struct consent_question *question, struct consent_answer *answer);
	/* About one document, after CONSENT_BY_DOCUMENT. Asks nobody. */
	void (*decide)(void *ctx, const struct consent_question *question, const struct consent_answer *answer,
		       const struct document_entry *entry, struct consent_decision *decision);
};

#endif
