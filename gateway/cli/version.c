#include <getopt.h>
#include <stdio.h>

#include "gateway/cli/command.h"

int command_version(int argc, char **argv)
{
	static const struct option names[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int option = getopt_long(argc, argv, "h", names, NULL);

	if (option == 'h')
		return command_help("version");
	if (option != -1)
		return command_usage_error("version");
	puts("passerelle " PASSERELLE_VERSION);
	return EXIT_DONE;
}
