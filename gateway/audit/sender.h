/* One audit repository and the thread that feeds it: every entry of the journal, in order, at least once (ITI-20). What
 * the repository has is noted in a file, so that a restart goes on from there. While it is away the journal waits. */
#ifndef PASSERELLE_SENDER_H
#define PASSERELLE_SENDER_H

#include "gateway/audit/journal.h"
#include "gateway/run/config.h"

struct sender;

/* directory: of the journal; the note is directory/NAME.sent. Everything is borrowed. Close it before the journal. */
bool sender_open(struct journal *journal, const char *directory, const struct config_audit_repository *repository,
		 struct sender **sender, struct outcome *outcome) MUST_CHECK;

/* Goes on with another row of the same name, borrowed, behind what has been taken: nothing is left out, and what was under
 * way may come twice. Waits for the exchange that is under way. The old row is not used any more when it returns. When
 * there is no thread for it, false: its events wait. */
bool sender_renew(struct sender *sender, const struct config_audit_repository *repository) MUST_CHECK;

/* Whether it has its thread. */
bool sender_works(const struct sender *sender);

/* Sends for at most grace_ms what is still unsent, then ends. NULL is allowed. */
void sender_close(struct sender *sender, uint64_t grace_ms);

#endif
