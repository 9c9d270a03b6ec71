/* passerelle serve and passerelle domain: a server each, from its configuration until a signal. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "gateway/access/consent.h"
#include "gateway/audit/audit.h"
#include "gateway/cli/command.h"
#include "gateway/community/community_server.h"
#include "gateway/domain/domain.h"
#include "gateway/north/fhir_server.h"
#include "gateway/run/log.h"
#include "gateway/run/signals.h"
#include "gateway/run/signatures.h"
#include "gateway/run/thread.h"
#include "gateway/south/soap_client.h"

#define CONFIG_BYTES_MAX (64u * 1024 * 1024)

/* What the allocator keeps at the end of each of its heaps, and the size from which memory comes from the kernel alone. */
#define HEAP_KEPT_BYTES (4 * 1024 * 1024)
#define HEAP_PIECE_MAX  (2 * 1024 * 1024)

/* Every request frees all of its memory at its end. By its defaults glibc would hand that to the kernel and have it
 * zeroed anew, page by page, for the next request. */
static void memory_prepare(void)
{
	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, HEAP_PIECE_MAX);
}

/* Until the process is asked to stop. on_hangup: NULL ignores SIGHUP. */
static void signal_wait(void (*on_hangup)(void *ctx), void *ctx)
{
	int number = signals_wait();

	for (; number == SIGHUP; number = signals_wait()) {
		if (on_hangup)
			on_hangup(ctx);
	}
	LOG(INFO, LOG_PROGRAM_STOP, NULL, LOG_NUMBER("signal", number), LOG_C("state", "finishing requests in flight"));
	signals_hurry();
}

static struct str or_default(struct str text, struct str other)
{
	return str_is_empty(text) ? other : text;
}

static struct str or_none(struct str text)
{
	return or_default(text, STR("none"));
}

/* Who is let in, who is asked about patients, and where it is kept: what is switched off shows as well. */
static void trust_announce(const struct config *config, struct str tenant)
{
	static const char *const certificates[] = { "none", "optional", "required" };
	struct str redis =
		config->redis_sentinels.count ? config->redis_sentinel_master : or_none(config->redis_address);
	struct outcome ignored; /* the server is open: they are right */
	bool has_directory;
	bool has_audit;

	outcome_init(&ignored);
	if (!consent_config_check(config, &has_directory, &ignored) ||
	    !audit_config_check(config, &has_audit, &ignored))
		return;
	LOG(INFO, LOG_PROGRAM_START, NULL, LOG_TEXT("tenant", tenant),
	    LOG_C("access", config->access_anonymous ? "anonymous" : "tokens"),
	    LOG_NUMBER("issuers", config->issuers.count), LOG_NUMBER("clients", config->clients.count),
	    LOG_C("client_certificates", certificates[config->tls_client_certificate]),
	    LOG_C("token_endpoint", config->authorization_server_key.size ? "yes" : "no"));
	LOG(INFO, LOG_PROGRAM_START, NULL, LOG_TEXT("tenant", tenant),
	    LOG_TEXT("consent", has_directory ? config->consent_directory_url : STR("none")),
	    LOG_TEXT("identity", or_none(config->identity_pix_url)),
	    LOG_TEXT("assertions", or_none(config->xua_issuer)));
	LOG(INFO, LOG_PROGRAM_START, NULL, LOG_TEXT("tenant", tenant), LOG_C("audit", has_audit ? "on" : "off"),
	    LOG_NUMBER("repositories", has_audit ? config->audit_repositories.count : 0), LOG_TEXT("redis", redis),
	    LOG_TEXT("state_directory", or_none(config->state_directory)));
}

static void tenant_announce(const struct config *config)
{
	for (size_t i = 0; i < config->back_ends.count; i++) {
		const struct config_back_end *back_end = &config->back_ends.items[i];

		if (back_end->kind == CONFIG_KIND_XCA)
			LOG(INFO, LOG_PROGRAM_START, NULL, LOG_TEXT("tenant", config->tenant),
			    LOG_TEXT("back_end", back_end->name), LOG_C("kind", "xca"),
			    LOG_TEXT("query", back_end->registry_url),
			    LOG_TEXT("retrieve", or_default(back_end->retrieve_url, back_end->registry_url)),
			    LOG_TEXT("discovery", or_none(back_end->xcpd_url)));
		else
			LOG(INFO, LOG_PROGRAM_START, NULL, LOG_TEXT("tenant", config->tenant),
			    LOG_TEXT("back_end", back_end->name), LOG_C("kind", "xds"),
			    LOG_TEXT("registry", back_end->registry_url), LOG_TEXT("provide", back_end->provide_url),
			    LOG_NUMBER("repositories", back_end->repositories.count));
	}
	trust_announce(config, config->tenant);
}

