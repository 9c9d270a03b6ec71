/* Reads one FHIR resource of another server: a Patient of the configured identity source, or what an UnContained
 * publication refers to. Only addresses under configured bases, of the form base/Type/id, are ever asked. */
#ifndef PASSERELLE_FHIR_FETCH_H
#define PASSERELLE_FHIR_FETCH_H

#include <jansson.h>

#include "gateway/south/soap_client.h"
#include "mappers/rim.h"

#define FHIR_FETCH_BYTES_MAX   (1024 * 1024)
#define FHIR_FETCH_TIME_MAX_MS 10000

/* True when url is base, a slash, a resource type, a slash and an id [A-Za-z0-9.-]{1,64}, and nothing more: no user,
 * port, query, fragment or escape can be smuggled in behind the base. */
bool fhir_fetch_allowed(struct str url, struct str base) MUST_CHECK;

enum fhir_fetched {
	FHIR_FETCHED,
	FHIR_FETCH_NOTHING, /* the server has no such resource, or another type; nothing was added to outcome */
	FHIR_FETCH_FAILED   /* the server could not be asked or answered unusably; outcome has the issue */
};

/* GETs url, which must be allowed under one of bases (else FHIR_FETCH_NOTHING); resource is the tree, checked to be of
 * the type that the url names, and lives in south->arena. No redirects, at most FHIR_FETCH_BYTES_MAX and
 * FHIR_FETCH_TIME_MAX_MS, never past the deadline of south. path is where an issue points to.
 * Errors: ERR_BACKEND_DOWN, ERR_BACKEND_TIMEOUT, ERR_BACKEND_ANSWER. */
enum fhir_fetched fhir_fetch(const struct south *south, struct str url, const struct strs *bases, const char *path,
			     json_t **resource, struct outcome *outcome) MUST_CHECK;

#endif
