#include "gateway/audit/audit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/audit/audit_state.h"
#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/south/backend.h"
#include "gateway/state/vault.h"
#include "mappers/base/uuid.h"

#define DAY_MS              ((uint64_t)24 * 60 * 60 * 1000)
#define WRITE_TIME_MIN_MS   2000
#define CLOSE_TIME_MS       2000
#define REFUSALS_PER_SECOND 20
#define OWN_EVENT_BYTES_MAX ((size_t)64 * 1024)

void audit_source(const struct audit *audit, struct audit_record *record)
{
	record->source_id = audit->config->audit_source_id;
	record->base = audit->base;
	record->tenant = audit->config->tenant;
}

/* An event of the gateway's own, or of a request (trace) that left no trail. */
static void own_event(struct audit *audit, enum audit_kind kind, enum audit_outcome outcome_code,
		      const struct caller *caller, const struct trace *trace, struct str text)
{
	char traceparent[TRACEPARENT_SIZE];
	struct audit_record record = { .kind = kind,
				       .outcome = outcome_code,
				       .outcome_text = text,
				       .caller = caller,
				       .recorded_ms = clock_wall_ms() };
	struct arena *arena = arena_new(OWN_EVENT_BYTES_MAX);
	struct json_writer writer;
	struct outcome ignored;
	unsigned char random[16];
	char uuid[UUID_URN_SIZE];
	struct str entry;
	struct buf json;

	if (!arena)
		return;
	if (trace) {
		trace_to_header(trace, traceparent);
		record.request_id = str_from_c(trace->span_id);
		record.traceparent = str_from_c(traceparent);
	}
	outcome_init(&ignored);
	random_bytes(random, sizeof(random));
	uuid_format(random, uuid);
	memcpy(record.id, uuid + sizeof("urn:uuid:") - 1, sizeof(record.id));
	audit_source(audit, &record);
	buf_init(&json, OWN_EVENT_BYTES_MAX);
	json_writer_init(&writer, &json);
	if (audit_event_write(&record, arena, &writer, &ignored) && json_writer_finish(&writer, &ignored)) {
		entry = buf_str(&json);
		audit_post(audit, &entry, 1);
	}
	buf_free(&json);
	arena_free(arena);
}

static const struct caller nobody = { .kind = CALLER_SYSTEM };

/* What nobody could be recorded for is itself recorded, as soon as that can be done. */
static void gap_event(struct audit *audit)
{
	uint64_t count = atomic_exchange(&audit->turned_away, 0);
	uint64_t lost = journal_state(audit->journal).lost_count;
	uint64_t told = atomic_exchange(&audit->lost_told, lost);
	char text[160];

	if (count == 0 && lost == told)
		return;
	snprintf(text, sizeof(text),
		 "Audit recording had stopped: %llu requests were refused, %llu events of refusals are missing.",
		 (unsigned long long)count, (unsigned long long)(lost - told));
	own_event(audit, AUDIT_GAP, AUDIT_MAJOR, &nobody, NULL, str_from_c(text));
}

bool audit_ready(struct audit *audit, struct outcome *outcome)
{
	struct journal_state state = journal_state(audit->journal);

	if (state.failing || state.full) {
		atomic_fetch_add(&audit->turned_away, 1);
		return outcome_add(outcome, ERR_UNRECORDED, "",
				   "Nothing is done that cannot be recorded, and the audit cannot be written now; try "
				   "again later, and tell the operator.");
	}
	if (atomic_load(&audit->turned_away) > 0 || state.lost_count != atomic_load(&audit->lost_told))
		gap_event(audit);
	return true;
}

bool audit_fill(struct audit *audit, struct audit_fill *fill)
{
	struct journal_state state;

	if (!audit)
		return false;
	state = journal_state(audit->journal);
	*fill = (struct audit_fill) { .backlog_bytes = state.backlog_bytes,
				      .bound_bytes = state.bytes_max,
				      .is_open = !state.failing && !state.full };
	return true;
}

bool audit_write(struct audit *audit, const struct str *events, size_t count, struct deadline deadline,
		 struct outcome *outcome)
{
	/* A request that has used up its time still gets its refusal recorded. */
	if (deadline_left_ms(deadline) < WRITE_TIME_MIN_MS)
		deadline = deadline_in(WRITE_TIME_MIN_MS);
	return journal_append(audit->journal, events, count, deadline, outcome);
}

void audit_post(struct audit *audit, const struct str *events, size_t count)
{
	journal_post(audit->journal, events, count);
}

/* How many may be told one by one, and how many were not since the last that was. */
static bool refusal_admit(struct audit *audit, uint64_t *untold)
{
	uint64_t second = clock_monotonic_ms() / 1000;
	bool admitted;

	pthread_mutex_lock(&audit->lock);
	if (audit->refusal_second != second) {
		audit->refusal_second = second;
		audit->refusals = 0;
	}
	admitted = audit->refusals < REFUSALS_PER_SECOND;
	if (admitted) {
		audit->refusals++;
		*untold = audit->refusals_untold;
		audit->refusals_untold = 0;
	} else {
		audit->refusals_untold++;
	}
	pthread_mutex_unlock(&audit->lock);
	return admitted;
}

static void refusal_record(struct audit *audit, enum audit_kind kind, enum audit_outcome outcome, const char *why,
			   struct str address, const struct trace *trace)
{
	struct caller stranger = { .kind = CALLER_ANONYMOUS, .address = address };
	uint64_t untold = 0;
	char text[128];

