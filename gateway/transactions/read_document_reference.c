/* Reads one DocumentReference by its id. Source: FHIR R4 http read; MHD 4.2.4 3.67 (the id of a found entry). */
#include "gateway/transactions/resources.h"
#include "mappers/json_writer.h"

bool read_document_reference(const struct transaction *t, struct str id, struct buf *answer, struct str *etag)
{
	const struct document_entry *entry;
	struct neighbourhood around = { .asked_id = id };
	struct json_writer writer;
	struct str urn;

	if (!resource_id_open(t, SEAL_DOCUMENT_REFERENCE, id, &urn))
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such DocumentReference; search for it.");
	if (!document_entry_current(t, urn, &entry))
		return false;
	if (!entry)
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", "There is no such DocumentReference; search for it.");
	if (!associations_ask(t, &entry->entry_uuid, 1, &around))
		return false;
	*etag = version_etag(t, entry->entry_uuid, entry->version, entry->availability_status);
	json_writer_init(&writer, answer);
	return document_reference_write(t, entry, &around, &writer) && json_writer_finish(&writer, t->outcome);
}
