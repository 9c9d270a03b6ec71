#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mappers/base/buf.h"
#include "mappers/xml_sax.h"

static bool keep_values(void *ctx, const char *local, const char *uri, const unsigned char **attributes, size_t count)
{
	(void)local;
	(void)uri;
	for (size_t i = 0; i < count; i++) {
		const char *value = (const char *)attributes[5 * i + 3];

		buf_add(ctx, (struct str) { value, (size_t)((const char *)attributes[5 * i + 4] - value) });
		buf_add_char(ctx, '|');
	}
	return true;
}

static bool keep_end(void *ctx)
{
	(void)ctx;
	return true;
}

static bool keep_text(void *ctx, struct str text)
{
	buf_add(ctx, text);
	return true;
}

/* XML 1.0 4.6: the five entities and character references stand for their characters, also in attributes. */
static void test_xml_sax__decodes_references(void **state)
{
	static const struct xml_handler handler = { keep_values, keep_end, keep_text, NULL };
	static const struct {
		const char *xml;
		const char *wanted;
	} cases[] = {
		{ "<a b='x &amp; y'/>", "x & y|" },
		{ "<a b='&amp;' c='&#38;&#x26;&amp;amp;'/>", "&|&&&amp;|" },
		{ "<a b='&lt;&gt;&quot;&apos;&#10;'/>", "<>\"'\n|" },
		{ "<a b='a&amp;#38;b'/>", "a&#38;b|" },
		{ "<a>x &amp; y &lt;</a>", "x & y <" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct outcome outcome;
		struct buf kept;

		outcome_init(&outcome);
		buf_init(&kept, 1000);
		assert_true(xml_sax_read(str_from_c(cases[i].xml), &xml_limits_default, &handler, &kept, &outcome));
		assert_string_equal(kept.data, cases[i].wanted);
		buf_free(&kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xml_sax__decodes_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
