#include "gateway/domain/domain.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/domain/domain_state.h"
#include "gateway/domain/identity_seed.h"
#include "gateway/http/server_limits.h"
#include "gateway/run/code_sets_file.h"
#include "gateway/run/config.h"
#include "gateway/run/file.h"
#include "gateway/run/log.h"
#include "mappers/hl7v3.h"

#define ARENA_BYTES                 (64U << 20) /* of the configuration: patients and codes */
#define LEAF_CLASS_MAX              10000
#define OBJECT_REF_MAX              200000
#define DEMOGRAPHICS_FILE_BYTES_MAX (16U << 20)
#define READERS_MAX                 32
#define ASSERTIONS_SEEN_MAX         (1U << 20)
#define RECORD_VARIABLE             "PASSERELLE_DOMAIN_RECORD"

/* Interactions of the patient registry, as actions. */
#define V3(interaction) HL7V3_ACTION_PREFIX "PRPA_IN" interaction
#define ACKNOWLEDGED    HL7V3_ACTION_PREFIX "MCCI_IN000002UV01"

static const struct soap_action actions[] = {
	{ ACTION_PROVIDE_AND_REGISTER, XDS_PROVIDE_REQUEST, true, "ITI-41", provide_and_register, NULL },
	{ ACTION_REGISTER, XDS_SUBMIT_REQUEST, false, "ITI-42", register_document_set, NULL },
	{ ACTION_STORED_QUERY, XDS_QUERY_REQUEST, false, "ITI-18", registry_stored_query, NULL },
	{ ACTION_RETRIEVE, XDS_RETRIEVE_REQUEST, true, "ITI-43", retrieve_document_set, NULL },
	{ ACTION_UPDATE, XDS_SUBMIT_REQUEST, false, "ITI-57", update_document_set, NULL },
	{ ACTION_REMOVE_METADATA, XDS_REMOVE_REQUEST, false, "ITI-62", remove_metadata, NULL },
	{ ACTION_REMOVE_DOCUMENTS, XDS_REMOVE_DOCUMENTS_REQUEST, false, "ITI-86", remove_documents, NULL },
	{ V3("201301UV02"), HL7V3_BODY, false, "ITI-44", identity_feed_message, ACKNOWLEDGED },
	{ V3("201302UV02"), HL7V3_BODY, false, "ITI-44", identity_feed_message, ACKNOWLEDGED },
	{ V3("201304UV02"), HL7V3_BODY, false, "ITI-44", identity_feed_message, ACKNOWLEDGED },
	{ V3("201309UV02"), HL7V3_BODY, false, "ITI-45", identity_pix_query, V3("201310UV02") },
	{ V3("201305UV02"), HL7V3_BODY, false, "ITI-47", identity_pdq_query, V3("201306UV02") },
	/* as a Responding Gateway */
	{ ACTION_CROSS_QUERY, XDS_QUERY_REQUEST, false, "ITI-38", cross_gateway_query, NULL },
	{ ACTION_CROSS_RETRIEVE, XDS_RETRIEVE_REQUEST, true, "ITI-39", cross_gateway_retrieve, NULL },
	{ V3("201305UV02") HL7V3_DISCOVERY_SUFFIX, HL7V3_BODY, false, "ITI-55", identity_discovery,
	  V3("201306UV02") HL7V3_DISCOVERY_SUFFIX },
};
#define GATEWAY_ACTIONS 3 /* of these, at the end */

/* Every transaction may be sent to each of them: the action says what it is. */
static const char *const paths[] = { "/xds", "/registry", "/repository", "/pix", "/pdq", "/xca", "/xcpd" };
#define GATEWAY_PATHS 2

#define GREETING                                                                                   \
	"Passerelle embedded XDS domain: ITI-18, ITI-42, ITI-57 and ITI-62 at /registry, ITI-41, " \
	"ITI-43 and ITI-86 at /repository, ITI-44 and ITI-45 at /pix, ITI-47 at /pdq"
static const char greeting[] = GREETING ", by POST with SOAP 1.2.";
static const char gateway_greeting[] =
	GREETING ", and to other communities ITI-38 and ITI-39 at /xca, ITI-55 at /xcpd, by POST with SOAP 1.2.";

