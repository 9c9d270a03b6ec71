/* SOAP 1.2 envelopes with WS-Addressing 1.0 heads, and faults. Source: W3C SOAP 1.2 part 1, WS-Addressing 1.0 SOAP
 * Binding, ITI TF-2 Appendix V.3. */
#ifndef PASSERELLE_SOAP_H
#define PASSERELLE_SOAP_H

#include "mappers/xml_writer.h"

#define SOAP_ANONYMOUS "http://www.w3.org/2005/08/addressing/anonymous"

#define ACTION_PROVIDE_AND_REGISTER "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
#define ACTION_REGISTER             "urn:ihe:iti:2007:RegisterDocumentSet-b"
#define ACTION_STORED_QUERY         "urn:ihe:iti:2007:RegistryStoredQuery"
#define ACTION_RETRIEVE             "urn:ihe:iti:2007:RetrieveDocumentSet"
#define ACTION_CROSS_QUERY          "urn:ihe:iti:2007:CrossGatewayQuery"
#define ACTION_CROSS_RETRIEVE       "urn:ihe:iti:2007:CrossGatewayRetrieve"
#define ACTION_UPDATE               "urn:ihe:iti:2010:UpdateDocumentSet"
#define ACTION_REMOVE_METADATA      "urn:ihe:iti:2010:DeleteDocumentSet"
#define ACTION_REMOVE_DOCUMENTS     "urn:ihe:iti:2017:RemoveDocuments"
#define ACTION_ADDRESSING_FAULT     "http://www.w3.org/2005/08/addressing/fault"
#define ACTION_SOAP_FAULT           "http://www.w3.org/2005/08/addressing/soap/fault"
/* The answer's action is the request's with this at its end. */
#define ACTION_RESPONSE_SUFFIX "Response"

/* Absent members are STR_NONE. */
struct soap_head {
	struct str action;
	struct str message_id;
	struct str relates_to;
	struct str to;
	struct str reply_to; /* the Address in ReplyTo */
	/* Writing only: a SAML assertion with its signature, which goes byte for byte into wsse:Security (WS-Security SAML
	 * Token Profile 1.1, ITI TF-2 3.40.4.1). */
	struct str assertion;
	/* Reading only: the first header block with mustUnderstand true that this code does not know, as local name.
	 * wsse:Security is known: it is skipped here. A server answers a MustUnderstand fault, a client goes on. */
	struct str not_understood;
	bool version_mismatch; /* Reading only: the envelope is not SOAP 1.2; the reader has refused it. */
};

/* What a request carries: Action with mustUnderstand, MessageID, To, anonymous ReplyTo. */
struct soap_head soap_request_head(struct str action, struct str message_id, struct str to);
/* What an answer carries: Action, MessageID and RelatesTo = the request's MessageID. */
struct soap_head soap_response_head(struct str action, struct str message_id, const struct soap_head *request);

/* XML declaration, Envelope, the whole Header, and the start tag of Body. */
void soap_begin(struct xml_writer *writer, const struct soap_head *head);
void soap_end(struct xml_writer *writer);

enum soap_fault_code { FAULT_SENDER, FAULT_RECEIVER, FAULT_VERSION_MISMATCH, FAULT_MUST_UNDERSTAND };

/* A fault as read or to be written. subcode is empty or a local name of WS-Addressing ("ActionNotSupported",
 * "MessageAddressingHeaderRequired", "OnlyAnonymousAddressSupported"); when read, any local name. */
struct soap_fault {
	enum soap_fault_code code;
	struct str subcode;
	struct str reason;        /* a sentence in English */
	bool subcode_of_security; /* writing only: subcode is one of WS-Security ("FailedAuthentication") */
};

/* soap:Fault, between soap_begin and soap_end. */
void soap_fault_write(struct xml_writer *writer, const struct soap_fault *fault);

/* The HTTP status that goes with a fault: 400 for the sender's, 500 for the receiver's. Source: SOAP 1.2 part 2 7.5.2.2
 */
int soap_fault_http_status(enum soap_fault_code code);

#endif
