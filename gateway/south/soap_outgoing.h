/* Inside gateway/south only: the message that goes out, in the pieces that libcurl is given one after the other: the text
 * of the envelope, and documents that stay in their spools. Source: ITI TF-2 Appendix V.3; MTOM; XOP. */
#ifndef PASSERELLE_SOAP_OUTGOING_H
#define PASSERELLE_SOAP_OUTGOING_H

#include <curl/curl.h>

#include "mappers/base/buf.h"
#include "mappers/base/error.h"

struct soap_call;
struct south;

struct soap_outgoing {
	struct buf text;     /* the envelope and the heads of the parts */
	struct str boundary; /* of the package */
	struct str *pieces;  /* of text, and of the attachments' spools, in turn; borrowed */
	size_t piece_count;
	size_t piece; /* being sent */
	size_t offset;
	uint64_t total;          /* bytes */
	uint64_t sent;           /* bytes handed to libcurl, or to the network with their headers */
	struct str assertion_id; /* of the XUA assertion in its head; STR_NONE: it has none */
};

/* Writes the message: a package, or just the envelope. The pieces are valid as long as the arena of south and the call's
 * attachments, and until soap_outgoing_free, which is due whatever this returns.
 * Errors: those of xua_assertion and of the writer; ERR_TOO_LONG, ERR_NO_MEMORY. */
bool soap_outgoing_build(const struct south *south, const struct soap_call *request, struct str message_id,
			 struct soap_outgoing *outgoing, struct outcome *outcome) MUST_CHECK;
void soap_outgoing_free(struct soap_outgoing *outgoing);

/* The HTTP headers of the message that was built; the caller frees them. NULL without memory. */
struct curl_slist *soap_outgoing_headers(const struct south *south, const struct soap_call *request,
					 const struct soap_outgoing *outgoing) MUST_CHECK;

/* What may be asked twice and is one piece goes out with its headers in one write, and libcurl may start again from the
 * beginning when a warm connection turns out dead. All else is read from its pieces without a way back, so that
 * libcurl gives up instead (CURLE_SEND_FAIL_REWIND). */
bool soap_outgoing_is_whole(const struct soap_outgoing *outgoing, const struct soap_call *request);

/* For CURLOPT_READFUNCTION with a struct soap_outgoing as CURLOPT_READDATA. */
size_t soap_outgoing_send(char *out, size_t size, size_t count, void *ctx);

#endif
