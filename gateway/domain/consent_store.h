/* Consents on the disk, each with all its versions, and for each patient a number that every write changes for good.
 * The store knows no FHIR: what it is given is text. Its database is its own file, so that consents and documents do not
 * wait for each other. Source: IHE PCF ITI-108, FHIR R4 http.html#versions. */
#ifndef PASSERELLE_CONSENT_STORE_H
#define PASSERELLE_CONSENT_STORE_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"

struct consent_store;

/* Opens or creates the file at path. Errors: ERR_STORAGE, ERR_NO_MEMORY. */
bool consent_store_open(const char *path, struct consent_store **store, struct outcome *outcome) MUST_CHECK;
void consent_store_close(struct consent_store *store);

struct consent_version {
	struct str id;
	struct str patient_id;
	int64_t version_id; /* 1, 2, 3 ... */
	int64_t updated_ms; /* since 1970 */
	bool is_active;
	struct str resource; /* STR_NONE: this version says that the Consent is no more */
};

struct consent_versions {
	struct consent_version *items;
	size_t count;
};

#define CONSENTS_PER_PATIENT_MAX 1000
#define CONSENT_BYTES_MAX        (64 * 1024)       /* of one */
#define CONSENTS_BYTES_MAX       (4 * 1024 * 1024) /* of all that a patient has */

#define CONSENT_ANY_VERSION (-1)

/* Stores the next version of new->id; durable when it returns true. Of `new` version_id is an output. expected: the
 * version_id that must be there now, 0 for none. version: the patient's, after the write.
 * Errors: ERR_VERSION, ERR_NOT_FOUND (nothing to delete), ERR_RULE (it is another patient's), ERR_TOO_COSTLY (past the
 * bounds above), ERR_STORAGE, ERR_BUSY, ERR_NO_MEMORY; nothing is stored then. */
bool consent_store_write(struct consent_store *store, struct consent_version *new, int64_t expected, int64_t *version,
			 struct outcome *outcome) MUST_CHECK;

/* The patient's version (0: nothing was ever written) and, unless it is `known` or content is false, the active
 * Consents, from one snapshot. known -1: none. */
bool consent_store_state(struct consent_store *store, struct str patient_id, int64_t known, bool content,
			 struct arena *arena, int64_t *version, struct consent_versions *active,
			 struct outcome *outcome) MUST_CHECK;

/* From now on the Consents of patient subsumed are the survivor's too, and those of whoever was merged into subsumed
 * before. version: the survivor's, after the write. Doing it twice is doing it once. */
bool consent_store_merge(struct consent_store *store, struct str survivor, struct str subsumed, int64_t *version,
			 struct outcome *outcome) MUST_CHECK;

/* One version, version_id 0 the newest. ERR_NOT_FOUND, ERR_GONE when that version deletes. */
bool consent_store_read(struct consent_store *store, struct str id, int64_t version_id, struct arena *arena,
			struct consent_version *found, struct outcome *outcome) MUST_CHECK;

/* The newest versions of a patient's Consents that are not deleted, those that were written first before the others. */
bool consent_store_list(struct consent_store *store, struct str patient_id, struct arena *arena,
			struct consent_versions *found, struct outcome *outcome) MUST_CHECK;

#endif
