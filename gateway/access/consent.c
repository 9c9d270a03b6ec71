#include "gateway/access/consent.h"

struct consent {
	struct consent_decision decision;
};

const struct consent *consent_ask(struct access *access, const struct south *south, const struct caller *caller,
				  enum consent_action action, struct str patient_id, bool is_patient, int64_t now_s)
{
	static const struct consent everything = { { .permit = true, .reason = CONSENT_BY_DEFAULT } };

	(void)access, (void)south, (void)caller, (void)action, (void)patient_id, (void)is_patient, (void)now_s;
	return &everything;
}

enum consent_extent consent_extent_of(const struct consent *consent, struct consent_decision *decision)
{
	*decision = consent->decision;
	return CONSENT_EVERY_DOCUMENT;
}

void consent_decide_entry(const struct consent *consent, const struct document_entry *entry,
			  struct consent_decision *decision)
{
	(void)entry;
	*decision = consent->decision;
}

const struct consent_client *consent_directory(const struct access *access)
{
	(void)access;
	return NULL;
}

enum consent_written consent_change(struct access *access, const struct south *south, const struct consent_write *write,
				    struct consent_stored *stored, struct outcome *outcome)
{
	(void)access, (void)south, (void)write, (void)stored;
	outcome_add(outcome, ERR_TRUST_UNAVAILABLE, "", "There is no consent directory here.");
	return CONSENT_REFUSED;
}
