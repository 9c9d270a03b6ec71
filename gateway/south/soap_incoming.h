/* Inside gateway/south only: the answer that comes in, read while it comes. The SOAP part is collected and read as a
 * whole; documents go on to the caller's sink as they come. Source: ITI TF-2 Appendix V.3; MTOM; XOP. */
#ifndef PASSERELLE_SOAP_INCOMING_H
#define PASSERELLE_SOAP_INCOMING_H

#include <curl/curl.h>

#include "mappers/base/buf.h"
#include "mappers/mtom.h"
#include "mappers/xds_message.h"

struct soap_call;
struct south;
struct spool;

#define REPLY_PARTS_MAX 64 /* documents of one answer */

struct soap_incoming {
	/* set by who asks; borrowed */
	CURL *easy;
	const struct south *south;
	const struct soap_call *request;
	struct str message_id; /* of the question */
	struct xds_message *message;

	/* what came */
	bool root_read; /* message is filled */
	bool says_no;   /* request->read has read a refusal */
	bool is_page;   /* a web page, or nothing */
	bool refused;   /* the sink wants no more, and has said why */
	bool no_memory;
	char wrong[128];  /* what is wrong with the answer; empty when nothing is */
	uint64_t sink_us; /* that the caller's sink has taken of the transfer */

	/* its own */
	struct mtom_parser *parser; /* NULL for a plain answer */
	struct mtom_handler handler;
	struct buf root;
	struct spool *inline_documents[REPLY_PARTS_MAX];
	size_t inline_count;
	bool begun;       /* the first bytes of the body are here */
	bool root_open;   /* the part being read is the SOAP part */
	bool drop;        /* the part being read goes nowhere */
	uint64_t dropped; /* bytes of such parts: as many as of the SOAP part at most */
};

/* soap_incoming_free is due. */
void soap_incoming_init(struct soap_incoming *incoming, const struct south *south, const struct soap_call *request,
			struct str message_id, struct xds_message *message);
void soap_incoming_free(struct soap_incoming *incoming);

/* For CURLOPT_WRITEFUNCTION with a struct soap_incoming as CURLOPT_WRITEDATA. What is wrong ends the transfer with
 * CURLE_WRITE_ERROR. */
size_t soap_incoming_receive(char *bytes, size_t size, size_t count, void *ctx);

/* The transfer came to its own end. True when message is filled and each document has gone to the sink; otherwise wrong,
 * refused or no_memory says why. */
bool soap_incoming_end(struct soap_incoming *incoming) MUST_CHECK;

#endif
