/* Access Consent [ITI-108]: create, update and delete. A change is answered when it is in force on every gateway.
 * Source: IHE PCF 1.1 2:3.108.4.3, 4.7 and 4.9; FHIR R4 http create, update, delete. */
#include "gateway/run/random.h"
#include "gateway/transactions/consents.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/identify_patient.h"
#include "mappers/base/uuid.h"
#include "mappers/consent_resource.h"

/* Room for what one that is too long has become: how long it may be, the directory's client says. */
#define WRITTEN_BYTES_MAX (8U * 1024 * 1024)

static bool patient_identify(const struct transaction *t, const json_t *consent, struct str *patient_id)
{
	struct patient_claim claim;

	if (!consent_resource_patient(consent, t->gateway->base, t->south.arena, &claim, t->outcome))
		return false;
	switch (identify_patient(t, &claim, false, patient_id)) {
	case PATIENT_IDENTIFIED:
		return true;
	case PATIENT_NOBODY:
		/* Whom a bound caller may not speak about, and whom nobody knows, look the same. */
		return consents_about(t, STR_NONE) &&
		       outcome_add(t->outcome, ERR_PATIENT_UNKNOWN, claim.path,
				   "Name the patient by an identifier that the affinity domain knows.");
	case PATIENT_FAILED:
		break;
	}
	return false;
}

/* Checks what came and settles whom it is about. Documents matter only to a Consent in force: one that is revoked must
 * not be held up by a document that is gone. */
static bool consent_take(const struct transaction *t, json_t *consent, struct consent_write *write)
{
	if (!consent_resource_check(consent, t->south.arena, t->outcome) ||
	    !patient_identify(t, consent, &write->patient_id))
		return false;
	audit_patient(t->audit, write->patient_id, patient_reference(t, write->patient_id));
	write->is_active = consent_resource_is_active(consent);
	return consents_about(t, write->patient_id) &&
	       (!write->is_active || consents_name_documents(t, consent, write->patient_id));
}

/* Writes, and shows what is in force from now on. */
static bool consent_keep(const struct transaction *t, const json_t *consent, struct consent_write *write,
			 struct consent_answer *answer)
{
	struct consent_record record = { .id = write->id };
	struct consent_stored stored;
	struct buf text;
	bool good;

	buf_init(&text, WRITTEN_BYTES_MAX);
	good = consent_resource_keep(consent, write->id, &text, t->outcome);
	write->resource = buf_str(&text);
	if (good)
		good = consent_change(t->gateway->access, &t->south, write, &stored, t->outcome) == CONSENT_WRITTEN;
	if (good) {
		record.version_id = stored.version_id;
		record.updated_ms = stored.updated_ms;
		record.resource = write->resource;
		answer->etag = consents_etag(t, stored.version_id);
		answer->location = arena_printf(t->south.arena, "Consent/%.*s/_history/%llu", STR_ARG(write->id),
						(unsigned long long)stored.version_id);
		good = consents_show(t, &record, answer->resource);
	}
	buf_free(&text);
	return good;
}

bool consent_create(const struct transaction *t, json_t *consent, struct consent_answer *answer)
{
	struct consent_write write = { .expected = 0 };
	unsigned char random[16];
	char urn[UUID_URN_SIZE];

	if (!consents_directory(t) || !consent_take(t, consent, &write))
		return false;
	random_bytes(random, sizeof(random));
	uuid_format(random, urn);
	write.id = str_without_prefix(str_from_c(urn), STR("urn:uuid:"));
	return consent_keep(t, consent, &write, answer);
}

/* The version that an If-Match names, or that is there now: nothing that was written meanwhile is overwritten. */
static bool version_expect(const struct transaction *t, struct str if_match, uint64_t current, uint64_t *expected)
{
	struct str tag = str_without_prefix(str_trim(if_match), STR("W/"));

	*expected = current;
	if (!if_match.data || str_equal(tag, STR("*")))
		return true;
	if (tag.size > 2 && tag.data[0] == '"' && tag.data[tag.size - 1] == '"' &&
	    str_to_u64((struct str) { tag.data + 1, tag.size - 2 }, expected) && *expected == current)
		return true;
	return outcome_add(t->outcome, ERR_VERSION, "If-Match",
			   "The Consent has changed: read it again, and send the ETag of what you read.");
}

/* There is nothing to update where nothing is: ids are given out here. FHIR R4 http 3.1.0.4.1 */
static bool current_read(const struct transaction *t, struct str id, struct str if_match,
			 struct consent_record *current, struct consent_write *write)
{
	if (!consents_read(t, id, 0, current) || !version_expect(t, if_match, current->version_id, &write->expected))
		return false;
	write->id = id;
	write->patient_id = current->patient_id;
	return true;
}

bool consent_update(const struct transaction *t, struct str id, struct str if_match, json_t *consent,
		    struct consent_answer *answer)
{
	struct consent_record current;
	struct consent_write write = { .is_active = false };
	struct str patient_id;

	if (!str_equal(fhir_text(json_object_get(consent, "id")), id))
		return outcome_add(t->outcome, ERR_VALUE_INVALID, "Consent.id",
				   "Send the id of the URL also in the body.");
	if (!current_read(t, id, if_match, &current, &write))
		return false;
	patient_id = write.patient_id;
	if (!consent_take(t, consent, &write))
		return false;
	if (!patient_same(t, patient_id, write.patient_id))
		return outcome_add(t->outcome, ERR_RULE, "Consent.patient",
				   "A Consent stays that of its patient; create one for the other patient.");
	return consent_keep(t, consent, &write, answer);
}

bool consent_delete(const struct transaction *t, struct str id, struct str if_match)
{
	struct consent_record current;
	struct consent_write write = { .resource = STR_NONE };
	struct consent_stored stored;

	return current_read(t, id, if_match, &current, &write) &&
	       consent_change(t->gateway->access, &t->south, &write, &stored, t->outcome) == CONSENT_WRITTEN;
}
