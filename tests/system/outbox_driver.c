/* Drives the outbox from a test: outbox_driver CONFIG reads one command a line from standard input and answers each with
 * one line. Words are separated by blanks. Lines that begin with "+" come while a command runs, and before its answer.
 *   put PATIENT SIZE [MAKES [NEEDS]]  put ID | failed CODE
 *   announce|put_as ID                the same item, announced or not: put ID | failed CODE
 *   forget|drop|correct ID            done | failed CODE
 *   fill THREADS COUNT SIZE PATIENTS  + put ID, + failed CODE; filled COUNT MICROSECONDS (COUNT 0: without an end)
 *   claim                             claimed ID FENCE ATTEMPTS UNCLEAR | nothing | failed CODE
 *   drain THREADS                     + settled ID FENCE, + failed CODE; drained COUNT MICROSECONDS, when nothing is due
 *   claims THREADS COUNT              and leaves them so: claims COUNT MICROSECONDS
 *   undelivered                       of the first target and state: undelivered COUNT
 *   extend|settle|refuse|back ID FENCE      done | stale | failed CODE
 *   state ID                          state NUMBER | failed CODE
 *   whole ID                          whole | failed CODE | wrong
 *   quit */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/cli/command.h"
#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/random.h"
#include "gateway/run/signals.h"
#include "gateway/state/outbox_lease.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/state/outbox_reader.h"

#define WORDS_MAX   8
#define THREADS_MAX 64
#define FAILED_US   20000 /* a pause after a failure, so that they do not fill the answers */
#define TARGET      STR("hcm")

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	va_list list;

	pthread_mutex_lock(&output);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
	pthread_mutex_unlock(&output);
}

static const char *code(const struct outcome *outcome)
{
	return outcome->count ? error_info(outcome->issues[0].code)->name : "?";
}

struct load {
	struct outbox *outbox;
	uint64_t count;
	size_t size;
	uint32_t patients;
	_Atomic uint64_t begun;
	_Atomic uint64_t done;
};

/* The document says how long it is, and what each of its bytes must be. */
static char *document_make(size_t size)
{
	char *bytes = malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(i * 31 + size);
	return bytes;
}

static bool put_one(struct outbox *outbox, struct str patient, size_t size, struct str makes, struct str needs,
		    char id[OUTBOX_ID_SIZE], struct outcome *outcome)
{
	char head[32];
	char *document = document_make(size);
	struct str parts[] = { { head, (size_t)snprintf(head, sizeof head, "%zu", size) },
			       STR("<metadata/>"),
			       { document, size } };
	struct outbox_new new = {
		.kind = STR("provide"),
		.target = TARGET,
		.patient = patient,
		.caller = patient,
		.makes = &makes,
		.make_count = makes.size ? 1 : 0,
		.needs = &needs,
		.need_count = needs.size ? 1 : 0,
		.parts = parts,
		.part_count = COUNT_OF(parts),
	};
	bool ok = outbox_put(outbox, &new, id, outcome);

	free(document);
	return ok;
}

static void *fill_main(void *argument)
{
	struct load *load = argument;
	uint64_t number;

	while ((number = atomic_fetch_add(&load->begun, 1)) < load->count || load->count == 0) {
		char id[OUTBOX_ID_SIZE];
		char patient[32];
		struct outcome outcome;

		outcome_init(&outcome);
		snprintf(patient, sizeof patient, "patient %u", (unsigned)(number % load->patients));
		if (put_one(load->outbox, str_from_c(patient), load->size, STR(""), STR(""), id, &outcome)) {
			say("+ put %s", id);
			atomic_fetch_add(&load->done, 1);
		} else {
			say("+ failed %s", code(&outcome));
			usleep(FAILED_US);
		}
	}
	return NULL;
}

static void *drain_main(void *argument)
{
	struct load *load = argument;
	enum outbox_claimed claimed = OUTBOX_CLAIMED;
	uint64_t wait_ms = 0;

	/* What another has claimed is theirs; what is due within a moment (turns are being given) is waited for. */
	while (claimed != OUTBOX_NOTHING || wait_ms < 100) {
		struct arena *arena = arena_new(1 << 20);
		struct outbox_claim claim;
		struct outcome outcome;

		outcome_init(&outcome);
		claimed = outbox_claim(load->outbox, TARGET, arena, &claim, &wait_ms, &outcome);
		if (claimed == OUTBOX_CLAIMED && outbox_settle(load->outbox, &claim, OUTBOX_DELIVERED, false, STR(""),
							       STR("result"), &outcome) == OUTBOX_DONE) {
			say("+ settled %s %" PRIu64, claim.item.id, claim.fence);
			atomic_fetch_add(&load->done, 1);
		} else if (claimed != OUTBOX_NOTHING) {
			say("+ failed %s", code(&outcome));
			usleep(FAILED_US);
		}
		arena_free(arena);
	}
	return NULL;
}

