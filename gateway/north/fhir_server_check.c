#include "gateway/http/server.h"
#include "gateway/north/fhir_server.h"
#include "gateway/run/file.h"
#include "gateway/transactions/gateway.h"

bool fhir_server_check(const struct config_set *configs, struct outcome *outcome)
{
	const struct config *process = &configs->process;
	const struct server_tls tls = { .certificate_file = process->tls_certificate_file.data,
					.key_file = process->tls_key_file.data,
					.client_ca_file = process->tls_client_ca_file.data,
					.client = (enum tls_client)process->tls_client_certificate };
	size_t first = outcome->count;
	bool ok = server_tls_check(&tls, outcome);

	ok = file_directory_check("spool_directory", process->spool_directory.data, false, outcome) && ok;
	if (process->state_directory.size)
		ok = file_directory_check("state_directory", process->state_directory.data, true, outcome) && ok;
	config_issues_place(process, first, outcome);
	for (size_t i = 0; i < configs->count; i++) {
		size_t before = outcome->count;

		ok = gateway_check(&configs->tenants[i], outcome) && ok;
		tenant_issues_name(configs, i, before, outcome);
	}
	return ok;
}
