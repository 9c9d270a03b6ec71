/* Times, OIDs, UUIDs, base64 and HL7 text: what XDS attributes are made of. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "mappers/base/base64.h"
#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"

#define assert_str(s, text) assert_text(s, text, __LINE__)

static void assert_text(struct str s, const char *text, int line)
{
	if (!str_equal(s, str_from_c(text)))
		fail_msg("line %d: \"%.*s\" is not \"%s\"", line, STR_ARG(s), text);
}

static int setup(void **state)
{
	*state = arena_new(1 << 20);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

/* Nothing is read behind the end, whatever the length. */
static void test_utf8__bounds(void **state)
{
	(void)state;
	for (size_t size = 0; size < 200; size++) {
		char *text = malloc(size ? size : 1);

		assert_non_null(text);
		memset(text, 'x', size);
		assert_true(str_is_utf8((struct str) { text, size }));
		if (size) {
			text[size - 1] = (char)0xC3;
			assert_false(str_is_utf8((struct str) { text, size }));
		}
		free(text);
	}
}

static void test_xds_time__valid(void **state)
{
	(void)state;
	static const char *good[] = { "2024", "202402", "20240229", "2024022923", "202402292359", "20240229235960" };
	static const char *bad[] = { "",          "202",     "20241", "20241301",     "20230229",          "2024022924",
				     "20240229T", "2024-02", "0000",  "202402292360", "202402291200+0100", "2024 " };

	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(xds_time_valid(str_from_c(good[i])));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(xds_time_valid(str_from_c(bad[i])));
}

/* FHIR dateTime is turned into UTC; a date is nominal and keeps its digits. */
static void test_xds_time__from_fhir(void **state)
{
	static const struct {
		const char *fhir;
		int offset;
		const char *dtm; /* NULL: refused */
	} cases[] = {
		{ "2024", 60, "2024" },
		{ "2024-02", 60, "202402" },
		{ "2024-02-29", 60, "20240229" },
		{ "2024-02-29T23:30:00Z", 60, "20240229233000" },
		{ "2024-02-29T23:30:00-05:00", 0, "20240301043000" },
		{ "2024-03-01T00:30:00+01:00", 0, "20240229233000" },
		{ "2024-01-01T00:00:00+14:00", 0, "20231231100000" },
		{ "2024-02-29T23:30:00.987654Z", 0, "20240229233000" },
		{ "2024-02-29T23:30:00", 60, "20240229223000" },
		{ "2024-02-29T23:30Z", 0, "202402292330" },
		{ "2016-12-31T23:59:60Z", 0, "20161231235960" },
		{ "1900-02-28T23:30:00-01:00", 0, "19000301003000" },
		{ "2000-02-28T23:30:00-01:00", 0, "20000229003000" },
		{ "2023-02-29", 0, NULL },
		{ "2024-2-29", 0, NULL },
		{ "2024-02-29T", 0, NULL },
		{ "2024-02-29T24:00:00Z", 0, NULL },
		{ "2024-02-29T23:30:00.Z", 0, NULL },
		{ "2024-02-29T23:30:00+0100", 0, NULL },
		{ "2024-02-29T23:30:00+15:00", 0, NULL },
		{ "2024-02T10:00:00Z", 0, NULL },
		{ "20240229", 0, NULL },
		{ "2024-02-29T23:30:00ZZ", 0, NULL },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str dtm = STR("untouched");
		bool good = xds_time_from_fhir(str_from_c(cases[i].fhir), cases[i].offset, *state, &dtm);

		assert_int_equal(good, cases[i].dtm != NULL);
		assert_str(dtm, cases[i].dtm ? cases[i].dtm : "untouched");
	}
}

