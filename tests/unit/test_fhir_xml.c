/* FHIR XML to the tree and back. Expected values follow FHIR R4 xml.html and json.html. */
#include "fhir_support.h"

#include <stdlib.h>

#include "mappers/fhir_json_write.h"
#include "mappers/fhir_xml_write.h"

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define FHIR        " xmlns=\"http://hl7.org/fhir\""
#define DIV         "<div xmlns=\"http://www.w3.org/1999/xhtml\">"

/* Both forms of the same content, in the order of the table: each is turned into the other. */
static void test_fhir_xml__both_ways(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *xml;
	} cases[] = {
		/* Element.id is an attribute, Resource.id an element; arrays of one item */
		{ "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"active\":false,\"name\":[{\"id\":\"n\",\"family\":"
		  "\"Muster\"}]}",
		  "<Patient" FHIR
		  "><id value=\"p1\"/><active value=\"false\"/><name id=\"n\"><family value=\"Muster\"/></name>"
		  "</Patient>" },
		/* padding with null on both sides */
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"A\",null,\"C\"],\"_given\":[null,{"
		  "\"extension\":[{\"url\":"
		  "\"urn:x\",\"valueCode\":\"unknown\"}]},{\"id\":\"c\"}]}]}",
		  "<Patient" FHIR
		  "><name><given value=\"A\"/><given><extension url=\"urn:x\"><valueCode value=\"unknown\"/>"
		  "</extension></given><given id=\"c\" value=\"C\"/></name></Patient>" },
		/* a companion without a value */
		{ "{\"resourceType\":\"Patient\",\"_birthDate\":{\"extension\":[{\"url\":\"urn:x\",\"valueBoolean\":"
		  "true}]}}",
		  "<Patient" FHIR
		  "><birthDate><extension url=\"urn:x\"><valueBoolean value=\"true\"/></extension></birthDate>"
		  "</Patient>" },
		/* numbers with the digits that came */
		{ "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"},\"valueQuantity\":{"
		  "\"value\":1.50,"
		  "\"unit\":\"mg\"}}",
		  "<Observation" FHIR "><status value=\"final\"/><code><text value=\"x\"/></code><valueQuantity><value "
		  "value=\"1.50\"/><unit value=\"mg\"/></valueQuantity></Observation>" },
		{ "{\"resourceType\":\"Basic\",\"extension\":[{\"url\":\"a\",\"valueDecimal\":1E3},{\"url\":\"b\","
		  "\"valueInteger\":-7},{"
		  "\"url\":\"c\",\"valueDecimal\":123456789012345678901.0}],\"code\":{\"text\":\"x\"}}",
		  "<Basic" FHIR
		  "><extension url=\"a\"><valueDecimal value=\"1E3\"/></extension><extension url=\"b\"><valueInteger "
		  "value=\"-7\"/></extension><extension url=\"c\"><valueDecimal "
		  "value=\"123456789012345678901.0\"/></extension><code>"
		  "<text value=\"x\"/></code></Basic>" },
		/* resources inside: contained and entries */
		{ "{\"resourceType\":\"List\",\"contained\":[{\"resourceType\":\"Organization\",\"id\":\"o\",\"name\":"
		  "\"X & Y "
		  "<Z>\"}],\"status\":\"current\",\"mode\":\"working\"}",
		  "<List" FHIR
		  "><contained><Organization><id value=\"o\"/><name value=\"X &amp; Y &lt;Z&gt;\"/></Organization>"
		  "</contained><status value=\"current\"/><mode value=\"working\"/></List>" },
		{ "{\"resourceType\":\"Bundle\",\"type\":\"transaction-response\",\"entry\":[{\"resource\":{"
		  "\"resourceType\":\"Basic\","
		  "\"code\":{\"text\":\"x\"}},\"response\":{\"status\":\"201\",\"outcome\":{\"resourceType\":\"Basic\","
		  "\"code\":{\"text\":"
		  "\"y\"}}}}]}",
		  "<Bundle" FHIR
		  "><type value=\"transaction-response\"/><entry><resource><Basic><code><text value=\"x\"/></code>"
		  "</Basic></resource><response><status value=\"201\"/><outcome><Basic><code><text "
		  "value=\"y\"/></code></Basic>"
		  "</outcome></response></entry></Bundle>" },
		/* narrative is markup; line ends survive in attributes */
		{ "{\"resourceType\":\"Basic\",\"text\":{\"status\":\"generated\",\"div\":\"<div "
		  "xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p class=\\\"a\\\">x &lt; y &amp; "
		  "z<br/>\xC3\xA9</p></div>\"},\"code\":{\"text\":\"a\\nb\\tc\"}}",
		  "<Basic" FHIR "><text><status value=\"generated\"/>" DIV
		  "<p class=\"a\">x &lt; y &amp; z<br/>\xC3\xA9</p></div></text>"
		  "<code><text value=\"a&#10;b&#9;c\"/></code></Basic>" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		assert_true(fhir_xml_from_json(str_from_c(cases[i].json), stand.arena, &stand.text, &stand.outcome));
		assert_memory_equal(stand.text.data, DECLARATION, sizeof DECLARATION - 1);
		assert_string_equal(stand.text.data + sizeof DECLARATION - 1, cases[i].xml);
		buf_clear(&stand.text);
		assert_true(stand_read(&stand, FHIR_XML, str_from_c(cases[i].xml), &tree));
		assert_true(fhir_json_write(tree, &stand.text, &stand.outcome));
		assert_string_equal(stand.text.data, cases[i].json);
		stand_close(&stand);
	}
}