/* Who is known and what is allowed, from the configuration. */
static bool rules_open(const struct config *config, struct domain *domain, struct outcome *outcome)
{
	const struct strs values = { config->domain_patients.items, config->domain_patients.count };
	struct patients *patients;

	if (!patients_read(config->domain_assigning_authority, &values, domain->arena, &patients, outcome))
		return false;
	domain->rules.patients = patients;
	domain->repository_unique_id = config->domain_repository_unique_id;
	if (config->domain_home_community_id.size > 0) {
		domain->rules.home_community_id =
			arena_printf(domain->arena, "urn:oid:%.*s", STR_ARG(config->domain_home_community_id));
		if (!domain->rules.home_community_id.data)
			return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	}
	if (config->domain_accept_any_code)
		return true;
	if (config->domain_codes_file.size == 0)
		return outcome_add(outcome, ERR_PARAMETER_MISSING, "domain.codes_file",
				   "Name the file with the codes of the affinity domain, or set domain.accept_any_code "
				   "to true.");
	return code_sets_file_read(config->domain_codes_file.data, "domain.codes_file", domain->arena,
				   &domain->rules.code_sets, outcome);
}

/* Opens what is kept on the disk, and clears away what a crash left there. */
static bool storage_open(const struct config *config, struct domain *domain, struct outcome *outcome)
{
	struct str directory = config->domain_data_directory;
	struct str contents = arena_printf(domain->arena, "%.*s/documents", STR_ARG(directory));
	struct str path = arena_printf(domain->arena, "%.*s/registry.db", STR_ARG(directory));
	size_t removed_count = 0;

	if (!contents.data || !path.data)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	/* The content store holds the lock of the whole directory: it comes first. */
	if (!file_make_directory(directory.data, outcome) ||
	    !content_store_open(contents.data, &domain->contents, outcome))
		return false;
	const struct database_options options = {
		.path = path.data,
		.schema = registry_schema,
		.version = REGISTRY_SCHEMA_VERSION,
		.readers_max = READERS_MAX,
		.before_commit = content_store_sync,
		.context = domain->contents,
	};

	if (!database_open(&options, &domain->database, outcome) ||
	    !content_store_sweep(domain->contents, repository_knows, domain->database, &removed_count, outcome))
		return false;
	if (removed_count > 0)
		LOG(INFO, LOG_DOMAIN_EVENT, NULL, LOG_C("what", "files without a document removed"),
		    LOG_NUMBER("files", removed_count));
	return true;
}

/* Enters what the configuration says of patients. */
static bool identities_open(const struct config *config, struct domain *domain, struct outcome *outcome)
{
	const struct strs references = { config->domain_cross_references.items, config->domain_cross_references.count };
	struct str json;

	if (!identity_store_prepare(domain->database, outcome) ||
	    !identity_seed_references(domain->database, domain->rules.patients, &references, outcome))
		return false;
	return config->domain_demographics_file.size == 0 ||
	       (file_read(config->domain_demographics_file.data, DEMOGRAPHICS_FILE_BYTES_MAX, domain->arena, &json,
			  outcome) &&
		identity_seed_demographics(domain->database, domain->rules.patients, json, outcome));
}

struct known_work {
	const struct domain *domain;
	struct patient_identity identity;
	bool is_known;
};

static bool known_work(void *context, struct connection *connection, struct outcome *outcome)
{
	struct known_work *work = context;

	return identity_is_registered(connection, work->domain->rules.patients, &work->identity, &work->is_known,
				      outcome);
}

/* In the form of consent_directory_options.knows. */
static bool patient_known(void *ctx, struct str value, struct str authority, bool *is_known, struct outcome *outcome)
{
	const struct domain *domain = ctx;
	struct known_work work = { domain, { authority, value }, false };

	if (!database_read(domain->database, known_work, &work, outcome))
		return false;
	*is_known = work.is_known;
	return true;
}

/* Opens the consent directory, when it has a secret by which gateways may ask it. */
static bool consents_open(const struct config *config, struct domain *domain, struct outcome *outcome)
{
	struct str path = arena_printf(domain->arena, "%.*s/consents.db", STR_ARG(config->domain_data_directory));
	const struct consent_directory_options options = {
		.path = path.data, .secret = config->domain_consent_secret, .knows = patient_known, .ctx = domain
	};

	if (str_is_empty(config->domain_consent_secret))
		return true;
	if (!path.data)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	return consent_directory_open(&options, &domain->consents, outcome);
}

