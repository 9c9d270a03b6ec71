/* What the reader of XDS messages and the guard before it refuse, and where their limits are. */
#include "message_stand.h"

#include "mappers/xds_message.h"
#include "mappers/xml_guard.h"

static void must_refuse(const char *xml, enum error_code code, struct arena *arena)
{
	struct xds_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	if (xds_message_read(str_from_c(xml), NULL, arena, &message, &outcome))
		fail_msg("not refused: %s", xml);
	assert_int_equal(outcome.count, 1);
	assert_int_equal(outcome.issues[0].code, code);
}

static void test_message__refused(void **state)
{
	static const struct {
		const char *xml;
		enum error_code code;
	} rows[] = {
		{ "", ERR_BODY_MALFORMED },
		{ "no xml", ERR_BODY_MALFORMED },
		{ "<a>", ERR_BODY_MALFORMED },
		{ "<a></b>", ERR_BODY_MALFORMED },
		{ "<a></a></a>", ERR_BODY_MALFORMED },
		{ "<a b='/>", ERR_BODY_MALFORMED },
		{ "<a b='<'/>", ERR_BODY_MALFORMED },
		{ "<a", ERR_BODY_MALFORMED },
		{ "<a></a", ERR_BODY_MALFORMED },
		{ "<", ERR_BODY_MALFORMED },
		{ "<a/><b/>", ERR_BODY_MALFORMED },
		{ "<a/>text", ERR_BODY_MALFORMED },
		{ "<a b='1' b='2'/>", ERR_BODY_MALFORMED },
		{ "<x:a/>", ERR_BODY_MALFORMED },
		{ "<a>&nbsp;</a>", ERR_BODY_MALFORMED },
		{ "<a>&#0;</a>", ERR_BODY_MALFORMED },
		{ "<a>\x01</a>", ERR_BODY_MALFORMED },
		{ "<a>\xD8</a>", ERR_BODY_MALFORMED },
		{ "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", ERR_BODY_MALFORMED },
		{ "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", ERR_BODY_MALFORMED },
		{ "<?xml version='1.0' encoding='ISO-8859-1'?><a/>", ERR_BODY_MALFORMED },
		{ "<?xml\tversion='1.0'\tencoding = \"UTF-16\"?><a/>", ERR_BODY_MALFORMED },
		{ "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body/></s:Envelope>",
		  ERR_BODY_MALFORMED },
		{ "<s:Envelope " SOAP12 "><s:Body/></s:Envelope>", ERR_BODY_MALFORMED },
		{ "<s:Envelope " SOAP12 "><s:Body><a/><b/></s:Body></s:Envelope>", ERR_BODY_MALFORMED },
		{ "<s:Envelope " SOAP12 "><s:Body><a/></s:Body><s:Body><b/></s:Body></s:Envelope>",
		  ERR_BODY_MALFORMED },
		{ "<SubmitObjectsRequest xmlns='urn:oasis:names:tc:ebxml-regrep:registry:xsd:2.1'/>",
		  ERR_BODY_MALFORMED },
		{ SUBMIT("<LeafRegistryObjectList xmlns='urn:oasis:names:tc:ebxml-regrep:rim:xsd:2.1'/>"),
		  ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'>no base64!</xds:Document>"), ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'>Zm9</xds:Document>"), ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'><x/></xds:Document>"), ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'><xop:Include " XOP " href='http://h/x'/></xds:Document>"),
		  ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'><xop:Include " XOP " href='file:///etc/passwd'/></xds:Document>"),
		  ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'><xop:Include " XOP "/></xds:Document>"), ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'>Zg==<xop:Include " XOP " href='cid:x'/></xds:Document>"),
		  ERR_BODY_MALFORMED },
		{ PROVIDE("<xds:Document id='a'><xop:Include " XOP " href='cid:x'/>Zg==</xds:Document>"),
		  ERR_BODY_MALFORMED },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		must_refuse(rows[i].xml, rows[i].code, *state);
	struct xds_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_false(xds_message_read(STR("<\0a\0/\0>\0"), NULL, *state, &message, &outcome));
	assert_false(xds_message_read(STR("<a b='x\0y'/>"), NULL, *state, &message, &outcome));
	assert_false(xds_message_read(STR("<abcdefgh>\0</abcdefgh>"), NULL, *state, &message, &outcome));
}

