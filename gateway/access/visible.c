#include "gateway/access/visible_objects.h"

#include "gateway/access/visit_state.h"
#include "gateway/south/unchecked.h"
#include "mappers/association.h"
#include "mappers/document_search.h"
#include "mappers/metadata_rim.h"
#include "mappers/search_query.h"

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

static void entries_filter(struct visit *visit, enum consent_action action, struct metadata *metadata)
{
	size_t kept = 0;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (visit_permits(visit, &metadata->document_entries[i], action))
			metadata->document_entries[kept++] = metadata->document_entries[i];
	}
	metadata->document_entry_count = kept;
}

/* Where an object says whose it is: the patient as here goes there. *keep is false for one whom nobody knows here. */
static bool patient_translate(struct visit *visit, struct str *patient_id, bool *keep, struct outcome *outcome)
{
	struct str here;

	if (!visit_patient_here(visit, *patient_id, &here, outcome))
		return false;
	*keep = here.data || str_is_empty(*patient_id);
	*patient_id = here;
	return true;
}

/* What another community has is its own patients'. */
static bool patients_translate(struct visit *visit, struct metadata *metadata, struct outcome *outcome)
{
	size_t entries = 0;
	size_t sets = 0;
	size_t folders = 0;
	bool keep;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (!patient_translate(visit, &metadata->document_entries[i].patient_id, &keep, outcome))
			return false;
		metadata->document_entries[entries] = metadata->document_entries[i];
		entries += keep;
	}
	for (size_t i = 0; i < metadata->submission_set_count; i++) {
		if (!patient_translate(visit, &metadata->submission_sets[i].patient_id, &keep, outcome))
			return false;
		metadata->submission_sets[sets] = metadata->submission_sets[i];
		sets += keep;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (!patient_translate(visit, &metadata->folders[i].patient_id, &keep, outcome))
			return false;
		metadata->folders[folders] = metadata->folders[i];
		folders += keep;
	}
	metadata->document_entry_count = entries;
	metadata->submission_set_count = sets;
	metadata->folder_count = folders;
	return true;
}

static bool query_unchecked(struct visit *visit, const struct south *south, const struct stored_query *query,
			    struct metadata *metadata, struct outcome *outcome)
{
	struct rim_list objects;
	struct strs refs;

	return xds_query(south, query, &objects, &refs, outcome) &&
	       metadata_from_rim(&objects, south->arena, metadata, outcome) &&
	       (!visit->community || patients_translate(visit, metadata, outcome));
}

/* Asks for the entries with these ids and says of each id to which document that may be seen it leads; NULL: to none. */
struct ends {
	const struct str *uuids;
	size_t count;
	const struct document_entry **visible;
};

/* Of those that were not found: a document that is known by its first version is seen as its current one. A registry
 * without versions refuses the question. */
static bool current_ends_ask(struct visit *visit, enum consent_action action, const struct south *south,
			     struct str home, const struct ends *ends, const bool *is_found, size_t begin, size_t end,
			     struct outcome *outcome)
{
	struct str *uuids = arena_array(south->arena, end - begin, sizeof(*uuids));
	struct stored_query query;
	struct outcome ignored;
	struct metadata found;
	size_t count = 0;

	outcome_init(&ignored);
	if (!uuids)
		return no_memory(outcome);
	for (size_t i = begin; i < end; i++) {
		if (!is_found[i])
			uuids[count++] = ends->uuids[i];
	}
	if (count == 0)
		return true;
	if (!get_current_documents(uuids, count, home, south->arena, &query))
		return no_memory(outcome);
	if (!query_unchecked(visit, south, &query, &found, &ignored))
		return true;
	for (size_t k = 0; k < found.document_entry_count; k++) {
		const struct document_entry *entry = &found.document_entries[k];
		bool permitted = visit_permits(visit, entry, action);

		for (size_t i = begin; i < end; i++) {
			if (str_equal_nocase(entry->logical_id, ends->uuids[i]))
				ends->visible[i] = permitted ? entry : NULL;
		}
	}
	return true;
}

static bool ends_ask(struct visit *visit, enum consent_action action, const struct south *south, struct str home,
		     struct ends *ends, struct outcome *outcome)
{
	bool *is_found = arena_array(south->arena, ends->count, sizeof(bool));

