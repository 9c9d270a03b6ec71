/* The server over real sockets: whoever is slow, waits or leaves, and stopping. */
#include "http_post.h"

#include <time.h>

static void test_http__slow_heads_are_closed(void **state)
{
	struct server_options options = stand_options();

	(void)state;
	options.header_ms = 60;
	options.body_grace_ms = 60;
	options.keep_alive_ms = 200;
	stand_open(&options);
	int silent = client_connect();
	int trickle = client_connect();
	static const char head[] = "GET /echo HTTP/1.1\r\nX: ";
	size_t sent = 0;

	client_send(trickle, head, sizeof head - 1);
	/* A byte every few milliseconds, until the server has had enough. */
	for (; sent < 20000; sent++) {
		struct pollfd ready = { .fd = trickle, .events = POLLIN };

		if (poll(&ready, 1, 5) == 1)
			break;
		client_send(trickle, "y", 1);
	}
	assert_true(sent < 20000);
	client_read(trickle, &answer, 2000);
	assert_true(answer.closed);
	assert_true(answer.size == 0 || answer.status == 408);
	client_read(silent, &answer, 20000);
	assert_true(answer.closed);
	assert_int_equal(answer.status, 408);
	close(silent);
	close(trickle);

	/* A keep-alive connection is closed without a word when it has been idle. */
	int idle = client_connect();

	static const char whole[] = "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n";

	client_send(idle, whole, sizeof whole - 1);
	client_read(idle, &answer, 20000);
	assert_true(answer.closed);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.status, 200);
	close(idle);
	stand_close();
}

static void test_http__slow_bodies_are_closed(void **state)
{
	struct server_options options = stand_options();
	char text[1000];
	size_t sent = 0;

	(void)state;
	options.body_grace_ms = 50;
	options.body_rate_min = 100000;
	stand_open(&options);
	size_t size = post_head(text, sizeof text, "/echo", "Content-Length: 99999\r\n");
	int client = client_connect();

	client_send(client, text, size);
	for (; sent < 20000; sent++) {
		struct pollfd ready = { .fd = client, .events = POLLIN };

		if (poll(&ready, 1, 5) == 1)
			break;
		client_send(client, "y", 1);
	}
	client_read(client, &answer, 2000);
	close(client);
	assert_true(sent < 20000);
	assert_true(answer.closed);
	assert_true(answer.size == 0 || answer.status == 408);
	assert_int_equal(stand.handled, 0);
	WAIT_FOR(stand.finished == stand.accepted);
	stand_close();
}

static void test_http__slow_readers_are_dropped(void **state)
{
	struct server_options options = stand_options();
	int small = 4096;

	(void)state;
	options.body_grace_ms = 50;
	options.body_rate_min = 1 << 20;
	stand_open(&options);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(server_port(stand.server)) };
	int client = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
	static const char text[] = "GET /stream/50000000 HTTP/1.1\r\nHost: h\r\n\r\n";

	client_send(client, text, sizeof text - 1);
	/* The client reads nothing; the writer must not wait for it for ever. */
	WAIT_FOR(stand.stream_failures == 1);
	WAIT_FOR(stand.finished == 1);
	close(client);
	stand_close();
}

static void test_http__a_full_queue_is_503(void **state)
{
	enum { CLIENTS = 10 };
	struct server_options options = stand_options();
	int clients[CLIENTS];
	static const char text[] = "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n";
	unsigned ok = 0;
	unsigned busy = 0;

	(void)state;
	options.workers.threads_max = 2;
	options.workers.queue_max = 3;
	stand_open(&options);
	for (size_t i = 0; i < 2; i++) {
		clients[i] = client_connect();
		client_send(clients[i], text, sizeof text - 1);
	}
	gate_wait_inside(2);
	for (size_t i = 2; i < CLIENTS; i++) {
		clients[i] = client_connect();
		client_send(clients[i], text, sizeof text - 1);
	}
	WAIT_FOR(server_counts(stand.server).workers.waiting == 3 && stand.finished == 5);
	gate_let_go();
	for (size_t i = 0; i < CLIENTS; i++) {
		client_read_one(clients[i], &answer);
		close(clients[i]);
		ok += answer.status == 200;
		busy += answer.status == 503;
		if (answer.status == 503) {
			const char *after = strstr(answer.text, "Retry-After: ");

			assert_non_null(after);
			assert_in_range(strtol(after + 13, NULL, 10), 1, 5);
		}
	}
	assert_int_equal(ok, 5);
	assert_int_equal(busy, 5);
	stand_close();
}

