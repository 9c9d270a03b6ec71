/* Real FHIR files of others (not part of this repository): JSON to XML to JSON without loss, XML to JSON to XML equal
 * after canonicalisation by libxml2. Without the corpus (PASSERELLE_SHARED, or ../shared) it is skipped loudly. */
#include "fhir_support.h"

#include <ftw.h>
#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "mappers/fhir_json_write.h"
#include "mappers/fhir_validate.h"
#include "mappers/fhir_xhtml.h"
#include "mappers/fhir_xml_write.h"

#define FILES_MAX  2000
#define FILE_BYTES ((size_t)32 << 20)

static char *files[FILES_MAX];
static size_t file_count;

/* Files that are no FHIR R4, and why. */
static const char *const not_r4[] = {
	"ActorDefinition-",       /* a resource of R5 */
	"formatcode/CodeSystem-", /* fhir_comments, gone since DSTU2 */
	"formatcode/ValueSet-",   /* the same */
};

static int file_seen(const char *path, const struct stat *info, int type, struct FTW *place)
{
	size_t size = strlen(path);

	(void)place;
	if (type != FTW_F || (size_t)info->st_size > FILE_BYTES || file_count == FILES_MAX || size < 6)
		return 0;
	if (strcmp(path + size - 5, ".json") == 0 || strcmp(path + size - 4, ".xml") == 0)
		files[file_count++] = strdup(path);
	return 0;
}

static bool corpus_find(void)
{
	static const char *const folders[] = { "samples", "mhd-package", "eu-package", "pcf-package" };
	const char *shared = getenv("PASSERELLE_SHARED");
	char path[1024];

	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		snprintf(path, sizeof path, "%s/fhir/%s", shared ? shared : TEST_SOURCE_DIR "/../shared", folders[i]);
		nftw(path, file_seen, 16, FTW_PHYS);
	}
	if (file_count == 0)
		print_message("SKIPPED: no FHIR corpus beside the sources (set PASSERELLE_SHARED)\n");
	return file_count > 0;
}

static void file_read(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "rb");
	char piece[8192];
	size_t size;

	assert_non_null(file);
	while ((size = fread(piece, 1, sizeof piece, file)) > 0)
		buf_add(text, (struct str) { piece, size });
	fclose(file);
}

static bool ends_with(const char *path, const char *end)
{
	return str_ends_with(str_from_c(path), str_from_c(end));
}

static bool is_not_r4(const char *path)
{
	for (size_t i = 0; i < COUNT_OF(not_r4); i++) {
		if (strstr(path, not_r4[i]))
			return true;
	}
	return false;
}

/* Narrative may be written in several ways: both sides are brought into one. */
static void narrative_normalise(json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;
	struct outcome outcome;
	struct xml_writer writer;
	struct buf div;

	json_array_foreach(value, i, member) narrative_normalise(member);
	json_object_foreach(value, name, member)
	{
		if (strcmp(name, "div") != 0 || !json_is_string(member)) {
			narrative_normalise(member);
			continue;
		}
		outcome_init(&outcome);
		buf_init(&div, FILE_BYTES);
		xml_writer_init(&writer, &div);
		assert_true(fhir_xhtml_write(fhir_text(member), "div", &writer, &outcome));
		json_string_setn(member, div.data, div.size);
		buf_free(&div);
	}
}

static void json_round_trip(const char *path, struct stand *stand, struct str text)
{
	struct buf xml;
	json_t *tree;
	json_t *again;

	buf_init(&xml, FILE_BYTES);
	if (!fhir_body_read(FHIR_JSON, text, NULL, NULL, stand->arena, &tree, &stand->outcome) ||
	    !fhir_xml_write(tree, &xml, &stand->outcome)) {
		if (!is_not_r4(path))
			fail_msg("%s: %s %s", path, stand->outcome.issues[0].path, stand->outcome.issues[0].text);
		buf_free(&xml);
		return;
	}
	assert_false(is_not_r4(path));
	if (!fhir_body_read(FHIR_XML, buf_str(&xml), NULL, NULL, stand->arena, &again, &stand->outcome))
		fail_msg("%s: %s %s", path, stand->outcome.issues[0].path, stand->outcome.issues[0].text);
	narrative_normalise(tree);
	if (!json_equal(tree, again))
		fail_msg("%s came back different", path);
	buf_free(&xml);
}