/* Everything that listens and everything that is asked, for whoever reads the first lines of the log. */
static void serve_announce(const struct config_set *configs)
{
	LOG(INFO, LOG_PROGRAM_START, NULL, LOG_C("role", "gateway"), LOG_C("version", PASSERELLE_VERSION),
	    LOG_TEXT("base", or_none(configs->process.public_base)),
	    LOG_NUMBER("tenants", configs->is_single ? 0 : configs->count));
	for (size_t i = 0; !configs->is_single && i < configs->count; i++)
		LOG(INFO, LOG_PROGRAM_START, NULL, LOG_TEXT("tenant", configs->tenants[i].tenant),
		    LOG_TEXT("base", or_none(configs->tenants[i].public_base)),
		    LOG_C("is_default", i == configs->bare_index ? "yes" : "no"));
	for (size_t i = 0; i < configs->count; i++)
		tenant_announce(&configs->tenants[i]);
}

struct servers {
	struct fhir_server *fhir;
	struct community_server *community;
};

static bool servers_open(struct tenants *tenants, struct servers *servers, struct outcome *outcome)
{
	*servers = (struct servers) { NULL, NULL };
	if (!fhir_server_open(tenants, &servers->fhir, outcome))
		return false;
	if (community_server_open(tenants, &servers->community, outcome))
		return true;
	if (fhir_server_close(servers->fhir))
		servers->fhir = NULL;
	return false;
}

struct ending {
	struct community_server *community;
	uint64_t grace_ms;
	bool is_closed;
};

static void *community_end(void *ctx)
{
	struct ending *ending = ctx;

	ending->is_closed = community_server_close(ending->community, ending->grace_ms);
	return NULL;
}

/* Both at once: neither's stragglers take the other's time. */
static bool servers_close(const struct servers *servers, uint64_t grace_ms)
{
	struct ending ending = { .community = servers->community, .grace_ms = grace_ms };
	pthread_t thread;
	bool has_thread = servers->community && thread_start(&thread, community_end, &ending);
	bool is_closed = fhir_server_close(servers->fhir);

	if (has_thread)
		pthread_join(thread, NULL);
	else
		community_end(&ending);
	return is_closed && ending.is_closed;
}

static void reload_failed(const char *state, const struct outcome *outcome)
{
	warnings_log(outcome);
	for (size_t i = 0; i < outcome->count; i++) {
		if (outcome->issues[i].severity == SEVERITY_WARNING)
			continue;
		LOG(ERROR, LOG_CONFIG_RELOAD, NULL, LOG_C("state", state), LOG_C("path", outcome->issues[i].path),
		    LOG_C("text", outcome->issues[i].text));
	}
	if (outcome->lost_count)
		LOG(ERROR, LOG_CONFIG_RELOAD, NULL, LOG_C("state", state),
		    LOG_NUMBER("more_faults", outcome->lost_count));
}

/* The names of the files do not change by a reload; what they hold does, when a certificate was renewed. */
static void certificates_renew(const struct servers *servers)
{
	static const char *const renewed = "new connections are shown the renewed certificate";
	static const char *const stays = "the old certificate stays";
	struct outcome outcome;
	bool is_new;

	outcome_init(&outcome);
	if (!fhir_server_tls_renew(servers->fhir, &is_new, &outcome))
		reload_failed(stays, &outcome);
	else if (is_new)
		LOG(INFO, LOG_CONFIG_RELOAD, NULL, LOG_C("state", renewed), LOG_C("server", "gateway"));
	outcome_init(&outcome);
	if (!community_server_tls_renew(servers->community, &is_new, &outcome))
		reload_failed(stays, &outcome);
	else if (is_new)
		LOG(INFO, LOG_CONFIG_RELOAD, NULL, LOG_C("state", renewed), LOG_C("server", "community"));
}

struct reloading {
	struct tenants *tenants;
	const struct servers *servers;
	const char *path;
};

static void reload(void *ctx)
{
	const struct reloading *reloading = ctx;
	struct tenants_change change;
	struct outcome outcome;

	certificates_renew(reloading->servers);
	outcome_init(&outcome);
	if (!tenants_reload(reloading->tenants, reloading->path, &change, &outcome)) {
		reload_failed("the old configuration stays", &outcome);
		tenants_change_free(&change);
		return;
	}
	warnings_log(&outcome);
	LOG(INFO, LOG_CONFIG_RELOAD, NULL, LOG_C("state", "the new configuration holds"),
	    LOG_TEXT("added", buf_str(&change.added)), LOG_TEXT("changed", buf_str(&change.changed)),
	    LOG_TEXT("removed", buf_str(&change.removed)), LOG_NUMBER("unchanged", change.unchanged_count));
	if (change.kept.size)
		LOG(WARN, LOG_CONFIG_RELOAD, NULL, LOG_C("state", "keys that changed take effect at restart"),
		    LOG_TEXT("keys", buf_str(&change.kept)));
	tenants_change_free(&change);
}

