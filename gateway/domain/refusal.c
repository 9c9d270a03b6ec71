#include "gateway/domain/refusal.h"

#include <stdarg.h>
#include <stdio.h>

#define OBJECT_ID_SHOWN 80 /* bytes of an id that an error repeats */

bool refuse(struct outcome *outcome, const char *xds_code, struct str object_id, const char *format, ...)
{
	char text[sizeof((struct issue *)0)->text];
	int used = 0;
	va_list args;

	if (object_id.size > OBJECT_ID_SHOWN)
		object_id.size = OBJECT_ID_SHOWN;
	while (object_id.size > 0 && !str_is_utf8(object_id))
		object_id.size--;
	if (object_id.size > 0)
		used = snprintf(text, sizeof text, "Object %.*s: ", STR_ARG(object_id));
	va_start(args, format);
	vsnprintf(text + used, sizeof text - (size_t)used, format, args);
	va_end(args);
	outcome_add_xds(outcome, SEVERITY_ERROR, str_from_c(xds_code), str_from_c(text), object_id);
	return false;
}

static struct str code_of(const struct issue *issue)
{
	if (issue->xds_code[0])
		return str_from_c(issue->xds_code);
	/* Nothing is wrong with the message: the sender may try again. */
	if (error_info(issue->code)->may_retry)
		return STR("XDSRegistryOutOfResources");
	return str_from_c(error_to_xds(issue->code));
}

bool refusal_response(const struct outcome *outcome, struct arena *arena, struct registry_response *response)
{
	struct registry_error *errors = arena_array(arena, outcome->count, sizeof *errors);
	size_t count = 0;

	if (!errors)
		return false;
	for (size_t i = 0; i < outcome->count; i++) {
		const struct issue *issue = &outcome->issues[i];

		if (issue->severity == SEVERITY_INFORMATION)
			continue;
		errors[count++] = (struct registry_error) {
			.code = code_of(issue),
			.context = str_from_c(issue->text),
			.location = issue->path[0] ? str_from_c(issue->path) : STR_NONE,
			.severity = issue->severity,
		};
	}
	*response = (struct registry_response) {
		.status = outcome->has_error ? REGISTRY_FAILURE : REGISTRY_SUCCESS,
		.errors = errors,
		.error_count = count,
	};
	return true;
}
