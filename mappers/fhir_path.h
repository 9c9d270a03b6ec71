/* The FHIRPath of a place in a tree, as a chain of names that lives on the stack of who walks the tree. Inside. */
#ifndef PASSERELLE_FHIR_PATH_H
#define PASSERELLE_FHIR_PATH_H

#include "mappers/base/str.h"

#define FHIR_PATH_BYTES    160
#define FHIR_PATH_NOT_MANY SIZE_MAX

struct fhir_path {
	const struct fhir_path *parent; /* NULL at the root */
	struct str name;
	size_t index; /* FHIR_PATH_NOT_MANY: the name stands without [index] */
};

/* "Bundle.entry[2].resource.status", NUL-terminated. A path that is too long ends at an element above. Names that do not look
 * like names of elements are written as "?", since a sender may have put anything there. */
void fhir_path_write(const struct fhir_path *path, char out[FHIR_PATH_BYTES]);

#endif
