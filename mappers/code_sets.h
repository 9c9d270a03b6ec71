/* The codes that an affinity domain allows, attribute by attribute, in the file that its operators have: codes.xml as the IHE
 * XDS Toolkit and Gazelle publish it.
 *   <Codes>
 *     <CodeType name="classCode" classScheme="urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a">
 *       <Code code="11369-6" display="Immunization" codingScheme="2.16.840.1.113883.6.1" system="http://loinc.org"/>
 *     </CodeType>
 *     <CodeType name="mimeType"><Code code="text/xml"/></CodeType>
 *   </Codes>
 * CodeType: every coded attribute by its XDS name, folderCodeList (or codeList) of folders, mimeType, languageCode. An
 * attribute that has none takes every code. A code system is the same under its OID and its URI (code_system.h). */
#ifndef PASSERELLE_CODE_SETS_H
#define PASSERELLE_CODE_SETS_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"

struct attribute_table;
struct code_sets;

#define CODE_SETS_BYTES_MAX (4U << 20) /* of a file */
#define CODE_SETS_CODES_MAX 20000      /* all attributes together */

/* Reads the text of such a file; everything in the arena. associationDocumentation and AssigningAuthority are passed over,
 * and so are attributes of elements that are not named above.
 * Errors, each with its line: ERR_BODY_MALFORMED, ERR_VALUE_INVALID, ERR_TOO_LONG; ERR_NO_MEMORY. */
bool code_sets_read(struct str xml, struct arena *arena, const struct code_sets **sets,
		    struct outcome *outcome) MUST_CHECK;

/* How many codes there are, and of how many attributes. */
size_t code_sets_count(const struct code_sets *sets);
size_t code_sets_attribute_count(const struct code_sets *sets);

/* Whether the attribute of this XDS name takes the code; for mimeType and languageCode the scheme does not matter.
 * sets NULL: everything is taken. */
bool code_sets_allow(const struct code_sets *sets, struct str attribute, struct str code, struct str scheme);

/* Every code of the object (the struct that table describes), and its media type and language. before: an object of the same
 * table, whose codes may stay whatever they are; NULL: none. path as in document_entry_validate, sets NULL: as above.
 * Errors: ERR_CODE_NOT_ALLOWED with the path of the attribute and some of the codes that are allowed. */
bool code_sets_check(const struct code_sets *sets, const struct attribute_table *table, const void *object,
		     const void *before, const char *path, struct outcome *outcome) MUST_CHECK;

#endif
