#include "mappers/capability.h"

#include "mappers/consent_search.h"
#include "mappers/fhir_context.h"
#include "mappers/json_writer.h"
#include "mappers/patient_search.h"
#include "mappers/search_table.h"

#define STRUCTURE  IHE_MHD_BASE "StructureDefinition/"
#define CAPABILITY IHE_MHD_BASE "CapabilityStatement/"
#define CONSENT    "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent"
#define PDQM       "https://profiles.ihe.net/ITI/PDQm/"
#define PIXM       "https://profiles.ihe.net/ITI/PIXm/"

/* clang-format off */
#define TEXT(literal) { "" literal "", sizeof(literal) - 1 }
/* clang-format on */

struct route_row {
	struct str path;
	struct str transaction;
	struct str resource;
	struct str interaction;
	struct str sentence;
};

static const struct route_row routes[] = {
#define ROUTE(name, method, relative, ihe, type, code, body, text) \
	{ TEXT(relative), TEXT(ihe), TEXT(type), TEXT(code), TEXT(text) },
#include "profiles/mhd/routes.def"
#undef ROUTE
};

/* supportedProfile of what is read; submissions may have come by any profile. */
static const struct {
	struct str resource;
	struct str profile;
} supported[] = {
	{ TEXT("DocumentReference"), TEXT(STRUCTURE "IHE.MHD.Minimal.DocumentReference") },
	{ TEXT("DocumentReference"), TEXT(STRUCTURE "IHE.MHD.Comprehensive.DocumentReference") },
	{ TEXT("List"), TEXT(STRUCTURE "IHE.MHD.Minimal.SubmissionSet") },
	{ TEXT("List"), TEXT(STRUCTURE "IHE.MHD.Comprehensive.SubmissionSet") },
	{ TEXT("List"), TEXT(STRUCTURE "IHE.MHD.Minimal.Folder") },
	{ TEXT("List"), TEXT(STRUCTURE "IHE.MHD.Comprehensive.Folder") },
	{ TEXT("Consent"), TEXT(CONSENT "Basic") },
	{ TEXT("Consent"), TEXT(CONSENT "Intermediate") },
	{ TEXT("Consent"), TEXT(CONSENT "Advanced") },
	{ TEXT("Patient"), TEXT(PDQM "StructureDefinition/IHE.PDQm.Patient") },
};

/* The IHE statements that are met. The base Document Recipient and its UnContained option list the UnContained
 * transaction, so they are claimed only with it. */
static void write_instantiates(const struct capability_facts *facts, struct json_writer *writer)
{
	json_member_array(writer, STR("instantiates"));
	if (facts->comprehensive && facts->uncontained && facts->minimal)
		json_text(writer, STR(CAPABILITY "IHE.MHD.DocumentRecipient"));
	if (facts->comprehensive)
		json_text(writer, STR(CAPABILITY "IHE.MHD.DocumentRecipient.Comprehensive"));
	if (facts->comprehensive && facts->uncontained)
		json_text(writer, STR(CAPABILITY "IHE.MHD.DocumentRecipient.UnContained"));
	json_text(writer, STR(CAPABILITY "IHE.MHD.DocumentResponder"));
	if (facts->consents)
		json_text(writer, STR("https://profiles.ihe.net/ITI/PCF/CapabilityStatement/IHE.PCF.consentRegistry"));
	if (facts->cross_references && facts->feeds)
		json_text(writer, STR(PIXM "CapabilityStatement/IHE.PIXm.Manager"));
	if (facts->demographics)
		json_text(writer, STR(PDQM "CapabilityStatement/IHE.PDQm.PatientDemographicsSupplier"));
	json_end_array(writer);
}

/* What has no source behind it is not claimed. */
static bool is_served(const struct capability_facts *facts, const struct route_row *row)
{
	if (str_equal(row->resource, STR("DocumentReference")) && str_equal(row->interaction, STR("delete")))
		return facts->deletes;
	if (str_equal(row->transaction, STR("ITI-83")))
		return facts->cross_references;
	if (str_equal(row->transaction, STR("ITI-104")))
		return facts->feeds;
	if (str_equal(row->transaction, STR("ITI-78")))
		return facts->demographics || str_equal(row->interaction, STR("read"));
	return facts->demographics || !str_equal(row->transaction, STR("ITI-119"));
}