/* JSON members come in any order, XML elements in that of the table. */
static void test_fhir_xml__writes_in_the_order_of_the_table(void **state)
{
	(void)state;
	struct stand stand;

	stand_open(&stand);
	assert_true(fhir_xml_from_json(STR("{\"gender\":\"female\",\"name\":[{\"given\":[\"A\"],\"use\":\"usual\"}],"
					   "\"_birthDate\":{\"id\":\"b\"},\"birthDate\":\"1970\",\"id\":\"p\","
					   "\"resourceType\":\"Patient\"}"),
				       stand.arena, &stand.text, &stand.outcome));
	assert_string_equal(stand.text.data, DECLARATION
			    "<Patient" FHIR "><id value=\"p\"/><name><use value=\"usual\"/><given value=\"A\"/></name>"
			    "<gender value=\"female\"/><birthDate id=\"b\" value=\"1970\"/></Patient>");
	stand_close(&stand);
}

static void test_fhir_xml__reads_what_others_write(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		const char *json;
	} cases[] = {
		/* a prefix, comments, blanks, schemaLocation, CDATA in narrative, references */
		{ "\xEF\xBB\xBF<?xml version='1.0' encoding='utf-8'?><!-- x --><f:Patient "
		  "xmlns:f='http://hl7.org/fhir' "
		  "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='a b'>\r\n <f:id "
		  "value='p'/> <!-- <data "
		  "value=''/> --> <f:name><f:family value='M&#252;ller &amp; &#x41;'/></f:name></f:Patient>\n",
		  "{\"resourceType\":\"Patient\",\"id\":\"p\",\"name\":[{\"family\":\"M\xC3\xBCller & A\"}]}" },
		{ "<Basic" FHIR "><text><status value='generated'/><h:div xmlns:h='http://www.w3.org/1999/xhtml'><h:p "
		  "xml:lang='de'><![CDATA[a<b]]></h:p><!-- gone --></h:div></text><code><text "
		  "value='x'/></code></Basic>",
		  "{\"resourceType\":\"Basic\",\"text\":{\"status\":\"generated\",\"div\":\"<div "
		  "xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p "
		  "xml:lang=\\\"de\\\">a&lt;b</p></div>\"},\"code\":{\"text\":\"x\"}}" },
		/* the first given has no value, the third no companion */
		{ "<Patient" FHIR "><name><given id='a'/><given value='B'/><given id='c'/></name></Patient>",
		  "{\"resourceType\":\"Patient\",\"name\":[{\"_given\":[{\"id\":\"a\"},null,{\"id\":\"c\"}],\"given\":["
		  "null,\"B\","
		  "null]}]}" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		if (!stand_read(&stand, FHIR_XML, str_from_c(cases[i].xml), &tree))
			fail_msg("case %zu: %s", i, stand.outcome.issues[0].text);
		assert_true(fhir_json_write(tree, &stand.text, &stand.outcome));
		assert_string_equal(stand.text.data, cases[i].json);
		stand_close(&stand);
	}
}

