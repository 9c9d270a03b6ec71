#include "mappers/provide_read.h"

#include <stdarg.h>
#include <stdio.h>

#include "mappers/fhir_mark.h"
#include "mappers/list_resource.h"

#define METHOD_POST  1u
#define METHOD_PUT   2u
#define METHOD_GET   4u
#define METHOD_PATCH 8u

/* Closed slicing of MHD 4.2.4 ProvideBundle; the resource type, and for Lists List.code, says the slice. */
static const struct slice {
	struct str type;
	enum list_kind list;
	enum provide_role role;
	unsigned methods;
} slices[] = {
	{ { "List", 4 }, LIST_SUBMISSION_SET, ROLE_SUBMISSION_SET, METHOD_POST },
	{ { "List", 4 }, LIST_FOLDER, ROLE_FOLDER, METHOD_POST | METHOD_PUT },
	{ { "DocumentReference", 17 }, LIST_OTHER, ROLE_DOCUMENT_REFERENCE, METHOD_POST },
	{ { "Parameters", 10 }, LIST_OTHER, ROLE_STATUS_UPDATE, METHOD_PATCH },
	{ { "Binary", 6 }, LIST_OTHER, ROLE_BINARY, METHOD_POST },
	{ { "Patient", 7 }, LIST_OTHER, ROLE_PATIENT, METHOD_GET | METHOD_POST | METHOD_PUT },
	{ { "Practitioner", 12 }, LIST_OTHER, ROLE_FROZEN, METHOD_GET | METHOD_POST | METHOD_PUT },
	{ { "PractitionerRole", 16 }, LIST_OTHER, ROLE_FROZEN, METHOD_GET | METHOD_POST | METHOD_PUT },
	{ { "Organization", 12 }, LIST_OTHER, ROLE_FROZEN, METHOD_GET | METHOD_POST | METHOD_PUT },
	{ { "Device", 6 }, LIST_OTHER, ROLE_FROZEN, METHOD_GET | METHOD_POST | METHOD_PUT },
	{ { "RelatedPerson", 13 }, LIST_OTHER, ROLE_FROZEN, METHOD_GET | METHOD_POST | METHOD_PUT },
};

static const struct {
	struct str name; /* last part of the URL */
	enum provide_profile profile;
} profiles[] = {
	{ { "IHE.MHD.Minimal.ProvideBundle", 29 }, PROVIDE_MINIMAL },
	{ { "IHE.MHD.Comprehensive.ProvideBundle", 35 }, PROVIDE_COMPREHENSIVE },
	{ { "IHE.MHD.UnContained.Comprehensive.ProvideBundle", 47 }, PROVIDE_UNCONTAINED },
	/* as clients written for earlier versions of MHD spell them */
	{ { "IHE_MHD_Provide_Minimal_DocumentBundle", 38 }, PROVIDE_MINIMAL },
	{ { "IHE_MHD_Provide_Comprehensive_DocumentBundle", 44 }, PROVIDE_COMPREHENSIVE },
};

const char *provide_path(struct arena *arena, const char *format, ...)
{
	char text[sizeof((struct issue *)0)->path];
	struct str copy;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	copy = arena_copy(arena, str_from_c(text));
	return copy.data ? copy.data : "Bundle";
}

struct str provide_resource_type(const json_t *resource)
{
	return fhir_text(json_object_get(resource, "resourceType"));
}

bool provide_no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Retry later.");
}

static bool profile_of(struct str url, enum provide_profile *profile)
{
	static const struct str fronts[] = { { "https://profiles.ihe.net/ITI/MHD/StructureDefinition/", 53 },
					     { "http://profiles.ihe.net/ITI/MHD/StructureDefinition/", 52 },
					     { "http://ihe.net/fhir/StructureDefinition/", 40 } };

	url.size = str_find(url, '|'); /* a version may follow */
	for (size_t i = 0; i < COUNT_OF(fronts); i++) {
		if (!str_starts_with(url, fronts[i]))
			continue;
		for (size_t j = 0; j < COUNT_OF(profiles); j++) {
			if (str_equal(str_from(url, fronts[i].size), profiles[j].name)) {
				*profile = profiles[j].profile;
				return true;
			}
		}
	}
	return false;
}

