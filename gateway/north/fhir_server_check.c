#include "gateway/http/server.h"
#include "gateway/north/fhir_server.h"
#include "gateway/transactions/gateway.h"

bool fhir_server_check(const struct config *config, struct outcome *outcome)
{
	const struct server_tls tls = { .certificate_file = config->tls_certificate_file.data,
					.key_file = config->tls_key_file.data,
					.client_ca_file = config->tls_client_ca_file.data,
					.client = (enum tls_client)config->tls_client_certificate };
	bool ok = server_tls_check(&tls, outcome);

	return gateway_check(config, outcome) && ok;
}
