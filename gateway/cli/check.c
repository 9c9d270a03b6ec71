/* passerelle check: is the configuration right, and do its back-ends answer? */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/audit/tls_stream.h"
#include "gateway/cli/check_identity.h"
#include "gateway/cli/command.h"
#include "gateway/community/community_server.h"
#include "gateway/http/server.h"
#include "gateway/north/fhir_server.h"
#include "gateway/run/config_document.h"
#include "gateway/run/log.h"
#include "gateway/run/signatures.h"
#include "gateway/run/spool.h"
#include "gateway/south/consent_client.h"
#include "gateway/south/probe.h"
#include "gateway/south/xcpd_client.h"
#include "gateway/state/cache.h"
#include "gateway/state/outbox_manage.h"
#include "gateway/transactions/publication_rules.h"

#define CHECK_BYTES_MAX  (64u * 1024 * 1024)
#define OUTPUT_BYTES_MAX (4u * 1024 * 1024)
#define DIRECTORY_MS     5000
#define ADDRESS_MS       5000
#define REPLY_BYTES_MAX  (4u * 1024 * 1024)

struct check_options {
	const char *config_path;
	bool offline;
	void (*print)(struct buf *out); /* a generated document instead of a check */
};

static int print_generated(void (*print)(struct buf *out))
{
	struct buf out;
	bool ok;

	buf_init(&out, OUTPUT_BYTES_MAX);
	print(&out);
	ok = !out.failed && fwrite(out.data, 1, out.size, stdout) == out.size && fflush(stdout) == 0;
	buf_free(&out);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

/* One line per question; true when it was answered. */
static bool report(const struct config_back_end *config, const char *what, const char *url, bool ok,
		   const struct outcome *outcome)
{
	printf("%s %.*s: %s at %s", ok ? "ok  " : "FAIL", STR_ARG(config->name), what, url);
	if (!ok && outcome->count > 0)
		printf(": %s%s%s", outcome->issues[0].xds_code, outcome->issues[0].xds_code[0] ? " " : "",
		       outcome->issues[0].text);
	putchar('\n');
	return ok;
}

/* The addresses of what the back-end takes, where they are not those that are asked anyway. */
static bool takes_check(const struct config_back_end *config, struct south *south)
{
	const struct {
		const char *what;
		struct str url;
	} addresses[] = { { "publications", config->provide_url },
			  { "registrations", config->register_url },
			  { "updates", config->update_url },
			  { "removals", config->delete_url } };
	struct outcome outcome;
	bool ok = true;

	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		if (str_is_empty(addresses[i].url))
			continue;
		outcome_init(&outcome);
		south->deadline = deadline_in(config->timeout_ms);
		ok = report(config, addresses[i].what, addresses[i].url.data,
			    probe_address(south, addresses[i].url.data, &outcome), &outcome) &&
		     ok;
	}
	return ok;
}

static bool registry_check(const struct config_back_end *config, struct south *south)
{
	struct outcome outcome;

	outcome_init(&outcome);
	south->deadline = deadline_in(config->timeout_ms);
	return report(config, south->backend->kind == BACKEND_XCA ? "community: queries" : "registry",
		      south->backend->registry_url, probe_registry(south, &outcome), &outcome);
}

static bool repository_check(const struct config_back_end *config, struct south *south,
			     const struct backend_repository *repository)
{
	struct outcome outcome;

	outcome_init(&outcome);
	south->deadline = deadline_in(config->timeout_ms);
	return report(config, south->backend->kind == BACKEND_XCA ? "community: documents" : "repository",
		      repository->url, probe_repository(south, repository, &outcome), &outcome);
}

static bool domain_answers(const struct config_back_end *config, struct south *south)
{
	bool ok = registry_check(config, south);

	for (size_t i = 0; i < config->repositories.count; i++) {
		const struct backend_repository repository = { .unique_id = config->repositories.items[i].unique_id,
							       .url = config->repositories.items[i].url.data };

		ok = repository_check(config, south, &repository) && ok;
	}
	return takes_check(config, south) && ok;
}

/* Asks about a patient who does not exist: "nobody" is an answer. */
static bool discovery_check(const struct config_back_end *config, struct south *south)
{
	const struct xcpd_service service = { .url = config->xcpd_url.data, .authority = config->assigning_authority };
	struct patient_identity nobody = { service.authority, STR("-") };
	const struct patient patient = { .identifiers = { &nobody, 1 }, .match_percent = -1 };
	struct patient_identities found;
	struct outcome outcome;

	if (str_is_empty(config->xcpd_url))
		return true;
	outcome_init(&outcome);
	south->deadline = deadline_in(config->timeout_ms);
	return report(config, "community: patients", service.url,
		      xcpd_discover(south, &service, &patient, &found, &outcome) != XCPD_FAILED, &outcome);
}