/* Canonical XML without blanks between elements; freed with xmlFree. */
static xmlChar *canonical(struct str xml, int *size)
{
	xmlDocPtr document = xmlReadMemory(xml.data, (int)xml.size, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOBLANKS);
	xmlChar *text = NULL;

	assert_non_null(document);
	*size = xmlC14NDocDumpMemory(document, NULL, XML_C14N_1_0, NULL, 0, &text);
	xmlFreeDoc(document);
	return text;
}

static void xml_round_trip(const char *path, struct stand *stand, struct str text)
{
	struct buf xml;
	json_t *tree;
	int size;
	int wanted_size;

	buf_init(&xml, FILE_BYTES);
	if (!fhir_body_read(FHIR_XML, text, NULL, NULL, stand->arena, &tree, &stand->outcome) ||
	    !fhir_json_write(tree, &stand->documents, &stand->outcome) ||
	    !fhir_xml_from_json(buf_str(&stand->documents), stand->arena, &xml, &stand->outcome))
		fail_msg("%s: %s %s", path, stand->outcome.issues[0].path, stand->outcome.issues[0].text);
	xmlChar *wanted = canonical(text, &wanted_size);
	xmlChar *got = canonical(buf_str(&xml), &size);

	if (size != wanted_size || memcmp(got, wanted, (size_t)size) != 0)
		fail_msg("%s came back different", path);
	xmlFree(wanted);
	xmlFree(got);
	buf_free(&xml);
}

static void test_fhir_corpus__comes_back(void **state)
{
	size_t json_count = 0;
	size_t xml_count = 0;

	(void)state;
	if (!corpus_find())
		skip();
	for (size_t i = 0; i < file_count; i++) {
		struct stand stand;

		stand_open(&stand);
		file_read(files[i], &stand.text);
		if (ends_with(files[i], ".xml") && strstr(stand.text.data, "http://hl7.org/fhir\"")) {
			xml_round_trip(files[i], &stand, buf_str(&stand.text));
			xml_count++;
		} else if (ends_with(files[i], ".json") && strstr(stand.text.data, "\"resourceType\"")) {
			json_round_trip(files[i], &stand, buf_str(&stand.text));
			json_count++;
		}
		stand_close(&stand);
	}
	print_message("%zu JSON files and %zu XML files came back\n", json_count, xml_count);
	assert_true(json_count > 100);
	assert_true(xml_count >= 5);
}

/* The examples of the guide obey the base rules; so do the DocumentReferences of others. */
static void test_fhir_corpus__examples_are_valid(void **state)
{
	size_t count = 0;

	(void)state;
	if (file_count == 0)
		skip();
	for (size_t i = 0; i < file_count; i++) {
		struct stand stand;
		json_t *tree;

		if (!ends_with(files[i], ".json") || is_not_r4(files[i]) ||
		    (!strstr(files[i], "/Bundle-") && !strstr(files[i], "/DocumentReference-") &&
		     !strstr(files[i], "/List-")))
			continue;
		stand_open(&stand);
		file_read(files[i], &stand.text);
		assert_true(stand_read(&stand, FHIR_JSON, buf_str(&stand.text), &tree));
		if (!fhir_validate(tree, NULL, &stand.outcome))
			fail_msg("%s: %s %s", files[i], stand.outcome.issues[0].path, stand.outcome.issues[0].text);
		stand_close(&stand);
		count++;
	}
	print_message("%zu examples are valid\n", count);
	assert_true(count > 40);
}

static int files_free(void **state)
{
	(void)state;
	while (file_count)
		free(files[--file_count]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fhir_corpus__comes_back),
		cmocka_unit_test(test_fhir_corpus__examples_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, files_free);
}
