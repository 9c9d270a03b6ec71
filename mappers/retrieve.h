/* ITI-43 Retrieve Document Set and ITI-86 Remove Documents. Source: ITI TF-2 3.43, 3.86. */
#ifndef PASSERELLE_RETRIEVE_H
#define PASSERELLE_RETRIEVE_H

#include "mappers/mtom.h"
#include "mappers/registry_response.h"

/* The three ids that name a document; home is mostly absent. */
struct document_request {
	struct str home;
	struct str repository_unique_id;
	struct str document_unique_id;
};

/* Answers are matched with requests by the three ids, never by position. */
struct document_response {
	struct str home;
	struct str repository_unique_id;
	struct str document_unique_id;
	struct str new_repository_unique_id;
	struct str new_document_unique_id;
	struct str mime_type;
	struct document_content content;
};

/* Each writes its root element with the namespaces declared. Documents are written as xop:Include of content_id. */
void retrieve_request_write(struct xml_writer *writer, const struct document_request *requests, size_t count);
void retrieve_response_write(struct xml_writer *writer, const struct registry_response *response,
			     const struct document_response *documents, size_t count);
void remove_documents_write(struct xml_writer *writer, const struct document_request *requests, size_t count);

/* <xop:Include href="cid:..."/> with its namespace. */
void xop_include_write(struct xml_writer *writer, struct str content_id);

#endif
