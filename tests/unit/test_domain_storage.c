/* The durable half of the embedded domain: group commit, failing disks, contents and what a crash leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "gateway/run/file.h"
#include "gateway/state/content_store.h"
#include "gateway/state/database.h"
#include "faulty_vfs.h"

#define SCHEMA  "CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
#define WRITERS 8
#define WRITES  40

struct stand {
	char directory[64];
	char path[96];
	struct database *database;
	struct outcome outcome;
};

static int stand_open(void **state)
{
	struct stand *stand = calloc(1, sizeof *stand);
	struct database_options options = { .schema = SCHEMA, .version = 1, .readers_max = 2, .vfs = "faulty" };

	assert_non_null(stand);
	faulty_vfs_use(false);
	snprintf(stand->directory, sizeof stand->directory, "/tmp/passerelle-storage-%ld-test", (long)getpid());
	assert_int_equal(mkdir(stand->directory, 0700), 0);
	snprintf(stand->path, sizeof stand->path, "%s/t.db", stand->directory);
	options.path = stand->path;
	outcome_init(&stand->outcome);
	assert_true(database_open(&options, &stand->database, &stand->outcome));
	*state = stand;
	return 0;
}

static int stand_close(void **state)
{
	struct stand *stand = *state;
	char command[128];

	database_close(stand->database);
	snprintf(command, sizeof command, "%s-wal", stand->path);
	unlink(command);
	snprintf(command, sizeof command, "%s-shm", stand->path);
	unlink(command);
	unlink(stand->path);
	rmdir(stand->directory);
	free(stand);
	return 0;
}

struct row_work {
	int64_t number;
	bool give_up; /* after the insert */
};

static bool insert_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct row_work *work = context;
	struct statement *statement;

	if (!statement_prepare(connection, "INSERT INTO t(n, text) VALUES(?, ?)", &statement, outcome))
		return false;
	statement_bind_i64(statement, 1, work->number);
	statement_bind_text(statement, 2, STR("text"));
	return statement_run(statement, outcome) &&
	       (!work->give_up || outcome_add(outcome, ERR_RULE, "", "Not this one."));
}

static bool count_work(void *context, struct connection *connection, struct outcome *outcome)
{
	int64_t *count = context;
	struct statement *statement;

	if (!statement_prepare(connection, "SELECT count(*) FROM t", &statement, outcome))
		return false;
	if (statement_step(statement, outcome) != STEP_ROW)
		return false;
	*count = statement_i64(statement, 0);
	return true;
}

static int64_t count_rows(struct database *database)
{
	struct outcome outcome;
	int64_t count = -1;

	outcome_init(&outcome);
	assert_true(database_read(database, count_work, &count, &outcome));
	return count;
}

struct writer {
	struct database *database;
	int64_t first;
	atomic_uint *failures;
};

static void *writer_main(void *argument)
{
	struct writer *writer = argument;

	for (int64_t i = 0; i < WRITES; i++) {
		struct row_work work = { .number = writer->first + i, .give_up = i % 4 == 3 };
		struct outcome outcome;

		outcome_init(&outcome);
		if (database_write(writer->database, insert_work, &work, &outcome) == work.give_up)
			atomic_fetch_add(writer->failures, 1);
	}
	return NULL;
}

/* Refused works leave nothing, the others of their group stay; and a group costs one fsync, not one each. */
static void test_domain_storage__groups_commits(void **state)
{
	struct stand *stand = *state;
	pthread_t threads[WRITERS];
	struct writer writers[WRITERS];
	atomic_uint failures = 0;

	atomic_store(&sync_count, 0);
	for (size_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer) { stand->database, (int64_t)i * 1000, &failures };
		assert_int_equal(pthread_create(&threads[i], NULL, writer_main, &writers[i]), 0);
	}
	for (size_t i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&failures), 0);
	assert_int_equal(count_rows(stand->database), WRITERS * WRITES * 3 / 4);
	assert_true(atomic_load(&sync_count) < WRITERS * WRITES * 3 / 4);
}

