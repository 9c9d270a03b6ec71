/* A back-end that answers canned bytes, at once or after a delay: the far side of the gateway's benchmarks.
 * Usage: stub_back_end PORT DELAY_MS TYPE=FILE...   TYPE is a word that the request's SOAP action contains. The reply
 * is the FILE whose TYPE is found first in the Content-Type header or in the first 4 KiB of the body. */
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPLIES_MAX 8
#define HEAD_BYTES  4096

struct reply {
	const char *type;
	_Atomic unsigned long count;
	struct MHD_Response *response;
};

struct request {
	char head[HEAD_BYTES + 1];
	size_t head_size;
	bool waited;
	struct timespec due;
	struct MHD_Connection *connection;
	struct request *next;
};

static struct reply replies[REPLIES_MAX];
static int reply_count;
static long delay_ms;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct request *first;
static struct request **last = &first;

/* All requests wait the same time, so the queue is in order of the due times. */
static void *resume_when_due(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!first)
			pthread_cond_wait(&filled, &lock);
		struct request *request = first;

		pthread_mutex_unlock(&lock);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &request->due, NULL);
		pthread_mutex_lock(&lock);
		first = request->next;
		if (!first)
			last = &first;
		MHD_resume_connection(request->connection);
	}
	return NULL;
}

static enum MHD_Result tell_counts(struct MHD_Connection *connection)
{
	char text[REPLIES_MAX * 80] = "";
	size_t size = 0;

	for (int i = 0; i < reply_count; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, "%.40s %lu\n", replies[i].type,
					 replies[i].count);
	struct MHD_Response *response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_queue_response(connection, 200, response);

	MHD_destroy_response(response);
	return result;
}

static void wait_for_delay(struct request *request, struct MHD_Connection *connection)
{
	clock_gettime(CLOCK_MONOTONIC, &request->due);
	request->due.tv_sec += delay_ms / 1000;
	request->due.tv_nsec += delay_ms % 1000 * 1000000;
	if (request->due.tv_nsec >= 1000000000) {
		request->due.tv_sec++;
		request->due.tv_nsec -= 1000000000;
	}
	request->connection = connection;
	request->waited = true;
	request->next = NULL;
	MHD_suspend_connection(connection);
	pthread_mutex_lock(&lock);
	*last = request;
	last = &request->next;
	pthread_cond_signal(&filled);
	pthread_mutex_unlock(&lock);
}

static enum MHD_Result answer(void *unused, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **state)
{
	struct request *request = *state;

	(void)unused;
	(void)url;
	(void)version;
	if (!request) {
		request = calloc(1, sizeof *request);
		*state = request;
		return request ? MHD_YES : MHD_NO;
	}
	if (*size) {
		size_t room = HEAD_BYTES - request->head_size;
		size_t take = *size < room ? *size : room;

		memcpy(request->head + request->head_size, data, take);
		request->head_size += take;
		*size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") == 0)
		return tell_counts(connection);
	if (delay_ms && !request->waited) {
		wait_for_delay(request, connection);
		return MHD_YES;
	}
	for (int i = 0; i < reply_count; i++) {
		if (strstr(request->head, replies[i].type)) {
			replies[i].count++;
			return MHD_queue_response(connection, 200, replies[i].response);
		}
	}
	return MHD_NO;
}

static void forget(void *unused, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
	(void)unused;
	(void)connection;
	(void)code;
	free(*state);
	*state = NULL;
}

static bool load(struct reply *reply, char *argument)
{
	char *equals = strchr(argument, '=');

	if (!equals)
		return false;
	*equals = '\0';
	FILE *file = fopen(equals + 1, "rb");

	if (!file)
		return false;
	fseek(file, 0, SEEK_END);
	long size = ftell(file);

	rewind(file);
	char *bytes = size > 0 ? malloc((size_t)size) : NULL;
	bool ok = bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size;

	fclose(file);
	if (!ok)
		return false;
	reply->type = argument;
	reply->response = MHD_create_response_from_buffer((size_t)size, bytes, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(reply->response, "Content-Type", "application/soap+xml; charset=UTF-8");
	return true;
}

int main(int argc, char **argv)
{
	pthread_t timer;
	sigset_t stop;
	int caught;

	if (argc < 4 || argc > 3 + REPLIES_MAX) {
		fprintf(stderr, "usage: %s PORT DELAY_MS TYPE=FILE...\n", argv[0]);
		return 2;
	}
	delay_ms = strtol(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++) {
		if (!load(&replies[reply_count++], argv[i])) {
			fprintf(stderr, "cannot read %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
	}
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (delay_ms && pthread_create(&timer, NULL, resume_when_due, NULL) != 0)
		return 1;
	struct MHD_Daemon *daemon =
		MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME,
				 (uint16_t)strtoul(argv[1], NULL, 10), NULL, NULL, answer, NULL,
				 MHD_OPTION_NOTIFY_COMPLETED, forget, NULL, MHD_OPTION_CONNECTION_LIMIT, 8000u,
				 MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u, MHD_OPTION_END);

	if (!daemon) {
		fprintf(stderr, "cannot listen on port %s\n", argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	sigwait(&stop, &caught);
	return 0; /* the process ends with its sleeping requests; nothing to save */
}
