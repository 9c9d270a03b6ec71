#include "mappers/audit_text.h"

#include "mappers/base/buf.h"

#define REPLACEMENT "\xEF\xBF\xBD"
#define CUT_MARK    " ... (cut)"

static bool is_writable(struct str text, size_t at, size_t *size)
{
	unsigned char c = (unsigned char)text.data[at];

	*size = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
	if (c < 0x80)
		return c >= 0x20 && c != 0x7F;
	if (at + *size > text.size || !str_is_utf8((struct str) { text.data + at, *size })) {
		*size = 1;
		return false;
	}
	/* C1 controls (a terminal obeys them), U+FFFE, U+FFFF */
	return !(c == 0xC2 && (unsigned char)text.data[at + 1] < 0xA0) &&
	       !(c == 0xEF && (unsigned char)text.data[at + 1] == 0xBF && (unsigned char)text.data[at + 2] >= 0xBE);
}

struct str audit_text(struct arena *arena, struct str text)
{
	struct str result;
	struct buf out;

	text = str_trim(text);
	if (str_is_empty(text))
		return STR_NONE;
	buf_init(&out, AUDIT_TEXT_BYTES_MAX + sizeof(CUT_MARK));
	for (size_t i = 0; i < text.size && !out.failed;) {
		size_t size = 1;
		bool writable = is_writable(text, i, &size);

		if (out.size + size + sizeof(REPLACEMENT) > AUDIT_TEXT_BYTES_MAX) {
			buf_add(&out, STR(CUT_MARK));
			break;
		}
		if (writable)
			buf_add(&out, (struct str) { text.data + i, size });
		else if (text.data[i] == '\n' || text.data[i] == '\r' || text.data[i] == '\t')
			buf_add_char(&out, ' ');
		else
			buf_add(&out, STR(REPLACEMENT));
		i += size;
	}
	result = out.failed ? STR_NONE : arena_copy(arena, buf_str(&out));
	buf_free(&out);
	return result;
}

struct str audit_uri(struct arena *arena, struct str uri)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out;
	size_t size = 0;

	if (uri.size > AUDIT_TEXT_BYTES_MAX)
		uri.size = AUDIT_TEXT_BYTES_MAX;
	out = arena_alloc(arena, 3 * uri.size + 1);
	if (!out || uri.size == 0)
		return STR_NONE;
	for (size_t i = 0; i < uri.size; i++) {
		unsigned char c = (unsigned char)uri.data[i];

		if (c > 0x20 && c < 0x7F && c != '"' && c != '<' && c != '>' && c != '\\') {
			out[size++] = (char)c;
			continue;
		}
		out[size++] = '%';
		out[size++] = hex[c >> 4];
		out[size++] = hex[c & 15];
	}
	return (struct str) { out, size };
}
