#include "gateway/audit/audit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/audit/audit_state.h"
#include "gateway/run/clock.h"
#include "gateway/run/random.h"
#include "gateway/south/backend.h"
#include "mappers/base/uuid.h"

#define WRITE_TIME_MIN_MS   2000
#define REFUSALS_PER_SECOND 20
#define OWN_EVENT_BYTES_MAX ((size_t)64 * 1024)

void audit_source(const struct audit *audit, struct audit_record *record)
{
	record->source_id = audit->config->audit_source_id;
	record->base = audit->config->public_base;
	record->tenant = audit->config->tenant;
}

/* An event of the gateway's own, or of a request (trace) that left no trail. */
void audit_own_event(struct audit *audit, enum audit_kind kind, enum audit_outcome outcome_code,
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

const struct caller audit_nobody = { .kind = CALLER_SYSTEM };

/* What nobody could be recorded for is itself recorded, as soon as that can be done. */
void audit_gap_event(struct audit *audit)
{
	uint64_t count = atomic_exchange(&audit->store->turned_away, 0);
	uint64_t lost = journal_state(audit->store->journal).lost_count;
	uint64_t told = atomic_exchange(&audit->store->lost_told, lost);
	char text[160];

	if (count == 0 && lost == told)
		return;
	snprintf(text, sizeof(text),
		 "Audit recording had stopped: %llu requests were refused, %llu events of refusals are missing.",
		 (unsigned long long)count, (unsigned long long)(lost - told));
	audit_own_event(audit, AUDIT_GAP, AUDIT_MAJOR, &audit_nobody, NULL, str_from_c(text));
}

bool audit_ready(struct audit *audit, struct outcome *outcome)
{
	struct journal_state state = journal_state(audit->store->journal);

	if (state.failing || state.full) {
		atomic_fetch_add(&audit->store->turned_away, 1);
		return outcome_add(outcome, ERR_UNRECORDED, "",
				   "Nothing is done that cannot be recorded, and the audit cannot be written now; try "
				   "again later, and tell the operator.");
	}
	if (atomic_load(&audit->store->turned_away) > 0 || state.lost_count != atomic_load(&audit->store->lost_told))
		audit_gap_event(audit);
	return true;
}

bool audit_fill(struct audit *audit, struct audit_fill *fill)
{
	struct journal_state state;

	if (!audit)
		return false;
	state = journal_state(audit->store->journal);
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
	return journal_append(audit->store->journal, events, count, deadline, outcome);
}

void audit_post(struct audit *audit, const struct str *events, size_t count)
{
	journal_post(audit->store->journal, events, count);
}

/* How many may be told one by one, and how many were not since the last that was. */
static bool refusal_admit(struct audit *audit, uint64_t *untold)
{
	uint64_t second = clock_monotonic_ms() / 1000;
	bool admitted;

	pthread_mutex_lock(&audit->store->lock);
	if (audit->store->refusal_second != second) {
		audit->store->refusal_second = second;
		audit->store->refusals = 0;
	}
	admitted = audit->store->refusals < REFUSALS_PER_SECOND;
	if (admitted) {
		audit->store->refusals++;
		*untold = audit->store->refusals_untold;
		audit->store->refusals_untold = 0;
	} else {
		audit->store->refusals_untold++;
	}
	pthread_mutex_unlock(&audit->store->lock);
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
	audit_own_event(audit, kind, outcome, &stranger, trace, str_from_c(text));
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

bool audit_is_wanted(const struct config *config)
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

	*wanted = audit_is_wanted(config);
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

bool audit_search(struct audit *audit, const struct audit_query *query, struct arena *arena, struct audit_page *page,
		  struct outcome *outcome)
{
	return audit_index_search(audit->store->index, query, arena, page, outcome);
}

bool audit_open(const struct config *config, struct audit_store *store, struct audit **audit, struct outcome *outcome)
{
	struct audit *opened;

	*audit = NULL;
	if (!audit_is_wanted(config))
		return true;
	opened = store ? calloc(1, sizeof(*opened)) : NULL;
	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
	*opened = (struct audit) { .config = config, .store = store };
	*audit = opened;
	return true;
}

void audit_close(struct audit *audit)
{
	free(audit);
}
