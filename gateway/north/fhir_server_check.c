#include "gateway/access/access.h"
#include "gateway/audit/audit.h"
#include "gateway/http/server.h"
#include "gateway/north/fhir_server.h"
#include "gateway/south/xua.h"

static bool xua_check(const struct config *config, struct outcome *outcome)
{
	const struct xua_options options = { .key_file = config->xua_key_file.data,
					     .certificate_file = config->xua_certificate_file.data,
					     .issuer = config->xua_issuer };
	struct xua *xua;

	if (str_is_empty(config->xua_key_file))
		return true;
	xua = xua_open(&options, outcome);
	xua_close(xua);
	return xua != NULL;
}

bool fhir_server_check(const struct config *config, struct outcome *outcome)
{
	const struct server_tls tls = { .certificate_file = config->tls_certificate_file.data,
					.key_file = config->tls_key_file.data,
					.client_ca_file = config->tls_client_ca_file.data,
					.client = (enum tls_client)config->tls_client_certificate };
	bool ok = server_tls_check(&tls, outcome);

	ok = access_check(config, outcome) && ok;
	ok = audit_check(config, outcome) && ok;
	for (size_t i = 0; i < config->back_ends.count; i++) {
		const struct config_back_end *row = &config->back_ends.items[i];
		const struct peer_tls peer = { row->ca_file.data, row->client_certificate_file.data,
					       row->client_key_file.data };

		ok = peer_tls_check(&peer, "back_ends", outcome) && ok;
	}
	return xua_check(config, outcome) && ok;
}
