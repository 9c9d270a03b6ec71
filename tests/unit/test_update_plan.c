/* Plans of changes and removals: what the messages say, and that the embedded registry takes them. */
#include "domain_stand.h"

#include "mappers/metadata_rim.h"
#include "mappers/update_plan.h"

#define DOC       "urn:uuid:00000000-0000-4000-8000-0000000000a1"
#define DOC_2     "urn:uuid:00000000-0000-4000-8000-0000000000a2"
#define SET_2     "urn:uuid:00000000-0000-4000-8000-0000000000c2"
#define LINK_2    "urn:uuid:00000000-0000-4000-8000-0000000000d2"
#define LINK_3    "urn:uuid:00000000-0000-4000-8000-0000000000d3"
#define BY_LID    SLOT("$XDSDocumentEntryLogicalID", "('" DOC "')")
#define DOCUMENTS "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
#define TWO_TITLES                                                                                     \
	"<rim:Name><rim:LocalizedString value='Fictional letter'/><rim:LocalizedString xml:lang='fr' " \
	"value='Lettre'/></rim:Name>"

static struct submission_set set_of_change(void)
{
	return (struct submission_set) { .entry_uuid = STR(SET_2),
					 .unique_id = STR("2.999.9.2"),
					 .source_id = STR("2.999.8"),
					 .content_type_code = { STR("content"), STR("2.999.6"), STR("content") },
					 .patient_id = STR("P-001^^^&2.999.1&ISO"),
					 .submission_time = STR("20260402120000") };
}

/* The message that a text holds. */
static const struct xds_message *read_message(struct domain_stand *stand, struct str text)
{
	struct xds_message *message = arena_alloc(stand->arena, sizeof *message);

	outcome_init(&stand->outcome);
	if (!xds_message_read(text, NULL, stand->arena, message, &stand->outcome))
		fail_msg("%s", stand->outcome.issues[0].text);
	return message;
}

/* Registers one entry, with a slot of another standard and a title in two languages, and reads it as a client does. */
static const struct document_entry *registered(struct domain_stand *stand)
{
	struct metadata *metadata = arena_alloc(stand->arena, sizeof *metadata);
	char *text = edited(SET("set", "2.999.9.1", PATIENT_ONE) ENTRY(DOC, "2.999.10.1", PATIENT_ONE, HASH_ONE)
				    MEMBER("m", "set", DOC, "Original"),
			    "<rim:Name><rim:LocalizedString value='Fictional letter'/></rim:Name>", TWO_TITLES);
	char *more = edited(text, SLOT("size", "12"), SLOT("size", "12") SLOT("urn:example:extra", "kept"));
	struct query_answer answer;

	assert_string_equal(stand_submit(stand, more), "Success");
	free(more);
	free(text);
	assert_string_equal(stand_query(stand, DOCUMENTS, BY_LID, &answer), "Success");
	assert_int_equal(answer.rows.count, 1);
	struct str list =
		arena_printf(stand->arena,
			     "<lcm:SubmitObjectsRequest xmlns:lcm='urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0' "
			     "xmlns:rim='urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0'><rim:RegistryObjectList>"
			     "%.*s</rim:RegistryObjectList></lcm:SubmitObjectsRequest>",
			     STR_ARG(answer.rows.items[0].rim));

	assert_true(metadata_from_rim(&read_message(stand, list)->objects, stand->arena, metadata, &stand->outcome));
	assert_int_equal(metadata->document_entry_count, 1);
	return &metadata->document_entries[0];
}

/* Takes the plan's one message as ITI-57 would. */
static const char *apply(struct domain_stand *stand, const struct update_plan *plan)
{
	struct str body = plan->steps[0].body;
	const char *begin = strstr(body.data, "<rim:RegistryObjectList>") + strlen("<rim:RegistryObjectList>");
	const char *end = strstr(body.data, "</rim:RegistryObjectList>");

	assert_int_equal(plan->step_count, 1);
	assert_int_equal(plan->steps[0].kind, UPDATE_METADATA);
	return stand_send(stand, arena_printf(stand->arena, "%.*s", (int)(end - begin), begin).data, true);
}

