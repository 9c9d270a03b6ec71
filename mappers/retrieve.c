#include "mappers/retrieve.h"

#define NS_XDS "urn:ihe:iti:xds-b:2007"
#define NS_RMD "urn:ihe:iti:rmd:2017"
#define NS_XOP "http://www.w3.org/2004/08/xop/include"

void xop_include_write(struct xml_writer *writer, struct str content_id)
{
	char href[256] = "cid:";
	size_t size = content_id.size < sizeof href - 4 ? content_id.size : sizeof href - 4;

	if (size)
		memcpy(href + 4, content_id.data, size);
	xml_begin(writer, STR("xop:Include"));
	xml_attribute(writer, STR("xmlns:xop"), STR(NS_XOP));
	xml_attribute(writer, STR("href"), (struct str) { href, size + 4 });
	xml_end(writer);
}

static struct str or_absent(struct str s)
{
	return s.size ? s : STR_NONE;
}

static void write_ids(struct xml_writer *writer, struct str home, struct str repository_unique_id,
		      struct str document_unique_id)
{
	xml_element(writer, STR("xds:HomeCommunityId"), or_absent(home));
	xml_element(writer, STR("xds:RepositoryUniqueId"), repository_unique_id);
	xml_element(writer, STR("xds:DocumentUniqueId"), document_unique_id);
}

static void write_requests(struct xml_writer *writer, const struct document_request *requests, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		xml_begin(writer, STR("xds:DocumentRequest"));
		write_ids(writer, requests[i].home, requests[i].repository_unique_id, requests[i].document_unique_id);
		xml_end(writer);
	}
}

void retrieve_request_write(struct xml_writer *writer, const struct document_request *requests, size_t count)
{
	xml_begin(writer, STR("xds:RetrieveDocumentSetRequest"));
	xml_attribute(writer, STR("xmlns:xds"), STR(NS_XDS));
	write_requests(writer, requests, count);
	xml_end(writer);
}

void remove_documents_write(struct xml_writer *writer, const struct document_request *requests, size_t count)
{
	xml_begin(writer, STR("rmd:RemoveDocumentsRequest"));
	xml_attribute(writer, STR("xmlns:rmd"), STR(NS_RMD));
	xml_attribute(writer, STR("xmlns:xds"), STR(NS_XDS));
	write_requests(writer, requests, count);
	xml_end(writer);
}

void retrieve_response_write(struct xml_writer *writer, const struct registry_response *response,
			     const struct document_response *documents, size_t count)
{
	xml_begin(writer, STR("xds:RetrieveDocumentSetResponse"));
	xml_attribute(writer, STR("xmlns:xds"), STR(NS_XDS));
	registry_response_write(writer, response);
	for (size_t i = 0; i < count; i++) {
		const struct document_response *document = &documents[i];

		xml_begin(writer, STR("xds:DocumentResponse"));
		write_ids(writer, document->home, document->repository_unique_id, document->document_unique_id);
		xml_element(writer, STR("xds:NewRepositoryUniqueId"), or_absent(document->new_repository_unique_id));
		xml_element(writer, STR("xds:NewDocumentUniqueId"), or_absent(document->new_document_unique_id));
		xml_element(writer, STR("xds:mimeType"), document->mime_type);
		xml_begin(writer, STR("xds:Document"));
		xop_include_write(writer, document->content.content_id);
		xml_end(writer);
		xml_end(writer);
	}
	xml_end(writer);
}
