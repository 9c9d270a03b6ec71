/* Mobile Patient Identifier Cross-reference Query [ITI-83], $ihe-pix, over PIXV3 Query [ITI-45] and what is remembered of
 * it. Source: PIXm 3.83, whose sentences are used where it lays them down. */
#include "gateway/access/cross_reference.h"
#include "gateway/transactions/demographics.h"
#include "gateway/transactions/identify_patient.h"
#include "mappers/base/hl7v2.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_writer.h"
#include "mappers/patient_operation.h"

#define SOURCE "sourceIdentifier"

/* What is asked, in the terms of the identity source. */
struct asked {
	struct patient_identity source;
	bool by_id;          /* the source is a Patient, not an identifier: its own identifier is an answer too */
	struct strs domains; /* OIDs of the targets that are domains */
	bool wants_id;       /* the id of the Patient here is wanted */
};

/* PIXm 3.83.4.2.2.2 */
static bool not_found(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_NOT_FOUND, SOURCE, "sourceIdentifier Patient Identifier not found");
}

/* PIXm 3.83.4.2.2.3 */
static bool domain_not_found(const struct transaction *t)
{
	return outcome_add(t->outcome, ERR_CODE_INVALID, SOURCE, "sourceIdentifier Assigning Authority not found");
}

static bool is_server(const struct transaction *t, struct str system)
{
	return str_equal(system, t->gateway->base) || (t->gateway->config->patient_identity_base.size &&
						       str_equal(system, t->gateway->config->patient_identity_base));
}

/* A Patient of this gateway or of the identity server stands for its identifier. */
static bool source_by_id(const struct transaction *t, const struct pix_question *question, struct asked *asked)
{
	const struct str prefix = STR("Patient/");
	struct patient_identifier identifier = { question->system, question->value };
	struct patient_claim claim = { .identifiers = &identifier, .identifier_count = 1, .path = SOURCE };
	struct str patient_id;
	struct hl7_cx cx;

	asked->by_id = true;
	if (str_equal(question->system, t->gateway->base))
		return (str_starts_with(question->value, prefix) &&
			identity_open(t, str_from(question->value, prefix.size), &asked->source)) ||
		       not_found(t);
	switch (identify_patient(t, &claim, false, &patient_id)) {
	case PATIENT_IDENTIFIED:
		break;
	case PATIENT_NOBODY:
		return not_found(t);
	case PATIENT_FAILED:
		return false;
	}
	if (!hl7_cx_parse(patient_id, t->south.arena, &cx))
		return no_memory(t);
	asked->source = (struct patient_identity) { cx.authority.universal_id, cx.id };
	return true;
}

static bool source_read(const struct transaction *t, const struct pix_question *question, struct asked *asked)
{
	if (is_server(t, question->system))
		return source_by_id(t, question, asked);
	switch (identity_read(t, question->system, question->value, SOURCE, &asked->source)) {
	case IDENTITY_TAKEN:
		return true;
	case IDENTITY_STRANGE:
		return domain_not_found(t);
	case IDENTITY_WRONG:
		break;
	}
	return false;
}

/* PIXm 3.83.4.2.2.4: all targets must be known. */
static bool targets_read(const struct transaction *t, const struct pix_question *question, struct asked *asked)
{
	struct system_names names = identity_names(t);

	asked->wants_id = question->targets.count == 0;
	asked->domains.items = arena_array(t->south.arena, question->targets.count, sizeof(struct str));
	if (!asked->domains.items || !names.items)
		return no_memory(t);
	for (size_t i = 0; i < question->targets.count; i++) {
		struct str system = question->targets.items[i];
		struct str authority = identifier_authority(system, &names);

		if (is_server(t, system)) {
			asked->wants_id = true;
			continue;
		}
		if (!authority.size || !identity_authority_known(t, authority))
			return outcome_add(t->outcome, ERR_DOMAIN_FORBIDDEN, "targetSystem", "targetSystem not found");
		asked->domains.items[asked->domains.count++] = authority;
		/* The Patients of this gateway are those of the affinity domain. */
		asked->wants_id =
			asked->wants_id || str_equal(authority, t->gateway->config->patient_assigning_authority);
	}
	return true;
}