	ends->visible = arena_array(south->arena, ends->count, sizeof(*ends->visible));
	if (!ends->visible || !is_found)
		return no_memory(outcome);
	for (size_t begin = 0; begin < ends->count; begin += SEARCH_BATCH) {
		size_t end = ends->count - begin < SEARCH_BATCH ? ends->count : begin + SEARCH_BATCH;
		struct stored_query query;
		struct metadata found;

		if (!get_documents(ends->uuids + begin, end - begin, home, south->arena, &query))
			return no_memory(outcome);
		if (!query_unchecked(visit, south, &query, &found, outcome))
			return false;
		for (size_t k = 0; k < found.document_entry_count; k++) {
			const struct document_entry *entry = &found.document_entries[k];
			bool permitted = visit_permits(visit, entry, action);

			for (size_t i = begin; i < end; i++) {
				if (!str_equal_nocase(entry->entry_uuid, ends->uuids[i]))
					continue;
				ends->visible[i] = permitted ? entry : NULL;
				is_found[i] = true;
			}
		}
		if (!current_ends_ask(visit, action, south, home, ends, is_found, begin, end, outcome))
			return false;
	}
	return true;
}

/* Which of these SubmissionSets and Folders have a document that may be seen; one without documents has no secret of
 * its own, yet nobody but the patient can say so: it stays hidden while the patient hides anything. */
static bool holders_ask(struct visit *visit, enum consent_action action, const struct south *south, struct str home,
			const struct str *holders, size_t count, bool *is_visible, struct outcome *outcome)
{
	for (size_t begin = 0; begin < count; begin += SEARCH_BATCH) {
		size_t end = count - begin < SEARCH_BATCH ? count : begin + SEARCH_BATCH;
		struct stored_query query;
		struct metadata found;
		struct ends ends = { 0 };
		struct str *targets;

		if (!get_associations(holders + begin, end - begin, home, south->arena, &query))
			return no_memory(outcome);
		if (!query_unchecked(visit, south, &query, &found, outcome))
			return false;
		targets = arena_array(south->arena, found.association_count, sizeof(*targets));
		if (!targets)
			return no_memory(outcome);
		for (size_t i = 0; i < found.association_count; i++)
			targets[i] = found.associations[i].target;
		ends.uuids = targets;
		ends.count = found.association_count;
		if (!ends_ask(visit, action, south, home, &ends, outcome))
			return false;
		for (size_t i = 0; i < found.association_count; i++) {
			if (found.associations[i].type != ASSOCIATION_HAS_MEMBER || !ends.visible[i])
				continue;
			for (size_t k = begin; k < end; k++) {
				if (!str_equal_nocase(found.associations[i].source, holders[k]))
					continue;
				is_visible[k] = true;
				visit_hold(visit, holders[k], ends.visible[i]);
			}
		}
	}
	return true;
}

/* Decides about SubmissionSets and Folders alike: patient and id of each come in, what may be seen goes out. */
struct holders {
	bool *is_visible;
	struct str *asked; /* those whose members must be looked at, and their places */
	size_t *places;
	size_t asked_count;
};

static bool holders_begin(struct holders *holders, size_t count, struct arena *arena, struct outcome *outcome)
{
	*holders = (struct holders) { .is_visible = arena_array(arena, count, sizeof(bool)),
				      .asked = arena_array(arena, count, sizeof(struct str)),
				      .places = arena_array(arena, count, sizeof(size_t)) };
	return (holders->is_visible && holders->asked && holders->places) || no_memory(outcome);
}

static void holder_add(struct visit *visit, enum consent_action action, struct holders *holders, size_t place,
		       struct str patient_id, struct str uuid)
{
	switch (visit_extent(visit, patient_id, action)) {
	case CONSENT_EVERY_DOCUMENT:
		holders->is_visible[place] = true;
		break;
	case CONSENT_NO_DOCUMENT:
		break;
	case CONSENT_BY_DOCUMENT:
		holders->places[holders->asked_count] = place;
		holders->asked[holders->asked_count++] = uuid;
		break;
	}
}

static bool holders_decide(struct visit *visit, enum consent_action action, const struct south *south, struct str home,
			   struct holders *holders, struct outcome *outcome)
{
	bool *visible = arena_array(south->arena, holders->asked_count, sizeof(*visible));