static void test_xds_time__to_fhir(void **state)
{
	static const struct {
		const char *dtm, *fhir;
	} cases[] = {
		{ "2024", "2024" },
		{ "202402", "2024-02" },
		{ "20240229", "2024-02-29" },
		{ "2024022923", "2024-02-29T23:00:00Z" },
		{ "202402292330", "2024-02-29T23:30:00Z" },
		{ "20240229233015", "2024-02-29T23:30:15Z" },
		{ "20240229233015.123-0100", "2024-03-01T00:30:15Z" },
		{ "202402290030+0100", "2024-02-28T23:30:00Z" },
	};
	struct str out;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(xds_time_to_fhir(str_from_c(cases[i].dtm), *state, &out));
		assert_str(out, cases[i].fhir);
	}
	assert_false(xds_time_to_fhir(STR("20240230"), *state, &out));
	assert_true(xds_time_to_fhir(STR(" 20240229233015.5+0200 "), *state, &out));
	assert_str(out, "2024-02-29T21:30:15Z");
	assert_true(xds_time_to_fhir(STR("2024022923+0530"), *state, &out));
	assert_str(out, "2024-02-29T17:30:00Z");
}

static void test_xds_time__range(void **state)
{
	(void)state;
	static const char *cases[][3] = {
		{ "2024", "20240101000000", "20250101000000" },
		{ "202402", "20240201000000", "20240301000000" },
		{ "202412", "20241201000000", "20250101000000" },
		{ "20240229", "20240229000000", "20240301000000" },
		{ "2024123123", "20241231230000", "20250101000000" },
		{ "202402292359", "20240229235900", "20240301000000" },
		{ "20240229235959", "20240229235959", "20240301000000" },
		{ "9999", "99990101000000", "99991231235959" },
	};
	char low[XDS_TIME_SIZE];
	char high[XDS_TIME_SIZE];

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(xds_time_range(str_from_c(cases[i][0]), low, high));
		assert_string_equal(low, cases[i][1]);
		assert_string_equal(high, cases[i][2]);
	}
}

/* Seconds from `date -u -d ... +%s`. */
static void test_xds_time__unix(void **state)
{
	(void)state;
	static const struct {
		int64_t seconds;
		const char *dtm;
	} cases[] = {
		{ 0, "19700101000000" },          { -1, "19691231235959" },           { 951782400, "20000229000000" },
		{ 4102444799, "20991231235959" }, { 253402300799, "99991231235959" }, { -62135596800, "00010101000000" }
	};
	char dtm[XDS_TIME_SIZE];
	char instant[FHIR_INSTANT_SIZE];
	int64_t seconds;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		xds_time_from_unix(cases[i].seconds, dtm);
		assert_string_equal(dtm, cases[i].dtm);
		assert_true(xds_time_to_unix(str_from_c(cases[i].dtm), &seconds));
		assert_true(seconds == cases[i].seconds);
	}
	xds_time_from_unix(INT64_MAX, dtm);
	assert_string_equal(dtm, "99991231235959");
	xds_time_from_unix(INT64_MIN, dtm);
	assert_string_equal(dtm, "00010101000000");
	fhir_instant_from_unix(951782400, instant);
	assert_string_equal(instant, "2000-02-29T00:00:00Z");
}

static void test_oid__valid(void **state)
{
	(void)state;
	static const char *good[] = { "1.2",
				      "0.9.2342",
				      "2.999",
				      "1.39.0",
				      "2.25.329800735698586629295641978511506172918",
				      "1.2.345678901.345678901.345678901.345678901.345678901.3456789012" };
	static const char *bad[] = { "",      "1",
				     "1.",    ".1",
				     "1..2",  "1.02",
				     "3.1",   "1.40",
				     "10.2",  "1.2a",
				     "1.2 ",  "urn:oid:1.2",
				     "1.400", "1.2.345678901.345678901.345678901.345678901.345678901.34567890123" };

	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(oid_valid(str_from_c(good[i])));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(oid_valid(str_from_c(bad[i])));
	assert_true(oid_urn_valid(STR("urn:oid:1.2.3")));
	assert_false(oid_urn_valid(STR("1.2.3")));
}

