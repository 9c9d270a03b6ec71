/* Structured log on standard error: one line per event, JSON or readable. Values are escaped, lines have a limit, and
 * a reader that does not read costs lines (counted in the next line that gets through), never time.
 * Never log names, birth dates, document content, tokens, query strings or whole URLs. */
#ifndef PASSERELLE_LOG_H
#define PASSERELLE_LOG_H

#include "mappers/base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT }; /* AUTO: text on a terminal, JSON elsewhere */

enum log_event {
#define EVENT(name, text, when) name,
#include "gateway/run/log_events.def"
#undef EVENT
	LOG_EVENT_COUNT
};

struct log_field {
	const char *name; /* snake_case */
	struct str text;  /* used when data is not NULL */
	int64_t number;
};

/* Level and format from now on; before it is called: info, auto. descriptor is where lines go (2 for standard error).
 */
void log_start(enum log_level level, enum log_format format, int descriptor);

/* True when a line of this level would be written: lets callers skip costly fields. */
bool log_enabled(enum log_level level);

/* For whom a thread works: a copy of the name; empty: for nobody in particular. */
struct log_tenant {
	char name[64];
	unsigned char size;
};

/* Every line that this thread writes from now on names this tenant, and so do the threads that it starts (thread.h) and the
 * jobs that it hands over (worker.h). Returns for whom it worked before, to be restored when that goes on. */
struct log_tenant log_tenant_set(struct str name);
void log_tenant_restore(const struct log_tenant *before);
struct log_tenant log_tenant_now(void);

/* Whether there are several tenants, and lines name theirs at all. Begins as false. */
void log_tenants_name(bool several);

/* Writes one line: time, level, event, request id (NULL for none), the tenant unless a field names it, the fields in
 * order. */
void log_write(enum log_level level, enum log_event event, const char *request_id, const struct log_field *fields,
	       size_t field_count);

/* LOG(INFO, LOG_HTTP_LISTEN, NULL, LOG_TEXT("address", address), LOG_NUMBER("port", port)); at least one field. */
#define LOG(level, event, request_id, ...)                                                          \
	log_write(LOG_LEVEL_##level, event, request_id, (const struct log_field[]) { __VA_ARGS__ }, \
		  sizeof((const struct log_field[]) { __VA_ARGS__ }) / sizeof(struct log_field))
#define LOG_TEXT(field_name, str)      ((struct log_field) { .name = (field_name), .text = (str) })
#define LOG_C(field_name, c_string)    ((struct log_field) { .name = (field_name), .text = str_from_c(c_string) })
#define LOG_NUMBER(field_name, amount) ((struct log_field) { .name = (field_name), .number = (int64_t)(amount) })

#endif
