#include "gateway/cli/check_identity.h"

#include <stdio.h>

#include "gateway/south/identity_client.h"

#define REPLY_BYTES_MAX (1024u * 1024)

/* "Nobody is known by this" is an answer as well. */
static bool answered(enum identity_end end)
{
	return end != IDENTITY_FAILED && end != IDENTITY_REFUSED;
}

static bool report(const char *what, struct str url, bool ok, const struct outcome *outcome)
{
	printf("%s identity: %s at %.*s", ok ? "ok  " : "FAIL", what, STR_ARG(url));
	if (!ok && outcome->count > 0)
		printf(": %s", outcome->issues[0].text);
	putchar('\n');
	return ok;
}

bool check_identity(const struct config *config, const struct xua *xua, struct arena *arena)
{
	static const struct caller self = { .kind = CALLER_SYSTEM, .subject = STR_INIT("passerelle-check") };
	struct backend backend = { .name = STR("identity"),
				   .xua_audience = config->identity_xua_audience,
				   .tls = { config->identity_ca_file.data,
					    config->identity_client_certificate_file.data,
					    config->identity_client_key_file.data },
				   .connect_timeout_ms = (long)config->identity_timeout_ms,
				   .timeout_ms = (long)config->identity_timeout_ms,
				   .reply_bytes_max = REPLY_BYTES_MAX };
	struct south south = { .backend = &backend, .arena = arena, .xua = xua, .caller = &self, .is_probe = true };
	struct identity_service service = { .receiver = config->identity_receiver, .sender = config->identity_sender };
	struct patient_identity nobody = { config->patient_assigning_authority, STR("-") };
	struct patient_query query = PATIENT_QUERY_NONE;
	struct patient_identities found;
	struct patient_list list;
	struct strs all = { 0 };
	struct outcome outcome;
	bool ok = true;

	if (config->identity_pix_url.size) {
		outcome_init(&outcome);
		south.deadline = deadline_in(config->identity_timeout_ms);
		service.url = config->identity_pix_url.data;
		ok = report("PIX manager", config->identity_pix_url,
			    answered(pix_query(&south, &service, &nobody, &all, &found, &outcome)), &outcome);
	}
	if (config->identity_pdq_url.size) {
		outcome_init(&outcome);
		south.deadline = deadline_in(config->identity_timeout_ms);
		service.url = config->identity_pdq_url.data;
		query.identifiers = (struct patient_identities) { &nobody, 1 };
		ok = report("demographics", config->identity_pdq_url,
			    answered(pdq_query(&south, &service, &query, &list, &outcome)), &outcome) &&
		     ok;
	}
	return ok;
}
