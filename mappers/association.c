#include "mappers/association.h"

struct association_row {
	struct str urn;
	struct str relates_to;
};

static const struct association_row rows[] = {
#define ASSOCIATION(name, urn, relates_to, ...) [ASSOCIATION_##name] = { STR_INIT(urn), STR_INIT(relates_to) },
#include "profiles/xds/association.def"
#undef ASSOCIATION
};

/* From the first letter after the last colon. */
static struct str short_name(struct str urn)
{
	size_t end = urn.size;

	while (end && urn.data[end - 1] != ':')
		end--;
	return str_from(urn, end);
}

enum association_type association_type_of(struct str urn)
{
	struct str name = short_name(urn);

	for (size_t i = 0; name.size && i < COUNT_OF(rows); i++) {
		if (str_equal(short_name(rows[i].urn), name))
			return (enum association_type)i;
	}
	return ASSOCIATION_UNKNOWN;
}

struct str association_urn(enum association_type type)
{
	return (size_t)type < COUNT_OF(rows) ? rows[type].urn : STR_NONE;
}

struct str association_relates_to(enum association_type type)
{
	if ((size_t)type >= COUNT_OF(rows) || rows[type].relates_to.size == 0)
		return STR_NONE;
	return rows[type].relates_to;
}

enum association_type association_from_relates_to(struct str code)
{
	for (size_t i = 0; code.size && i < COUNT_OF(rows); i++) {
		if (str_equal(rows[i].relates_to, code))
			return (enum association_type)i;
	}
	return ASSOCIATION_UNKNOWN;
}

bool association_replaces(enum association_type type)
{
	return type == ASSOCIATION_REPLACE || type == ASSOCIATION_TRANSFORM_REPLACE;
}
