/* MTOM packages: every case also byte by byte, so that no cut between pieces matters. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "mappers/mtom.h"
#include "mappers/unwrap.h"

#define PARTS 8

struct seen {
	struct buf parts[PARTS];
	char ids[PARTS][64];
	size_t count;
	size_t root;
	bool open;
};

static bool on_begin(void *ctx, const struct mtom_part *part)
{
	struct seen *seen = ctx;

	assert_false(seen->open);
	assert_true(seen->count < PARTS);
	assert_int_equal(part->index, seen->count);
	seen->open = true;
	if (part->is_root)
		seen->root = seen->count;
	snprintf(seen->ids[seen->count], sizeof seen->ids[0], "%.*s", STR_ARG(part->content_id));
	buf_init(&seen->parts[seen->count], 1 << 20);
	return true;
}

static bool on_data(void *ctx, const void *bytes, size_t size)
{
	struct seen *seen = ctx;

	assert_true(seen->open && size > 0);
	buf_add(&seen->parts[seen->count], (struct str) { bytes, size });
	return true;
}

static bool on_end(void *ctx)
{
	struct seen *seen = ctx;

	assert_true(seen->open);
	seen->open = false;
	seen->count++;
	return true;
}

static void forget(struct seen *seen)
{
	for (size_t i = 0; i < seen->count + (seen->open ? 1 : 0); i++)
		buf_free(&seen->parts[i]);
	*seen = (struct seen) { .root = SIZE_MAX };
}

/* Reads body in pieces of this size. */
static bool read_package(struct str type_text, struct str body, size_t piece, struct seen *seen,
			 struct outcome *outcome)
{
	struct arena *arena = arena_new(1 << 20);
	struct mtom_handler handler = { seen, on_begin, on_data, on_end };
	struct content_type type;
	bool good;

	outcome_init(outcome);
	assert_true(content_type_parse(type_text, arena, &type, outcome));
	struct mtom_parser *parser = mtom_parser_new(&type, &handler, PARTS, arena);

	assert_non_null(parser);
	good = true;
	while (good && body.size) {
		size_t size = body.size < piece ? body.size : piece;
		/* An exact copy, so that the sanitizer sees a read behind it. */
		char *copy = malloc(size);

		assert_non_null(copy);
		memcpy(copy, body.data, size);
		good = mtom_push(parser, copy, size, outcome);
		free(copy);
		body = str_from(body, size);
	}
	good = good && mtom_finish(parser, outcome);
	arena_free(arena);
	return good;
}

struct package_case {
	const char *type;
	struct str body;
	size_t count; /* 0: must be refused */
	size_t root;
	struct str parts[3];
};

#define TYPE "multipart/related; boundary=\"B\"; type=\"application/xop+xml\"; start=\"<r@x>\""

