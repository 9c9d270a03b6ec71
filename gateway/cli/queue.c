/* passerelle queue: what waits for a back-end, what a back-end refused, and what shall become of it. Works on the store
 * itself, beside the gateway, whether that runs or not. */
#include <getopt.h>
#include <stdio.h>

#include "gateway/access/kept_item.h"
#include "gateway/cli/command.h"
#include "gateway/cli/queue_print.h"
#include "gateway/state/outbox_manage.h"

#define QUEUE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define PAGE            500

struct queue_options {
	const char *config_path;
	struct str tenant;
	const char *parts_directory; /* NULL: none are saved */
	bool all;
	bool json;
	const char *action;
	char **ids;
	int id_count;
};

static bool option_take(int option, struct queue_options *options)
{
	switch (option) {
	case 'c':
		options->config_path = optarg;
		return true;
	case 't':
		options->tenant = str_from_c(optarg);
		return true;
	case 'p':
		options->parts_directory = optarg;
		return true;
	case 'a':
		options->all = true;
		return true;
	case 'j':
		options->json = true;
		return true;
	default:
		command_usage_error("queue");
		return false;
	}
}

static bool options_read(int argc, char **argv, struct queue_options *options, int *exit_code)
{
	static const struct option names[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "tenant", required_argument, NULL, 't' },
		{ "parts", required_argument, NULL, 'p' },
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*options = (struct queue_options) { 0 };
	*exit_code = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (option == 'h') {
			*exit_code = command_help("queue");
			return false;
		}
		if (!option_take(option, options))
			return false;
	}
	if (!options->config_path)
		return command_refuse("queue", "give the configuration: --config FILE");
	if (optind == argc)
		return command_refuse("queue", "say what to do: list, show, retry or drop");
	options->action = argv[optind];
	options->ids = argv + optind + 1;
	options->id_count = argc - optind - 1;
	bool lists = strcmp(options->action, "list") == 0;

	if (!lists && strcmp(options->action, "show") != 0 && strcmp(options->action, "retry") != 0 &&
	    strcmp(options->action, "drop") != 0)
		return command_refuse("queue", "what can be done is list, show, retry or drop");
	if (lists == (options->id_count > 0))
		return command_refuse("queue", lists ? "list takes no ids"
						     : "say which: the ids that `passerelle queue list` prints");
	return true;
}

static bool list_states(const struct queue_options *options, struct outbox *outbox, unsigned states,
			struct outcome *outcome)
{
	struct outbox_filter filter = { .states = states, .limit = PAGE };
	bool ok = true;

	do {
		struct arena *arena = arena_new(QUEUE_BYTES_MAX);
		struct outbox_item *items;
		size_t count = 0;

		ok = arena ? outbox_list(outbox, &filter, arena, &items, &count, &filter.after, outcome)
			   : outcome_add(outcome, ERR_NO_MEMORY, "", "There is not enough memory.");
		for (size_t i = 0; i < count; i++) {
			if (options->json)
				queue_item_print_json(&items[i]);
			else
				queue_item_print(&items[i]);
		}
		arena_free(arena);
	} while (ok && filter.after);
	return ok;
}

static bool list(const struct queue_options *options, struct outbox *outbox, struct outcome *outcome)
{
	if (!options->json)
		queue_head_print();
	if (options->all)
		return list_states(options, outbox, 0, outcome);
	/* One after the other: each is found by an index. */
	return list_states(options, outbox, OUTBOX_UNDELIVERED, outcome) &&
	       list_states(options, outbox, OUTBOX_STATE_BIT(OUTBOX_ANNOUNCED), outcome);
}

static bool show(const struct queue_options *options, struct outbox *outbox, struct str id, struct arena *arena,
		 struct outcome *outcome)
{
	struct outbox_item item;
	struct str result;

	if (!outbox_get(outbox, id, arena, &item, &result, outcome))
		return false;
	if (options->json)
		queue_item_print_json(&item);
	else
		queue_item_print_long(&item);
	return !options->parts_directory || queue_parts_save(outbox, &item, result, options->parts_directory, outcome);
}

static bool act(const struct queue_options *options, struct outbox *outbox, struct str id, struct arena *arena,
		struct outcome *outcome)
{
	if (strcmp(options->action, "show") == 0)
		return show(options, outbox, id, arena, outcome);
	bool drops = strcmp(options->action, "drop") == 0;
	static const struct kept_end by_hand = { .reason = STR_INIT("by the command line") };
	struct outbox_item item;
	bool unclear = false;

	if (!(drops ? outbox_get(outbox, id, arena, &item, NULL, outcome) &&
			      kept_withdraw(outbox, &item, &by_hand, &unclear, outcome)
		    : outbox_retry(outbox, id, outcome)))
		return false;
	if (drops)
		printf("%.*s  withdrawn%s\n", STR_ARG(id),
		       unclear ? "; an attempt may have reached the target, and it may be registered all the same"
			       : "");
	else
		printf("%.*s  due now; look again with: passerelle queue show --config %s%s%.*s %.*s\n", STR_ARG(id),
		       options->config_path, options->tenant.size ? " --tenant " : "", STR_ARG(options->tenant),
		       STR_ARG(id));
	return true;
}

/* Who looks for a publication may look at the wrong hospital's. */
static void others_print(const struct config_set *configs, const struct config *tenant)
{
	struct buf names;

	command_tenant_names(configs, tenant, &names);
	fprintf(stderr, "passerelle queue: this is %.*s's; others have queues of their own (--tenant NAME): %.*s\n",
		STR_ARG(tenant->tenant), STR_ARG(buf_str(&names)));
	buf_free(&names);
}

/* Goes on after an id that it cannot do it to; false when there was one. */
static bool queue_run(const struct queue_options *options, struct outbox *outbox, struct outcome *outcome)
{
	bool ok = true;

	if (options->id_count == 0)
		return list(options, outbox, outcome);
	for (int i = 0; i < options->id_count; i++) {
		struct arena *arena = arena_new(QUEUE_BYTES_MAX);
		struct outcome one;

		outcome_init(&one);
		if (!arena || !act(options, outbox, str_from_c(options->ids[i]), arena, &one)) {
			fprintf(stderr, "%s: ", options->ids[i]);
			outcome_print(&one);
			ok = false;
		}
		arena_free(arena);
	}
	return ok;
}

int command_queue(int argc, char **argv)
{
	struct queue_options options;
	struct config_set *configs = NULL;
	struct outbox *outbox = NULL;
	struct outcome outcome;
	int exit_code;

	if (!options_read(argc, argv, &options, &exit_code))
		return exit_code;
	outcome_init(&outcome);
	bool ok = config_set_open(options.config_path, &configs, &outcome);
	const struct config *tenant = ok ? command_tenant(configs, options.tenant, &outcome) : NULL;

	if (tenant && configs->count > 1 && !options.tenant.size && options.id_count == 0 && !options.json)
		others_print(configs, tenant);
	ok = tenant && outbox_open(tenant, tenant->tenant, tenant->state_directory, OUTBOX_VISITOR, &outbox, &outcome);
	if (ok && !outbox) {
		fputs(tenant->state_directory.size || tenant->outbox_store == CONFIG_OUTBOX_POSTGRESQL
			      ? "passerelle queue: nothing has been queued yet\n"
			      : "passerelle queue: this configuration keeps no queue, for it has no state_directory\n",
		      stderr);
		ok = options.id_count == 0;
	} else if (ok) {
		ok = queue_run(&options, outbox, &outcome);
	}
	outcome_print(&outcome);
	outbox_close(outbox);
	config_set_close(configs);
	return ok && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
