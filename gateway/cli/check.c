/* passerelle check: is the configuration right, and do its back-ends answer? */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/cli/check_peers.h"
#include "gateway/cli/command.h"
#include "gateway/community/community_server.h"
#include "gateway/http/server.h"
#include "gateway/north/fhir_server.h"
#include "gateway/run/config_document.h"
#include "gateway/run/log.h"
#include "gateway/run/signatures.h"
#include "gateway/state/cache.h"
#include "gateway/transactions/publication_rules.h"

#define CHECK_BYTES_MAX  (64u * 1024 * 1024)
#define OUTPUT_BYTES_MAX (4u * 1024 * 1024)

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
		ok = cache_check(&configs->process);
		ok = check_peers(configs, arena) && ok;
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
