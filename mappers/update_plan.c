#include "mappers/update_plan.h"

#include "mappers/association.h"
#include "mappers/metadata_rim.h"
#include "mappers/provide_and_register.h"

#define MESSAGE_BYTES_MAX (16U << 20)

struct str update_version_number(struct str version)
{
	size_t digits = 0;

	while (digits < version.size && version.data[digits] >= '0' && version.data[digits] <= '9')
		digits++;
	return digits ? (struct str) { version.data, digits } : STR("1");
}

static uint64_t version_of(const struct document_entry *entry)
{
	uint64_t version = 1;

	return str_to_u64(entry->version, &version) ? version : 1;
}

bool update_version_is_newer(const struct document_entry *a, const struct document_entry *b)
{
	bool a_deprecated = status_is_deprecated(a->availability_status);
	bool b_deprecated = status_is_deprecated(b->availability_status);

	if (a_deprecated != b_deprecated)
		return b_deprecated;
	return version_of(a) > version_of(b);
}

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

/* The text written so far, in the arena; data is NULL after an issue. Frees text. */
static struct str text_take(struct buf *text, struct xml_writer *writer, struct arena *arena, struct outcome *outcome)
{
	struct str copy = STR_NONE;

	if (xml_writer_finish(writer, outcome)) {
		copy = arena_copy(arena, buf_str(text));
		if (!copy.data)
			no_memory(outcome);
	}
	buf_free(text);
	return copy;
}

static bool step_add(struct update_plan *plan, enum update_kind kind, struct str body, struct str repository)
{
	if (!body.data)
		return false;
	plan->steps[plan->step_count++] = (struct update_step) { kind, body, repository };
	return true;
}

/* Parts of an object have ids of their own in the registry: those of the new version must be new. */
static void part_ids_drop(struct rim_object *object)
{
	for (size_t i = 0; i < object->classification_count; i++) {
		struct rim_classification *part = &object->classifications[i];

		part->id = part->lid = part->home = part->status = part->version_name = STR_NONE;
		part->classified_object = object->id;
	}
	for (size_t i = 0; i < object->external_identifier_count; i++) {
		struct rim_external_identifier *part = &object->external_identifiers[i];

		part->id = part->lid = part->home = part->status = part->version_name = STR_NONE;
		part->registry_object = object->id;
	}
}

/* The new version: all that describes the document as it is changed, all that makes it this document as it was.
 * ITI TF-2 3.57.4.1.3.3.1 */
static struct document_entry version_make(const struct document_entry *current, const struct document_entry *changed,
					  struct str entry_uuid)
{
	struct document_entry entry = *changed;

	entry.entry_uuid = entry_uuid;
	entry.logical_id = current->logical_id.size ? current->logical_id : current->entry_uuid;
	entry.version = STR_NONE;
	entry.availability_status = STR_NONE;
	entry.home_community_id = STR_NONE;
	entry.unique_id = current->unique_id;
	entry.object_type = current->object_type;
	entry.repository_unique_id = current->repository_unique_id;
	entry.document_availability = current->document_availability;
	entry.hash = current->hash;
	entry.size = current->size;
	entry.mime_type = current->mime_type;
	entry.uri = current->uri;
	entry.patient_id = current->patient_id;
	entry.limited_metadata = current->limited_metadata;
	entry.origin = current->origin;
	return entry;
}

static bool rim_write(const struct metadata *metadata, struct arena *arena, struct str *text, struct outcome *outcome)
{
	struct rim_list list;
	struct xml_writer writer;
	struct buf buf;

	if (!metadata_to_rim(metadata, arena, &list, outcome))
		return false;
	for (size_t i = 0; i < list.count; i++)
		part_ids_drop(&list.objects[i]);
	buf_init(&buf, MESSAGE_BYTES_MAX);
	xml_writer_init(&writer, &buf);
	submit_objects_write(&writer, &list);
	*text = text_take(&buf, &writer, arena, outcome);
	return text->data;
}

