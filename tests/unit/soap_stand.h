/* What the tests of SOAP clients share: an embedded domain on a free port, and peers that answer whatever a test wants. */
#ifndef PASSERELLE_TESTS_SOAP_STAND_H
#define PASSERELLE_TESTS_SOAP_STAND_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/domain/domain.h"
#include "gateway/run/config.h"
#include "gateway/south/soap_client.h"
#include "mappers/base/arena.h"

#define RED   "1.3.6.1.4.1.21367.13.20.1000"
#define GREEN "1.3.6.1.4.1.21367.13.20.2000"
#define BLUE  "1.3.6.1.4.1.21367.13.20.3000"

static struct soap_stand {
	char directory[64];
	struct arena *arena;
	struct domain *domain;
	struct backend backend;
	struct south south;
	struct outcome outcome;
} stand;

/* Starts a domain with this configuration; south asks a back-end without addresses. */
static void soap_stand_open(const char *configuration)
{
	struct config *config;
	char path[128];
	FILE *file;

	assert_true(south_start());
	snprintf(stand.directory, sizeof stand.directory, "/tmp/passerelle-soap-%ld", (long)getpid());
	assert_int_equal(mkdir(stand.directory, 0700), 0);
	snprintf(path, sizeof path, "%s/domain.yaml", stand.directory);
	file = fopen(path, "we");
	assert_true(file && fputs(configuration, file) >= 0 && fclose(file) == 0);
	stand.arena = arena_new(256U << 20);
	outcome_init(&stand.outcome);
	config = arena_alloc(stand.arena, sizeof *config);
	assert_true(config_load(path, CONFIG_DOMAIN, stand.arena, config, &stand.outcome));
	assert_true(domain_open(config, &stand.domain, &stand.outcome));
	stand.backend = (struct backend) {
		.name = STR("peer"), .connect_timeout_ms = 5000, .timeout_ms = 20000, .reply_bytes_max = 16U << 20
	};
	stand.south = (struct south) {
		.backend = &stand.backend, .arena = stand.arena, .deadline = deadline_in(60000), .request_id = "test"
	};
}

static void remove_tree(const char *path)
{
	DIR *folder = opendir(path);

	for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
		char name[700];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		if (unlink(name) != 0)
			remove_tree(name);
	}
	if (folder)
		closedir(folder);
	rmdir(path);
}

static void soap_stand_close(void)
{
	domain_close(stand.domain);
	arena_free(stand.arena);
	remove_tree(stand.directory);
}

/* Answers one request: %M, %Q and %R in body are the ids of the message, the query and the SOAP message. */
struct peer {
	int listener;
	const char *status;
	const char *type;
	const char *body;
};

/* The text between begin and end after the place that marker names; or nothing. */
static struct str between(const char *text, const char *marker, const char *begin, const char *end)
{
	const char *place = strstr(text, marker);
	const char *from = place ? strstr(place, begin) : NULL;
	const char *to = from ? strstr(from + strlen(begin), end) : NULL;

	return to ? (struct str) { from + strlen(begin), (size_t)(to - from) - strlen(begin) } : STR("");
}

static void body_build(const char *request, const char *body, struct buf *out)
{
	for (; *body; body++) {
		if (*body != '%')
			buf_add_char(out, *body);
		else if (*++body == 'M')
			buf_add(out, between(request, "ITSVersion", "<id root=\"", "\""));
		else if (*body == 'Q')
			buf_add(out, between(request, "queryByParameter", "<queryId root=\"", "\""));
		else
			buf_add(out, between(request, "MessageID", ">", "<"));
	}
}

static void *peer_run(void *ctx)
{
	struct peer *peer = ctx;
	int client = accept(peer->listener, NULL, NULL);
	struct buf request;
	struct buf body;
	struct buf head;
	char bytes[4096];
	ssize_t size;

	buf_init(&request, 1U << 20);
	buf_init(&body, 1U << 20);
	buf_init(&head, 4096);
	while (!strstr(buf_str(&request).data, "Envelope>") && (size = read(client, bytes, sizeof bytes)) > 0)
		buf_add(&request, (struct str) { bytes, (size_t)size });
	body_build(buf_str(&request).data, peer->body, &body);
	buf_printf(&head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		   peer->status, peer->type, body.size);
	assert_true(write(client, head.data, head.size) == (ssize_t)head.size);
	assert_true(write(client, buf_str(&body).data, body.size) == (ssize_t)body.size);
	close(client);
	buf_free(&request);
	buf_free(&body);
	buf_free(&head);
	return NULL;
}

/* Starts a peer that answers one request so, and writes its address (before /). */
static pthread_t peer_start(struct peer *peer, char url[64])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	pthread_t thread;

	peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(peer->listener, 4), 0);
	assert_int_equal(getsockname(peer->listener, (struct sockaddr *)&address, &size), 0);
	snprintf(url, 64, "http://127.0.0.1:%d/peer", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, peer_run, peer), 0);
	return thread;
}

static void peer_join(const struct peer *peer, pthread_t thread)
{
	pthread_join(thread, NULL);
	close(peer->listener);
}

#define ENVELOPE(body)                                                   \
	"<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' " \
	"xmlns:a='http://www.w3.org/2005/08/addressing'>"                \
	"<s:Header><a:RelatesTo>%R</a:RelatesTo></s:Header><s:Body>" body "</s:Body></s:Envelope>"

#endif
