/* Whatever a registry holds, the FHIR that comes out parses, is valid R4, and refers to each contained resource; and it
 * can be read again. Every attribute takes values from a pool of odd ones, drawn with a printed seed. */
#include "meta_json.h"

#include "mappers/attribute.h"
#include "mappers/fhir_validate.h"

static const char *const pool[] = {
	"",
	" ",
	"a",
	"^",
	"^^^^^^^^^",
	"&&&",
	"&x^&y^&z^&1.2&ISO",
	"|",
	"||",
	"|^|^",
	"a|b|c",
	"~",
	"\\",
	"\\S\\",
	"\\T\\\\T\\",
	"1.2.3",
	"1.2.3^x",
	"urn:oid:1.2.3",
	"urn:oid:",
	"urn:uuid:00000000-0000-4000-8000-000000000001",
	"17^Muster^Petra^Maria  Rosa^^ ^MD^^&1.2.3&ISO",
	"^ ^ ^ ^ ^ ",
	"Klinik^^^^^&1.2&ISO^^^^7",
	"Klinik^^^^^^^^^1.2.3",
	"^^Internet^a@example.org",
	"^PRN^PH^^352^621^000000^5",
	"^^PH^^^^&",
	"+352 1",
	"PID-3|MRN^^^&1.2&ISO~X^^^&1.3&ISO",
	"PID-5|Muster^Petra^^^^^L~^^^^",
	"PID-5|&^&",
	"PID-7|20240230",
	"PID-7|19800229103000",
	"PID-8|F",
	"PID-8|?",
	"PID-11|^^^^^^H",
	"PID-11|&^^Luxembourg^^^LU^H",
	"PID-13|",
	"PID-13|^WPN^FX^^^^1",
	"PID-",
	"V42^^^&1.2&ISO^urn:ihe:iti:xds:2015:encounterId",
	"^^^&1.2&ISO^urn:ihe:iti:xds:2015:encounterId",
	"X^^^NAME SPACE^type",
	"&^^^&1.2&ISO",
	"code^^^&2.16.840.1.113883.6.96&ISO",
	"code^^^&http://x.example/a b&URI",
	"2024",
	"20240302081530",
	"20240302081530+0100",
	"99999999",
	"2024-03-02T08:15:30.5+01:00",
	"0a4d55a8d778e5022fab701977c5d840bbc486d0",
	"2147483648",
	"-1",
	"urn:oasis:names:tc:ebxml-regrep:StatusType:Approved",
	"Quotes \" and \\ and \t and \n and <tags> and \xC3\xA9 and \xF0\x9F\x98\x80",
	"http://codes.example/x",
	"http://bad uri",
	"text/plain",
};

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static struct str any_text(void)
{
	return draw(8) == 0 ? STR_NONE : str_from_c(pool[draw(COUNT_OF(pool))]);
}

static struct strs any_texts(struct arena *arena)
{
	struct strs list = { .count = draw(4) };

	list.items = arena_array(arena, list.count, sizeof *list.items);
	for (size_t i = 0; i < list.count; i++)
		list.items[i] = str_from_c(pool[draw(COUNT_OF(pool))]);
	return list;
}

static void fill(const struct attribute_table *table, void *object, struct arena *arena)
{
	for (size_t i = 0; i < table->count; i++) {
		char *field = (char *)object + table->rows[i].offset;
		struct codes *codes = (struct codes *)field;
		struct authors *authors = (struct authors *)field;

		switch (table->rows[i].shape) {
		case SHAPE_STRING:
			*(struct str *)field = any_text();
			break;
		case SHAPE_STRINGS:
			*(struct strs *)field = any_texts(arena);
			break;
		case SHAPE_CODE:
			*(struct code *)field = (struct code) { any_text(), any_text(), any_text() };
			break;
		case SHAPE_CODES:
			codes->count = draw(3);
			codes->items = arena_array(arena, codes->count, sizeof *codes->items);
			for (size_t k = 0; k < codes->count; k++)
				codes->items[k] = (struct code) { any_text(), any_text(), any_text() };
			break;
		case SHAPE_AUTHORS:
			authors->count = draw(4);
			authors->items = arena_array(arena, authors->count, sizeof *authors->items);
			for (size_t k = 0; k < authors->count; k++)
				authors->items[k] = (struct author) { any_text(), any_texts(arena), any_texts(arena),
								      any_texts(arena), any_texts(arena) };
			break;
		}
	}
}

