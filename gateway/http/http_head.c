#include "gateway/http/http_head.h"

#include "mappers/base/hex.h"

#define FINE ((struct http_head_verdict) { .code = ERR_NONE })

static struct http_head_verdict bad(enum error_code code, int status, const char *text)
{
	return (struct http_head_verdict) { code, status, text };
}

static struct http_head_verdict malformed(const char *text)
{
	return bad(ERR_BODY_MALFORMED, 400, text);
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
	return is_upper(c) || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* tchar of RFC 9110 5.6.2. */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.size; i++) {
		if (!is_letter(s.data[i]) && !is_digit(s.data[i]) &&
		    !(s.data[i] && strchr("!#$%&'*+-.^_`|~", s.data[i])))
			return false;
	}
	return s.size > 0;
}

/* The byte at s[*at], percent-decoded; moves past it. -1 for a broken escape. */
static int byte_next(struct str s, size_t *at)
{
	unsigned char c = (unsigned char)s.data[(*at)++];

	if (c != '%')
		return c;
	if (*at + 2 > s.size)
		return -1;
	int high = hex_value(s.data[*at]);
	int low = hex_value(s.data[*at + 1]);

	*at += 2;
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static struct http_head_verdict check_target_bytes(struct str target)
{
	for (size_t i = 0; i < target.size;) {
		unsigned char raw = (unsigned char)target.data[i];

		if (raw <= 0x20 || raw >= 0x7F || raw == '#')
			return malformed("Percent-encode blanks, control characters, '#' and non-ASCII in the URL.");
		int byte = byte_next(target, &i);

		if (byte < 0)
			return malformed("Write every '%' of the URL as '%' and two hexadecimal digits.");
		if (byte == 0)
			return malformed("Remove %00 from the URL.");
	}
	return FINE;
}

/* Dot segments and encoded separators mean one thing to a proxy and another to us: neither is needed in FHIR. */
static struct http_head_verdict check_path(struct str path)
{
	bool only_dots = false;
	size_t dots = 0;

	for (size_t i = 0; i < path.size;) {
		bool encoded = path.data[i] == '%';
		int byte = byte_next(path, &i);

		if (byte == '\\' || (encoded && byte == '/'))
			return malformed("Do not encode separators in the path of the URL.");
		if (byte == '/') {
			if (only_dots && (dots == 1 || dots == 2))
				return malformed("Remove '.' and '..' segments from the path of the URL.");
			only_dots = true;
			dots = 0;
		} else if (byte == '.') {
			dots++;
		} else {
			only_dots = false;
		}
	}
	if (only_dots && (dots == 1 || dots == 2))
		return malformed("Remove '.' and '..' segments from the path of the URL.");
	return FINE;
}

struct http_head_verdict http_head_check_line(struct str method, struct str target, struct str version,
					      const struct http_head_limits *limits, struct http_request *request)
{
	if (!is_token(method) || method.size > 32)
		return malformed("Begin the request with a method such as GET or POST.");
	if (!str_equal(version, STR("HTTP/1.1")) && !str_equal(version, STR("HTTP/1.0")))
		return bad(ERR_NOT_SUPPORTED, 505, "Speak HTTP/1.1.");
	for (size_t i = 0; i < method.size; i++) {
		if (!is_upper(method.data[i]))
			return bad(ERR_METHOD, 405, "Write the method in upper case: it is case-sensitive.");
	}
	if (target.size > limits->target_bytes_max)
		return bad(ERR_URI_TOO_LONG, 414, "Shorten the URL, or search by POST to _search.");
	if (str_equal(target, STR("*")) || str_equal(method, STR("CONNECT")))
		return bad(ERR_METHOD, 405, "Use GET, HEAD or POST on a path of this server.");
	if (target.size == 0 || target.data[0] != '/')
		return malformed("Send the path only, beginning with '/': this server is no proxy.");
	struct http_head_verdict verdict = check_target_bytes(target);

	if (verdict.code != ERR_NONE)
		return verdict;
	size_t question = str_find(target, '?');

	request->method = method;
	request->path = (struct str) { target.data, question };
	request->query = question < target.size ? str_from(target, question + 1) : STR_NONE;
	request->is_head = str_equal(method, STR("HEAD"));
	return check_path(request->path);
}

/* host [ ":" port ] of RFC 3986 3.2, as far as anyone needs it. Returns the host part, STR_NONE for a bad one. */
static struct str host_part(struct str host)
{
	size_t end = 0;

	if (host.size && host.data[0] == '[') {
		end = str_find(host, ']') + 1;
		if (end > host.size)
			return STR_NONE;
		for (size_t i = 1; i + 1 < end; i++) {
			if (hex_value(host.data[i]) < 0 && host.data[i] != ':' && host.data[i] != '.')
				return STR_NONE;
		}
	} else {
		while (end < host.size && (is_letter(host.data[end]) || is_digit(host.data[end]) ||
					   host.data[end] == '.' || host.data[end] == '-' || host.data[end] == '_'))
			end++;
	}
	struct str port = str_from(host, end);

	if (end == 0 || (port.size && port.data[0] != ':') || port.size > 6)
		return STR_NONE;
	for (size_t i = 1; i < port.size; i++) {
		if (!is_digit(port.data[i]))
			return STR_NONE;
	}
	return (struct str) { host.data, end };
}

static struct http_head_verdict check_host(struct str value, const struct str *hosts, size_t host_count)
{
	struct str host = host_part(value);

	if (!host.data)
		return malformed("Send one well-formed Host header.");
	for (size_t i = 0; i < host_count; i++) {
		if (str_equal_nocase(host, hosts[i]))
			return FINE;
	}
	return hosts ? malformed("Use a host name that this server is configured to serve (listen.hosts).") : FINE;
}

static struct http_head_verdict check_shapes(const struct http_head_limits *limits, const struct http_request *request)
{
	size_t bytes = 0;

	if (request->header_count > limits->header_count_max)
		return bad(ERR_HEADER_TOO_LONG, 431, "Send fewer headers.");
	for (size_t i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];

		bytes += header->name.size + header->value.size + 4;
		if (!is_token(header->name))
			return malformed("Send header names without blanks or special characters.");
		for (size_t k = 0; k < header->value.size; k++) {
			unsigned char c = (unsigned char)header->value.data[k];

			if ((c < 0x20 && c != '\t') || c == 0x7F)
				return malformed("Remove control characters from the header values.");
		}
	}
	if (bytes > limits->headers_bytes_max)
		return bad(ERR_HEADER_TOO_LONG, 431, "Send shorter headers.");
	return FINE;
}

