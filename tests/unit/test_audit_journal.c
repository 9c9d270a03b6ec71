/* The journal of the audit: what is appended is there, in its order, for whoever takes it. */
#include "journal_stand.h"

#include <pthread.h>

#include "gateway/audit/segment.h"

static void test_append__is_there_after_a_restart(void **state)
{
	struct journal *journal = opened();

	(void)state;
	assert_true(append(journal, "one"));
	assert_true(append(journal, "two"));
	assert_contents(journal, "one two");
	journal_close(journal);
	journal = opened();
	assert_contents(journal, "one two");
	assert_true(append(journal, "three"));
	assert_contents(journal, "one two three");
	journal_close(journal);
	journal = opened();
	assert_contents(journal, "one two three");
	assert_int_equal(journal_state(journal).last, 3);
	journal_close(journal);
}

static void test_entries__are_encrypted(void **state)
{
	struct journal *journal = opened();
	char path[256];
	char command[600];

	(void)state;
	assert_true(append(journal, "IHEBLUE-1001 looked at"));
	journal_close(journal);
	newest(path);
	snprintf(command, sizeof(command), "grep -q IHEBLUE %s", path);
	assert_int_not_equal(system(command), 0);
	/* A journal whose key is not there is not read as if it were empty. */
	options.keys[0] = (struct seal_key) { 2, STR_INIT(SECRET "x") };
	journal = opened();
	struct journal_consumer *consumer = consumer_open(journal, 0);
	uint64_t sequence;
	struct str entry;

	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_FAILED);
	journal_consumer_close(consumer);
	journal_close(journal);
	options.keys[1] = (struct seal_key) { 1, STR_INIT(SECRET) };
	options.key_count = 2;
	journal = opened();
	assert_contents(journal, "IHEBLUE-1001 looked at");
	assert_true(append(journal, "by the new key"));
	assert_contents(journal, "IHEBLUE-1001 looked at by the new key");
	journal_close(journal);
}

struct many {
	struct journal *journal;
	int thread;
};

#define THREADS        16
#define ENTRIES_OF_ONE 50

static void *append_many(void *context)
{
	struct many *many = context;
	char text[32];

	for (int i = 0; i < ENTRIES_OF_ONE; i++) {
		snprintf(text, sizeof(text), "t%d-%d", many->thread, i);
		assert_true(append(many->journal, text));
	}
	return NULL;
}

/* Many who wait share a sync; each finds its entries in its order. */
static void test_group__shares_a_sync(void **state)
{
	struct many many[THREADS];
	pthread_t threads[THREADS];
	int next[THREADS] = { 0 };
	struct journal *journal;
	struct journal_consumer *consumer;
	uint64_t sequence;
	struct str entry;
	int count = 0;

	(void)state;
	disk_break();
	journal = opened();
	for (int i = 0; i < THREADS; i++) {
		many[i] = (struct many) { journal, i };
		assert_int_equal(pthread_create(&threads[i], NULL, append_many, &many[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	consumer = consumer_open(journal, 0);
	while (journal_next(consumer, &sequence, &entry) == JOURNAL_ENTRY) {
		int thread = (int)strtol(entry.data + 1, NULL, 10);
		int number = (int)strtol(strchr(entry.data, '-') + 1, NULL, 10);

		assert_int_equal(number, next[thread]++);
		count++;
	}
	assert_int_equal(count, THREADS * ENTRIES_OF_ONE);
	print_message("%d entries by %d threads in %d syncs\n", count, THREADS, (int)disk.syncs);
	assert_true(disk.syncs <= count);
	journal_consumer_close(consumer);
	journal_close(journal);
}

/* Attack 122: what nobody has taken is kept up to the bound; then nothing is promised any more, until it is taken. */
static void test_122_bound__refuses_and_recovers(void **state)
{
	static char big[4000];
	struct journal *journal;
	struct journal_consumer *consumer;
	uint64_t sequence = 0;
	uint64_t before = 0;
	struct str entry;
	int count = 0;
	int more = 0;

	(void)state;
	options.bytes_max = 256 * 1024;
	options.retention_ms = 0;
	memset(big, 'x', sizeof(big) - 1);
	journal = opened();
	consumer = consumer_open(journal, 0);
	while (!journal_state(journal).full) {
		assert_true(append(journal, big));
		count++;
	}
	assert_true(journal_state(journal).backlog_bytes >= options.bytes_max / 100 * 94);
	/* What is under way finds the last percents. */
	while (append(journal, big) && more < 100)
		more++;
	assert_in_range(more, 1, 10);
	print_message("full after %d, closed after %d entries of 4 KB in 256 KiB\n", count, count + more);
	while (journal_next(consumer, &sequence, &entry) == JOURNAL_ENTRY) {
		assert_int_equal(sequence, ++before);
		journal_acknowledge(consumer, sequence);
	}
	assert_int_equal(before, count + more);
	assert_false(journal_state(journal).full);
	for (int i = 0; i < 200; i++) {
		assert_true(append(journal, big));
		assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
		assert_int_equal(sequence, ++before);
		journal_acknowledge(consumer, sequence);
	}
	assert_true(journal_state(journal).disk_bytes < options.bytes_max);
	journal_consumer_close(consumer);
	journal_close(journal);
}

static void test_consumer__goes_on_where_it_was(void **state)
{
	struct journal *journal = opened();
	struct journal_consumer *consumer = consumer_open(journal, 0);
	uint64_t sequence;
	struct str entry;

	(void)state;
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_END);
	assert_true(append(journal, "one"));
	assert_true(append(journal, "two"));
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	journal_acknowledge(consumer, sequence);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_END);
	journal_rewind(consumer);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(sequence, 2);
	journal_consumer_close(consumer);
	journal_close(journal);
	journal = opened();
	consumer = consumer_open(journal, 1);
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(sequence, 2);
	journal_consumer_close(consumer);
	/* A place that this journal never reached is that of another one. */
	consumer = consumer_open(journal, 77);
	assert_true(append(journal, "three"));
	assert_int_equal(journal_next(consumer, &sequence, &entry), JOURNAL_ENTRY);
	assert_int_equal(sequence, 3);
	journal_consumer_close(consumer);
	journal_close(journal);
}

static void test_directory__has_one_owner(void **state)
{
	struct journal *journal = opened();
	struct journal *second = NULL;
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	assert_false(journal_open(&options, &second, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_STORAGE);
	journal_close(journal);
}

static void test_crc32c__knows_its_examples(void **state)
{
	unsigned char bytes[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c("123456789", 9), 0xE3069283);
	assert_int_equal(crc32c(bytes, sizeof(bytes)), 0x8A9136AA); /* RFC 3720 B.4 */
}

int main(void)
{
#define EACH(name) cmocka_unit_test_setup_teardown(name, directory_make, directory_remove)
	const struct CMUnitTest tests[] = {
		EACH(test_append__is_there_after_a_restart),
		EACH(test_entries__are_encrypted),
		EACH(test_group__shares_a_sync),
		EACH(test_122_bound__refuses_and_recovers),
		EACH(test_consumer__goes_on_where_it_was),
		EACH(test_directory__has_one_owner),
		EACH(test_crc32c__knows_its_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
