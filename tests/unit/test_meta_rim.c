/* Registry objects -> XDS objects -> registry objects: nothing gets lost, and changes arrive. */
#include "meta_support.h"

#include <errno.h>
#include <sys/stat.h>

#include "mappers/association.h"
#include "mappers/ebrim_write.h"
#include "mappers/metadata_rim.h"
#include "mappers/unwrap.h"
#include "mappers/xds_message.h"

static struct str wrap(struct arena *arena, const char *objects)
{
	return arena_printf(arena,
			    "<lcm:SubmitObjectsRequest xmlns:lcm=\"urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0\" "
			    "xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\"><rim:RegistryObjectList>%s"
			    "</rim:RegistryObjectList></lcm:SubmitObjectsRequest>",
			    objects);
}

static void read_objects(struct str xml, struct arena *arena, struct rim_list *list)
{
	struct xds_message message;
	struct outcome outcome;

	outcome_init(&outcome);
	if (!xds_message_read(xml, NULL, arena, &message, &outcome))
		fail_msg("%s", outcome.issues[0].text);
	*list = message.objects;
}

#define SLOT(name, value) \
	"<rim:Slot name='" name "'><rim:ValueList><rim:Value>" value "</rim:Value></rim:ValueList></rim:Slot>"

/* One entry with everything that a plain struct of XDS attributes would drop. */
static const char odd_entry[] =
	"<rim:ExtrinsicObject id='urn:uuid:11111111-1111-4111-8111-111111111111' lid='urn:uuid:2' "
	"mimeType='text/plain' "
	"objectType='urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1' isOpaque='false' "
	"status='urn:oasis:names:tc:ebxml-regrep:StatusType:Approved'>" SLOT("languageCode", "de-LU") SLOT(
		"size", "11") SLOT("size", "12") SLOT("urn:example:extra", "kept")
		SLOT("urn:passerelle:fhir:date",
		     "2024-03-02T08:15:30.5+01:00") "<rim:Slot name='hash' "
						    "slotType='urn:example:type'><rim:ValueList><rim:Value>0A4D</"
						    "rim:Value></rim:ValueList>"
						    "</rim:Slot>"
						    "<rim:Name><rim:LocalizedString xml:lang='fr-LU' charset='UTF-8' "
						    "value='Lettre'/>"
						    "<rim:LocalizedString xml:lang='de-LU' value='Brief'/></rim:Name>"
						    "<rim:Description><rim:LocalizedString "
						    "value='Anmerkung'/></rim:Description>"
						    "<rim:VersionInfo versionName='3' comment='third'/>"
						    "<rim:Classification id='c1' "
						    "classifiedObject='urn:uuid:11111111-1111-4111-8111-111111111111' "
						    "classificationScheme='urn:uuid:41a5887f-8865-4c09-adf7-"
						    "e362475b143a' nodeRepresentation='A'>" SLOT(
							    "codingScheme",
							    "1.2.3") "<rim:Name><rim:LocalizedString xml:lang='en' "
								     "value='a'/><rim:LocalizedString "
								     "xml:lang='fr' "
								     "value='b'/></rim:Name></rim:Classification>"
								     "<rim:Classification id='c2' "
								     "classifiedObject='urn:uuid:11111111-1111-4111-"
								     "8111-111111111111' "
								     "classificationScheme='urn:uuid:41a5887f-8865-"
								     "4c09-adf7-e362475b143a' "
								     "nodeRepresentation='second'>" SLOT(
									     "codingScheme",
									     "1.2.3") "</rim:Classification>"
										      "<rim:Classification id='c3' "
										      "classifiedObject='urn:uuid:"
										      "11111111-1111-4111-8111-"
										      "111111111111' "
										      "classificationScheme='urn:uuid:"
										      "99999999-8865-4c09-adf7-"
										      "e362475b143a' "
										      "nodeRepresentation='unknown "
										      "scheme'/>"
										      "<rim:Classification id='c4' "
										      "classifiedObject='urn:uuid:"
										      "11111111-1111-4111-8111-"
										      "111111111111' "
										      "classificationScheme='urn:uuid:"
										      "93606bcf-9494-43ec-9b4e-"
										      "a7748d1a838d' "
										      "nodeRepresentation=''>" SLOT(
											      "authorPerson",
											      "^Muster^Petra") SLOT("au"
														    "th"
														    "or"
														    "Ro"
														    "l"
														    "e",
														    "au"
														    "th"
														    "o"
														    "r")
											      SLOT("urn:example:author",
												   "extra") "</"
													    "rim:"
													    "Classifica"
													    "tion>"
													    "<rim:"
													    "ExternalId"
													    "entifier "
													    "id='e1' "
													    "registryOb"
													    "ject='urn:"
													    "uuid:"
													    "11111111-"
													    "1111-4111-"
													    "8111-"
													    "1111111111"
													    "11' "
													    "identifica"
													    "tionScheme"
													    "='urn:"
													    "uuid:"
													    "2e82c1f6-"
													    "a085-4c72-"
													    "9da3-"
													    "8640a32e42"
													    "ab' "
													    "value='1."
													    "2.3.4'>"
													    "<rim:Name>"
													    "<rim:"
													    "LocalizedS"
													    "tring "
													    "value='"
													    "XDSDocumen"
													    "tEntry."
													    "uniqueId'/"
													    "></"
													    "rim:Name><"
													    "/rim:"
													    "ExternalId"
													    "entifier>"
													    "<rim:"
													    "ExternalId"
													    "entifier "
													    "id='e2' "
													    "registryOb"
													    "ject='urn:"
													    "uuid:"
													    "11111111-"
													    "1111-4111-"
													    "8111-"
													    "1111111111"
													    "11' "
													    "identifica"
													    "tionScheme"
													    "='urn:"
													    "uuid:"
													    "88888888-"
													    "a085-4c72-"
													    "9da3-"
													    "8640a32e42"
													    "ab' "
													    "value='"
													    "foreign'/>"
													    "</"
													    "rim:"
													    "ExtrinsicO"
													    "bject>"
													    "<rim:"
													    "RegistryPa"
													    "ckage "
													    "id='other'"
													    "><rim:"
													    "Name><rim:"
													    "LocalizedS"
													    "tring "
													    "value='no "
													    "node'/></"
													    "rim:Name><"
													    "/rim:"
													    "RegistryPa"
													    "ckage>"
													    "<rim:"
													    "ObjectRef "
													    "id='urn:"
													    "uuid:3' "
													    "home='urn:"
													    "oid:1.2'/>"
													    "<rim:"
													    "Associatio"
													    "n id='as' "
													    "associatio"
													    "nType='"
													    "urn:"
													    "example:"
													    "relation' "
													    "sourceObje"
													    "ct='a' "
													    "targetObje"
													    "ct='b'"
													    ">" SLOT(
														    "Su"
														    "bm"
														    "is"
														    "si"
														    "on"
														    "Se"
														    "tS"
														    "ta"
														    "tu"
														    "s",
														    "Or"
														    "ig"
														    "in"
														    "a"
														    "l")
														    SLOT("urn:example:more",
															 "kept") "</rim:Association>";