static const struct package_case cases[] = {
	/* CRLF, LF, mixed; the line end before a delimiter is not content, the one before that is. */
	{ TYPE,
	  STR_INIT("--B\r\nContent-ID: <r@x>\r\n\r\n<a/>\r\n--B\r\ncontent-id:<d@x>\r\n\r\nxy\r\n\r\n--B--\r\n"),
	  2,
	  0,
	  { STR_INIT("<a/>"), STR_INIT("xy\r\n") } },
	{ TYPE,
	  STR_INIT("--B\nContent-ID: <r@x>\n\n<a/>\n--B\nContent-ID:  d@x \n\nxy\n\n--B--"),
	  2,
	  0,
	  { STR_INIT("<a/>"), STR_INIT("xy\n") } },
	/* Preamble, epilogue, blanks behind delimiters. */
	{ TYPE,
	  STR_INIT("pre --B\r\n--Bx\r\n--B \t\r\nContent-ID: <r@x>\r\n\r\n<a/>\r\n--B-- \r\nafter\r\n--B\r\n"),
	  1,
	  0,
	  { STR_INIT("<a/>") } },
	/* What looks like a delimiter and is none. */
	{ TYPE,
	  STR_INIT("--B\r\nContent-ID: <r@x>\r\n\r\n--Bx\r\n--B-x\r\n--B--x\r\n --B\r\nx--B\r\n\r\r\n--B--\r\n"),
	  1,
	  0,
	  { STR_INIT("--Bx\r\n--B-x\r\n--B--x\r\n --B\r\nx--B\r\n\r") } },
	/* No headers, an empty part, an empty part without its own line end. */
	{ "multipart/related; boundary=B",
	  STR_INIT("--B\r\n\r\none\r\n--B\r\n\r\n\r\n--B\r\n\r\n--B--"),
	  3,
	  0,
	  { STR_INIT("one"), STR_INIT(""), STR_INIT("") } },
	/* The root is not the first part; start without brackets, boundary unquoted. */
	{ "Multipart/Related;start=\"r@x\";boundary=B",
	  STR_INIT("--B\nContent-ID: <d@x>\n\nd\n--B\nContent-ID: <r@x>\n\n<a/>\n--B--\n"),
	  2,
	  1,
	  { STR_INIT("d"), STR_INIT("<a/>") } },
	/* Transfer encodings; folded header. */
	{ TYPE,
	  STR_INIT("--B\r\nContent-ID:\r\n <r@x>\r\nContent-Transfer-Encoding: BASE64\r\n\r\nPGEv\r\nPg==\r\n--B\r\n"
		   "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db  \r\nsoft=\r\nly=0A\r\n--B--"),
	  2,
	  0,
	  { STR_INIT("<a/>"), STR_INIT("a=b\r\nsoftly\n") } },
	/* Refused: no last delimiter, foreign boundary, root missing, two parts of one name, unknown encoding, bad base64,
	 * cut base64, bad escape, a header without colon, a header twice. */
	{ TYPE, STR_INIT("--B\r\nContent-ID: <r@x>\r\n\r\n<a/>\r\n"), 0, 0, { { 0 } } },
	{ TYPE, STR_INIT("--B\r\nContent-ID: <r@x>\r\n\r\n<a/>\r\n--B-"), 0, 0, { { 0 } } },
	{ TYPE, STR_INIT("--B\r\nContent-ID: <r@x>\r\n\r\n<a/>\r\n--B\r\n"), 0, 0, { { 0 } } },
	{ TYPE, STR_INIT("--C\r\n\r\n<a/>\r\n--C--\r\n"), 0, 0, { { 0 } } },
	{ TYPE, STR_INIT(""), 0, 0, { { 0 } } },
	{ TYPE, STR_INIT("--B\r\nContent-ID: <q@x>\r\n\r\n<a/>\r\n--B--\r\n"), 0, 0, { { 0 } } },
	{ TYPE, STR_INIT("--B\nContent-ID: <r@x>\n\n<a/>\n--B\nContent-ID: <r@x>\n\nx\n--B--\n"), 0, 0, { { 0 } } },
	{ TYPE,
	  STR_INIT("--B\nContent-ID: <r@x>\nContent-Transfer-Encoding: x-uuencode\n\nx\n--B--\n"),
	  0,
	  0,
	  { { 0 } } },
	{ TYPE,
	  STR_INIT("--B\nContent-ID: <r@x>\nContent-Transfer-Encoding: base64\n\nP*==\n--B--\n"),
	  0,
	  0,
	  { { 0 } } },
	{ TYPE,
	  STR_INIT("--B\nContent-ID: <r@x>\nContent-Transfer-Encoding: base64\n\nPGE\n--B--\n"),
	  0,
	  0,
	  { { 0 } } },
	{ TYPE,
	  STR_INIT("--B\nContent-ID: <r@x>\nContent-Transfer-Encoding: quoted-printable\n\n=ZZ\n--B--\n"),
	  0,
	  0,
	  { { 0 } } },
	{ TYPE, STR_INIT("--B\nContent-ID <r@x>\n\nx\n--B--\n"), 0, 0, { { 0 } } },
	{ TYPE, STR_INIT("--B\nContent-ID: <r@x>\nContent-ID: <q@x>\n\nx\n--B--\n"), 0, 0, { { 0 } } },
	/* More parts than allowed. */
	{ "multipart/related; boundary=B",
	  STR_INIT("--B\n\n1\n--B\n\n2\n--B\n\n3\n--B\n\n4\n--B\n\n5\n--B\n\n6\n--B\n\n7\n--B\n\n8\n--B\n\n9\n--B--"),
	  0,
	  0,
	  { { 0 } } },
};

static void check_case(const struct package_case *c, size_t number, size_t piece)
{
	struct seen seen = { .root = SIZE_MAX };
	struct outcome outcome;
	bool good = read_package(str_from_c(c->type), c->body, piece, &seen, &outcome);

	if (good != (c->count > 0))
		fail_msg("case %zu in pieces of %zu: %s", number, piece, good ? "not refused" : outcome.issues[0].text);
	assert_int_equal(good, !outcome.has_error);
	if (good) {
		assert_int_equal(seen.count, c->count);
		assert_int_equal(seen.root, c->root);
	}
	for (size_t i = 0; good && i < c->count; i++) {
		if (!str_equal(buf_str(&seen.parts[i]), c->parts[i]))
			fail_msg("case %zu in pieces of %zu, part %zu: \"%.*s\"", number, piece, i,
				 STR_ARG(buf_str(&seen.parts[i])));
	}
	forget(&seen);
}

