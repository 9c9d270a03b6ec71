#include "gateway/access/identity_source.h"

#include "gateway/access/access_state.h"

#define CONNECT_TIME_MS 5000
#define REPLY_BYTES_MAX (16u * 1024 * 1024)

bool identity_source_open(struct access *access, struct outcome *outcome)
{
	const struct config *config = access->config;
	struct backend *backend = &access->identity;

	*backend = (struct backend) { .name = STR("identity"),
				      .tenant = config->tenant,
				      .xua_audience = config->identity_xua_audience,
				      .tls = { config->identity_ca_file.data,
					       config->identity_client_certificate_file.data,
					       config->identity_client_key_file.data },
				      .connect_timeout_ms = CONNECT_TIME_MS,
				      .timeout_ms = (long)config->identity_timeout_ms,
				      .reply_bytes_max = REPLY_BYTES_MAX,
				      .requests_max = (unsigned)config->identity_connections_max,
				      .breakers = { .options = BREAKER_DEFAULTS } };
	if (backend->connect_timeout_ms > backend->timeout_ms)
		backend->connect_timeout_ms = backend->timeout_ms;
	return peer_tls_check(&backend->tls, "identity", outcome);
}

/* One exchange on its way. */
struct visit_to {
	struct south south;
	struct identity_service service;
};

static void visit_begin(struct access *access, const struct south *south, struct str url, struct visit_to *visit)
{
	*visit = (struct visit_to) { .south = *south,
				     .service = { .url = url.data,
						  .receiver = access->config->identity_receiver,
						  .sender = access->config->identity_sender } };
	visit->south.backend = &access->identity;
}

enum identity_end identity_source_pix(struct access *access, const struct south *south,
				      const struct patient_identity *source, struct patient_identities *found,
				      struct outcome *outcome)
{
	const struct strs all = { 0 };
	struct visit_to visit;

	visit_begin(access, south, access->config->identity_pix_url, &visit);
	return pix_query(&visit.south, &visit.service, source, &all, found, outcome);
}

bool identity_source_patients(struct access *access, const struct south *south, const struct patient_query *query,
			      struct patient_list *list, struct outcome *outcome)
{
	struct visit_to visit;

	visit_begin(access, south, access->config->identity_pdq_url, &visit);
	switch (pdq_query(&visit.south, &visit.service, query, list, outcome)) {
	case IDENTITY_OK:
		return true;
	case IDENTITY_UNKNOWN_ID:
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
		*list = (struct patient_list) { 0 };
		return true;
	case IDENTITY_REFUSED:
	case IDENTITY_FAILED:
		break;
	}
	return false;
}

enum identity_end identity_source_feed(struct access *access, const struct south *south, enum identity_feed feed,
				       const struct patient *patient, const struct patient_identity *subsumed,
				       struct outcome *outcome)
{
	struct visit_to visit;

	visit_begin(access, south, access->config->identity_feed_url, &visit);
	return identity_feed(&visit.south, &visit.service, feed, patient, subsumed, outcome);
}