static const struct association *association_in(const struct metadata *metadata, enum association_type type)
{
	for (size_t i = 0; i < metadata->association_count; i++) {
		if (metadata->associations[i].type == type)
			return &metadata->associations[i];
	}
	fail_msg("no such association");
	return NULL;
}

static void test_a_new_version_says_what_changed_and_keeps_the_rest(void **state)
{
	struct domain_stand *stand = *state;
	const struct document_entry *current = registered(stand);
	struct document_entry changed = *current;
	struct submission_set set = set_of_change();
	struct update_change change = { .current = current,
					.changed = &changed,
					.set = &set,
					.entry_uuid = STR(DOC_2),
					.association_uuids = { STR_INIT(LINK_2), STR_INIT(LINK_3) } };
	struct update_plan plan;
	struct metadata metadata;

	assert_true(update_plan_is_empty(current, &changed, stand->arena));
	changed.comments = STR("Seen again");
	/* What makes it this document is not taken from the change. */
	changed.hash = STR("ffffffffffffffffffffffffffffffffffffffff");
	changed.unique_id = STR("2.999.10.99");
	changed.patient_id = STR("P-002^^^&2.999.1&ISO");
	assert_false(update_plan_is_empty(current, &changed, stand->arena));
	assert_true(update_plan_change(&change, stand->arena, &plan, &stand->outcome));
	assert_true(str_equal(plan.patient_id, current->patient_id));

	assert_true(metadata_from_rim(&read_message(stand, plan.steps[0].body)->objects, stand->arena, &metadata,
				      &stand->outcome));
	assert_int_equal(metadata.document_entry_count, 1);
	const struct document_entry *entry = &metadata.document_entries[0];

	assert_true(str_equal(entry->entry_uuid, STR(DOC_2)));
	assert_true(str_equal(entry->logical_id, STR(DOC)));
	assert_true(str_equal(entry->comments, STR("Seen again")));
	assert_true(str_equal(entry->hash, STR(HASH_ONE)));
	assert_true(str_equal(entry->unique_id, STR("2.999.10.1")));
	assert_true(str_equal(entry->patient_id, current->patient_id));
	assert_true(str_is_empty(entry->version) && str_is_empty(entry->availability_status));
	assert_int_equal(entry->origin->name.count, 2);
	assert_int_equal(entry->extra.count, 1);
	/* parts of the new version are no parts of the old one */
	for (size_t i = 0; i < entry->origin->classification_count; i++) {
		assert_true(str_starts_with(entry->origin->classifications[i].id, STR(DOC_2)));
		assert_true(str_equal(entry->origin->classifications[i].classified_object, STR(DOC_2)));
	}
	const struct association *member = association_in(&metadata, ASSOCIATION_HAS_MEMBER);

	assert_true(str_equal(member->source, STR(SET_2)) && str_equal(member->target, STR(DOC_2)));
	assert_true(str_equal(member->previous_version, STR("1")));
	assert_true(str_equal(member->submission_set_status, STR("Original")));
	assert_int_equal(metadata.association_count, 1);

	assert_string_equal(apply(stand, &plan), "Success");
	assert_string_equal(apply(stand, &plan), "XDSRegistryMetadataError");
}

static void test_a_status_alone_makes_no_version(void **state)
{
	struct domain_stand *stand = *state;
	struct submission_set set = set_of_change();
	struct update_change change = { .current = registered(stand),
					.new_status = STR(STATUS_DEPRECATED),
					.set = &set,
					.association_uuids = { STR_INIT(LINK_2), STR_INIT(LINK_3) } };
	struct update_plan plan;
	struct metadata metadata;

	assert_true(update_plan_change(&change, stand->arena, &plan, &stand->outcome));
	assert_true(metadata_from_rim(&read_message(stand, plan.steps[0].body)->objects, stand->arena, &metadata,
				      &stand->outcome));
	assert_int_equal(metadata.document_entry_count, 0);
	const struct association *status = association_in(&metadata, ASSOCIATION_UPDATE_STATUS);

	assert_true(str_equal(status->target, STR(DOC)));
	assert_true(str_equal(status->original_status, STR(STATUS_APPROVED)));
	assert_true(str_equal(status->new_status, STR(STATUS_DEPRECATED)));
	assert_string_equal(apply(stand, &plan), "Success");
}

