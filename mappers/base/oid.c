#include "mappers/base/oid.h"

#define OID_SIZE_MAX 64

/* One arc: digits, no leading zero. */
static bool arc_valid(struct str arc)
{
	if (arc.size == 0 || (arc.size > 1 && arc.data[0] == '0'))
		return false;
	for (size_t i = 0; i < arc.size; i++) {
		if (arc.data[i] < '0' || arc.data[i] > '9')
			return false;
	}
	return true;
}

bool oid_valid(struct str oid)
{
	struct str rest = oid;
	struct str arc;
	size_t count = 0;
	char root = '\0';

	if (oid.size < 3 || oid.size > OID_SIZE_MAX)
		return false;
	while (str_next(&rest, '.', &arc)) {
		if (!arc_valid(arc))
			return false;
		if (count == 0 && (arc.size != 1 || arc.data[0] > '2'))
			return false;
		if (count == 0)
			root = arc.data[0];
		if (count == 1 && root < '2' && (arc.size > 2 || (arc.size == 2 && arc.data[0] > '3')))
			return false;
		count++;
	}
	return count >= 2;
}

bool oid_urn_valid(struct str urn)
{
	return str_starts_with_nocase(urn, STR("urn:oid:")) && oid_valid(str_from(urn, 8));
}
