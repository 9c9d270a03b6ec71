/* Reads every message of tests/golden/messages and of the public corpus (real messages of many systems, not part of this
 * repository), writes it back and compares the metadata with an independent view of the original (xml_canonical.h). What
 * was written is then validated against the XDS schemas with xmllint. Without the corpus (PASSERELLE_SHARED, or ../shared)
 * the tests are skipped loudly. */
#include "xml_canonical.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mappers/unwrap.h"

#define FILES_MAX 200

struct corpus {
	char root[512];
	char files[FILES_MAX][512];
	size_t count;
};

static struct corpus corpus;

/* Files that must be refused, and why. */
static const struct {
	const char *file;
	enum error_code code;
} refused[] = {
	{ "iti-42/invalid-ebxml21-namespace.xml", ERR_BODY_MALFORMED },                /* XDS.a */
	{ "iti-61/request-template-on-demand-entry-ebxml21.xml", ERR_BODY_MALFORMED }, /* XDS.a */
	{ "xca/iti-39-request-xua-multipart.mime", ERR_BODY_MALFORMED },               /* a Latin-1 byte */
	{ "iti-41/request-xua-fhir-json-doc-boundary-mismatch.http", ERR_BODY_MALFORMED },
	{ "iti-41/request-http-header-wcf.headers", ERR_BODY_MALFORMED }, /* a head without body */
};

static void find_files(const char *folder)
{
	char path[1100];
	DIR *dir;

	snprintf(path, sizeof path, "%s/%s", corpus.root, folder);
	dir = opendir(path);
	if (!dir)
		return;
	for (struct dirent *entry = readdir(dir); entry && corpus.count < FILES_MAX; entry = readdir(dir)) {
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "case.txt") != 0)
			snprintf(corpus.files[corpus.count++], sizeof corpus.files[0], "%s/%s", folder, entry->d_name);
	}
	closedir(dir);
}

static bool corpus_is_there(void)
{
	static const char *folders[] = { "iti-18", "iti-41", "iti-42", "iti-43",        "iti-57", "iti-61",  "iti-62",
					 "iti-86", "xca",    "pdq-v3", "consent-xacml", "pix-v3", "xua-saml" };
	const char *shared = getenv("PASSERELLE_SHARED");
	struct stat info;

	snprintf(corpus.root, sizeof corpus.root, "%s/xds/messages", shared ? shared : TEST_SOURCE_DIR "/../shared");
	if (stat(corpus.root, &info) != 0) {
		print_message("SKIPPED: no message corpus at %s (set PASSERELLE_SHARED)\n", corpus.root);
		return false;
	}
	corpus.count = 0;
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		find_files(folders[i]);
	return true;
}

static struct str read_file(const char *name, struct arena *arena)
{
	char path[1100];
	struct buf buf;
	char piece[8192];
	size_t size;

	snprintf(path, sizeof path, "%s/%s", corpus.root, name);
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	buf_init(&buf, 16 << 20);
	while ((size = fread(piece, 1, sizeof piece, file)) > 0)
		buf_add(&buf, (struct str) { piece, size });
	fclose(file);
	struct str text = arena_copy(arena, buf_str(&buf));

	buf_free(&buf);
	assert_non_null(text.data);
	return text;
}

static bool must_refuse(const char *file)
{
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		if (strcmp(refused[i].file, file) == 0)
			return true;
	}
	return false;
}

