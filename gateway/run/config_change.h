/* From one configuration to the next while the process runs: what stays as it is until a restart, and what differs. */
#ifndef PASSERELLE_CONFIG_CHANGE_H
#define PASSERELLE_CONFIG_CHANGE_H

#include "gateway/run/config_set.h"
#include "mappers/base/buf.h"

/* Puts the keys of the process (listen, tls, log, redis, state_directory ...) back to what they were in process, in the
 * main file's and in all tenants' configurations. Names of those that differ are added to kept, comma-separated. Texts are
 * borrowed from process. False without memory. */
bool config_process_keep(struct config_set *set, const struct config *process, struct buf *kept) MUST_CHECK;

/* The same for what names a tenant's open store (outbox.store ...). */
void config_state_keep(struct config *tenant, const struct config *state, struct buf *kept);

/* What is for this machine alone and can be reached from elsewhere: the keys, and what to do. Returns how many. */
#define CONFIG_EXPOSURES 2
struct config_exposure {
	const char *key;
	const char *text;
};
size_t config_exposed(const struct config *config, struct config_exposure exposures[CONFIG_EXPOSURES]);

/* Whether two rows of audit.repositories say the same. */
bool config_audit_repository_same(const struct config_audit_repository *a, const struct config_audit_repository *b);

/* Whether a gateway made of one would be another than one made of the other: in a key, or in a file that one of its keys
 * names. Names of the keys that differ are added to keys, comma-separated. */
bool config_differs(const struct config *a, const struct config *b, struct buf *keys) MUST_CHECK;

#endif
