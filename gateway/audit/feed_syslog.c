/* DICOM audit messages over syslog on TLS [ITI-20]. Syslog acknowledges nothing: a message that was written may be lost
 * with its connection. So nothing counts as delivered before its connection has stayed whole for resend_seconds after it
 * was written; when it breaks, all younger ones are sent again. After a break fewer are sent ahead, so that a receiver
 * that breaks off again and again still gets on. Source: RFC 5424, RFC 5425, ITI TF-2 3.20.4.1, DICOM PS3.15 A.6. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/audit/sender_state.h"
#include "gateway/audit/tls_stream.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "mappers/audit_event.h"
#include "mappers/audit_message.h"

/* Facility 10 (security), severity 5 (notice). */
#define PRIORITY          "<85>1"
#define MESSAGE_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define AHEAD_MAX         4096
#define WRITE_TIME_MS     10000
#define LOOK_EVERY_MS     50

struct ahead {
	uint64_t sequence;
	uint64_t written_ms;
};

struct syslog {
	struct sender *sender;
	struct tls_stream *stream; /* NULL: not connected */
	struct ahead ahead[AHEAD_MAX];
	size_t ahead_count;
	size_t ahead_limit;
	char host[256];
	struct buf frame;
};

/* RFC 5424 header: host and application are names without blanks; the message is UTF-8, which the mark says. */
static void frame_write(struct syslog *syslog, struct str event_time, const struct buf *xml)
{
	char head[512];
	int size = snprintf(head, sizeof(head), PRIORITY " %.*s %s passerelle %d IHE+DICOM - \xEF\xBB\xBF",
			    STR_ARG(event_time), syslog->host, (int)getpid());

	buf_clear(&syslog->frame);
	buf_printf(&syslog->frame, "%zu ", (size_t)size + xml->size);
	buf_add(&syslog->frame, (struct str) { head, (size_t)size });
	buf_add(&syslog->frame, buf_str(xml));
}

/* The event as a syslog frame. False without memory. */
static bool frame_make(struct syslog *syslog, struct str event)
{
	struct arena *arena = arena_new(MESSAGE_BYTES_MAX);
	json_t *tree = json_loadb(event.data, event.size, 0, NULL);
	const char *recorded = json_string_value(json_object_get(tree, "recorded"));
	struct xml_writer writer;
	struct outcome outcome;
	struct buf xml;
	bool ok;

	outcome_init(&outcome);
	buf_init(&xml, MESSAGE_BYTES_MAX);
	xml_writer_init(&writer, &xml);
	ok = arena && tree && audit_message_write(tree, arena, &writer, &outcome) &&
	     xml_writer_finish(&writer, &outcome);
	if (ok) {
		frame_write(syslog, recorded ? str_from_c(recorded) : STR("-"), &xml);
		ok = !syslog->frame.failed;
	}
	buf_free(&xml);
	json_decref(tree);
	arena_free(arena);
	return ok;
}

/* The connection is gone, and with it perhaps whatever has been written lately. */
static void broken(struct syslog *syslog, const char *why)
{
	if (syslog->ahead_count > 0) {
		if (syslog->ahead_limit > syslog->ahead_count)
			syslog->ahead_limit = syslog->ahead_count;
		syslog->ahead_limit = syslog->ahead_limit > 1 ? syslog->ahead_limit / 2 : 1;
	}
	tls_stream_close(syslog->stream);
	syslog->stream = NULL;
	journal_rewind(syslog->sender->consumer);
	syslog->sender->last = syslog->sender->noted;
	/* Whoever closes a connection on which nothing was under way only tidies up. */
	if (syslog->ahead_count > 0)
		sender_trouble(syslog->sender, why);
	else
		journal_wait(syslog->sender->consumer, UINT64_MAX - 1, LOOK_EVERY_MS);
	syslog->ahead_count = 0;
}