	if (!visible)
		return no_memory(outcome);
	if (!holders_ask(visit, action, south, home, holders->asked, holders->asked_count, visible, outcome))
		return false;
	for (size_t i = 0; i < holders->asked_count; i++)
		holders->is_visible[holders->places[i]] = visible[i];
	return true;
}

/* Where SubmissionSets and Folders have what decides about them. */
struct list_shape {
	size_t size;
	size_t patient_id;
	size_t entry_uuid;
	size_t unique_id;
};
static const struct list_shape set_shape = { sizeof(struct submission_set), offsetof(struct submission_set, patient_id),
					     offsetof(struct submission_set, entry_uuid),
					     offsetof(struct submission_set, unique_id) };
static const struct list_shape folder_shape = { sizeof(struct folder), offsetof(struct folder, patient_id),
						offsetof(struct folder, entry_uuid),
						offsetof(struct folder, unique_id) };

static struct str member_of(const char *item, size_t offset)
{
	struct str member;

	memcpy(&member, item + offset, sizeof(member));
	return member;
}

static bool lists_filter(struct visit *visit, enum consent_action action, const struct south *south, struct str home,
			 const struct list_shape *shape, void *lists, size_t *count, struct outcome *outcome)
{
	struct holders holders;
	char *items = lists;
	size_t kept = 0;

	if (*count == 0)
		return true;
	if (!holders_begin(&holders, *count, south->arena, outcome))
		return false;
	for (size_t i = 0; i < *count; i++)
		holder_add(visit, action, &holders, i, member_of(items + i * shape->size, shape->patient_id),
			   member_of(items + i * shape->size, shape->entry_uuid));
	if (!holders_decide(visit, action, south, home, &holders, outcome))
		return false;
	for (size_t i = 0; i < *count; i++) {
		const char *item = items + i * shape->size;

		if (holders.is_visible[i])
			memmove(items + kept++ * shape->size, item, shape->size);
		else
			visit_hide(visit, member_of(item, shape->unique_id), member_of(item, shape->patient_id));
	}
	*count = kept;
	return true;
}

static void lists_everywhere(const struct visit *visit, const struct list_shape *shape, void *lists, size_t *count)
{
	char *items = lists;
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		const char *item = items + i * shape->size;

		if (!visit_hides_elsewhere(visit, member_of(item, shape->unique_id),
					   member_of(item, shape->patient_id)) &&
		    !visit_empties_elsewhere(visit, member_of(item, shape->entry_uuid)))
			memmove(items + kept++ * shape->size, item, shape->size);
	}
	*count = kept;
}

void visible_everywhere(const struct visit *visit, struct metadata *metadata)
{
	size_t kept = 0;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		const struct document_entry *entry = &metadata->document_entries[i];

		if (!visit_hides_document(visit, entry->unique_id, entry->patient_id))
			metadata->document_entries[kept++] = *entry;
	}
	metadata->document_entry_count = kept;
	lists_everywhere(visit, &set_shape, metadata->submission_sets, &metadata->submission_set_count);
	lists_everywhere(visit, &folder_shape, metadata->folders, &metadata->folder_count);
}

bool visible_by_document(struct visit *visit, enum consent_action action, struct str patient_id)
{
	return visit_extent(visit, patient_id, action) == CONSENT_BY_DOCUMENT;
}

static bool is_list_of(const struct metadata *found, struct str uuid)
{
	for (size_t i = 0; i < found->submission_set_count; i++) {
		if (str_equal_nocase(found->submission_sets[i].entry_uuid, uuid))
			return true;
	}
	for (size_t i = 0; i < found->folder_count; i++) {
		if (str_equal_nocase(found->folders[i].entry_uuid, uuid))
			return true;
	}
	return false;
}

bool visible_names(struct visit *visit, enum consent_action action, const struct metadata *found,
		   struct visible_name **names, size_t *count)
{
	*count = 0;
	*names = arena_array(visit->south.arena, found->document_entry_count + visit->held_count, sizeof(**names));
	if (!*names)
		return false;
	for (size_t i = 0; i < found->document_entry_count; i++) {
		const struct document_entry *entry = &found->document_entries[i];

		if (!str_is_empty(entry->unique_id) && visible_by_document(visit, action, entry->patient_id))
			(*names)[(*count)++] = (struct visible_name) { entry->unique_id, entry->patient_id };
	}
	/* Lists are held for documents only where the patient hides some. */
	for (size_t i = 0; i < visit->held_count; i++) {
		const struct held *held = &visit->held[i];

		if (!str_is_empty(held->unique_id) && is_list_of(found, held->holder))
			(*names)[(*count)++] = (struct visible_name) { held->unique_id, held->patient_id };
	}
	return true;
}