/* The OID of f81d4fae-... is the example of ITU-T X.667. */
static void test_uuid__forms(void **state)
{
	(void)state;
	static const unsigned char random[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
						  0xff, 0,    1,    2,    3,    4,    5,    6 };
	char urn[UUID_URN_SIZE];
	char oid[UUID_OID_SIZE];

	uuid_format(random, urn);
	assert_string_equal(urn, "urn:uuid:ffffffff-ffff-4fff-bf00-010203040506");
	assert_true(uuid_valid(str_from_c(urn)));
	assert_true(uuid_to_oid(STR("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), oid));
	assert_string_equal(oid, "2.25.329800735698586629295641978511506172918");
	assert_true(uuid_to_oid(STR("urn:uuid:FFFFFFFF-ffff-ffff-ffff-ffffffffffff"), oid));
	assert_string_equal(oid, "2.25.340282366920938463463374607431768211455");
	assert_true(uuid_to_oid(STR("00000000-0000-0000-0000-000000000000"), oid));
	assert_string_equal(oid, "2.25.0");
	assert_false(uuid_valid(STR("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")));
	assert_false(uuid_valid(STR("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf")));
	assert_false(uuid_valid(STR("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bfg")));
	assert_false(uuid_valid(STR("urn:uuid:f81d4fae07dec-11d0-a765-00a0c91e6bf6")));
}

/* The vectors of RFC 4648 section 10, whole and byte by byte. */
static void test_base64__vectors(void **state)
{
	static const char *cases[][2] = { { "", "" },
					  { "f", "Zg==" },
					  { "fo", "Zm8=" },
					  { "foo", "Zm9v" },
					  { "foob", "Zm9vYg==" },
					  { "fooba", "Zm9vYmE=" },
					  { "foobar", "Zm9vYmFy" } };

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct str bytes;
		struct base64_decoder decoder;
		unsigned char out[8];
		char all[16];
		size_t size = 0;
		size_t written;

		size = base64_encode(cases[i][0], strlen(cases[i][0]), all);
		assert_str(((struct str) { all, size }), cases[i][1]);
		size = 0;
		assert_true(base64_decode(str_from_c(cases[i][1]), *state, &bytes));
		assert_str(bytes, cases[i][0]);
		base64_decoder_init(&decoder);
		for (const char *c = cases[i][1]; *c; c++) {
			assert_true(base64_decoder_push(&decoder, (struct str) { c, 1 }, out, &written));
			memcpy(all + size, out, written);
			size += written;
		}
		assert_true(base64_decoder_finish(&decoder));
		assert_str(((struct str) { all, size }), cases[i][0]);
	}
}

static void test_base64__strict(void **state)
{
	static const char *bad[] = { "Z", "Zg",   "Zg=",  "Zh==", "Zm9=", "Zg==Zg==", "Zm9v=", "====",
				     "=", "Zm9-", "Zm9_", "Zm.v", "Zg=a", "Zg===",    "Zm8==", "\xC3\xA9==" };
	struct str bytes;

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(base64_decode(str_from_c(bad[i]), *state, &bytes));
	assert_true(base64_decode(STR(" Zm\r\n9v\tYg = =\n"), *state, &bytes));
	assert_str(bytes, "foob");
	assert_true(base64_decode(STR("////+A=="), *state, &bytes));
	assert_int_equal(bytes.size, 4);
	assert_memory_equal(bytes.data, "\xff\xff\xff\xf8", 4);
}

/* One pass from left to right: \E\S\E\ is a literal \S\. */
static void test_hl7__escapes(void **state)
{
	assert_str(hl7_escape(STR("a\\b|c^d&e~f"), *state), "a\\E\\b\\F\\c\\S\\d\\T\\e\\R\\f");
	assert_str(hl7_unescape(STR("a\\E\\b\\F\\c\\S\\d\\T\\e\\R\\f"), *state), "a\\b|c^d&e~f");
	assert_str(hl7_unescape(STR("\\E\\S\\E\\"), *state), "\\S\\");
	assert_str(hl7_unescape(STR("\\H\\x\\"), *state), "\\H\\x\\");
	assert_str(hl7_unescape(STR("plain"), *state), "plain");
}

static void test_hl7__cx(void **state)
{
	struct hl7_cx cx;

	assert_true(hl7_cx_parse(STR("IHEBLUE-1001^^^&1.3.6.1.4.1.21367.13.20.3000&ISO"), *state, &cx));
	assert_str(cx.id, "IHEBLUE-1001");
	assert_str(cx.authority.namespace_id, "");
	assert_str(cx.authority.universal_id, "1.3.6.1.4.1.21367.13.20.3000");
	assert_str(cx.authority.universal_id_type, "ISO");
	assert_str(hl7_cx_write(&cx, *state), "IHEBLUE-1001^^^&1.3.6.1.4.1.21367.13.20.3000&ISO");
	assert_true(hl7_cx_parse(STR("A\\S\\1^^^&1.2&ISO^urn:ihe:iti:xds:2013:order^&1.9&ISO"), *state, &cx));
	assert_str(cx.id, "A^1");
	assert_str(cx.type_code, "urn:ihe:iti:xds:2013:order");
	assert_str(hl7_cx_write(&cx, *state), "A\\S\\1^^^&1.2&ISO^urn:ihe:iti:xds:2013:order^&1.9&ISO");
	assert_true(hl7_cx_parse(STR(""), *state, &cx));
	assert_str(hl7_cx_write(&cx, *state), "");
}

static void test_hl7__persons(void **state)
{
	struct hl7_xcn xcn;
	struct hl7_xon xon;
	struct hl7_xtn xtn;

	assert_true(hl7_xcn_parse(STR("11375^Welby&van&W^Marcus^J^Jr. MD^Dr^^^&1.3.6.1&ISO^^"), *state, &xcn));
	assert_str(xcn.family, "Welby");
	assert_str(xcn.prefix, "Dr");
	assert_str(xcn.authority.universal_id, "1.3.6.1");
	assert_str(hl7_xcn_write(&xcn, *state), "11375^Welby^Marcus^J^Jr. MD^Dr^^^&1.3.6.1&ISO");
	assert_true(hl7_xon_parse(STR("Some \\T\\ Hospital^^^^^&1.2.3&ISO^^^^45"), *state, &xon));
	assert_str(xon.name, "Some & Hospital");
	assert_str(xon.id, "45");
	assert_str(hl7_xon_write(&xon, *state), "Some \\T\\ Hospital^^^^^&1.2.3&ISO^^^^45");
	xon = (struct hl7_xon) { .name = STR("Alone") };
	assert_str(hl7_xon_write(&xon, *state), "Alone");
	assert_true(hl7_xtn_parse(STR("^^Internet^a@b.example"), *state, &xtn));
	assert_str(xtn.equipment, "Internet");
	assert_str(xtn.email, "a@b.example");
	assert_str(hl7_xtn_write(&xtn, *state), "^^Internet^a@b.example");
	assert_true(hl7_xtn_parse(STR("^WPN^PH^^^^^^^^^+352 1"), *state, &xtn));
	assert_str(xtn.unformatted, "+352 1");
}

/* Each allocation fails once; nothing may be half done or leak. */
static void test_hl7__without_memory(void **state)
{
	(void)state;
	for (size_t n = 0;; n++) {
		struct arena *arena = arena_new(4096);
		struct hl7_xcn xcn;

		arena_fail_at(arena, n);
		bool good = hl7_xcn_parse(STR("1\\S\\^a\\T\\^b^^^^^^&1\\T\\&ISO"), arena, &xcn);
		struct str out = good ? hl7_xcn_write(&xcn, arena) : STR_NONE;

		arena_free(arena);
		if (out.data)
			break;
		assert_true(n < 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8__bounds),
		cmocka_unit_test(test_xds_time__valid),
		cmocka_unit_test_setup_teardown(test_xds_time__from_fhir, setup, teardown),
		cmocka_unit_test_setup_teardown(test_xds_time__to_fhir, setup, teardown),
		cmocka_unit_test(test_xds_time__range),
		cmocka_unit_test(test_xds_time__unix),
		cmocka_unit_test(test_oid__valid),
		cmocka_unit_test(test_uuid__forms),
		cmocka_unit_test_setup_teardown(test_base64__vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_base64__strict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hl7__escapes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hl7__cx, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hl7__persons, setup, teardown),
		cmocka_unit_test(test_hl7__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
