#include "gateway/access/consent.h"

#include <stdlib.h>

#include "gateway/access/consents.h"
#include "gateway/access/directory_source.h"
#include "gateway/run/config_set.h"
#include "mappers/base/hl7v2.h"
#include "mappers/consent_match.h"

/* The order of the names of consent.source and consent.default. */
enum { SOURCE_AUTO, SOURCE_DIRECTORY, SOURCE_NONE };
enum { DEFAULT_DENY, DEFAULT_PERMIT };
enum { OTHERS_EXPLICIT, OTHERS_DEFAULT };

struct consent {
	const struct consents *consents;
	struct consent_question question;
	struct consent_answer answers[CONSENT_SOURCES_MAX];
	enum consent_extent extent; /* of all sources together */
	struct consent_decision decision;
};

/* Where another system decides. */
static const struct consent everything = { .extent = CONSENT_EVERY_DOCUMENT,
					   .decision = { .permit = true, .reason = CONSENT_BY_DEFAULT } };
static const struct consent nothing = { .extent = CONSENT_NO_DOCUMENT, .decision = { .reason = CONSENT_UNAVAILABLE } };

/* Deny overrides; what one source leaves to the documents, all leave to them. */
static void answer_combine(struct consent *consent, const struct consent_answer *answer, bool is_first)
{
	if (consent->extent == CONSENT_NO_DOCUMENT && !is_first)
		return;
	if (is_first || answer->extent == CONSENT_NO_DOCUMENT ||
	    (answer->extent == CONSENT_EVERY_DOCUMENT && consent->extent == CONSENT_EVERY_DOCUMENT &&
	     consent->decision.reason == CONSENT_BY_DEFAULT))
		consent->decision = answer->decision;
	if (is_first || answer->extent != CONSENT_EVERY_DOCUMENT)
		consent->extent = answer->extent;
}

const struct consent *consent_ask(struct access *access, const struct south *south, const struct caller *caller,
				  enum consent_action action, struct str patient_id, bool is_patient, int64_t now_s)
{
	const struct consents *consents = access->consents;
	struct consent *consent;

	if (consents->source_count == 0)
		return &everything;
	consent = arena_alloc(south->arena, sizeof(*consent));
	if (!consent)
		return &nothing;
	consent->consents = consents;
	consent->question = (struct consent_question) {
		.south = south,
		.request = { .caller = caller, .action = action, .is_patient = is_patient, .now_s = now_s },
	};
	if (!hl7_cx_normalise(patient_id, south->arena, &consent->question.request.patient_id))
		return &nothing;
	consent->question.request.has_care_relationship =
		care_holds(consents->care, caller, consent->question.request.patient_id, south->arena);
	for (size_t i = 0; i < consents->source_count; i++) {
		const struct consent_source *source = &consents->sources[i];

		source->ask(source->ctx, &consent->question, &consent->answers[i]);
		answer_combine(consent, &consent->answers[i], i == 0);
	}
	return consent;
}

enum consent_extent consent_extent_of(const struct consent *consent, struct consent_decision *decision)
{
	*decision = consent->decision;
	return consent->extent;
}

static void entry_decide(const struct consent *consent, const struct document_entry *entry,
			 struct consent_decision *decision)
{
	*decision = consent->decision;
	if (consent->extent != CONSENT_BY_DOCUMENT)
		return;
	for (size_t i = 0; i < consent->consents->source_count; i++) {
		const struct consent_source *source = &consent->consents->sources[i];
		const struct consent_answer *answer = &consent->answers[i];

		if (answer->extent == CONSENT_BY_DOCUMENT)
			source->decide(source->ctx, &consent->question, answer, entry, decision);
		else
			*decision = answer->decision;
		if (!decision->permit)
			return;
	}
}

void consent_decide_entry(const struct consent *consent, const struct document_entry *entry,
			  struct consent_decision *decision)
{
	entry_decide(consent, entry, decision);
	if (!consent->consents)
		return;
	decision->hospital = consent_hospital_of(&consent->consents->policy.hospitals, entry);
	if (consent_hospital_is_unknown(&consent->consents->policy.hospitals, entry))
		decision->hospital = STR("an unknown hospital"); /* no tenant's name has spaces */
}

bool consent_is_makers(const struct access *access, const struct caller *caller, const struct document_entry *entry)
{
	const struct consent_request request = { .caller = caller };
	const struct consent_facts facts = { &access->consents->policy, &request, entry, OUTLOOK_DOCUMENT };

	return access->consents->source_count == 0 || caller->kind == CALLER_PATIENT || consent_is_producer(&facts);
}

