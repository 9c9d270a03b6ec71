/* Files named by the SHA-256 of their content, in a directory that one process owns. A content is first a temporary
 * file that any thread may fill; only content_keep, called in the database's writer thread by a work that goes on to
 * commit, gives it its name. So a file without a row is never more than the rest of a crash, and content_store_sweep
 * removes it. Errors: ERR_STORAGE, ERR_TOO_LONG. */
#ifndef PASSERELLE_CONTENT_STORE_H
#define PASSERELLE_CONTENT_STORE_H

#include "mappers/base/error.h"

struct content_store;

#define CONTENT_NAME_SIZE 65 /* 64 hex digits and NUL */

/* Opens the directory, creates it when it is missing (its parent must exist), removes temporary files of an earlier
 * life and takes the lock of the directory: a second process is refused. */
bool content_store_open(const char *directory, struct content_store **store, struct outcome *outcome) MUST_CHECK;
void content_store_close(struct content_store *store);

struct content_writer;

/* A new temporary file for at most bytes_max bytes. End it with content_discard, also after content_keep. */
bool content_begin(struct content_store *store, uint64_t bytes_max, struct content_writer **writer,
		   struct outcome *outcome) MUST_CHECK;
bool content_write(struct content_writer *writer, const void *bytes, size_t size, struct outcome *outcome) MUST_CHECK;

/* What was written, known after content_finish. */
struct content {
	char name[CONTENT_NAME_SIZE]; /* SHA-256, lower-case hex */
	char sha1[41];                /* lower-case hex, the hash of XDS metadata */
	uint64_t size;
};

/* No more bytes follow: the file is on the disk (fsync) when this returns true. */
bool content_finish(struct content_writer *writer, struct content *content, struct outcome *outcome) MUST_CHECK;

/* Gives the finished file its name, in place of one with the same content. Writer thread only. */
bool content_keep(struct content_writer *writer, struct outcome *outcome) MUST_CHECK;

/* Frees the writer, and removes the temporary file when it was not kept. NULL is allowed. */
void content_discard(struct content_writer *writer);

/* Removes the file of this name. Writer thread only, by a work that saw that no row names the content any more, so that
 * none can come to name it meanwhile. One that is gone already is no error. */
bool content_remove(struct content_store *store, struct str name, struct outcome *outcome) MUST_CHECK;

/* Makes the names given since the last call durable: for database_options.before_commit. store is a struct
 * content_store. */
bool content_store_sync(void *store, struct outcome *outcome) MUST_CHECK;

/* Opens a content for reading: a descriptor that the caller closes, and the size of the file; -1 with ERR_STORAGE. */
int content_open(struct content_store *store, struct str name, uint64_t *size, struct outcome *outcome) MUST_CHECK;

/* Removes each file for which is_known says false; at start, before anything is served. */
bool content_store_sweep(struct content_store *store, bool (*is_known)(void *context, struct str name), void *context,
			 size_t *removed_count, struct outcome *outcome) MUST_CHECK;

#endif
