/* The subcommands of passerelle. Each reads its options, calls one room, and says what to do when something is wrong. */
#ifndef PASSERELLE_COMMAND_H
#define PASSERELLE_COMMAND_H

#include "gateway/run/config_set.h"
#include "mappers/base/buf.h"

/* Exit codes: 0 done, 1 it failed (said on standard error), 2 wrong usage. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the name */
	const char *summary;               /* for the list in --help */
	const char *usage;                 /* all of --help */
};

/* The rows, with an empty name at the end. */
extern const struct command commands[];

int command_serve(int argc, char **argv);
int command_domain(int argc, char **argv);
int command_map(int argc, char **argv);
int command_token(int argc, char **argv);
int command_check(int argc, char **argv);
int command_queue(int argc, char **argv);
int command_version(int argc, char **argv);

/* Finds the subcommand and runs it. */
int command_main(int argc, char **argv);

/* The usage of a command, to standard output (asked for) or to standard error (wrong option). */
int command_help(const char *name);
int command_usage_error(const char *name);
/* The same behind what is wrong; returns false. */
bool command_refuse(const char *name, const char *text);

/* --config FILE [--pid-file FILE] [--help], for the commands that are servers. False: *exit_code says how to end. */
struct server_command_options {
	const char *config_path;
	const char *pid_path; /* NULL: none is written */
};
bool server_options_read(int argc, char **argv, struct server_command_options *options, int *exit_code) MUST_CHECK;

/* Loads the configuration and starts the log as it says. False after telling what is wrong on standard error. */
bool command_config_load(const char *path, enum config_role role, struct arena *arena,
			 struct config *config) MUST_CHECK;

/* The same for a gateway and all its tenants. *configs is for config_set_close also when it is false. */
bool command_configs_load(const char *path, struct config_set **configs) MUST_CHECK;

/* The tenant of --tenant; the one that is served without a name for an empty one, and for a gateway of one tenant, which
 * has no other. NULL with an issue. */
const struct config *command_tenant(const struct config_set *configs, struct str name, struct outcome *outcome);

/* The names of the tenants but for one (NULL: of all), as far as a line has room for them. names: for buf_free. */
void command_tenant_names(const struct config_set *configs, const struct config *except, struct buf *names);

/* Every issue as a line on standard error. */
void outcome_print(const struct outcome *outcome);

/* Every warning as a line of the log. */
void warnings_log(const struct outcome *outcome);

/* Writes the number of this process into path, and removes the file again. */
bool pid_file_write(const char *path) MUST_CHECK;
void pid_file_remove(const char *path);

#endif