static bool community_answers(const struct config_back_end *config, struct south *south)
{
	/* Nobody has a repository of this name: the gateway answers that it knows none. */
	const struct backend_repository nowhere = { .unique_id = STR("2.25.0"), .url = south->backend->retrieve_url };
	bool ok = registry_check(config, south);

	ok = repository_check(config, south, &nowhere) && ok;
	ok = discovery_check(config, south) && ok;
	return takes_check(config, south) && ok;
}

static bool back_end_check(const struct config_back_end *config, const struct xua *xua, struct spool_limits *spools,
			   struct arena *arena)
{
	static const struct caller self = { .kind = CALLER_SYSTEM, .subject = STR_INIT("passerelle-check") };
	struct backend backend;
	struct south south = {
		.backend = &backend, .arena = arena, .spools = spools, .xua = xua, .caller = &self, .is_probe = true
	};

	if (!backend_read(config, arena, &backend))
		return false;
	backend.breakers.options.failures = 0; /* every address is asked, however many fail */
	backend.connect_timeout_ms = backend.timeout_ms;
	backend.reply_bytes_max = REPLY_BYTES_MAX;
	return config->kind == CONFIG_KIND_XCA ? community_answers(config, &south) : domain_answers(config, &south);
}

/* Reads the files of keys and certificates that the configuration names, as the server would. */
static bool servers_check(const struct config_set *configs)
{
	struct outcome outcome;
	bool ok;

	outcome_init(&outcome);
	ok = fhir_server_check(configs, &outcome);
	ok = community_server_check(configs, &outcome) && ok;
	outcome_print(&outcome);
	return ok;
}

/* The same for the embedded domain's listener. */
static bool domain_check(const struct config *config)
{
	const struct server_tls tls = { .section = "domain.tls",
					.certificate_file = config->domain_tls_certificate_file.data,
					.key_file = config->domain_tls_key_file.data,
					.client_ca_file = config->domain_tls_client_ca_file.data,
					.client = (enum tls_client)config->domain_tls_client_certificate };
	struct outcome outcome;
	bool ok;

	outcome_init(&outcome);
	ok = server_tls_check(&tls, &outcome);
	config_issues_place(config, 0, &outcome);
	outcome_print(&outcome);
	return ok;
}

static bool is_for_gateway(const struct config_set *configs)
{
	return configs && (configs->process.back_ends.count > 0 || configs->process.tenants.count > 0);
}

/* A file may be for a gateway, for the embedded domain, or for both; what it names tells. *configs is made when there is
 * memory; has_gateway: it is right, for a gateway. */
static bool config_check(const char *path, struct arena *arena, struct config_set **configs, bool *has_gateway)
{
	struct config domain = { 0 };
	struct outcome as_gateway;
	struct outcome as_domain;
	bool domain_ok;
	bool names_domain;

	outcome_init(&as_gateway);
	outcome_init(&as_domain);
	*has_gateway = config_set_open(path, configs, &as_gateway);
	domain_ok = config_load(path, CONFIG_DOMAIN, arena, &domain, &as_domain);
	names_domain = domain.domain_data_directory.data || domain.domain_repository_unique_id.data;
	if (!*has_gateway && (is_for_gateway(*configs) || !names_domain)) {
		outcome_print(&as_gateway);
		return false;
	}
	if (!domain_ok && names_domain) {
		outcome_print(&as_domain);
		return false;
	}
	outcome_print(*has_gateway ? &as_gateway : &as_domain); /* warnings */
	if ((*has_gateway && !servers_check(*configs)) || (domain_ok && !domain_check(&domain)))
		return false;
	printf("ok   %s: the configuration of %s is right\n", path,
	       !domain_ok     ? "a gateway"
	       : *has_gateway ? "a gateway and of a domain"
			      : "a domain");
	return true;
}

/* Whether the shared cache answers. */
static bool cache_check(const struct config *config)
{
	struct cache_options options;
	struct outcome outcome;
	struct str where = config->redis_address.size ? config->redis_address : config->redis_sentinel_master;

	outcome_init(&outcome);
	if (!config->redis_address.size && !config->redis_sentinels.count)
		return true;
	if (cache_options_read(config, &options, &outcome) && cache_probe(&options, &outcome)) {
		printf("ok   redis: the shared cache at %.*s\n", STR_ARG(where));
		return true;
	}
	printf("FAIL redis: %s%s%s\n", outcome.issues[0].path, outcome.issues[0].path[0] ? ": " : "",
	       outcome.issues[0].text);
	return false;
}

