/* More clients than descriptors, and no thread to be had: nothing dies, and afterwards all is as before. */
#include "http_stand.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define CROWD 80

static struct answer answer;

/* The clients live in a process of their own, so that only the server runs out. Takes a port from the pipe, connects
 * the crowd, says so, waits until the pipe ends. */
static pid_t crowd_start(int *control, int *ready)
{
	int to_crowd[2];
	int from_crowd[2];

	assert_int_equal(pipe(to_crowd), 0);
	assert_int_equal(pipe(from_crowd), 0);
	pid_t crowd = fork();

	assert_true(crowd >= 0);
	if (crowd == 0) {
		struct sockaddr_in address = { .sin_family = AF_INET };
		uint16_t port = 0;

		close(to_crowd[1]);
		if (read(to_crowd[0], &port, sizeof port) != sizeof port)
			_exit(1);
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address.sin_port = htons(port);
		for (int i = 0; i < CROWD; i++) {
			int client = socket(AF_INET, SOCK_STREAM, 0);

			if (connect(client, (struct sockaddr *)&address, sizeof address) != 0)
				_exit(2);
		}
		if (write(from_crowd[1], "r", 1) != 1)
			_exit(3);
		_exit(read(to_crowd[0], &port, 1) == 0 ? 0 : 4);
	}
	close(to_crowd[0]);
	close(from_crowd[1]);
	*control = to_crowd[1];
	*ready = from_crowd[0];
	return crowd;
}

static void test_http__survives_running_out_of_descriptors(void **state)
{
	struct server_options options = stand_options();
	struct rlimit before;
	int control;
	int ready;
	char byte;
	int status;
	pid_t crowd = crowd_start(&control, &ready);

	(void)state;
	options.header_ms = 60000; /* the crowd is silent */
	options.keep_alive_ms = 60000;
	stand_open(&options);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	/* The lowest free descriptor tells how many are in use. */
	int next = dup(0);

	close(next);
	struct rlimit tight = { (rlim_t)next + 20, before.rlim_max };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	uint16_t port = server_port(stand.server);

	assert_int_equal(write(control, &port, sizeof port), sizeof port);
	assert_int_equal(read(ready, &byte, 1), 1);
	WAIT_FOR(server_counts(stand.server).connections >= 18);
	assert_true(server_counts(stand.server).connections <= 20);
	close(control);
	assert_int_equal(waitpid(crowd, &status, 0), crowd);
	assert_int_equal(status, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	ask_text("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	close(ready);
	stand_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_http__survives_running_out_of_descriptors) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
