#include "gateway/cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "gateway/run/log.h"

#define CONFIG_OPTION_USAGE "  --config FILE    the configuration; `passerelle check --reference` lists its keys\n"
#define PID_OPTION_USAGE                                                           \
	"  --pid-file FILE  write the number of the process there while it runs\n" \
	"  --help           this text\n"

#define TENANT_NAMES_MAX 200 /* bytes of a list of them, for a line */

const struct command commands[] = {
	{ "serve", command_serve, "serve FHIR in front of the configured XDS back-ends",
	  "Usage: passerelle serve --config FILE [--pid-file FILE]\n"
	  "\n"
	  "Serves FHIR: documents (MHD: ITI-65, 66, 67, 68) of the configured XDS back-ends (ITI-41, 18, 43),\n"
	  "patients (PIXm, PDQm) of the identity sources, Consents (ITI-108), and who has looked (ITI-81). Who asks\n"
	  "says so by a token or a certificate, unless access.anonymous. The first lines of the log tell what is on.\n"
	  "SIGTERM or Ctrl-C: takes no new requests, finishes those in flight, ends. A second one ends at once.\n"
	  "SIGHUP: reads the configuration and the tenants' files anew; no request is dropped. With a fault in them\n"
	  "everything stays as it is, and the log says where.\n"
	  "\n" CONFIG_OPTION_USAGE PID_OPTION_USAGE },
	{ "domain", command_domain, "serve the embedded XDS domain (registry, repository, identities, consents)",
	  "Usage: passerelle domain --config FILE [--pid-file FILE]\n"
	  "\n"
	  "Serves an XDS document registry and repository (ITI-41, 42, 18, 43) and an identity manager (ITI-44, 45,\n"
	  "47) over SOAP, and with domain.consent_secret the consent directory of gateways; all kept durably in the\n"
	  "configured directory. SIGTERM or Ctrl-C ends it after the requests in flight.\n"
	  "\n" CONFIG_OPTION_USAGE PID_OPTION_USAGE },
	{ "map", command_map, "show the mapping of one message, offline",
	  "Usage: passerelle map [--explain] [--xml] [--patient CX] FILE\n"
	  "\n"
	  "FHIR in: a Provide Bundle (JSON or XML) becomes the SOAP part of the ITI-41 request; a DocumentReference\n"
	  "becomes its ebRIM. Ids that the gateway would make up are numbered.\n"
	  "XDS in: an ebRIM or SOAP message, bare or in its MIME package or HTTP message, becomes FHIR (a Bundle of\n"
	  "DocumentReferences and Lists, or an OperationOutcome for an answer that reports errors).\n"
	  "FILE - is standard input. Nothing is sent anywhere.\n"
	  "\n"
	  "  --explain        instead of the message, a line per attribute: where it came from and where it goes\n"
	  "  --xml            write FHIR as XML\n"
	  "  --patient CX     patient of the affinity domain (P1^^^&1.2.3&ISO) for a Bundle that names it by a URL\n"
	  "  --help           this text\n" },
	{ "check", command_check, "check a configuration and try its back-ends",
	  "Usage: passerelle check --config FILE\n"
	  "       passerelle check --reference | --sample\n"
	  "\n"
	  "Checks the configuration, with file, line and key of each fault, and asks each back-end, Redis, the\n"
	  "identity sources and the consent directory a question that changes nothing, and PostgreSQL for the tables\n"
	  "of the outbox, which are made when they are missing.\n"
	  "\n" CONFIG_OPTION_USAGE "  --offline        ask nobody\n"
	  "  --reference      print all keys as a Markdown table\n"
	  "  --sample         print an annotated configuration with every key\n"
	  "  --help           this text\n" },
	{ "token", command_token, "make a developer token for a demonstration",
	  "Usage: passerelle token --config FILE --role doctor|nurse|patient|system [OPTION...]\n"
	  "\n"
	  "Prints an access token for the gateway of this configuration, made with its demo.token_key:\n"
	  "  curl -H \"Authorization: Bearer $(passerelle token --config FILE --role doctor)\" URL\n"
	  "A configuration without that key is none of a demonstration, and makes no tokens here.\n"
	  "\n" CONFIG_OPTION_USAGE "  --role ROLE      doctor, nurse, patient (with --patient) or system\n"
	  "  --user NAME      who it is; by default demo- and the role\n"
	  "  --organization OID\n"
	  "                   of the organization they work for; demo.organization by default\n"
	  "  --tenant NAME    of the gateway; by default the one that is served without a name\n"
	  "  --purpose CODE   of v3-ActReason: TREAT (default), BTG, ...; of a patient by default PATRQT\n"
	  "  --reason TEXT    why the glass is broken, with --purpose BTG\n"
	  "  --patient SYSTEM|VALUE\n"
	  "                   the one patient that the token is about\n"
	  "  --scope SCOPES   with blanks between, instead of those of the role\n"
	  "  --minutes N      until it expires: 1 to 1440, 60 by default\n"
	  "  --help           this text\n" },
	{ "queue", command_queue, "see and decide about what waits for a back-end",
	  "Usage: passerelle queue list  --config FILE [--tenant NAME] [--all] [--json]\n"
	  "       passerelle queue show  --config FILE [--tenant NAME] [--json] [--parts DIRECTORY] ID...\n"
	  "       passerelle queue retry --config FILE [--tenant NAME] ID...\n"
	  "       passerelle queue drop  --config FILE [--tenant NAME] ID...\n"
	  "\n"
	  "Publications that the gateway has accepted and their back-end has not taken yet, in the order they came.\n"
	  "Run it as the user of the gateway, whether that is running or not. Nothing is printed about patients.\n"
	  "States: waiting (for its turn or the back-end), sending, held (behind a refused one that it builds upon),\n"
	  "refused (by the back-end: it stays until somebody decides), delivered, withdrawn.\n"
	  "TRIES: how often its target was asked to take it; a turn in which nobody could be asked is none. LAST: how "
	  "long\n"
	  "ago it had its turn, tried or not, or was decided about. DUE: when its next turn is.\n"
	  "  retry            send what waits or was refused as soon as it can be\n"
	  "  drop             never send it; its documents are deleted here\n"
	  "\n" CONFIG_OPTION_USAGE
	  "  --tenant NAME    of the gateway; by default the one that is served without a name\n"
	  "  --all            also those delivered or withdrawn in the last outbox.keep_hours\n"
	  "  --json           a JSON object a line; times are milliseconds since 1970\n"
	  "  --parts DIRECTORY\n"
	  "                   save what shall be sent, which is about patients, into files there\n"
	  "  --help           this text\n"
	  "\n"
	  "Ends with 0 when it was done, 1 when anything could not be done, 2 for wrong usage.\n" },
	{ "version", command_version, "print the version", "Usage: passerelle version\n" },
	{ NULL, NULL, NULL, NULL },
};