static void test_message__too_many_elements(void **state)
{
	struct xds_message message;
	struct outcome outcome;
	struct buf xml;

	outcome_init(&outcome);
	buf_init(&xml, 64 << 20);
	buf_add(&xml, STR("<a>"));
	for (size_t i = 0; i < 4 << 20; i++)
		buf_add(&xml, STR("<b/>"));
	buf_add(&xml, STR("</a>"));
	assert_false(xds_message_read(buf_str(&xml), NULL, *state, &message, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_LONG);
	buf_free(&xml);
}

/* Depth 64 is read, 65 is not, whatever the elements are. */
static void test_message__depth(void **state)
{
	for (size_t depth = 64; depth <= 65; depth++) {
		struct xds_message message;
		struct outcome outcome;
		struct buf xml;

		outcome_init(&outcome);
		buf_init(&xml, 10000);
		for (size_t i = 0; i < depth; i++)
			buf_add(&xml, STR("<a>"));
		for (size_t i = 0; i < depth; i++)
			buf_add(&xml, STR("</a>"));
		assert_int_equal(xds_message_read(buf_str(&xml), NULL, *state, &message, &outcome), depth == 64);
		assert_true(depth == 64 || outcome.issues[0].code == ERR_TOO_LONG);
		buf_free(&xml);
	}
}

static bool guard_says(const char *before, const char *piece, size_t times, const char *after)
{
	struct outcome outcome;
	struct buf xml;
	bool good;

	outcome_init(&outcome);
	buf_init(&xml, 64 << 20);
	buf_add(&xml, str_from_c(before));
	for (size_t i = 0; i < times; i++)
		buf_add(&xml, str_from_c(piece));
	buf_add(&xml, str_from_c(after));
	good = xml_guard(buf_str(&xml), &xml_limits_default, &outcome);
	assert_int_equal(good, !outcome.has_error);
	buf_free(&xml);
	return good;
}

static void test_guard__limits(void **state)
{
	(void)state;
	assert_true(guard_says("<a ", "b='1' ", 256, "/>"));
	assert_false(guard_says("<a ", "b='1' ", 257, "/>"));
	assert_false(guard_says("<a ", "xmlns:b='1' ", 100000, "/>"));
	assert_true(guard_says("<a>", "<b/>", 1000, "</a>"));
	assert_true(guard_says("<a b='", "x", 64 << 10, "'/>"));
	assert_false(guard_says("<a b='", "x", (64 << 10) + 1, "'/>"));
	assert_false(guard_says("<a ", " ", (256 << 10) + 1, "/>"));
	assert_true(guard_says("<a>", "x", 12 << 20, "</a>"));
	/* What only looks like markup, and what tries to hide markup. */
	assert_true(guard_says("<a b='>' c=\"'<x\"><!-- <b> --><![CDATA[<c>]]><?pi <d> ?>", "", 0, "</a>"));
	assert_false(guard_says("<!--><a b=\"--><x ", "a='1' ", 300, "/>"));
	assert_false(guard_says("<a><![CDATA[", "", 0, "</a>"));
	assert_false(guard_says("<a><!-- ", "", 0, "</a>"));
	assert_false(guard_says("<a b='>' ", "c='1' ", 300, "/>"));
	assert_false(guard_says("<a b=\"'>\" ", "c='1' ", 300, "/>"));
	assert_false(guard_says("<a>text!</a><!-", "-", 0, "DOCTYPE>"));
	assert_false(guard_says("<!-- x --><![CDATA[<!DOCTYPE x>]]><!", "", 0, "ENTITY>"));
	assert_true(guard_says("<a>! <!-- <!DOCTYPE x> --><![CDATA[<!DOCTYPE x>]]>", "!", 9, "</a>"));
	/* After more than a window of text, and at the very end. */
	assert_false(guard_says("<a>", "x", 5000, "<!DOCTYPE x>"));
}

/* The n-th allocation fails, for each n: an error is reported and nothing leaks. */
static void test_message__without_memory(void **state)
{
	static const char xml[] = PROVIDE("<xds:Document id='a'>Zg==</xds:Document>");
	static const char query[] =
		"<q:AdhocQueryRequest " QUERY " " RIM "><rim:AdhocQuery id='i'><rim:Slot name='$p'><rim:ValueList>"
		"<rim:Value>('O''B','c')</rim:Value></rim:ValueList></rim:Slot></rim:AdhocQuery></q:AdhocQueryRequest>";
	static const char objects[] =
		SUBMIT("<rim:ExtrinsicObject id='d'><rim:Slot name='URI'><rim:ValueList><rim:Value>1|a</rim:Value>"
		       "</rim:ValueList></rim:Slot><rim:Name><rim:LocalizedString value='&amp;'/></rim:Name>"
		       "<rim:Classification/><rim:ExternalIdentifier/></rim:ExtrinsicObject>"
		       "<rim:Classification classifiedObject='d'/>");
	const char *texts[] = { xml, query, objects };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		bool good = false;

		for (size_t n = 0; !good; n++) {
			struct arena *arena = arena_new(1 << 20);
			struct xds_message message;
			struct outcome outcome;

			outcome_init(&outcome);
			arena_fail_at(arena, n);
			good = xds_message_read(str_from_c(texts[i]), NULL, arena, &message, &outcome);
			if (!good) {
				assert_int_equal(outcome.count, 1);
				assert_int_equal(outcome.issues[0].code, ERR_NO_MEMORY);
			}
			assert_true(n < 200);
			arena_free(arena);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_message__refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__too_many_elements, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message__depth, setup, teardown),
		cmocka_unit_test(test_guard__limits),
		cmocka_unit_test(test_message__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
