/* A VFS of SQLite that stands before the system's and fails on demand. For one test program each. */
#ifndef PASSERELLE_FAULTY_VFS_H
#define PASSERELLE_FAULTY_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>

static atomic_int sync_failures;     /* this many xSync calls fail from now on */
static atomic_int write_full_budget; /* after this many writes the disk is full; negative: never */
static atomic_uint sync_count;

struct faulty_file {
	sqlite3_file base; /* the system's file follows */
};

static sqlite3_vfs faulty_vfs;
static sqlite3_vfs *real_vfs;

static sqlite3_file *real_file(sqlite3_file *file)
{
	return (sqlite3_file *)((char *)file + sizeof(struct faulty_file));
}

#define FORWARD(name, parameters, ...)                            \
	static int faulty_##name parameters                       \
	{                                                         \
		sqlite3_file *real = real_file(file);             \
                                                                  \
		return real->pMethods->name(real, ##__VA_ARGS__); \
	}
FORWARD(xRead, (sqlite3_file * file, void *bytes, int size, sqlite3_int64 at), bytes, size, at)
FORWARD(xTruncate, (sqlite3_file * file, sqlite3_int64 size), size)
FORWARD(xFileSize, (sqlite3_file * file, sqlite3_int64 *size), size)
FORWARD(xLock, (sqlite3_file * file, int level), level)
FORWARD(xUnlock, (sqlite3_file * file, int level), level)
FORWARD(xCheckReservedLock, (sqlite3_file * file, int *out), out)
FORWARD(xFileControl, (sqlite3_file * file, int op, void *argument), op, argument)
FORWARD(xSectorSize, (sqlite3_file * file))
FORWARD(xDeviceCharacteristics, (sqlite3_file * file))
FORWARD(xShmMap, (sqlite3_file * file, int page, int size, int extend, void volatile **out), page, size, extend, out)
FORWARD(xShmLock, (sqlite3_file * file, int offset, int n, int flags), offset, n, flags)
FORWARD(xShmUnmap, (sqlite3_file * file, int delete_flag), delete_flag)
FORWARD(xFetch, (sqlite3_file * file, sqlite3_int64 at, int size, void **out), at, size, out)
FORWARD(xUnfetch, (sqlite3_file * file, sqlite3_int64 at, void *page), at, page)

static void faulty_xShmBarrier(sqlite3_file *file)
{
	real_file(file)->pMethods->xShmBarrier(real_file(file));
}

static int faulty_xClose(sqlite3_file *file)
{
	return real_file(file)->pMethods->xClose(real_file(file));
}

static int faulty_xWrite(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
	if (atomic_load(&write_full_budget) == 0)
		return SQLITE_FULL;
	if (atomic_load(&write_full_budget) > 0)
		atomic_fetch_sub(&write_full_budget, 1);
	return real_file(file)->pMethods->xWrite(real_file(file), bytes, size, at);
}

static int faulty_xSync(sqlite3_file *file, int flags)
{
	atomic_fetch_add(&sync_count, 1);
	if (atomic_load(&sync_failures) > 0) {
		atomic_fetch_sub(&sync_failures, 1);
		return SQLITE_IOERR_FSYNC;
	}
	return real_file(file)->pMethods->xSync(real_file(file), flags);
}

static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	static const sqlite3_io_methods methods = {
		.iVersion = 3,
		.xClose = faulty_xClose,
		.xRead = faulty_xRead,
		.xWrite = faulty_xWrite,
		.xTruncate = faulty_xTruncate,
		.xSync = faulty_xSync,
		.xFileSize = faulty_xFileSize,
		.xLock = faulty_xLock,
		.xUnlock = faulty_xUnlock,
		.xCheckReservedLock = faulty_xCheckReservedLock,
		.xFileControl = faulty_xFileControl,
		.xSectorSize = faulty_xSectorSize,
		.xDeviceCharacteristics = faulty_xDeviceCharacteristics,
		.xShmMap = faulty_xShmMap,
		.xShmLock = faulty_xShmLock,
		.xShmBarrier = faulty_xShmBarrier,
		.xShmUnmap = faulty_xShmUnmap,
		.xFetch = faulty_xFetch,
		.xUnfetch = faulty_xUnfetch,
	};
	int code = real_vfs->xOpen(real_vfs, name, real_file(file), flags, out_flags);

	(void)vfs;
	file->pMethods = real_file(file)->pMethods ? &methods : NULL;
	return code;
}

/* Registers it as "faulty", and for everybody when it is the default; nothing fails. */
static void faulty_vfs_use(bool is_default)
{
	if (!real_vfs) {
		real_vfs = sqlite3_vfs_find(NULL);
		faulty_vfs = *real_vfs;
		faulty_vfs.zName = "faulty";
		faulty_vfs.szOsFile = (int)sizeof(struct faulty_file) + real_vfs->szOsFile;
		faulty_vfs.xOpen = faulty_open;
		assert_int_equal(sqlite3_vfs_register(&faulty_vfs, is_default), SQLITE_OK);
	}
	atomic_store(&sync_failures, 0);
	atomic_store(&write_full_budget, -1);
}

#endif
