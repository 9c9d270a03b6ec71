/* W3C Trace Context, version 00: the traceparent header in and out. */
#ifndef PASSERELLE_TRACE_H
#define PASSERELLE_TRACE_H

#include "mappers/base/str.h"

#define TRACEPARENT_SIZE 56 /* with the final NUL */

struct trace {
	char trace_id[33]; /* 32 lower-case hex digits, shared by all that one request causes */
	char span_id[17];  /* 16 lower-case hex digits, this request: also its id in logs and answers */
	bool sampled;
};

/* The trace of a request that arrived with this traceparent header (STR_NONE when it had none): the caller's trace id
 * where the header is well-formed, otherwise a fresh one; the span id is always fresh. */
void trace_from_header(struct str traceparent, struct trace *trace);

/* The header to send on to a back-end: "00-{trace}-{span}-01". */
void trace_to_header(const struct trace *trace, char out[TRACEPARENT_SIZE]);

#endif
