/* The server over real sockets: bodies, heads, answers, ports. */
#include "http_post.h"

static void test_http__bodies_arrive_whole(void **state)
{
	static char body[100000];
	static char text[140000];
	static const size_t sizes[] = { 0, 1, 100, 4095, 4096, 65535, 65536, 65537, 99999, 100000 };

	(void)state;
	open_default();
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = stream_byte(i);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		char length[64];

		snprintf(length, sizeof length, "Content-Length: %zu\r\n", sizes[i]);
		size_t at = post_head(text, sizeof text, "/echo", length);

		memcpy(text + at, body, sizes[i]);
		ask(text, at + sizes[i], &answer);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.body_size, sizes[i]);
		assert_memory_equal(answer.body, body, sizes[i]);

		/* The same in chunks of growing size. */
		at = post_head(text, sizeof text, "/echo", "Transfer-Encoding: chunked\r\n");
		for (size_t done = 0, chunk = 1; done < sizes[i]; chunk = chunk * 3 + 1) {
			size_t part = chunk < sizes[i] - done ? chunk : sizes[i] - done;

			at += (size_t)snprintf(text + at, 32, "%zx\r\n", part);
			memcpy(text + at, body + done, part);
			at += part;
			memcpy(text + at, "\r\n", 2);
			at += 2;
			done += part;
		}
		memcpy(text + at, "0\r\n\r\n", 5);
		ask(text, at + 5, &answer);
		assert_int_equal(answer.status, 200);
		assert_int_equal(answer.body_size, sizes[i]);
		assert_memory_equal(answer.body, body, sizes[i]);
	}
	stand_close();
}

static void test_http__long_bodies_are_refused(void **state)
{
	static char block[50000];
	char text[1000];

	(void)state;
	open_default();
	/* By its length, while the client sends on and never reads before it has sent all. */
	int client = client_connect();
	size_t size = post_head(text, sizeof text, "/echo", "Content-Length: 100001\r\n");

	client_send(client, text, size);
	client_send(client, block, sizeof block);
	client_send(client, block, sizeof block);
	client_send(client, "x", 1);
	client_read(client, &answer, 5000);
	close(client);
	assert_int_equal(answer.status, 413);
	assert_true(answer.closed);
	assert_non_null(strstr(answer.text, "ERR_TOO_LONG"));
	assert_non_null(strstr(answer.text, "Connection: close"));

	/* With 100-continue: refused before the upload. */
	client = client_connect();
	size = post_head(text, sizeof text, "/echo", "Content-Length: 100001\r\nExpect: 100-continue\r\n");
	client_send(client, text, size);
	client_read(client, &answer, 5000);
	close(client);
	assert_int_equal(answer.status, 413);
	assert_int_equal(answer.count, 1);
	assert_true(answer.closed);

	/* And when it is right: 100 first. */
	client = client_connect();
	size = post_head(text, sizeof text, "/echo", "Content-Length: 5\r\nExpect: 100-continue\r\n");
	client_send(client, text, size);
	client_read(client, &answer, 200);
	assert_int_equal(answer.status, 100);
	client_send(client, "hello", 5);
	client_read_one(client, &answer);
	close(client);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "hello");

	/* Chunked without an end: refused as soon as it is too much, and no sooner. */
	client = client_connect();
	size = post_head(text, sizeof text, "/echo", "Transfer-Encoding: chunked\r\n");
	client_send(client, text, size);
	for (int i = 0; i < 40; i++) {
		client_send(client, "C350\r\n", 6);
		client_send(client, block, sizeof block);
		client_send(client, "\r\n", 2);
	}
	client_read(client, &answer, 5000);
	close(client);
	assert_int_equal(answer.status, 413);
	assert_int_equal(answer.count, 1);
	assert_true(answer.closed);

	/* A body where none is taken. */
	ask_text("GET /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", &answer);
	assert_int_equal(answer.status, 413);
	stand_close();
}

