#include "mappers/search_cursor.h"

/* Lines. */
enum { LINE_HONOURED, LINE_TIME, LINE_HASH, LINE_SOURCE, LINE_SOURCES, LINE_ID, LINE_UNIQUE_ID, LINE_COUNT };

/* Whatever a registry writes, a line stays one. */
static void line_add(struct buf *bytes, struct str text)
{
	buf_add(bytes, (struct str) { text.data, str_find(text, '\n') });
	buf_add_char(bytes, '\n');
}

void search_cursor_write(const struct search_cursor *cursor, struct buf *bytes)
{
	line_add(bytes, cursor->honoured);
	line_add(bytes, cursor->last.time);
	line_add(bytes, cursor->last.hash);
	buf_printf(bytes, "%u\n", cursor->last.source);
	for (size_t i = 0; i < cursor->sources.count; i++)
		buf_printf(bytes, i ? " %u" : "%u", cursor->sources.numbers[i]);
	buf_add_char(bytes, '\n');
	line_add(bytes, cursor->last.id);
	line_add(bytes, cursor->last.unique_id);
}

static bool source_read(struct str text, uint8_t *source)
{
	uint64_t number = 0;

	if (!str_to_u64(text, &number) || number > UINT8_MAX)
		return false;
	*source = (uint8_t)number;
	return true;
}

static bool sources_read(struct str text, struct search_sources *sources)
{
	struct str part;

	*sources = (struct search_sources) { 0 };
	while (text.size && str_next(&text, ' ', &part)) {
		if (sources->count == SEARCH_SOURCES_MAX || !source_read(part, &sources->numbers[sources->count++]))
			return false;
	}
	return true;
}

bool search_cursor_read(struct str bytes, struct search_cursor *cursor)
{
	struct str rest = bytes;
	struct str lines[LINE_COUNT];

	for (size_t i = 0; i < LINE_COUNT; i++) {
		if (!rest.data || !str_next(&rest, '\n', &lines[i]))
			return false;
	}
	if (lines[LINE_ID].size == 0 || rest.size > 0)
		return false;
	*cursor = (struct search_cursor) { .honoured = lines[LINE_HONOURED],
					   .last = { .time = lines[LINE_TIME],
						     .unique_id = lines[LINE_UNIQUE_ID],
						     .hash = lines[LINE_HASH],
						     .id = lines[LINE_ID] } };
	return source_read(lines[LINE_SOURCE], &cursor->last.source) &&
	       sources_read(lines[LINE_SOURCES], &cursor->sources);
}
