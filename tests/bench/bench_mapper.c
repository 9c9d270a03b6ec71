/* What the mapping costs beside the parsing that nobody can avoid: each direction whole, against parsing the same bytes
 * alone by the same libraries. Both sides run in turn in one process; medians of thread CPU time and their ratio are
 * printed, nothing is asserted. Run by ./run bench. */
#include <libxml/parser.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mappers/base/base64.h"
#include "mappers/document_entry.h"
#include "mappers/fhir_body.h"
#include "mappers/fhir_validate.h"
#include "mappers/fhir_xml_write.h"
#include "mappers/json_writer.h"
#include "mappers/metadata_rim.h"
#include "mappers/provide_and_register.h"
#include "mappers/provide_bundle.h"
#include "mappers/searchset.h"
#include "mappers/xds_message.h"

#define ROUNDS         400
#define WARM_UP        20
#define ENTRIES        100
#define DOCUMENT_BYTES (50 * 1024)
#define TEXT_BYTES     ((size_t)64 << 20)
#define SAMPLE         TEST_SOURCE_DIR "/tests/fuzz/corpus/provide_bundle/comprehensive.json"
#define SAMPLE_DATA    "SGVsbG8gV29ybGQ=" /* the document in the sample */

static struct buf bundle_json;  /* ITI-65 with one document */
static struct buf bundle_xml;   /* the same in FHIR XML */
static struct buf response_xml; /* ITI-18 answer with 100 entries */