static void *claims_main(void *argument)
{
	struct load *load = argument;

	while (atomic_fetch_add(&load->begun, 1) < load->count) {
		struct arena *arena = arena_new(1 << 20);
		struct outbox_claim claim;
		struct outcome outcome;
		uint64_t wait_ms;

		outcome_init(&outcome);
		if (outbox_claim(load->outbox, TARGET, arena, &claim, &wait_ms, &outcome) == OUTBOX_CLAIMED)
			atomic_fetch_add(&load->done, 1);
		arena_free(arena);
	}
	return NULL;
}

static void load_run(struct load *load, size_t threads, void *(*thread_main)(void *), const char *word)
{
	pthread_t all[THREADS_MAX];
	size_t started = 0;
	uint64_t begin = clock_monotonic_us();

	while (started < threads && started < THREADS_MAX &&
	       pthread_create(&all[started], NULL, thread_main, load) == 0)
		started++;
	for (size_t i = 0; i < started; i++)
		pthread_join(all[i], NULL);
	say("%s %" PRIu64 " %" PRIu64, word, load->done, clock_monotonic_us() - begin);
}

static uint64_t number(const char *text)
{
	uint64_t value = 0;

	return str_to_u64(str_from_c(text), &value) ? value : 0;
}

static void claim_run(struct outbox *outbox, struct arena *arena, struct outcome *outcome)
{
	struct outbox_claim claim;
	uint64_t wait_ms;

	switch (outbox_claim(outbox, TARGET, arena, &claim, &wait_ms, outcome)) {
	case OUTBOX_CLAIMED:
		say("claimed %s %" PRIu64 " %u %d", claim.item.id, claim.fence, claim.item.attempts,
		    claim.item.is_unclear);
		break;
	case OUTBOX_NOTHING:
		say("nothing");
		break;
	default:
		say("failed %s", code(outcome));
	}
}

static void end_run(struct outbox *outbox, const char *word, const char *id, uint64_t fence, struct outcome *outcome)
{
	struct outbox_claim claim = { .fence = fence };
	enum outbox_done done;

	snprintf(claim.item.id, sizeof claim.item.id, "%s", id);
	if (strcmp(word, "extend") == 0)
		done = outbox_extend(outbox, &claim, false, outcome);
	else if (strcmp(word, "settle") == 0)
		done = outbox_settle(outbox, &claim, OUTBOX_DELIVERED, false, STR(""), STR(""), outcome);
	else if (strcmp(word, "refuse") == 0)
		done = outbox_settle(outbox, &claim, OUTBOX_REFUSED, false, STR("why"), STR(""), outcome);
	else
		done = outbox_give_back(outbox, &claim, outcome);
	if (done == OUTBOX_DONE_FAILED)
		say("failed %s", code(outcome));
	else
		say(done == OUTBOX_DONE ? "done" : "stale");
}

/* Reads all parts and compares them with what put_one made. */
static void whole_run(struct outbox *outbox, const char *id, struct arena *arena, struct outcome *outcome)
{
	struct str head;
	struct str document;
	uint64_t size = 0;

	if (!outbox_part(outbox, str_from_c(id), 0, 100, arena, &head, outcome) ||
	    !outbox_part(outbox, str_from_c(id), 2, (size_t)64 << 20, arena, &document, outcome)) {
		say("failed %s", code(outcome));
		return;
	}
	char *expected = document_make(str_to_u64(head, &size) ? size : 0);

	say(str_equal(document, (struct str) { expected, size }) ? "whole" : "wrong");
	free(expected);
}

/* Of the first target and state. */
static void undelivered_run(struct outbox *outbox, struct arena *arena, struct outcome *outcome)
{
	struct outbox_count *counts;
	size_t count = 0;

	if (outbox_counts(outbox, true, arena, &counts, &count, outcome))
		say("undelivered %llu", count ? (unsigned long long)counts[0].count : 0);
	else
		say("failed %s", code(outcome));
}

static void put_as_run(struct outbox *outbox, const char *as, bool is_announced, struct outcome *outcome)
{
	struct str parts[] = { STR("head"), STR("<metadata/>") };
	struct outbox_new new = {
		.id = str_from_c(as),
		.kind = STR("provide"),
		.target = TARGET,
		.patient = STR("p"),
		.parts = parts,
		.part_count = COUNT_OF(parts),
		.is_announced = is_announced,
	};
	char id[OUTBOX_ID_SIZE];

	if (outbox_put(outbox, &new, id, outcome))
		say("put %s", id);
	else
		say("failed %s", code(outcome));
}