static bool is_operation(const struct route_row *row)
{
	return str_equal(row->interaction, STR("operation"));
}

static void write_search_param(struct str name, struct str definition, enum search_type type, struct str documentation,
			       struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("name"), name);
	json_member(writer, STR("definition"), definition);
	json_member(writer, STR("type"), search_type_name(type));
	json_member(writer, STR("documentation"), documentation);
	json_end_object(writer);
}

static void write_search_params(struct str resource, struct json_writer *writer)
{
	enum search_object object = str_equal(resource, STR("List")) ? SEARCH_SUBMISSION_SET : SEARCH_DOCUMENT_ENTRY;
	bool is_consent = str_equal(resource, STR("Consent"));
	bool is_patient = str_equal(resource, STR("Patient"));
	size_t count;
	const struct search_row *rows = search_rows(object, &count);

	json_member_array(writer, STR("searchParam"));
	for (size_t i = 0; is_consent && i < CONSENT_PARAMETER_COUNT; i++)
		write_search_param(consent_rows[i].name, consent_rows[i].definition, consent_rows[i].type,
				   consent_rows[i].documentation, writer);
	for (size_t i = 0; is_patient && i < PATIENT_PARAMETER_COUNT; i++)
		write_search_param(patient_rows[i].name, patient_rows[i].definition, patient_rows[i].type,
				   patient_rows[i].documentation, writer);
	for (size_t i = 0; !is_consent && !is_patient && i < count; i++) {
		if (rows[i].match != MATCH_COMMUNITY) /* the Target Communities option is not claimed */
			write_search_param(rows[i].name, rows[i].definition, rows[i].type, rows[i].documentation,
					   writer);
	}
	json_end_array(writer);
}

static void write_audit_params(struct json_writer *writer)
{
	static const struct {
		struct str name;
		struct str type;
		struct str documentation;
	} rows[] = {
#define AUDIT_PARAMETER(name, type, kind, what) { TEXT(name), TEXT(#type), TEXT(what) },
#include "profiles/balp/search.def"
	};

	json_member_array(writer, STR("searchParam"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_begin_object(writer);
		json_member(writer, STR("name"), rows[i].name);
		json_member(writer, STR("type"), rows[i].type);
		json_member(writer, STR("documentation"), rows[i].documentation);
		json_end_object(writer);
	}
	json_end_array(writer);
}

/* Each interaction once, though GET and POST _search are two routes. */
static bool is_first(size_t row)
{
	for (size_t i = 0; i < row; i++) {
		if (str_equal(routes[i].resource, routes[row].resource) &&
		    str_equal(routes[i].interaction, routes[row].interaction))
			return false;
	}
	return true;
}

/* A change of a document, where publications and changes may wait. */
static bool may_wait(const struct capability_facts *facts, const struct route_row *route)
{
	return facts->waits && str_equal(route->resource, STR("DocumentReference")) &&
	       (str_equal(route->interaction, STR("update")) || str_equal(route->interaction, STR("patch")) ||
		str_equal(route->interaction, STR("delete")));
}

static void write_interaction(const struct capability_facts *facts, const struct route_row *route,
			      struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("code"), route->interaction);
	json_key(writer, STR("documentation"));
	json_begin_text(writer);
	json_text_part(writer, route->sentence);
	if (route->transaction.size) {
		json_text_part(writer, STR(" ["));
		json_text_part(writer, route->transaction);
		json_text_part(writer, STR("]"));
	}
	if (may_wait(facts, route))
		json_text_part(writer,
			       STR("; in an outage, of what waits or was read here lately, it is accepted (202) "
				   "and made later"));
	json_end_text(writer);
	json_end_object(writer);
}