static bool is_accepted(const struct provide_rules *rules, enum provide_profile profile)
{
	switch (profile) {
	case PROVIDE_MINIMAL:
		return rules->accept_minimal;
	case PROVIDE_COMPREHENSIVE:
		return rules->accept_comprehensive;
	case PROVIDE_UNCONTAINED:
		return rules->accept_uncontained;
	}
	return false;
}

/* Of several accepted profiles all must be met: Comprehensive is the strictest, UnContained the next. */
static unsigned strictness(enum provide_profile profile)
{
	switch (profile) {
	case PROVIDE_MINIMAL:
		return 1;
	case PROVIDE_UNCONTAINED:
		return 2;
	case PROVIDE_COMPREHENSIVE:
		return 3;
	}
	return 0;
}

bool provide_read_profile(struct provide_reading *reading)
{
	const json_t *urls = json_object_get(json_object_get(reading->bundle, "meta"), "profile");
	bool known = false;
	bool accepted = false;

	if (!str_equal(provide_resource_type(reading->bundle), STR("Bundle")))
		return outcome_add(reading->outcome, ERR_METADATA_INVALID, "", "Send a Bundle of type transaction.");
	if (!str_equal(fhir_text(json_object_get(reading->bundle, "type")), STR("transaction")))
		return outcome_add(reading->outcome, ERR_METADATA_INVALID, "Bundle.type",
				   "Send a Bundle of type transaction.");
	if (json_object_get(reading->bundle, "implicitRules"))
		return outcome_add(reading->outcome, ERR_NOT_SUPPORTED, "Bundle.implicitRules",
				   "Leave out implicitRules; they are not known here.");
	for (size_t i = 0; i < json_array_size(urls) && i < PROVIDE_ENTRIES_MAX; i++) {
		enum provide_profile profile;

		if (!profile_of(fhir_text(json_array_get(urls, i)), &profile))
			continue;
		known = true;
		if (is_accepted(reading->rules, profile) &&
		    (!accepted || strictness(profile) > strictness(reading->out->profile))) {
			reading->out->profile = profile;
			accepted = true;
		}
	}
	if (accepted)
		return true;
	return outcome_add(reading->outcome, known ? ERR_NOT_SUPPORTED : ERR_METADATA_MISSING, "Bundle.meta.profile",
			   known ? "Publish by a profile that this gateway accepts; GET [base]/metadata lists them."
				 : "Name the MHD profile of the Bundle in meta.profile, for instance "
				   "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
				   "IHE.MHD.Comprehensive.ProvideBundle");
}

static unsigned method_of(struct str method)
{
	if (str_equal(method, STR("POST")))
		return METHOD_POST;
	if (str_equal(method, STR("PUT")))
		return METHOD_PUT;
	if (str_equal(method, STR("GET")))
		return METHOD_GET;
	if (str_equal(method, STR("PATCH")))
		return METHOD_PATCH;
	return 0;
}

/* What a GET without a resource asks for stands in its URL. */
static struct str type_of(const struct provide_entry *entry)
{
	struct str type = entry->url;

	if (entry->resource)
		return provide_resource_type(entry->resource);
	type.size = str_find(type, '/');
	return type;
}

static bool refuse_entry(struct provide_reading *reading, const struct provide_entry *entry, struct str type)
{
	if (str_equal(type, STR("Bundle"))) {
		outcome_add_xds(reading->outcome, SEVERITY_ERROR, STR("FHIRDocumentNotSupported"),
				STR("Send the document as a Binary; document Bundles are not published by this "
				    "gateway."),
				str_from_c(entry->path));
		return false;
	}
	if (str_equal(type, STR("List")))
		return outcome_add(reading->outcome, ERR_METADATA_INVALID,
				   provide_path(reading->arena, "%s.resource.code", entry->path),
				   "Give the List the code submissionset or folder of the MHD list types.");
	return outcome_add(reading->outcome, ERR_METADATA_INVALID,
			   provide_path(reading->arena, "%s.resource", entry->path),
			   "Leave out this entry; the profile of the Bundle has no place for it.");
}