static void test_nothing_gets_lost(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1 << 22);
	struct outcome outcome;
	struct rim_list list, back;
	struct metadata metadata;

	outcome_init(&outcome);
	read_objects(wrap(arena, odd_entry), arena, &list);
	assert_int_equal(list.count, 4);
	assert_true(metadata_from_rim(&list, arena, &metadata, &outcome));
	assert_int_equal(metadata.document_entry_count, 1);
	assert_int_equal(metadata.other_count, 2);
	assert_int_equal(metadata.object_refs.count, 1);
	assert_int_equal(metadata.associations[0].type, ASSOCIATION_UNKNOWN);

	const struct document_entry *entry = &metadata.document_entries[0];
	assert_true(str_equal(entry->title, STR("Lettre")));
	assert_true(str_equal(entry->comments, STR("Anmerkung")));
	assert_true(str_equal(entry->version, STR("3")));
	assert_true(str_equal(entry->size, STR("11")));
	assert_true(str_equal(entry->class_code.code, STR("A")));
	assert_true(str_equal(entry->class_code.scheme, STR("1.2.3")));
	assert_true(str_equal(entry->fhir_date, STR("2024-03-02T08:15:30.5+01:00")));
	assert_int_equal(entry->authors.count, 1);
	assert_true(str_equal(entry->authors.items[0].roles.items[0], STR("author")));
	assert_int_equal(entry->extra.count, 2); /* the second size, and the unknown one */

	assert_true(metadata_to_rim(&metadata, arena, &back, &outcome));
	char *before = canonical_rim(&list);
	char *after = canonical_rim(&back);
	assert_string_equal(before, after);
	free(before);
	free(after);
	arena_free(arena);
}