static void write_profiles(const struct capability_facts *facts, struct str resource, struct json_writer *writer)
{
	bool open = false;

	if (str_equal(resource, STR("Patient")) && !facts->demographics)
		return;
	for (size_t i = 0; i < COUNT_OF(supported); i++) {
		if (!str_equal(supported[i].resource, resource))
			continue;
		if (!open)
			json_member_array(writer, STR("supportedProfile"));
		open = true;
		json_text(writer, supported[i].profile);
	}
	if (open)
		json_end_array(writer);
}

/* The operations on a type; FHIR names them without their dollar. */
static void write_operations(const struct capability_facts *facts, struct str resource, struct json_writer *writer)
{
	static const struct {
		struct str name;
		struct str definition;
	} definitions[] = { { TEXT("ihe-pix"), TEXT(PIXM "OperationDefinition/IHE.PIXm.pix") },
			    { TEXT("match"), TEXT(PDQM "OperationDefinition/PDQmMatch") },
			    { TEXT("retry"), TEXT("urn:passerelle:operation:retry") },
			    { TEXT("resubmit"), TEXT("urn:passerelle:operation:resubmit") } };
	bool open = false;

	for (size_t i = 0; i < COUNT_OF(routes); i++) {
		struct str name = str_from(routes[i].path, str_find(routes[i].path, '$') + 1);

		if (!str_equal(routes[i].resource, resource) || !is_operation(&routes[i]) ||
		    !is_served(facts, &routes[i]) || (i > 0 && str_equal(routes[i].path, routes[i - 1].path)))
			continue;
		if (!open)
			json_member_array(writer, STR("operation"));
		open = true;
		json_begin_object(writer);
		json_member(writer, STR("name"), name);
		for (size_t k = 0; k < COUNT_OF(definitions); k++) {
			if (str_equal(definitions[k].name, name))
				json_member(writer, STR("definition"), definitions[k].definition);
		}
		json_member(writer, STR("documentation"), routes[i].sentence);
		json_end_object(writer);
	}
	if (open)
		json_end_array(writer);
}

static void write_task_params(struct json_writer *writer)
{
	json_member_array(writer, STR("searchParam"));
	write_search_param(STR("status"), STR("http://hl7.org/fhir/SearchParameter/Task-status"), SEARCH_TOKEN,
			   STR("How the publication stands."), writer);
	json_end_array(writer);
}

static void write_resource(const struct capability_facts *facts, struct str resource, struct json_writer *writer)
{
	bool searched = false;
	bool updated = false;

	json_begin_object(writer);
	json_member(writer, STR("type"), resource);
	write_profiles(facts, resource, writer);
	json_member_array(writer, STR("interaction"));
	for (size_t i = 0; i < COUNT_OF(routes); i++) {
		if (!str_equal(routes[i].resource, resource) || !is_first(i) || is_operation(&routes[i]) ||
		    !is_served(facts, &routes[i]))
			continue;
		searched = searched || str_equal(routes[i].interaction, STR("search-type"));
		updated = updated || str_equal(routes[i].transaction, STR("ITI-104"));
		write_interaction(facts, &routes[i], writer);
	}
	json_end_array(writer);
	json_member(writer, STR("versioning"),
		    str_equal(resource, STR("Consent")) ? STR("versioned") : STR("no-version"));
	if (updated) {
		json_key(writer, STR("conditionalUpdate"));
		json_bool(writer, true);
	}
	if (searched && str_equal(resource, STR("AuditEvent")))
		write_audit_params(writer);
	else if (searched && str_equal(resource, STR("Task")))
		write_task_params(writer);
	else if (searched)
		write_search_params(resource, writer);
	write_operations(facts, resource, writer);
	json_end_object(writer);
}

static bool is_first_of_resource(size_t row)
{
	for (size_t i = 0; i < row; i++) {
		if (str_equal(routes[i].resource, routes[row].resource))
			return false;
	}
	return routes[row].resource.size;
}

