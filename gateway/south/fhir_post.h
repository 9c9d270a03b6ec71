/* Sends FHIR JSON to another server by POST, for senders that try until it works. */
#ifndef PASSERELLE_FHIR_POST_H
#define PASSERELLE_FHIR_POST_H

#include "gateway/south/backend.h"
#include "mappers/base/buf.h"

#define FHIR_POST_TIME_MAX_MS 15000
#define FHIR_POST_REPLY_MAX   ((size_t)4 * 1024 * 1024)

/* POSTs json to url and reads the answer. if_none_exist: value of the If-None-Exist header, or NULL. reply (initialised by the
 * caller) gets the body. Returns the HTTP status; 0 when there was no answer, and *why then says what libcurl says. On
 * the calling thread's own warm connection. */
long fhir_post(const char *url, const struct peer_tls *tls, struct str json, const char *if_none_exist,
	       struct buf *reply, const char **why) MUST_CHECK;

#endif
