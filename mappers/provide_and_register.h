/* The messages that submit or remove metadata: ITI-41, ITI-42 (also 57, 61, 92, which differ by their action) and
 * ITI-62. Source: ITI TF-2 3.41, 3.42, 3.62. Each writes its root element with the namespaces declared. */
#ifndef PASSERELLE_PROVIDE_AND_REGISTER_H
#define PASSERELLE_PROVIDE_AND_REGISTER_H

#include "mappers/ebrim_write.h"
#include "mappers/mtom.h"

/* One xds:Document. */
struct provided_document {
	struct str id; /* that of its ExtrinsicObject */
	struct document_content content;
};

/* xds:ProvideAndRegisterDocumentSetRequest; documents are written as xop:Include of content_id. */
void provide_and_register_write(struct xml_writer *writer, const struct rim_list *list,
				const struct provided_document *documents, size_t count);

/* lcm:SubmitObjectsRequest. */
void submit_objects_write(struct xml_writer *writer, const struct rim_list *list);

/* lcm:RemoveObjectsRequest with one ObjectRef per id. */
void remove_objects_write(struct xml_writer *writer, const struct strs *ids);

#endif
