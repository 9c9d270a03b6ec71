/* Completes what a Minimal Bundle may leave out and an XDS registry requires. Source: ITI TF-3 4.3.1, MHD 4.2.4
 * 3.65.4.1.3 (Comprehensive Metadata option). */
#ifndef PASSERELLE_PROVIDE_FILL_H
#define PASSERELLE_PROVIDE_FILL_H

#include "mappers/provide_bundle.h"

/* Each fills the attributes that are missing and for which there is a default, with a warning each. path: of the
 * resource. now: DTM. False without memory. */
bool provide_fill_document(const struct provide_defaults *defaults, struct str now, const char *path,
			   struct arena *arena, struct document_entry *entry, struct outcome *outcome) MUST_CHECK;

/* An author of this institution, for a document of whose authors none names one: where several hospitals share a domain,
 * it could be anybody's. With a warning; where the rules say that nothing is filled in, ERR_METADATA_MISSING. */
bool provide_fill_institution(const struct provide_rules *rules, const char *path, struct arena *arena,
			      struct document_entry *entry, struct outcome *outcome) MUST_CHECK;

/* The XON of an organization, "urn:oid:..." or "system|value" with an OID as system, and its name. STR_NONE when it cannot
 * be written as one. False without memory. TF-3 4.2.3.1.4.2, 4.2.3.2.1 */
bool provide_institution(struct str organization, struct str name, struct arena *arena, struct str *xon) MUST_CHECK;
void provide_fill_submission_set(const struct provide_defaults *defaults, const char *path, struct submission_set *set,
				 struct outcome *outcome);
bool provide_fill_folder(const struct provide_defaults *defaults, const char *path, struct arena *arena,
			 struct folder *folder, struct outcome *outcome) MUST_CHECK;

/* sourcePatientId, which XDS requires also where a profile does not, and only with an OID as authority: the one that was
 * sent, another identifier of the source patient, or the patient's id in the affinity domain (with a warning). What was
 * sent stays in sourcePatientInfo. TF-3 4.2.3.2.22. False without memory. */
bool provide_fill_source_patient(const char *path, struct arena *arena, struct document_entry *entry,
				 struct outcome *outcome) MUST_CHECK;

/* sourcePatientId and PID-3 must not name somebody else in the affinity domain than patient_id. Errors: ERR_RULE,
 * ERR_NO_MEMORY. */
bool provide_check_source_patient(const struct document_entry *entry, const char *path, struct arena *arena,
				  struct outcome *outcome) MUST_CHECK;

#endif
