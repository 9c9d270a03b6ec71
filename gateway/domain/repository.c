#include "gateway/domain/repository.h"

#include <stdio.h>

#include "gateway/domain/refusal.h"
#include "gateway/domain/submission.h"

#define REPOSITORY_METADATA_ERROR "XDSRepositoryMetadataError"

static struct rim_object *entry_find(const struct rim_list *list, struct str id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->objects[i].kind == RIM_EXTRINSIC_OBJECT && str_equal(list->objects[i].id, id))
			return &list->objects[i];
	}
	return NULL;
}

/* A slot that says what we have counted: compared when it is there, added when it is not. TF-2 3.41.4.1.3 */
static bool slot_settle(struct rim_object *entry, struct str name, struct str counted, struct arena *arena,
			struct outcome *outcome)
{
	const struct rim_slot *slot = rim_slot_find(&entry->slots, name);

	if (!slot || slot->values.count == 0)
		return slot_set(&entry->slots, name, counted, arena) ||
		       outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	if (str_equal_nocase(str_trim(slot->values.items[0]), counted))
		return true;
	return refuse(outcome, REPOSITORY_METADATA_ERROR, entry->id,
		      "Correct the slot %.*s, or leave it out: it is not that of the document sent.", STR_ARG(name));
}

static bool document_settle(struct rim_object *entry, const struct received_document *document,
			    struct str repository_unique_id, struct arena *arena, struct outcome *outcome)
{
	struct str size = arena_printf(arena, "%llu", (unsigned long long)document->content.size);
	struct str sha1 = arena_copy(arena, str_from_c(document->content.sha1));

	if (!size.data || !sha1.data ||
	    !slot_set(&entry->slots, STR("repositoryUniqueId"), repository_unique_id, arena))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	bool ok = slot_settle(entry, STR("hash"), sha1, arena, outcome);

	return slot_settle(entry, STR("size"), size, arena, outcome) && ok;
}

static const struct received_document *document_find(const struct received_document *documents, size_t count,
						     struct str id)
{
	for (size_t i = 0; i < count; i++) {
		if (str_equal(documents[i].id, id))
			return &documents[i];
	}
	return NULL;
}

bool repository_check(struct rim_list *list, const struct received_document *documents, size_t count,
		      struct str repository_unique_id, struct arena *arena, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < count; i++) {
		if (!entry_find(list, documents[i].id))
			ok = refuse(outcome, "XDSMissingDocumentMetadata", documents[i].id,
				    "Let the id of every Document be that of an ExtrinsicObject.");
		else if (document_find(documents, count, documents[i].id) != &documents[i])
			ok = refuse(outcome, REPOSITORY_METADATA_ERROR, documents[i].id,
				    "Send one Document per entry.");
		else if (!documents[i].has_content)
			ok = refuse(outcome, "XDSMissingDocument", documents[i].id,
				    "Send the bytes of the document, in the part that its href names or inline.");
	}
	for (size_t i = 0; i < list->count; i++) {
		struct rim_object *entry = &list->objects[i];

		if (entry->kind != RIM_EXTRINSIC_OBJECT)
			continue;
		const struct received_document *document = document_find(documents, count, entry->id);

		if (!document)
			ok = refuse(outcome, "XDSMissingDocument", entry->id,
				    "Send a Document for every ExtrinsicObject.");
		else if (ok)
			ok = document_settle(entry, document, repository_unique_id, arena, outcome);
	}
	return ok;
}

static struct str unique_id_of(const struct rim_object *entry)
{
	const struct rim_external_identifier *found = rim_external_identifier_find(entry, STR(SCHEME_ENTRY_UNIQUE_ID));

	return found ? found->value : STR_NONE;
}

