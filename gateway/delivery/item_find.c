#include "gateway/delivery/item_find.h"

#include "gateway/state/outbox_manage.h"
#include "mappers/submission_match.h"

#define TURNS_MAX 16 /* how often the same submission may have been withdrawn */

bool delivery_item_find(struct outbox *outbox, const struct item_wanted *wanted, struct arena *arena,
			char id[OUTBOX_ID_SIZE], int *state, struct str *result, struct outcome *outcome)
{
	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		struct outbox_item item;
		struct outcome asking;

		outcome_init(&asking);
		if (!submission_name(wanted->submitted, wanted->tenant, wanted->target, turn, id))
			return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
		if (!outbox_get(outbox, str_from_c(id), arena, &item, result, &asking)) {
			*state = -1;
			if (asking.count && asking.issues[0].code == ERR_NOT_FOUND)
				return true;
			return outcome_add(outcome, asking.issues[0].code, "", "%s", asking.issues[0].text);
		}
		*state = (int)item.state;
		if (item.state != OUTBOX_WITHDRAWN)
			return true;
	}
	return outcome_add(outcome, ERR_CONFLICT, "",
			   "This submission was withdrawn too often; give its SubmissionSet another uniqueId.");
}
