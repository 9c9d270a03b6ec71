/* Our own calls to the file system go through this one door, where tests can make them fail. */
#ifndef PASSERELLE_FILE_H
#define PASSERELLE_FILE_H

#include <sys/types.h>

#include "mappers/base/arena.h"
#include "mappers/base/error.h"

/* What the system offers; a test replaces single functions to inject faults. */
struct file_calls {
	int (*open)(const char *path, int flags, mode_t mode);
	ssize_t (*write)(int descriptor, const void *bytes, size_t size);
	ssize_t (*read)(int descriptor, void *bytes, size_t size);
	int (*fsync)(int descriptor);
	int (*fdatasync)(int descriptor);
	int (*rename)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*close)(int descriptor);
};

/* For tests: use these calls from now on; NULL restores the system's. */
void file_replace(const struct file_calls *calls);
const struct file_calls *file_system_calls(void);

/* The calls to use, for code that needs one of them alone. */
const struct file_calls *file_calls_now(void);

/* Writes all bytes, going on after short writes and EINTR. Returns false with errno set. */
bool file_write_all(int descriptor, const void *bytes, size_t size) MUST_CHECK;

/* Reads a whole regular file of at most size_max bytes into the arena (NUL-terminated). Errors: ERR_STORAGE with the
 * path and the reason, ERR_TOO_LONG, ERR_NO_MEMORY. */
bool file_read(const char *path, size_t size_max, struct arena *arena, struct str *content,
	       struct outcome *outcome) MUST_CHECK;

/* The same for a file that a key of the configuration names: the path of the issue is the key. */
bool file_read_for(const char *key, const char *path, size_t size_max, struct arena *arena, struct str *content,
		   struct outcome *outcome) MUST_CHECK;

/* Whether it is a directory that this user may write to or, when it is not there and may be made, whether it could be.
 * Makes nothing. The path of the issue is the key. */
bool file_directory_check(const char *key, const char *path, bool may_be_made, struct outcome *outcome) MUST_CHECK;

/* Makes a directory and its missing parents (mode 0700); one that exists is success. */
bool file_make_directory(const char *path, struct outcome *outcome) MUST_CHECK;

/* Takes path, a lock file in a directory of this process's own, until the descriptor is closed; *lock is -1 when it was not
 * taken. Errors (of key state_directory): ERR_STORAGE for a directory that cannot be written to, or that another process
 * uses. */
bool file_lock(const char *path, int *lock, struct outcome *outcome) MUST_CHECK;

/* An open descriptor of an empty file without a name in directory: it vanishes with the descriptor, also after a
 * crash. Returns -1 with errno set. */
int file_temporary(const char *directory) MUST_CHECK;

#endif
