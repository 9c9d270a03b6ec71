#include "gateway/cli/queue_print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/run/clock.h"
#include "gateway/run/file.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_reader.h"

#define SHORT_SIZE 24

static const char *state_word(const struct outbox_item *item)
{
	return item->state == OUTBOX_WAITING && item->is_held ? "held" : outbox_state_word(item->state);
}

/* "3d4h", "12m5s": the two largest units of a time span. */
static const char *span(int64_t ms, char text[SHORT_SIZE])
{
	int64_t seconds = ms > 0 ? ms / 1000 : 0;

	if (seconds >= 86400)
		snprintf(text, SHORT_SIZE, "%" PRId64 "d%" PRId64 "h", seconds / 86400, seconds % 86400 / 3600);
	else if (seconds >= 3600)
		snprintf(text, SHORT_SIZE, "%" PRId64 "h%" PRId64 "m", seconds / 3600, seconds % 3600 / 60);
	else if (seconds >= 60)
		snprintf(text, SHORT_SIZE, "%" PRId64 "m%" PRId64 "s", seconds / 60, seconds % 60);
	else
		snprintf(text, SHORT_SIZE, "%" PRId64 "s", seconds);
	return text;
}

static const char *instant(int64_t ms, char text[SHORT_SIZE])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(text, SHORT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(text, SHORT_SIZE, "?");
	return text;
}

/* What others wrote (a back-end's words) does not steer a terminal. */
static void text_print(struct str text)
{
	for (size_t i = 0; i < text.size; i++)
		putchar((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f ? ' ' : text.data[i]);
}

void queue_head_print(void)
{
	printf("%-36s  %-9s  %-9s  %-12s  %10s  %-7s  %5s  %-7s  %-7s  %s\n", "ID", "STATE", "KIND", "TARGET", "BYTES",
	       "AGE", "TRIES", "LAST", "DUE", "REASON");
}

void queue_item_print(const struct outbox_item *item)
{
	int64_t now_ms = clock_wall_ms();
	char age[SHORT_SIZE];
	char last[SHORT_SIZE];
	char due[SHORT_SIZE];
	bool waits = item->state == OUTBOX_WAITING && !item->is_held;

	printf("%-36s  %-9s  %-9.*s  %-12.*s  %10" PRIu64 "  %-7s  %5u  %-7s  %-7s  ", item->id, state_word(item),
	       STR_ARG(item->kind), STR_ARG(item->target), item->bytes, span(now_ms - item->accepted_ms, age),
	       item->attempts, item->changed_ms > item->accepted_ms ? span(now_ms - item->changed_ms, last) : "-",
	       waits ? span(item->due_ms - now_ms, due) : "-");
	text_print(item->reason);
	puts("");
}

void queue_item_print_long(const struct outbox_item *item)
{
	char text[SHORT_SIZE];

	printf("id:        %s\nstate:     %s%s\n", item->id, state_word(item),
	       item->is_unclear ? " (an attempt may have reached the target)" : "");
	printf("kind:      %.*s\ntarget:    %.*s\n", STR_ARG(item->kind), STR_ARG(item->target));
	printf("accepted:  %s\n", instant(item->accepted_ms, text));
	printf("changed:   %s\n", instant(item->changed_ms, text));
	if (item->state == OUTBOX_WAITING)
		printf("due:       %s\n", instant(item->due_ms, text));
	printf("attempts:  %u\nparts:     %zu\nbytes:     %" PRIu64 "\n", item->attempts, item->part_count,
	       item->bytes);
	if (item->owner.size)
		printf("sent by:   %.*s\n", STR_ARG(item->owner));
	if (item->reason.size) {
		fputs("reason:    ", stdout);
		text_print(item->reason);
		puts("");
	}
}

void queue_item_print_json(const struct outbox_item *item)
{
	bool has_reason = item->reason.size && str_is_utf8(item->reason);
	json_t *json = json_pack("{s:s, s:s, s:s%, s:s%, s:b, s:i, s:I, s:I, s:I, s:I, s:I, s:s%}", "id", item->id,
				 "state", state_word(item), "kind", item->kind.data, item->kind.size, "target",
				 item->target.data, item->target.size, "unclear", (int)item->is_unclear, "attempts",
				 (int)item->attempts, "accepted_ms", (json_int_t)item->accepted_ms, "due_ms",
				 (json_int_t)item->due_ms, "changed_ms", (json_int_t)item->changed_ms, "bytes",
				 (json_int_t)item->bytes, "parts", (json_int_t)item->part_count, "reason",
				 has_reason ? item->reason.data : "", has_reason ? item->reason.size : (size_t)0);

	if (json && json_dumpf(json, stdout, JSON_COMPACT) == 0)
		puts("");
	json_decref(json);
}

static bool file_failed(const char *path, struct outcome *outcome)
{
	const char *why = strerrordesc_np(errno);

	return outcome_add(outcome, ERR_STORAGE, "--parts", "%s cannot be written: %s.", path,
			   why ? why : "unknown error");
}

/* Writes what next gives until it gives nothing. */
static bool part_save(struct outbox_reader *reader, struct str whole, const char *path, struct outcome *outcome)
{
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct str piece = whole;
	bool ok = true;

	if (file < 0)
		return file_failed(path, outcome);
	do {
		if (reader)
			ok = outbox_reader_next(reader, &piece, outcome);
		if (ok && !file_write_all(file, piece.data, piece.size))
			ok = file_failed(path, outcome);
	} while (ok && reader && piece.size);
	if (close(file) != 0 && ok)
		ok = file_failed(path, outcome);
	return ok;
}

bool queue_parts_save(struct outbox *outbox, const struct outbox_item *item, struct str result, const char *directory,
		      struct outcome *outcome)
{
	char path[4096];

	if (!file_make_directory(directory, outcome))
		return false;
	for (size_t part = 0; part < item->part_count; part++) {
		struct outbox_reader *reader = outbox_reader_new(outbox, str_from_c(item->id), part, outcome);

		snprintf(path, sizeof path, "%s/%s.part-%zu", directory, item->id, part);
		bool ok = reader && part_save(reader, STR_NONE, path, outcome);

		outbox_reader_free(reader);
		if (!ok)
			return false;
		printf("saved:     %s\n", path);
	}
	snprintf(path, sizeof path, "%s/%s.result", directory, item->id);
	if (result.data && !part_save(NULL, result, path, outcome))
		return false;
	if (result.data)
		printf("saved:     %s\n", path);
	return true;
}
