/* Requests and a server as the tests of the HTTP server begin with. */
#ifndef PASSERELLE_TESTS_HTTP_POST_H
#define PASSERELLE_TESTS_HTTP_POST_H

#include "http_stand.h"

static struct answer answer;

static inline void open_default(void)
{
	struct server_options options = stand_options();

	stand_open(&options);
}

/* A POST with a Content-Length of its own choice. */
static inline size_t post_head(char *text, size_t size, const char *path, const char *more)
{
	return (size_t)snprintf(text, size, "POST %s HTTP/1.1\r\nHost: h\r\n%s\r\n", path, more);
}

#endif