static void test_http__waiting_too_long_is_503(void **state)
{
	struct server_options options = stand_options();
	static const char wait[] = "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n";

	(void)state;
	options.workers.threads_max = 1;
	stand_open(&options);
	int client = client_connect();

	client_send(client, wait, sizeof wait - 1);
	gate_wait_inside(1);
	/* Its deadline is 50 ms; the only worker is busy for longer. */
	ask_text("GET /hurry HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 503);
	assert_int_equal(stand.handled, 1);
	gate_let_go();
	client_read_one(client, &answer);
	close(client);
	assert_int_equal(answer.status, 200);
	stand_close();
}

static void test_http__clients_that_leave_do_no_harm(void **state)
{
	static const char *const starts[] = {
		"",
		"GET",
		"GET /echo HTTP/1.1\r\nHost: h\r\n",
		"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\nsome",
		"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nso",
		"GET /stream/9000000 HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /spool/90000 HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /wait HTTP/1.1\r\nHost: h\r\n\r\n",
	};
	struct server_options options = stand_options();

	(void)state;
	/* libmicrohttpd misses an end that arrives together with bytes; the limits of time see to it. */
	options.keep_alive_ms = 300;
	stand_open(&options);
	for (size_t turn = 0; turn < 5; turn++) {
		for (size_t i = 0; i < COUNT_OF(starts); i++) {
			int client = client_connect();
			struct linger hard = { 1, 0 };

			client_send(client, starts[i], strlen(starts[i]));
			if (turn % 2)
				setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
			close(client);
		}
	}
	gate_let_go();
	ask_text("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	WAIT_FOR(stand.accepted == stand.finished);
	WAIT_FOR(server_counts(stand.server).connections == 0);
	stand_close();
}

/* The clock as the watcher sees it when it looked just before everyone else. */
static uint64_t late_monotonic_us(void)
{
	char name[16] = "";
	struct timespec now;

	pthread_getname_np(pthread_self(), name, sizeof name);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 -
	       (strcmp(name, "http-watcher") == 0 ? 5000000 : 0);
}

static int64_t some_wall_ms(void)
{
	return 0;
}

static void test_http__a_phase_younger_than_the_watch_is_not_late(void **state)
{
	static const struct clock_source late = { late_monotonic_us, some_wall_ms };
	struct server_options options = stand_options();

	(void)state;
	options.body_grace_ms = 1; /* the watcher comes every 10 ms */
	clock_replace(&late);
	stand_open(&options);
	int client = client_connect();

	client_read(client, &answer, 100);
	assert_false(answer.closed);
	for (int i = 0; i < 10; i++) {
		client_send(client, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 31);
		client_read(client, &answer, 20);
		assert_int_equal(answer.status, 200);
		assert_false(answer.closed);
	}
	close(client);
	stand_close();
	clock_replace(NULL);
}

static void *close_server(void *argument)
{
	*(bool *)argument = server_close(stand.server, 20000);
	return NULL;
}

static void test_http__stopping_lets_requests_finish(void **state)
{
	static const char text[] = "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n";
	bool closed = false;
	pthread_t closer;

	(void)state;
	open_default();
	int idle = client_connect();
	int client = client_connect();
	uint16_t port = server_port(stand.server);

	client_send(idle, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", 31);
	client_read_one(idle, &answer);
	assert_int_equal(answer.status, 200);
	client_send(client, text, sizeof text - 1);
	gate_wait_inside(1);
	assert_int_equal(pthread_create(&closer, NULL, close_server, &closed), 0);
	/* The idle connection goes at once, the one at work does not. */
	client_read(idle, &answer, 20000);
	assert_true(answer.closed);
	assert_int_equal(answer.size, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int late = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_not_equal(connect(late, (struct sockaddr *)&address, sizeof address), 0);
	close(late);
	gate_let_go();
	client_read(client, &answer, 20000);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.text, "Connection: close"));
	assert_true(answer.closed);
	pthread_join(closer, NULL);
	assert_true(closed);
	close(idle);
	close(client);
	assert_int_equal(stand.finished, stand.accepted);
}

static void test_http__stopping_gives_up_after_its_time(void **state)
{
	static const char text[] = "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n";

	(void)state;
	open_default();
	int client = client_connect();

	client_send(client, text, sizeof text - 1);
	gate_wait_inside(1);
	assert_false(server_close(stand.server, 30));
	gate_let_go();
	client_read(client, &answer, 20000);
	assert_int_equal(answer.status, 200);
	close(client);
	WAIT_FOR(stand.finished == 1);
	/* Now that nothing is under way it can be closed after all. */
	WAIT_FOR(server_counts(stand.server).exchanges == 0);
	stand_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http__slow_heads_are_closed),
		cmocka_unit_test(test_http__slow_bodies_are_closed),
		cmocka_unit_test(test_http__slow_readers_are_dropped),
		cmocka_unit_test(test_http__a_full_queue_is_503),
		cmocka_unit_test(test_http__waiting_too_long_is_503),
		cmocka_unit_test(test_http__clients_that_leave_do_no_harm),
		cmocka_unit_test(test_http__a_phase_younger_than_the_watch_is_not_late),
		cmocka_unit_test(test_http__stopping_lets_requests_finish),
		cmocka_unit_test(test_http__stopping_gives_up_after_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
