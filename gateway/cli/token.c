/* passerelle token: a developer token, so that every role of a demonstration can be played with curl. */
#include <getopt.h>
#include <stdio.h>

#include "gateway/access/demo_token.h"
#include "gateway/cli/command.h"
#include "gateway/run/clock.h"

#define TOKEN_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define MINUTES_DEFAULT 60
#define MINUTES_MAX     1440

struct token_options {
	const char *config_path;
	struct demo_person person;
	bool has_role;
};

static bool option_take(int option, struct token_options *options)
{
	struct demo_person *person = &options->person;
	struct str value = str_from_c(optarg);
	uint64_t minutes = 0;

	switch (option) {
	case 'c':
		options->config_path = optarg;
		return true;
	case 'r':
		options->has_role = demo_role_read(optarg, &person->role);
		return options->has_role || command_refuse("token", "--role is one of doctor, nurse, patient, system");
	case 'm':
		if (!str_to_u64(value, &minutes) || minutes < 1 || minutes > MINUTES_MAX)
			return command_refuse("token", "--minutes is a number from 1 to 1440");
		person->seconds = (int64_t)minutes * 60;
		return true;
	case 'u':
		person->user = value;
		return true;
	case 'o':
		person->organization = value;
		return true;
	case 't':
		person->tenant = value;
		return true;
	case 'p':
		person->purpose = value;
		return true;
	case 'w':
		person->reason = value;
		return true;
	case 'i':
		person->patient = value;
		return true;
	case 's':
		person->scopes = value;
		return true;
	default:
		command_usage_error("token");
		return false;
	}
}

static bool options_read(int argc, char **argv, struct token_options *options, int *exit_code)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' }, { "role", required_argument, NULL, 'r' },
		{ "user", required_argument, NULL, 'u' },   { "organization", required_argument, NULL, 'o' },
		{ "tenant", required_argument, NULL, 't' }, { "purpose", required_argument, NULL, 'p' },
		{ "reason", required_argument, NULL, 'w' }, { "patient", required_argument, NULL, 'i' },
		{ "scope", required_argument, NULL, 's' },  { "minutes", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
	};
	int option;

	*options = (struct token_options) { .person = { .seconds = MINUTES_DEFAULT * 60 } };
	*exit_code = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (option == 'h') {
			*exit_code = command_help("token");
			return false;
		}
		if (!option_take(option, options))
			return false;
	}
	if (!options->config_path)
		return command_refuse("token", "give the configuration: --config FILE");
	if (!options->has_role)
		return command_refuse("token", "say who the token is for: --role doctor, nurse, patient or system");
	return optind == argc || command_refuse("token", "there are words that are no options");
}

static int token_print(const struct token_options *options, struct arena *arena)
{
	const struct config *tenant = NULL;
	struct config_set *configs;
	struct outcome outcome;
	struct str token;
	int exit_code = EXIT_FAILED;

	outcome_init(&outcome);
	if (config_set_open(options->config_path, &configs, &outcome))
		tenant = command_tenant(configs, options->person.tenant, &outcome);
	if (tenant && demo_token_make(tenant, &options->person, clock_wall_ms() / 1000, arena, &token, &outcome)) {
		printf("%.*s\n", STR_ARG(token));
		exit_code = fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
	}
	outcome_print(&outcome);
	config_set_close(configs);
	return exit_code;
}

int command_token(int argc, char **argv)
{
	struct token_options options;
	struct arena *arena;
	int exit_code;

	if (!options_read(argc, argv, &options, &exit_code))
		return exit_code;
	arena = arena_new(TOKEN_BYTES_MAX);
	exit_code = EXIT_FAILED;
	if (arena)
		exit_code = token_print(&options, arena);
	else
		fputs("passerelle: there is not enough memory to start\n", stderr);
	arena_free(arena);
	return exit_code;
}
