#include "mappers/transaction_response.h"

#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"

/* True when path is the entry's path or goes on below it; "Bundle.entry[1]" is not the front of "Bundle.entry[12]". */
static bool is_about(const char *path, const char *entry)
{
	size_t size = strlen(entry);

	return strncmp(path, entry, size) == 0 && (path[size] == 0 || path[size] == '.');
}

static bool has_entry(const struct provide_bundle *bundle, const char *path)
{
	for (size_t i = 0; i < bundle->entry_count; i++) {
		if (is_about(path, bundle->entries[i].path))
			return true;
	}
	return false;
}

/* The warnings of one entry; what is about none of them goes to the SubmissionSet. */
static void write_outcome(const struct provide_bundle *bundle, size_t entry, const struct outcome *warnings,
			  struct json_writer *writer)
{
	struct outcome own;

	outcome_init(&own);
	for (size_t i = 0; i < warnings->count; i++) {
		const struct issue *issue = &warnings->issues[i];

		if (issue->severity == SEVERITY_ERROR)
			continue;
		if (is_about(issue->path, bundle->entries[entry].path) ||
		    (entry == bundle->submission_set && !has_entry(bundle, issue->path)))
			own.issues[own.count++] = *issue;
	}
	if (entry == bundle->submission_set)
		own.lost_count = warnings->lost_count;
	if (own.count == 0)
		return;
	json_key(writer, STR("outcome"));
	operation_outcome_write(&own, writer);
}

void transaction_response_write(const struct provide_bundle *bundle, const struct transaction_answer *answers,
				struct str base, struct str last_modified, const struct outcome *warnings,
				struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("Bundle"));
	json_member_object(writer, STR("meta"));
	json_member_array(writer, STR("profile"));
	json_text(writer,
		  STR("https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.ProvideDocumentBundleResponse"));
	json_end_array(writer);
	json_end_object(writer);
	json_member(writer, STR("type"), STR("transaction-response"));
	json_member_array(writer, STR("link"));
	json_begin_object(writer);
	json_member(writer, STR("relation"), STR("self"));
	json_member(writer, STR("url"), base);
	json_end_object(writer);
	json_end_array(writer);
	json_member_array(writer, STR("entry"));
	for (size_t i = 0; i < bundle->entry_count; i++) {
		bool created = str_equal(bundle->entries[i].method, STR("POST"));

		json_begin_object(writer);
		json_member_object(writer, STR("response"));
		json_member(writer, STR("status"), created ? STR("201 Created") : STR("200 OK"));
		json_member(writer, STR("location"), answers[i].location);
		json_member(writer, STR("etag"), answers[i].etag);
		json_member(writer, STR("lastModified"), last_modified);
		write_outcome(bundle, i, warnings, writer);
		json_end_object(writer);
		json_end_object(writer);
	}
	json_end_array(writer);
	json_end_object(writer);
}
