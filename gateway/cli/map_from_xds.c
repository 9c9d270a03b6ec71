#include "gateway/cli/map.h"
#include "mappers/association.h"
#include "mappers/document_entry.h"
#include "mappers/explain.h"
#include "mappers/json_writer.h"
#include "mappers/list_resource.h"
#include "mappers/metadata_rim.h"
#include "mappers/operation_outcome.h"
#include "mappers/xds_message.h"

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Map a smaller message.");
}

/* Outside a gateway an object's id is its own UUID, or its symbolic id as far as FHIR has the characters for it. */
static struct str id_of(struct str entry_uuid, struct arena *arena)
{
	struct str bare = str_without_prefix(entry_uuid, STR("urn:uuid:"));
	char *id = arena_alloc(arena, bare.size + 1);

	if (!id)
		return STR_NONE;
	for (size_t i = 0; i < bare.size && i < 64; i++) {
		char c = bare.data[i];
		bool fits = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
			    c == '.';

		id[i] = fits ? c : '-';
	}
	return (struct str) { id, bare.size < 64 ? bare.size : 64 };
}

static struct str reference_to(const struct metadata *metadata, struct str uuid, struct arena *arena)
{
	const char *type = "DocumentReference";

	for (size_t i = 0; i < metadata->folder_count; i++) {
		if (str_equal(metadata->folders[i].entry_uuid, uuid))
			type = "List";
	}
	for (size_t i = 0; i < metadata->association_count; i++) {
		if (str_equal(metadata->associations[i].id, uuid))
			return STR_NONE;
	}
	return arena_printf(arena, "%s/%.*s", type, STR_ARG(id_of(uuid, arena)));
}

/* What the associations of the message say of one object. */
static bool links_make(const struct metadata *metadata, struct str uuid, struct arena *arena, struct fhir_links *links)
{
	struct fhir_relation *relations = arena_array(arena, metadata->association_count, sizeof(*relations));
	struct str *members = arena_array(arena, metadata->association_count, sizeof(*members));

	if (!relations || !members)
		return false;
	*links = (struct fhir_links) { .id = id_of(uuid, arena), .relations = relations, .members = members };
	for (size_t i = 0; i < metadata->association_count; i++) {
		const struct association *association = &metadata->associations[i];
		struct str code = association_relates_to(association->type);
		struct str target;

		if (!str_equal(association->source, uuid))
			continue;
		target = reference_to(metadata, association->target, arena);
		if (target.data && code.data)
			relations[links->relation_count++] =
				(struct fhir_relation) { .code = code, .reference = target };
		else if (target.data && association->type == ASSOCIATION_HAS_MEMBER)
			members[links->member_count++] = target;
	}
	return true;
}

static void entry_begin(struct json_writer *writer)
{
	json_begin_object(writer);
	json_key(writer, STR("resource"));
}

static bool bundle_write(const struct metadata *metadata, struct arena *arena, struct buf *out, struct outcome *outcome)
{
	struct json_writer writer;
	struct fhir_links links;
	bool ok = true;

	json_writer_init(&writer, out);
	json_begin_object(&writer);
	json_member(&writer, STR("resourceType"), STR("Bundle"));
	json_member(&writer, STR("type"), STR("collection"));
	json_member_array(&writer, STR("entry"));
	for (size_t i = 0; ok && i < metadata->submission_set_count; i++) {
		entry_begin(&writer);
		ok = links_make(metadata, metadata->submission_sets[i].entry_uuid, arena, &links);
		submission_set_to_fhir(&metadata->submission_sets[i], &links, arena, &writer);
		json_end_object(&writer);
	}
	for (size_t i = 0; ok && i < metadata->folder_count; i++) {
		entry_begin(&writer);
		ok = links_make(metadata, metadata->folders[i].entry_uuid, arena, &links);
		folder_to_fhir(&metadata->folders[i], &links, arena, &writer);
		json_end_object(&writer);
	}
	for (size_t i = 0; ok && i < metadata->document_entry_count; i++) {
		entry_begin(&writer);
		ok = links_make(metadata, metadata->document_entries[i].entry_uuid, arena, &links);
		document_entry_to_fhir(&metadata->document_entries[i], &links, arena, &writer);
		json_end_object(&writer);
	}
	json_end_array(&writer);
	json_end_object(&writer);
	return ok ? json_writer_finish(&writer, outcome) : no_memory(outcome);
}

/* An answer that reports errors, or holds nothing else. */
static bool response_write(const struct xds_message *message, struct buf *out, struct outcome *outcome)
{
	struct json_writer writer;
	struct outcome said;

	outcome_init(&said);
	if (message->kind == SOAP_FAULT)
		outcome_add(&said, ERR_BACKEND_REFUSED, "", "%.*s", STR_ARG(message->fault.reason));
	else if (!registry_response_check(&message->response, &said) && said.count == 0)
		return false;
	json_writer_init(&writer, out);
	operation_outcome_write(&said, &writer);
	return json_writer_finish(&writer, outcome);
}

bool map_from_xds(const struct map_options *options, struct str xml, struct arena *arena, struct buf *out,
		  struct outcome *outcome)
{
	struct xds_message message;
	struct metadata metadata;
	size_t object_count;

	if (!xds_message_read(xml, NULL, arena, &message, outcome) ||
	    !metadata_from_rim(&message.objects, arena, &metadata, outcome))
		return false;
	object_count = metadata.submission_set_count + metadata.folder_count + metadata.document_entry_count;
	if (object_count > 0) {
		if (!options->explain)
			return bundle_write(&metadata, arena, out, outcome);
		metadata_explain(&metadata, NULL, EXPLAIN_TO_FHIR, out);
		return !out->failed || no_memory(outcome);
	}
	switch (message.kind) {
	case SOAP_FAULT:
	case XDS_QUERY_RESPONSE:
	case XDS_RETRIEVE_RESPONSE:
	case XDS_REGISTRY_RESPONSE:
		return response_write(&message, out, outcome);
	case XDS_UNKNOWN:
	case XDS_PROVIDE_REQUEST:
	case XDS_SUBMIT_REQUEST:
	case XDS_REMOVE_REQUEST:
	case XDS_QUERY_REQUEST:
	case XDS_RETRIEVE_REQUEST:
	case XDS_REMOVE_DOCUMENTS_REQUEST:
	case HL7V3_BODY:
		break;
	}
	return outcome_add(outcome, ERR_NOT_SUPPORTED, "",
			   "There is no document, submission set or folder in this message (%.*s): nothing to map.",
			   STR_ARG(message.root_name));
}
