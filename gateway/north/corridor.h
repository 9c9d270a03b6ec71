/* The corridor: every FHIR request walks the same steps in the same order, and no transaction has a way around it. */
#ifndef PASSERELLE_CORRIDOR_H
#define PASSERELLE_CORRIDOR_H

#include "gateway/access/authenticate.h"
#include "gateway/http/http_message.h"
#include "gateway/north/route.h"
#include "gateway/transactions/change_document.h"
#include "gateway/transactions/publications.h"

/* One request on its way. Made by the server on a worker's stack; nothing in it outlives the walk. */
struct fhir_request {
	const struct gateway *gateway;
	struct http_exchange *exchange;
	struct http_request *http;
	const struct route *route;
	bool is_bare;       /* asked at the base without a tenant's name, though others have one */
	struct str id;      /* the {id} of the path */
	struct str version; /* the {version} behind it */

	enum fhir_format answer_format;
	struct outcome outcome;
	struct challenge challenge; /* of who was not let in */
	struct transaction transaction;
	char traceparent[TRACEPARENT_SIZE];

	struct provide_request provide; /* made by the step read, for the one route that needs it */
	json_t *resource;               /* the same, for routes with a resource as their body */
	struct document_change change;  /* the same, for a patch */
	struct search_request search;

	struct buf answer;      /* FHIR JSON, made by the step exchange */
	const char *media_type; /* of an answer that is no FHIR and goes out as it is; NULL: FHIR */
	unsigned cacheable_s;   /* for which anybody may keep an answer that is no FHIR */
	struct str etag;        /* weak, of the answer; data NULL when it has none */
	unsigned retry_after_s; /* of who is throttled; 0: as is usual for the status */
	int status;             /* of a good answer; 0: 200 */
	struct str location;    /* of what was written, relative to the base ("Patient/{id}"); STR_NONE: nothing was */
	struct str status_url;  /* of what goes on after the answer (202): Content-Location; STR_NONE: nothing does */
	const char *progress;   /* of it: X-Progress; NULL: none */
	bool answered;          /* the exchange answered by itself (documents) */
	bool is_unrecorded;     /* the audit could not be written: nothing is answered but that */
};

/* Walks all steps and answers, whatever happens. */
void corridor_walk(struct fhir_request *request);

#endif
