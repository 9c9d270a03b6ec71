/* One SubmitObjectsRequest of ITI-42 or ITI-57, taken apart, checked as far as it can be without the registry, and made ready to
 * be stored: symbolic ids replaced by UUIDs, status, logical id and version set. Source: ITI TF-2 3.42.4.1.3, 3.57.4.1.3, TF-3 4.2.2.
 * Here nothing is read or written; registry.h does the rest. */
#ifndef PASSERELLE_SUBMISSION_H
#define PASSERELLE_SUBMISSION_H

#include "gateway/domain/attribute_rules.h"
#include "gateway/domain/patients.h"
#include "mappers/metadata.h"

#define SUBMISSION_OBJECTS_MAX 5000

#define STATUS_APPROVED   "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
#define STATUS_DEPRECATED "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"

/* One object, with what rules and queries look at beside its ebRIM. */
struct submitted {
	enum object_kind kind;
	struct rim_object *rim;   /* as it will be stored */
	struct str sent_id;       /* as the sender wrote it: errors name it */
	struct str unique_id;     /* not of an association */
	struct str patient_id;    /* normalised; not of an association */
	struct str patient_value; /* its parts */
	struct str patient_authority;
	struct str hash;            /* of an entry, lower case */
	struct str size;            /* of an entry */
	enum association_type type; /* of an association */
	struct submitted *source;   /* of an association: NULL when it is registered already */
	struct submitted *target;
	int64_t version;     /* 1, or that of a new version of an entry */
	bool is_deprecated;  /* how it is registered */
	bool was_deprecated; /* of an UpdateAvailabilityStatus: OriginalStatus and NewStatus */
	bool becomes_deprecated;
};

struct submission {
	struct submitted *objects;
	size_t count;
	struct submitted *set;
	struct str now;                  /* DTM: lastUpdateTime of folders */
	const struct patients *patients; /* of the rules */
};

struct submission_rules {
	const struct patients *patients;
	const struct code_sets *code_sets; /* NULL: every code is taken */
	struct str home_community_id;      /* urn:oid:..., set on every object; STR_NONE: none */
	bool is_update;                    /* ITI-57: new versions and statuses of what is registered; else ITI-42 */
};

/* list        as read; not changed, but its strings are used: it must live as long as submission
 * now         DTM of this moment
 * Random UUIDs are taken from gateway/run/random.h.
 * Returns false with XDS errors in outcome; it goes on after the first. */
bool submission_read(const struct rim_list *list, const struct submission_rules *rules, struct str now,
		     struct arena *arena, struct submission *submission, struct outcome *outcome) MUST_CHECK;

/* An Association of our own, for instance one that puts a replacement into its predecessor's folder; NULL without
 * memory. */
struct rim_object *association_new(struct arena *arena, const char *type, struct str source, struct str target,
				   struct str home);

/* Sets a Slot to one value, adding it when it is missing. False without memory. */
bool slot_set(struct rim_slots *slots, struct str name, struct str value, struct arena *arena) MUST_CHECK;

#endif
