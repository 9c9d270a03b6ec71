#include "mappers/publication_parts.h"

#include <stdlib.h>

#include "mappers/caller_json.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/uuid.h"
#include "mappers/json_tree.h"
#include "mappers/metadata_rim.h"
#include "mappers/operation_outcome.h"
#include "mappers/publication_target.h"
#include "mappers/xds_message.h"

bool publication_change_is_passed_on(const struct publication_change *change)
{
	return str_is_empty(change->base);
}

static json_t *object_load(struct str text)
{
	json_error_t error;

	return json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, &error);
}

static void change_write(const struct publication_change *change, struct json_writer *writer)
{
	json_member_object(writer, STR("change"));
	json_key(writer, STR("removal"));
	json_bool(writer, change->is_removal);
	json_key(writer, STR("version"));
	json_bool(writer, change->is_new_version);
	json_member(writer, STR("status"), change->new_status);
	json_member(writer, STR("base"), change->base);
	json_end_object(writer);
}

static struct publication_change change_read(const json_t *object)
{
	const json_t *status = json_object_get(object, "status");
	const json_t *base = json_object_get(object, "base");

	return (struct publication_change) {
		.is_removal = json_is_true(json_object_get(object, "removal")),
		.is_new_version = json_is_true(json_object_get(object, "version")),
		.new_status = { json_string_value(status), json_string_length(status) },
		.base = { json_string_value(base), json_string_length(base) },
	};
}

static const struct str wishes[PUBLICATION_WISHES] = {
	[WISH_NONE] = STR_INIT(""),
	[WISH_PUT] = STR_INIT("put"),
	[WISH_JSON_PATCH] = STR_INIT("json-patch"),
	[WISH_FHIRPATH_PATCH] = STR_INIT("fhirpath-patch"),
	[WISH_DELETE] = STR_INIT("delete"),
};

static void request_write(const struct publication_request *request, struct json_writer *writer)
{
	if (request->wish == WISH_NONE)
		return;
	json_member_object(writer, STR("request"));
	json_member(writer, STR("wish"), wishes[request->wish]);
	json_member(writer, STR("id"), request->id);
	json_member(writer, STR("urn"), request->urn);
	json_member(writer, STR("hash"), request->hash);
	if (request->if_match.data) {
		json_key(writer, STR("if_match"));
		json_text(writer, request->if_match);
	}
	json_end_object(writer);
}

static struct publication_request request_read(const json_t *object)
{
	const json_t *wish = json_object_get(object, "wish");
	const json_t *id = json_object_get(object, "id");
	const json_t *urn = json_object_get(object, "urn");
	const json_t *hash = json_object_get(object, "hash");
	const json_t *if_match = json_object_get(object, "if_match");
	struct publication_request request = {
		.id = { json_string_value(id), json_string_length(id) },
		.urn = { json_string_value(urn), json_string_length(urn) },
		.hash = { json_string_value(hash), json_string_length(hash) },
		.if_match = { json_string_value(if_match), json_string_length(if_match) },
	};

	for (unsigned i = WISH_PUT; i < PUBLICATION_WISHES; i++) {
		if (json_is_string(wish) && str_equal(wishes[i], str_from_c(json_string_value(wish))))
			request.wish = (enum publication_wish)i;
	}
	return request;
}

static void strs_write(struct str name, const struct strs *strs, struct json_writer *writer)
{
	json_member_array(writer, name);
	for (size_t i = 0; i < strs->count; i++)
		json_text(writer, strs->items[i]);
	json_end_array(writer);
}

static bool strs_read(const json_t *array, struct arena *arena, struct strs *strs)
{
	strs->count = json_array_size(array);
	strs->items = arena_array(arena, strs->count, sizeof(struct str));
	for (size_t i = 0; strs->items && i < strs->count; i++) {
		const json_t *item = json_array_get(array, i);

		strs->items[i] = (struct str) { json_string_value(item), json_string_length(item) };
		if (!strs->items[i].data)
			return false;
	}
	return strs->items != NULL;
}

void publication_head_write(const struct publication_head *head, struct buf *text)
{
	struct json_writer writer;

	json_writer_init(&writer, text);
	json_begin_object(&writer);
	json_key(&writer, STR("caller"));
	caller_json_write(&head->caller, &writer);
	strs_write(STR("unverified"), &head->unverified, &writer);
	strs_write(STR("unresolved"), &head->unresolved, &writer);
	strs_write(STR("chosen"), &head->chosen, &writer);
	strs_write(STR("places"), &head->places, &writer);
	json_key(&writer, STR("unclear"));
	json_bool(&writer, head->is_unclear);
	change_write(&head->change, &writer);
	request_write(&head->request, &writer);
	json_end_object(&writer);
}