static void test_mtom__cases(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 7, 16, 1000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (size_t k = 0; k < COUNT_OF(pieces); k++)
			check_case(&cases[i], i, pieces[k]);
	}
}

/* Bytes full of almost-delimiters come out as they went in, wherever they are cut. */
static void test_mtom__hostile_bytes(void **state)
{
	static const char *tokens[] = { "\r",  "\n",     "\r\n",  "--", "-",        "B",
					"--B", "\r\n--", "\n--B", " ",  "\r\n--Bx", "\0" };
	unsigned seed = 20240229;
	struct buf body;
	struct buf want;

	(void)state;
	buf_init(&body, 1 << 20);
	buf_init(&want, 1 << 20);
	for (int round = 0; round < 300; round++) {
		struct seen seen = { .root = SIZE_MAX };
		struct outcome outcome;

		buf_clear(&body);
		buf_clear(&want);
		for (int i = 0; i < 60; i++) {
			seed = seed * 1103515245 + 12345;
			const char *token = tokens[(seed >> 16) % COUNT_OF(tokens)];

			buf_add(&want, (struct str) { token, *token ? strlen(token) : 1 });
		}
		/* The tokens can begin the boundary and never complete it. */
		buf_add(&body, STR("--BQ\r\n\r\n"));
		buf_add(&body, buf_str(&want));
		buf_add(&body, STR("\r\n--BQ--\r\n"));
		assert_true(read_package(STR("multipart/related; boundary=BQ"), buf_str(&body), 1 + (seed >> 20) % 9,
					 &seen, &outcome));
		assert_true(str_equal(buf_str(&seen.parts[0]), buf_str(&want)));
		forget(&seen);
	}
	buf_free(&body);
	buf_free(&want);
}

static void test_mtom__headers_too_long(void **state)
{
	struct seen seen = { .root = SIZE_MAX };
	struct outcome outcome;
	struct buf body;

	(void)state;
	buf_init(&body, 1 << 20);
	buf_add(&body, STR("--B\r\nX: "));
	for (int i = 0; i < 20000; i++)
		buf_add_char(&body, 'x');
	buf_add(&body, STR("\r\n\r\nx\r\n--B--\r\n"));
	assert_false(read_package(STR(TYPE), buf_str(&body), 4096, &seen, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_LONG);
	buf_free(&body);
	forget(&seen);
}

static void test_content_type__parse(void **state)
{
	static const char *bad[] = {
		"",
		"multipart",
		"multipart/related",
		"multipart/related; boundary=\"\"",
		"multipart/related; boundary=\"a\"; boundary=\"b\"",
		"multipart/related; boundary=\"a",
		"multipart/related; boundary=\"a\" x",
		"multipart/related; boundary",
		"multipart/related; boundary=\"a \"",
		"multipart/related; boundary=\"a\tb\"",
		"multipart/related; boundary=aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg1"
	};
	struct arena *arena = *state;
	struct content_type type;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(content_type_parse(
		STR("multipart/related; type=\"application/xop+xml\";start=\"<http://tempuri.org/0>\";"
		    "boundary=\"uuid:898b+id=5\";start-info=\"application/soap+xml; action=\\\"urn:a\\\"\" ; "),
		arena, &type, &outcome));
	assert_true(content_type_is_multipart(&type));
	assert_true(str_equal(type.boundary, STR("uuid:898b+id=5")));
	assert_true(str_equal(type.start, STR("http://tempuri.org/0")));
	assert_true(str_equal(type.action, STR("urn:a")));
	assert_true(content_type_parse(STR("Application/SOAP+xml;charset=UTF-8;action=urn:b"), arena, &type, &outcome));
	assert_true(str_equal(type.media_type, STR("application/soap+xml")));
	assert_true(str_equal(type.charset, STR("UTF-8")));
	assert_true(str_equal(type.action, STR("urn:b")));
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		outcome_init(&outcome);
		if (content_type_parse(str_from_c(bad[i]), arena, &type, &outcome))
			fail_msg("not refused: %s", bad[i]);
		assert_int_equal(outcome.issues[0].code, ERR_MEDIA_TYPE);
	}
}

