#include "mappers/operation_outcome.h"

#include <stdio.h>

#include "mappers/json_writer.h"

static struct str severity_name(enum severity severity)
{
	switch (severity) {
	case SEVERITY_ERROR:
		return STR("error");
	case SEVERITY_WARNING:
		return STR("warning");
	case SEVERITY_INFORMATION:
		return STR("information");
	}
	return STR("error");
}

static void coding_write(struct json_writer *writer, const char *system, const char *code)
{
	json_begin_object(writer);
	json_member(writer, STR("system"), str_from_c(system));
	json_member(writer, STR("code"), str_from_c(code));
	json_end_object(writer);
}

static void issue_write(struct json_writer *writer, const struct issue *issue)
{
	const struct error_info *info = error_info(issue->code);

	json_begin_object(writer);
	json_member(writer, STR("severity"), severity_name(issue->severity));
	json_member(writer, STR("code"), str_from_c(info->issue_type));
	json_member_object(writer, STR("details"));
	json_member_array(writer, STR("coding"));
	if (issue->xds_code[0])
		coding_write(writer, XDS_ERROR_SYSTEM, issue->xds_code);
	coding_write(writer, PASSERELLE_ERROR_SYSTEM, info->name);
	json_end_array(writer);
	json_end_object(writer);
	json_member(writer, STR("diagnostics"), str_from_c(issue->text));
	if (issue->path[0]) {
		json_member_array(writer, STR("expression"));
		json_text(writer, str_from_c(issue->path));
		json_end_array(writer);
	}
	json_end_object(writer);
}

static void note_write(struct json_writer *writer, enum severity severity, const char *type, const char *text)
{
	json_begin_object(writer);
	json_member(writer, STR("severity"), severity_name(severity));
	json_member(writer, STR("code"), str_from_c(type));
	json_member(writer, STR("diagnostics"), str_from_c(text));
	json_end_object(writer);
}

void operation_outcome_write(const struct outcome *outcome, struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("OperationOutcome"));
	json_member_array(writer, STR("issue"));
	for (size_t i = 0; i < outcome->count; i++)
		issue_write(writer, &outcome->issues[i]);
	if (outcome->count == 0)
		note_write(writer, SEVERITY_INFORMATION, "informational", "All is well.");
	if (outcome->lost_count) {
		char text[96];

		snprintf(text, sizeof text, "Correct these first: %zu more issues are not shown.", outcome->lost_count);
		note_write(writer, outcome->has_error ? SEVERITY_ERROR : SEVERITY_WARNING, "incomplete", text);
	}
	json_end_array(writer);
	json_end_object(writer);
}
