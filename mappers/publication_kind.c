#include "mappers/publication_kind.h"

static const struct publication_kind_facts kinds[] = {
	/*                   word                              metadata documents shown  shared */
	[KIND_PROVIDE] = { STR_INIT(PUBLICATION_PROVIDE), true, true, true, false },
	[KIND_UNDECIDED] = { STR_INIT(PUBLICATION_UNDECIDED), true, true, false, false },
	[KIND_CHANGE] = { STR_INIT(PUBLICATION_CHANGE), true, false, true, false },
	[KIND_REQUEST] = { STR_INIT(PUBLICATION_REQUEST), false, false, false, false },
	[KIND_SHARE] = { STR_INIT(PUBLICATION_SHARE), true, true, true, true },
	[KIND_REGISTER] = { STR_INIT(PUBLICATION_REGISTER), true, false, true, true },
	[KIND_UNKNOWN] = { STR_INIT(""), false, false, false, false },
};

enum publication_kind publication_kind_of(struct str word)
{
	unsigned kind = 0;

	while (kind < KIND_UNKNOWN && !str_equal(kinds[kind].word, word))
		kind++;
	return (enum publication_kind)kind;
}

const struct publication_kind_facts *publication_kind_facts(enum publication_kind kind)
{
	return &kinds[kind];
}
