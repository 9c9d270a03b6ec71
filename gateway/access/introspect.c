#include "gateway/access/introspect.h"

#include "gateway/south/json_fetch.h"
#include "mappers/base/buf.h"

#define ANSWER_BYTES_MAX ((size_t)64 * 1024)
#define ASK_MS           2000

/* Of the characters of a token (RFC 6750 2.1) three mean something else in a form. */
static void form_write(struct str token, struct buf *out)
{
	buf_add(out, STR("token_type_hint=access_token&token="));
	for (size_t i = 0; i < token.size; i++) {
		char c = token.data[i];

		if (c == '+' || c == '/' || c == '=')
			buf_printf(out, "%%%02X", (unsigned)c);
		else
			buf_add_char(out, c);
	}
}

enum introspected introspect(const struct issuer *issuer, struct str token, const struct south *south, json_t **answer)
{
	struct json_ask ask = { .url = issuer->config->introspection_url.data,
				.tls = { .ca_file = issuer->config->ca_file.data },
				.authorization = str_trim(issuer->config->introspection_authorization),
				.bytes_max = ANSWER_BYTES_MAX,
				.time_ms = ASK_MS };
	const json_t *active;
	struct str text;
	struct buf form;
	bool got;

	buf_init(&form, 4 * JWT_BYTES_MAX);
	form_write(token, &form);
	ask.form = buf_str(&form);
	got = !form.failed && json_fetch(south, &ask, &text);
	buf_free(&form);
	*answer = got ? jwt_object_read(text, south->arena) : NULL;
	active = json_object_get(*answer, "active");
	if (json_is_true(active))
		return INTROSPECT_ACTIVE;
	return json_is_false(active) ? INTROSPECT_INACTIVE : INTROSPECT_AWAY;
}