/* request.url of a POST is the resource type; PUT, PATCH and GET name the instance (checked where it is used). */
static bool check_request(struct provide_reading *reading, const struct provide_entry *entry, const json_t *request,
			  struct str type)
{
	static const char *const conditions[] = { "ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist" };
	struct str url = entry->url;

	for (size_t i = 0; i < COUNT_OF(conditions); i++) {
		if (json_object_get(request, conditions[i]) && entry->role != ROLE_PATIENT)
			return outcome_add(reading->outcome, ERR_NOT_SUPPORTED,
					   provide_path(reading->arena, "%s.request.%s", entry->path, conditions[i]),
					   "Leave out this condition; publications are not conditional.");
	}
	if (entry->role == ROLE_STATUS_UPDATE)
		return true;
	if (!str_equal(entry->method, STR("POST")))
		return url.size || outcome_add(reading->outcome, ERR_METADATA_MISSING,
					       provide_path(reading->arena, "%s.request.url", entry->path),
					       "Name what the request is about.");
	if (str_equal(url, type) || (str_starts_with(url, reading->rules->base) && str_ends_with(url, type)))
		return true;
	return outcome_add(reading->outcome, ERR_METADATA_INVALID,
			   provide_path(reading->arena, "%s.request.url", entry->path),
			   "Give the request the type of its resource as URL.");
}

static bool read_role(struct provide_reading *reading, struct provide_entry *entry, const json_t *request)
{
	struct str type = type_of(entry);
	enum list_kind list = str_equal(type, STR("List")) ? list_kind_of(entry->resource) : LIST_OTHER;
	const struct slice *slice = NULL;

	for (size_t i = 0; i < COUNT_OF(slices) && !slice; i++) {
		if (str_equal(slices[i].type, type) && slices[i].list == list)
			slice = &slices[i];
	}
	if (slice && slice->role == ROLE_FROZEN && reading->out->profile == PROVIDE_COMPREHENSIVE)
		slice = NULL; /* contained there, or not at all */
	if (!slice)
		return refuse_entry(reading, entry, type);
	entry->role = slice->role;
	if (!(method_of(entry->method) & slice->methods))
		return outcome_add(reading->outcome, ERR_METADATA_INVALID,
				   provide_path(reading->arena, "%s.request.method", entry->path),
				   slice->methods & METHOD_PATCH   ? "Use the method PATCH for this entry."
				   : slice->methods == METHOD_POST ? "Use the method POST for this entry."
								   : "Use the method POST or PUT for this entry.");
	if (entry->role == ROLE_FOLDER && str_equal(entry->method, STR("PUT")))
		entry->role = ROLE_FOLDER_UPDATE;
	return check_request(reading, entry, request, type);
}

/* Elements that may turn a meaning round are not ours to ignore (FHIR R4 2.4.0.2). Those of Lists and DocumentReferences
 * are found when they are mapped. */
static bool check_modifiers(struct provide_reading *reading, const struct provide_entry *entry, const json_t *json)
{
	const json_t *places[] = { json, json_object_get(json, "request"),
				   entry->role == ROLE_SUBMISSION_SET || entry->role == ROLE_FOLDER ||
						   entry->role == ROLE_FOLDER_UPDATE ||
						   entry->role == ROLE_DOCUMENT_REFERENCE
					   ? NULL
					   : entry->resource };

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		if (json_object_get(places[i], "modifierExtension") || json_object_get(places[i], "implicitRules"))
			return outcome_add(reading->outcome, ERR_NOT_SUPPORTED, entry->path,
					   "Leave out modifierExtension and implicitRules; they are not known here.");
	}
	return true;
}