static const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

int command_help(const char *name)
{
	const struct command *command = command_find(name);

	fputs(command ? command->usage : "", stdout);
	return EXIT_DONE;
}

int command_usage_error(const char *name)
{
	fprintf(stderr, "passerelle %s: see `passerelle %s --help`\n", name, name);
	return EXIT_USAGE;
}

bool command_refuse(const char *name, const char *text)
{
	fprintf(stderr, "passerelle %s: %s\n", name, text);
	command_usage_error(name);
	return false;
}

void command_tenant_names(const struct config_set *configs, const struct config *except, struct buf *names)
{
	buf_init(names, TENANT_NAMES_MAX);
	for (size_t i = 0; i < configs->count; i++) {
		if (&configs->tenants[i] == except)
			continue;
		if (names->size)
			buf_add(names, STR(", "));
		buf_add(names, configs->tenants[i].tenant);
	}
}

const struct config *command_tenant(const struct config_set *configs, struct str name, struct outcome *outcome)
{
	const struct config *tenant = config_set_find(configs, configs->is_single ? STR_NONE : name);
	struct buf names;

	if (tenant)
		return tenant;
	command_tenant_names(configs, NULL, &names);
	outcome_add(outcome, ERR_VALUE_INVALID, "--tenant", "%s %.*s",
		    name.size ? "There is no tenant of this name. There are:"
			      : "Say which tenant, for none is served without a name:",
		    STR_ARG(buf_str(&names)));
	buf_free(&names);
	return NULL;
}

