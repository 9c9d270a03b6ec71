/* One error, from the bottom to the OperationOutcome: a code, where (FHIRPath or the name of a parameter), and a
 * sentence that tells the reader what to do. Fixed size, so that reporting an error needs no memory. */
#ifndef PASSERELLE_ERROR_H
#define PASSERELLE_ERROR_H

#include "mappers/base/str.h"

enum error_code {
#define ERROR(name, ...) name,
#include "profiles/errors.def"
#undef ERROR
	ERROR_CODE_COUNT
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_INFORMATION };

struct error_info {
	const char *name; /* "ERR_METADATA_MISSING" */
	int http_status;
	const char *issue_type;
	const char *xds_codes;
	bool may_retry;
};

struct issue {
	enum error_code code;
	enum severity severity;
	char path[160];    /* FHIRPath, parameter or ebRIM place; may be empty */
	char text[320];    /* one sentence without patient data */
	char xds_code[64]; /* the registry's own code when it came from one, otherwise empty */
	bool is_partial;   /* a warning here, an error of a registry that had a part of the answer all the same */
};

#define OUTCOME_ISSUES_MAX 16

struct outcome {
	struct issue issues[OUTCOME_ISSUES_MAX];
	size_t count;      /* issues kept */
	size_t lost_count; /* issues that did not fit */
	bool has_error;    /* at least one of severity error, kept or lost */
};

void outcome_init(struct outcome *outcome);

/* Adds an issue of severity error; path and format are printf-free of patient data. Always returns false, so that a
 * caller may write: return outcome_add(outcome, ...). Text that does not fit is cut at a character border. */
bool outcome_add(struct outcome *outcome, enum error_code code, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same with severity warning or information; returns true. */
bool outcome_warn(struct outcome *outcome, enum error_code code, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
bool outcome_inform(struct outcome *outcome, enum error_code code, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds an issue as it is, from another outcome. */
void outcome_take(struct outcome *outcome, const struct issue *issue);

/* Leaves out the warnings: what would have been stored otherwise than sent says nothing once nothing is stored. */
void outcome_drop_warnings(struct outcome *outcome);

/* An issue that a registry sent: its own error code is kept beside ours. codeContext must already be harmless. */
void outcome_add_xds(struct outcome *outcome, enum severity severity, struct str xds_code, struct str code_context,
		     struct str location);

/* The row that names this XDS error code; ERR_BACKEND_REFUSED for one that nobody knows. */
enum error_code error_from_xds(struct str xds_code);

/* The first XDS code of the row, or "XDSRegistryError" for a row without one. */
const char *error_to_xds(enum error_code code);

const struct error_info *error_info(enum error_code code);

/* HTTP status of the worst error: any 5xx over 4xx, otherwise the first one's; 200 without an error. */
int outcome_http_status(const struct outcome *outcome);

#endif