bool update_plan_is_empty(const struct document_entry *current, const struct document_entry *changed,
			  struct arena *arena)
{
	struct document_entry before = version_make(current, current, current->entry_uuid);
	struct document_entry after = version_make(current, changed, current->entry_uuid);
	struct metadata one = { .document_entries = &before, .document_entry_count = 1 };
	struct metadata other = { .document_entries = &after, .document_entry_count = 1 };
	struct outcome ignored;
	struct str left;
	struct str right;

	outcome_init(&ignored);
	return rim_write(&one, arena, &left, &ignored) && rim_write(&other, arena, &right, &ignored) &&
	       str_equal(left, right);
}

static struct association associate(enum association_type type, struct str id, struct str source, struct str target)
{
	return (struct association) {
		.id = id, .type = type, .type_urn = association_urn(type), .source = source, .target = target
	};
}

bool update_plan_change(const struct update_change *change, struct arena *arena, struct update_plan *plan,
			struct outcome *outcome)
{
	const struct document_entry *current = change->current;
	struct submission_set set = *change->set;
	struct document_entry entry;
	struct association associations[2];
	struct metadata metadata = { .submission_sets = &set,
				     .submission_set_count = 1,
				     .document_entries = &entry,
				     .associations = associations };
	struct str target = current->entry_uuid;
	struct str body;

	if (change->changed) {
		entry = version_make(current, change->changed, change->entry_uuid);
		target = entry.entry_uuid;
		associations[0] =
			associate(ASSOCIATION_HAS_MEMBER, change->association_uuids[0], set.entry_uuid, target);
		associations[0].submission_set_status = STR("Original");
		associations[0].previous_version = update_version_number(current->version);
		metadata.document_entry_count = metadata.association_count = 1;
	}
	if (change->new_status.size) {
		struct association *status = &associations[metadata.association_count];

		*status = associate(ASSOCIATION_UPDATE_STATUS, change->association_uuids[metadata.association_count++],
				    set.entry_uuid, target);
		status->original_status = status_is_deprecated(current->availability_status) ? STR(STATUS_DEPRECATED)
											     : STR(STATUS_APPROVED);
		status->new_status = change->new_status;
	}
	*plan = (struct update_plan) { .patient_id = current->patient_id };
	return rim_write(&metadata, arena, &body, outcome) && step_add(plan, UPDATE_METADATA, body, STR_NONE);
}

static bool bytes_step(const struct document_request *document, struct arena *arena, struct update_plan *plan,
		       struct outcome *outcome)
{
	struct xml_writer writer;
	struct buf text;

	buf_init(&text, MESSAGE_BYTES_MAX);
	xml_writer_init(&writer, &text);
	remove_documents_write(&writer, document, 1);
	return step_add(plan, REMOVE_DOCUMENTS, text_take(&text, &writer, arena, outcome),
			document->repository_unique_id);
}

bool update_plan_bytes(struct str patient_id, const struct document_request *document, struct arena *arena,
		       struct update_plan *plan, struct outcome *outcome)
{
	*plan = (struct update_plan) { .patient_id = patient_id };
	return bytes_step(document, arena, plan, outcome);
}

bool update_plan_removal(struct str patient_id, const struct strs *object_ids, const struct document_request *document,
			 struct arena *arena, struct update_plan *plan, struct outcome *outcome)
{
	struct xml_writer writer;
	struct buf text;

	*plan = (struct update_plan) { .patient_id = patient_id };
	buf_init(&text, MESSAGE_BYTES_MAX);
	xml_writer_init(&writer, &text);
	remove_objects_write(&writer, object_ids);
	return step_add(plan, REMOVE_METADATA, text_take(&text, &writer, arena, outcome), STR_NONE) &&
	       (!document || bytes_step(document, arena, plan, outcome));
}
