/* Narrative.div: XML inside a string. Parsed and written anew in one form, or refused; its meaning is left alone and
 * nothing here shows it to anybody. Source: FHIR R4 narrative.html#xhtml. */
#ifndef PASSERELLE_FHIR_XHTML_H
#define PASSERELLE_FHIR_XHTML_H

#include "mappers/base/error.h"
#include "mappers/xml_writer.h"

/* Writes a div as a child of what writer has open: xhtml as the default namespace, no comments, no CDATA.
 * path   FHIRPath for issues
 * False with ERR_BODY_MALFORMED when it is not one well-formed <div> of xhtml alone, or ERR_NO_MEMORY. */
bool fhir_xhtml_write(struct str div, const char *path, struct xml_writer *writer, struct outcome *outcome) MUST_CHECK;

#define FHIR_XHTML_DEPTH_MAX 32

/* The same, piece by piece, from the events of a SAX2 reader. Begin with start on the div. */
struct fhir_xhtml {
	struct xml_writer *writer;
	size_t depth; /* open elements; 0 before and after the div */
	bool refused; /* something that is no narrative */
};

/* The arguments are those of struct xml_handler, see xml_sax.h. */
void fhir_xhtml_start(struct fhir_xhtml *xhtml, const char *name, const char *uri, const unsigned char **attributes,
		      size_t count);
void fhir_xhtml_text(struct fhir_xhtml *xhtml, struct str text);
void fhir_xhtml_end(struct fhir_xhtml *xhtml);

#endif
