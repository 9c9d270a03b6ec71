/* ITI-44 as it changes what is stored. */
#include "gateway/domain/identity_manager.h"
#include "gateway/domain/registry_rows.h"
#include "gateway/run/log.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"

#define IDENTIFIER_BYTES_MAX 255
#define SUBJECT              "/controlActProcess/subject/registrationEvent"
#define OWN_ID               SUBJECT "/subject1/patient/id"
#define OTHER_ID             SUBJECT "/subject1/patient/patientPerson/asOtherIDs/id"
#define PRIOR_ID             SUBJECT "/replacementOf/priorRegistration/subject1/priorRegisteredRole/id"

struct feed {
	struct connection *connection;
	const struct patients *patients;
	const struct hl7v3_message *message;
	struct arena *arena;
	struct identity_refusal *refusal;
	struct outcome *outcome;
};

static bool refuse_feed(const struct feed *feed, const char *code, const char *location, const char *text)
{
	*feed->refusal = (struct identity_refusal) { code, location, text };
	return false;
}

static bool refuse_merged(const struct feed *feed, const char *location)
{
	return refuse_feed(feed, HL7V3_DUPLICATE_KEY, location,
			   "This identifier was merged into another; use the surviving one.");
}

/* It becomes part of patient ids "value^^^&oid&ISO". */
static bool identity_check(const struct feed *feed, const struct patient_identity *identity, const char *location)
{
	if (oid_valid(identity->authority) && identity->value.size <= IDENTIFIER_BYTES_MAX)
		return true;
	return refuse_feed(feed, HL7V3_APPLICATION_ERROR, location,
			   "Send an OID as root and at most 255 characters as extension.");
}

/* The row of an identifier that was not merged away. */
static bool enter(const struct feed *feed, const struct patient_identity *identity, const char *location,
		  struct identity_row *row)
{
	return identity_check(feed, identity, location) &&
	       identity_enter(feed->connection, identity, row, feed->outcome) &&
	       (row->survivor == 0 || refuse_merged(feed, location));
}

static bool links_apply(const struct feed *feed, const struct patient_identities *identifiers, int64_t own)
{
	const struct patient_identities *unlinked = &feed->message->unlinked;
	struct identity_row row;

	for (size_t i = 1; i < identifiers->count; i++) {
		if (!enter(feed, &identifiers->items[i], OTHER_ID, &row) ||
		    !identity_link(feed->connection, own, row.id, feed->outcome))
			return false;
	}
	for (size_t i = 0; i < unlinked->count; i++) {
		bool was_linked = false;

		if (!identity_find(feed->connection, &unlinked->items[i], &row, feed->outcome) ||
		    !identity_unlink_rows(feed->connection, own, row.id, &was_linked, feed->outcome))
			return false;
		if (!was_linked)
			return refuse_feed(feed, HL7V3_UNKNOWN_KEY, OTHER_ID,
					   "These two identifiers are not linked with each other.");
	}
	return true;
}

static bool has_traits(const struct patient *patient)
{
	return patient->name_count + patient->address_count + patient->telecom_count + patient->gender.size +
		       patient->birth_date.size + patient->deceased.size + patient->mothers_maiden_name.size >
	       0;
}

static bool registration_apply(const struct feed *feed)
{
	const struct patient *patient = &feed->message->patients.items[0];
	struct identity_row own;

	if (!enter(feed, &patient->identifiers.items[0], OWN_ID, &own) ||
	    !identity_mark_fed(feed->connection, own.id, feed->outcome) ||
	    !links_apply(feed, &patient->identifiers, own.id))
		return false;
	/* A feed about links alone says nothing of the person. */
	return !has_traits(patient) ||
	       identity_person_store(feed->connection, own.id, patient, false, feed->arena, feed->outcome);
}

struct str identity_patient_id(const struct patient_identity *identity, struct arena *arena)
{
	struct str value = hl7_escape(identity->value, arena);

	return value.data ? arena_printf(arena, "%.*s^^^&%.*s&ISO", STR_ARG(value), STR_ARG(identity->authority))
			  : STR_NONE;
}