static bool read_entry(struct provide_reading *reading, size_t i, json_t *json)
{
	struct provide_entry *entry = &reading->out->entries[i];
	const json_t *request = json_object_get(json, "request");

	*entry = (struct provide_entry) {
		.resource = json_object_get(json, "resource"),
		.full_url = fhir_text(json_object_get(json, "fullUrl")),
		.method = fhir_text(json_object_get(request, "method")),
		.url = fhir_text(json_object_get(request, "url")),
		.path = provide_path(reading->arena, "Bundle.entry[%zu]", i),
	};
	if (!json_is_object(request))
		return outcome_add(reading->outcome, ERR_METADATA_MISSING,
				   provide_path(reading->arena, "%s.request", entry->path),
				   "Add request.method and request.url.");
	if (!json_is_object(entry->resource) && !str_equal(entry->method, STR("GET")))
		return outcome_add(reading->outcome, ERR_METADATA_MISSING,
				   provide_path(reading->arena, "%s.resource", entry->path), "Add the resource.");
	return read_role(reading, entry, request) && check_modifiers(reading, entry, json);
}

/* fullUrl is how entries speak of each other, so each may stand there once. */
static bool check_full_urls(struct provide_reading *reading)
{
	const struct provide_bundle *out = reading->out;

	for (size_t i = 0; i < out->entry_count; i++) {
		if (out->entries[i].full_url.size == 0)
			continue;
		for (size_t j = 0; j < i; j++) {
			if (str_equal(out->entries[i].full_url, out->entries[j].full_url))
				return outcome_add(reading->outcome, ERR_DUPLICATE_IN_BODY,
						   provide_path(reading->arena, "%s.fullUrl", out->entries[i].path),
						   "Give each entry a fullUrl of its own.");
		}
	}
	return true;
}

/* Exactly one SubmissionSet, at most one Patient. */
static bool check_counts(struct provide_reading *reading)
{
	struct provide_bundle *out = reading->out;
	size_t sets = 0;
	size_t patients = 0;

	for (size_t i = 0; i < out->entry_count; i++) {
		if (out->entries[i].role == ROLE_SUBMISSION_SET) {
			out->submission_set = i;
			if (++sets > 1)
				return outcome_add(reading->outcome, ERR_RULE, out->entries[i].path,
						   "Send one SubmissionSet List per Bundle.");
		}
		if (out->entries[i].role == ROLE_PATIENT && ++patients > 1)
			return outcome_add(reading->outcome, ERR_RULE, out->entries[i].path,
					   "Send at most one Patient per Bundle.");
		out->document_count += out->entries[i].role == ROLE_DOCUMENT_REFERENCE ? 1 : 0;
		out->folder_count +=
			out->entries[i].role == ROLE_FOLDER || out->entries[i].role == ROLE_FOLDER_UPDATE ? 1 : 0;
	}
	if (sets)
		return true;
	return outcome_add(reading->outcome, ERR_METADATA_MISSING, "Bundle.entry",
			   "Add a List with the code submissionset (the SubmissionSet).");
}

bool provide_read_entries(struct provide_reading *reading)
{
	json_t *entries = json_object_get(reading->bundle, "entry");
	size_t count = json_array_size(entries);
	bool good = true;

	if (count > PROVIDE_ENTRIES_MAX)
		return outcome_add(reading->outcome, ERR_TOO_COSTLY, "Bundle.entry",
				   "Send at most %d entries per Bundle.", PROVIDE_ENTRIES_MAX);
	reading->out->entries = arena_array(reading->arena, count, sizeof *reading->out->entries);
	if (!reading->out->entries)
		return provide_no_memory(reading->outcome);
	reading->out->entry_count = count;
	for (size_t i = 0; i < count; i++)
		good = read_entry(reading, i, json_array_get(entries, i)) && good;
	if (!good)
		return false;
	return check_counts(reading) && check_full_urls(reading);
}
