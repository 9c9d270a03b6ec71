#include "mappers/registry_response.h"

#include "mappers/base/uuid.h"

#define NS_RS          "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
#define STATUS_OASIS   "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
#define STATUS_IHE     "urn:ihe:iti:2007:ResponseStatusType:"
#define SEVERITY_OASIS "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"

enum registry_status registry_status_read(struct str urn)
{
	static const struct {
		struct str name;
		enum registry_status status;
	} names[] = {
		{ STR_INIT("Success"), REGISTRY_SUCCESS },
		{ STR_INIT("Failure"), REGISTRY_FAILURE },
		{ STR_INIT("PartialSuccess"), REGISTRY_PARTIAL_SUCCESS },
		{ STR_INIT("Warning"), REGISTRY_SUCCESS },
	};
	struct str word = str_without_prefix(str_without_prefix(urn, STR(STATUS_OASIS)), STR(STATUS_IHE));

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (str_equal(word, names[i].name))
			return names[i].status;
	}
	return REGISTRY_STATUS_UNKNOWN;
}

/* The URN that TF-3 4.2.4.2 has. */
static struct str registry_status_urn(enum registry_status status)
{
	switch (status) {
	case REGISTRY_SUCCESS:
		return STR(STATUS_OASIS "Success");
	case REGISTRY_PARTIAL_SUCCESS:
		return STR(STATUS_IHE "PartialSuccess");
	case REGISTRY_FAILURE:
	case REGISTRY_STATUS_UNKNOWN:
		break;
	}
	return STR(STATUS_OASIS "Failure");
}

static struct str severity_urn(enum severity severity)
{
	return severity == SEVERITY_ERROR ? STR(SEVERITY_OASIS "Error") : STR(SEVERITY_OASIS "Warning");
}

static enum severity highest_severity(const struct registry_response *response)
{
	for (size_t i = 0; i < response->error_count; i++) {
		if (response->errors[i].severity == SEVERITY_ERROR)
			return SEVERITY_ERROR;
	}
	return SEVERITY_WARNING;
}

void registry_response_write_inside(struct xml_writer *writer, const struct registry_response *response)
{
	xml_attribute(writer, STR("xmlns:rs"), STR(NS_RS));
	xml_attribute(writer, STR("status"), registry_status_urn(response->status));
	if (response->error_count == 0)
		return;
	xml_begin(writer, STR("rs:RegistryErrorList"));
	xml_attribute(writer, STR("highestSeverity"), severity_urn(highest_severity(response)));
	for (size_t i = 0; i < response->error_count; i++) {
		const struct registry_error *error = &response->errors[i];

		xml_begin(writer, STR("rs:RegistryError"));
		xml_attribute(writer, STR("errorCode"), error->code.data ? error->code : STR("XDSRegistryError"));
		xml_attribute(writer, STR("codeContext"), error->context.data ? error->context : STR(""));
		xml_attribute(writer, STR("severity"), severity_urn(error->severity));
		xml_attribute(writer, STR("location"), error->location.size ? error->location : STR_NONE);
		xml_end(writer);
	}
	xml_end(writer);
}

void registry_response_write(struct xml_writer *writer, const struct registry_response *response)
{
	xml_begin(writer, STR("rs:RegistryResponse"));
	registry_response_write_inside(writer, response);
	xml_end(writer);
}

/* Registries are known to write stack traces and file names here: of the context its first line is passed on, of the
 * location the id of an object, of the code a name. */
static struct str first_line(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		if ((unsigned char)text.data[i] < ' ')
			return (struct str) { text.data, i };
	}
	return text;
}

static struct str name_only(struct str code)
{
	for (size_t i = 0; i < code.size; i++) {
		char c = code.data[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
		    c != '.' && c != ':' && c != '_')
			return STR("XDSRegistryError");
	}
	return code;
}

bool registry_response_check(const struct registry_response *response, struct outcome *outcome)
{
	bool partial = response->status == REGISTRY_PARTIAL_SUCCESS;
	bool has_error = false;

	for (size_t i = 0; i < response->error_count; i++) {
		const struct registry_error *error = &response->errors[i];
		bool is_error = error->severity == SEVERITY_ERROR;

		has_error = has_error || is_error;
		outcome_add_xds(outcome, is_error && !partial ? SEVERITY_ERROR : SEVERITY_WARNING,
				name_only(error->code), first_line(error->context),
				uuid_valid(error->location) ? error->location : STR_NONE);
		if (partial && is_error && outcome->count > 0 && outcome->lost_count == 0)
			outcome->issues[outcome->count - 1].is_partial = true;
	}
	if (partial || (response->status == REGISTRY_SUCCESS && !has_error))
		return true;
	if (!has_error)
		outcome_add_xds(outcome, SEVERITY_ERROR, STR("XDSRegistryError"),
				STR("The back-end refused without saying why: ask its operator."), STR_NONE);
	return false;
}
