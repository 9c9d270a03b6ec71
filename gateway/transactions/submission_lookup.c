#include "gateway/transactions/submission_lookup.h"

#include "gateway/run/log.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/publication.h"

static enum submission_found submission_ask(const struct transaction *t, struct metadata *metadata, bool every_version)
{
	struct stored_query query;
	struct transaction asking = *t;
	struct outcome ignored;
	struct metadata found = { 0 };
	enum submission_found end;

	outcome_init(&ignored);
	asking.outcome = &ignored;
	asking.south.deadline = publications_may_wait(t) ? deadline_part(t->south.deadline, SUBMISSION_ASK_TIME_MS)
							 : deadline_in(SUBMISSION_ASK_TIME_MS);
	if (!submission_query(metadata->submission_sets[0].unique_id, registry_home(t), t->south.arena, &query) ||
	    (every_version &&
	     !stored_query_add_one(&query, t->south.arena, STR("$MetadataLevel"), QUERY_NUMBER, STR("2"))) ||
	    !visible_query(t->visit, CONSENT_PUBLISH, &asking.south, &query, &found, &ignored))
		return SUBMISSION_UNKNOWN;
	end = submission_match(&found, metadata, t->south.arena);
	if (end == SUBMISSION_SAME)
		submission_ids_take(&found, metadata);
	return end;
}

enum submission_found submission_adopt(const struct transaction *t, struct metadata *metadata)
{
	static const char *const words[] = { "has it", "has another one", "has it not", "is silent" };
	enum submission_found found = submission_ask(t, metadata, false);

	/* A document that was updated since is not shown as it came. */
	if (found == SUBMISSION_OTHER && submission_ask(t, metadata, true) == SUBMISSION_SAME)
		found = SUBMISSION_SAME;
	LOG(WARN, LOG_PUBLISH_UNCLEAR, t->south.request_id,
	    LOG_TEXT("submission_set", metadata->submission_sets[0].unique_id), LOG_C("registry", words[found]));
	return found;
}
