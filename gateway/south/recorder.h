/* Who keeps a record of the calls to other systems. The room of audit is behind this pointer; south only tells. */
#ifndef PASSERELLE_RECORDER_H
#define PASSERELLE_RECORDER_H

#include "mappers/base/error.h"

struct xml_writer;

/* One call that is over. Everything is borrowed for the time of `called`. */
struct south_call {
	struct str action;  /* SOAP action; STR_NONE for a FHIR read */
	const char *url;    /* that was asked */
	struct str backend; /* its name; or empty */
	/* Writes what was asked, as it stood inside soap:Body; NULL for a FHIR read. */
	void (*write_body)(struct xml_writer *writer, const void *body);
	const void *body;
	struct str patient_id;   /* CX of the one patient that it is about, when that was known; or empty */
	struct str assertion_id; /* of the SAML assertion that went with it; or empty */
	bool succeeded;          /* answered, and the answer says yes */
	enum error_code code;    /* otherwise why not */
};

struct south_recorder {
	void *ctx;
	void (*called)(void *ctx, const struct south_call *call);
};

#endif