/* TF-2 3.44.4.3.3: queries by the surviving id find the documents of both, under the surviving id. */
static bool documents_move(const struct feed *feed, const struct patient_identity *from,
			   const struct patient_identity *to)
{
	struct str old = identity_patient_id(from, feed->arena);
	struct str new = identity_patient_id(to, feed->arena);
	size_t count = 0;

	if (!str_equal(from->authority, patients_authority(feed->patients)))
		return true;
	if (!old.data || !new.data)
		return outcome_add(feed->outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	if (!rows_move_patient(feed->connection, old, new, &count, feed->outcome))
		return false;
	LOG(INFO, LOG_DOMAIN_EVENT, NULL, LOG_C("what", "objects moved by a merge"), LOG_NUMBER("objects", count));
	return true;
}

static bool known_or_refuse(const struct feed *feed, const struct patient_identity *identity, const char *location)
{
	bool is_known = false;

	return identity_is_known(feed->connection, feed->patients, identity, &is_known, feed->outcome) &&
	       (is_known || refuse_feed(feed, HL7V3_UNKNOWN_KEY, location, "This identifier is not known."));
}

/* A merge that was done before is done again without effect (is_done); every other one about a merged identifier would
 * make a loop or tear a person apart. */
static bool merge_check(const struct feed *feed, bool *is_done)
{
	const struct patient_identity *surviving = &feed->message->patients.items[0].identifiers.items[0];
	const struct patient_identity *subsumed = &feed->message->subsumed;
	struct identity_row new;
	struct identity_row old;

	if (!identity_check(feed, surviving, OWN_ID) || !identity_check(feed, subsumed, PRIOR_ID))
		return false;
	if (!str_equal(surviving->authority, subsumed->authority))
		return refuse_feed(feed, HL7V3_APPLICATION_ERROR, PRIOR_ID "/@root",
				   "Merge identifiers of one domain; link those of two.");
	if (patient_identity_equal(surviving, subsumed))
		return refuse_feed(feed, HL7V3_DUPLICATE_KEY, PRIOR_ID, "Merge two identifiers, not one with itself.");
	if (!identity_find(feed->connection, surviving, &new, feed->outcome) ||
	    !identity_find(feed->connection, subsumed, &old, feed->outcome))
		return false;
	if (new.survivor != 0)
		return refuse_merged(feed, OWN_ID);
	*is_done = old.survivor != 0;
	if (*is_done)
		return old.survivor == new.id || refuse_merged(feed, PRIOR_ID);
	return known_or_refuse(feed, surviving, OWN_ID "/@extension") &&
	       known_or_refuse(feed, subsumed, PRIOR_ID "/@extension");
}

static bool merge_apply(const struct feed *feed)
{
	const struct patient_identity *surviving = &feed->message->patients.items[0].identifiers.items[0];
	const struct patient_identity *subsumed = &feed->message->subsumed;
	struct identity_row new;
	struct identity_row old;
	bool is_done = false;

	if (!merge_check(feed, &is_done))
		return false;
	return is_done || (identity_enter(feed->connection, surviving, &new, feed->outcome) &&
			   identity_enter(feed->connection, subsumed, &old, feed->outcome) &&
			   identity_mark_fed(feed->connection, new.id, feed->outcome) &&
			   identity_replace(feed->connection, new.id, old.id, feed->outcome) &&
			   documents_move(feed, subsumed, surviving));
}

bool identity_merge_check(struct connection *connection, const struct patients *patients,
			  const struct hl7v3_message *merge, struct arena *arena, struct identity_refusal *refusal,
			  struct outcome *outcome)
{
	const struct feed feed = { connection, patients, merge, arena, refusal, outcome };
	bool is_done = false;

	*refusal = (struct identity_refusal) { 0 };
	return merge_check(&feed, &is_done) || refusal->code;
}

bool identity_feed_apply(struct connection *connection, const struct patients *patients,
			 const struct hl7v3_message *message, struct arena *arena, struct identity_refusal *refusal,
			 struct outcome *outcome)
{
	const struct feed feed = { connection, patients, message, arena, refusal, outcome };

	*refusal = (struct identity_refusal) { 0 };
	return message->kind == HL7V3_MERGE ? merge_apply(&feed) : registration_apply(&feed);
}