bool publication_head_read(struct str text, struct arena *arena, struct publication_head *head)
{
	json_t *object = object_load(text);

	*head = (struct publication_head) { 0 };
	if (!json_tree_keep(arena, object) ||
	    !caller_json_read(json_object_get(object, "caller"), arena, &head->caller))
		return false;
	head->is_unclear = json_is_true(json_object_get(object, "unclear"));
	head->change = change_read(json_object_get(object, "change"));
	head->request = request_read(json_object_get(object, "request"));
	return strs_read(json_object_get(object, "unverified"), arena, &head->unverified) &&
	       strs_read(json_object_get(object, "unresolved"), arena, &head->unresolved) &&
	       strs_read(json_object_get(object, "chosen"), arena, &head->chosen) && head->chosen.count % 2 == 0 &&
	       strs_read(json_object_get(object, "places"), arena, &head->places);
}

bool publication_metadata_write(const struct metadata *metadata, struct arena *arena, struct buf *text,
				struct outcome *outcome)
{
	struct xml_writer writer;
	struct rim_list objects;

	if (!metadata_to_rim(metadata, arena, &objects, outcome))
		return false;
	xml_writer_init(&writer, text);
	submit_objects_write(&writer, &objects);
	return xml_writer_finish(&writer, outcome);
}

bool publication_metadata_read(struct str text, struct arena *arena, struct metadata *metadata, struct outcome *outcome)
{
	struct xds_message *message = arena_alloc(arena, sizeof(*message));
	struct outcome reading;

	outcome_init(&reading);
	if (!message)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (!xds_message_read(text, NULL, arena, message, &reading) || message->kind != XDS_SUBMIT_REQUEST)
		return outcome_add(outcome, ERR_INTERNAL, "", "A publication that waits cannot be read; report this.");
	if (!metadata_from_rim(&message->objects, arena, metadata, outcome))
		return false;
	return metadata->submission_set_count == 1 ||
	       outcome_add(outcome, ERR_INTERNAL, "", "A publication that waits cannot be read; report this.");
}

/* One line about it, then the body as it is. */
void publication_result_write(const struct publication_result *result, struct buf *text)
{
	struct json_writer writer;

	json_writer_init(&writer, text);
	json_begin_object(&writer);
	json_key(&writer, STR("caller"));
	caller_json_write(&result->caller, &writer);
	json_member(&writer, STR("patient"), result->patient_id);
	json_key(&writer, STR("status"));
	json_u64(&writer, (uint64_t)result->status);
	json_end_object(&writer);
	buf_add_char(text, '\n');
	buf_add(text, result->body);
}

bool publication_result_read(struct str text, struct arena *arena, struct publication_result *result)
{
	struct str line = { text.data, str_find(text, '\n') };
	const json_t *patient;
	json_t *object;

	*result = (struct publication_result) { 0 };
	if (line.size >= text.size)
		return false;
	object = object_load(line);
	patient = json_object_get(object, "patient");
	if (!json_tree_keep(arena, object) ||
	    !caller_json_read(json_object_get(object, "caller"), arena, &result->caller))
		return false;
	result->patient_id = (struct str) { json_string_value(patient), json_string_length(patient) };
	result->status = (int)json_integer_value(json_object_get(object, "status"));
	result->body = str_from(text, line.size + 1);
	return true;
}

static bool is_own(const struct metadata *metadata, struct str urn)
{
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (str_equal_nocase(metadata->document_entries[i].entry_uuid, urn))
			return true;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (str_equal_nocase(metadata->folders[i].entry_uuid, urn))
			return true;
	}
	return str_equal_nocase(metadata->submission_sets[0].entry_uuid, urn);
}

/* What it builds upon, beyond itself: by the id that whoever makes it is known by. */
static void need_add(const struct metadata *metadata, struct str end, struct strs *needs)
{
	struct publication_target target = { .id = end };

	if (!publication_target_read(end, &target) && (!uuid_valid(end) || is_own(metadata, end)))
		return;
	for (size_t i = 0; i < needs->count; i++) {
		if (str_equal(needs->items[i], target.id))
			return;
	}
	needs->items[needs->count++] = target.id;
}

bool publication_names(const struct metadata *metadata, struct arena *arena, struct strs *makes, struct strs *needs)
{
	size_t room = (metadata->document_entry_count + metadata->folder_count) * 2 + 2;
	const struct submission_set *set = &metadata->submission_sets[0];

	makes->items = arena_array(arena, room, sizeof(struct str));
	needs->items = arena_array(arena, metadata->association_count * 2, sizeof(struct str));
	if (!makes->items || !needs->items)
		return false;
	makes->items[makes->count++] = set->unique_id;
	makes->items[makes->count++] = set->entry_uuid;
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		makes->items[makes->count++] = metadata->document_entries[i].entry_uuid;
		makes->items[makes->count++] = metadata->document_entries[i].unique_id;
	}
	for (size_t i = 0; i < metadata->folder_count; i++) {
		makes->items[makes->count++] = metadata->folders[i].entry_uuid;
		makes->items[makes->count++] = metadata->folders[i].unique_id;
	}
	for (size_t i = 0; i < metadata->association_count; i++) {
		need_add(metadata, metadata->associations[i].source, needs);
		need_add(metadata, metadata->associations[i].target, needs);
	}
	return true;
}

