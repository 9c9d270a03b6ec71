#include "gateway/state/content_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/run/file.h"
#include "mappers/base/hex.h"

#define PATH_SIZE           4096
#define SHARDS              256 /* directories 00 to ff, by the first two digits of the name */
#define TEMPORARY_NAME_SIZE 32
#define TEMPORARY_DIRECTORY "temporary"

struct content_store {
	char *path;
	int directory;
	int lock; /* the file whose lock says that the directory is taken */
	int temporary;
	atomic_uint_fast64_t next_temporary;
	bool dirty[SHARDS]; /* writer thread only: renamed into since the last sync */
};

struct content_writer {
	struct content_store *store;
	int descriptor;
	char temporary[TEMPORARY_NAME_SIZE];
	bool named; /* the temporary name still exists */
	EVP_MD_CTX *sha256;
	EVP_MD_CTX *sha1;
	uint64_t bytes_max;
	struct content content;
};

static bool file_error(const char *what, struct outcome *outcome)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return outcome_add(outcome, ERR_STORAGE, "", "Free disk space under the data directory, then retry.");
	return outcome_add(outcome, ERR_STORAGE, "", "Check the data directory and its rights: %s failed (%s).", what,
			   strerrordesc_np(errno) ? strerrordesc_np(errno) : "unknown error");
}

/* Opens a directory inside parent, creates it when it is missing. */
static int directory_open(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* A stream over the entries of a directory, NULL with errno set. */
static DIR *directory_list(int directory)
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;

	if (!list && copy >= 0)
		close(copy);
	return list;
}

static bool temporary_clear(struct content_store *store, struct outcome *outcome)
{
	DIR *list = directory_list(store->temporary);
	struct dirent *entry;

	if (!list)
		return file_error("listing temporary files", outcome);
	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] != '.' && unlinkat(store->temporary, entry->d_name, 0) != 0) {
			closedir(list);
			return file_error("removing a temporary file", outcome);
		}
	}
	closedir(list);
	return true;
}

/* The directories 00 to ff, so that no submission has to make one durable. */
static bool shards_create(struct content_store *store, struct outcome *outcome)
{
	char name[3];

	for (unsigned i = 0; i < SHARDS; i++) {
		snprintf(name, sizeof name, "%02x", i);
		if (mkdirat(store->directory, name, 0700) != 0 && errno != EEXIST)
			return file_error("creating a directory", outcome);
	}
	if (fsync(store->directory) != 0)
		return file_error("writing a directory", outcome);
	return true;
}

bool content_store_open(const char *directory, struct content_store **store, struct outcome *outcome)
{
	struct content_store *opened = calloc(1, sizeof *opened);

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	opened->lock = opened->temporary = -1;
	opened->path = strdup(directory);
	opened->directory = directory_open(AT_FDCWD, directory);
	if (opened->directory < 0) {
		outcome_add(outcome, ERR_STORAGE, "",
			    "Create the parent of %s and give this user the right to write: %s.", directory,
			    strerrordesc_np(errno) ? strerrordesc_np(errno) : "unknown error");
		goto failed;
	}
	opened->lock = openat(opened->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (opened->lock < 0) {
		file_error("opening the lock file", outcome);
		goto failed;
	}
	if (flock(opened->lock, LOCK_EX | LOCK_NB) != 0) {
		outcome_add(outcome, ERR_STORAGE, "", "Stop the other process first: %s is in use.", directory);
		goto failed;
	}
	opened->temporary = directory_open(opened->directory, TEMPORARY_DIRECTORY);
	if (opened->temporary < 0) {
		file_error("opening the temporary directory", outcome);
		goto failed;
	}
	if (!temporary_clear(opened, outcome) || !shards_create(opened, outcome))
		goto failed;
	*store = opened;
	return true;
failed:
	content_store_close(opened);
	return false;
}

void content_store_close(struct content_store *store)
{
	if (!store)
		return;
	if (store->temporary >= 0)
		close(store->temporary);
	if (store->lock >= 0)
		close(store->lock);
	if (store->directory >= 0)
		close(store->directory);
	free(store->path);
	free(store);
}

static bool digests_begin(struct content_writer *writer)
{
	writer->sha256 = EVP_MD_CTX_new();
	writer->sha1 = EVP_MD_CTX_new();
	return writer->sha256 && writer->sha1 && EVP_DigestInit_ex(writer->sha256, EVP_sha256(), NULL) == 1 &&
	       EVP_DigestInit_ex(writer->sha1, EVP_sha1(), NULL) == 1;
}

static void temporary_path(const struct content_writer *writer, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/" TEMPORARY_DIRECTORY "/%s", writer->store->path, writer->temporary);
}

/* The file of a content: in the directory that the first two digits of its name say. */
static void content_path(const struct content_store *store, const char *name, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%s/%.2s/%s", store->path, name, name);
}

bool content_begin(struct content_store *store, uint64_t bytes_max, struct content_writer **writer,
		   struct outcome *outcome)
{
	struct content_writer *begun = calloc(1, sizeof *begun);
	char path[PATH_SIZE];

	if (!begun)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	begun->store = store;
	begun->bytes_max = bytes_max;
	begun->descriptor = -1;
	if (!digests_begin(begun)) {
		content_discard(begun);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later: no memory left.");
	}
	snprintf(begun->temporary, sizeof begun->temporary, "%016llx",
		 (unsigned long long)atomic_fetch_add(&store->next_temporary, 1));
	temporary_path(begun, path);
	begun->descriptor = file_calls_now()->open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (begun->descriptor < 0) {
		file_error("creating a file", outcome);
		content_discard(begun);
		return false;
	}
	begun->named = true;
	*writer = begun;
	return true;
}

bool content_write(struct content_writer *writer, const void *bytes, size_t size, struct outcome *outcome)
{
	if (size > writer->bytes_max - writer->content.size)
		return outcome_add(outcome, ERR_TOO_LONG, "", "Send a document of at most %llu bytes.",
				   (unsigned long long)writer->bytes_max);
	writer->content.size += size;
	if (EVP_DigestUpdate(writer->sha256, bytes, size) != 1 || EVP_DigestUpdate(writer->sha1, bytes, size) != 1)
		return outcome_add(outcome, ERR_INTERNAL, "", "Report this: a hash function failed.");
	return file_write_all(writer->descriptor, bytes, size) || file_error("writing a document", outcome);
}

static bool digest_hex(EVP_MD_CTX *digest, char *hex)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_DigestFinal_ex(digest, bytes, &size) != 1)
		return false;
	hex_write(bytes, size, hex);
	hex[2 * size] = '\0';
	return true;
}

