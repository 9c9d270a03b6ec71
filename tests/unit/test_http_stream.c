/* Streams from a worker through the pipe: byte for byte, or visibly broken. */
#include "http_stand.h"

#include "gateway/http/http_pipe.h"

static struct answer answer;

/* Reads a streamed answer to its end and compares every byte. Returns how many body bytes came. */
static uint64_t read_stream(int client, bool slowly, uint64_t *length)
{
	static char block[65536];
	char head[2000];
	size_t head_size = 0;
	uint64_t at = 0;

	head[0] = '\0';
	while (head_size < sizeof head - 1 && !strstr(head, "\r\n\r\n")) {
		if (recv(client, head + head_size, 1, 0) != 1)
			return 0;
		head[++head_size] = '\0';
	}
	const char *field = strstr(head, "Content-Length: ");

	*length = field ? strtoull(field + 16, NULL, 10) : 0;
	for (unsigned turn = 0;; turn++) {
		ssize_t got = recv(client, block, slowly ? 1 + turn % 5000 : sizeof block, 0);

		if (got <= 0)
			break;
		for (ssize_t i = 0; i < got; i++)
			assert_true(block[i] == stream_byte(at + (uint64_t)i));
		at += (uint64_t)got;
		if (at >= *length)
			break;
	}
	return at;
}

static uint64_t ask_stream(const char *path, bool slowly, uint64_t *length)
{
	char text[200];
	int client = client_connect();

	snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path);
	client_send(client, text, strlen(text));
	uint64_t got = read_stream(client, slowly, length);

	close(client);
	return got;
}

static void test_stream__arrives_byte_for_byte(void **state)
{
	static const unsigned sizes[] = { 0, 1, 2, 8191, 8192, 8193, 262143, 262144, 262145, 5000000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		char path[64];
		uint64_t length;

		snprintf(path, sizeof path, "/stream/%u", sizes[i]);
		if (sizes[i]) {
			assert_int_equal(ask_stream(path, i % 2, &length), sizes[i]);
			assert_int_equal(length, sizes[i]);
		}
		snprintf(path, sizeof path, "/spool/%u", sizes[i] > 300000 ? 300000 : sizes[i]);
		if (sizes[i])
			assert_int_equal(ask_stream(path, i % 2, &length), sizes[i] > 300000 ? 300000 : sizes[i]);
	}
	ask_text("GET /stream/0 HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.body_size, 0);
	assert_int_equal(stand.stream_failures, 0);
}

/* A client must see fewer bytes than promised whenever the handler did not say that all was well, even when it had
 * written every byte. */
static void test_stream__failures_are_visible(void **state)
{
	static const unsigned sizes[] = { 1, 2, 100, 8192, 100000, 3000000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		char path[64];
		uint64_t length;

		snprintf(path, sizeof path, "/break/%u", sizes[i]);
		assert_true(ask_stream(path, false, &length) < sizes[i]);
		assert_int_equal(length, sizes[i]);
		snprintf(path, sizeof path, "/short/%u", sizes[i]);
		assert_true(ask_stream(path, false, &length) < sizes[i]);
		assert_int_equal(length, sizes[i]);
	}
	/* http_stream_end said so to each of the short ones. */
	assert_int_equal(stand.stream_failures, COUNT_OF(sizes));
}

struct crowd {
	unsigned seed;
	unsigned whole;
};

static void *crowd_main(void *argument)
{
	struct crowd *crowd = argument;

	for (unsigned i = 0; i < 12; i++) {
		char text[200];
		unsigned size = (crowd->seed * 7919 + i * 104729) % 700000 + 1;
		int client = client_connect();

		snprintf(text, sizeof text, "GET /stream/%u HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", size);
		client_send(client, text, strlen(text));
		if (i % 3 == 2) {
			/* Leaves in the middle. */
			char some[1000];

			(void)!recv(client, some, sizeof some, 0);
		} else {
			char some[20000];
			size_t got = 0;

			for (;;) {
				ssize_t part = recv(client, some, sizeof some, 0);

				if (part <= 0)
					break;
				got += (size_t)part;
			}
			crowd->whole += got >= size;
		}
		close(client);
	}
	return NULL;
}

static void test_stream__many_clients_at_once(void **state)
{
	struct crowd crowds[12] = { 0 };
	pthread_t threads[COUNT_OF(crowds)];
	unsigned whole = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(crowds); i++) {
		crowds[i].seed = i;
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowds[i]), 0);
	}
	for (unsigned i = 0; i < COUNT_OF(crowds); i++) {
		pthread_join(threads[i], NULL);
		whole += crowds[i].whole;
	}
	assert_int_equal(whole, COUNT_OF(crowds) * 8);
	WAIT_FOR(stand.finished == stand.accepted);
}

static unsigned slept;
static unsigned woken;

static void on_sleep(void *ctx)
{
	(void)ctx;
	slept++;
}

static void on_wake(void *ctx)
{
	(void)ctx;
	woken++;
}

static void test_pipe__alone(void **state)
{
	char out[16];
	size_t taken;
	struct http_pipe *pipe = http_pipe_new(8, on_sleep, on_wake, NULL);

	(void)state;
	slept = woken = 0;
	assert_int_equal(http_pipe_read(pipe, out, sizeof out, &taken), PIPE_EMPTY);
	assert_int_equal(slept, 1);
	assert_true(http_pipe_write(pipe, "abcdef", 6, 1000));
	assert_int_equal(woken, 1);
	assert_int_equal(http_pipe_read(pipe, out, 4, &taken), PIPE_BYTES);
	assert_int_equal(taken, 4);
	assert_memory_equal(out, "abcd", 4);
	assert_true(http_pipe_write(pipe, "ghijkl", 6, 1000)); /* wraps */
	assert_int_equal(woken, 1);
	assert_false(http_pipe_write(pipe, "m", 1, 1)); /* full: gives up, and the pipe is broken */
	assert_int_equal(http_pipe_read(pipe, out, sizeof out, &taken), PIPE_BROKEN);
	http_pipe_free(pipe);

	pipe = http_pipe_new(8, on_sleep, on_wake, NULL);
	assert_true(http_pipe_write(pipe, "abc", 3, 1000));
	http_pipe_end(pipe, true);
	assert_false(http_pipe_write(pipe, "d", 1, 1000));
	assert_int_equal(http_pipe_read(pipe, out, sizeof out, &taken), PIPE_BYTES);
	assert_int_equal(taken, 3);
	assert_int_equal(http_pipe_read(pipe, out, sizeof out, &taken), PIPE_ENDED);
	http_pipe_free(pipe);

	pipe = http_pipe_new(8, on_sleep, on_wake, NULL);
	http_pipe_leave(pipe);
	assert_false(http_pipe_write(pipe, "a", 1, 1000));
	http_pipe_free(pipe);
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
		cmocka_unit_test(test_pipe__alone),
		cmocka_unit_test_setup_teardown(test_stream__arrives_byte_for_byte, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_stream__failures_are_visible, open_stand, close_stand),
		cmocka_unit_test_setup_teardown(test_stream__many_clients_at_once, open_stand, close_stand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
