/* Text in which case and accents do not count, for FHIR string search (R4 3.1.1.4.8). */
#ifndef PASSERELLE_FOLD_H
#define PASSERELLE_FOLD_H

#include "mappers/base/arena.h"

/* "Müller" and "MULLER" become "muller", "Straße" becomes "strasse"; combining marks are dropped. Bytes that are not
 * UTF-8 stay. data is NULL when there was no memory. */
struct str fold(struct str text, struct arena *arena);

#endif
