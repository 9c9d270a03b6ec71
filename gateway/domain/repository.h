/* The Document Repository: which documents there are, and where their bytes lie. Keyed by the uniqueId of the document:
 * under one uniqueId there is one content. Source: ITI TF-2 3.41, 3.43, 3.86. */
#ifndef PASSERELLE_REPOSITORY_H
#define PASSERELLE_REPOSITORY_H

#include "gateway/state/content_store.h"
#include "gateway/state/database.h"
#include "mappers/provide_and_register.h"

/* A document that came with ITI-41, its bytes on the disk but without a name yet. */
struct received_document {
	struct str id; /* of its ExtrinsicObject */
	bool has_content;
	struct content_writer *writer;
	struct content content;
};

/* Pairs documents with entries, compares or sets hash and size, and sets repositoryUniqueId; the objects of list are
 * changed. XDS errors: XDSMissingDocument, XDSMissingDocumentMetadata, XDSRepositoryMetadataError. */
bool repository_check(struct rim_list *list, const struct received_document *documents, size_t count,
		      struct str repository_unique_id, struct arena *arena, struct outcome *outcome) MUST_CHECK;

/* Gives the contents their names and enters them. Inside database_write, and after registry_commit has found nothing
 * wrong. XDS errors: XDSNonIdenticalHash. */
bool repository_keep(struct connection *connection, const struct rim_list *list,
		     const struct received_document *documents, size_t count, struct outcome *outcome) MUST_CHECK;

struct stored_document {
	struct str content; /* name in the content store */
	struct str mime_type;
};

/* Looks a document up by its uniqueId. */
bool repository_find(struct connection *connection, struct str unique_id, struct arena *arena,
		     struct stored_document *document, bool *found, struct outcome *outcome) MUST_CHECK;

/* ITI-86 of one document: forgets it. content is the name of what lay under it. Inside database_write. XDS errors:
 * XDSDocumentUniqueIdError (there is none), XDSRemoveDocumentsError (a registered entry still leads to it). */
bool repository_remove(struct connection *connection, struct str unique_id, struct arena *arena, struct str *content,
		       struct outcome *outcome) MUST_CHECK;

/* Removes the bytes of this content, unless a document has it. Inside a later database_write than that which forgot the
 * document: until that is durable they may still be asked for. */
bool repository_discard(struct connection *connection, struct content_store *contents, struct str content,
			struct outcome *outcome) MUST_CHECK;

/* For content_store_sweep: true when a document has this content, or when that cannot be said. context is the
 * struct database. */
bool repository_knows(void *context, struct str content);

#endif
