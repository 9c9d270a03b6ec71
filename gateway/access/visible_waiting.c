#include "gateway/access/visible_waiting.h"

#include "gateway/access/visit_state.h"
#include "mappers/association.h"

bool visible_waiting_any(struct visit *visit, enum consent_action action, struct str patient_id,
			 const struct document_entry *entries, size_t count)
{
	if (count == 0)
		return visit_extent(visit, patient_id, action) == CONSENT_EVERY_DOCUMENT;
	for (size_t i = 0; i < count; i++) {
		if (visit_permits(visit, &entries[i], action))
			return true;
	}
	return false;
}

static bool is_entry(const struct metadata *metadata, struct str uuid)
{
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (str_equal_nocase(metadata->document_entries[i].entry_uuid, uuid))
			return true;
	}
	return false;
}

bool submission_has_list(const struct metadata *metadata, struct str uuid)
{
	for (size_t i = 0; i < metadata->submission_set_count; i++) {
		if (str_equal_nocase(metadata->submission_sets[i].entry_uuid, uuid))
			return true;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (str_equal_nocase(metadata->folders[i].entry_uuid, uuid))
			return true;
	}
	return false;
}

static bool holds_seen(const struct metadata *metadata, struct str uuid)
{
	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *association = &metadata->associations[i];

		if (association->type == ASSOCIATION_HAS_MEMBER && str_equal_nocase(association->source, uuid) &&
		    is_entry(metadata, association->target))
			return true;
	}
	return false;
}

static void lists_filter(struct metadata *metadata)
{
	size_t kept = 0;

	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (holds_seen(metadata, metadata->folders[i].entry_uuid))
			metadata->folders[kept++] = metadata->folders[i];
	}
	metadata->folder_count = kept;
	if (metadata->document_entry_count == 0)
		metadata->submission_set_count = 0;
}

static void associations_filter(struct metadata *metadata)
{
	size_t kept = 0;

	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *association = &metadata->associations[i];
		bool begins =
			is_entry(metadata, association->source) || submission_has_list(metadata, association->source);
		bool ends =
			is_entry(metadata, association->target) || submission_has_list(metadata, association->target);

		/* What a document relates to is looked up by who shows it. */
		if (begins && (ends || association_relates_to(association->type).data))
			metadata->associations[kept++] = *association;
	}
	metadata->association_count = kept;
}

void visible_waiting(struct visit *visit, enum consent_action action, struct metadata *metadata)
{
	struct str patient_id = metadata->submission_set_count ? metadata->submission_sets[0].patient_id : STR_NONE;
	bool all = visit_extent(visit, patient_id, action) == CONSENT_EVERY_DOCUMENT;
	size_t kept = 0;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		const struct document_entry *entry = &metadata->document_entries[i];

		if (visit_permits(visit, entry, action))
			metadata->document_entries[kept++] = *entry;
	}
	all = all && kept == metadata->document_entry_count;
	metadata->document_entry_count = kept;
	if (all)
		return;
	lists_filter(metadata);
	associations_filter(metadata);
}
