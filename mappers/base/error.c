#include "mappers/base/error.h"

#include <stdarg.h>
#include <stdio.h>

static const struct error_info infos[] = {
#define ERROR(name, status, type, codes, retry) { #name, status, type, codes, retry },
#include "profiles/errors.def"
#undef ERROR
};

void outcome_init(struct outcome *outcome)
{
	outcome->count = 0;
	outcome->lost_count = 0;
	outcome->has_error = false;
}

/* Cuts text that was filled to the brim so that no half UTF-8 sequence stays at its end. */
static void trim_utf8(char *text)
{
	size_t size = strlen(text);
	size_t start = size;

	while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && (unsigned char)text[start - 1] >= 0xC0)
		start--;
	if (!str_is_utf8((struct str) { text + start, size - start }))
		text[start] = '\0';
}

static struct issue *issue_next(struct outcome *outcome, enum error_code code, enum severity severity)
{
	if (severity == SEVERITY_ERROR)
		outcome->has_error = true;
	if (outcome->count == OUTCOME_ISSUES_MAX) {
		outcome->lost_count++;
		/* An error must not be lost behind sixteen warnings. */
		for (size_t i = 0; severity == SEVERITY_ERROR && i < outcome->count; i++) {
			if (outcome->issues[i].severity != SEVERITY_ERROR) {
				outcome->issues[i] = (struct issue) { .code = code, .severity = severity };
				return &outcome->issues[i];
			}
		}
		return NULL;
	}
	struct issue *issue = &outcome->issues[outcome->count++];

	*issue = (struct issue) { .code = code, .severity = severity };
	return issue;
}

__attribute__((format(printf, 5, 0))) static void issue_add(struct outcome *outcome, enum error_code code,
							    enum severity severity, const char *path,
							    const char *format, va_list args)
{
	struct issue *issue = issue_next(outcome, code, severity);

	if (!issue)
		return;
	snprintf(issue->path, sizeof issue->path, "%s", path);
	vsnprintf(issue->text, sizeof issue->text, format, args);
	trim_utf8(issue->path);
	trim_utf8(issue->text);
}

bool outcome_add(struct outcome *outcome, enum error_code code, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	issue_add(outcome, code, SEVERITY_ERROR, path, format, args);
	va_end(args);
	return false;
}

bool outcome_warn(struct outcome *outcome, enum error_code code, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	issue_add(outcome, code, SEVERITY_WARNING, path, format, args);
	va_end(args);
	return true;
}

bool outcome_inform(struct outcome *outcome, enum error_code code, const char *path, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	issue_add(outcome, code, SEVERITY_INFORMATION, path, format, args);
	va_end(args);
	return true;
}

void outcome_take(struct outcome *outcome, const struct issue *issue)
{
	struct issue *taken = issue_next(outcome, issue->code, issue->severity);

	if (taken)
		*taken = *issue;
}

void outcome_drop_warnings(struct outcome *outcome)
{
	size_t kept = 0;

	for (size_t i = 0; i < outcome->count; i++) {
		if (outcome->issues[i].severity != SEVERITY_WARNING)
			outcome->issues[kept++] = outcome->issues[i];
	}
	outcome->count = kept;
}

void outcome_add_xds(struct outcome *outcome, enum severity severity, struct str xds_code, struct str code_context,
		     struct str location)
{
	struct issue *issue = issue_next(outcome, error_from_xds(xds_code), severity);

	if (!issue)
		return;
	snprintf(issue->path, sizeof issue->path, "%.*s", STR_ARG(location));
	snprintf(issue->text, sizeof issue->text, "%.*s", STR_ARG(code_context));
	snprintf(issue->xds_code, sizeof issue->xds_code, "%.*s", STR_ARG(xds_code));
	trim_utf8(issue->path);
	trim_utf8(issue->text);
	trim_utf8(issue->xds_code);
}

enum error_code error_from_xds(struct str xds_code)
{
	for (size_t i = 0; i < COUNT_OF(infos); i++) {
		struct str rest = str_from_c(infos[i].xds_codes);
		struct str name;

		while (str_next(&rest, ' ', &name)) {
			if (name.size && str_equal(name, xds_code))
				return (enum error_code)i;
		}
	}
	return ERR_BACKEND_REFUSED;
}

const char *error_to_xds(enum error_code code)
{
	/* The names end at a blank: each first name is cut out once, at compile time, by its row's position. */
	static const char *const first[] = {
		[ERR_VALUE_INVALID] = "XDSStoredQueryParamNumber",
		[ERR_PARAMETER_MISSING] = "XDSStoredQueryMissingParam",
		[ERR_TOO_COSTLY] = "XDSTooManyResults",
		[ERR_NOT_FOUND] = "XDSDocumentUniqueIdError",
		[ERR_DUPLICATE] = "XDSDuplicateUniqueIdInRegistry",
		[ERR_CONFLICT] = "XDSNonIdenticalHash",
		[ERR_METADATA_MISSING] = "XDSMissingDocumentMetadata",
		[ERR_DOCUMENT_MISSING] = "XDSMissingDocument",
		[ERR_METADATA_INVALID] = "XDSRegistryMetadataError",
		[ERR_DUPLICATE_IN_BODY] = "XDSRegistryDuplicateUniqueIdInMessage",
		[ERR_RULE] = "XDSPatientIdDoesNotMatch",
		[ERR_PATIENT_UNKNOWN] = "XDSUnknownPatientId",
		[ERR_REFERENCE_UNRESOLVED] = "UnresolvedReferenceException",
		[ERR_METHOD_UNKNOWN] = "XDSUnknownStoredQuery",
		[ERR_BUSY] = "XDSRegistryOutOfResources",
		[ERR_NO_MEMORY] = "XDSRegistryOutOfResources",
		[ERROR_CODE_COUNT] = NULL,
	};

	return first[code] ? first[code] : "XDSRegistryError";
}

const struct error_info *error_info(enum error_code code)
{
	return &infos[code];
}

int outcome_http_status(const struct outcome *outcome)
{
	int worst = 0;

	for (size_t i = 0; i < outcome->count; i++) {
		int status = infos[outcome->issues[i].code].http_status;

		if (outcome->issues[i].severity != SEVERITY_ERROR)
			continue;
		if (worst == 0 || (status >= 500 && worst < 500))
			worst = status;
	}
	if (worst)
		return worst;
	return outcome->has_error ? 500 : 200;
}