static void test_domain_storage__says_no_when_the_disk_fails(void **state)
{
	struct stand *stand = *state;
	struct row_work work = { .number = 1 };
	unsigned before = atomic_load(&sync_count);
	struct outcome outcome;

	outcome_init(&outcome);
	assert_true(database_write(stand->database, insert_work, &work, &outcome));
	assert_true(atomic_load(&sync_count) > before);
	atomic_store(&sync_failures, 1);
	work.number = 2;
	assert_false(database_write(stand->database, insert_work, &work, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
	/* The next fsync would report success, over pages the system has dropped: nothing more is accepted. */
	outcome_init(&outcome);
	work.number = 3;
	assert_false(database_write(stand->database, insert_work, &work, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
	assert_int_equal(count_rows(stand->database), 1);
}

static void test_domain_storage__goes_on_when_there_is_room_again(void **state)
{
	struct stand *stand = *state;
	struct row_work work = { .number = 1 };
	struct outcome outcome;

	outcome_init(&outcome);
	atomic_store(&write_full_budget, 0);
	assert_false(database_write(stand->database, insert_work, &work, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
	atomic_store(&write_full_budget, -1);
	outcome_init(&outcome);
	assert_true(database_write(stand->database, insert_work, &work, &outcome));
	assert_int_equal(count_rows(stand->database), 1);
}

static void test_domain_storage__refuses_another_schema(void **state)
{
	struct stand *stand = *state;
	struct database_options options = { .path = stand->path, .schema = SCHEMA, .version = 2, .readers_max = 1 };
	struct database *other = NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	assert_false(database_open(&options, &other, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
}

static bool knows_foo(void *context, struct str name)
{
	(void)context;
	return str_starts_with(name, STR("2c26b46b"));
}

static bool write_content(struct content_store *store, const char *text, struct content_writer **writer,
			  struct content *content)
{
	struct outcome outcome;

	outcome_init(&outcome);
	return content_begin(store, 100, writer, &outcome) && content_write(*writer, text, strlen(text), &outcome) &&
	       content_finish(*writer, content, &outcome);
}

static void directory_remove(const char *directory)
{
	char path[128];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(path, sizeof path, "%s/%02x", directory, i);
		rmdir(path);
	}
	snprintf(path, sizeof path, "%s/temporary", directory);
	rmdir(path);
	snprintf(path, sizeof path, "%s/lock", directory);
	unlink(path);
	rmdir(directory);
}

/* SHA-256 and SHA-1 of "foo", from FIPS 180 implementations everybody has. */
#define FOO_SHA256 "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define FOO_SHA1   "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33"

static void test_domain_storage__keeps_contents(void **state)
{
	char directory[64];
	struct content_store *store = NULL;
	struct content_store *second = NULL;
	struct content_writer *kept;
	struct content_writer *discarded;
	struct content content;
	struct outcome outcome;
	uint64_t size;
	size_t removed;

	(void)state;
	outcome_init(&outcome);
	snprintf(directory, sizeof directory, "/tmp/passerelle-content-%ld-test", (long)getpid());
	assert_true(content_store_open(directory, &store, &outcome));
	assert_false(content_store_open(directory, &second, &outcome));
	outcome_init(&outcome);
	assert_true(write_content(store, "foo", &kept, &content));
	assert_string_equal(content.name, FOO_SHA256);
	assert_string_equal(content.sha1, FOO_SHA1);
	assert_int_equal(content.size, 3);
	assert_int_equal(content_open(store, STR(FOO_SHA256), &size, &outcome), -1);
	outcome_init(&outcome);
	assert_true(content_keep(kept, &outcome));
	content_discard(kept);
	assert_true(content_store_sync(store, &outcome));
	assert_true(write_content(store, "bar", &discarded, &content));
	content_discard(discarded);
	assert_int_equal(content_open(store, str_from_c(content.name), &size, &outcome), -1);
	assert_int_equal(content_open(store, STR("../../etc/passwd"), &size, &outcome), -1);
	outcome_init(&outcome);
	int descriptor = content_open(store, STR(FOO_SHA256), &size, &outcome);

	assert_true(descriptor >= 0);
	assert_int_equal(size, 3);
	close(descriptor);
	/* A file too long is refused at once. */
	assert_true(content_begin(store, 4, &discarded, &outcome));
	assert_true(content_write(discarded, "1234", 4, &outcome));
	assert_false(content_write(discarded, "5", 1, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_LONG);
	outcome_init(&outcome);
	/* The crash between naming a file and committing its row: the file goes at the next start. */
	content_discard(discarded);
	assert_true(write_content(store, "orphan", &kept, &content));
	assert_true(content_keep(kept, &outcome));
	content_discard(kept);
	content_store_close(store);
	assert_true(content_store_open(directory, &store, &outcome));
	assert_true(content_store_sweep(store, knows_foo, NULL, &removed, &outcome));
	assert_int_equal(removed, 1);
	descriptor = content_open(store, STR(FOO_SHA256), &size, &outcome);
	assert_true(descriptor >= 0);
	close(descriptor);
	content_store_close(store);
	char path[192];

	snprintf(path, sizeof path, "%s/2c/" FOO_SHA256, directory);
	assert_int_equal(unlink(path), 0);
	directory_remove(directory);
}

/* System calls that fail on demand, and what was called in which order. */
static bool fsync_fails;
static bool rename_fails;
static char calls_made[16];
static size_t call_count;

static void call_note(char call)
{
	if (call_count + 1 < sizeof calls_made)
		calls_made[call_count++] = call;
}

static int noted_fsync(int descriptor)
{
	call_note('s');
	errno = EIO;
	return fsync_fails ? -1 : fsync(descriptor);
}

static int noted_rename(const char *from, const char *to)
{
	call_note('r');
	errno = EIO;
	return rename_fails ? -1 : rename(from, to);
}

static bool keep_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct row_work work = { .number = 77 };

	return content_keep(context, outcome) && insert_work(&work, connection, outcome);
}

/* A row is acknowledged only when the bytes, their name and the row are on the disk, in this order. */
static void test_domain_storage__content_comes_before_its_row(void **state)
{
	struct file_calls calls = *file_system_calls();
	char directory[64];
	char name[192];
	struct content_store *store = NULL;
	struct content_writer *writer;
	struct content content;
	struct database *database = NULL;
	struct outcome outcome;
	struct stand *stand = *state;
	struct database_options options = { .path = stand->path,
					    .schema = SCHEMA,
					    .version = 1,
					    .readers_max = 1,
					    .before_commit = content_store_sync };

	database_close(stand->database);
	stand->database = NULL;
	calls.fsync = noted_fsync;
	calls.rename = noted_rename;
	outcome_init(&outcome);
	snprintf(directory, sizeof directory, "/tmp/passerelle-content-%ld-test", (long)getpid());
	assert_true(content_store_open(directory, &store, &outcome));
	options.context = store;
	assert_true(database_open(&options, &database, &outcome));
	file_replace(&calls);

	fsync_fails = true;
	assert_false(write_content(store, "foo", &writer, &content));
	content_discard(writer);
	fsync_fails = false;
	call_count = 0;
	assert_true(write_content(store, "foo", &writer, &content));
	rename_fails = true;
	assert_false(database_write(database, keep_work, writer, &outcome));
	rename_fails = false;
	assert_int_equal(count_rows(database), 0);
	outcome_init(&outcome);
	assert_true(database_write(database, keep_work, writer, &outcome));
	calls_made[call_count] = '\0';
	assert_string_equal(calls_made, "srrs");
	assert_int_equal(count_rows(database), 1);
	content_discard(writer);

	/* The directory cannot be made durable: no acknowledgement. */
	assert_true(write_content(store, "bar", &writer, &content));
	fsync_fails = true;
	assert_false(database_write(database, keep_work, writer, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
	assert_int_equal(count_rows(database), 1);
	content_discard(writer);
	fsync_fails = false;
	file_replace(NULL);
	database_close(database);
	content_store_close(store);
	snprintf(name, sizeof name, "%s/2c/" FOO_SHA256, directory);
	assert_int_equal(unlink(name), 0);
	snprintf(name, sizeof name, "%s/%.2s/%s", directory, content.name, content.name);
	assert_int_equal(unlink(name), 0);
	directory_remove(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_domain_storage__groups_commits, stand_open, stand_close),
		cmocka_unit_test_setup_teardown(test_domain_storage__says_no_when_the_disk_fails, stand_open,
						stand_close),
		cmocka_unit_test_setup_teardown(test_domain_storage__goes_on_when_there_is_room_again, stand_open,
						stand_close),
		cmocka_unit_test_setup_teardown(test_domain_storage__refuses_another_schema, stand_open, stand_close),
		cmocka_unit_test(test_domain_storage__keeps_contents),
		cmocka_unit_test_setup_teardown(test_domain_storage__content_comes_before_its_row, stand_open,
						stand_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
