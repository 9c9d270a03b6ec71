/* What a handler puts into its answer: the body's element, and documents beside it. */
#ifndef PASSERELLE_SOAP_REPLY_H
#define PASSERELLE_SOAP_REPLY_H

#include "gateway/http/http_message.h"
#include "mappers/xml_writer.h"

struct soap_answer;

/* The writer of the answer, inside soap:Body. */
struct xml_writer *soap_answer_writer(struct soap_answer *answer);

/* Attaches an open file, which is streamed after the root part and then closed (closed also after an error). Returns the
 * Content-ID to refer to it; data is NULL without memory. Only in answers of actions with mtom. */
struct str soap_answer_attach(struct soap_answer *answer, int descriptor, uint64_t size, struct str content_type);
/* The same with a finished spool, which is taken over. */
struct str soap_answer_attach_spool(struct soap_answer *answer, struct spool *document, struct str content_type);

/* A document of which only the size is known: the last of an answer, after the attached ones. Announce it, write the
 * body's element, and send: open (from then on the answer is on its way, and the handler returns true whatever happens),
 * write all its bytes, end. What is left without end breaks the connection, so that nobody takes the part for the whole.
 * False: the client is gone, or (open) outcome says why nothing was sent. */
struct str soap_answer_announce(struct soap_answer *answer, uint64_t size, struct str content_type);
bool soap_answer_open(struct soap_answer *answer, struct http_exchange *exchange, struct outcome *outcome) MUST_CHECK;
bool soap_answer_write(struct soap_answer *answer, const void *bytes, size_t size) MUST_CHECK;
bool soap_answer_end(struct soap_answer *answer) MUST_CHECK;

#endif
