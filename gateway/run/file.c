#include "gateway/run/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096

static int system_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags | O_CLOEXEC, mode);
}

static const struct file_calls system_calls = { system_open, write, read, fsync, fdatasync, rename, unlink, close };
static const struct file_calls *calls_now = &system_calls;

void file_replace(const struct file_calls *calls)
{
	calls_now = calls ? calls : &system_calls;
}

const struct file_calls *file_system_calls(void)
{
	return &system_calls;
}

const struct file_calls *file_calls_now(void)
{
	return calls_now;
}

static bool failed(struct outcome *outcome, const char *what, const char *path)
{
	char reason[128];
	int error = errno;

	return outcome_add(outcome, ERR_STORAGE, "", "Cannot %s %s: %s. Check the %s.", what, path,
			   strerror_r(error, reason, sizeof reason),
			   error == ENOENT ? "path" : "disk and the permissions");
}

bool file_write_all(int descriptor, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t done = calls_now->write(descriptor, at, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			errno = done == 0 ? ENOSPC : errno;
			return false;
		}
		at += done;
		size -= (size_t)done;
	}
	return true;
}

/* Fills up to size bytes; returns how many there were before the end, or -1. */
static ssize_t read_up_to(int descriptor, char *bytes, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t part = calls_now->read(descriptor, bytes + got, size - got);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return -1;
		if (part == 0)
			break;
		got += (size_t)part;
	}
	return (ssize_t)got;
}

static bool descriptor_read(int descriptor, const char *path, size_t size_max, struct arena *arena, struct str *content,
			    struct outcome *outcome)
{
	struct stat status;

	if (fstat(descriptor, &status) != 0)
		return failed(outcome, "look at", path);
	if (!S_ISREG(status.st_mode))
		return outcome_add(outcome, ERR_STORAGE, "", "%s is not a regular file: name one.", path);
	if ((uint64_t)status.st_size > size_max)
		return outcome_add(outcome, ERR_TOO_LONG, "", "%s has more than %zu bytes: name a smaller file.", path,
				   size_max);
	/* One byte more than expected shows a file that grows while it is read. */
	size_t expected = (size_t)status.st_size;
	char *bytes = arena_alloc(arena, expected + 1);

	if (!bytes)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "There is no memory for %s: retry later.", path);
	ssize_t got = read_up_to(descriptor, bytes, expected + 1);

	if (got < 0)
		return failed(outcome, "read", path);
	if ((size_t)got != expected)
		return outcome_add(outcome, ERR_STORAGE, "", "%s changed while it was read: retry.", path);
	bytes[expected] = '\0';
	*content = (struct str) { bytes, expected };
	return true;
}

bool file_read(const char *path, size_t size_max, struct arena *arena, struct str *content, struct outcome *outcome)
{
	/* O_NONBLOCK: a FIFO in place of the file must not hold us. */
	int descriptor = calls_now->open(path, O_RDONLY | O_NONBLOCK, 0);

	if (descriptor < 0)
		return failed(outcome, "open", path);
	bool ok = descriptor_read(descriptor, path, size_max, arena, content, outcome);

	calls_now->close(descriptor);
	return ok;
}

bool file_read_for(const char *key, const char *path, size_t size_max, struct arena *arena, struct str *content,
		   struct outcome *outcome)
{
	size_t first = outcome->count;

	if (file_read(path, size_max, arena, content, outcome))
		return true;
	if (first < outcome->count)
		snprintf(outcome->issues[first].path, sizeof outcome->issues[first].path, "%s", key);
	return false;
}

static bool make_one(const char *path, struct outcome *outcome)
{
	struct stat status;

	if (mkdir(path, 0700) == 0)
		return true;
	if (errno == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return true;
	return failed(outcome, "make the directory", path);
}

bool file_make_directory(const char *path, struct outcome *outcome)
{
	char part[PATH_SIZE];
	size_t size = strlen(path);

	if (size == 0 || size >= sizeof part)
		return outcome_add(outcome, ERR_STORAGE, "", "A directory name is empty or too long: change it.");
	for (size_t i = 1; i < size; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (!make_one(part, outcome))
			return false;
	}
	return make_one(path, outcome);
}

bool file_directory_check(const char *key, const char *path, bool may_be_made, struct outcome *outcome)
{
	char part[PATH_SIZE];
	struct stat status;
	int size = snprintf(part, sizeof part, "%s", path);

	/* The nearest one above that is there would take the others. */
	while (may_be_made && size > 1 && (size_t)size < sizeof part && stat(part, &status) != 0 && errno == ENOENT) {
		char *slash = strrchr(part, '/');

		if (slash == part)
			slash++;
		snprintf(slash ? slash : part, slash ? sizeof part - (size_t)(slash - part) : sizeof part, "%s",
			 slash ? "" : ".");
		size = (int)strlen(part);
	}
	if (stat(part, &status) == 0 && !S_ISDIR(status.st_mode))
		errno = ENOTDIR;
	else if (access(part, W_OK | X_OK) == 0)
		return true;
	return outcome_add(outcome, ERR_STORAGE, key, "Name a directory that this user may write to: %s: %s.", part,
			   strerrordesc_np(errno) ? strerrordesc_np(errno) : "unknown error");
}

bool file_lock(const char *path, int *lock, struct outcome *outcome)
{
	*lock = calls_now->open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*lock < 0)
		return outcome_add(outcome, ERR_STORAGE, "state_directory",
				   "Give this user the right to write to %s: %s.", path,
				   strerrordesc_np(errno) ? strerrordesc_np(errno) : "unknown error");
	if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	calls_now->close(*lock);
	*lock = -1;
	return outcome_add(outcome, ERR_STORAGE, "state_directory",
			   "Give each gateway a state_directory of its own: %s is used by another process.", path);
}

int file_temporary(const char *directory)
{
	char path[PATH_SIZE];
	int descriptor = calls_now->open(directory, O_TMPFILE | O_RDWR | O_EXCL, 0600);

	if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return descriptor;
	/* A file system without O_TMPFILE: a name for a moment. */
	int size = snprintf(path, sizeof path, "%s/passerelle-XXXXXX", directory);

	if (size < 0 || (size_t)size >= sizeof path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	descriptor = mkostemp(path, O_CLOEXEC);
	if (descriptor >= 0)
		calls_now->unlink(path);
	return descriptor;
}
