/* A file of JSON lines, for demonstrations and for whoever collects files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/audit/sender_state.h"
#include "gateway/run/file.h"

/* A crash may have cut the last line: what comes next begins a new one. */
static bool line_begin(int descriptor)
{
	struct stat status;
	char last;

	if (fstat(descriptor, &status) != 0)
		return false;
	if (status.st_size == 0)
		return true;
	if (pread(descriptor, &last, 1, status.st_size - 1) != 1)
		return false;
	return last == '\n' || file_write_all(descriptor, "\n", 1);
}

void file_deliver(const struct config_audit_repository *repository, struct delivery *items, size_t count,
		  const char **why)
{
	const struct file_calls *calls = file_calls_now();
	int descriptor = calls->open(repository->path.data, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = descriptor >= 0 && line_begin(descriptor);

	for (size_t i = 0; ok && i < count; i++)
		ok = file_write_all(descriptor, items[i].event.data, items[i].event.size) &&
		     file_write_all(descriptor, "\n", 1);
	ok = ok && calls->fdatasync(descriptor) == 0;
	if (!ok)
		*why = strerrordesc_np(errno);
	if (descriptor >= 0)
		calls->close(descriptor);
	for (size_t i = 0; ok && i < count; i++)
		items[i].state = DELIVERED;
}