static void test_fhir_xml__cuts_documents_out(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		const char *documents;
		const char *json; /* as jansson shows marks; NULL: not looked at */
	} cases[] = {
		{ "<Binary" FHIR "><contentType value='a/b'/><data value='aGVsbG8gd29ybGQ='/></Binary>",
		  "0:hello world;",
		  "{\"resourceType\": \"Binary\", \"contentType\": \"a/b\", \"data\": \"\\u0001B0\"}" },
		{ "<f:Binary xmlns:f='http://hl7.org/fhir'><f:data value = \"aGVs&#10;bG8g\nd29y&#x62;GQ=\" "
		  "id='d'/></f:Binary>",
		  "0:hello world;",
		  "{\"resourceType\": \"Binary\", \"data\": \"\\u0001B0\", \"_data\": {\"id\": \"d\"}}" },
		/* the comment and CDATA are no elements */
		{ "<DocumentReference" FHIR "><!-- <data value='aGVsbG8gd29ybGQ='/> --><text><div "
		  "xmlns='http://www.w3.org/1999/xhtml'><![CDATA[<data "
		  "value='aGVsbG8gd29ybGQ='/>]]></div></text><content>"
		  "<attachment><data value='d29ybGQgaGVsbG8='/></attachment></content><content><attachment><data "
		  "value='c2hvcnQ='/></attachment></content><content><attachment><data "
		  "value='aGVsbG8gd29ybGQ='/></attachment>"
		  "</content></DocumentReference>",
		  "0:world hello;1:hello world;", NULL },
		{ "<Observation" FHIR
		  "><valueSampledData><data value='1 2 3 4 5 E U'/></valueSampledData></Observation>",
		  "", "{\"resourceType\": \"Observation\", \"valueSampledData\": {\"data\": \"1 2 3 4 5 E U\"}}" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		if (!stand_read(&stand, FHIR_XML, str_from_c(cases[i].xml), &tree))
			fail_msg("case %zu: %s", i, stand.outcome.issues[0].text);
		char *text = json_dumps(tree, 0);

		if (cases[i].json)
			assert_string_equal(text, cases[i].json);
		assert_string_equal(buf_str(&stand.documents).data, cases[i].documents);
		free(text);
		stand_close(&stand);
	}
}

