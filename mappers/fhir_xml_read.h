/* FHIR XML to the tree, by the table. Source: FHIR R4 xml.html, json.html. */
#ifndef PASSERELLE_FHIR_XML_READ_H
#define PASSERELLE_FHIR_XML_READ_H

#include "mappers/fhir_body.h"

/* Reads one resource: the second half of fhir_body_read, after the documents were cut out: each empty value of an element `data`
 * stands for the next of cut_count documents. Arrays come from the table; extensions of primitives become `_name`, and
 * arrays of both are padded with null. Order of elements is not checked.
 * text   UTF-8; the XML guard is called in here
 * tree   filled on success; freed with the arena */
bool fhir_xml_read(struct str text, const struct fhir_limits *limits, size_t cut_count, struct arena *arena,
		   json_t **tree, struct outcome *outcome) MUST_CHECK;

#endif
