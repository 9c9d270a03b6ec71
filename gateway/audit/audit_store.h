/* What of the audit is there once for a tenant, whatever becomes of its settings: journal, index, senders. */
#ifndef PASSERELLE_AUDIT_STORE_H
#define PASSERELLE_AUDIT_STORE_H

#include "gateway/audit/audit.h"
#include "gateway/run/config_set.h"

/* Opens the journal in state_directory/audit, its index and the senders, and records the start; leaves *store as it is
 * when it is open (not NULL) or the configuration, which is of configs, switches the audit off (audit.enabled).
 * Errors: ERR_STORAGE, ERR_INTERNAL for a configuration that does not fit together. */
bool audit_store_open(struct config_set *configs, const struct config *config, struct audit_store **store,
		      struct outcome *outcome) MUST_CHECK;

/* Another configuration of the same tenant, which could be opened, holds: its bounds, repositories (by their names) and
 * source id from now on. Records when the audit was switched off or on. Waits for repositories that are being sent to.
 * Not while another thread opens, renews or closes. A NULL store is left alone. */
void audit_store_renew(struct audit_store *store, struct config_set *configs, const struct config *config);

/* Records the stop, gives senders a moment for what is still unsent (which stays in the journal), frees. After the last
 * audit upon it. NULL is allowed. */
void audit_store_close(struct audit_store *store);

#endif
