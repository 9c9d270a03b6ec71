#include "mappers/provide_bundle.h"

#include <stdio.h>

#include "mappers/provide_read.h"

/* Documents and folders get their places before anything refers to them; new folders come before registered ones, so
 * that a new one has the same index in the metadata. */
static bool place_objects(struct provide_reading *reading)
{
	struct provide_bundle *out = reading->out;
	size_t document = 0;
	size_t folder = 0;

	out->documents = arena_array(reading->arena, out->document_count, sizeof *out->documents);
	out->folders = arena_array(reading->arena, out->folder_count, sizeof *out->folders);
	if (!out->documents || !out->folders)
		return provide_no_memory(reading->outcome);
	for (size_t i = 0; i < out->entry_count; i++) {
		struct provide_entry *entry = &out->entries[i];

		if (entry->role == ROLE_DOCUMENT_REFERENCE) {
			entry->object = document;
			out->documents[document++].entry = i;
		} else if (entry->role == ROLE_FOLDER) {
			entry->object = folder;
			out->folders[folder++].entry = i;
		} else if (entry->role == ROLE_FROZEN && entry->resource &&
			   !provide_absolutise(entry->resource, entry->full_url, reading->arena)) {
			return provide_no_memory(reading->outcome);
		}
	}
	for (size_t i = 0; i < out->entry_count; i++) {
		if (out->entries[i].role == ROLE_FOLDER_UPDATE) {
			out->entries[i].object = folder;
			out->folders[folder++].entry = i;
		}
	}
	return true;
}

/* A Binary that nothing points to would vanish without a word. */
static bool check_binaries(struct provide_reading *reading)
{
	struct provide_bundle *out = reading->out;
	bool good = true;

	for (size_t i = 0; i < out->entry_count; i++) {
		bool used = out->entries[i].role != ROLE_BINARY;

		for (size_t j = 0; !used && j < out->document_count; j++) {
			used = out->documents[j].binary == i;
			out->entries[i].object = j;
		}
		if (!used)
			good = outcome_add(reading->outcome, ERR_RULE, out->entries[i].path,
					   "Point attachment.url of a DocumentReference to this Binary, or leave it "
					   "out.");
	}
	return good;
}

/* Objects, generated uniqueIds, and every association that phase 2 can make. */
static size_t count_uuids(const struct provide_bundle *out)
{
	size_t count = 2 + 2 * out->document_count + out->references.target_count;

	for (size_t i = 0; i < out->document_count; i++)
		count += out->documents[i].relation_count;
	for (size_t i = 0; i < out->folder_count; i++)
		count += 3 + 2 * (out->folders[i].members.document_count + out->folders[i].members.target_count);
	return count;
}

static bool read_all(struct provide_reading *reading)
{
	struct provide_bundle *out = reading->out;
	bool good = true;

	for (size_t i = 0; i < out->document_count; i++)
		good = provide_read_document(reading, &out->documents[i]) && good;
	for (size_t i = 0; i < out->folder_count; i++)
		good = provide_read_folder(reading, &out->folders[i]) && good;
	good = provide_read_submission_set(reading) && good;
	good = provide_check_updates(reading) && good;
	for (size_t i = 0; good && out->claim_count == 0 && i < out->document_count; i++)
		good = provide_read_source_patient(reading, out->documents[i].entry);
	if (good && out->claim_count == 0)
		good = outcome_add(reading->outcome, ERR_METADATA_MISSING, "Bundle.entry.resource.subject",
				   "Name the patient in subject; without one nothing can be registered.");
	return good && check_binaries(reading);
}

bool provide_bundle_read(json_t *bundle, const struct provide_rules *rules, struct arena *arena,
			 struct provide_bundle *out, struct outcome *outcome)
{
	struct provide_reading reading = { bundle, rules, arena, out, outcome };

	*out = (struct provide_bundle) { 0 };
	if (!provide_read_profile(&reading) || !provide_read_entries(&reading) || !place_objects(&reading) ||
	    !read_all(&reading))
		return false;
	out->uuid_count = count_uuids(out);
	return true;
}

/* The entry that an object of the submission came from; SIZE_MAX when it is none. */
static size_t entry_of(const struct provide_bundle *bundle, const struct metadata *metadata, struct str uuid)
{
	for (size_t i = 0; i < metadata->submission_set_count; i++) {
		if (str_equal_nocase(metadata->submission_sets[i].entry_uuid, uuid))
			return bundle->submission_set;
	}
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (str_equal_nocase(metadata->document_entries[i].entry_uuid, uuid))
			return bundle->documents[i].entry;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (str_equal_nocase(metadata->folders[i].entry_uuid, uuid))
			return bundle->folders[i].entry;
	}
	return SIZE_MAX;
}

static bool place_add(const struct provide_bundle *bundle, struct str id, size_t entry, struct arena *arena,
		      struct strs *places)
{
	struct str path;

	if (entry == SIZE_MAX)
		return true;
	path = arena_printf(arena, "%s.resource", bundle->entries[entry].path);
	places->items[places->count++] = id;
	places->items[places->count++] = path;
	return path.data != NULL;
}

bool provide_places(const struct provide_bundle *bundle, const struct metadata *metadata, struct arena *arena,
		    struct strs *places)
{
	size_t count = metadata->submission_set_count + metadata->document_entry_count + metadata->folder_count +
		       metadata->association_count;
	bool ok = true;

	*places = (struct strs) { .items = arena_array(arena, count * 2, sizeof(struct str)) };
	if (!places->items)
		return false;
	for (size_t i = 0; ok && i < metadata->submission_set_count; i++)
		ok = place_add(bundle, metadata->submission_sets[i].entry_uuid, bundle->submission_set, arena, places);
	for (size_t i = 0; ok && i < metadata->document_entry_count; i++)
		ok = place_add(bundle, metadata->document_entries[i].entry_uuid, bundle->documents[i].entry, arena,
			       places);
	for (size_t i = 0; ok && i < metadata->folder_count; i++)
		ok = place_add(bundle, metadata->folders[i].entry_uuid, bundle->folders[i].entry, arena, places);
	/* an association is the matter of the object it begins at */
	for (size_t i = 0; ok && i < metadata->association_count; i++)
		ok = place_add(bundle, metadata->associations[i].id,
			       entry_of(bundle, metadata, metadata->associations[i].source), arena, places);
	return ok;
}

void provide_outcome_place(const struct strs *places, struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++) {
		struct issue *issue = &outcome->issues[i];
		char front[sizeof issue->path + sizeof "Object : "];
		size_t j = 0;

		while (j + 1 < places->count && !str_equal_nocase(places->items[j], str_from_c(issue->path)))
			j += 2;
		if (j + 1 >= places->count)
			continue;
		snprintf(front, sizeof front, "Object %s: ", issue->path);
		snprintf(issue->path, sizeof issue->path, "%.*s", STR_ARG(places->items[j + 1]));
		if (str_starts_with(str_from_c(issue->text), str_from_c(front)))
			memmove(issue->text, issue->text + strlen(front), strlen(issue->text) - strlen(front) + 1);
	}
}
