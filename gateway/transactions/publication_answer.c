#include "gateway/transactions/publication.h"

#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/resources.h"
#include "mappers/base/xds_time.h"
#include "mappers/json_writer.h"
#include "mappers/publication_target.h"
#include "mappers/transaction_response.h"

/* Where a target is; one that was named otherwise gets its own id when it is delivered (attempt_targets.c). */
static struct str target_location(const struct transaction *t, enum seal_kind kind, struct str target)
{
	return resource_reference(t, kind, STR_NONE, publication_target_urn(target, t->south.arena));
}

/* Where an entry of the request is now. */
static struct str entry_location(const struct transaction *t, const struct publication *publication,
				 const struct provide_entry *entry)
{
	const struct metadata *metadata = &publication->metadata;
	const struct provide_resolved *resolved = &publication->resolved;

	switch (entry->role) {
	case ROLE_SUBMISSION_SET:
	case ROLE_FROZEN: /* lives on inside the metadata */
		return resource_reference(t, SEAL_LIST, STR_NONE, metadata->submission_sets[0].entry_uuid);
	case ROLE_DOCUMENT_REFERENCE:
		return resource_reference(t, SEAL_DOCUMENT_REFERENCE, STR_NONE,
					  metadata->document_entries[entry->object].entry_uuid);
	case ROLE_BINARY:
		return resource_reference(t, SEAL_BINARY, STR_NONE,
					  metadata->document_entries[entry->object].entry_uuid);
	case ROLE_STATUS_UPDATE:
		return target_location(t, SEAL_DOCUMENT_REFERENCE, resolved->target_uuids[entry->target]);
	case ROLE_FOLDER:
		return resource_reference(t, SEAL_LIST, STR_NONE, metadata->folders[entry->object].entry_uuid);
	case ROLE_FOLDER_UPDATE:
		return target_location(t, SEAL_LIST, resolved->target_uuids[entry->target]);
	case ROLE_PATIENT:
		return patient_reference(t, metadata->submission_sets[0].patient_id);
	}
	return STR_NONE;
}

bool publication_answer_write(const struct transaction *t, const struct publication *publication, struct buf *answer)
{
	const struct provide_bundle *bundle = publication->bundle;
	struct transaction_answer *answers = arena_array(t->south.arena, bundle->entry_count, sizeof(*answers));
	char instant[FHIR_INSTANT_SIZE];
	struct json_writer writer;

	if (!answers)
		return no_memory(t);
	for (size_t i = 0; i < bundle->entry_count; i++)
		answers[i].location = entry_location(t, publication, &bundle->entries[i]);
	fhir_instant_from_unix(t->now_s, instant);
	json_writer_init(&writer, answer);
	transaction_response_write(bundle, answers, t->gateway->base, str_from_c(instant), t->outcome, &writer);
	return json_writer_finish(&writer, t->outcome);
}
