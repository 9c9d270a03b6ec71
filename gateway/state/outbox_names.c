#include "gateway/state/outbox_names.h"

bool outbox_hash_pick(struct sql_session *session, const char *in_use, struct sql_value *values, size_t count,
		      const struct outbox_hashes *hashes, struct sql_value *picked, struct outcome *outcome)
{
	*picked = outbox_hash_value(hashes, 0);
	for (size_t i = 0; i < hashes->count && hashes->count > 1; i++) {
		bool found;
		int64_t one;

		values[1] = outbox_hash_value(hashes, i);
		if (!sql_number_of(session, in_use, values, count, &found, &one, outcome))
			return false;
		if (found) {
			*picked = values[1];
			return true;
		}
	}
	return true;
}

/* role: 0 makes, 1 needs. */
static bool names_add(const struct outbox *outbox, struct sql_session *session, const struct outbox_line *line,
		      int64_t seq, const struct str *names, size_t count, int role, struct outcome *outcome)
{
	struct str tenant = outbox->tenant;

	for (size_t i = 0; i < count; i++) {
		struct sql_value values[] = { SQL_TEXT(tenant), SQL_TEXT(tenant) };
		struct outbox_hashes hashes;
		struct sql_value picked;

		if (!outbox_hash_name(outbox, line->target, names[i], &hashes, outcome) ||
		    !outbox_hash_pick(session, "SELECT 1 FROM outbox_name WHERE tenant = ?1 AND hash = ?2 LIMIT 1",
				      values, COUNT_OF(values), &hashes, &picked, outcome) ||
		    !sql_run(session,
			     "INSERT INTO outbox_name(item, role, tenant, hash) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO "
			     "NOTHING",
			     SQL(SQL_NUMBER(seq), SQL_NUMBER(role), SQL_TEXT(tenant), picked), outcome))
			return false;
	}
	return true;
}

bool outbox_names_write(const struct outbox *outbox, struct sql_session *session, const struct outbox_line *line,
			int64_t seq, const struct outbox_new *new, struct outcome *outcome)
{
	return sql_run(session, "DELETE FROM outbox_name WHERE item = ?1", SQL(SQL_NUMBER(seq)), outcome) &&
	       names_add(outbox, session, line, seq, new->makes, new->make_count, 0, outcome) &&
	       names_add(outbox, session, line, seq, new->needs, new->need_count, 1, outcome) &&
	       outbox_chain_renew(session, line, seq, outcome) && outbox_line_renew(session, line, outcome);
}
