#include "gateway/run/worker_lines.h"

#include <stdlib.h>

#include "gateway/run/clock.h"

static void queue_init(struct worker_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static struct worker_job *queue_take(struct worker_queue *queue)
{
	struct worker_job *job = queue->first;

	if (!job)
		return NULL;
	queue->first = job->next;
	if (!queue->first)
		queue->last = &queue->first;
	job->next = NULL;
	return job;
}

static struct str name_of(const struct worker_share *share)
{
	struct str name = share->name;

	if (name.size > SHARE_NAME_MAX)
		name.size = SHARE_NAME_MAX;
	return name;
}

static struct worker_line *line_new(struct worker_lines *lines, struct str name)
{
	struct worker_line *line = calloc(1, sizeof(*line));

	if (!line)
		return NULL;
	if (name.size > 0)
		memcpy(line->name, name.data, name.size);
	line->name_size = name.size;
	queue_init(&line->queues[0]);
	queue_init(&line->queues[1]);
	line->next = lines->last ? lines->last->next : line;
	if (lines->last)
		lines->last->next = line;
	lines->last = line;
	return line;
}

struct worker_line *worker_line_of(struct worker_lines *lines, const struct worker_share *share)
{
	struct str name = name_of(share);
	struct worker_line *line = lines->last;

	for (bool more = line != NULL; more; more = line != lines->last) {
		line = line->next;
		if (str_equal(name, (struct str) { line->name, line->name_size }))
			break;
	}
	if (!line || !str_equal(name, (struct str) { line->name, line->name_size }))
		line = line_new(lines, name);
	if (line) {
		line->max = share->max;
		line->asking_max = share->asking_max;
	}
	return line;
}

void worker_lines_free(struct worker_lines *lines)
{
	struct worker_line *line = lines->last ? lines->last->next : NULL;

	while (line) {
		struct worker_line *next = line == lines->last ? NULL : line->next;

		free(line);
		line = next;
	}
	lines->last = NULL;
}

bool worker_line_has_room(const struct worker_line *line, bool asks)
{
	return (line->max == 0 || line->running < line->max) &&
	       (!asks || line->asking_max == 0 || line->asking < line->asking_max);
}

void worker_line_enter(struct worker_line *line, bool asks)
{
	line->running++;
	line->asking += asks;
}

void worker_line_leave(struct worker_line *line, bool asks)
{
	line->running--;
	line->asking -= asks;
}

void worker_lines_put(struct worker_lines *lines, struct worker_line *line, struct worker_job *job)
{
	struct worker_queue *queue = &line->queues[job->share.asks];

	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
	line->waiting++;
	lines->waiting++;
}

/* Those that ask and those that do not take turns: neither waits for all of the other. */
static struct worker_job *line_take(struct worker_line *line)
{
	for (int i = 0; i < 2; i++) {
		bool asks = line->asks_next;
		struct worker_job *job = NULL;

		line->asks_next = !asks;
		if (worker_line_has_room(line, asks))
			job = queue_take(&line->queues[asks]);
		if (job) {
			worker_line_enter(line, asks);
			return job;
		}
	}
	return NULL;
}

struct worker_job *worker_lines_take(struct worker_lines *lines, struct worker_line **line)
{
	struct worker_line *at = lines->last;

	for (bool more = at && lines->waiting > 0; more; more = at != lines->last) {
		struct worker_job *job;

		at = at->next;
		job = at->waiting > 0 ? line_take(at) : NULL;
		if (job) {
			at->waiting--;
			lines->waiting--;
			lines->last = at;
			*line = at;
			return job;
		}
	}
	return NULL;
}

struct worker_job *worker_lines_expired(struct worker_lines *lines)
{
	struct worker_line *line = lines->last;

	for (bool more = line && lines->waiting > 0; more; more = line != lines->last) {
		line = line->next;
		for (int asks = 0; asks < 2; asks++) {
			struct worker_queue *queue = &line->queues[asks];

			if (!queue->first || !deadline_passed(queue->first->deadline))
				continue;
			line->waiting--;
			lines->waiting--;
			return queue_take(queue);
		}
	}
	return NULL;
}

/* Of one line: as many as have room. */
static size_t line_late(const struct worker_line *line, uint64_t wait_us, size_t most)
{
	uint64_t now_us = clock_monotonic_us();
	struct worker_line ahead = *line;
	size_t late = 0;

	for (int asks = 0; asks < 2; asks++) {
		for (const struct worker_job *job = line->queues[asks].first; job && late < most; job = job->next) {
			if (now_us - job->queued_us < wait_us || !worker_line_has_room(&ahead, asks))
				break;
			worker_line_enter(&ahead, asks);
			late++;
		}
	}
	return late;
}

size_t worker_lines_late(const struct worker_lines *lines, uint64_t wait_us, size_t most)
{
	const struct worker_line *line = lines->last;
	size_t late = 0;

	for (bool more = line && lines->waiting > 0; more && late < most; more = line != lines->last) {
		line = line->next;
		late += line_late(line, wait_us, most - late);
	}
	return late;
}
