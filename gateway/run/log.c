#include "gateway/run/log.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "mappers/base/buf.h"

/* A pipe that poll calls writable takes PIPE_BUF bytes without blocking, so a line is never longer than that. */
#define LINE_SIZE  4096
#define VALUE_SIZE 1024

static const char *const event_names[] = {
#define EVENT(name, text, when) text,
#include "gateway/run/log_events.def"
#undef EVENT
};
static const char *const level_names[] = { "debug", "info", "warn", "error" };

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level level_min = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_AUTO;
static int log_descriptor = STDERR_FILENO;
static uint64_t lost_count; /* under write_lock */
static atomic_bool names_tenants;
static _Thread_local struct log_tenant tenant_now;

/* One line being put together. What does not fit is left out; room for the end is kept. */
struct line {
	char text[LINE_SIZE];
	size_t size;
};

void log_start(enum log_level level, enum log_format format, int descriptor)
{
	level_min = level;
	log_descriptor = descriptor;
	line_format = format;
	if (format == LOG_FORMAT_AUTO)
		line_format = isatty(descriptor) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
}

struct log_tenant log_tenant_now(void)
{
	return tenant_now;
}

void log_tenant_restore(const struct log_tenant *before)
{
	tenant_now = *before;
}

struct log_tenant log_tenant_set(struct str name)
{
	struct log_tenant before = tenant_now;
	size_t size = name.size < sizeof(tenant_now.name) ? name.size : sizeof(tenant_now.name);

	if (size)
		memcpy(tenant_now.name, name.data, size);
	tenant_now.size = (unsigned char)size;
	return before;
}

void log_tenants_name(bool several)
{
	atomic_store(&names_tenants, several);
}

bool log_enabled(enum log_level level)
{
	return level >= level_min;
}

static void line_add(struct line *line, const char *bytes, size_t size)
{
	if (size > LINE_SIZE - 8 - line->size)
		return;
	memcpy(line->text + line->size, bytes, size);
	line->size += size;
}

static void line_add_c(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

/* Escapes as JSON does; the readable format uses the same, so that nobody's value can end a line or paint a terminal.
 * Bytes that are not UTF-8 are shown as '?'. */
static void line_add_escaped(struct line *line, struct str value)
{
	bool clean = str_is_utf8(value);
	size_t shown = value.size < VALUE_SIZE ? value.size : VALUE_SIZE;

	while (shown < value.size && shown > 0 && ((unsigned char)value.data[shown] & 0xC0) == 0x80)
		shown--;
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)value.data[i];
		char escaped[8];

		if (c == '"' || c == '\\')
			line_add(line, (char[]) { '\\', (char)c }, 2);
		else if (c < 0x20 || c == 0x7F)
			line_add(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
		else if (c >= 0x80 && !clean)
			line_add_c(line, "?");
		else if (c == 0xC2 && i + 1 < shown && (unsigned char)value.data[i + 1] < 0xA0)
			/* U+0080 to U+009F: control characters to some terminals. */
			line_add(line, escaped,
				 (size_t)snprintf(escaped, sizeof escaped, "\\u%04x",
						  (unsigned)(unsigned char)value.data[++i]));
		else
			line_add(line, (const char *)&value.data[i], 1);
	}
	if (shown < value.size)
		line_add_c(line, "...");
}

static void line_add_time(struct line *line)
{
	int64_t now_ms = clock_wall_ms();
	time_t now_s = (time_t)(now_ms / 1000);
	struct tm parts;
	char text[40];

	gmtime_r(&now_s, &parts);
	size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);

	line_add(line, text, size);
	line_add(line, text, (size_t)snprintf(text, sizeof text, ".%03dZ", (int)(now_ms % 1000)));
}

static void line_add_field(struct line *line, const struct log_field *field, bool json)
{
	size_t before = line->size;
	char number[24];

	line_add_c(line, json ? ",\"" : " ");
	line_add_c(line, field->name);
	line_add_c(line, json ? "\":" : "=");
	if (!field->text.data) {
		line_add(line, number, (size_t)snprintf(number, sizeof number, "%" PRId64, field->number));
		return;
	}
	line_add_c(line, "\"");
	line_add_escaped(line, field->text);
	/* A field that filled the line is taken back whole: half a field would break the JSON. */
	if (line->size + 16 > LINE_SIZE - 8)
		line->size = before;
	else
		line_add_c(line, "\"");
}

static void line_begin(struct line *line, enum log_level level, enum log_event event, const char *request_id, bool json)
{
	line_add_c(line, json ? "{\"time\":\"" : "");
	line_add_time(line);
	line_add_c(line, json ? "\",\"level\":\"" : " ");
	line_add_c(line, level_names[level]);
	line_add_c(line, json ? "\",\"event\":\"" : " ");
	line_add_c(line, event_names[event]);
	line_add_c(line, json ? "\"" : "");
	if (request_id)
		line_add_field(line, &LOG_C("request", request_id), json);
}

/* Under write_lock. */
static void line_write(struct line *line)
{
	struct pollfd ready = { .fd = log_descriptor, .events = POLLOUT };

	if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT) ||
	    write(log_descriptor, line->text, line->size) != (ssize_t)line->size)
		lost_count++;
	else
		lost_count = 0;
}

static bool has_tenant(const struct log_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(fields[i].name, "tenant") == 0)
			return true;
	}
	return false;
}

void log_write(enum log_level level, enum log_event event, const char *request_id, const struct log_field *fields,
	       size_t field_count)
{
	bool json = line_format != LOG_FORMAT_TEXT;
	struct line line;

	if (!log_enabled(level))
		return;
	line.size = 0;
	line_begin(&line, level, event, request_id, json);
	if (tenant_now.size && atomic_load(&names_tenants) && !has_tenant(fields, field_count))
		line_add_field(&line, &LOG_TEXT("tenant", ((struct str) { tenant_now.name, tenant_now.size })), json);
	for (size_t i = 0; i < field_count; i++)
		line_add_field(&line, &fields[i], json);
	pthread_mutex_lock(&write_lock);
	if (lost_count)
		line_add_field(&line, &LOG_NUMBER("lines_lost", lost_count), json);
	memcpy(line.text + line.size, json ? "}\n" : "\n", json ? 2 : 1);
	line.size += json ? 2 : 1;
	line_write(&line);
	pthread_mutex_unlock(&write_lock);
}
