#include "mappers/search_plan.h"

/* honoured, line end, time, line end, id: none of them can hold a line end, since all are percent-encoded or checked. */
void search_cursor_write(struct str honoured, const struct search_key *last, struct buf *bytes)
{
	buf_add(bytes, honoured);
	buf_add_char(bytes, '\n');
	buf_add(bytes, last->time);
	buf_add_char(bytes, '\n');
	buf_add(bytes, last->id);
}

bool search_cursor_read(struct str bytes, struct str *query, struct search_key *after)
{
	struct str rest = bytes;
	struct str parts[3];

	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (!rest.data || !str_next(&rest, '\n', &parts[i]))
			return false;
	}
	if (parts[2].size == 0)
		return false;
	*query = parts[0];
	*after = (struct search_key) { parts[1], parts[2] };
	return true;
}
