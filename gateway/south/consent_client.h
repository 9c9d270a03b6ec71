/* The consent directory of an embedded domain, as a gateway asks it: JSON over HTTP under one URL. The directory keeps
 * Consents as text with all their versions, and for each patient one number, the patient's version, which every write
 * changes for good. Who asks for a patient's state gets a lease on it: the state holds until the lease is returned or
 * has run out, because a write takes effect (directory_settle) only after that. Any thread may call.
 * Errors everywhere: ERR_TRUST_UNAVAILABLE (away, slow, or answering unusably), ERR_NO_MEMORY. */
#ifndef PASSERELLE_CONSENT_CLIENT_H
#define PASSERELLE_CONSENT_CLIENT_H

#include "gateway/south/soap_client.h"

struct consent_client;

struct consent_client_options {
	struct str url;     /* of the directory, without final slash; borrowed, NUL-terminated */
	struct str secret;  /* shared with the directory; borrowed */
	struct str gateway; /* whose leases these are: fresh for each start of a gateway; borrowed */
	struct peer_tls tls;
	uint64_t ask_ms; /* most time for a question; a write gets what its request has left */
};

/* NULL without memory. */
struct consent_client *consent_client_open(const struct consent_client_options *options) MUST_CHECK;
void consent_client_close(struct consent_client *client);
const struct breaker *consent_client_breaker(const struct consent_client *client);

/* One version of one Consent, in the arena of the request. */
struct consent_record {
	struct str id; /* FHIR id */
	struct str patient_id;
	uint64_t version_id; /* meta.versionId: 1, 2, 3 ... */
	int64_t updated_ms;  /* meta.lastUpdated, since 1970 */
	bool is_active;      /* as the writer said: it takes part in decisions */
	bool is_deleted;     /* this version says that the Consent is no more; resource is absent */
	struct str resource; /* as it was written */
};
struct consent_records {
	struct consent_record *items;
	size_t count;
};

#define CONSENT_LEASE_MS_MAX 2000 /* no directory gives a longer one */

struct consent_state {
	uint64_t version;                /* of the patient; 0: nothing was ever written */
	uint64_t lease_ms;               /* counted from before the question went out; 0: for this one decision only */
	bool has_consents;               /* false: asked without content, or the version is the known one */
	struct consent_records consents; /* the active ones; only id, version_id and resource */
};

#define CONSENT_VERSION_NONE UINT64_MAX

/* Asks what holds for a patient (CX of the affinity domain, always written the same way), and takes a lease. Consents
 * come when content is true and the version is not `known` (CONSENT_VERSION_NONE: none is). Behind a breaker. */
bool directory_state(struct consent_client *client, const struct south *south, struct str patient_id, uint64_t known,
		     bool content, struct consent_state *state, struct outcome *outcome) MUST_CHECK;

/* This gateway uses no lease of versions below `version` of these patients any more. */
struct consent_return {
	struct str patient_id;
	uint64_t version;
};
bool directory_return(const struct consent_client *client, const struct south *south,
		      const struct consent_return *returns, size_t count, struct outcome *outcome) MUST_CHECK;

#define CONSENT_RESOURCE_BYTES_MAX (64U * 1024)
#define CONSENT_EXPECT_ANY         UINT64_MAX

struct consent_write {
	struct str id; /* chosen by the writer, also of a new one: so that an unclear write can be looked up */
	struct str patient_id;
	uint64_t expected; /* version_id it must have now; 0: it must not exist; CONSENT_EXPECT_ANY: whatever it is */
	bool is_active;
	struct str resource; /* at most CONSENT_RESOURCE_BYTES_MAX; STR_NONE deletes */
};

enum consent_written {
	CONSENT_WRITTEN, /* durable, but in force only after directory_settle */
	CONSENT_REFUSED, /* nothing changed; outcome says why: ERR_VERSION, ERR_NOT_FOUND, ERR_RULE (another patient's) ... */
	CONSENT_UNCLEAR /* it may have been stored or may yet be; outcome has the issue; read it to find out */
};

/* Stores a version. version_id and updated_ms of written are those of the new one; version is the patient's. */
struct consent_stored {
	uint64_t version;
	uint64_t version_id;
	int64_t updated_ms;
};
enum consent_written directory_write(const struct consent_client *client, const struct south *south,
				     const struct consent_write *write, struct consent_stored *stored,
				     struct outcome *outcome) MUST_CHECK;

/* Returns this gateway's leases below version, and waits until no gateway has one, at most a lease's time. After true
 * no gateway decides by an older version any more. */
bool directory_settle(const struct consent_client *client, const struct south *south, struct str patient_id,
		      uint64_t version, struct outcome *outcome) MUST_CHECK;

/* The newest version (version_id 0) or a certain one. Errors besides: ERR_NOT_FOUND, ERR_GONE (deleted). */
bool directory_read(const struct consent_client *client, const struct south *south, struct str id, uint64_t version_id,
		    struct consent_record *record, struct outcome *outcome) MUST_CHECK;

/* The newest versions of all Consents of a patient that are not deleted, active or not, oldest write first. */
bool directory_list(const struct consent_client *client, const struct south *south, struct str patient_id,
		    struct consent_records *records, struct outcome *outcome) MUST_CHECK;

#endif
