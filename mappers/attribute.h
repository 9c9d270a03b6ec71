/* The rows of profiles/xds as data: one struct attribute per XDS attribute, with the place of its member in the struct.
 * Everything that treats attributes (ebRIM, FHIR, validation, explanation) is a loop over these. ITI TF-3 4.2.3, 4.3.1 */
#ifndef PASSERELLE_ATTRIBUTE_H
#define PASSERELLE_ATTRIBUTE_H

#include "mappers/metadata.h"

/* clang-format off */
enum datatype {
	TYPE_STRING, TYPE_TIME, TYPE_CX, TYPE_XCN, TYPE_OID, TYPE_UUID, TYPE_HASH, TYPE_SIZE, TYPE_STATUS, TYPE_CODE,
	TYPE_AUTHOR, TYPE_PID, TYPE_CXI, TYPE_RECIPIENT,
	TYPE_COUNT
};

enum place {
	PLACE_ATTRIBUTE, PLACE_SLOT, PLACE_CLASSIFICATION, PLACE_EXTERNAL_ID, PLACE_NAME, PLACE_DESCRIPTION, PLACE_VERSION
};

/* How a value looks in FHIR; each has one reader and one writer. */
enum fhir_form {
	FORM_NONE, FORM_TEXT, FORM_CODE, FORM_OID, FORM_URL, FORM_TIME, FORM_INSTANT, FORM_STATUS, FORM_HASH,
	FORM_SIZE, FORM_ENTRY_UUID, FORM_UNIQUE_ID, FORM_UNIQUE_OID, FORM_OTHER_IDENTIFIER, FORM_IDENTIFIER, FORM_CONCEPT, FORM_CODING,
	FORM_SUBJECT, FORM_SOURCE_ID, FORM_SOURCE_INFO, FORM_AUTHOR, FORM_SENDER, FORM_AUTHENTICATOR, FORM_CUSTODIAN,
	FORM_RELATED, FORM_RECIPIENT,
	FORM_COUNT
};
/* clang-format on */

enum need { NEED_MINIMAL, NEED_COMPREHENSIVE, NEED_OPTIONAL };

enum optionality { OPTIONALITY_R, OPTIONALITY_R2, OPTIONALITY_O };

/* What kind of C member holds the values. */
enum shape { SHAPE_STRING, SHAPE_STRINGS, SHAPE_CODE, SHAPE_CODES, SHAPE_AUTHORS };

struct attribute {
	enum datatype type;
	enum shape shape;
	struct str name; /* "classCode" */
	enum place place;
	struct str key;       /* slot name, scheme, or XML attribute */
	struct str fhir_path; /* "content[].attachment.title"; empty when FHIR has no place for it */
	enum fhir_form form;
	enum need need;
	enum optionality source;
	const char *clause;
	size_t offset; /* of the member */
};

/* What is the same for all objects of a kind. */
struct attribute_table {
	const struct attribute *rows;
	size_t count;
	struct str name; /* "XDSDocumentEntry": front of ExternalIdentifier names, TF-3 4.2.3.1.1 */
	enum rim_kind kind;
	struct str node;         /* classificationNode that marks the kind; empty for documents */
	struct str limited_node; /* classificationNode of limited metadata */
	size_t limited_offset;   /* of bool limited_metadata, and so on */
	size_t extra_offset;
	size_t origin_offset;
};

extern const struct attribute_table document_entry_table;
extern const struct attribute_table submission_set_table;
extern const struct attribute_table folder_table;

/* True when the member holds no value. */
bool attribute_is_empty(const struct attribute *attribute, const void *object);

/* True when the member says the same in both objects. */
bool attribute_equal(const struct attribute *attribute, const void *a, const void *b);

bool strs_equal(const struct strs *a, const struct strs *b);
bool code_equal(const struct code *a, const struct code *b);
bool author_equal(const struct author *a, const struct author *b);

/* The row of that XDS name; NULL when there is none. */
const struct attribute *attribute_find(const struct attribute_table *table, struct str name);

#endif
