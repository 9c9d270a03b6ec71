/* ITI-18 Registry Stored Query: the query as values, without its quoting. Source: ITI TF-2 3.18.4.1. */
#ifndef PASSERELLE_STORED_QUERY_H
#define PASSERELLE_STORED_QUERY_H

#include "mappers/registry_response.h"
#include "mappers/rim.h"

/* One Slot. Several Slots of one name mean AND; they are numbered by and_group, from 0. The values mean OR. */
struct stored_query_param {
	struct str name;    /* "$XDSDocumentEntryPatientId" */
	struct strs values; /* without quotes, '' undone */
	bool number;        /* values stand bare */
	bool list;          /* in parentheses: ('a','b'); a param with several values is always written so */
	bool malformed;     /* read only: the text was no value or list; values hold the text as it came */
	size_t and_group;
};

struct stored_query {
	struct str id;          /* urn:uuid:... */
	struct str home;        /* urn:oid:..., mostly absent */
	bool object_ref;        /* returnType ObjectRef, otherwise LeafClass */
	struct str return_type; /* read only: as it came */
	struct stored_query_param *params;
	size_t param_count;
	size_t param_capacity;
};

enum stored_query_form { QUERY_STRING, QUERY_STRING_LIST, QUERY_NUMBER };

/* Adds one Slot; and_group is counted here. The values are kept, not copied. False without memory. */
bool stored_query_add(struct stored_query *query, struct arena *arena, struct str name, enum stored_query_form form,
		      struct strs values) MUST_CHECK;
/* The same for one value. */
bool stored_query_add_one(struct stored_query *query, struct arena *arena, struct str name, enum stored_query_form form,
			  struct str value) MUST_CHECK;

/* The first Slot of that name with this and_group; NULL when there is none. */
const struct stored_query_param *stored_query_find(const struct stored_query *query, struct str name, size_t and_group);

/* Reads the Values of one Slot, each perhaps a list, into param (name and and_group stay). False without memory. */
bool stored_query_param_read(const struct strs *texts, struct arena *arena,
			     struct stored_query_param *param) MUST_CHECK;

/* Writes query:AdhocQueryRequest, namespaces declared. A long list is cut into several Values of at most 256
 * characters, each with its own parentheses. */
void stored_query_write(struct xml_writer *writer, const struct stored_query *query);

/* Writes query:AdhocQueryResponse, namespaces declared; the RegistryObjectList is there also when it is empty. For an
 * ObjectRef answer the list holds objects of kind RIM_OBJECT_REF. */
void stored_query_response_write(struct xml_writer *writer, const struct registry_response *response,
				 const struct rim_list *list);

#endif