/* Whether the PostgreSQL in which gateways share what waits can be used; makes its tables. */
static bool outbox_check(const struct config *config)
{
	struct outbox *outbox = NULL;
	struct outcome outcome;
	uint64_t bytes;
	uint64_t of_nobody;

	outcome_init(&outcome);
	if (config->publication_degraded != CONFIG_DEGRADED_ACCEPT || config->outbox_store != CONFIG_OUTBOX_POSTGRESQL)
		return true;
	bool ok = outbox_open(config, config->tenant, config->state_directory, OUTBOX_VISITOR, &outbox, &outcome) &&
		  outbox_bytes(outbox, STR_NONE, &bytes, &of_nobody, &outcome);

	printf("%s outbox: the PostgreSQL%s%s\n", ok ? "ok  " : "FAIL", ok ? "" : ": ",
	       ok ? "" : outcome.issues[0].text);
	outbox_close(outbox);
	return ok;
}

/* Whether anything serves HTTP at an address that is asked only later: by a patient, a token, an event. */
static bool address_check(const char *what, struct str url, const struct peer_tls *tls, struct arena *arena)
{
	struct backend backend = { .tls = *tls, .connect_timeout_ms = ADDRESS_MS, .timeout_ms = ADDRESS_MS };
	struct south south = { .backend = &backend, .arena = arena, .deadline = deadline_in(ADDRESS_MS) };
	struct outcome outcome;
	bool ok;

	if (str_is_empty(url))
		return true;
	outcome_init(&outcome);
	ok = probe_address(&south, url.data, &outcome);
	printf("%s %s at %.*s%s%s\n", ok ? "ok  " : "FAIL", what, STR_ARG(url), ok ? "" : ": ",
	       ok ? "" : outcome.issues[0].text);
	return ok;
}

static bool issuers_check(const struct config *config, struct arena *arena)
{
	bool ok = true;

	for (size_t i = 0; i < config->issuers.count; i++) {
		const struct config_issuer *issuer = &config->issuers.items[i];
		const struct peer_tls tls = { .ca_file = issuer->ca_file.data };

		ok = address_check("issuer: keys", issuer->jwks_url, &tls, arena) && ok;
		ok = address_check("issuer: introspection", issuer->introspection_url, &tls, arena) && ok;
	}
	for (size_t i = 0; i < config->clients.count; i++) {
		const struct peer_tls tls = { .ca_file = config->clients.items[i].ca_file.data };

		ok = address_check("client: keys", config->clients.items[i].jwks_url, &tls, arena) && ok;
	}
	return ok;
}

/* A receiver of syslog: its TLS, for it answers nothing else. */
static bool syslog_check(const struct config_audit_repository *repository)
{
	const struct tls_target target = { .address = repository->address,
					   .ca_file = repository->ca_file.size ? repository->ca_file.data : NULL,
					   .certificate_file = repository->certificate_file.size
								       ? repository->certificate_file.data
								       : NULL,
					   .key_file = repository->key_file.size ? repository->key_file.data : NULL };
	const char *why = "";
	struct tls_stream *stream = tls_stream_open(&target, ADDRESS_MS, &why);

	printf("%s audit: repository at %.*s%s%s\n", stream ? "ok  " : "FAIL", STR_ARG(repository->address),
	       stream ? "" : ": ", stream ? "" : why);
	tls_stream_close(stream);
	return stream != NULL;
}

static bool audit_repositories_check(const struct config *config, struct arena *arena)
{
	bool ok = true;

	for (size_t i = 0; i < config->audit_repositories.count; i++) {
		const struct config_audit_repository *repository = &config->audit_repositories.items[i];
		const struct peer_tls tls = { repository->ca_file.data, repository->certificate_file.data,
					      repository->key_file.data };

		if (repository->kind == CONFIG_AUDIT_SYSLOG)
			ok = syslog_check(repository) && ok;
		if (repository->kind == CONFIG_AUDIT_FHIR)
			ok = address_check("audit: repository", repository->url, &tls, arena) && ok;
	}
	return ok;
}

/* Asks the consent directory for a patient that nobody is. */
static bool directory_check(const struct config *config, struct arena *arena)
{
	const struct consent_client_options options = { .url = config->consent_directory_url,
							.secret = config->consent_secret,
							.gateway = STR("passerelle-check"),
							.tls = { config->consent_ca_file.data,
								 config->consent_client_certificate_file.data,
								 config->consent_client_key_file.data },
							.ask_ms = DIRECTORY_MS };
	const struct south south = { .arena = arena, .deadline = deadline_in(DIRECTORY_MS) };
	struct str patient_id = arena_printf(arena, "-^^^&%.*s&ISO", STR_ARG(config->patient_assigning_authority));
	struct consent_client *client;
	struct consent_state state;
	struct outcome outcome;
	bool ok;

	outcome_init(&outcome);
	if (str_is_empty(config->consent_directory_url))
		return true;
	client = consent_client_open(&options);
	ok = client && directory_state(client, &south, patient_id, CONSENT_VERSION_NONE, false, &state, &outcome);
	printf("%s consent directory: at %.*s%s%s\n", ok ? "ok  " : "FAIL", STR_ARG(config->consent_directory_url),
	       ok ? "" : ": ", ok ? "" : "it does not answer, or knows another secret.");
	consent_client_close(client);
	return ok;
}

