/* One question in HL7 V3 over SOAP, and its answer: what the clients of identity managers and of other communities share.
 * Private to this room. */
#ifndef PASSERELLE_HL7V3_EXCHANGE_H
#define PASSERELLE_HL7V3_EXCHANGE_H

#include "gateway/south/soap_client.h"
#include "mappers/hl7v3.h"

/* Where a question goes, and between which HL7 devices. */
struct hl7v3_peer {
	const char *url;
	struct str receiver; /* OIDs; STR_NONE: not said */
	struct str sender;
	const char *action_suffix; /* behind the action of the question; "" for none */
};

/* A question of this kind with ids of its own; the rest is the caller's. False without memory, with an issue. */
bool hl7v3_question_begin(struct hl7v3_message *question, enum hl7v3_kind kind, const struct south *south,
			  const struct hl7v3_peer *peer, struct outcome *outcome) MUST_CHECK;

/* Sends the question, and takes an answer of this kind only when it names this very question. False with an issue. */
bool hl7v3_ask(const struct south *south, const struct hl7v3_peer *peer, const struct hl7v3_message *question,
	       enum hl7v3_kind kind, struct hl7v3_message *answer, struct outcome *outcome) MUST_CHECK;

/* AA or CA. */
bool hl7v3_is_accepted(struct str code);

/* What an answer that says no has in codes; nothing of a patient. */
void hl7v3_refusal_log(const struct south *south, const struct hl7v3_message *answer);

#endif
