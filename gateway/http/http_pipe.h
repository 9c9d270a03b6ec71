/* Bytes from a worker to a polling thread, through a bounded ring. The worker blocks when the client is slow; the
 * reader is told to sleep when there is nothing yet, and woken by a callback under the pipe's lock. */
#ifndef PASSERELLE_HTTP_PIPE_H
#define PASSERELLE_HTTP_PIPE_H

#include "gateway/run/deadline.h"
#include "mappers/base/str.h"

struct http_pipe;

enum http_pipe_state { PIPE_BYTES, PIPE_EMPTY, PIPE_ENDED, PIPE_BROKEN };

/* A pipe that holds at most capacity bytes. sleep and wake are called under the lock with their argument: sleep when
 * the reader found nothing, wake when there is something (bytes, end, break) for a reader that sleeps.
 * Returns NULL without memory. */
struct http_pipe *http_pipe_new(size_t capacity, void (*sleep)(void *), void (*wake)(void *), void *ctx) MUST_CHECK;
void http_pipe_free(struct http_pipe *pipe);

/* Writer: blocks until all is in the ring. False when the reader is gone or the deadline passed; the pipe is then
 * broken. */
bool http_pipe_write(struct http_pipe *pipe, const void *bytes, size_t size, uint64_t wait_ms) MUST_CHECK;

/* Writer: nothing more comes; whole says whether the reader may take what it got for everything. */
void http_pipe_end(struct http_pipe *pipe, bool whole);

/* Reader: takes up to size bytes without blocking. *taken is set with PIPE_BYTES only. With PIPE_EMPTY sleep was
 * called. */
enum http_pipe_state http_pipe_read(struct http_pipe *pipe, void *bytes, size_t size, size_t *taken);

/* Reader: gone for good. A writer that waits is woken and fails. */
void http_pipe_leave(struct http_pipe *pipe);

#endif