/* The back-ends are asked as the gateway would ask them, if in its own name. */
static bool xua_begin(const struct config *config, struct xua **xua)
{
	const struct xua_options options = { .key_file = config->xua_key_file.data,
					     .certificate_file = config->xua_certificate_file.data,
					     .issuer = config->xua_issuer };
	struct outcome outcome;

	outcome_init(&outcome);
	if (str_is_empty(config->xua_key_file))
		return true;
	*xua = xua_open(&options, &outcome);
	if (!*xua)
		outcome_print(&outcome);
	return *xua != NULL;
}

/* Asks everybody whom a tenant's requests would ask. */
static bool tenant_check(const struct config *config, struct arena *arena)
{
	struct spool_limits spools = { .directory = "/tmp", .memory_bytes = 65536, .total_bytes_max = REPLY_BYTES_MAX };
	struct xua *xua = NULL;
	bool ok = true;

	if (!xua_begin(config, &xua))
		return false;
	for (size_t i = 0; i < config->back_ends.count; i++)
		ok = back_end_check(&config->back_ends.items[i], xua, &spools, arena) && ok;
	ok = check_identity(config, xua, arena) && ok;
	ok = directory_check(config, arena) && ok;
	ok = issuers_check(config, arena) && ok;
	ok = audit_repositories_check(config, arena) && ok;
	ok = outbox_check(config) && ok;
	xua_close(xua);
	return ok;
}

static bool all_check(const struct config_set *configs, struct arena *arena)
{
	bool ok = cache_check(&configs->process);

	for (size_t i = 0; i < configs->count; i++) {
		if (!configs->is_single)
			printf("     tenant %.*s:\n", STR_ARG(configs->tenants[i].tenant));
		ok = tenant_check(&configs->tenants[i], arena) && ok;
	}
	return ok;
}

/* What publications may use, tenant by tenant; the files have been found right. */
static void codes_report(const struct config_set *configs, struct arena *arena)
{
	for (size_t i = 0; i < configs->count; i++) {
		const struct config *config = &configs->tenants[i];
		const struct code_sets *sets;
		struct outcome ignored;

		outcome_init(&ignored);
		if (allowed_codes_read(config, arena, &sets, &ignored) && sets)
			printf("ok   %.*s: %zu codes of %zu attributes%s%.*s\n", STR_ARG(config->code_sets_file),
			       code_sets_count(sets), code_sets_attribute_count(sets),
			       configs->is_single ? "" : " for ",
			       STR_ARG(configs->is_single ? STR_NONE : config->tenant));
	}
}

static int check(const struct check_options *options, struct arena *arena)
{
	struct config_set *configs;
	bool has_gateway;
	bool ok = config_check(options->config_path, arena, &configs, &has_gateway);

	if (ok && has_gateway)
		codes_report(configs, arena);
	if (ok && has_gateway && !options->offline) {
		/* The lines below tell it all; a log between them would only tell it twice. */
		log_start(LOG_LEVEL_ERROR, LOG_FORMAT_AUTO, STDERR_FILENO);
		ok = all_check(configs, arena);
	}
	config_set_close(configs);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

static bool options_read(int argc, char **argv, struct check_options *options, int *exit_code)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' }, { "offline", no_argument, NULL, 'o' },
		{ "reference", no_argument, NULL, 'r' },    { "sample", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
	};
	int option;

	*exit_code = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_path = optarg;
			break;
		case 'o':
			options->offline = true;
			break;
		case 'r':
			options->print = config_reference_write;
			break;
		case 's':
			options->print = config_sample_write;
			break;
		case 'h':
			*exit_code = command_help("check");
			return false;
		default:
			command_usage_error("check");
			return false;
		}
	}
	if (optind == argc && (options->config_path || options->print))
		return true;
	fputs("passerelle check: give the configuration: --config FILE\n", stderr);
	command_usage_error("check");
	return false;
}

int command_check(int argc, char **argv)
{
	struct check_options options = { 0 };
	struct arena *arena;
	int exit_code;

	if (!options_read(argc, argv, &options, &exit_code))
		return exit_code;
	if (options.print)
		return print_generated(options.print);
	arena = arena_new(CHECK_BYTES_MAX);
	exit_code = EXIT_FAILED;
	if (arena && south_start() && signatures_start())
		exit_code = check(&options, arena);
	else
		fputs("passerelle: there is not enough memory to start\n", stderr);
	arena_free(arena);
	return exit_code;
}