/* True while nothing of any patient of this visit is hidden. */
static bool nothing_hidden(struct visit *visit, enum consent_action action)
{
	for (size_t i = 0; i < visit->count; i++) {
		if (visit_extent(visit, visit->seen[i].public.patient_id, action) != CONSENT_EVERY_DOCUMENT)
			return false;
	}
	return visit->count > 0;
}

/* A relation names the document that it leads to: one that may not be seen must not be named either. Members of Lists
 * are looked up by those who show them. */
static bool relations_filter(struct visit *visit, enum consent_action action, const struct south *south,
			     struct str home, struct metadata *metadata, struct outcome *outcome)
{
	struct str *targets = arena_array(south->arena, metadata->association_count, sizeof(*targets));
	struct ends ends = { .uuids = targets };
	size_t kept = 0;
	size_t next = 0;

	if (!targets)
		return no_memory(outcome);
	for (size_t i = 0; i < metadata->association_count; i++) {
		if (association_relates_to(metadata->associations[i].type).data)
			targets[ends.count++] = metadata->associations[i].target;
	}
	if (ends.count == 0 || nothing_hidden(visit, action))
		return true;
	if (!ends_ask(visit, action, south, home, &ends, outcome))
		return false;
	for (size_t i = 0; i < metadata->association_count; i++) {
		bool relates = association_relates_to(metadata->associations[i].type).data != NULL;

		if (!relates || ends.visible[next])
			metadata->associations[kept++] = metadata->associations[i];
		next += relates;
	}
	metadata->association_count = kept;
	return true;
}

bool visible_query(struct visit *visit, enum consent_action action, const struct south *south,
		   const struct stored_query *query, struct metadata *metadata, struct outcome *outcome)
{
	if (!query_unchecked(visit, south, query, metadata, outcome))
		return false;
	entries_filter(visit, action, metadata);
	return lists_filter(visit, action, south, query->home, &set_shape, metadata->submission_sets,
			    &metadata->submission_set_count, outcome) &&
	       lists_filter(visit, action, south, query->home, &folder_shape, metadata->folders,
			    &metadata->folder_count, outcome) &&
	       relations_filter(visit, action, south, query->home, metadata, outcome) && visit_known(visit, outcome);
}

bool visible_refs(const struct south *south, const struct stored_query *query, struct strs *refs,
		  struct outcome *outcome)
{
	struct rim_list objects;

	return xds_query(south, query, &objects, refs, outcome);
}

static bool not_there(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NOT_FOUND, "", "There is no such document; search for it anew.");
}

static bool is_of(const struct document_entry *entry, const struct document_request *wanted)
{
	return str_equal(entry->unique_id, wanted->document_unique_id) &&
	       str_equal(entry->repository_unique_id, wanted->repository_unique_id);
}

/* The entry that says what the document is now among all that have its ids; NULL: not all that count may be read. */
static const struct document_entry *document_choose(struct visit *visit, const struct metadata *found,
						    const struct document_request *wanted)
{
	const struct document_entry *chosen = NULL;
	bool has_approved = false;
	bool permitted = true;

	for (size_t i = 0; i < found->document_entry_count; i++)
		has_approved = has_approved || (is_of(&found->document_entries[i], wanted) &&
						status_is_approved(found->document_entries[i].availability_status));
	for (size_t i = 0; i < found->document_entry_count; i++) {
		const struct document_entry *entry = &found->document_entries[i];

		if (!is_of(entry, wanted) || (has_approved && !status_is_approved(entry->availability_status)))
			continue;
		permitted = visit_permits(visit, entry, CONSENT_FIND) && visit_permits(visit, entry, CONSENT_READ) &&
			    permitted;
		chosen = entry;
	}
	return permitted ? chosen : NULL;
}

bool visible_document(struct visit *visit, const struct south *south, struct str home,
		      const struct document_request *wanted, const struct document_entry **entry,
		      struct outcome *outcome)
{
	struct stored_query query;
	struct metadata found;