static bool is_wanted(const struct pix_question *question, const struct asked *asked, struct str authority)
{
	for (size_t i = 0; i < asked->domains.count; i++) {
		if (str_equal(asked->domains.items[i], authority))
			return true;
	}
	return question->targets.count == 0;
}

static bool is_source(const struct asked *asked, const struct patient_identity *identity)
{
	return str_equal(identity->authority, asked->source.authority) &&
	       str_equal(identity->value, asked->source.value);
}

static bool all_ask(const struct transaction *t, const struct asked *asked, struct patient_identities *all)
{
	struct patient_identities found;

	switch (cross_reference_find(t->gateway->access, &t->south, &asked->source, t->now_s, &found, t->outcome)) {
	case IDENTITY_OK:
		break;
	case IDENTITY_UNKNOWN_ID:
		return not_found(t);
	case IDENTITY_UNKNOWN_SOURCE:
	case IDENTITY_UNKNOWN_TARGET:
		return domain_not_found(t);
	case IDENTITY_REFUSED:
	case IDENTITY_FAILED:
		return false;
	}
	all->items = arena_array(t->south.arena, found.count + 1, sizeof *all->items);
	if (!all->items)
		return no_memory(t);
	all->items[all->count++] = asked->source;
	for (size_t i = 0; i < found.count; i++)
		all->items[all->count++] = found.items[i];
	/* Whom a bound caller may not ask about, and whom nobody knows, look the same. */
	return demographics_visible(t, all) || not_found(t);
}

static bool answer_write(const struct transaction *t, const struct pix_question *question, const struct asked *asked,
			 const struct patient_identities *all, struct buf *answer)
{
	const struct patient_identity *known = identity_of_patient(t, all);
	struct patient_identities wanted = { .items = arena_array(t->south.arena, all->count, sizeof *wanted.items) };
	struct str reference = STR_NONE;
	struct json_writer writer;

	if (!wanted.items)
		return no_memory(t);
	for (size_t i = 0; i < all->count; i++) {
		if (is_wanted(question, asked, all->items[i].authority) &&
		    (asked->by_id || !is_source(asked, &all->items[i])))
			wanted.items[wanted.count++] = all->items[i];
	}
	if (asked->wants_id && known && !(asked->by_id && is_source(asked, known))) {
		reference = arena_printf(t->south.arena, "Patient/%.*s", STR_ARG(identity_seal(t, known)));
		if (!reference.data)
			return no_memory(t);
	}
	demographics_record(t, all);
	json_writer_init(&writer, answer);
	pix_answer_write(&wanted, reference, &writer);
	return json_writer_finish(&writer, t->outcome);
}

bool corresponding_identifiers(const struct transaction *t, const struct search_request *request, const json_t *body,
			       struct buf *answer)
{
	struct search_params params;
	struct pix_question question;
	struct asked asked = { 0 };
	struct patient_identities all = { 0 };

	if (!cross_references_are_known(t->gateway->access))
		return outcome_add(t->outcome, ERR_NOT_SUPPORTED, "", "There is no source of cross-references here.");
	if (body && (!fhir_validate(body, NULL, t->outcome) ||
		     !pix_question_from_fhir(body, t->south.arena, &question, t->outcome)))
		return false;
	if (!body && (!search_params_read(request->query, STR_NONE, t->south.arena, &params, t->outcome) ||
		      !pix_question_from_params(&params, t->south.arena, &question, t->outcome)))
		return false;
	return source_read(t, &question, &asked) && targets_read(t, &question, &asked) && all_ask(t, &asked, &all) &&
	       answer_write(t, &question, &asked, &all, answer);
}
