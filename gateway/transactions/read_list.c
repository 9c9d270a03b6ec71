/* Reads one List, a SubmissionSet or a Folder, by its id. Source: FHIR R4 http read; MHD 4.2.4 3.66. */
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/resources.h"
#include "mappers/json_writer.h"
#include "mappers/list_search.h"

#define NOT_THERE "There is no such List; search for it."

/* A query by id answers with the contents too: all that a List refers to is at hand. */
static struct neighbourhood contents(const struct metadata *found, struct str id)
{
	return (struct neighbourhood) { .associations = found->associations,
					.association_count = found->association_count,
					.entries = found->document_entries,
					.entry_count = found->document_entry_count,
					.folders = found->folders,
					.folder_count = found->folder_count,
					.asked_id = id };
}

static bool read_folder(const struct transaction *t, struct str id, struct str urn, const struct waiting *waiting,
			struct buf *answer, struct str *etag)
{
	struct stored_query query;
	struct metadata found;
	struct neighbourhood around;
	struct json_writer writer;
	const struct folder *folder;

	if (!get_folder_and_contents(urn, registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (!registry_ask(t, &query, &found) || !hidden_here_ask(t, &found) || !hidden_elsewhere_drop(t, &found))
		return false;
	if (found.folder_count != 1)
		return waiting_not_there(t, waiting, NOT_THERE);
	folder = &found.folders[0];
	around = contents(&found, id);
	*etag = version_etag(t, folder->entry_uuid, folder->last_update_time, folder->availability_status);
	json_writer_init(&writer, answer);
	return folder_write(t, folder, &around, &writer) && json_writer_finish(&writer, t->outcome);
}

/* One that waits. */
static bool waiting_read(const struct transaction *t, struct str id, struct str urn, const struct waiting *waiting,
			 struct buf *answer, struct str *etag)
{
	const struct metadata *metadata = &waiting_list(waiting, urn)->metadata;
	struct neighbourhood around = { .asked_id = id };
	struct json_writer writer;

	if (!waiting_around(t, waiting, &around))
		return false;
	json_writer_init(&writer, answer);
	*etag = version_etag(t, urn, STR("0"), STR_NONE);
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (str_equal_nocase(metadata->folders[i].entry_uuid, urn))
			return folder_write(t, &metadata->folders[i], &around, &writer) &&
			       json_writer_finish(&writer, t->outcome);
	}
	return submission_set_write(t, &metadata->submission_sets[0], &around, &writer) &&
	       json_writer_finish(&writer, t->outcome);
}

/* At its source. */
static bool list_read(const struct transaction *t, struct str id, struct str urn, struct buf *answer, struct str *etag)
{
	struct stored_query query;
	struct metadata found;
	struct neighbourhood around;
	struct json_writer writer;
	const struct submission_set *set;
	struct waiting waiting;

	if (!waiting_here(t, urn, &waiting))
		return false;
	if (waiting_list(&waiting, urn))
		return waiting_read(t, id, urn, &waiting, answer, etag);
	if (!get_submission_set_and_contents(urn, registry_home(t), t->south.arena, &query))
		return no_memory(t);
	if (!registry_ask(t, &query, &found) || !hidden_here_ask(t, &found) || !hidden_elsewhere_drop(t, &found))
		return false;
	if (found.submission_set_count != 1)
		return read_folder(t, id, urn, &waiting, answer, etag);
	set = &found.submission_sets[0];
	around = contents(&found, id);
	/* Of a document that was updated since, the answer has neither the version that came with the set nor its link. */
	around.association_count = 0;
	if (!associations_ask(t, &set->entry_uuid, 1, &around) || !members_ask(t, &around) || !around_drop(t, &around))
		return false;
	*etag = version_etag(t, set->entry_uuid, set->version, set->availability_status);
	json_writer_init(&writer, answer);
	return submission_set_write(t, set, &around, &writer) && json_writer_finish(&writer, t->outcome);
}

bool read_list(const struct transaction *t, struct str id, struct buf *answer, struct str *etag)
{
	struct source *source;
	struct errand errand;
	struct str urn;

	if (!resource_id_find(t, SEAL_LIST, id, &source, &urn))
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", NOT_THERE);
	return errand_begin(t, source, &errand) && errand_end(&errand, list_read(&errand.t, id, urn, answer, etag));
}