	*entry = NULL;
	if (!get_query(STR(QUERY_GET_DOCUMENTS), STR("$XDSDocumentEntryUniqueId"), true, &wanted->document_unique_id, 1,
		       home, south->arena, &query))
		return no_memory(outcome);
	if (!query_unchecked(visit, south, &query, &found, outcome))
		return false;
	*entry = document_choose(visit, &found, wanted);
	return *entry || visit_known(visit, outcome);
}

bool visible_retrieve(struct visit *visit, const struct south *south, const struct document_entry *entry,
		      struct str home, uint64_t bytes_expected, const struct visible_sink *sink,
		      struct outcome *outcome)
{
	struct document_request request = { .home = str_is_empty(entry->home_community_id) ? home
											   : entry->home_community_id,
					    .repository_unique_id = entry->repository_unique_id,
					    .document_unique_id = entry->unique_id };
	struct retrieve_sink inner = { sink->ctx, sink->begin, sink->data };
	struct south asking = *south;

	if (!visit_permits(visit, entry, CONSENT_READ))
		return not_there(outcome);
	if (!visit_patient_there(visit, entry->patient_id, &asking.patient_id, outcome))
		return false;
	return xds_retrieve(&asking, &request, bytes_expected, &inner, outcome);
}

bool visible_confirm(struct visit *visit, const struct south *south, const struct document_entry *entry, int64_t now_s,
		     struct outcome *outcome)
{
	struct visit *anew =
		visit_begin(visit->access, south, visit->caller, visit->is_bound, visit->own_patient, now_s);

	if (!anew)
		return no_memory(outcome);
	return visit_permits(anew, entry, CONSENT_READ) || (visit_known(anew, outcome) && not_there(outcome));
}

bool visible_may_publish(struct visit *visit, struct str patient_id, const struct document_entry *entries, size_t count,
			 bool *undecided, struct outcome *outcome)
{
	bool permitted = visit_extent(visit, patient_id, CONSENT_PUBLISH) != CONSENT_NO_DOCUMENT;

	if (undecided) {
		*undecided = !permitted && visit_undecide(visit, patient_id);
		if (*undecided)
			return true;
	}
	for (size_t i = 0; permitted && i < count; i++)
		permitted = visit_permits(visit, &entries[i], CONSENT_PUBLISH);
	return permitted || (visit_known(visit, outcome) &&
			     outcome_add(outcome, ERR_FORBIDDEN, "",
					 "The patient's consent or this organisation's policy does not allow you to "
					 "publish this for the patient."));
}

bool visible_may_change(struct visit *visit, const struct document_entry *current, const struct document_entry *changed,
			bool moves_consent, struct outcome *outcome)
{
	if (moves_consent && !consent_is_makers(visit->access, visit->caller, current))
		return outcome_add(outcome, ERR_FORBIDDEN, "",
				   "Leave authors, confidentiality, codes, times and references as they were read: "
				   "consents go by them. Only the patient, and the organization that made the "
				   "document, "
				   "may change those.");
	if (visit_permits(visit, current, CONSENT_UPDATE) &&
	    (!changed || visit_permits(visit, changed, CONSENT_UPDATE)))
		return true;
	return visit_known(visit, outcome) &&
	       outcome_add(outcome, ERR_FORBIDDEN, "",
			   "The patient's consent or this organisation's policy does not allow you to change this "
			   "document.");
}

bool visible_may_author(const struct visit *visit, const struct document_entry *entry,
			const struct document_entry *before, const char *path, struct outcome *outcome)
{
	size_t author;
	struct str where;

	if (!consent_claims(visit->access, entry, before, &author))
		return true;
	where = arena_printf(visit->south.arena, "%s.author[%zu]", path, author);
	return outcome_add(outcome, ERR_FORBIDDEN, where.data ? where.data : path,
			   "This institution is of another hospital here, whose document it would be: name your own, "
			   "or "
			   "let that hospital publish it.");
}

bool visible_may_supersede(struct visit *visit, const struct document_entry *current, const char *path,
			   struct outcome *outcome)
{
	return visit_permits(visit, current, CONSENT_UPDATE) ||
	       (visit_known(visit, outcome) &&
		outcome_add(outcome, ERR_FORBIDDEN, path,
			    "The patient's consent or this organisation's policy does not allow you to change the "
			    "document that this replaces: append to it (relatesTo appends), or leave replacing it to "
			    "who may change it."));
}
