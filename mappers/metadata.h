/* The XDS objects in their own terms: what XDS says, in XDS notation, one member per attribute. The members come from
 * the rows of profiles/xds (.def), so that struct and table cannot drift apart. Source: ITI TF-3 4.2.3.
 * Values are kept as XDS writes them: times as DTM, codes with the scheme as OID (or what the registry has), persons as
 * XCN text, identifiers as CX text. Absent is STR_NONE or count 0. Memory belongs to the arena of whoever filled it. */
#ifndef PASSERELLE_METADATA_H
#define PASSERELLE_METADATA_H

#include "mappers/rim.h"

struct code {
	struct str code;
	struct str scheme; /* OID without urn:oid:, or a URI, or free text of old data */
	struct str display;
};

struct codes {
	struct code *items;
	size_t count;
};

/* One author Classification. At most one person; the lists are not linked by position. TF-3 4.2.3.1.4 */
struct author {
	struct str person;        /* XCN */
	struct strs institutions; /* XON */
	struct strs roles;
	struct strs specialties;
	struct strs telecommunications; /* XTN */
};

struct authors {
	struct author *items;
	size_t count;
};

/* Datatypes of attributes; how each is read and written is in mappers/codec_rim.c and mappers/codec_fhir.h. */
typedef struct str ATTR_ONE_STRING;
typedef struct str ATTR_ONE_TIME;
typedef struct str ATTR_ONE_CX;
typedef struct str ATTR_ONE_XCN;
typedef struct str ATTR_ONE_OID;
typedef struct str ATTR_ONE_UUID;
typedef struct str ATTR_ONE_HASH;
typedef struct str ATTR_ONE_SIZE;
typedef struct str ATTR_ONE_STATUS;
typedef struct code ATTR_ONE_CODE;
typedef struct codes ATTR_MANY_CODE;
typedef struct authors ATTR_MANY_AUTHOR;
typedef struct strs ATTR_MANY_STRING;
typedef struct strs ATTR_MANY_PID;       /* sourcePatientInfo */
typedef struct strs ATTR_MANY_CXI;       /* referenceIdList */
typedef struct strs ATTR_MANY_RECIPIENT; /* intendedRecipient */

#define ATTR(field, type, many, ...) ATTR_##many##_##type field;

/* origin: the registry object it was read from, NULL when it is new. What the members cannot hold (several languages,
 * ids of Classifications, attributes of other standards) is taken from there when it is written again, and what was not
 * changed is written as it came; so origin must live as long as the object. Set it to NULL for an object of its own. */
struct document_entry {
#include "profiles/xds/document_entry.def"
	bool limited_metadata;
	struct rim_slots extra; /* slots that no row names, as they came */
	const struct rim_object *origin;
};

struct submission_set {
#include "profiles/xds/submission_set.def"
	bool limited_metadata;
	struct rim_slots extra;
	const struct rim_object *origin;
};

struct folder {
#include "profiles/xds/folder.def"
	bool limited_metadata;
	struct rim_slots extra;
	const struct rim_object *origin;
};

#undef ATTR

enum association_type {
#define ASSOCIATION(name, ...) ASSOCIATION_##name,
#include "profiles/xds/association.def"
#undef ASSOCIATION
	ASSOCIATION_UNKNOWN
};

struct association {
	struct str id; /* urn:uuid: or symbolic */
	enum association_type type;
	struct str type_urn; /* as it came, also for an unknown one */
	struct str source;
	struct str target;
	struct str submission_set_status; /* Original, Reference or absent */
	struct str previous_version;      /* ITI-57 */
	struct str original_status;       /* ITI-57 UpdateAvailabilityStatus */
	struct str new_status;
	struct str availability_status;
	struct str home_community_id;
	struct code documentation; /* abd807a3…; code.data NULL when absent */
	struct rim_slots extra;
	const struct rim_object *origin;
};

/* Everything one message or one answer holds. */
struct metadata {
	struct submission_set *submission_sets;
	size_t submission_set_count;
	struct document_entry *document_entries;
	size_t document_entry_count;
	struct folder *folders;
	size_t folder_count;
	struct association *associations;
	size_t association_count;
	struct strs object_refs; /* ids of the ObjectRefs; their homes are in others */
	/* What is none of these, as it came: packages of other kinds, ObjectRefs, Classifications of unknown objects. */
	const struct rim_object **others;
	size_t other_count;
	const struct rim_classification *loose;
	size_t loose_count;
};

#endif
