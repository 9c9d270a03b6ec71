#include <stdio.h>

#include "gateway/http/server.h"
#include "gateway/north/fhir_server.h"
#include "gateway/transactions/gateway.h"

/* Puts the tenant before the paths of the issues from first on. */
static void issues_name(struct outcome *outcome, size_t first, struct str tenant)
{
	for (size_t i = first; i < outcome->count; i++) {
		struct issue *issue = &outcome->issues[i];
		char path[sizeof(issue->path)];

		snprintf(path, sizeof(path), "tenant %.*s: %s", STR_ARG(tenant), issue->path);
		memcpy(issue->path, path, sizeof(path));
	}
}

bool fhir_server_check(const struct config_set *configs, struct outcome *outcome)
{
	const struct config *process = &configs->process;
	const struct server_tls tls = { .certificate_file = process->tls_certificate_file.data,
					.key_file = process->tls_key_file.data,
					.client_ca_file = process->tls_client_ca_file.data,
					.client = (enum tls_client)process->tls_client_certificate };
	bool ok = server_tls_check(&tls, outcome);

	for (size_t i = 0; i < configs->count; i++) {
		size_t before = outcome->count;

		ok = gateway_check(&configs->tenants[i], outcome) && ok;
		if (!configs->is_single)
			issues_name(outcome, before, configs->tenants[i].tenant);
	}
	return ok;
}