static int tenants_serve(struct tenants *tenants, const struct config_set *configs,
			 const struct server_command_options *options)
{
	struct servers servers;
	struct reloading reloading = { tenants, &servers, options->config_path };
	struct outcome outcome;
	bool has_begun;
	bool closed;

	outcome_init(&outcome);
	if (!servers_open(tenants, &servers, &outcome)) {
		outcome_print(&outcome);
		if (!servers.fhir)
			tenants_close(tenants);
		return EXIT_FAILED;
	}
	serve_announce(configs);
	has_begun = pid_file_write(options->pid_path);
	if (has_begun)
		signal_wait(reload, &reloading);
	closed = servers_close(&servers, configs->process.limits_stop_seconds * 1000);
	/* What requests that are still under way use is not taken from them: the process ends. */
	if (closed)
		tenants_close(tenants);
	pid_file_remove(options->pid_path);
	LOG(INFO, LOG_PROGRAM_STOP, NULL, LOG_C("state", closed ? "stopped" : "stopped with requests unfinished"));
	return closed && has_begun ? EXIT_DONE : EXIT_FAILED;
}

static int gateway_serve(struct config_set *configs, const struct server_command_options *options)
{
	struct tenants *tenants = NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	if (fhir_server_check(configs, &outcome) &&
	    tenants_open(configs, PASSERELLE_VERSION, &community_part, &tenants, &outcome))
		return tenants_serve(tenants, configs, options);
	outcome_print(&outcome);
	return EXIT_FAILED;
}

static int serve(const struct server_command_options *options)
{
	struct config_set *configs;
	int exit_code = EXIT_FAILED;

	if (command_configs_load(options->config_path, &configs))
		exit_code = gateway_serve(configs, options);
	config_set_close(configs);
	return exit_code;
}

static int domain_serve(const struct config *config, const char *pid_path)
{
	struct domain *opened = NULL;
	struct outcome outcome;
	bool has_begun;

	outcome_init(&outcome);
	if (!domain_open(config, &opened, &outcome)) {
		config_issues_place(config, 0, &outcome);
		outcome_print(&outcome);
		return EXIT_FAILED;
	}
	LOG(INFO, LOG_PROGRAM_START, NULL, LOG_C("role", "domain"), LOG_C("version", PASSERELLE_VERSION),
	    LOG_TEXT("repository_unique_id", config->domain_repository_unique_id),
	    LOG_TEXT("home_community_id", or_none(config->domain_home_community_id)),
	    LOG_NUMBER("port", domain_port(opened)), LOG_TEXT("data_directory", config->domain_data_directory),
	    LOG_C("consent_directory", config->domain_consent_secret.size ? "yes" : "no"),
	    LOG_C("assertions", !config->domain_xua_issuers.count ? "not looked at"
				: config->domain_xua_required     ? "required"
								  : "optional"));
	has_begun = pid_file_write(pid_path);
	if (has_begun)
		signal_wait(NULL, NULL);
	domain_close(opened);
	pid_file_remove(pid_path);
	LOG(INFO, LOG_PROGRAM_STOP, NULL, LOG_C("state", "stopped"));
	return has_begun ? EXIT_DONE : EXIT_FAILED;
}

static int domain(const struct server_command_options *options)
{
	struct arena *arena = arena_new(CONFIG_BYTES_MAX);
	struct config config;
	int exit_code = EXIT_FAILED;

	if (!arena)
		fputs("passerelle: there is not enough memory to start\n", stderr);
	else if (command_config_load(options->config_path, CONFIG_DOMAIN, arena, &config))
		exit_code = domain_serve(&config, options->pid_path);
	arena_free(arena);
	return exit_code;
}

static int run(int argc, char **argv, int (*server)(const struct server_command_options *))
{
	struct server_command_options options;
	int exit_code;

	if (!server_options_read(argc, argv, &options, &exit_code))
		return exit_code;
	signals_prepare();
	memory_prepare();
	umask(S_IRWXG |
	      S_IRWXO); /* what is kept is about patients: for this user alone, whatever the directory allows */
	if (south_start() && signatures_start())
		return server(&options);
	fputs("passerelle: there is not enough memory to start\n", stderr);
	return EXIT_FAILED;
}

int command_serve(int argc, char **argv)
{
	return run(argc, argv, serve);
}

int command_domain(int argc, char **argv)
{
	return run(argc, argv, domain);
}