static void test_content_id__matches(void **state)
{
	(void)state;
	assert_true(content_id_matches(STR("a@x"), STR("a@x")));
	assert_true(content_id_matches(STR("a%40x"), STR("a@x")));
	assert_true(content_id_matches(STR("a%3Ab@x"), STR("a:b@x")));
	assert_true(content_id_matches(STR("a%40x"), STR("a%40x")));
	assert_true(content_id_matches(STR("a@x"), STR("a%40x")));
	assert_false(content_id_matches(STR("a@x"), STR("a@xy")));
	assert_false(content_id_matches(STR("a@xy"), STR("a@x")));
	assert_false(content_id_matches(STR("a%4"), STR("a@")));
	assert_false(content_id_matches(STR(""), STR("a")));
}

/* What is written is read back, with the root first and nothing else in the content type than TF-2 V.3 has. */
static void test_mtom__write_and_read(void **state)
{
	struct seen seen = { .root = SIZE_MAX };
	struct outcome outcome;
	struct buf type;
	struct buf body;

	(void)state;
	buf_init(&type, 1000);
	buf_init(&body, 10000);
	mtom_write_content_type(&type, STR("b-1"), STR("root@x"), STR("urn:a"));
	assert_string_equal(type.data, "multipart/related; boundary=\"b-1\"; type=\"application/xop+xml\"; "
				       "start=\"<root@x>\"; start-info=\"application/soap+xml\"; action=\"urn:a\"");
	mtom_write_root_head(&body, STR("b-1"), STR("root@x"));
	buf_add(&body, STR("<a/>"));
	mtom_write_part_head(&body, STR("b-1"), STR("d@x"), STR("text/plain\r\nX-Forged: yes"));
	buf_add(&body, STR("bytes\r\n"));
	mtom_write_end(&body, STR("b-1"));
	assert_null(strstr(body.data, "Forged"));
	assert_true(read_package(buf_str(&type), buf_str(&body), 3, &seen, &outcome));
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.root, 0);
	assert_string_equal(seen.ids[1], "d@x");
	assert_true(str_equal(buf_str(&seen.parts[1]), STR("bytes\r\n")));
	forget(&seen);
	buf_free(&type);
	buf_free(&body);
}

static void test_unwrap__forms(void **state)
{
	static const struct {
		struct str text;
		const char *root; /* NULL: refused */
		size_t part_count;
	} forms[] = {
		{ STR_INIT("\xEF\xBB\xBF <a/>\n"), "<a/>", 0 },
		{ STR_INIT("--B\n\n<a/>\n--B\n\nx\n--B--\n"), "<a/>", 1 },
		{ STR_INIT("captured\nPOST /x HTTP/1.1\nHost: h\nContent-Type: multipart/related; boundary=B \n "
			   "\n--B\n\n<a/>\n--B--"),
		  "<a/>", 0 },
		{ STR_INIT("HTTP/1.1 200 OK\r\ncontent-type: application/soap+xml\r\n\r\n<a/>"), "<a/>", 0 },
		{ STR_INIT("HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "2;x=y\r\n<a\r\n2\r\n/>\r\n0\r\n\r\n"),
		  "<a/>", 0 },
		{ STR_INIT("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: "
			   "chunked\r\n\r\nfff\r\n<a/>\r\n0\r\n"),
		  NULL, 0 },
		{ STR_INIT("HTTP/1.1 200 OK\r\nContent-Type: multipart/related; "
			   "boundary=C\r\n\r\n--B\r\n\r\n<a/>\r\n--B--"),
		  NULL, 0 },
		{ STR_INIT(""), NULL, 0 },
		{ STR_INIT("hello"), NULL, 0 },
	};

	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct unwrapped unwrapped;
		struct outcome outcome;

		outcome_init(&outcome);
		bool good = unwrap(forms[i].text, *state, &unwrapped, &outcome);

		if (good != (forms[i].root != NULL))
			fail_msg("form %zu: %s", i, good ? "not refused" : outcome.issues[0].text);
		if (!good)
			continue;
		assert_true(str_equal(unwrapped.root, str_from_c(forms[i].root)));
		assert_int_equal(unwrapped.part_count, forms[i].part_count);
	}
}

static int setup(void **state)
{
	*state = arena_new(16 << 20);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mtom__cases),
		cmocka_unit_test(test_mtom__hostile_bytes),
		cmocka_unit_test(test_mtom__headers_too_long),
		cmocka_unit_test_setup_teardown(test_content_type__parse, setup, teardown),
		cmocka_unit_test(test_content_id__matches),
		cmocka_unit_test(test_mtom__write_and_read),
		cmocka_unit_test_setup_teardown(test_unwrap__forms, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