/* False when word is none of a decision. */
static bool decide_run(struct outbox *outbox, const char *word, struct str id, struct outcome *outcome)
{
	const struct str parts[] = { STR("head"), STR("<corrected/>") };
	const struct outbox_new corrected = { .parts = parts, .part_count = COUNT_OF(parts) };
	bool ok;

	if (strcmp(word, "forget") == 0)
		ok = outbox_forget(outbox, id, outcome);
	else if (strcmp(word, "drop") == 0)
		ok = outbox_drop(outbox, id, STR("by hand"), STR_NONE, NULL, outcome);
	else if (strcmp(word, "correct") == 0)
		ok = outbox_correct(outbox, id, &corrected, outcome);
	else
		return false;
	if (ok)
		say("done");
	else
		say("failed %s", code(outcome));
	return true;
}

static void command_run(struct outbox *outbox, char **words, size_t count, struct arena *arena)
{
	struct load load = { .outbox = outbox };
	struct outcome outcome;
	struct outbox_item item;
	char id[OUTBOX_ID_SIZE];

	outcome_init(&outcome);
	if (strcmp(words[0], "put") == 0 && count >= 3) {
		if (put_one(outbox, str_from_c(words[1]), number(words[2]), str_from_c(count > 3 ? words[3] : ""),
			    str_from_c(count > 4 ? words[4] : ""), id, &outcome))
			say("put %s", id);
		else
			say("failed %s", code(&outcome));
	} else if (strcmp(words[0], "fill") == 0 && count == 5) {
		load.count = number(words[2]);
		load.size = number(words[3]);
		load.patients = (uint32_t)number(words[4]);
		load_run(&load, number(words[1]), fill_main, "filled");
	} else if (strcmp(words[0], "drain") == 0 && count == 2) {
		load_run(&load, number(words[1]), drain_main, "drained");
	} else if (strcmp(words[0], "claims") == 0 && count == 3) {
		load.count = number(words[2]);
		load_run(&load, number(words[1]), claims_main, "claims");
	} else if (strcmp(words[0], "claim") == 0) {
		claim_run(outbox, arena, &outcome);
	} else if (strcmp(words[0], "undelivered") == 0) {
		undelivered_run(outbox, arena, &outcome);
	} else if (count == 2 && (strcmp(words[0], "announce") == 0 || strcmp(words[0], "put_as") == 0)) {
		put_as_run(outbox, words[1], words[0][0] == 'a', &outcome);
	} else if (count == 2 && decide_run(outbox, words[0], str_from_c(words[1]), &outcome)) {
		return;
	} else if (count == 3) {
		end_run(outbox, words[0], words[1], number(words[2]), &outcome);
	} else if (strcmp(words[0], "whole") == 0 && count == 2) {
		whole_run(outbox, words[1], arena, &outcome);
	} else if (strcmp(words[0], "state") == 0 && count == 2) {
		if (outbox_get(outbox, str_from_c(words[1]), arena, &item, NULL, &outcome))
			say("state %d", (int)item.state);
		else
			say("failed %s", code(&outcome));
	} else {
		say("not understood");
	}
}

static void serve(struct outbox *outbox)
{
	char *line = NULL;
	size_t capacity = 0;

	say("ready");
	while (getline(&line, &capacity, stdin) > 0) {
		char *words[WORDS_MAX];
		char *rest = line;
		size_t count = 0;
		struct arena *arena = arena_new((size_t)256 << 20);

		line[strcspn(line, "\n")] = '\0';
		while (count < WORDS_MAX && (words[count] = strsep(&rest, " ")) != NULL)
			count += words[count][0] != '\0';
		bool ends = count == 0 || strcmp(words[0], "quit") == 0;

		if (!ends)
			command_run(outbox, words, count, arena);
		arena_free(arena);
		if (ends)
			break;
	}
	free(line);
}

int main(int argc, char **argv)
{
	struct outbox *outbox = NULL;
	struct config_set *configs = NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	signals_prepare();
	if (argc != 2 || !config_set_open(argv[1], &configs, &outcome)) {
		outcome_print(&outcome);
		return EXIT_USAGE;
	}
	const struct config *config = &configs->tenants[0];

	if (outbox_open(config, config->tenant, config->state_directory, OUTBOX_OWNER, &outbox, &outcome) && outbox)
		serve(outbox);
	outcome_print(&outcome);
	outbox_close(outbox);
	config_set_close(configs);
	return outcome.count ? EXIT_FAILED : EXIT_DONE;
}
