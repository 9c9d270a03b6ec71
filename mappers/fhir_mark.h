/* Marks in the tree of a FHIR body. What jansson cannot hold exactly stands in the tree as a string that begins with
 * U+0001: a decimal with its digits as they came, and the place of a document that was cut out. FHIR strings cannot
 * hold U+0001 and fhir_body_read refuses it, so no sender can forge a mark. */
#ifndef PASSERELLE_FHIR_MARK_H
#define PASSERELLE_FHIR_MARK_H

#include <jansson.h>

#include "mappers/base/str.h"

#define FHIR_MARK_CUT     "\001B" /* + index in decimal */
#define FHIR_MARK_DECIMAL "\001D" /* + the number as it came: "1.50", "1E3", "-0", "18446744073709551616" */

/* True when value stands for a document that was cut out; *index is the one its sink got. */
bool fhir_cut_index(const json_t *value, size_t *index);

/* True when value is a number that is kept as text; *lexeme points into value. Integers of 64 bits in their usual
 * form are no marks but JSON integers. */
bool fhir_decimal_lexeme(const json_t *value, struct str *lexeme);

/* The text of a JSON string, without copying; STR_NONE when value is absent, no string, or a mark. */
struct str fhir_text(const json_t *value);

/* Length of the JSON number at the front of text: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?; 0 when there is none.
 * *integer says whether it is an integer that a JSON integer of 64 bits gives back in the same form. */
size_t fhir_number_size(struct str text, bool *integer);

/* A number in the tree: a JSON integer or a decimal mark. lexeme must be one whole number. NULL without memory. */
json_t *fhir_number_new(struct str lexeme);

#endif