static bool document_keep(struct connection *connection, const struct rim_object *entry,
			  const struct received_document *document, struct outcome *outcome)
{
	struct statement *statement;
	struct str unique_id = unique_id_of(entry);
	struct str content = str_from_c(document->content.name);

	if (!statement_prepare(connection, "SELECT content FROM document WHERE unique_id = ?", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, unique_id);
	enum step step = statement_step(statement, outcome);

	if (step == STEP_FAILED)
		return false;
	if (step == STEP_ROW) {
		bool same = str_equal(statement_text(statement, 0), content);

		statement_reset(statement);
		return same || refuse(outcome, "XDSNonIdenticalHash", document->id,
				      "Use another uniqueId (FHIR: masterIdentifier): this repository has another "
				      "document under it.");
	}
	if (!content_keep(document->writer, outcome) ||
	    !statement_prepare(connection,
			       "INSERT INTO document(unique_id, content, sha1, size, mime_type) VALUES(?,?,?,?,?)",
			       &statement, outcome))
		return false;
	statement_bind_text(statement, 1, unique_id);
	statement_bind_text(statement, 2, content);
	statement_bind_text(statement, 3, str_from_c(document->content.sha1));
	statement_bind_i64(statement, 4, (int64_t)document->content.size);
	statement_bind_text(statement, 5, entry->mime_type);
	return statement_run(statement, outcome);
}

bool repository_keep(struct connection *connection, const struct rim_list *list,
		     const struct received_document *documents, size_t count, struct outcome *outcome)
{
	for (size_t i = 0; i < count; i++) {
		const struct rim_object *entry = entry_find(list, documents[i].id);

		if (entry && !document_keep(connection, entry, &documents[i], outcome))
			return false;
	}
	return true;
}

bool repository_find(struct connection *connection, struct str unique_id, struct arena *arena,
		     struct stored_document *document, bool *found, struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, "SELECT content, mime_type FROM document WHERE unique_id = ?", &statement,
			       outcome))
		return false;
	statement_bind_text(statement, 1, unique_id);
	enum step step = statement_step(statement, outcome);

	*found = step == STEP_ROW;
	if (step != STEP_ROW)
		return step == STEP_DONE;
	document->content = arena_copy(arena, statement_text(statement, 0));
	document->mime_type = arena_copy(arena, statement_text(statement, 1));
	statement_reset(statement);
	return (document->content.data && document->mime_type.data) ||
	       outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
}

/* Whether sql finds anything for this value. */
static bool row_exists(struct connection *connection, const char *sql, struct str value, bool *exists,
		       struct outcome *outcome)
{
	struct statement *statement;

	if (!statement_prepare(connection, sql, &statement, outcome))
		return false;
	statement_bind_text(statement, 1, value);
	enum step step = statement_step(statement, outcome);

	*exists = step == STEP_ROW;
	if (step == STEP_ROW)
		statement_reset(statement);
	return step != STEP_FAILED;
}

static bool content_is_used(struct connection *connection, struct str content, bool *is_used, struct outcome *outcome)
{
	return row_exists(connection, "SELECT 1 FROM document WHERE content = ?", content, is_used, outcome);
}

bool repository_remove(struct connection *connection, struct str unique_id, struct arena *arena, struct str *content,
		       struct outcome *outcome)
{
	struct stored_document document;
	struct statement *statement;
	bool found;
	bool registered;

	if (!repository_find(connection, unique_id, arena, &document, &found, outcome) ||
	    !row_exists(connection, "SELECT 1 FROM object WHERE unique_id = ? AND kind = 1", unique_id, &registered,
			outcome))
		return false;
	if (!found)
		return refuse(outcome, "XDSDocumentUniqueIdError", STR_NONE,
			      "Use the uniqueId of a document that this repository holds.");
	if (registered)
		return refuse(outcome, "XDSRemoveDocumentsError", STR_NONE,
			      "Remove the metadata of the document first (ITI-62).");
	*content = document.content;
	if (!statement_prepare(connection, "DELETE FROM document WHERE unique_id = ?", &statement, outcome))
		return false;
	statement_bind_text(statement, 1, unique_id);
	return statement_run(statement, outcome);
}

bool repository_discard(struct connection *connection, struct content_store *contents, struct str content,
			struct outcome *outcome)
{
	bool is_used;

	return content_is_used(connection, content, &is_used, outcome) &&
	       (is_used || content_remove(contents, content, outcome));
}

/* context of the reading work: the name in, the answer out. */
struct content_question {
	struct str content;
	bool known;
};

static bool content_ask(void *context, struct connection *connection, struct outcome *outcome)
{
	struct content_question *question = context;

	return content_is_used(connection, question->content, &question->known, outcome);
}

bool repository_knows(void *context, struct str content)
{
	struct content_question question = { .content = content };
	struct outcome outcome;

	outcome_init(&outcome);
	return !database_read(context, content_ask, &question, &outcome) || question.known;
}