static void write_body(struct xml_writer *writer, struct xds_message *message)
{
	char ids[64][32];

	assert_true(message->document_count < COUNT_OF(ids) && message->response_count < COUNT_OF(ids));
	for (size_t i = 0; i < message->document_count + message->response_count; i++)
		snprintf(ids[i], sizeof ids[i], "doc%zu@test", i);
	for (size_t i = 0; i < message->document_count; i++)
		message->documents[i].content.content_id = str_from_c(ids[i]);
	for (size_t i = 0; i < message->response_count; i++)
		message->responses[i].content.content_id = str_from_c(ids[i]);
	switch (message->kind) {
	case XDS_PROVIDE_REQUEST:
		provide_and_register_write(writer, &message->objects, message->documents, message->document_count);
		break;
	case XDS_SUBMIT_REQUEST:
		submit_objects_write(writer, &message->objects);
		break;
	case XDS_REMOVE_REQUEST:
		remove_objects_write(writer, &message->object_refs);
		break;
	case XDS_QUERY_REQUEST:
		stored_query_write(writer, &message->query);
		break;
	case XDS_QUERY_RESPONSE:
		stored_query_response_write(writer, &message->response, &message->objects);
		break;
	case XDS_RETRIEVE_REQUEST:
		retrieve_request_write(writer, message->requests, message->request_count);
		break;
	case XDS_RETRIEVE_RESPONSE:
		retrieve_response_write(writer, &message->response, message->responses, message->response_count);
		break;
	case XDS_REGISTRY_RESPONSE:
		registry_response_write(writer, &message->response);
		break;
	case XDS_REMOVE_DOCUMENTS_REQUEST:
		remove_documents_write(writer, message->requests, message->request_count);
		break;
	case SOAP_FAULT:
		soap_fault_write(writer, &message->fault);
		break;
	case XDS_UNKNOWN:
	case HL7V3_BODY:
		break;
	}
}

static void write_message(struct buf *out, struct xds_message *message)
{
	struct xml_writer writer;
	struct outcome outcome;
	struct soap_head head =
		soap_request_head(STR(ACTION_REGISTER), STR("urn:uuid:00000000-0000-4000-8000-000000000001"),
				  STR("http://localhost/xds"));

	outcome_init(&outcome);
	xml_writer_init(&writer, out);
	soap_begin(&writer, &head);
	write_body(&writer, message);
	soap_end(&writer);
	assert_true(xml_writer_finish(&writer, &outcome));
}

static struct str with_crlf(struct str text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.size * 2);
	size_t size = 0;

	assert_non_null(out);
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
			out[size++] = '\r';
		out[size++] = text.data[i];
	}
	return (struct str) { out, size };
}

static bool read_message(struct str text, struct arena *arena, struct unwrapped *unwrapped, struct xds_message *message,
			 struct outcome *outcome)
{
	outcome_init(outcome);
	return unwrap(text, arena, unwrapped, outcome) &&
	       xds_message_read(unwrapped->root, NULL, arena, message, outcome);
}

/* Every cid of the message names exactly one part. */
static void check_parts(const char *file, const struct unwrapped *unwrapped, const struct xds_message *message)
{
	for (size_t i = 0; i < message->document_count + message->response_count; i++) {
		const struct document_content *content =
			i < message->document_count ? &message->documents[i].content
						    : &message->responses[i - message->document_count].content;
		size_t found = 0;

		if (!content->content_id.data || !unwrapped->part_count)
			continue;
		for (size_t k = 0; k < unwrapped->part_count; k++)
			found += content_id_matches(content->content_id, unwrapped->parts[k].content_id);
		if (found != 1)
			fail_msg("%s: %zu parts for cid:%.*s", file, found, STR_ARG(content->content_id));
	}
}

static void expect_same(const char *file, const char *before, const char *after)
{
	size_t at = 0;

	while (before[at] && before[at] == after[at])
		at++;
	if (before[at] == after[at])
		return;
	at = at > 150 ? at - 150 : 0;
	fail_msg("%s: metadata changed\n--- before\n%.300s\n--- after\n%.300s", file, before + at, after + at);
}

static void round_trip(const char *file, struct str text, const char *out_path)
{
	struct arena *arena = arena_new(256 << 20);
	struct unwrapped unwrapped;
	struct xds_message message;
	struct outcome outcome;
	struct buf out;

	if (!read_message(text, arena, &unwrapped, &message, &outcome))
		fail_msg("%s: %s", file, outcome.issues[0].text);
	check_parts(file, &unwrapped, &message);
	buf_init(&out, 64 << 20);
	write_message(&out, &message);
	if (message.kind != XDS_UNKNOWN && message.kind != HL7V3_BODY && message.kind != SOAP_FAULT) {
		char *before = canonical_metadata(unwrapped.root);
		char *after = canonical_metadata(buf_str(&out));

		/* A failed query may leave its list out; ours is then empty. */
		if (before || message.kind != XDS_QUERY_RESPONSE)
			expect_same(file, before ? before : "", after ? after : "");
		free(before);
		free(after);
	}
	if (out_path) {
		FILE *f = fopen(out_path, "wb");

		assert_non_null(f);
		assert_int_equal(fwrite(out.data, 1, out.size, f), out.size);
		fclose(f);
	}
	buf_free(&out);
	arena_free(arena);
}