static void help_print(FILE *out)
{
	fputs("Usage: passerelle COMMAND [OPTION...]\n"
	      "\n"
	      "A FHIR (IHE MHD) gateway in front of XDS registries and repositories.\n"
	      "\n",
	      out);
	for (const struct command *command = commands; command->name; command++)
		fprintf(out, "  %-8s  %s\n", command->name, command->summary);
	fputs("\n`passerelle COMMAND --help` tells more.\n", out);
}

int command_main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		help_print(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "-h") == 0) {
		if (argc > 2 && command_find(argv[2]))
			return command_help(argv[2]);
		help_print(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return command_version(argc - 1, argv + 1);
	command = command_find(argv[1]);
	if (!command) {
		fprintf(stderr, "passerelle: there is no command \"%s\"; see `passerelle --help`\n", argv[1]);
		return EXIT_USAGE;
	}
	return command->run(argc - 1, argv + 1);
}

bool server_options_read(int argc, char **argv, struct server_command_options *options, int *exit_code)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "pid-file", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*options = (struct server_command_options) { 0 };
	*exit_code = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_path = optarg;
			break;
		case 'p':
			options->pid_path = optarg;
			break;
		case 'h':
			*exit_code = command_help(argv[0]);
			return false;
		default:
			command_usage_error(argv[0]);
			return false;
		}
	}
	if (options->config_path && optind == argc)
		return true;
	fprintf(stderr, "passerelle %s: %s\n", argv[0],
		options->config_path ? "there are words that are no options" : "give the configuration: --config FILE");
	command_usage_error(argv[0]);
	return false;
}

void outcome_print(const struct outcome *outcome)
{
	static const char *const words[] = { "error", "warning", "note" };

	for (size_t i = 0; i < outcome->count; i++) {
		const struct issue *issue = &outcome->issues[i];

		fprintf(stderr, "%s%s%s: %s\n", issue->path, issue->path[0] ? ": " : "", words[issue->severity],
			issue->text);
	}
	if (outcome->lost_count > 0)
		fprintf(stderr, "... and %zu more\n", outcome->lost_count);
}

void warnings_log(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->count; i++) {
		const struct issue *issue = &outcome->issues[i];

		if (issue->severity == SEVERITY_WARNING)
			LOG(WARN, LOG_CONFIG_WARNING, NULL, LOG_C("path", issue->path), LOG_C("text", issue->text));
	}
}

bool command_config_load(const char *path, enum config_role role, struct arena *arena, struct config *config)
{
	struct outcome outcome;
	bool ok;

	outcome_init(&outcome);
	ok = config_load(path, role, arena, config, &outcome);
	if (!ok) {
		outcome_print(&outcome);
		return false;
	}
	log_start((enum log_level)config->log_level, (enum log_format)config->log_format, STDERR_FILENO);
	warnings_log(&outcome);
	return true;
}

bool command_configs_load(const char *path, struct config_set **configs)
{
	struct outcome outcome;
	bool ok;

	outcome_init(&outcome);
	ok = config_set_open(path, configs, &outcome);
	if (!ok) {
		outcome_print(&outcome);
		return false;
	}
	log_start((enum log_level)(*configs)->process.log_level, (enum log_format)(*configs)->process.log_format,
		  STDERR_FILENO);
	warnings_log(&outcome);
	return true;
}

bool pid_file_write(const char *path)
{
	FILE *file = path ? fopen(path, "we") : NULL;
	bool ok;

	if (!path)
		return true;
	if (!file) {
		perror(path);
		return false;
	}
	ok = fprintf(file, "%ld\n", (long)getpid()) > 0;
	if (fclose(file) == 0 && ok)
		return true;
	perror(path);
	return false;
}

void pid_file_remove(const char *path)
{
	if (path)
		unlink(path);
}
