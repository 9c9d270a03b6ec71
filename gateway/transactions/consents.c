#include "gateway/transactions/consents.h"

#include "gateway/access/authorize.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/identify_patient.h"
#include "mappers/base/oid.h"
#include "mappers/consent_resource.h"
#include "mappers/fhir_json_write.h"
#include "mappers/metadata_rim.h"
#include "mappers/search_query.h"

/* A token that opens the route is not enough: Consents tell whom a patient shuts out, and what is hidden. */
static bool caller_may(const struct transaction *t)
{
	return caller_is_entitled(t->caller, &t->gateway->config->consent_recorders) ||
	       outcome_add(t->outcome, ERR_FORBIDDEN, "",
			   "Consents are for the patient, and for recorders whom this organisation names.");
}

const struct consent_client *consents_directory(const struct transaction *t)
{
	const struct consent_client *directory = consent_directory(t->gateway->access);

	if (!directory) {
		outcome_add(t->outcome, ERR_NOT_FOUND, "", "This deployment keeps no Consents (consent.source).");
		return NULL;
	}
	return caller_may(t) ? directory : NULL;
}

bool consents_about(const struct transaction *t, struct str patient_id)
{
	if (t->caller->kind == CALLER_PATIENT && str_is_empty(t->caller->person_id))
		return outcome_add(t->outcome, ERR_FORBIDDEN, "", "Use a token that says which patient you are.");
	return visit_about(t->visit, patient_id, t->outcome);
}

bool consents_read(const struct transaction *t, struct str id, uint64_t version_id, struct consent_record *record)
{
	const struct consent_client *directory = consents_directory(t);
	struct transaction quiet = *t;
	struct outcome ignored;

	if (!directory || !directory_read(directory, &t->south, id, version_id, record, t->outcome))
		return false;
	outcome_init(&ignored);
	quiet.outcome = &ignored;
	if (!consents_about(&quiet, record->patient_id))
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such Consent.");
	audit_patient(t->audit, record->patient_id, patient_reference(t, record->patient_id));
	return true;
}

bool consents_show(const struct transaction *t, const struct consent_record *record, struct buf *answer)
{
	struct consent_version version = { record->id, record->version_id, record->updated_ms };
	json_t *consent;

	return consent_resource_show(record->resource, &version, t->south.arena, &consent, t->outcome) &&
	       fhir_json_write(consent, answer, t->outcome);
}

struct str consents_etag(const struct transaction *t, uint64_t version_id)
{
	return arena_printf(t->south.arena, "%llu", (unsigned long long)version_id);
}

/* The entry that is valid now, of those with this uniqueId. ITI TF-3 4.2.3.2.26 */
static bool entry_by_unique_id(const struct transaction *t, struct str unique_id, const struct document_entry **entry)
{
	struct stored_query query;
	struct metadata found;

	*entry = NULL;
	if (!get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, &unique_id, 1,
		       registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (!registry_ask(t, &query, &found))
		return false;
	for (size_t i = 0; i < found.document_entry_count; i++) {
		if (!*entry || !status_is_deprecated(found.document_entries[i].availability_status))
			*entry = &found.document_entries[i];
	}
	return true;
}

/* At one source, by an entryUUID before a uniqueId of the same form. */
static bool entry_find_at(const struct transaction *t, const struct consent_document *document, struct str urn,
			  const struct document_entry **entry)
{
	*entry = NULL;
	if (urn.data && !document_entry_current(t, urn, entry))
		return false;
	if (!*entry && !document->own_id.data && document->unique_id.data)
		return entry_by_unique_id(t, document->unique_id, entry);
	return true;
}

static bool entry_find_in(const struct transaction *t, struct source *source, const struct consent_document *document,
			  struct str urn, const struct document_entry **entry)
{
	struct errand errand;

	*entry = NULL;
	return errand_begin(t, source, &errand) && errand_end(&errand, entry_find_at(&errand.t, document, urn, entry));
}

/* By the id that was given out here, which names its source, otherwise by identifier wherever it is. */
static bool entry_find(const struct transaction *t, const struct consent_document *document,
		       const struct document_entry **entry)
{
	struct outcome before = *t->outcome;
	struct source *source;
	struct str urn;
	bool asked = true;

	*entry = NULL;
	if (document->own_id.data)
		return !resource_id_find(t, SEAL_DOCUMENT_REFERENCE, document->own_id, &source, &urn) ||
		       entry_find_in(t, source, document, urn, entry);
	for (size_t i = 0; i < t->gateway->source_count; i++) {
		asked = entry_find_in(t, &t->gateway->sources[i], document, document->urn, entry) && asked;
		if (!*entry)
			continue;
		*t->outcome = before;
		return true;
	}
	return asked;
}

/* Whether the identifier that stands beside the reference is one of the entry's. */
static bool identifier_agrees(const struct consent_document *document, const struct document_entry *entry)
{
	return (document->urn.data && (str_equal_nocase(document->urn, entry->entry_uuid) ||
				       str_equal_nocase(document->urn, entry->logical_id))) ||
	       (document->unique_id.data && str_equal(document->unique_id, entry->unique_id));
}

/* Where there are several sources, the name that copies have in common. */
static bool document_identify(const struct transaction *t, const struct consent_document *document,
			      const struct document_entry *entry)
{
	struct str urn = entry->logical_id.size ? entry->logical_id : entry->entry_uuid;

	if (t->gateway->source_count > 1 && oid_valid(entry->unique_id))
		urn = arena_printf(t->south.arena, "urn:oid:%.*s", STR_ARG(entry->unique_id));
	return (urn.data && consent_document_name(document, urn)) || no_memory(t);
}

static bool document_name(const struct transaction *t, const struct consent_document *document, struct str patient_id)
{
	const struct document_entry *entry;
	bool is_identified = document->urn.data || document->unique_id.data;

	if (!entry_find(t, document, &entry))
		return false;
	if (!entry || !patient_same(t, entry->patient_id, patient_id) ||
	    (is_identified && !identifier_agrees(document, entry)))
		return outcome_add(t->outcome, ERR_REFERENCE_UNRESOLVED, document->path,
				   "Refer to a document of this patient by the id or identifier that a search gives.");
	return is_identified || document_identify(t, document, entry);
}

bool consents_name_documents(const struct transaction *t, json_t *consent, struct str patient_id)
{
	struct consent_document *documents;
	size_t count;
	bool good = true;

	if (!consent_resource_documents(consent, t->gateway->base, t->south.arena, &documents, &count, t->outcome))
		return false;
	for (size_t i = 0; i < count; i++)
		good = document_name(t, &documents[i], patient_id) && good;
	return good;
}
