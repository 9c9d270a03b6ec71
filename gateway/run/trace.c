#include "gateway/run/trace.h"

#include <stdio.h>

#include "gateway/run/random.h"
#include "mappers/base/hex.h"

/* Random and not all zero: a zero id is invalid (W3C Trace Context 3.2.2.3). */
static void fresh_hex(char *out, size_t bytes)
{
	unsigned char raw[16];

	random_bytes(raw, bytes);
	raw[0] |= 1;
	hex_write(raw, bytes, out);
	out[2 * bytes] = '\0';
}

/* Lower-case hex digits, not all of them 0. */
static bool is_id(struct str s)
{
	bool all_zero = true;

	for (size_t i = 0; i < s.size; i++) {
		if (!((s.data[i] >= '0' && s.data[i] <= '9') || (s.data[i] >= 'a' && s.data[i] <= 'f')))
			return false;
		if (s.data[i] != '0')
			all_zero = false;
	}
	return !all_zero;
}

/* version "-" trace-id "-" parent-id "-" flags; a later version may have more after another "-" (3.2.4). */
static bool header_read(struct str header, struct trace *trace)
{
	const char *at = header.data;

	if (header.size < 55 || at[2] != '-' || at[35] != '-' || at[52] != '-')
		return false;
	if (header.size > 55 && (str_starts_with(header, STR("00")) || at[55] != '-'))
		return false;
	struct str version = { at, 2 };

	if (!(is_id(version) || str_equal(version, STR("00"))) || str_equal(version, STR("ff")))
		return false;
	struct str flags = { at + 53, 2 };

	if (!is_id((struct str) { at + 3, 32 }) || !is_id((struct str) { at + 36, 16 }))
		return false;
	if (!is_id(flags) && !str_equal(flags, STR("00")))
		return false;
	memcpy(trace->trace_id, at + 3, 32);
	trace->trace_id[32] = '\0';
	trace->sampled = (hex_value(flags.data[1]) & 1) != 0;
	return true;
}

void trace_from_header(struct str traceparent, struct trace *trace)
{
	if (!header_read(traceparent, trace)) {
		fresh_hex(trace->trace_id, 16);
		trace->sampled = true;
	}
	fresh_hex(trace->span_id, 8);
}

void trace_to_header(const struct trace *trace, char out[TRACEPARENT_SIZE])
{
	snprintf(out, TRACEPARENT_SIZE, "00-%s-%s-%s", trace->trace_id, trace->span_id, trace->sampled ? "01" : "00");
}
