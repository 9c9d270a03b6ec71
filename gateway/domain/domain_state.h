/* What the transactions of the embedded domain share. Private to this room. */
#ifndef PASSERELLE_DOMAIN_STATE_H
#define PASSERELLE_DOMAIN_STATE_H

#include <pthread.h>

#include "gateway/domain/consent_directory.h"
#include "gateway/domain/registry.h"
#include "gateway/domain/repository.h"
#include "gateway/soap/soap_server.h"

struct domain {
	struct arena *arena; /* of what follows from the configuration */
	struct database *database;
	struct content_store *contents;
	struct consent_directory *consents; /* NULL: this domain keeps none */
	pthread_mutex_t merge_lock;         /* held while two patients become one */
	struct submission_rules rules;
	struct query_limits query_limits;
	struct str repository_unique_id;
	uint64_t document_bytes_max;
	uint64_t stop_ms;
	struct spool_limits spool;
	struct soap_server *server;
	struct saml_verifier *verifier; /* NULL: assertions are not looked at */
};

/* ITI-41, 42, 18, 43, 57, 62 and 86, in the form of soap_action.handle; ctx is the struct domain. */
bool provide_and_register(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool register_document_set(void *ctx, struct soap_request *request, struct soap_answer *answer,
			   struct outcome *outcome);
bool registry_stored_query(void *ctx, struct soap_request *request, struct soap_answer *answer,
			   struct outcome *outcome);
bool retrieve_document_set(void *ctx, struct soap_request *request, struct soap_answer *answer,
			   struct outcome *outcome);
bool update_document_set(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool remove_metadata(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool remove_documents(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);

/* ITI-38 and ITI-39, likewise: the same asked by another community. */
bool cross_gateway_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool cross_gateway_retrieve(void *ctx, struct soap_request *request, struct soap_answer *answer,
			    struct outcome *outcome);

/* ITI-44 (add, revise and merge), ITI-45, ITI-47 and ITI-55, likewise. */
bool identity_feed_message(void *ctx, struct soap_request *request, struct soap_answer *answer,
			   struct outcome *outcome);
bool identity_pix_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool identity_pdq_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool identity_discovery(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);

#endif
