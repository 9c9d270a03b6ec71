/* passerelle map: the mapping of one message, without a server. */
#include "gateway/cli/map.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "gateway/cli/command.h"
#include "mappers/fhir_xml_write.h"
#include "mappers/unwrap.h"

#define INPUT_BYTES_MAX  (256u * 1024 * 1024)
#define OUTPUT_BYTES_MAX (256u * 1024 * 1024)
#define ARENA_BYTES_MAX  (512u * 1024 * 1024)

struct str map_uuid(size_t n, struct arena *arena)
{
	return arena_printf(arena, "urn:uuid:00000000-0000-4000-8000-%012zx", n);
}

static bool input_read(const char *path, struct buf *in)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	bool ok = file != NULL;

	while (ok && !in->failed) {
		char *room = buf_reserve(in, 65536);
		size_t size = room ? fread(room, 1, 65536, file) : 0;

		if (size == 0)
			break;
		buf_advance(in, size);
	}
	ok = ok && !ferror(file) && !in->failed;
	if (!ok)
		fprintf(stderr, "passerelle map: %s: %s\n", path, in->failed ? "it is too long" : strerror(errno));
	if (file && file != stdin)
		fclose(file);
	return ok;
}

/* The first tag of an XML text: FHIR has one namespace, whatever the prefix. */
static bool is_fhir_xml(struct str text)
{
	const char *namespace = "\"http://hl7.org/fhir\"";
	struct str head = { text.data, text.size < 4096 ? text.size : 4096 };

	return memmem(head.data, head.size, namespace, strlen(namespace)) != NULL ||
	       memmem(head.data, head.size, "'http://hl7.org/fhir'", strlen(namespace)) != NULL;
}

static struct str without_mark(struct str text)
{
	return str_trim(str_without_prefix(text, STR("\xEF\xBB\xBF")));
}

/* Says what it is by its first character; what is neither JSON nor XML is a captured MIME or HTTP message. */
static bool map_text(const struct map_options *options, struct str text, struct arena *arena, struct buf *out,
		     bool *is_fhir, struct outcome *outcome)
{
	struct str start = without_mark(text);
	struct unwrapped unwrapped;

	*is_fhir = false;
	if (start.size > 0 && start.data[0] == '{')
		return map_from_fhir(options, FHIR_JSON, text, arena, out, outcome);
	if (start.size > 0 && start.data[0] == '<' && is_fhir_xml(start))
		return map_from_fhir(options, FHIR_XML, text, arena, out, outcome);
	*is_fhir = true;
	return unwrap(text, arena, &unwrapped, outcome) && map_from_xds(options, unwrapped.root, arena, out, outcome);
}

static bool output_write(const struct map_options *options, bool is_fhir, struct arena *arena, const struct buf *out,
			 struct outcome *outcome)
{
	struct buf xml;
	bool ok = true;

	buf_init(&xml, OUTPUT_BYTES_MAX);
	if (is_fhir && options->xml && !options->explain) {
		ok = fhir_xml_from_json(buf_str(out), arena, &xml, outcome);
		out = &xml;
	}
	ok = ok && (out->size == 0 || fwrite(out->data, 1, out->size, stdout) == out->size) &&
	     (options->explain || putchar('\n') != EOF) && fflush(stdout) == 0;
	buf_free(&xml);
	return ok;
}

static int map(const struct map_options *options)
{
	struct arena *arena = arena_new(ARENA_BYTES_MAX);
	struct outcome outcome;
	struct buf in;
	struct buf out;
	bool is_fhir;
	bool ok;

	outcome_init(&outcome);
	buf_init(&in, INPUT_BYTES_MAX);
	buf_init(&out, OUTPUT_BYTES_MAX);
	ok = arena && input_read(options->path, &in) &&
	     map_text(options, buf_str(&in), arena, &out, &is_fhir, &outcome) &&
	     output_write(options, is_fhir, arena, &out, &outcome);
	if (!ok && outcome.count && strcmp(options->path, "-") != 0)
		fprintf(stderr, "passerelle map: %s:\n", options->path);
	outcome_print(&outcome);
	buf_free(&out);
	buf_free(&in);
	arena_free(arena);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

int command_map(int argc, char **argv)
{
	static const struct option names[] = {
		{ "explain", no_argument, NULL, 'e' },
		{ "xml", no_argument, NULL, 'x' },
		{ "patient", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct map_options options = { 0 };
	int option;

	while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (option) {
		case 'e':
			options.explain = true;
			break;
		case 'x':
			options.xml = true;
			break;
		case 'p':
			options.patient = str_from_c(optarg);
			break;
		case 'h':
			return command_help("map");
		default:
			return command_usage_error("map");
		}
	}
	if (optind + 1 != argc) {
		fputs("passerelle map: give one file, or - for standard input\n", stderr);
		return command_usage_error("map");
	}
	options.path = argv[optind];
	return map(&options);
}