/* Runs xmllint over the files 0.xml, 1.xml ... of folder, what it says into folder/log. Returns its exit status, 127 when
 * it is not there. */
static int run_xmllint(const char *folder, const char *schema)
{
	const char *head[] = { "xmllint", "--noout", "--nonet", "--schema", schema };
	char *arguments[FILES_MAX + COUNT_OF(head) + 1] = { NULL };
	posix_spawn_file_actions_t actions;
	char log[128];
	size_t count = 0;
	pid_t child;
	int status = 127;

	for (size_t i = 0; i < COUNT_OF(head); i++)
		arguments[count++] = strdup(head[i]);
	for (size_t i = 0; i < corpus.count; i++) {
		char path[128];

		snprintf(path, sizeof path, "%s/%zu.xml", folder, i);
		if (access(path, R_OK) == 0)
			arguments[count++] = strdup(path);
	}
	snprintf(log, sizeof log, "%s/log", folder);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT, 0600), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
	if (posix_spawnp(&child, "xmllint", &actions, NULL, arguments, environ) == 0) {
		assert_int_equal(waitpid(child, &status, 0), child);
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 126;
	}
	posix_spawn_file_actions_destroy(&actions);
	for (size_t i = 0; i < count; i++)
		free(arguments[i]);
	return status;
}

/* Validates every file in folder; the schemas are those of the corpus. */
static void validate(const char *folder)
{
	const char *shared = getenv("PASSERELLE_SHARED");
	char schema[600];
	char log[128];
	char line[600];
	struct stat info;

	snprintf(schema, sizeof schema, "%s/xds/schema/xds-soap-wire.xsd",
		 shared ? shared : TEST_SOURCE_DIR "/../shared");
	if (stat(schema, &info) != 0) {
		print_message("SKIPPED: no schemas at %s, nothing was validated\n", schema);
		return;
	}
	int status = run_xmllint(folder, schema);

	if (status == 127) {
		print_message("SKIPPED: xmllint is not installed, nothing was validated\n");
		return;
	}
	snprintf(log, sizeof log, "%s/log", folder);
	FILE *file = fopen(log, "r");

	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		if (!strstr(line, " validates"))
			print_message("%s", line);
	}
	fclose(file);
	assert_int_equal(status, 0);
}

static void remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	char path[512];

	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	assert_int_equal(rmdir(folder), 0);
}

static void expect_refusal(const char *file, struct str text, struct arena *arena)
{
	struct unwrapped unwrapped;
	struct xds_message message;
	struct outcome outcome;

	if (read_message(text, arena, &unwrapped, &message, &outcome))
		fail_msg("%s: was not refused", file);
	assert_true(outcome.has_error);
}

/* Every file found: refused, or read and written back, also with CRLF. Returns how many were refused. */
static size_t round_trip_all(void)
{
	char folder[] = "/tmp/passerelle-corpus-XXXXXX";
	size_t refused_count = 0;

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < corpus.count; i++) {
		const char *file = corpus.files[i];
		struct arena *arena = arena_new(64 << 20);
		struct str text = read_file(file, arena);
		char path[128];

		snprintf(path, sizeof path, "%s/%zu.xml", folder, i);
		if (must_refuse(file)) {
			expect_refusal(file, text, arena);
			refused_count++;
		} else {
			round_trip(file, text, path);
			round_trip(file, with_crlf(text, arena), NULL);
		}
		arena_free(arena);
	}
	validate(folder);
	remove_folder(folder);
	return refused_count;
}

static void test_corpus__round_trip(void **state)
{
	(void)state;
	if (!corpus_is_there())
		skip();
	assert_true(corpus.count >= 60);
	size_t refused_count = round_trip_all();

	assert_int_equal(refused_count, COUNT_OF(refused));
	print_message("%zu messages read and written back, %zu refused\n", corpus.count - refused_count, refused_count);
}

static void test_golden__round_trip(void **state)
{
	(void)state;
	snprintf(corpus.root, sizeof corpus.root, "%s/tests/golden", TEST_SOURCE_DIR);
	corpus.count = 0;
	find_files("messages");
	assert_true(corpus.count >= 6);
	assert_int_equal(round_trip_all(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden__round_trip),
		cmocka_unit_test(test_corpus__round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
