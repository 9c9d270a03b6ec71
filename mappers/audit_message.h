/* FHIR AuditEvent -> DICOM AuditMessage, for repositories that take audit records by syslog. What the event says is kept,
 * in the words that ATNA repositories know. Source: DICOM PS3.15 A.5.1 and A.5.2, ITI TF-2 3.20.4.1.2 and 3.20.7 (mapping
 * between AuditEvent and DICOM), ITI TF-2 3.18.5.1, 3.41.5.1. */
#ifndef PASSERELLE_AUDIT_MESSAGE_H
#define PASSERELLE_AUDIT_MESSAGE_H

#include <jansson.h>

#include "mappers/base/arena.h"
#include "mappers/xml_writer.h"

/* Writes one AuditMessage, with its declaration. event: as audit_event_write made it. Problems stick in the writer; false
 * without memory, with an issue. */
bool audit_message_write(const json_t *event, struct arena *arena, struct xml_writer *writer,
			 struct outcome *outcome) MUST_CHECK;

#endif
