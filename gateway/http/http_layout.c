/* What libmicrohttpd 0.9.75 leaves in its read buffer after parsing, byte for byte:
 *
 *   METHOD\0TARGET\0VERSION\0\0NAME\0 VALUE\0\0NAME\0 VALUE\0\0\0\0
 *
 * where each \0 replaced the blank, the colon, CR or LF that stood there. A bare LF gives one NUL instead of two, a
 * folded line is moved elsewhere, a NUL inside a value or the target ends it early, a blank before the colon or two
 * blanks in the request line leave a byte too many: all of them break this pattern. It is private to the library;
 * tests/unit/test_http_smuggling.c fails when an update changes it. */
#include "gateway/http/exchange.h"

struct walk {
	const char *expected; /* where the next name must begin */
	bool plain;
};

static enum MHD_Result walk_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_size,
				   const char *value, size_t value_size)
{
	struct walk *walk = cls;

	(void)kind;
	walk->plain = false;
	if (name != walk->expected || strlen(name) != name_size || name_size == 0 || !value)
		return MHD_NO;
	const char *at = name + name_size + 1;

	while (at < value && (*at == ' ' || *at == '\t'))
		at++;
	if (at != value || strlen(value) != value_size)
		return MHD_NO;
	if (value[value_size] != '\0' || value[value_size + 1] != '\0')
		return MHD_NO;
	walk->expected = value + value_size + 2;
	walk->plain = true;
	return MHD_YES;
}

bool layout_is_plain(struct MHD_Connection *mhd, const char *method, const char *target_at, size_t target_size,
		     const char *version)
{
	struct walk walk = { .plain = true };

	if (!target_at || target_at != method + strlen(method) + 1 || version != target_at + target_size + 1)
		return false;
	size_t version_size = strlen(version);

	if (version_size == 0 || version[version_size + 1] != '\0')
		return false;
	walk.expected = version + version_size + 2;
	MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, walk_header, &walk);
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	/* The empty line: two bytes more, and the head is over. */
	return walk.plain && info && info->header_size == (size_t)(walk.expected + 2 - method);
}