bool content_finish(struct content_writer *writer, struct content *content, struct outcome *outcome)
{
	if (!digest_hex(writer->sha256, writer->content.name) || !digest_hex(writer->sha1, writer->content.sha1))
		return outcome_add(outcome, ERR_INTERNAL, "", "Report this: a hash function failed.");
	if (file_calls_now()->fsync(writer->descriptor) != 0)
		return file_error("writing a document", outcome);
	*content = writer->content;
	return true;
}

/* The directory of a content, from the first two digits of its name. */
static unsigned shard_of(const char *name)
{
	return (unsigned)(hex_value(name[0]) * 16 + hex_value(name[1]));
}

bool content_keep(struct content_writer *writer, struct outcome *outcome)
{
	struct content_store *store = writer->store;
	const char *name = writer->content.name;
	char from[PATH_SIZE];
	char to[PATH_SIZE];

	temporary_path(writer, from);
	content_path(store, name, to);
	if (file_calls_now()->rename(from, to) != 0)
		return file_error("naming a document", outcome);
	writer->named = false;
	store->dirty[shard_of(name)] = true;
	return true;
}

void content_discard(struct content_writer *writer)
{
	if (!writer)
		return;
	char path[PATH_SIZE];

	if (writer->descriptor >= 0)
		file_calls_now()->close(writer->descriptor);
	temporary_path(writer, path);
	if (writer->named)
		file_calls_now()->unlink(path);
	EVP_MD_CTX_free(writer->sha256);
	EVP_MD_CTX_free(writer->sha1);
	free(writer);
}

bool content_store_sync(void *context, struct outcome *outcome)
{
	struct content_store *store = context;

	for (unsigned i = 0; i < SHARDS; i++) {
		char name[3];

		if (!store->dirty[i])
			continue;
		snprintf(name, sizeof name, "%02x", i);
		int shard = openat(store->directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		bool synced = shard >= 0 && file_calls_now()->fsync(shard) == 0;

		if (!synced)
			file_error("writing a directory", outcome);
		if (shard >= 0)
			close(shard);
		if (!synced)
			return false;
		store->dirty[i] = false;
	}
	return true;
}

static bool is_content_name(struct str name)
{
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return name.size == CONTENT_NAME_SIZE - 1;
}

int content_open(struct content_store *store, struct str name, uint64_t *size, struct outcome *outcome)
{
	char path[3 + CONTENT_NAME_SIZE];
	struct stat status;

	if (!is_content_name(name)) {
		outcome_add(outcome, ERR_STORAGE, "", "Restore the data directory: it names a document wrongly.");
		return -1;
	}
	snprintf(path, sizeof path, "%.2s/%.*s", name.data, STR_ARG(name));
	int descriptor = openat(store->directory, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (descriptor < 0 || fstat(descriptor, &status) != 0) {
		file_error("opening a document", outcome);
		if (descriptor >= 0)
			close(descriptor);
		return -1;
	}
	*size = (uint64_t)status.st_size;
	return descriptor;
}

bool content_remove(struct content_store *store, struct str name, struct outcome *outcome)
{
	char digits[CONTENT_NAME_SIZE];
	char path[PATH_SIZE];

	if (!is_content_name(name))
		return outcome_add(outcome, ERR_STORAGE, "",
				   "Restore the data directory: it names a document wrongly.");
	snprintf(digits, sizeof digits, "%.*s", STR_ARG(name));
	content_path(store, digits, path);
	if (file_calls_now()->unlink(path) != 0 && errno != ENOENT)
		return file_error("removing a document", outcome);
	store->dirty[shard_of(digits)] = true;
	return true;
}

static bool shard_sweep(int shard, bool (*is_known)(void *context, struct str name), void *context,
			size_t *removed_count, struct outcome *outcome)
{
	DIR *list = directory_list(shard);
	struct dirent *entry;
	bool ok = true;

	if (!list)
		return file_error("listing documents", outcome);
	while (ok && (entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.' || is_known(context, str_from_c(entry->d_name)))
			continue;
		ok = unlinkat(shard, entry->d_name, 0) == 0;
		if (ok)
			*removed_count += 1;
		else
			file_error("removing a file", outcome);
	}
	closedir(list);
	return ok;
}

bool content_store_sweep(struct content_store *store, bool (*is_known)(void *context, struct str name), void *context,
			 size_t *removed_count, struct outcome *outcome)
{
	*removed_count = 0;
	for (unsigned i = 0; i < SHARDS; i++) {
		char name[3];

		snprintf(name, sizeof name, "%02x", i);
		int shard = openat(store->directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (shard < 0)
			return file_error("opening a directory", outcome);
		bool ok = shard_sweep(shard, is_known, context, removed_count, outcome);

		close(shard);
		if (!ok)
			return false;
	}
	return true;
}
