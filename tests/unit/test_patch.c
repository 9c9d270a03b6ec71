/* JSON Patch and FHIRPath Patch: what they do to a tree, and what they are refused for. Source: RFC 6902 appendix A, FHIR R4
 * fhirpatch.html. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mappers/fhir_patch.h"
#include "mappers/json_patch.h"

struct patch_case {
	const char *before;
	const char *patch;
	const char *after; /* NULL: refused */
	enum error_code code;
};

static json_t *load(const char *text)
{
	json_error_t error;
	json_t *tree = json_loads(text, JSON_DECODE_ANY, &error);

	if (!tree)
		fail_msg("%s: %s", error.text, text);
	return tree;
}

static void check(const struct patch_case *row, bool (*apply)(json_t *, const json_t *, struct outcome *))
{
	json_t *tree = load(row->before);
	json_t *patch = load(row->patch);
	json_t *after = row->after ? load(row->after) : NULL;
	struct outcome outcome;

	outcome_init(&outcome);
	if (apply(tree, patch, &outcome) != (after != NULL))
		fail_msg("%s: %s", row->patch, outcome.count ? outcome.issues[0].text : "not refused");
	if (after && !json_equal(tree, after))
		fail_msg("%s gives %s", row->patch, json_dumps(tree, 0));
	if (!after && outcome.issues[0].code != row->code)
		fail_msg("%s: %s", row->patch, error_info(outcome.issues[0].code)->name);
	json_decref(tree);
	json_decref(patch);
	json_decref(after);
}

static const struct patch_case json_cases[] = {
	{ "{'a':1}", "[]", "{'a':1}", ERR_NONE },
	/* RFC 6902 appendix A.1 to A.16 */
	{ "{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'baz':'qux','foo':'bar'}", ERR_NONE },
	{ "{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]", "{'foo':['bar','qux','baz']}",
	  ERR_NONE },
	{ "{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}", ERR_NONE },
	{ "{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['bar','baz']}", ERR_NONE },
	{ "{'baz':'qux'}", "[{'op':'replace','path':'/baz','value':'boo'}]", "{'baz':'boo'}", ERR_NONE },
	{ "{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
	  "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]",
	  "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}", ERR_NONE },
	{ "{'foo':['all','grass','cows','eat']}", "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
	  "{'foo':['all','cows','eat','grass']}", ERR_NONE },
	{ "{'baz':'qux','foo':['a',2,'c']}",
	  "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]",
	  "{'baz':'qux','foo':['a',2,'c']}", ERR_NONE },
	{ "{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]", NULL, ERR_RULE },
	{ "{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]",
	  "{'foo':'bar','child':{'grandchild':{}}}", ERR_NONE },
	{ "{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux','xyz':123}]", "{'foo':'bar','baz':'qux'}",
	  ERR_NONE },
	{ "{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", NULL, ERR_RULE },
	{ "{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]", "{'/':9,'~1':10}", ERR_NONE },
	{ "{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':'10'}]", NULL, ERR_RULE },
	{ "{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]", "{'foo':['bar',['abc','def']]}",
	  ERR_NONE },

	{ "{'a':[1,2]}", "[{'op':'copy','from':'/a/0','path':'/b'}]", "{'a':[1,2],'b':1}", ERR_NONE },
	{ "{'':{'':1}}", "[{'op':'replace','path':'//','value':2}]", "{'':{'':2}}", ERR_NONE },
	{ "{'a':[1]}", "[{'op':'add','path':'/a/2','value':2}]", NULL, ERR_RULE },
	{ "{'a':[1]}", "[{'op':'add','path':'/a/01','value':2}]", NULL, ERR_RULE },
	{ "{'a':[1]}", "[{'op':'replace','path':'/a/-','value':2}]", NULL, ERR_RULE },
	{ "{'a':[1]}", "[{'op':'remove','path':'/a/1'}]", NULL, ERR_RULE },
	{ "{'a':[1]}", "[{'op':'add','path':'/a/-1','value':2}]", NULL, ERR_RULE },
	{ "{'a':[1]}", "[{'op':'add','path':'/a/99999999999999999999','value':2}]", NULL, ERR_RULE },
	{ "{'a~b':1}", "[{'op':'remove','path':'/a~b'}]", NULL, ERR_RULE },
	{ "{'a~b':1}", "[{'op':'remove','path':'/a~2b'}]", NULL, ERR_RULE },
	{ "{'a':1}", "[{'op':'remove','path':'a'}]", NULL, ERR_RULE },
	{ "{'a':1}", "[{'op':'replace','path':'','value':{}}]", NULL, ERR_RULE },
	{ "{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a/b'}]", NULL, ERR_RULE },
	{ "{'a':1,'ab':{}}", "[{'op':'move','from':'/a','path':'/ab/a'}]", "{'ab':{'a':1}}", ERR_NONE },
	{ "{'resourceType':'A','b':{}}", "[{'op':'replace','path':'/resourceType','value':'B'}]", NULL, ERR_RULE },
	{ "{'resourceType':'A','b':{}}", "[{'op':'add','path':'/b/resourceType','value':'B'}]",
	  "{'resourceType':'A','b':{'resourceType':'B'}}", ERR_NONE },
	{ "{'a':1}", "[{'op':'remove'}]", NULL, ERR_BODY_MALFORMED },
	{ "{'a':1}", "[{'op':'add','path':'/b'}]", NULL, ERR_BODY_MALFORMED },
	{ "{'a':1}", "[{'op':'merge','path':'/a','value':1}]", NULL, ERR_BODY_MALFORMED },
	{ "{'a':1}", "['remove']", NULL, ERR_BODY_MALFORMED },
	{ "{'a':1}", "{'op':'remove','path':'/a'}", NULL, ERR_BODY_MALFORMED },
};