/* One transaction interaction per accepted profile, as the IHE statements write it. */
static void write_transactions(const struct capability_facts *facts, struct json_writer *writer)
{
	const struct {
		bool accepted;
		struct str profile;
	} profiles[] = { { facts->minimal, STR(STRUCTURE "IHE.MHD.Minimal.ProvideBundle") },
			 { facts->comprehensive, STR(STRUCTURE "IHE.MHD.Comprehensive.ProvideBundle") },
			 { facts->uncontained, STR(STRUCTURE "IHE.MHD.UnContained.Comprehensive.ProvideBundle") } };

	json_member_array(writer, STR("interaction"));
	for (size_t i = 0; i < COUNT_OF(profiles); i++) {
		if (!profiles[i].accepted)
			continue;
		json_begin_object(writer);
		json_member(writer, STR("code"), STR("transaction"));
		json_member(writer, STR("documentation"), profiles[i].profile);
		json_end_object(writer);
	}
	json_end_array(writer);
}

/* FHIR R4 CapabilityStatement.rest.security; the extension is for clients older than smart-configuration (SMART App
 * Launch 1.0). */
static void write_security(const struct capability_facts *facts, struct json_writer *writer)
{
	if (facts->is_open)
		return;
	json_member_object(writer, STR("security"));
	if (facts->token_url.size) {
		json_member_array(writer, STR("extension"));
		json_begin_object(writer);
		json_member_array(writer, STR("extension"));
		json_begin_object(writer);
		json_member(writer, STR("url"), STR("token"));
		json_member(writer, STR("valueUri"), facts->token_url);
		json_end_object(writer);
		json_end_array(writer);
		json_member(writer, STR("url"),
			    STR("http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"));
		json_end_object(writer);
		json_end_array(writer);
	}
	json_member_array(writer, STR("service"));
	json_begin_object(writer);
	json_member_array(writer, STR("coding"));
	json_begin_object(writer);
	json_member(writer, STR("system"), STR("http://terminology.hl7.org/CodeSystem/restful-security-service"));
	json_member(writer, STR("code"), STR("SMART-on-FHIR"));
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
	json_end_array(writer);
	json_end_object(writer);
}

static void write_rest(const struct capability_facts *facts, struct json_writer *writer)
{
	json_member_array(writer, STR("rest"));
	json_begin_object(writer);
	json_member(writer, STR("mode"), STR("server"));
	json_member(writer, STR("documentation"),
		    facts->uncontained
			    ? STR("IHE MHD Document Recipient and Document Responder.")
			    : STR("IHE MHD Document Recipient and Document Responder with the XDS on FHIR option."));
	write_security(facts, writer);
	json_member_array(writer, STR("resource"));
	for (size_t i = 0; i < COUNT_OF(routes); i++) {
		if (is_first_of_resource(i) && (facts->consents || !str_equal(routes[i].resource, STR("Consent"))) &&
		    (facts->waits || !str_equal(routes[i].resource, STR("Task"))))
			write_resource(facts, routes[i].resource, writer);
	}
	json_end_array(writer);
	write_transactions(facts, writer);
	json_end_object(writer);
	json_end_array(writer);
}

void capability_write(const struct capability_facts *facts, struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("CapabilityStatement"));
	json_member(writer, STR("status"), STR("active"));
	json_member(writer, STR("date"), facts->date);
	json_member(writer, STR("kind"), STR("instance"));
	write_instantiates(facts, writer);
	json_member_object(writer, STR("software"));
	json_member(writer, STR("name"), STR("Passerelle"));
	json_member(writer, STR("version"), facts->software_version);
	json_member(writer, STR("releaseDate"), facts->release_date);
	json_end_object(writer);
	json_member_object(writer, STR("implementation"));
	json_member(writer, STR("description"), STR("FHIR gateway in front of an XDS affinity domain"));
	json_member(writer, STR("url"), facts->base);
	json_end_object(writer);
	json_member(writer, STR("fhirVersion"), STR("4.0.1"));
	json_member_array(writer, STR("format"));
	json_text(writer, STR("application/fhir+json"));
	json_text(writer, STR("application/fhir+xml"));
	json_end_array(writer);
	write_rest(facts, writer);
	json_end_object(writer);
}