/* Whose word is taken on who asks. */
static bool trust_open(const struct config *config, struct domain *domain, struct outcome *outcome)
{
	const struct config_saml_issuers *configured = &config->domain_xua_issuers;
	struct saml_issuer *issuers = arena_array(domain->arena, configured->count, sizeof(*issuers));
	struct saml_verifier_options options = { .issuers = issuers,
						 .issuer_count = configured->count,
						 .audiences = config->domain_xua_audiences.items,
						 .audience_count = config->domain_xua_audiences.count,
						 .seen_max = ASSERTIONS_SEEN_MAX,
						 .key = "domain.xua.issuers" };

	if (configured->count == 0)
		return true;
	if (!issuers)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	for (size_t i = 0; i < configured->count; i++)
		issuers[i] = (struct saml_issuer) { configured->items[i].issuer,
						    configured->items[i].certificate_file.data };
	domain->verifier = saml_verifier_open(&options, outcome);
	return domain->verifier != NULL;
}

static bool server_start(const struct config *config, struct domain *domain, struct outcome *outcome)
{
	const char *record_directory = getenv(RECORD_VARIABLE);
	bool is_gateway = !str_is_empty(config->domain_home_community_id);
	struct soap_server_options options = {
		.http = server_limits(config),
		.actions = actions,
		.action_count = COUNT_OF(actions) - (is_gateway ? 0 : GATEWAY_ACTIONS),
		.ctx = domain,
		.paths = paths,
		.path_count = COUNT_OF(paths) - (is_gateway ? 0 : GATEWAY_PATHS),
		.greeting = is_gateway ? gateway_greeting : greeting,
		.side_path = domain->consents ? CONSENT_DIRECTORY_PATH : NULL,
		.side = domain->consents ? consent_directory_handlers(domain->consents) : NULL,
		.body_bytes_max = config->limits_body_bytes,
		.root_bytes_max = config->limits_body_bytes,
		.verifier = domain->verifier,
		.assertion_required = config->domain_xua_required,
		.record_directory = record_directory,
	};

	options.http.name = "domain";
	options.http.address = config->domain_address.data;
	options.http.port = (uint16_t)config->domain_port;
	options.http.tls = (struct server_tls) { .certificate_file = config->domain_tls_certificate_file.data,
						 .key_file = config->domain_tls_key_file.data,
						 .client_ca_file = config->domain_tls_client_ca_file.data,
						 .client = (enum tls_client)config->domain_tls_client_certificate,
						 .section = "domain.tls" };
	options.http.spool = &domain->spool;
	domain->server = soap_server_open(&options, outcome);
	return domain->server != NULL;
}

/* Frees what has been opened so far; the server is closed already, or was never opened. */
static void domain_free(struct domain *domain)
{
	consent_directory_close(domain->consents);
	pthread_mutex_destroy(&domain->merge_lock);
	saml_verifier_close(domain->verifier);
	database_close(domain->database);
	content_store_close(domain->contents);
	arena_free(domain->arena);
	free(domain);
}

bool domain_open(const struct config *config, struct domain **domain, struct outcome *outcome)
{
	struct domain *opened = calloc(1, sizeof *opened);

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	opened->arena = arena_new(ARENA_BYTES);
	if (!opened->arena) {
		free(opened);
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	}
	pthread_mutex_init(&opened->merge_lock, NULL);
	opened->query_limits =
		(struct query_limits) { .leaf_class_max = LEAF_CLASS_MAX, .object_ref_max = OBJECT_REF_MAX };
	opened->document_bytes_max = config->limits_body_bytes;
	opened->stop_ms = config->limits_stop_seconds * 1000;
	opened->spool = (struct spool_limits) { .directory = config->spool_directory.data,
						.memory_bytes = config->limits_spool_memory,
						.total_bytes_max = config->limits_spool_bytes };
	if (!rules_open(config, opened, outcome) || !storage_open(config, opened, outcome) ||
	    !identities_open(config, opened, outcome) || !consents_open(config, opened, outcome) ||
	    !trust_open(config, opened, outcome) || !server_start(config, opened, outcome)) {
		domain_free(opened);
		return false;
	}
	*domain = opened;
	return true;
}

uint16_t domain_port(const struct domain *domain)
{
	return soap_server_port(domain->server);
}

void domain_close(struct domain *domain)
{
	if (!domain)
		return;
	/* Requests that would not end in time still use what is below: the process ends with them. */
	if (soap_server_close(domain->server, domain->stop_ms))
		domain_free(domain);
}