/* Of a caller's own: nobody else says the same. */
static struct str callers_name(const char *what, const struct caller *caller, struct str urn, struct arena *arena)
{
	struct str client = caller_client(caller, arena);

	return client.data ? arena_printf(arena, "%s by %.*s\n%.*s: %.*s", what, STR_ARG(client),
					  STR_ARG(caller->subject), STR_ARG(urn))
			   : STR_NONE;
}

struct str publication_chosen_name(const struct caller *caller, struct str urn, struct arena *arena)
{
	return callers_name("chosen", caller, urn, arena);
}

struct str publication_wishes_name(const struct caller *caller, struct str urn, struct arena *arena)
{
	return callers_name("wished", caller, urn, arena);
}

bool publication_chosen_names(const struct publication_head *head, struct arena *arena, struct strs *makes)
{
	struct str *items = arena_array(arena, makes->count + head->chosen.count / 2, sizeof(*items));

	if (!items)
		return false;
	for (size_t i = 0; i < makes->count; i++)
		items[i] = makes->items[i];
	makes->items = items;
	for (size_t i = 0; i < head->chosen.count; i += 2) {
		items[makes->count] = publication_chosen_name(&head->caller, head->chosen.items[i], arena);
		if (!items[makes->count++].data)
			return false;
	}
	return true;
}

struct str publication_line(struct str patient_id, struct arena *arena)
{
	struct str line;

	if (hl7_cx_normalise(patient_id, arena, &line))
		return line;
	return arena_failed(arena) ? STR_NONE : patient_id;
}

struct str publication_changes_name(struct str urn, struct arena *arena)
{
	return arena_printf(arena, "changes of %.*s", STR_ARG(urn));
}

/* The entry of the SubmissionSet; the first when none can be told. */
static json_t *response_find(json_t *bundle)
{
	json_t *entries = json_object_get(bundle, "entry");

	for (size_t i = 0; i < json_array_size(entries); i++) {
		json_t *response = json_object_get(json_array_get(entries, i), "response");
		const json_t *location = json_object_get(response, "location");

		if (json_is_string(location) && strncmp(json_string_value(location), "List/", 5) == 0)
			return response;
	}
	return json_object_get(json_array_get(entries, 0), "response");
}

static json_t *outcome_tree(const struct outcome *outcome)
{
	struct json_writer writer;
	struct buf text;
	json_t *tree;

	buf_init(&text, PUBLICATION_HEAD_BYTES_MAX);
	json_writer_init(&writer, &text);
	operation_outcome_write(outcome, &writer);
	tree = object_load(buf_str(&text));
	buf_free(&text);
	return tree;
}

/* What an answer says already stays. Consumes told. */
static bool issues_add(json_t *response, json_t *told)
{
	json_t *present = json_object_get(response, "outcome");
	bool ok;

	if (!json_is_object(present))
		return json_object_set_new(response, "outcome", told) == 0;
	ok = json_array_extend(json_object_get(present, "issue"), json_object_get(told, "issue")) == 0;
	json_decref(told);
	return ok;
}

bool publication_answer_inform(struct str *answer, const struct outcome *outcome, struct arena *arena)
{
	json_t *bundle;
	json_t *response;
	json_t *told;
	char *text;

	if (outcome->count == 0 || outcome->has_error)
		return true;
	bundle = object_load(*answer);
	response = response_find(bundle);
	if (!json_tree_keep(arena, bundle) || !response)
		return false;
	told = outcome_tree(outcome);
	if (!told || !issues_add(response, told))
		return false;
	text = json_dumps(bundle, JSON_COMPACT);
	if (!text)
		return false;
	*answer = arena_copy(arena, str_from_c(text));
	free(text);
	return answer->data != NULL;
}

bool publication_answer_rename(struct str *answer, struct str from, struct str to, struct arena *arena)
{
	struct str rest = *answer;
	struct buf text;
	bool ok;

	if (str_is_empty(from) || str_equal(from, to))
		return true;
	buf_init(&text, PUBLICATION_METADATA_BYTES_MAX);
	while (rest.size > 0) {
		const char *at = memmem(rest.data, rest.size, from.data, from.size);
		size_t before = at ? (size_t)(at - rest.data) : rest.size;

		buf_add(&text, (struct str) { rest.data, before });
		if (at)
			buf_add(&text, to);
		rest = str_from(rest, before + (at ? from.size : 0));
	}
	ok = !text.failed;
	if (ok)
		*answer = arena_copy(arena, buf_str(&text));
	buf_free(&text);
	return ok && answer->data;
}
