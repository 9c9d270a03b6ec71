/* What the interactions of Access Consent [ITI-108] share: who may, whose Consents, and how a kept one is shown.
 * Patients manage their own (and those of whom they act for); of others only recorders whom the configuration names.
 * What is not there and what is not the caller's are answered alike. Source: IHE PCF 1.1 2:3.108. */
#ifndef PASSERELLE_CONSENTS_H
#define PASSERELLE_CONSENTS_H

#include "gateway/transactions/transactions.h"

/* The directory of this deployment, if the caller may use it at all. NULL with ERR_NOT_FOUND or ERR_FORBIDDEN. */
const struct consent_client *consents_directory(const struct transaction *t);

/* True when the caller may know and change the Consents of this patient (CX). ERR_FORBIDDEN. */
bool consents_about(const struct transaction *t, struct str patient_id) MUST_CHECK;

/* Reads a version (0: the newest) that is the caller's to see; also tells the audit whose it is. ERR_NOT_FOUND,
 * ERR_GONE. */
bool consents_read(const struct transaction *t, struct str id, uint64_t version_id,
		   struct consent_record *record) MUST_CHECK;

/* Writes the Consent of that record as FHIR JSON. */
bool consents_show(const struct transaction *t, const struct consent_record *record, struct buf *answer) MUST_CHECK;

/* The text between the quotes of the ETag: the version. data is NULL without memory. */
struct str consents_etag(const struct transaction *t, uint64_t version_id);

/* Each document that the Consent names must be registered here for this patient (and visible to the caller), and gets an
 * identifier that the rules go by. ERR_REFERENCE_UNRESOLVED with the path of each that is not. */
bool consents_name_documents(const struct transaction *t, json_t *consent, struct str patient_id) MUST_CHECK;

#endif