static void test_fhir_xml__refuses(void **state)
{
	(void)state;
	static const struct {
		const char *xml;
		enum error_code code;
		const char *path;
		const char *text; /* part of the sentence */
	} cases[] = {
		{ "", ERR_BODY_MALFORMED, "", "empty" },
		{ "text", ERR_BODY_MALFORMED, "", "" },
		{ "<Patient" FHIR ">", ERR_BODY_MALFORMED, "", "" },
		{ "<Patient" FHIR "/>x", ERR_BODY_MALFORMED, "", "" },
		{ "<Patient" FHIR ">\n<id value='a'></name></Patient>", ERR_BODY_MALFORMED, "", "line 2" },
		{ "<!DOCTYPE Patient [<!ENTITY x 'y'>]><Patient" FHIR "/>", ERR_BODY_MALFORMED, "", "DOCTYPE" },
		{ "<Patient" FHIR "><id value='&x;'/></Patient>", ERR_BODY_MALFORMED, "", "" },
		{ "<Patient" FHIR "><id value='&#1;B0'/></Patient>", ERR_BODY_MALFORMED, "", "" },
		{ "<Patient" FHIR "><id value='a' value='b'/></Patient>", ERR_BODY_MALFORMED, "", "" },
		{ "<Patient/>", ERR_BODY_MALFORMED, "Resource", "xmlns" },
		{ "<ActorDefinition" FHIR "/>", ERR_BODY_MALFORMED, "Resource", "R4" },
		{ "<Patient" FHIR "><nonsense value='x'/></Patient>", ERR_BODY_MALFORMED, "Patient.nonsense", "" },
		{ "<Patient" FHIR "><name><family value='a'/><family value='b'/></name></Patient>", ERR_BODY_MALFORMED,
		  "Patient.name[0].family", "once" },
		{ "<Patient" FHIR "><birthDate id='a'/><birthDate id='b'/></Patient>", ERR_BODY_MALFORMED,
		  "Patient.birthDate", "once" },
		{ "<Patient" FHIR "><maritalStatus><text value='a'/></maritalStatus><maritalStatus><text value='b'/>"
		  "</maritalStatus></Patient>",
		  ERR_BODY_MALFORMED, "Patient.maritalStatus", "once" },
		{ "<Patient" FHIR "><name/></Patient>", ERR_BODY_MALFORMED, "Patient.name[0]", "empty" },
		{ "<Patient" FHIR "><active/></Patient>", ERR_BODY_MALFORMED, "Patient.active", "value" },
		{ "<Patient" FHIR "><active value=''/></Patient>", ERR_BODY_MALFORMED, "Patient.active", "empty" },
		{ "<Patient" FHIR "><active value='yes'/></Patient>", ERR_VALUE_INVALID, "Patient.active", "true" },
		{ "<Patient" FHIR "><multipleBirthInteger value='two'/></Patient>", ERR_VALUE_INVALID,
		  "Patient.multipleBirth", "number" },
		{ "<Patient" FHIR "><active value='true' class='x'/></Patient>", ERR_BODY_MALFORMED, "Patient.active",
		  "" },
		{ "<Patient" FHIR " id='x'/>", ERR_BODY_MALFORMED, "Patient", "attributes" },
		{ "<Patient" FHIR "><name use='x'><family value='a'/></name></Patient>", ERR_BODY_MALFORMED,
		  "Patient.name[0].use", "" },
		{ "<Patient" FHIR "><name><id value='x'/></name></Patient>", ERR_BODY_MALFORMED, "Patient.name[0].id",
		  "" },
		{ "<Patient" FHIR ">Meier</Patient>", ERR_BODY_MALFORMED, "Patient", "value=" },
		{ "<Patient" FHIR "><contained/></Patient>", ERR_BODY_MALFORMED, "Patient.contained", "one resource" },
		{ "<Patient" FHIR
		  "><contained><Basic><id value='a'/></Basic><Basic><id value='b'/></Basic></contained></Patient>",
		  ERR_BODY_MALFORMED, "Patient.contained[0]", "not two" },
		{ "<Bundle" FHIR "><entry><resource><Patient><x/></Patient></resource></entry></Bundle>",
		  ERR_BODY_MALFORMED, "Bundle.entry[0].resource.x", "" },
		{ "<Basic" FHIR "><text><div>x</div></text></Basic>", ERR_BODY_MALFORMED, "Basic.text.div", "XHTML" },
		{ "<Basic" FHIR "><text>" DIV "<svg xmlns='urn:x'/></div></text></Basic>", ERR_BODY_MALFORMED,
		  "Basic.text.div", "XHTML" },
		{ "<Basic" FHIR "><text>" DIV "&nbsp;</div></text></Basic>", ERR_BODY_MALFORMED, "", "" },
		/* forged places of documents: empty values, in every disguise */
		{ "<Binary" FHIR "><data value=''/></Binary>", ERR_BODY_MALFORMED, "", "empty" },
		{ "<Bundle" FHIR
		  "><entry><resource><Binary><data value=\"\"/></Binary></resource></entry><entry><resource><Binary>"
		  "<data value='aGVsbG8gd29ybGQ='/></Binary></resource></entry></Bundle>",
		  ERR_BODY_MALFORMED, "", "empty" },
		{ "<x:Binary xmlns:x='http://hl7.org/fhir'><x:data value\n=\n''/></x:Binary>", ERR_BODY_MALFORMED, "",
		  "empty" },
		{ "<Basic" FHIR "><text>" DIV "<data value='aGVsbG8gd29ybGQ='/></div></text></Basic>",
		  ERR_BODY_MALFORMED, "Basic.text.div", "XHTML" },
		{ "<Binary" FHIR "><data value='aGVsbG8gd29ybGQ'/></Binary>", ERR_VALUE_INVALID, "", "base64" },
		{ "<Binary" FHIR "><data value='aGVsbG8gd29y&amp;bGQ='/></Binary>", ERR_VALUE_INVALID, "", "base64" },
		{ "<Binary" FHIR "><data value='aGVsbG8gd29ybGQ=/></Binary>", ERR_BODY_MALFORMED, "",
		  "Close the value" },
		{ "<Binary" FHIR "><data value=aGVsbG8/></Binary>", ERR_BODY_MALFORMED, "", "name=" },
		{ "<Binary" FHIR "><!-- <data/>", ERR_BODY_MALFORMED, "", "Close the tag or comment" },
		{ "<?xml version='1.0' encoding='iso-8859-1'?><Binary" FHIR "/>", ERR_BODY_MALFORMED, "", "UTF-8" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;
		json_t *tree = NULL;

		stand_open(&stand);
		if (stand_read(&stand, FHIR_XML, str_from_c(cases[i].xml), &tree))
			fail_msg("case %zu was read: %s", i, cases[i].xml);
		const struct issue *issue = &stand.outcome.issues[0];

		assert_null(tree);
		if (issue->code != cases[i].code || strcmp(issue->path, cases[i].path) != 0 ||
		    !strstr(issue->text, cases[i].text))
			fail_msg("case %zu: %s | %s | %s", i, error_info(issue->code)->name, issue->path, issue->text);
		stand_close(&stand);
	}
}

static void test_fhir_xml__write_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		const char *path;
	} cases[] = {
		{ "{\"id\":\"x\"}", "resourceType" },
		{ "{\"resourceType\":\"Patient\",\"nonsense\":1}", "Patient.nonsense" },
		{ "{\"resourceType\":\"Patient\",\"Jean Dupont\":1}", "Patient.?" },
		{ "{\"resourceType\":\"Patient\",\"name\":{\"family\":\"x\"}}", "Patient.name" },
		{ "{\"resourceType\":\"Patient\",\"active\":\"true\"}", "Patient.active" },
		{ "{\"resourceType\":\"Patient\",\"birthDate\":1970}", "Patient.birthDate" },
		{ "{\"resourceType\":\"Patient\",\"name\":[\"x\"]}", "Patient.name[0]" },
		{ "{\"resourceType\":\"Patient\",\"name\":[{\"given\":[null]}]}", "Patient.name[0].given[0]" },
		{ "{\"resourceType\":\"Patient\",\"_name\":[{\"id\":\"x\"}]}", "Patient._name" },
		{ "{\"resourceType\":\"Patient\",\"_active\":{\"value\":true}}", "Patient.active" },
		{ "{\"resourceType\":\"Patient\",\"contained\":[{\"id\":\"x\"}]}",
		  "Patient.contained[0].resourceType" },
		{ "{\"resourceType\":\"Basic\",\"text\":{\"div\":\"<div>x</div>\"}}", "Basic.text.div" },
		{ "{\"resourceType\":\"Basic\",\"text\":{\"div\":\""
		  "<div xmlns='http://www.w3.org/1999/xhtml'/><Patient/>\"}}",
		  "Basic.text.div" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct stand stand;

		stand_open(&stand);
		if (fhir_xml_from_json(str_from_c(cases[i].json), stand.arena, &stand.text, &stand.outcome))
			fail_msg("case %zu was written: %s", i, stand.text.data);
		assert_string_equal(stand.outcome.issues[0].path, cases[i].path);
		assert_int_equal(stand.outcome.issues[0].code, ERR_BODY_MALFORMED);
		stand_close(&stand);
	}
}