static void test_both_at_once_lead_to_the_new_version(void **state)
{
	struct domain_stand *stand = *state;
	const struct document_entry *current = registered(stand);
	struct document_entry changed = *current;
	struct submission_set set = set_of_change();
	struct update_change change = { .current = current,
					.changed = &changed,
					.new_status = STR(STATUS_DEPRECATED),
					.set = &set,
					.entry_uuid = STR(DOC_2),
					.association_uuids = { STR_INIT(LINK_2), STR_INIT(LINK_3) } };
	struct update_plan plan;
	struct query_answer answer;

	changed.title = STR("Another title");
	assert_true(update_plan_change(&change, stand->arena, &plan, &stand->outcome));
	assert_string_equal(apply(stand, &plan), "Success");
	assert_string_equal(stand_query(stand, DOCUMENTS, BY_LID, &answer), "Success");
	assert_int_equal(answer.rows.count, 1);
	assert_true(str_equal(answer.rows.items[0].uuid, STR(DOC_2)));
	assert_true(answer.rows.items[0].deprecated);
}

static void test_a_removal_names_all_and_then_the_bytes(void **state)
{
	struct domain_stand *stand = *state;
	struct str ids[] = { STR_INIT(DOC), STR_INIT(LINK_2) };
	const struct strs list = { ids, COUNT_OF(ids) };
	const struct document_request document = { .repository_unique_id = STR("2.999.2"),
						   .document_unique_id = STR("2.999.10.1") };
	const struct xds_message *message;
	struct update_plan plan;

	assert_true(update_plan_removal(STR("P-001^^^&2.999.1&ISO"), &list, &document, stand->arena, &plan,
					&stand->outcome));
	assert_int_equal(plan.step_count, 2);
	message = read_message(stand, plan.steps[0].body);
	assert_int_equal(message->kind, XDS_REMOVE_REQUEST);
	assert_int_equal(message->object_refs.count, 2);
	assert_true(str_equal(message->object_refs.items[1], STR(LINK_2)));
	message = read_message(stand, plan.steps[1].body);
	assert_int_equal(plan.steps[1].kind, REMOVE_DOCUMENTS);
	assert_true(str_equal(plan.steps[1].repository_unique_id, STR("2.999.2")));
	assert_int_equal(message->kind, XDS_REMOVE_DOCUMENTS_REQUEST);
	assert_int_equal(message->request_count, 1);
	assert_true(str_equal(message->requests[0].document_unique_id, STR("2.999.10.1")));
	assert_true(
		update_plan_removal(STR("P-001^^^&2.999.1&ISO"), &list, NULL, stand->arena, &plan, &stand->outcome));
	assert_int_equal(plan.step_count, 1);
}

static void test_version_numbers_are_read_as_registries_write_them(void **state)
{
	static const struct {
		const char *version;
		const char *number;
	} cases[] = { { "1", "1" }, { "12", "12" }, { "1.1", "1" }, { "", "1" }, { "draft", "1" } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_true(
			str_equal(update_version_number(str_from_c(cases[i].version)), str_from_c(cases[i].number)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, domain_stand_open, domain_stand_close)
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_version_says_what_changed_and_keeps_the_rest),
		TEST(test_a_status_alone_makes_no_version),
		TEST(test_both_at_once_lead_to_the_new_version),
		TEST(test_a_removal_names_all_and_then_the_bytes),
		TEST(test_version_numbers_are_read_as_registries_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
