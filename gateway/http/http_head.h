/* The shape of a request's head, checked before anyone acts on it. libmicrohttpd 0.9.75 lets conflicting, folded and
 * NUL-bearing headers pass; whoever obeys one reading while a proxy obeys another can be smuggled through. */
#ifndef PASSERELLE_HTTP_HEAD_H
#define PASSERELLE_HTTP_HEAD_H

#include "gateway/http/http_message.h"

struct http_head_limits {
	size_t target_bytes_max;  /* 414 beyond */
	size_t header_count_max;  /* 431 beyond */
	size_t headers_bytes_max; /* 431 beyond */
};

/* What is wrong with a head; ERR_NONE when nothing is. */
struct http_head_verdict {
	enum error_code code;
	int status; /* mostly the code's own; 505, 501 and such where no code has it */
	const char *text;
};

/* Judges method, target and version as sent, and splits the target into request->path and ->query. */
struct http_head_verdict http_head_check_line(struct str method, struct str target, struct str version,
					      const struct http_head_limits *limits, struct http_request *request);

/* Judges request->headers: names are tokens, values without control characters, one Host, at most one Content-Length
 * (digits) and one Transfer-Encoding (chunked, HTTP/1.1), never both, Expect only 100-continue. Fills ->host and
 * ->content_length. hosts as in server_options. */
struct http_head_verdict http_head_check_headers(const struct http_head_limits *limits, bool is_http_1_1,
						 const struct str *hosts, size_t host_count,
						 struct http_request *request);

#endif
