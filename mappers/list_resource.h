/* SubmissionSet and Folder <-> List. Source: MHD 4.2.4 3.65.4.1.2, profiles of SubmissionSet and Folder, ITI TF-3
 * 4.2.3.3 and 4.2.3.4. The rows are in profiles/xds/submission_set.def and folder.def. Rules of reading, writing and
 * checking are those of document_entry.h. */
#ifndef PASSERELLE_LIST_RESOURCE_H
#define PASSERELLE_LIST_RESOURCE_H

#include "mappers/fhir_context.h"
#include "mappers/metadata.h"
#include "mappers/metadata_validate.h"

struct json_writer;

enum list_kind { LIST_OTHER, LIST_SUBMISSION_SET, LIST_FOLDER };

/* What List.code says, with or without its system; the order of Lists in a Bundle says nothing. */
enum list_kind list_kind_of(const json_t *list);

/* List.entry is not read: members are settled between resources. unique_id stays STR_NONE when the List has none. */
bool submission_set_from_fhir(const json_t *list, const struct fhir_context *context, struct arena *arena,
			      struct submission_set *set, struct outcome *outcome) MUST_CHECK;
void submission_set_to_fhir(const struct submission_set *set, const struct fhir_links *links, struct arena *arena,
			    struct json_writer *writer);
bool submission_set_validate(const struct submission_set *set, enum metadata_level level, const char *path,
			     struct outcome *outcome);

bool folder_from_fhir(const json_t *list, const struct fhir_context *context, struct arena *arena,
		      struct folder *folder, struct outcome *outcome) MUST_CHECK;
void folder_to_fhir(const struct folder *folder, const struct fhir_links *links, struct arena *arena,
		    struct json_writer *writer);
bool folder_validate(const struct folder *folder, enum metadata_level level, const char *path, struct outcome *outcome);

#endif