static void test_changes_arrive(void **state)
{
	(void)state;
	struct arena *arena = arena_new(1 << 22);
	struct rim_list list;
	struct document_entry entry;
	struct rim_object object;

	read_objects(wrap(arena, odd_entry), arena, &list);
	assert_true(document_entry_from_rim(&list.objects[0], arena, &entry));
	entry.entry_uuid = STR("urn:uuid:new");
	entry.title = STR("Neu");
	entry.comments = STR_NONE;
	entry.hash = STR("ff");
	entry.class_code.code = STR("B");
	entry.limited_metadata = true;
	entry.unique_id = STR("1.2.3.5");
	entry.language_code = STR_NONE;
	assert_true(document_entry_to_rim(&entry, arena, &object));
	assert_true(str_equal(object.id, STR("urn:uuid:new")));
	assert_int_equal(object.name.count, 1);
	assert_true(str_equal(object.name.items[0].value, STR("Neu")));
	assert_int_equal(object.description.count, 0);
	assert_null(rim_slot_find(&object.slots, STR("languageCode")));
	assert_true(str_equal(rim_slot_find(&object.slots, STR("hash"))->values.items[0], STR("ff")));
	assert_true(str_equal(object.external_identifiers[0].value, STR("1.2.3.5")));
	/* TF-3 4.2.3.1.1: the name of an ExternalIdentifier is fixed */
	assert_true(str_equal(object.external_identifiers[0].name.items[0].value, STR("XDSDocumentEntry.uniqueId")));
	assert_true(rim_has_node(&object, STR("urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85")));
	bool found = false;
	for (size_t i = 0; i < object.classification_count; i++) {
		assert_true(str_equal(object.classifications[i].classified_object, STR("urn:uuid:new")));
		found |= str_equal(object.classifications[i].node_representation, STR("B"));
		assert_false(str_equal(object.classifications[i].node_representation, STR("A")));
	}
	assert_true(found);
	arena_free(arena);
}

static void test_allocation_failures(void **state)
{
	(void)state;
	struct arena *input = arena_new(1 << 22);
	struct rim_list list, back;
	size_t n = 0;
	bool done = false;

	read_objects(wrap(input, odd_entry), input, &list);
	for (; !done; n++) {
		struct arena *arena = arena_new(1 << 22);
		struct metadata metadata;
		struct outcome outcome;

		assert_true(n < 10000);
		outcome_init(&outcome);
		arena_fail_at(arena, n);
		done = metadata_from_rim(&list, arena, &metadata, &outcome) &&
		       metadata_to_rim(&metadata, arena, &back, &outcome);
		if (!done)
			assert_int_equal(outcome.issues[0].code, ERR_NO_MEMORY);
		arena_free(arena);
	}
	assert_true(n > 10);
	arena_free(input);
}

/* One captured message; returns the number of objects that were compared. */
static size_t round_trip(const char *path)
{
	struct arena *arena = arena_new((size_t)64 << 20);
	struct unwrapped unwrapped;
	struct xds_message message;
	struct metadata metadata;
	struct rim_list back;
	struct outcome outcome;
	size_t count = 0;

	outcome_init(&outcome);
	if (unwrap(file_read(path, arena), arena, &unwrapped, &outcome) &&
	    xds_message_read(unwrapped.root, NULL, arena, &message, &outcome) && message.objects.count) {
		assert_true(metadata_from_rim(&message.objects, arena, &metadata, &outcome));
		assert_true(metadata_to_rim(&metadata, arena, &back, &outcome));
		char *before = canonical_rim(&message.objects);
		char *after = canonical_rim(&back);
		if (strcmp(before, after) != 0)
			fail_msg("%s\n--- before\n%s\n--- after\n%s", path, before, after);
		free(before);
		free(after);
		count = message.objects.count;
	}
	arena_free(arena);
	return count;
}

static void test_corpus_round_trip(void **state)
{
	(void)state;
	static const char *const folders[] = { "iti-18", "iti-41", "iti-42", "iti-57", "iti-61", "xca" };
	char base[512];
	size_t objects = 0;
	size_t messages = 0;

	if (!shared_folder("test_corpus_round_trip", "xds/messages", base))
		skip();
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		char path[1024];
		snprintf(path, sizeof path, "%s/%s", base, folders[i]);
		DIR *folder = opendir(path);
		struct dirent *file;

		assert_non_null(folder);
		while ((file = readdir(folder))) {
			if (file->d_name[0] == '.')
				continue;
			snprintf(path, sizeof path, "%s/%s/%s", base, folders[i], file->d_name);
			size_t count = round_trip(path);
			objects += count;
			messages += count > 0;
		}
		closedir(folder);
	}
	printf("corpus: %zu objects of %zu messages came back equal\n", objects, messages);
	assert_true(messages >= 25);
	assert_true(objects >= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_gets_lost),
		cmocka_unit_test(test_changes_arrive),
		cmocka_unit_test(test_allocation_failures),
		cmocka_unit_test(test_corpus_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
