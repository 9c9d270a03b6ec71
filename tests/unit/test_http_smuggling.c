/* Heads that two readers could read differently. All must be answered 4xx, once, and the connection closed; above all
 * the request hidden inside ("GET /smuggled") must never reach a handler. */
#include "http_stand.h"

#define HIDDEN "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

struct bad {
	const char *name;
	const char *bytes;
	size_t size;
	int status; /* 0: libmicrohttpd closes without an answer */
};

#define BAD(name, status, text)                      \
	{                                            \
		name, text, sizeof(text) - 1, status \
	}

static const struct bad bads[] = {
	BAD("length and chunked", 400,
	    "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	BAD("chunked and length", 400,
	    "POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\n" HIDDEN),
	BAD("two lengths", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n" HIDDEN),
	BAD("two equal lengths", 400,
	    "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345" HIDDEN),
	BAD("list of lengths", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n12345" HIDDEN),
	BAD("signed length", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n12345" HIDDEN),
	BAD("negative length", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" HIDDEN),
	BAD("hex length", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\n12345" HIDDEN),
	BAD("giant length", 413,
	    "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551621\r\n\r\n12345" HIDDEN),
	BAD("blank before colon", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\n12345" HIDDEN),
	BAD("tab before colon", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length\t: 5\r\n\r\n12345" HIDDEN),
	BAD("folded value", 400, "POST /e HTTP/1.1\r\nHost: h\r\nX-A: b\r\n Content-Length: 35\r\n\r\n" HIDDEN),
	BAD("folded into a length", 400, "POST /e HTTP/1.1\r\nHost: h\r\nContent: 35\r\n -Length: 36\r\n\r\n" HIDDEN),
	BAD("folded at the end", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\tc\r\n\r\n"),
	BAD("folded first", 400, "GET /e HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n"),
	BAD("folded Authorization", 400, "GET /e HTTP/1.1\r\nHost: h\r\nAuthoriz: x\r\n ation: Bearer y\r\n\r\n"),
	BAD("bare LF everywhere", 400, "POST /e HTTP/1.1\nHost: h\nContent-Length: 0\n\n" HIDDEN),
	BAD("bare LF after the line", 400, "GET /e HTTP/1.1\nHost: h\r\n\r\n"),
	BAD("bare LF in a value", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX: y\nContent-Length: 36\r\n\r\n" HIDDEN),
	BAD("bare LF at the last header", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX: y\n\r\n"),
	BAD("bare LF as the empty line", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX: y\r\n\n"),
	BAD("bare CR in a value", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX: y\rContent-Length: 36\r\n\r\n"),
	BAD("NUL in a value", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX: y\0z\r\n\r\n"),
	BAD("NUL in a name", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX\0Y: z\r\n\r\n"),
	BAD("NUL hides a length", 400, "POST /e HTTP/1.1\r\nHost: h\r\nX: y\0\r\nContent-Length: 36\r\n\r\n" HIDDEN),
	BAD("NUL in the target", 400, "GET /e\0/secret HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("NUL in the method", 400, "GET\0 /e HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("NUL in the version", 400, "GET /e HTTP/1.1\0\r\nHost: h\r\n\r\n"),
	BAD("encoded NUL", 400, "GET /e%00.txt HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("encoded NUL in the query", 400, "GET /e?a=%00 HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("broken escape", 400, "GET /e?a=%2 HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("no hex escape", 400, "GET /e?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("two Hosts", 400, "GET /e HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
	BAD("two different Hosts", 400, "GET /e HTTP/1.1\r\nHost: h\r\nHost: evil\r\n\r\n"),
	BAD("no Host", 400, "GET /e HTTP/1.1\r\nX: y\r\n\r\n"),
	BAD("empty Host", 400, "GET /e HTTP/1.1\r\nHost:\r\n\r\n"),
	BAD("foreign Host", 400, "GET /e HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
	BAD("Host with user", 400, "GET /e HTTP/1.1\r\nHost: a@h\r\n\r\n"),
	BAD("Host with path", 400, "GET /e HTTP/1.1\r\nHost: h/x\r\n\r\n"),
	BAD("Host with long port", 400, "GET /e HTTP/1.1\r\nHost: h:123456\r\n\r\n"),
	BAD("absolute target", 400, "GET http://h/e HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("dot segments", 400, "GET /a/../e HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("encoded dot segments", 400, "GET /a/%2e%2E/e HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("dot segment at the end", 400, "GET /a/.. HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("encoded slash", 400, "GET /a%2fe HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("non-ASCII target", 400, "GET /caf\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("fragment", 400, "GET /e#x HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("two blanks", 400, "GET  /e HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("blank in the target", 0, "GET /e /f HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("blank after the version", 400, "GET /e HTTP/1.1 \r\nHost: h\r\n\r\n"),
	BAD("tab as separator", 0, "GET\t/e\tHTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("lower-case method", 405, "get /e HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("method with a slash", 400, "GE/T /e HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("OPTIONS *", 405, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("CONNECT", 405, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"),
	BAD("HTTP/2.0", 505, "GET /e HTTP/2.0\r\nHost: h\r\n\r\n"),
	BAD("HTTP/1.2", 505, "GET /e HTTP/1.2\r\nHost: h\r\n\r\n"),
	BAD("unknown coding", 501,
	    "POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" HIDDEN),
	BAD("list of codings", 501,
	    "POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" HIDDEN),
	BAD("two codings", 400,
	    "POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
	    "x\r\n\r\n0\r\n\r\n" HIDDEN),
	BAD("chunked in HTTP/1.0", 400,
	    "POST /e HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
	BAD("unknown Expect", 417, "POST /e HTTP/1.1\r\nHost: h\r\nExpect: wonders\r\nContent-Length: 3\r\n\r\nabc"),
	BAD("control character in a value", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX: a\x01\r\n\r\n"),
	BAD("vertical tab before a value", 400, "GET /e HTTP/1.1\r\nHost: h\r\nX:\vy\r\n\r\n"),
	BAD("line without a colon", 400, "GET /e HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n"),
	BAD("empty name", 400, "GET /e HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n"),
};

static void expect_refused(const struct bad *bad, const struct answer *answer)
{
	/* libmicrohttpd's own answer to a bad Content-Length repeats its head as the first bytes of its body. */
	bool of_library = strstr(answer->text, "<html><head><title>") != NULL;

	if (answer->status != bad->status || (answer->count != 1 && !of_library && bad->status))
		print_message("%s: status %d, %zu answers: %s\n", bad->name, answer->status, answer->count,
			      answer->text);
	assert_int_equal(answer->status, bad->status);
	assert_true(answer->count == 1 || of_library || bad->status == 0);
	assert_null(strstr(answer->text, "HTTP/1.1 2"));
}

static void test_http__bad_heads_are_refused_whole(void **state)
{
	static struct answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		int descriptor = client_connect();

		client_send(descriptor, bads[i].bytes, bads[i].size);
		client_read(descriptor, &answer, 5000);
		close(descriptor);
		expect_refused(&bads[i], &answer);
		if (!answer.closed)
			print_message("%s: not closed\n", bads[i].name);
		assert_true(answer.closed);
	}
	assert_int_equal(stand.accepted, 0);
}

static void test_http__bad_heads_are_refused_byte_by_byte(void **state)
{
	static struct answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		int descriptor = client_connect();

		for (size_t k = 0; k < bads[i].size; k++)
			client_send(descriptor, bads[i].bytes + k, 1);
		client_read(descriptor, &answer, 5000);
		close(descriptor);
		/* A reset may take the answer away when bytes were still on their way. */
		if (answer.size)
			expect_refused(&bads[i], &answer);
		assert_true(answer.closed);
	}
	assert_int_equal(stand.accepted, 0);
}

/* Chunk framing is libmicrohttpd's work; here is what we rely on. */
static void test_http__bad_chunks_never_reach_a_handler(void **state)
{
	static const struct bad chunks[] = {
		BAD("size overflow", 0, "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n" HIDDEN),
		BAD("hex prefix", 0, "0x3\r\nabc\r\n0\r\n\r\n" HIDDEN),
		BAD("negative size", 0, "-3\r\nabc\r\n0\r\n\r\n" HIDDEN),
		BAD("no size", 0, "\r\nabc\r\n0\r\n\r\n" HIDDEN),
		BAD("no end of chunk", 0, "3\r\nabcde\r\n0\r\n\r\n" HIDDEN),
		BAD("blank before size", 0, " 3\r\nabc\r\n0\r\n\r\n" HIDDEN),
		BAD("letters", 0, "xyz\r\nabc\r\n0\r\n\r\n" HIDDEN),
	};
	static struct answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(chunks); i++) {
		static const char head[] = "POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
		int descriptor = client_connect();
		unsigned handled = stand.handled;

		client_send(descriptor, head, sizeof head - 1);
		client_send(descriptor, chunks[i].bytes, chunks[i].size);
		client_read(descriptor, &answer, 5000);
		close(descriptor);
		if (!answer.closed || answer.count > 1 || (answer.size && answer.status / 100 != 4))
			print_message("%s: status %d, %zu answers\n", chunks[i].name, answer.status, answer.count);
		assert_true(answer.closed);
		assert_true(answer.count <= 1);
		assert_true(answer.size == 0 || answer.status / 100 == 4);
		assert_int_equal(stand.handled, handled);
	}
}

/* If an update of libmicrohttpd changes the layout that http_layout.c reads, every good request is refused: this
 * test then names the cause. */
static void test_http__library_layout_is_as_pinned(void **state)
{
	static const char *const goods[] = {
		"GET /e HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /e HTTP/1.1\r\nHost:h\r\nX:\r\nY:   \t spaced \t \r\nZ: last\r\n\r\n",
		"GET /e HTTP/1.0\r\nHost: H:8080\r\n\r\n",
		"GET /e?a=%41&b=c|d&e= HTTP/1.1\r\nHost: 127.0.0.1:80\r\nCookie: a=b; c=d\r\nX: y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
		"POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Type: "
		"application/x-www-form-urlencoded\r\n\r\na=b",
		"POST /e HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n",
		"POST /e HTTP/1.1\r\nHost: h\r\ntransfer-encoding:chunked\r\n\r\n3;x=y\r\na=b\r\n0\r\nHost: "
		"evil\r\n\r\n",
		"\r\nGET /e HTTP/1.1\r\nHost: h\r\n\r\n",
	};
	static struct answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(goods); i++) {
		ask_text(goods[i], &answer);
		if (answer.status != 200)
			print_message("%s -> %s\n", goods[i], answer.text);
		assert_int_equal(answer.status, 200);
		int descriptor = client_connect();

		for (const char *at = goods[i]; *at; at++)
			client_send(descriptor, at, 1);
		client_read_one(descriptor, &answer);
		close(descriptor);
		assert_int_equal(answer.status, 200);
	}
}

static void test_http__target_is_kept_raw(void **state)
{
	static struct answer answer;

	(void)state;
	ask_text("GET /a%41/b+c;d?q=%C3%A9&r=a%2Fb&s=x|y+z HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(stand.last_path, "/a%41/b+c;d");
	assert_string_equal(stand.last_query, "q=%C3%A9&r=a%2Fb&s=x|y+z");
}

static void test_http__large_heads_are_refused(void **state)
{
	static struct answer answer;
	static char text[200000];
	static const struct {
		size_t target, header_count, header_bytes;
		int status;
	} cases[] = {
		{ 11000, 0, 0, 200 },  { 13000, 0, 0, 414 },  { 65536, 0, 0, 414 },
		{ 10, 90, 10, 200 },   { 10, 120, 10, 431 },  { 10, 1, 16384, 200 },
		{ 10, 1, 24000, 431 }, { 10, 1, 65536, 431 }, { 10, 100, 1000, 431 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int at = snprintf(text, sizeof text, "GET /");

		memset(text + at, 'a', cases[i].target);
		at += (int)cases[i].target;
		at += snprintf(text + at, 100, " HTTP/1.1\r\nHost: h\r\n");
		for (size_t k = 0; k < cases[i].header_count; k++) {
			at += snprintf(text + at, 100, "X-%zu: ", k);
			memset(text + at, 'b', cases[i].header_bytes);
			at += (int)cases[i].header_bytes;
			at += snprintf(text + at, 100, "\r\n");
		}
		at += snprintf(text + at, 100, "\r\n");
		int descriptor = client_connect();

		client_send(descriptor, text, (size_t)at);
		client_read_one(descriptor, &answer);
		close(descriptor);
		if (answer.status != cases[i].status)
			print_message("case %zu: %d\n", i, answer.status);
		/* A reset may have taken the answer away; it must not have been accepted then. */
		if (answer.size || cases[i].status == 200)
			assert_int_equal(answer.status, cases[i].status);
	}
}

/* libmicrohttpd 0.9.75 never answers a request whose parameters do not fit into its memory. */
static void test_http__many_parameters_are_no_burden(void **state)
{
	static struct answer answer;
	static char text[20000];
	int at = snprintf(text, sizeof text, "GET /e?");

	(void)state;
	for (int i = 0; i < 4000; i++)
		at += snprintf(text + at, 10, "a=%d&", i % 10);
	snprintf(text + at, 100, "b=c HTTP/1.1\r\nHost: h\r\n\r\n");
	ask_text(text, &answer);
	assert_int_equal(answer.status, 414);
	memmove(text + 7, text + 7 + 4000, strlen(text) - 4000 - 6);
	ask_text(text, &answer);
	assert_int_equal(answer.status, 200);
	assert_memory_equal(stand.last_query, "a=0&a=1&", 8);
	ask_text("GET /e? HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(stand.last_query, "");
}

static int open_stand(void **state)
{
	struct server_options options = stand_options();

	(void)state;
	stand_open(&options);
	return 0;
}

static int close_stand(void **state)
{
	(void)state;
	stand_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_http__bad_heads_are_refused_whole, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_http__bad_heads_are_refused_byte_by_byte, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_http__bad_chunks_never_reach_a_handler, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_http__library_layout_is_as_pinned, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_http__target_is_kept_raw, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_http__large_heads_are_refused, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_http__many_parameters_are_no_burden, open_stand, close_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
