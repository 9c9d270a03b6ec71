/* The least that libmicrohttpd and libcurl can do for one request: what the gateway's own work is measured against.
 * Usage: bare_proxy PORT BACK_END_URL THREADS ACTION...
 * Each request makes one blocking POST per ACTION on a warm connection, then answers with the last reply's bytes. A
 * POST's body is 1,200 bytes that name the action, and in the last one what the client sent. Same shape as the
 * gateway: epoll threads, suspend, worker, resume. */
#include <curl/curl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 1200

struct bytes {
	char *data;
	size_t size;
	size_t capacity;
};

struct work {
	struct MHD_Connection *connection;
	struct bytes body; /* HEAD_BYTES for the action, then the client's */
	struct bytes reply;
	bool done;
	struct work *next;
};

static const char *back_end;
static char **actions;
static int action_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static struct work *first;
static struct work **last = &first;

static bool bytes_add(struct bytes *bytes, const char *data, size_t size)
{
	if (bytes->size + size > bytes->capacity) {
		size_t capacity = (bytes->size + size) * 2;
		char *grown = realloc(bytes->data, capacity);

		if (!grown)
			return false;
		bytes->data = grown;
		bytes->capacity = capacity;
	}
	memcpy(bytes->data + bytes->size, data, size);
	bytes->size += size;
	return true;
}

static size_t keep(char *data, size_t one, size_t size, void *context)
{
	struct work *work = context;

	return bytes_add(&work->reply, data, one * size) ? size : 0;
}

static void *worker(void *unused)
{
	CURL *curl = curl_easy_init();

	(void)unused;
	if (!curl)
		return NULL;
	curl_easy_setopt(curl, CURLOPT_URL, back_end);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!first)
			pthread_cond_wait(&filled, &lock);
		struct work *work = first;

		first = work->next;
		if (!first)
			last = &first;
		pthread_mutex_unlock(&lock);
		for (int i = 0; i < action_count; i++) {
			bool is_last = i == action_count - 1;

			memcpy(work->body.data, actions[i], strlen(actions[i]));
			work->reply.size = 0;
			curl_easy_setopt(curl, CURLOPT_WRITEDATA, work);
			curl_easy_setopt(curl, CURLOPT_POSTFIELDS, work->body.data);
			curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)(is_last ? work->body.size : HEAD_BYTES));
			if (curl_easy_perform(curl) != CURLE_OK)
				fprintf(stderr, "back-end call failed\n");
		}
		work->done = true;
		MHD_resume_connection(work->connection);
	}
	return NULL;
}

static enum MHD_Result answer(void *unused, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **state)
{
	struct work *work = *state;

	(void)unused;
	(void)url;
	(void)method;
	(void)version;
	if (!work) {
		char head[HEAD_BYTES];

		memset(head, ' ', sizeof head);
		work = calloc(1, sizeof *work);
		*state = work;
		return work && bytes_add(&work->body, head, sizeof head) ? MHD_YES : MHD_NO;
	}
	if (*size) {
		bool ok = bytes_add(&work->body, data, *size);

		*size = 0;
		return ok ? MHD_YES : MHD_NO;
	}
	if (!work->done) {
		work->connection = connection;
		MHD_suspend_connection(connection);
		pthread_mutex_lock(&lock);
		*last = work;
		last = &work->next;
		pthread_cond_signal(&filled);
		pthread_mutex_unlock(&lock);
		return MHD_YES;
	}
	struct MHD_Response *response =
		MHD_create_response_from_buffer(work->reply.size, work->reply.data, MHD_RESPMEM_MUST_FREE);

	work->reply.data = NULL;
	MHD_add_response_header(response, "Content-Type", "application/fhir+json; charset=utf-8");
	enum MHD_Result result = MHD_queue_response(connection, 200, response);

	MHD_destroy_response(response);
	return result;
}

static void forget(void *unused, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code)
{
	struct work *work = *state;

	(void)unused;
	(void)connection;
	(void)code;
	if (work) {
		free(work->body.data);
		free(work->reply.data);
	}
	free(work);
	*state = NULL;
}

int main(int argc, char **argv)
{
	sigset_t stop;
	int caught;

	if (argc < 5) {
		fprintf(stderr, "usage: %s PORT BACK_END_URL THREADS ACTION...\n", argv[0]);
		return 2;
	}
	back_end = argv[2];
	actions = argv + 4;
	action_count = argc - 4;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, worker, NULL) != 0)
			return 1;
	}
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME,
						     (uint16_t)strtoul(argv[1], NULL, 10), NULL, NULL, answer, NULL,
						     MHD_OPTION_NOTIFY_COMPLETED, forget, NULL,
						     MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_CONNECTION_LIMIT,
						     8000u, MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u, MHD_OPTION_END);

	if (!daemon) {
		fprintf(stderr, "cannot listen on port %s\n", argv[1]);
		return 1;
	}
	puts("ready");
	fflush(stdout);
	sigwait(&stop, &caught);
	return 0;
}