static void test_http__early_refusals_spare_the_body(void **state)
{
	char text[1000];

	(void)state;
	open_default();
	size_t size = post_head(text, sizeof text, "/missing", "Content-Length: 99999\r\n");

	memcpy(text + size, "begin", 5);
	int client = client_connect();

	client_send(client, text, size + 5);
	client_read(client, &answer, 5000);
	close(client);
	assert_int_equal(answer.status, 404);
	assert_true(answer.closed);
	assert_non_null(strstr(answer.text, "X-Early: yes"));
	assert_string_equal(answer.body, "refused: ERR_NOT_FOUND Nothing here.");
	ask_text("GET /missing HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 404);
	assert_int_equal(stand.handled, 0);
	stand_close();
}

static void test_http__process_wide_limit_is_503(void **state)
{
	static char body[90000];
	char text[1000];

	(void)state;
	open_default();
	stand.spool.total_bytes_max = 80000;
	size_t size = post_head(text, sizeof text, "/echo", "Content-Length: 90000\r\n");
	int client = client_connect();

	client_send(client, text, size);
	client_send(client, body, sizeof body);
	client_read(client, &answer, 5000);
	close(client);
	assert_int_equal(answer.status, 503);
	assert_non_null(strstr(answer.text, "Retry-After: "));
	stand_close();
}

static void test_http__keep_alive_and_pipelining(void **state)
{
	enum { COUNT = 300 };
	static char text[COUNT * 100];
	size_t at = 0;

	(void)state;
	open_default();
	for (int i = 0; i < COUNT; i++)
		at += (size_t)snprintf(text + at, 100,
				       "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n%04d", i);
	int client = client_connect();

	client_send(client, text, at);
	size_t got = 0;

	for (int i = 0; i < COUNT; i++) {
		/* Answers come in order; read just one by its known size. */
		char one[300];
		char expected[16];
		size_t size = 0;

		while (size < sizeof one - 1) {
			if (recv(client, one + size, 1, 0) != 1)
				break;
			one[++size] = '\0';
			if (size > 8 && strstr(one, "\r\n\r\n") && strlen(strstr(one, "\r\n\r\n")) == 8)
				break;
		}
		snprintf(expected, sizeof expected, "%04d", i);
		assert_memory_equal(one, "HTTP/1.1 200", 12);
		assert_string_equal(one + size - 4, expected);
		got++;
	}
	close(client);
	assert_int_equal(got, COUNT);
	assert_int_equal(stand.handled, COUNT);
	stand_close();
}

static void test_http__head_has_the_length_and_no_body(void **state)
{
	(void)state;
	open_default();
	static const struct {
		const char *path;
		const char *length;
	} cases[] = {
		{ "/spool/70000", "Content-Length: 70000" },
		{ "/stream/1234567", "Content-Length: 1234567" },
		{ "/length", "Content-Length: 12345" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[200];

		snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", cases[i].path);
		int client = client_connect();

		client_send(client, text, strlen(text));
		client_read(client, &answer, 5000);
		close(client);
		assert_int_equal(answer.status, 200);
		assert_non_null(strstr(answer.text, cases[i].length));
		assert_int_equal(answer.body_size, 0);
		assert_true(answer.closed);
	}
	int client = client_connect();
	static const char text[] = "GET /length HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

	client_send(client, text, sizeof text - 1);
	client_read(client, &answer, 5000);
	close(client);
	assert_int_equal(answer.status, 304);
	assert_non_null(strstr(answer.text, "ETag: \"1\""));
	assert_int_equal(answer.body_size, 0);
	stand_close();
}

static void test_http__handlers_that_err_get_a_500(void **state)
{
	(void)state;
	open_default();
	ask_text("GET /silent HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 500);
	assert_non_null(strstr(answer.text, "ERR_INTERNAL"));
	ask_text("GET /split HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 500);
	assert_null(strstr(answer.text, "Set-Cookie"));
	stand_close();
}

static void test_http__ports_in_use_are_named(void **state)
{
	struct server_options options = stand_options();
	static const struct server_handlers handlers = { .accept = stand_accept, .handle = stand_handle };
	struct outcome outcome;
	char expected[32];

	(void)state;
	open_default();
	options.port = server_port(stand.server);
	outcome_init(&outcome);
	assert_null(server_open(&options, &handlers, &outcome));
	snprintf(expected, sizeof expected, "Port %u ", options.port);
	assert_non_null(strstr(outcome.issues[0].text, expected));
	assert_non_null(strstr(outcome.issues[0].text, "in use"));
	options.address = "no such host.example";
	outcome_init(&outcome);
	assert_null(server_open(&options, &handlers, &outcome));
	assert_non_null(strstr(outcome.issues[0].text, "no such host.example"));
	options.address = "192.0.2.1"; /* TEST-NET-1: nobody's */
	outcome_init(&outcome);
	assert_null(server_open(&options, &handlers, &outcome));
	assert_int_equal(outcome.count, 1);
	stand_close();
}

static void test_http__connections_are_bounded_per_address(void **state)
{
	struct server_options options = stand_options();
	int clients[10];
	unsigned served = 0;

	(void)state;
	options.connections_per_address_max = 4;
	stand_open(&options);
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		clients[i] = client_connect();
		client_send(clients[i], "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 31);
		client_read_one(clients[i], &answer);
		served += answer.status == 200;
	}
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		close(clients[i]);
	assert_int_equal(served, 4);
	stand_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http__bodies_arrive_whole),
		cmocka_unit_test(test_http__long_bodies_are_refused),
		cmocka_unit_test(test_http__early_refusals_spare_the_body),
		cmocka_unit_test(test_http__process_wide_limit_is_503),
		cmocka_unit_test(test_http__keep_alive_and_pipelining),
		cmocka_unit_test(test_http__head_has_the_length_and_no_body),
		cmocka_unit_test(test_http__handlers_that_err_get_a_500),
		cmocka_unit_test(test_http__ports_in_use_are_named),
		cmocka_unit_test(test_http__connections_are_bounded_per_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
