#include "mappers/task_resource.h"

#include "mappers/base/xds_time.h"
#include "mappers/json_writer.h"

struct str task_status_word(enum task_status status)
{
	static const struct str words[TASK_STATUSES] = {
		[TASK_REQUESTED] = STR_INIT("requested"),     [TASK_ON_HOLD] = STR_INIT("on-hold"),
		[TASK_IN_PROGRESS] = STR_INIT("in-progress"), [TASK_COMPLETED] = STR_INIT("completed"),
		[TASK_FAILED] = STR_INIT("failed"),           [TASK_CANCELLED] = STR_INIT("cancelled"),
	};

	return words[status];
}

static void instant_write(struct json_writer *writer, struct str name, int64_t seconds)
{
	char instant[FHIR_INSTANT_SIZE];

	fhir_instant_from_unix(seconds, instant);
	json_member(writer, name, str_from_c(instant));
}

static void text_write(struct json_writer *writer, struct str name, struct str text)
{
	if (str_is_empty(text))
		return;
	json_member_object(writer, name);
	json_member(writer, STR("text"), text);
	json_end_object(writer);
}

static void reference_write(struct json_writer *writer, struct str name, struct str reference)
{
	if (str_is_empty(reference))
		return;
	json_member_object(writer, name);
	json_member(writer, STR("reference"), reference);
	json_end_object(writer);
}

static void input_begin(struct json_writer *writer, struct str what)
{
	json_begin_object(writer);
	text_write(writer, STR("type"), what);
}

void task_write(const struct task_facts *facts, struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("Task"));
	json_member(writer, STR("id"), facts->id);
	json_member(writer, STR("status"), task_status_word(facts->status));
	text_write(writer, STR("statusReason"), facts->reason);
	json_member(writer, STR("intent"), STR("order"));
	json_member_object(writer, STR("code"));
	json_member_array(writer, STR("coding"));
	json_begin_object(writer);
	json_member(writer, STR("system"), STR("urn:passerelle:publication"));
	json_member(writer, STR("code"), facts->kind);
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
	reference_write(writer, STR("focus"), facts->focus);
	reference_write(writer, STR("for"), facts->patient);
	instant_write(writer, STR("authoredOn"), facts->accepted_s);
	instant_write(writer, STR("lastModified"), facts->changed_s);
	json_member_array(writer, STR("input"));
	input_begin(writer, STR("back-end"));
	json_member(writer, STR("valueString"), facts->target);
	json_end_object(writer);
	input_begin(writer, STR("attempts"));
	json_key(writer, STR("valueUnsignedInt"));
	json_u64(writer, facts->attempts);
	json_end_object(writer);
	json_end_array(writer);
	json_member_array(writer, STR("output"));
	input_begin(writer, STR("answer"));
	json_member(writer, STR("valueUrl"), facts->status_url);
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
}