static bool connect_now(struct syslog *syslog)
{
	const struct config_audit_repository *repository = syslog->sender->repository;
	struct tls_target target = { .address = repository->address,
				     .ca_file = repository->ca_file.size ? repository->ca_file.data : NULL,
				     .certificate_file = repository->certificate_file.size
								 ? repository->certificate_file.data
								 : NULL,
				     .key_file = repository->key_file.size ? repository->key_file.data : NULL };
	const char *why = "";

	syslog->stream = tls_stream_open(&target, WRITE_TIME_MS, &why);
	if (!syslog->stream)
		sender_trouble(syslog->sender, why);
	return syslog->stream != NULL;
}

/* What has been out for long enough, on a connection that is whole. */
static void settle(struct syslog *syslog)
{
	uint64_t now = clock_monotonic_ms();
	uint64_t most = syslog->sender->repository->resend_seconds * 1000;
	size_t count = 0;

	while (count < syslog->ahead_count && now - syslog->ahead[count].written_ms >= most)
		count++;
	if (count == 0)
		return;
	sender_acknowledge(syslog->sender, syslog->ahead[count - 1].sequence);
	sender_fine(syslog->sender);
	syslog->ahead_limit = syslog->ahead_limit + count < AHEAD_MAX ? syslog->ahead_limit + count : AHEAD_MAX;
	memmove(syslog->ahead, syslog->ahead + count, (syslog->ahead_count - count) * sizeof(syslog->ahead[0]));
	syslog->ahead_count -= count;
}

/* Sends the next entry. JOURNAL_END: there is none. */
static enum journal_read next_send(struct syslog *syslog)
{
	uint64_t sequence;
	struct str event;
	enum journal_read found = journal_next(syslog->sender->consumer, &sequence, &event);

	if (found != JOURNAL_ENTRY)
		return found;
	if (!frame_make(syslog, event))
		return JOURNAL_FAILED;
	if (!tls_stream_write(syslog->stream, buf_str(&syslog->frame), WRITE_TIME_MS)) {
		broken(syslog, "the connection broke, or nothing was read from it");
		return JOURNAL_ENTRY;
	}
	syslog->sender->last = sequence;
	syslog->ahead[syslog->ahead_count++] = (struct ahead) { sequence, clock_monotonic_ms() };
	return JOURNAL_ENTRY;
}

/* One turn. False when there is nothing left to do for now. */
static bool turn(struct syslog *syslog)
{
	enum journal_read found = JOURNAL_END;

	if (!syslog->stream && syslog->sender->last >= journal_state(syslog->sender->journal).last)
		return false;
	if (!syslog->stream && !connect_now(syslog))
		return true;
	if (!tls_stream_whole(syslog->stream)) {
		broken(syslog, "the connection was closed");
		return true;
	}
	settle(syslog);
	if (syslog->ahead_count < syslog->ahead_limit)
		found = next_send(syslog);
	if (found == JOURNAL_FAILED)
		broken(syslog, "an event cannot be read or written");
	return found != JOURNAL_END;
}

void syslog_feed(struct sender *sender)
{
	struct syslog *syslog = calloc(1, sizeof(*syslog));

	if (!syslog)
		return;
	syslog->sender = sender;
	syslog->ahead_limit = AHEAD_MAX;
	buf_init(&syslog->frame, MESSAGE_BYTES_MAX + 1024);
	if (gethostname(syslog->host, sizeof(syslog->host) - 1) != 0 || !syslog->host[0])
		snprintf(syslog->host, sizeof(syslog->host), "-");
	while (!sender_must_end(sender)) {
		if (turn(syslog))
			continue;
		if (atomic_load(&sender->stopping) && syslog->ahead_count == 0)
			break;
		sender_note(sender);
		if (syslog->ahead_count > 0)
			tls_stream_wait(syslog->stream, LOOK_EVERY_MS);
		else
			journal_wait(sender->consumer, sender->last, 20 * LOOK_EVERY_MS);
	}
	tls_stream_close(syslog->stream);
	buf_free(&syslog->frame);
	free(syslog);
}