static void die(const char *what, const struct outcome *outcome)
{
	fprintf(stderr, "bench_mapper: %s: %s %s\n", what, outcome ? outcome->issues[0].path : "",
		outcome ? outcome->issues[0].text : "");
	exit(1);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* One request's memory. */
struct work {
	struct arena *arena;
	struct outcome outcome;
};

static void work_begin(struct work *work)
{
	work->arena = arena_new(TEXT_BYTES);
	if (!work->arena)
		die("no memory", NULL);
	outcome_init(&work->outcome);
}

static bool sink_begin(void *ctx, size_t index)
{
	(void)ctx;
	(void)index;
	return true;
}

static bool sink_data(void *ctx, const void *bytes, size_t size)
{
	buf_add(ctx, (struct str) { bytes, size });
	return true;
}

static bool sink_end(void *ctx)
{
	(void)ctx;
	return true;
}

/* ---- ITI-65 to ITI-41 ---- */

static void bundle_map(struct work *work, json_t *tree, struct metadata *metadata)
{
	struct str *patient = arena_array(work->arena, 1, sizeof(*patient));
	struct provide_rules rules = { .accept_comprehensive = true, .base = STR("https://gateway.example/fhir") };
	struct provide_document *documents;
	struct provide_bundle bundle;

	if (!provide_bundle_read(tree, &rules, work->arena, &bundle, &work->outcome))
		die("provide_bundle_read", &work->outcome);
	struct str *uuids = arena_array(work->arena, bundle.uuid_count, sizeof(*uuids));

	for (size_t i = 0; i < bundle.uuid_count; i++)
		uuids[i] = arena_printf(work->arena, "urn:uuid:00000000-0000-4000-8000-%012zx", i);
	*patient = STR("IHEBLUE-1001^^^&1.3.6.1.4.1.21367.13.20.3000&ISO");
	struct provide_resolved resolved = { .patient_ids = patient, .uuids = uuids, .now = STR("20261124103000") };

	if (!provide_bundle_map(&bundle, &rules, &resolved, work->arena, metadata, &documents, &work->outcome))
		die("provide_bundle_map", &work->outcome);
}

static void provide_write(struct work *work, const struct metadata *metadata, struct buf *out)
{
	struct soap_head head = soap_request_head(STR(ACTION_PROVIDE_AND_REGISTER), STR("urn:uuid:1"),
						  STR("http://repository.example/xds"));
	struct provided_document document = { .id = metadata->document_entries[0].entry_uuid,
					      .content.content_id = STR("document0@passerelle") };
	struct xml_writer writer;
	struct rim_list list;

	if (!metadata_to_rim(metadata, work->arena, &list, &work->outcome))
		die("metadata_to_rim", &work->outcome);
	xml_writer_init(&writer, out);
	soap_begin(&writer, &head);
	provide_and_register_write(&writer, &list, &document, 1);
	soap_end(&writer);
	if (!xml_writer_finish(&writer, &work->outcome))
		die("xml_writer", &work->outcome);
}

/* All that the gateway does between the bytes that come and the bytes that go. */
static void provide(enum fhir_format format, const struct buf *body)
{
	struct buf document;
	struct buf message;
	struct cut_sink sink = { &document, sink_begin, sink_data, sink_end };
	struct metadata metadata;
	struct work work;
	json_t *tree;

	work_begin(&work);
	buf_init(&document, TEXT_BYTES);
	buf_init(&message, TEXT_BYTES);
	if (!fhir_body_read(format, buf_str(body), NULL, &sink, work.arena, &tree, &work.outcome) ||
	    !fhir_validate(tree, NULL, &work.outcome))
		die("fhir_body_read", &work.outcome);
	bundle_map(&work, tree, &metadata);
	provide_write(&work, &metadata, &message);
	buf_free(&message);
	buf_free(&document);
	arena_free(work.arena);
}

static void provide_json(void)
{
	provide(FHIR_JSON, &bundle_json);
}

static void provide_xml(void)
{
	provide(FHIR_XML, &bundle_xml);
}

static void parse_json(void)
{
	json_t *tree = json_loadb(bundle_json.data, bundle_json.size, JSON_REJECT_DUPLICATES, NULL);

	if (!tree)
		die("jansson", NULL);
	json_decref(tree);
}

/* ---- ITI-18 to searchset ---- */

static void search(void)
{
	struct searchset set = { .total = ENTRIES, .self = STR("https://gateway.example/fhir/DocumentReference") };
	struct xds_message message;
	struct metadata metadata;
	struct json_writer writer;
	struct buf answer;
	struct work work;

	work_begin(&work);
	buf_init(&answer, TEXT_BYTES);
	if (!xds_message_read(buf_str(&response_xml), NULL, work.arena, &message, &work.outcome) ||
	    !metadata_from_rim(&message.objects, work.arena, &metadata, &work.outcome))
		die("xds_message_read", &work.outcome);
	json_writer_init(&writer, &answer);
	searchset_begin(&writer, &set);
	for (size_t i = 0; i < metadata.document_entry_count; i++) {
		struct fhir_links links = { .id = STR("x3hq7kz5b2n6v4c8m9l0"),
					    .subject = STR("Patient/p3hq7kz5b2n6v4c8m9l0"),
					    .attachment_url =
						    STR("https://gateway.example/fhir/Binary/b3hq7kz5b2n6v4c8m9l0") };

		searchset_entry_begin(&writer,
				      STR("https://gateway.example/fhir/DocumentReference/x3hq7kz5b2n6v4c8m9l0"));
		document_entry_to_fhir(&metadata.document_entries[i], &links, work.arena, &writer);
		searchset_entry_end(&writer);
	}
	searchset_end(&writer);
	if (metadata.document_entry_count != ENTRIES || !json_writer_finish(&writer, &work.outcome))
		die("searchset", &work.outcome);
	buf_free(&answer);
	arena_free(work.arena);
}

static size_t touched;

static void touch_start(void *ctx, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri, int namespace_count,
			const xmlChar **namespaces, int attribute_count, int default_count, const xmlChar **attributes)
{
	(void)ctx;
	(void)prefix;
	(void)uri;
	(void)namespace_count;
	(void)namespaces;
	(void)default_count;
	touched += local[0];
	for (int i = 0; i < attribute_count; i++)
		touched += (size_t)(attributes[(size_t)i * 5 + 4] - attributes[(size_t)i * 5 + 3]);
}

static void touch_text(void *ctx, const xmlChar *text, int size)
{
	(void)ctx;
	touched += text[0] + (size_t)size;
}

static void parse_xml(const struct buf *text)
{
	xmlSAXHandler handler = { .initialized = XML_SAX2_MAGIC,
				  .startElementNs = touch_start,
				  .characters = touch_text };

	if (xmlSAXUserParseMemory(&handler, NULL, text->data, (int)text->size) != 0)
		die("libxml2", NULL);
}

static void parse_response(void)
{
	parse_xml(&response_xml);
}

static void parse_bundle_xml(void)
{
	parse_xml(&bundle_xml);
}

/* ---- inputs ---- */

static void sample_read(struct buf *text)
{
	FILE *file = fopen(SAMPLE, "rb");
	char piece[8192];
	size_t size;

	if (!file)
		die("no sample at " SAMPLE, NULL);
	while ((size = fread(piece, 1, sizeof piece, file)) > 0)
		buf_add(text, (struct str) { piece, size });
	fclose(file);
}

/* The sample, its document replaced by one of 50 KB. */
static void bundle_make(void)
{
	static unsigned char document[DOCUMENT_BYTES];
	struct work work;
	struct buf sample;

	work_begin(&work);
	buf_init(&sample, TEXT_BYTES);
	sample_read(&sample);
	for (size_t i = 0; i < sizeof document; i++)
		document[i] = (unsigned char)(i * 7 + i / 256);
	char *place = strstr(sample.data, SAMPLE_DATA);

	if (!place)
		die("the sample has no document", NULL);
	buf_add(&bundle_json, (struct str) { sample.data, (size_t)(place - sample.data) });
	buf_add_base64(&bundle_json, (struct str) { (const char *)document, sizeof document });
	buf_add(&bundle_json, str_from_c(place + sizeof SAMPLE_DATA - 1));
	if (!fhir_xml_from_json(buf_str(&bundle_json), work.arena, &bundle_xml, &work.outcome))
		die("fhir_xml_from_json", &work.outcome);
	buf_free(&sample);
	arena_free(work.arena);
}

/* What a registry answers that holds the document of the sample a hundred times. */
static void response_make(void)
{
	struct registry_response response = { .status = REGISTRY_SUCCESS };
	struct soap_head head =
		soap_request_head(STR(ACTION_STORED_QUERY ACTION_RESPONSE_SUFFIX), STR("urn:uuid:2"), STR_NONE);
	struct metadata all = { .document_entry_count = ENTRIES };
	struct metadata one;
	struct xml_writer writer;
	struct rim_list list;
	struct work work;
	json_t *tree;

	work_begin(&work);
	all.document_entries = arena_array(work.arena, ENTRIES, sizeof(*all.document_entries));
	if (!all.document_entries ||
	    !fhir_body_read(FHIR_JSON, buf_str(&bundle_json), NULL, NULL, work.arena, &tree, &work.outcome))
		die("fhir_body_read", &work.outcome);
	bundle_map(&work, tree, &one);
	for (size_t i = 0; i < ENTRIES; i++) {
		struct document_entry *entry = &all.document_entries[i];

		*entry = one.document_entries[0];
		entry->entry_uuid = arena_printf(work.arena, "urn:uuid:10000000-0000-4000-8000-%012zx", i);
		entry->unique_id = arena_printf(work.arena, "2.999.20.1.%zu", i);
		entry->repository_unique_id = STR("2.999.20.9");
		entry->hash = STR("da39a3ee5e6b4b0d3255bfef95601890afd80709");
		entry->size = STR("51200");
	}
	if (!metadata_to_rim(&all, work.arena, &list, &work.outcome))
		die("metadata_to_rim", &work.outcome);
	xml_writer_init(&writer, &response_xml);
	soap_begin(&writer, &head);
	stored_query_response_write(&writer, &response, &list);
	soap_end(&writer);
	if (!xml_writer_finish(&writer, &work.outcome))
		die("xml_writer", &work.outcome);
	arena_free(work.arena);
}

/* ---- measuring ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof *values, compare);
	return values[ROUNDS / 2];
}

static double timed(void (*run)(void))
{
	double start = now_us();

	run();
	return now_us() - start;
}

static void measure(const char *name, const struct buf *input, void (*mapper)(void), void (*parser)(void))
{
	static double mapper_us[ROUNDS];
	static double parser_us[ROUNDS];

	for (size_t i = 0; i < WARM_UP; i++) {
		mapper();
		parser();
	}
	for (size_t i = 0; i < ROUNDS; i++) {
		mapper_us[i] = timed(mapper);
		parser_us[i] = timed(parser);
	}
	double whole = median(mapper_us);
	double parsing = median(parser_us);

	printf("%-48s %9zu %11.0f %11.0f %7.2f\n", name, input->size, whole, parsing, whole / parsing);
}

int main(void)
{
	/* As the gateway does: pages are not to go back to the kernel after each round. */
	mallopt(M_TRIM_THRESHOLD, 4 << 20);
	mallopt(M_MMAP_THRESHOLD, 2 << 20);
	buf_init(&bundle_json, TEXT_BYTES);
	buf_init(&bundle_xml, TEXT_BYTES);
	buf_init(&response_xml, TEXT_BYTES);
	bundle_make();
	response_make();
	printf("(a) mapper, medians of %d rounds, CPU time\n%-48s %9s %11s %11s %7s\n", ROUNDS, "", "bytes in",
	       "mapper us", "parsing us", "ratio");
	measure("ITI-65 in JSON, 50 KB document, to ITI-41", &bundle_json, provide_json, parse_json);
	measure("ITI-65 in XML, 50 KB document, to ITI-41", &bundle_xml, provide_xml, parse_bundle_xml);
	measure("ITI-18 answer with 100 entries to searchset", &response_xml, search, parse_response);
	buf_free(&bundle_json);
	buf_free(&bundle_xml);
	buf_free(&response_xml);
	return 0;
}