bool consent_claims(const struct access *access, const struct document_entry *entry,
		    const struct document_entry *before, size_t *author)
{
	return consent_hospital_is_claimed(&access->consents->policy.hospitals, entry, before, author);
}

const struct consent_client *consent_directory(const struct access *access)
{
	return access->consents->directory ? directory_source_client(access->consents->directory) : NULL;
}

enum consent_written consent_change(struct access *access, const struct south *south, const struct consent_write *write,
				    struct consent_stored *stored, struct outcome *outcome)
{
	struct consent_write normalised = *write;

	if (!hl7_cx_normalise(write->patient_id, south->arena, &normalised.patient_id)) {
		outcome_add(outcome, ERR_PATIENT_UNKNOWN, "Consent.patient", "Name a patient of the affinity domain.");
		return CONSENT_REFUSED;
	}
	return directory_source_change(access->consents->directory, south, &normalised, stored, outcome);
}

/* Whose documents can be told: all tenants'. */
static bool hospitals_make(const struct config *config, struct arena *arena, struct consent_hospitals *hospitals)
{
	size_t count = config->set ? config->set->count : 0;
	struct consent_hospital *items = arena_array(arena, count, sizeof(*items));
	struct strs communities = { .items = arena_array(arena, config->back_ends.count, sizeof(struct str)) };

	for (size_t i = 0; communities.items && i < config->back_ends.count; i++) {
		const struct config_back_end *back_end = &config->back_ends.items[i];

		if (back_end->kind == CONFIG_KIND_XCA)
			communities.items[communities.count++] = back_end->home_community_id;
	}
	for (size_t i = 0; items && i < count; i++) {
		const struct config *tenant = &config->set->tenants[i];

		items[i] = (struct consent_hospital) { .name = tenant->tenant,
						       .organizations = { tenant->organizations.items,
									  tenant->organizations.count },
						       .is_own = str_equal(tenant->tenant, config->tenant) };
	}
	*hospitals = (struct consent_hospitals) { items, count, communities };
	return items && communities.items;
}

static struct consent_policy policy_make(const struct config *config)
{
	return (struct consent_policy) {
		.default_permit = config->consent_default == DEFAULT_PERMIT,
		.require_care_relationship = config->consent_require_care_relationship,
		.normal_only_by_default = config->consent_normal_only,
		.break_glass_roles = { config->consent_break_glass_roles.items,
				       config->consent_break_glass_roles.count },
		.break_glass_restricted = config->consent_break_glass_restricted,
		.producer_reads_own = config->consent_producer_reads_own,
		.provider_system = config->consent_provider_system,
		.others_explicit = config->consent_other_hospitals == OTHERS_EXPLICIT,
	};
}

static bool directory_open(struct access *access, struct consents *consents, struct outcome *outcome)
{
	const struct config *config = access->config;
	const struct directory_source_options options = {
		.config = config, .policy = &consents->policy, .cache = access->cache, .last_known = access->last_known
	};

	if (!directory_source_open(&options, &consents->directory, outcome))
		return false;
	consents->sources[consents->source_count++] = directory_source(consents->directory);
	return true;
}

/* Nobody's will is ignored by leaving a key out. */
static bool directory_is_wanted(const struct config *config)
{
	return config->consent_source == SOURCE_DIRECTORY ||
	       (config->consent_source == SOURCE_AUTO && !config->access_anonymous);
}

bool consent_config_check(const struct config *config, bool *wanted, struct outcome *outcome)
{
	*wanted = directory_is_wanted(config);
	return !*wanted || (config->consent_directory_url.size && config->consent_secret.size) ||
	       outcome_add(outcome, ERR_PARAMETER_MISSING, "consent.source",
			   "Set consent.directory_url and consent.secret_file; or consent.source to none, when another "
			   "system decides what patients consent to.");
}

bool consents_open(struct access *access, struct consents **consents, struct outcome *outcome)
{
	struct consents *opened = arena_alloc(access->arena, sizeof(*opened));
	bool has_directory;

	if (!opened)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	opened->policy = policy_make(access->config);
	if (!hospitals_make(access->config, access->arena, &opened->policy.hospitals))
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Start again when memory is free.");
	if (!care_read(&access->config->consent_care_relationships, access->arena, &opened->care, outcome) ||
	    !consent_config_check(access->config, &has_directory, outcome) ||
	    (has_directory && !directory_open(access, opened, outcome)))
		return false;
	*consents = opened;
	return true;
}

void consents_close(struct consents *consents)
{
	if (consents)
		directory_source_close(consents->directory);
}