	if (!audit || !refusal_admit(audit, &untold))
		return;
	snprintf(text, sizeof(text), untold ? "%s; %llu more refusals before this one are not listed" : "%s", why,
		 (unsigned long long)untold);
	own_event(audit, kind, outcome, &stranger, trace, str_from_c(text));
}

void audit_refused(struct audit *audit, enum error_code code, struct str address, const struct trace *trace)
{
	refusal_record(audit, AUDIT_LOGIN_FAILED, AUDIT_SERIOUS, error_info(code)->name, address, trace);
}

void audit_transaction_refused(struct audit *audit, enum audit_kind kind, enum error_code code, struct str address,
			       const struct trace *trace)
{
	refusal_record(audit, kind, error_info(code)->http_status < 500 ? AUDIT_MINOR : AUDIT_SERIOUS,
		       error_info(code)->name, address, trace);
}

void audit_node_refused(struct audit *audit, const char *why, struct str address)
{
	refusal_record(audit, AUDIT_NODE_REFUSED, AUDIT_SERIOUS, why, address, NULL);
}

static bool is_wanted(const struct config *config)
{
	switch ((enum config_audit_enabled)config->audit_enabled) {
	case CONFIG_AUDIT_AUTO:
		return !config->access_anonymous || config->audit_repositories.count > 0;
	case CONFIG_AUDIT_ON:
		return true;
	case CONFIG_AUDIT_OFF:
		break;
	}
	return false;
}

bool audit_config_check(const struct config *config, bool *wanted, struct outcome *outcome)
{
	bool ok = true;

	*wanted = is_wanted(config);
	if (!*wanted)
		return true;
	if (str_is_empty(config->state_directory))
		ok = outcome_add(outcome, ERR_PARAMETER_MISSING, "state_directory",
				 "Name a directory for the audit journal, or set audit.enabled to off.");
	if (config->state_keys.count == 0)
		ok = outcome_add(outcome, ERR_PARAMETER_MISSING, "state_keys",
				 "Give a key that encrypts the audit journal, or set audit.enabled to off.");
	return ok;
}

bool audit_check(const struct config *config, struct outcome *outcome)
{
	bool wanted;
	bool ok = audit_config_check(config, &wanted, outcome);

	for (size_t i = 0; i < config->audit_repositories.count; i++) {
		const struct config_audit_repository *repository = &config->audit_repositories.items[i];
		const struct peer_tls tls = { repository->ca_file.data, repository->certificate_file.data,
					      repository->key_file.data };
		char path[64];

		snprintf(path, sizeof(path), "audit.repositories[%zu]", i);
		ok = peer_tls_check(&tls, path, outcome) && ok;
	}
	return ok;
}

static bool parts_open(struct audit *audit, struct outcome *outcome)
{
	const struct config *config = audit->config;
	struct journal_options options = { .directory = audit->directory,
					   .bytes_max = config->audit_journal_bytes_max,
					   .retention_ms = config->audit_retention_days * DAY_MS };

	if (snprintf(audit->directory, sizeof(audit->directory), "%s/audit", config->state_directory.data) >=
	    (int)sizeof(audit->directory))
		return outcome_add(outcome, ERR_INTERNAL, "state_directory", "Choose a shorter path.");
	options.key_count = vault_keys_read(config, options.keys);
	if (!journal_open(&options, &audit->journal, outcome) ||
	    !audit_index_open(audit->journal, audit->directory, config, &audit->index, outcome))
		return false;
	for (size_t i = 0; i < config->audit_repositories.count; i++) {
		if (!sender_open(audit->journal, audit->directory, &config->audit_repositories.items[i],
				 &audit->senders[audit->sender_count], outcome))
			return false;
		audit->sender_count++;
	}
	return true;
}

static void parts_close(struct audit *audit)
{
	for (size_t i = 0; i < audit->sender_count; i++)
		sender_close(audit->senders[i], CLOSE_TIME_MS);
	audit_index_close(audit->index);
	journal_close(audit->journal);
	pthread_mutex_destroy(&audit->lock);
	free(audit);
}

bool audit_search(struct audit *audit, const struct audit_query *query, struct arena *arena, struct audit_page *page,
		  struct outcome *outcome)
{
	return audit_index_search(audit->index, query, arena, page, outcome);
}

bool audit_open(const struct config *config, struct str base, struct audit **audit, struct outcome *outcome)
{
	struct audit *opened;
	bool wanted;

	*audit = NULL;
	if (!audit_config_check(config, &wanted, outcome))
		return false;
	if (!wanted)
		return true;
	opened = calloc(1, sizeof(*opened));
	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	opened->config = config;
	opened->base = base;
	pthread_mutex_init(&opened->lock, NULL);
	if (!parts_open(opened, outcome)) {
		parts_close(opened);
		return false;
	}
	own_event(opened, AUDIT_STARTED, AUDIT_SUCCESS, &nobody, NULL, STR_NONE);
	*audit = opened;
	return true;
}

void audit_close(struct audit *audit)
{
	if (!audit)
		return;
	gap_event(audit);
	own_event(audit, AUDIT_STOPPED, AUDIT_SUCCESS, &nobody, NULL, STR_NONE);
	journal_settle(audit->journal, CLOSE_TIME_MS);
	parts_close(audit);
}
