/* Which format a request is in and which the answer shall have. Source: FHIR R4 http 3.1.0.1.9 and 3.1.0.1.11,
 * RFC 9110 12.5.1. Pure text work. */
#ifndef PASSERELLE_NEGOTIATE_H
#define PASSERELLE_NEGOTIATE_H

#include "mappers/base/error.h"
#include "mappers/fhir_body.h"

/* The format of a FHIR answer. format: value of _format, decoded, STR_NONE when absent; it wins over accept (the Accept
 * header, STR_NONE when absent). JSON where the client does not mind. False: nothing that we write is acceptable
 * (ERR_NOT_ACCEPTABLE), also for another fhirVersion than 4.0. */
bool negotiate_answer(struct str accept, struct str format, enum fhir_format *answer) MUST_CHECK;

/* The format of a FHIR body. False (ERR_MEDIA_TYPE) for another type, a charset other than UTF-8, another fhirVersion
 * than 4.0, or no Content-Type at all. */
bool negotiate_body(struct str content_type, enum fhir_format *body) MUST_CHECK;

/* True for application/json-patch+json, with UTF-8 if it names a charset. */
bool negotiate_json_patch(struct str content_type) MUST_CHECK;

/* True for application/x-www-form-urlencoded, with UTF-8 if it names a charset. */
bool negotiate_form(struct str content_type) MUST_CHECK;

/* True when the Accept header takes this media type (parameters of either are ignored); an absent or empty header
 * takes everything. */
bool negotiate_accepts(struct str accept, struct str media_type) MUST_CHECK;

/* The first value of this name in a query string or form, percent-decoding undone as far as it fits into size bytes;
 * STR_NONE when it is not there. For _format and _pretty, which every interaction has. */
struct str negotiate_parameter(struct str query, struct str name, char *out, size_t size);

#endif
