/* The two directions of `passerelle map`. Offline: what a gateway would ask a registry is made up and said. */
#ifndef PASSERELLE_MAP_H
#define PASSERELLE_MAP_H

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/fhir_body.h"

struct map_options {
	const char *path; /* "-": standard input */
	bool explain;
	bool xml;           /* FHIR answers as XML */
	struct str patient; /* CX that stands in for what cannot be resolved here; data NULL: none */
};

/* FHIR in text to the SOAP part of an ITI-41 request, or a DocumentReference to its ebRIM. */
bool map_from_fhir(const struct map_options *options, enum fhir_format format, struct str text, struct arena *arena,
		   struct buf *out, struct outcome *outcome) MUST_CHECK;

/* The XML of an ebRIM or SOAP message to FHIR JSON (or explanation lines). */
bool map_from_xds(const struct map_options *options, struct str xml, struct arena *arena, struct buf *out,
		  struct outcome *outcome) MUST_CHECK;

/* The n-th made-up UUID, in the arena; data NULL without memory. */
struct str map_uuid(size_t n, struct arena *arena);

#endif
