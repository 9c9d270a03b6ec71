/* Answers and faults on their way out. Private to this room. */
#ifndef PASSERELLE_SOAP_ANSWER_H
#define PASSERELLE_SOAP_ANSWER_H

#include "gateway/soap/soap_server.h"

struct soap_part {
	struct str content_id;
	struct str content_type;
	uint64_t size;
	int descriptor;      /* -1: in the spool, or still to come */
	struct spool *spool; /* NULL: none */
};

struct soap_answer {
	struct buf body;
	struct xml_writer writer;
	struct str action;
	bool mtom;
	struct soap_part *attachments;
	size_t attachment_count;
	size_t attachment_capacity;
	struct http_exchange *exchange; /* a package is on its way; NULL before */
	struct str package_end;
	struct arena *arena;
};

/* Begins an answer with this action to the request: its envelope is open up to soap:Body. End with soap_answer_free.
 * False when there was no memory for the action. */
bool soap_answer_begin(struct soap_answer *answer, const struct soap_head *request, struct str action, bool mtom,
		       struct arena *arena) MUST_CHECK;

/* Closes the envelope and sends everything, unless that was done already. False when it could not be built; then nothing
 * was sent. */
bool soap_answer_send(struct soap_answer *answer, struct http_exchange *exchange, struct outcome *outcome) MUST_CHECK;

/* Frees the text and closes the attachments. */
void soap_answer_free(struct soap_answer *answer);

/* Sends a fault, as plain SOAP. status 0: the one that goes with its code. request may be NULL. */
void soap_fault_send(struct http_exchange *exchange, const struct soap_fault *fault, const struct soap_head *request,
		     int status);

#endif
