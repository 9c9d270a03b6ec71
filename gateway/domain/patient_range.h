/* Patient identifiers as the configuration writes them: a value ("IHEBLUE-1001") or a range of values of the same width
 * ("IHEBLUE-1001..IHEBLUE-1010"). */
#ifndef PASSERELLE_PATIENT_RANGE_H
#define PASSERELLE_PATIENT_RANGE_H

#include "mappers/base/arena.h"

struct patient_range {
	struct str prefix; /* what comes before the digits; the whole value when it is no range */
	bool is_range;
	size_t digits;
	uint64_t first;
	uint64_t last;
};

/* text is borrowed. False when it is empty, or a range whose ends differ in more than the number at their end. */
bool patient_range_read(struct str text, struct patient_range *range) MUST_CHECK;

bool patient_range_has(const struct patient_range *range, struct str value);

/* How many values it has, and each of them; data is NULL without memory. */
uint64_t patient_range_count(const struct patient_range *range);
struct str patient_range_at(const struct patient_range *range, uint64_t index, struct arena *arena);

#endif
