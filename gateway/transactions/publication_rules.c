#include "gateway/transactions/publication_rules.h"

#include "gateway/run/code_sets_file.h"
#include "mappers/code_system.h"

/* "system|code|display" of the configuration. */
static struct code default_code(struct str text)
{
	struct code code = { 0 };
	struct str part;

	if (str_is_empty(text))
		return code;
	if (str_next(&text, '|', &part))
		code.scheme = code_system_scheme(str_trim(part));
	if (str_next(&text, '|', &part))
		code.code = str_trim(part);
	if (str_next(&text, '|', &part))
		code.display = str_trim(part);
	return code;
}

struct provide_defaults publication_defaults(const struct config *config, const struct code_sets *sets)
{
	struct provide_defaults defaults = {
		.class_code = default_code(config->defaults_class_code),
		.type_code = default_code(config->defaults_type_code),
		.format_code = default_code(config->defaults_format_code),
		.confidentiality_code = default_code(config->defaults_confidentiality_code),
		.facility_type_code = default_code(config->defaults_facility_type_code),
		.practice_setting_code = default_code(config->defaults_practice_setting_code),
		.content_type_code = default_code(config->defaults_content_type_code),
		.language_code = config->defaults_language_code,
		.folder_title = STR("Folder"),
	};

	if (code_sets_allow(sets, STR("codeList"), defaults.content_type_code.code, defaults.content_type_code.scheme))
		defaults.folder_code = defaults.content_type_code;
	return defaults;
}

static bool defaults_check(const struct config *config, const struct code_sets *sets, struct outcome *outcome)
{
	const struct provide_defaults defaults = publication_defaults(config, NULL);
	const struct code language = { .code = defaults.language_code };
	const struct {
		const char *key;
		struct str attribute;
		const struct code *code;
	} rows[] = {
		{ "defaults.class_code", STR("classCode"), &defaults.class_code },
		{ "defaults.type_code", STR("typeCode"), &defaults.type_code },
		{ "defaults.format_code", STR("formatCode"), &defaults.format_code },
		{ "defaults.confidentiality_code", STR("confidentialityCode"), &defaults.confidentiality_code },
		{ "defaults.facility_type_code", STR("healthcareFacilityTypeCode"), &defaults.facility_type_code },
		{ "defaults.practice_setting_code", STR("practiceSettingCode"), &defaults.practice_setting_code },
		{ "defaults.content_type_code", STR("contentTypeCode"), &defaults.content_type_code },
		{ "defaults.language_code", STR("languageCode"), &language },
	};
	bool ok = true;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct code *code = rows[i].code;

		if (code->code.size && !code_sets_allow(sets, rows[i].attribute, code->code, code->scheme))
			ok = outcome_add(outcome, ERR_CODE_NOT_ALLOWED, rows[i].key,
					 "Choose a code that code_sets_file allows for %.*s.",
					 STR_ARG(rows[i].attribute));
	}
	return ok;
}

bool allowed_codes_read(const struct config *config, struct arena *arena, const struct code_sets **sets,
			struct outcome *outcome)
{
	*sets = NULL;
	if (str_is_empty(config->code_sets_file))
		return true;
	return code_sets_file_read(config->code_sets_file.data, "code_sets_file", arena, sets, outcome) &&
	       defaults_check(config, *sets, outcome);
}