/* Lines count in the body that came, also behind a document with line ends. */
static void test_fhir_xml__lines_survive_a_cut(void **state)
{
	(void)state;
	struct stand stand;
	json_t *tree;

	stand_open(&stand);
	assert_false(stand_read(&stand, FHIR_XML,
				STR("<Binary" FHIR
				    ">\n<data value='aGVs\nbG8g\nd29y\nbGQ='/>\n<contentType></type></Binary>"),
				&tree));
	assert_non_null(strstr(stand.outcome.issues[0].text, "line 6"));
	stand_close(&stand);
}

static void test_fhir_xml__depth(void **state)
{
	(void)state;
	static const size_t depths[] = { 10, 31, 32, 60, 5000 };

	/* Extensions in extensions: two levels of JSON each, 64 in all. */
	for (size_t i = 0; i < COUNT_OF(depths); i++) {
		struct stand stand;
		json_t *tree;

		stand_open(&stand);
		buf_add(&stand.text, STR("<Basic" FHIR ">"));
		for (size_t k = 0; k < depths[i]; k++)
			buf_add(&stand.text, STR("<extension url=\"x\">"));
		for (size_t k = 0; k < depths[i]; k++)
			buf_add(&stand.text, STR("</extension>"));
		buf_add(&stand.text, STR("</Basic>"));
		assert_int_equal(stand_read(&stand, FHIR_XML, buf_str(&stand.text), &tree), depths[i] < 32);
		buf_clear(&stand.text);
		if (depths[i] < 32) {
			assert_true(fhir_json_write(tree, &stand.text, &stand.outcome));
			buf_clear(&stand.text);
			assert_true(fhir_xml_write(tree, &stand.text, &stand.outcome));
		}
		stand_close(&stand);
	}
}

