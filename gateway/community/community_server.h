/* Other communities reach the documents behind this gateway: a Responding Gateway of XCA (ITI-38, ITI-39) at /xca and of
 * XCPD (ITI-55) at /xcpd, each also with /TENANT behind it. Who asks is told by assertions (XUA), what they see by
 * consent, and nothing is answered unrecorded: the same rooms as behind the FHIR face. Only the XDS domains of the gateway
 * are asked, never another community, so that no question comes back to who asked it.
 * Source: ITI TF-1 18, 27, TF-2 3.38, 3.39, 3.40, 3.55. */
#ifndef PASSERELLE_COMMUNITY_SERVER_H
#define PASSERELLE_COMMUNITY_SERVER_H

#include "gateway/transactions/tenants.h"

struct community_server;

/* What a tenant is to other communities: for tenants_open. */
extern const struct tenant_part community_part;

/* Serves the tenants, which are borrowed and were opened with community_part, from now on. *server is NULL when the
 * configuration serves no other communities (community.listen.port 0). Errors: those of the parts, ERR_NO_MEMORY. */
bool community_server_open(struct tenants *tenants, struct community_server **server,
			   struct outcome *outcome) MUST_CHECK;

/* Takes the certificate files as they are now, for new connections. *is_new: they were others before. False with issues:
 * what was in use stays in use. NULL is allowed. */
bool community_server_tls_renew(struct community_server *server, bool *is_new, struct outcome *outcome) MUST_CHECK;

/* False when requests were still under way after grace_ms: then nothing was freed and the process should end. NULL is
 * allowed. */
bool community_server_close(struct community_server *server, uint64_t grace_ms);

/* Whether it could be opened: reads the certificates that the configuration names. Every fault is an issue. */
bool community_server_check(const struct config_set *configs, struct outcome *outcome) MUST_CHECK;

#endif