/* Quotes are apostrophes above. */
static struct patch_case quoted(const struct patch_case *row, char texts[3][2048])
{
	const char *from[] = { row->before, row->patch, row->after };
	struct patch_case to = { texts[0], texts[1], row->after ? texts[2] : NULL, row->code };

	for (size_t i = 0; i < 3; i++) {
		size_t size = from[i] ? strlen(from[i]) : 0;

		assert_true(size < 2048);
		for (size_t k = 0; k < size; k++)
			texts[i][k] = (char)(from[i][k] == '\'' ? '"' : from[i][k]);
		texts[i][size] = '\0';
	}
	return to;
}

static void test_json_patch(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(json_cases); i++) {
		char texts[3][2048];
		struct patch_case row = quoted(&json_cases[i], texts);

		check(&row, json_patch_apply);
	}
}

/* Few values, and long ones. */
static void test_copies_of_long_texts_are_bounded(void **state)
{
	json_t *patch = json_array();
	json_t *tree = json_object();
	char *text = malloc(1000001);
	struct outcome outcome;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 1000000);
	text[1000000] = '\0';
	json_object_set_new(tree, "a", json_pack("[s]", text));
	for (int i = 0; i < 10; i++) {
		json_array_append_new(patch, load("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}"));
		json_array_append_new(patch, load("{\"op\":\"move\",\"from\":\"/b\",\"path\":\"/a/-\"}"));
	}
	outcome_init(&outcome);
	assert_false(json_patch_apply(tree, patch, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_COSTLY);
	free(text);
	json_decref(patch);
	json_decref(tree);
}