/* RFC 9112 6.3: whoever sees two lengths, or a length and a coding, must not choose. */
static struct http_head_verdict check_length(bool is_http_1_1, struct http_request *request)
{
	size_t length_count = http_request_header_count(request, STR("Content-Length"));
	size_t coding_count = http_request_header_count(request, STR("Transfer-Encoding"));
	struct str length = http_request_header(request, STR("Content-Length"));

	request->content_length = 0;
	if (length_count + coding_count > 1)
		return malformed("Send one Content-Length or one Transfer-Encoding, not both.");
	if (coding_count) {
		struct str coding = http_request_header(request, STR("Transfer-Encoding"));

		if (!is_http_1_1)
			return malformed("Use HTTP/1.1 for a chunked body.");
		if (!str_equal_nocase(coding, STR("chunked")))
			return bad(ERR_NOT_SUPPORTED, 501, "Send the body plain or chunked.");
		request->content_length = HTTP_LENGTH_UNKNOWN;
	}
	if (length_count && (!str_to_u64(length, &request->content_length) || request->content_length > INT64_MAX))
		return malformed("Send Content-Length as a decimal number.");
	return FINE;
}

struct http_head_verdict http_head_check_headers(const struct http_head_limits *limits, bool is_http_1_1,
						 const struct str *hosts, size_t host_count,
						 struct http_request *request)
{
	struct http_head_verdict verdict = check_shapes(limits, request);

	if (verdict.code != ERR_NONE)
		return verdict;
	if (http_request_header_count(request, STR("Host")) != 1)
		return malformed("Send one well-formed Host header.");
	request->host = http_request_header(request, STR("Host"));
	verdict = check_length(is_http_1_1, request);
	if (verdict.code != ERR_NONE)
		return verdict;
	verdict = check_host(request->host, hosts, host_count);
	if (verdict.code != ERR_NONE)
		return verdict;
	struct str expect = http_request_header(request, STR("Expect"));

	if (expect.data && !str_equal_nocase(expect, STR("100-continue")))
		return bad(ERR_EXPECTATION, 417, "Expect nothing but 100-continue.");
	return FINE;
}
