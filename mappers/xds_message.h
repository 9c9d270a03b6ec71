/* Reads every XDS message: SOAP 1.2 envelope or bare body, request or answer, one SAX2 pass, values copied into the
 * arena, no tree. Elements are known by namespace and local name; unknown ones are skipped. Lenient where the world is:
 * values are trimmed, Classifications beside the objects are moved into them, both spellings of PartialSuccess, missing
 * ids, a failed query answered by a bare RegistryResponse (kind XDS_REGISTRY_RESPONSE), URI cut into 1| 2| pieces.
 * Refused: ebXML 2.1, SOAP 1.1, DOCTYPE, an href that is not cid:. Source: ITI TF-2 3.18, 3.41-43, 3.62, 3.86. */
#ifndef PASSERELLE_XDS_MESSAGE_H
#define PASSERELLE_XDS_MESSAGE_H

#include "mappers/provide_and_register.h"
#include "mappers/retrieve.h"
#include "mappers/soap.h"
#include "mappers/stored_query.h"

enum xds_message_kind {
	XDS_UNKNOWN, /* some other root; see root_name */
	XDS_PROVIDE_REQUEST,
	XDS_SUBMIT_REQUEST, /* ITI-42, 57, 61, 92: head.action says which */
	XDS_REMOVE_REQUEST, /* ITI-62: object_refs */
	XDS_QUERY_REQUEST,
	XDS_QUERY_RESPONSE,
	XDS_RETRIEVE_REQUEST,
	XDS_RETRIEVE_RESPONSE,
	XDS_REGISTRY_RESPONSE,
	XDS_REMOVE_DOCUMENTS_REQUEST, /* ITI-86: requests */
	HL7V3_BODY,                   /* a message of urn:hl7-org:v3: root_name says which, hl7v3.h reads it */
	SOAP_FAULT
};

/* Takes inline documents, base64 already decoded, one after the other, in the order of the message. index counts
 * from 0 over the message. A callback that returns false ends the reading. */
struct inline_sink {
	void *ctx;
	bool (*begin)(void *ctx, size_t index);
	bool (*data)(void *ctx, const void *bytes, size_t size);
	bool (*end)(void *ctx);
};

struct xds_message {
	enum xds_message_kind kind;
	bool has_envelope;
	struct str root_namespace; /* of the body's element */
	struct str root_name;
	struct soap_head head;
	struct rim_list objects;
	struct strs object_refs; /* ids of all ObjectRefs; inside a RegistryObjectList they are objects too */
	struct registry_response response;
	struct stored_query query;
	struct document_request *requests;
	size_t request_count;
	struct document_response *responses;
	size_t response_count;
	struct provided_document *documents;
	size_t document_count;
	struct soap_fault fault;
};

/* xml      the whole text (the root part of a package); not kept
 * sink     for inline documents; NULL drops their bytes (they are decoded and counted all the same)
 * message  filled; after a failure only head.version_mismatch means something
 * Returns false with one issue ERR_BODY_MALFORMED, ERR_TOO_LONG or ERR_NO_MEMORY, or whatever the sink added. */
bool xds_message_read(struct str xml, const struct inline_sink *sink, struct arena *arena, struct xds_message *message,
		      struct outcome *outcome) MUST_CHECK;

#endif