static void test_a_patch_makes_no_monsters(void **state)
{
	json_t *patch = json_array();
	json_t *tree = load("{\"a\":[1,2,3,4]}");
	json_t *deep = load("{\"a\":{}}");
	struct outcome outcome;

	(void)state;
	for (int i = 0; i < 60; i++)
		json_array_append_new(patch, load("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}"));
	outcome_init(&outcome);
	assert_false(json_patch_apply(tree, patch, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_COSTLY);
	json_array_clear(patch);
	for (int i = 0; i < 70; i++)
		json_array_append_new(patch, load("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/b\"}"));
	outcome_init(&outcome);
	assert_false(json_patch_apply(deep, patch, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_COSTLY);
	for (int i = 0; i < 60; i++)
		json_array_append_new(patch, load("{\"op\":\"remove\",\"path\":\"/a\"}"));
	outcome_init(&outcome);
	assert_false(json_patch_apply(tree, patch, &outcome));
	assert_int_equal(outcome.issues[0].code, ERR_TOO_COSTLY);
	json_decref(patch);
	json_decref(tree);
	json_decref(deep);
}

#define OPERATION(type, path, more)                                                                              \
	"{'name':'operation','part':[{'name':'type','valueCode':'" type "'},{'name':'path','valueString':'" path \
	"'}" more "]}"
#define PATCH(operation)   "{'resourceType':'Parameters','parameter':[" operation "]}"
#define VALUE(kind, value) ",{'name':'value','value" kind "':" value "}"
#define NAME(name)         ",{'name':'name','valueString':'" name "'}"
#define NUMBER(name, n)    ",{'name':'" name "','valueInteger':" n "}"
#define DOC(members)       "{'resourceType':'DocumentReference'," members "}"

static const struct patch_case fhir_cases[] = {
	{ DOC("'status':'current'"),
	  PATCH(OPERATION("replace", "DocumentReference.status", VALUE("Code", "'superseded'"))),
	  DOC("'status':'superseded'"), ERR_NONE },
	{ DOC("'status':'current'"),
	  PATCH(OPERATION("add", "DocumentReference", NAME("description") VALUE("String", "'x'"))),
	  DOC("'status':'current','description':'x'"), ERR_NONE },
	{ DOC("'status':'current'"),
	  PATCH(OPERATION("add", "DocumentReference", NAME("category") VALUE("CodeableConcept", "{'text':'a'}"))),
	  DOC("'status':'current','category':[{'text':'a'}]"), ERR_NONE },
	{ DOC("'category':[{'text':'a'}]"),
	  PATCH(OPERATION("add", "DocumentReference", NAME("category") VALUE("CodeableConcept", "{'text':'b'}"))),
	  DOC("'category':[{'text':'a'},{'text':'b'}]"), ERR_NONE },
	{ DOC("'category':[{'text':'a'}]"),
	  PATCH(OPERATION("insert", "DocumentReference.category",
			  NUMBER("index", "0") VALUE("CodeableConcept", "{'text':'b'}"))),
	  DOC("'category':[{'text':'b'},{'text':'a'}]"), ERR_NONE },
	{ DOC("'category':[{'text':'a'},{'text':'b'}]"),
	  PATCH(OPERATION("delete", "DocumentReference.category[0]", "")), DOC("'category':[{'text':'b'}]"), ERR_NONE },
	{ DOC("'status':'current','category':[{'text':'a'}]"),
	  PATCH(OPERATION("delete", "DocumentReference.category[0]", "")), DOC("'status':'current'"), ERR_NONE },
	{ DOC("'status':'current'"), PATCH(OPERATION("delete", "DocumentReference.description", "")),
	  DOC("'status':'current'"), ERR_NONE },
	{ DOC("'category':[{'text':'a'},{'text':'b'},{'text':'c'}]"),
	  PATCH(OPERATION("move", "DocumentReference.category", NUMBER("source", "2") NUMBER("destination", "0"))),
	  DOC("'category':[{'text':'c'},{'text':'a'},{'text':'b'}]"), ERR_NONE },
	{ DOC("'content':[{'attachment':{'title':'a'}}]"),
	  PATCH(OPERATION("replace", "DocumentReference.content.attachment.title", VALUE("String", "'b'"))),
	  DOC("'content':[{'attachment':{'title':'b'}}]"), ERR_NONE },
	{ DOC("'content':[{'attachment':{'title':'a'}}]"),
	  PATCH(OPERATION("replace", "DocumentReference.content[0].attachment.title", VALUE("String", "'b'"))),
	  DOC("'content':[{'attachment':{'title':'b'}}]"), ERR_NONE },

	{ DOC("'content':[{},{}]"),
	  PATCH(OPERATION("replace", "DocumentReference.content.attachment", VALUE("Attachment", "{}"))), NULL,
	  ERR_RULE },
	{ DOC("'category':[{'text':'a'},{'text':'b'}]"), PATCH(OPERATION("delete", "DocumentReference.category", "")),
	  NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("add", "DocumentReference", NAME("status") VALUE("Code", "'x'"))),
	  NULL, ERR_RULE },
	{ DOC("'status':'current'"),
	  PATCH(OPERATION("add", "DocumentReference", NAME("nonsense") VALUE("Code", "'x'"))), NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("replace", "DocumentReference.status[0]", VALUE("Code", "'x'"))),
	  NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("replace", "DocumentReference.status.x", VALUE("Code", "'x'"))),
	  NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("replace", "DocumentReference", VALUE("Code", "'x'"))), NULL,
	  ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("delete", "DocumentReference", "")), NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("delete", "DocumentReferenceX.status", "")), NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("delete", "DocumentReference.", "")), NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("delete", "DocumentReference.resourceType", "")), NULL, ERR_RULE },
	{ DOC("'category':[{}]"), PATCH(OPERATION("delete", "DocumentReference.category[", "")), NULL, ERR_RULE },
	{ DOC("'category':[{}]"), PATCH(OPERATION("delete", "DocumentReference.category[x]", "")), NULL, ERR_RULE },
	{ DOC("'category':[{}]"), PATCH(OPERATION("delete", "DocumentReference.category.first()", "")), NULL,
	  ERR_RULE },
	{ DOC("'category':[{}]"),
	  PATCH(OPERATION("insert", "DocumentReference.category", NUMBER("index", "2") VALUE("CodeableConcept", "{}"))),
	  NULL, ERR_RULE },
	{ DOC("'category':[{}]"),
	  PATCH(OPERATION("move", "DocumentReference.category", NUMBER("source", "-1") NUMBER("destination", "0"))),
	  NULL, ERR_RULE },
	{ DOC("'status':'current'"), PATCH(OPERATION("replace", "DocumentReference.status", "")), NULL,
	  ERR_BODY_MALFORMED },
	{ DOC("'content':[{}]"),
	  PATCH(OPERATION("add", "DocumentReference", NAME("content") ",{'name':'value','part':[{'name':'x'}]}")), NULL,
	  ERR_NOT_SUPPORTED },
	{ DOC("'status':'current'"), PATCH(OPERATION("explode", "DocumentReference.status", "")), NULL,
	  ERR_BODY_MALFORMED },
	{ DOC("'status':'current'"), PATCH("{'name':'other'}"), NULL, ERR_BODY_MALFORMED },
	{ DOC("'status':'current'"), DOC("'status':'current'"), NULL, ERR_BODY_MALFORMED },
};