static void test_fhir_xml__failure_loop(void **state)
{
	(void)state;
	static const char xml[] = "<Binary" FHIR "><contentType value='a/b'/><data value='aGVsbG8gd29ybGQ='/></Binary>";

	for (size_t n = 0;; n++) {
		struct stand stand;
		json_t *tree = NULL;

		assert_true(n < 100);
		stand_open(&stand);
		arena_fail_at(stand.arena, n);
		bool good = stand_read(&stand, FHIR_XML, str_from_c(xml), &tree);

		if (!good) {
			assert_null(tree);
			assert_int_equal(stand.outcome.issues[0].code, ERR_NO_MEMORY);
		}
		stand_close(&stand);
		if (good) {
			assert_true(n > 0);
			break;
		}
	}
}

/* jansson's allocations fail one after the other. */
static size_t allocations_left;

static void *failing_malloc(size_t size)
{
	if (allocations_left == 0)
		return NULL;
	allocations_left--;
	return malloc(size);
}

static void test_fhir_xml__failure_loop_of_the_tree(void **state)
{
	(void)state;
	static const char xml[] =
		"<Patient" FHIR "><id value='p'/><text><status value='generated'/>" DIV
		"x</div></text><contained><Basic><id value='b'/></Basic></contained><active value='true'/><name><given "
		"id='a'/><given value='B'/><given id='c' value='C'><extension url='u'><valueDecimal value='1.50'/>"
		"</extension></given></name><multipleBirthInteger value='2'/></Patient>";

	for (size_t n = 0;; n++) {
		struct stand stand;
		json_t *tree = NULL;

		assert_true(n < 500);
		stand_open(&stand);
		allocations_left = n;
		json_set_alloc_funcs(failing_malloc, free);
		bool good = stand_read(&stand, FHIR_XML, str_from_c(xml), &tree);

		json_set_alloc_funcs(malloc, free);
		if (!good)
			assert_int_equal(stand.outcome.issues[0].code, ERR_NO_MEMORY);
		stand_close(&stand);
		if (good) {
			assert_true(n > 20);
			break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fhir_xml__both_ways),
		cmocka_unit_test(test_fhir_xml__writes_in_the_order_of_the_table),
		cmocka_unit_test(test_fhir_xml__reads_what_others_write),
		cmocka_unit_test(test_fhir_xml__cuts_documents_out),
		cmocka_unit_test(test_fhir_xml__refuses),
		cmocka_unit_test(test_fhir_xml__write_refuses),
		cmocka_unit_test(test_fhir_xml__lines_survive_a_cut),
		cmocka_unit_test(test_fhir_xml__depth),
		cmocka_unit_test(test_fhir_xml__failure_loop),
		cmocka_unit_test(test_fhir_xml__failure_loop_of_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
