/* The CapabilityStatement of this gateway. Source: FHIR R4 http capabilities, MHD 4.2.4. */
#include "mappers/capability.h"

#include "gateway/access/discovery.h"
#include "gateway/transactions/transactions.h"
#include "mappers/json_writer.h"

bool capability(const struct transaction *t, struct buf *answer)
{
	const struct config *config = t->gateway->config;
	struct capability_facts facts = { .base = t->gateway->base,
					  .software_version = t->gateway->version,
					  .date = t->gateway->started,
					  .is_open = config->access_anonymous,
					  .minimal = config->profiles & CONFIG_MINIMAL,
					  .comprehensive = config->profiles & CONFIG_COMPREHENSIVE,
					  .uncontained = config->profiles & CONFIG_UNCONTAINED,
					  .waits = t->gateway->delivery != NULL,
					  .deletes = config->publication_delete != CONFIG_DELETE_REFUSE,
					  .consents = consent_directory(t->gateway->access) != NULL,
					  .cross_references = config->identity_pix_url.size > 0,
					  .feeds = config->identity_feed_url.size > 0,
					  .demographics = config->identity_pdq_url.size > 0 };
	struct json_writer writer;

	if (discovery_has_server(t->gateway->access)) {
		facts.token_url = arena_printf(t->south.arena, "%.*s/auth/token", STR_ARG(t->gateway->base));
		if (!facts.token_url.data)
			return no_memory(t);
	}

	json_writer_init(&writer, answer);
	capability_write(&facts, &writer);
	return json_writer_finish(&writer, t->outcome);
}