static void test_fhirpath_patch(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(fhir_cases); i++) {
		char texts[3][2048];
		struct patch_case row = quoted(&fhir_cases[i], texts);

		check(&row, fhir_patch_apply);
	}
}

struct check_case {
	const char *patch;
	enum error_code code; /* ERR_NONE: it could be applied somewhere */
};

static void check_rows(const struct check_case *rows, size_t count, bool (*judge)(const json_t *, struct outcome *))
{
	for (size_t i = 0; i < count; i++) {
		char text[2048];
		struct outcome outcome;
		json_t *patch;

		snprintf(text, sizeof text, "%s", rows[i].patch);
		for (char *at = text; (at = strchr(at, '\'')) != NULL;)
			*at = '"';
		patch = load(text);
		outcome_init(&outcome);
		if (judge(patch, &outcome) != (rows[i].code == ERR_NONE))
			fail_msg("%s: %s", rows[i].patch, outcome.count ? outcome.issues[0].text : "not refused");
		assert_int_equal(outcome.count ? outcome.issues[0].code : ERR_NONE, rows[i].code);
		json_decref(patch);
	}
}

static void test_json_patch__checked_without_a_tree(void **state)
{
	static const struct check_case rows[] = {
		{ "[]", ERR_NONE },
		{ "[{'op':'add','path':'/no/such/place','value':null},{'op':'remove','path':'/a'}]", ERR_NONE },
		{ "[{'op':'move','from':'/a','path':'/b'},{'op':'test','path':'/a','value':1}]", ERR_NONE },
		{ "{'op':'remove','path':'/a'}", ERR_BODY_MALFORMED },
		{ "[1]", ERR_BODY_MALFORMED },
		{ "[{'op':'explode','path':'/a'}]", ERR_BODY_MALFORMED },
		{ "[{'op':'remove'}]", ERR_BODY_MALFORMED },
		{ "[{'op':'remove','path':'a'}]", ERR_BODY_MALFORMED },
		{ "[{'op':'remove','path':''}]", ERR_BODY_MALFORMED },
		{ "[{'op':'copy','path':'/a'}]", ERR_BODY_MALFORMED },
		{ "[{'op':'replace','path':'/a'}]", ERR_BODY_MALFORMED },
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows), json_patch_check);
}

static void test_fhirpath_patch__checked_without_a_resource(void **state)
{
	static const struct check_case rows[] = {
		{ PATCH(OPERATION("delete", "DocumentReference.no.such", "")), ERR_NONE },
		{ PATCH(OPERATION("explode", "DocumentReference.status", "")), ERR_BODY_MALFORMED },
		{ PATCH("{'name':'other'}"), ERR_BODY_MALFORMED },
		{ DOC("'status':'current'"), ERR_BODY_MALFORMED },
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows), fhir_patch_check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_patch),
		cmocka_unit_test(test_a_patch_makes_no_monsters),
		cmocka_unit_test(test_copies_of_long_texts_are_bounded),
		cmocka_unit_test(test_fhirpath_patch),
		cmocka_unit_test(test_json_patch__checked_without_a_tree),
		cmocka_unit_test(test_fhirpath_patch__checked_without_a_resource),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