/* True when somewhere in the tree there is this reference. */
static bool refers(const json_t *value, const char *reference)
{
	const char *name;
	json_t *member;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach((json_t *)value, i, member)
		{
			if (refers(member, reference))
				return true;
		}
	}
	json_object_foreach((json_t *)value, name, member)
	{
		if (strcmp(name, "reference") == 0 && json_is_string(member) &&
		    strcmp(json_string_value(member), reference) == 0)
			return true;
		if (refers(member, reference))
			return true;
	}
	return false;
}

static void check(const struct buf *buf, uint64_t from)
{
	json_t *tree = json_of_buf(buf);
	struct outcome outcome;

	outcome_init(&outcome);
	if (!fhir_validate(tree, "R", &outcome))
		fail_msg("seed %llu: %s: %s\n%s", (unsigned long long)from, outcome.issues[0].path,
			 outcome.issues[0].text, buf->data);
	const json_t *contained = json_object_get(tree, "contained");
	for (size_t i = 0; i < json_array_size(contained); i++) {
		char reference[100];
		const char *id = json_string_value(json_object_get(json_array_get(contained, i), "id"));

		snprintf(reference, sizeof reference, "#%s", id);
		if (!refers(tree, reference))
			fail_msg("seed %llu: nothing refers to %s\n%s", (unsigned long long)from, reference, buf->data);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(id,
						json_string_value(json_object_get(json_array_get(contained, k), "id")));
	}
	/* it may be refused, but must be read without harm */
	struct arena *arena = arena_new(1 << 22);
	struct fhir_context context = { .path = "R" };
	struct document_entry entry;
	struct submission_set set;

	if (list_kind_of(tree) == LIST_SUBMISSION_SET) {
		if (!submission_set_from_fhir(tree, &context, arena, &set, &outcome))
			assert_true(outcome.has_error);
	} else if (!document_entry_from_fhir(tree, &context, arena, &entry, &outcome)) {
		assert_true(outcome.has_error);
	}
	arena_free(arena);
	json_decref(tree);
}

static void test_nasty_metadata_becomes_valid_fhir(void **state)
{
	(void)state;
	static const struct fhir_links links = { .id = STR_INIT("x"),
						 .attachment_url = STR_INIT("https://gateway.example/Binary/x") };
	const char *given = getenv("TEST_SEED");

	seed = given ? strtoull(given, NULL, 10) : 20240302;
	printf("TEST_SEED=%llu\n", (unsigned long long)seed);
	for (size_t round = 0; round < 3000; round++) {
		uint64_t from = seed;
		struct arena *arena = arena_new(1 << 22);
		struct document_entry entry = { 0 };
		struct submission_set set = { 0 };
		struct outcome outcome;
		struct json_writer writer;
		struct buf buf;

		outcome_init(&outcome);
		buf_init(&buf, 1 << 22);
		json_writer_init(&writer, &buf);
		if (round % 2) {
			fill(&document_entry_table, &entry, arena);
			document_entry_to_fhir(&entry, &links, arena, &writer);
		} else {
			fill(&submission_set_table, &set, arena);
			submission_set_to_fhir(&set, &links, arena, &writer);
		}
		assert_true(json_writer_finish(&writer, &outcome));
		check(&buf, from);
		buf_free(&buf);
		arena_free(arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nasty_metadata_becomes_valid_fhir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
