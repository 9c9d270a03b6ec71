/* ebRIM 3.0 registry objects as they stand on the wire: nothing is interpreted here and nothing is lost.
 * Source: OASIS ebRIM 3.0, ITI TF-3 4.2.1.
 * All strings and arrays belong to the arena that the reader was given. An absent attribute is STR_NONE. */
#ifndef PASSERELLE_RIM_H
#define PASSERELLE_RIM_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"

struct strs {
	struct str *items;
	size_t count;
};

struct rim_slot {
	struct str name;
	struct str slot_type;
	struct strs values; /* trimmed of blanks and line ends at both ends */
};

struct rim_slots {
	struct rim_slot *items;
	size_t count;
};

/* One LocalizedString of a Name or Description. */
struct rim_text {
	struct str value;
	struct str lang;
	struct str charset;
};

struct rim_texts {
	struct rim_text *items;
	size_t count;
};

struct rim_classification {
	struct str id;
	struct str classified_object;
	struct str scheme;              /* classificationScheme */
	struct str node;                /* classificationNode */
	struct str node_representation; /* data != NULL, size 0 when present and empty */
	struct str object_type;
	struct str lid;
	struct str home;
	struct str status;
	struct str version_name;
	struct rim_slots slots;
	struct rim_texts name;
	struct rim_texts description;
};

struct rim_external_identifier {
	struct str id;
	struct str registry_object;
	struct str scheme; /* identificationScheme */
	struct str value;
	struct str object_type;
	struct str lid;
	struct str home;
	struct str status;
	struct str version_name;
	struct rim_slots slots;
	struct rim_texts name;
	struct rim_texts description;
};

enum rim_kind { RIM_EXTRINSIC_OBJECT, RIM_REGISTRY_PACKAGE, RIM_ASSOCIATION, RIM_OBJECT_REF, RIM_KIND_COUNT };

struct rim_object {
	enum rim_kind kind;
	struct str id;
	struct str lid;
	struct str home;
	struct str object_type;
	struct str status;
	struct str mime_type;        /* ExtrinsicObject */
	struct str is_opaque;        /* ExtrinsicObject */
	struct str association_type; /* Association */
	struct str source_object;    /* Association */
	struct str target_object;    /* Association */
	struct str version_name;     /* VersionInfo */
	struct str version_comment;
	struct str content_version; /* ContentVersionInfo of an ExtrinsicObject */
	struct rim_slots slots;
	struct rim_texts name;
	struct rim_texts description;
	struct rim_classification *classifications;
	size_t classification_count;
	struct rim_external_identifier *external_identifiers;
	size_t external_identifier_count;
};

/* A RegistryObjectList. Classifications that stand beside the objects have been moved into the object that their
 * classifiedObject names; one that names no object of the list stays in loose. */
struct rim_list {
	struct rim_object *objects;
	size_t count;
	struct rim_classification *loose;
	size_t loose_count;
};

/* Linear look-ups; NULL when there is none. */
const struct rim_slot *rim_slot_find(const struct rim_slots *slots, struct str name);
const struct rim_classification *rim_classification_find(const struct rim_object *object, struct str scheme);
const struct rim_external_identifier *rim_external_identifier_find(const struct rim_object *object, struct str scheme);
/* True when the object carries a Classification with this classificationNode. */
bool rim_has_node(const struct rim_object *object, struct str node);

#endif
