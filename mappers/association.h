/* Types of Association, and relatesTo.code. Rows: profiles/xds/association.def. Source: ITI TF-3 4.2.2, MHD ConceptMap
 * AssociationType vs RelatesTo. */
#ifndef PASSERELLE_ASSOCIATION_H
#define PASSERELLE_ASSOCIATION_H

#include "mappers/metadata.h"

/* The type of an associationType URN; the short name after the last colon is enough. ASSOCIATION_UNKNOWN otherwise. */
enum association_type association_type_of(struct str urn);

/* The URN of a type; STR_NONE for ASSOCIATION_UNKNOWN. */
struct str association_urn(enum association_type type);

/* relatesTo.code of a type ("replaces"); STR_NONE when it is no relation between documents. Static text. */
struct str association_relates_to(enum association_type type);

/* The type that relatesTo.code asks for; ASSOCIATION_UNKNOWN when it is no code of R4. */
enum association_type association_from_relates_to(struct str code);

/* True when the target is deprecated by it. TF-3 4.2.2.2 */
bool association_replaces(enum association_type type);

#endif
