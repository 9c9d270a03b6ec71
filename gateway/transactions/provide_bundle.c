/* Provide Document Bundle [ITI-65] over Provide and Register Document Set-b [ITI-41]: read, resolve what the Bundle only
 * names, fix all identifiers, send once, and be sure how it ended before answering.
 * Source: MHD 4.2.4 3.65.4.1, ITI TF-2 3.41. */
#include "mappers/provide_bundle.h"

#include <assert.h>

#include "gateway/access/known_document.h"
#include "gateway/delivery/share.h"
#include "gateway/run/random.h"
#include "gateway/run/spool.h"
#include "gateway/south/fhir_fetch.h"
#include "gateway/transactions/identify_patient.h"
#include "gateway/transactions/provide_targets.h"
#include "gateway/transactions/publication.h"
#include "gateway/transactions/publication_rules.h"
#include "gateway/transactions/resources.h"
#include "mappers/base/base64.h"
#include "mappers/base/uuid.h"
#include "mappers/base/xds_time.h"
#include "mappers/fhir_validate.h"
#include "mappers/json_tree.h"
#include "mappers/provide_fill.h"

static bool rules_make(const struct transaction *t, struct provide_defaults *defaults, struct provide_rules *rules)
{
	const struct config *config = t->gateway->config;

	*defaults = publication_defaults(config, t->gateway->code_sets);
	*rules = (struct provide_rules) {
		.accept_minimal = config->profiles & CONFIG_MINIMAL,
		.accept_comprehensive = config->profiles & CONFIG_COMPREHENSIVE,
		.accept_uncontained = config->profiles & CONFIG_UNCONTAINED,
		.fill_minimal = config->minimal_policy == CONFIG_MINIMAL_FILL,
		.limited_metadata = t->source->config->metadata_level == CONFIG_LEVEL_MINIMAL,
		.defaults = defaults,
		.code_sets = t->gateway->code_sets,
		.default_offset_minutes = config->default_timezone,
		.base = t->gateway->base,
	};
	if (config->organizations.count && !provide_institution(config->organizations.items[0], config->tenant,
								t->south.arena, &defaults->institution))
		return no_memory(t);
	return true;
}

/* A Patient that this gateway gave an id to: the identifier that the id stands for is all that is known of it. */
static bool own_patient(const struct transaction *t, struct str id, json_t **patient)
{
	struct patient_identity identity;
	struct str system;

	if (!identity_open(t, id, &identity))
		return false;
	system = arena_printf(t->south.arena, "urn:oid:%.*s", STR_ARG(identity.authority));
	*patient = system.data ? json_pack("{s:s,s:[{s:s%,s:s%}]}", "resourceType", "Patient", "identifier", "system",
					   system.data, system.size, "value", identity.value.data, identity.value.size)
			       : NULL;
	return json_tree_keep(t->south.arena, *patient);
}

/* Reads what the Bundle refers to outside of it. Patient/{id} of ours is one that we named, or one of the identity
 * source. */
static enum fhir_fetched external_fetch(const struct transaction *t, const struct provide_external *external,
					json_t **resource)
{
	const struct config_strs *configured = &t->gateway->config->patient_reference_bases;
	struct str identity = t->gateway->config->patient_identity_base;
	struct strs bases = { configured->items, configured->count };
	struct str base = t->gateway->base;
	struct str url = external->url;

	if (str_starts_with(url, base) && str_starts_with(str_from(url, base.size), STR("/Patient/"))) {
		struct str id = str_from(url, base.size + sizeof("/Patient/") - 1);

		if (own_patient(t, id, resource))
			return FHIR_FETCHED;
		url = arena_printf(t->south.arena, "%.*s/Patient/%.*s", STR_ARG(identity), STR_ARG(id));
		bases = (struct strs) { &identity, identity.size ? 1 : 0 };
	}
	return url.data ? fhir_fetch(&t->south, url, &bases, external->path, resource, t->outcome) : FHIR_FETCH_NOTHING;
}

/* UnContained: what the Bundle refers to elsewhere is read now and frozen into the metadata. MHD 4.2.4 3.65.4.1.2 */
static bool externals_fetch(const struct transaction *t, struct provide_bundle *bundle)
{
	struct transaction asking = *t;
	bool ok = true;

	asking.south.deadline = publication_question_deadline(t);

	/* The count may grow: a PractitionerRole refers to a Practitioner. */
	for (size_t i = 0; i < bundle->external_count; i++) {
		const struct provide_external *external = &bundle->externals[i];
		json_t *resource = NULL;

		switch (external_fetch(&asking, external, &resource)) {
		case FHIR_FETCHED:
			ok = provide_bundle_fetched(bundle, i, resource, t->south.arena, t->outcome) && ok;
			break;
		case FHIR_FETCH_NOTHING:
			ok = outcome_add(t->outcome, ERR_REFERENCE_UNRESOLVED, external->path,
					 "Contain the resource, put it into the Bundle, or refer to one on a server "
					 "that this gateway may read.");
			break;
		case FHIR_FETCH_FAILED:
			return false;
		}
	}
	return ok;
}

/* What a publication that cannot wait is answered with. */
static bool unresolvable(const struct transaction *t, const struct provide_bundle *bundle)
{
	return outcome_add(t->outcome, ERR_BACKEND_DOWN, bundle->claims[0].path,
			   "It cannot be found out now who the patient is: name one by an identifier of the system "
			   "urn:oid:%.*s, or try again later.",
			   STR_ARG(t->gateway->config->patient_assigning_authority));
}

/* A patient whom nobody can tell now stays as named, everywhere in the same words: who is bound to one patient could speak
 * of another, and two names could be two people. */
static bool patients_named(const struct transaction *t, const struct provide_bundle *bundle,
			   const struct str *patient_ids)
{
	struct outcome about;

	outcome_init(&about);
	for (size_t i = 1; i < bundle->claim_count; i++) {
		if (!str_equal(patient_ids[i], patient_ids[0]))
			return unresolvable(t, bundle);
	}
	return visit_about(t->visit, STR_NONE, &about) || unresolvable(t, bundle);
}

static enum identified identify_claim(const struct transaction *t, const struct patient_claim *claim,
				      struct publication *publication, struct str *patient_id)
{
	struct strs *unresolved = &publication->unresolved;
	struct strs named;
	struct strs both;
	enum identified end;
	bool is_unresolved;

	if (publication->task.data || !publications_may_wait_undecided(t))
		return identify_patient(t, claim, false, patient_id);
	end = identify_patient_later(t, claim, t->south.deadline, &named, &is_unresolved, patient_id);
	if (named.count > 0)
		publication->alias = named.items[0];
	if (!is_unresolved)
		return end;
	both.items = arena_array(t->south.arena, unresolved->count + named.count, sizeof(struct str));
	if (!both.items) {
		no_memory(t);
		return PATIENT_FAILED;
	}
	for (size_t i = 0; i < unresolved->count; i++)
		both.items[i] = unresolved->items[i];
	for (size_t i = 0; i < named.count; i++)
		both.items[unresolved->count + i] = named.items[i];
	both.count = unresolved->count + named.count;
	*unresolved = both;
	publication->is_undecided = true;
	return end;
}

static bool patients_resolve(const struct transaction *t, struct publication *publication)
{
	const struct provide_bundle *bundle = publication->bundle;
	struct str *patient_ids = arena_array(t->south.arena, bundle->claim_count, sizeof(*patient_ids));
	struct transaction asking = *t;
	bool ok = true;

	if (!patient_ids)
		return no_memory(t);
	asking.south.deadline = publication_question_deadline(t);
	for (size_t i = 0; i < bundle->claim_count; i++) {
		switch (identify_claim(&asking, &bundle->claims[i], publication, &patient_ids[i])) {
		case PATIENT_IDENTIFIED:
			ok = (publication->unresolved.count > 0 || visit_about(t->visit, patient_ids[i], t->outcome)) &&
			     ok;
			break;
		case PATIENT_NOBODY:
			/* Whom a bound caller may not speak about, and whom nobody knows, look the same. */
			ok = visit_about(t->visit, STR_NONE, t->outcome) &&
			     outcome_add(t->outcome, ERR_PATIENT_UNKNOWN, bundle->claims[i].path,
					 "No patient is known here by this: name one by an identifier of the system "
					 "urn:oid:%.*s.",
					 STR_ARG(t->gateway->config->patient_assigning_authority));
			break;
		case PATIENT_FAILED:
			return false;
		}
	}
	publication->resolved.patient_ids = patient_ids;
	return ok && (publication->unresolved.count == 0 || patients_named(t, bundle, patient_ids));
}

/* May the caller publish this? Where nobody can tell now, and it may wait for that, it is decided when it is delivered. */
static bool consent_admit(const struct transaction *t, struct publication *publication)
{
	const struct metadata *metadata = &publication->metadata;
	bool may_wait = !publication->task.data && publications_may_wait_undecided(t);
	bool ok;

	if (publication->unresolved.count > 0)
		return true;
	visit_until(t->visit, publication_question_deadline(t));
	ok = visible_may_publish(t->visit, metadata->submission_sets[0].patient_id, metadata->document_entries,
				 metadata->document_entry_count, may_wait ? &publication->is_undecided : NULL,
				 t->outcome);
	visit_until(t->visit, t->south.deadline);
	return ok;
}

/* All identifiers are fixed before the first byte is sent: who repeats or asks later means the same submission. */
static bool identifiers_fix(const struct transaction *t, const struct provide_bundle *bundle,
			    struct provide_resolved *resolved)
{
	struct str *uuids = arena_array(t->south.arena, bundle->uuid_count, sizeof(*uuids));
	char now[XDS_TIME_SIZE];

	if (!uuids)
		return no_memory(t);
	for (size_t i = 0; i < bundle->uuid_count; i++) {
		uuids[i] = random_uuid(t->south.arena);
		if (!uuids[i].data)
			return no_memory(t);
	}
	xds_time_from_unix(t->now_s, now);
	resolved->uuids = uuids;
	resolved->now = arena_copy(t->south.arena, str_from_c(now));
	return resolved->now.data || no_memory(t);
}

/* A short document stands in the tree as base64. */
static struct spool *inline_document(const struct transaction *t, struct str base64)
{
	struct spool *spool;
	struct str bytes;

	if (!base64_decode(base64, t->south.arena, &bytes))
		return NULL;
	spool = spool_new(t->gateway->spools, bytes.size, true);
	if (!spool || !arena_defer(t->south.arena, spool_release, spool))
		return NULL;
	return spool_write(spool, bytes.data, bytes.size) == SPOOL_OK && spool_finish(spool) ? spool : NULL;
}

/* Holds hash and size that the client claims against the bytes, and says which bytes belong to which entry. outgoing: NULL,
 * or what was made of the same request before. */
static bool documents_verify(const struct transaction *t, const struct provide_request *request,
			     const struct provide_document *documents, struct metadata *metadata,
			     struct xds_document **outgoing)
{
	struct xds_document *list = arena_array(t->south.arena, metadata->document_entry_count, sizeof(*list));
	bool ok = true;

	if (!list)
		return no_memory(t);
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		struct document_entry *entry = &metadata->document_entries[i];
		const struct provide_document *document = &documents[i];
		const struct spool *spool = NULL;

		if (*outgoing)
			spool = (*outgoing)[i].spool;
		else if (document->is_cut && document->cut_index < request->document_count)
			spool = request->documents[document->cut_index];
		else if (!document->is_cut)
			spool = inline_document(t, document->inline_base64);
		if (!spool) {
			ok = outcome_add(t->outcome, ERR_VALUE_INVALID, document->path,
					 "Send the document as base64 in Binary.data.");
			continue;
		}
		ok = provide_document_verify(document, spool_sha1(spool), spool_size(spool), t->south.arena, entry,
					     t->outcome) &&
		     ok;
		list[i] = (struct xds_document) { entry->entry_uuid, entry->mime_type, spool };
	}
	*outgoing = list;
	return ok;
}

/* Who and what the submission is about: under the ids that it has now. */
static void submission_record(const struct transaction *t, const struct metadata *metadata)
{
	const struct submission_set *set = metadata->submission_sets;
	struct audit_object object = { .type = STR("List"),
				       .reference = resource_reference(t, SEAL_LIST, STR_NONE, set->entry_uuid),
				       .unique_id = set->unique_id,
				       .is_main = true };

	audit_patient(t->audit, set->patient_id, patient_reference(t, set->patient_id));
	audit_object(t->audit, &object);
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		const struct document_entry *entry = &metadata->document_entries[i];

		object = (struct audit_object) { .type = STR("DocumentReference"),
						 .reference = resource_reference(t, SEAL_DOCUMENT_REFERENCE, STR_NONE,
										 entry->entry_uuid),
						 .unique_id = entry->unique_id };
		audit_object(t->audit, &object);
	}
}

/* What one tenant publishes must not look like another's: sourceId says which system made it. ITI TF-3 4.2.3.3.9 */
static bool source_admit(const struct transaction *t, const struct metadata *metadata)
{
	const struct config_strs *known = &t->gateway->config->source_ids;

	for (size_t i = 0; i < metadata->submission_set_count; i++) {
		struct str source_id = metadata->submission_sets[i].source_id;
		bool is_known = known->count == 0;

		for (size_t k = 0; k < known->count; k++)
			is_known = is_known || str_equal(str_without_prefix(known->items[k], STR("urn:oid:")),
							 str_without_prefix(source_id, STR("urn:oid:")));
		if (!is_known)
			return outcome_add(t->outcome, ERR_FORBIDDEN, "List.extension(ihe-sourceId)",
					   "Give the sourceId of a system that this tenant knows (source_ids).");
	}
	return true;
}

/* Nor as another's document by its authors. */
static bool authors_admit(const struct transaction *t, const struct publication *publication)
{
	const struct provide_bundle *bundle = publication->bundle;
	const struct metadata *metadata = &publication->metadata;

	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		struct str path =
			arena_printf(t->south.arena, "%s.resource", bundle->entries[bundle->documents[i].entry].path);

		if (!path.data)
			return no_memory(t);
		if (!visible_may_author(t->visit, &metadata->document_entries[i], NULL, path.data, t->outcome))
			return false;
	}
	return true;
}

/* A Bundle on its way to metadata. */
struct making {
	const struct transaction *t;
	const struct provide_request *request;
	struct publication *publication;
	struct provide_rules rules;
	struct outcome read; /* what is to be said of it before */
};

static bool bundle_map(const struct making *making, struct provide_document **documents)
{
	const struct transaction *t = making->t;
	struct publication *publication = making->publication;

	*t->outcome = making->read;
	return provide_bundle_map(publication->bundle, &making->rules, &publication->resolved, t->south.arena,
				  &publication->metadata, documents, t->outcome);
}

static bool metadata_make(const struct making *making)
{
	const struct transaction *t = making->t;
	struct publication *publication = making->publication;
	struct metadata *metadata = &publication->metadata;
	struct provide_document *documents;

	if (!bundle_map(making, &documents))
		return false;
	if (publication->task.data && (!publication_ids_keep(t, publication) || !bundle_map(making, &documents)))
		return false;
	return source_admit(t, metadata) && authors_admit(t, publication) &&
	       documents_verify(t, making->request, documents, metadata, &publication->documents) &&
	       provide_name(publication->bundle, &publication->resolved, t->gateway->config->tenant, t->south.arena,
			    metadata, t->outcome);
}

/* What is sent or kept under an id, is so under one that is nobody else's. */
static bool ids_settle(struct making *making)
{
	struct publication *publication = making->publication;
	const struct metadata chosen = publication->metadata;
	bool is_known;

	if (!publication_chosen_admit(making->t, publication, &is_known))
		return false;
	making->rules.own_uuids = !is_known;
	return is_known || (metadata_make(making) && publication_chosen_note(making->t, publication, &chosen));
}

/* Everything that can be wrong is found here; all identifiers are fixed afterwards. */
static bool publication_make(const struct transaction *t, const struct provide_request *request,
			     struct publication *publication)
{
	struct making making = { .t = t, .request = request, .publication = publication };
	struct provide_bundle *bundle = arena_alloc(t->south.arena, sizeof(*bundle));
	struct provide_resolved *resolved = &publication->resolved;
	struct provide_defaults defaults;

	if (!bundle)
		return no_memory(t);
	publication->bundle = bundle;
	if (!rules_make(t, &defaults, &making.rules) || !fhir_validate(request->bundle, "Bundle", t->outcome) ||
	    !provide_bundle_read(request->bundle, &making.rules, t->south.arena, bundle, t->outcome))
		return false;
	if (!externals_fetch(t, bundle) || !patients_resolve(t, publication) ||
	    !targets_resolve(t, bundle, resolved, &publication->unverified) || !identifiers_fix(t, bundle, resolved))
		return false;
	making.read = *t->outcome;
	return metadata_make(&making) && consent_admit(t, publication) && ids_settle(&making);
}

static bool share_put(const struct transaction *t, const struct publication *publication, bool is_announced,
		      struct strs *ids, struct outcome *outcome)
{
	struct south south = t->south;
	const struct shared_publication shared = { .south = &south,
						   .caller = t->caller,
						   .metadata = &publication->metadata,
						   .documents = publication->documents,
						   .now_s = t->now_s,
						   .is_announced = is_announced };

	south.deadline = publication_question_deadline(t);
	return !t->gateway->delivery || !delivery_shares(t->gateway->delivery, shared.metadata) ||
	       delivery_share(t->gateway->delivery, &shared, ids, outcome);
}

/* What other networks shall have is kept before the first byte goes out: whoever is killed in between, they get it. Where
 * it cannot be kept, the publication goes out all the same: its sender is told to publish it again. */
static bool share_announce(const struct transaction *t, const struct publication *publication, struct strs *announced)
{
	struct outcome ignored;

	outcome_init(&ignored);
	return share_put(t, publication, true, announced, &ignored);
}

static void share_forget(const struct transaction *t, const struct strs *announced)
{
	if (announced->count > 0)
		delivery_forget(t->gateway->delivery, announced);
}

/* It is registered, whatever becomes of this. */
static void share(const struct transaction *t, const struct publication *publication, bool is_kept,
		  const struct strs *announced)
{
	struct strs ids = { 0 };
	struct outcome sharing;

	outcome_init(&sharing);
	if (!share_put(t, publication, false, &ids, &sharing)) {
		if (!is_kept)
			outcome_warn(t->outcome, ERR_STORAGE, "",
				     "It is registered, but could not be shared: publish the same again to share it.");
		return;
	}
	if (t->gateway->delivery && delivery_shares(t->gateway->delivery, &publication->metadata))
		known_documents_keep_new(t->gateway->access, t->source->backend.name, &publication->metadata, t->now_s,
					 t->south.arena);
	/* What the patient has just forbidden, perhaps. */
	share_forget(t, announced);
	for (size_t i = 0; i < sharing.count; i++)
		outcome_take(t->outcome, &sharing.issues[i]);
}

/* True when it is registered; otherwise *may_wait says whether it may wait. */
static bool publish_now(const struct transaction *t, struct publication *publication, struct strs *announced,
			bool *may_wait)
{
	bool is_kept = share_announce(t, publication, announced);

	if (publication_send(t, publication)) {
		share(t, publication, is_kept, announced);
		return true;
	}
	*may_wait = publication_may_wait(t, publication, t->outcome);
	if (!*may_wait && !publication->is_unclear)
		share_forget(t, announced);
	return false;
}

static void refusal_place(const struct transaction *t, const struct publication *publication)
{
	struct strs places;

	if (provide_places(publication->bundle, &publication->metadata, t->south.arena, &places))
		provide_outcome_place(&places, t->outcome);
}

/* At once when nothing stands before it and the back-end takes it; otherwise, where that is allowed, later. */
static bool publish(const struct transaction *t, struct publication *publication, struct provided *provided,
		    struct buf *answer)
{
	struct outcome validated = *t->outcome;
	struct strs announced = { 0 };
	bool may_wait = true;
	bool must_wait;
	bool ok;

	if (publication->task.data)
		return publication_correct(t, publication, provided, answer);
	if (!publication_must_wait(t, publication, &must_wait))
		return false;
	if (!must_wait && publish_now(t, publication, &announced, &may_wait)) {
		refusal_place(t, publication);
		return publication_answer_write(t, publication, answer);
	}
	if (!may_wait) {
		refusal_place(t, publication);
		return false;
	}
	*t->outcome = validated;
	ok = publication_accept(t, publication, provided, answer);
	/* Who delivers it shares it. */
	if (ok || !publication->is_unclear)
		share_forget(t, &announced);
	return ok;
}

static bool provide(const struct transaction *t, const struct provide_request *request, struct provided *provided,
		    struct buf *answer)
{
	struct publication publication = { .respond_async = request->respond_async, .task = request->task };
	bool ok;

	visit_until(t->visit, t->south.deadline);
	if (!publication_make(t, request, &publication))
		return false;
	assert(publication.metadata.submission_set_count == 1);
	ok = publish(t, &publication, provided, answer);
	submission_record(t, &publication.metadata);
	return ok;
}

bool provide_bundle(const struct transaction *t, const struct provide_request *request, struct provided *provided,
		    struct buf *answer)
{
	struct transaction timed = *t;

	*provided = (struct provided) { 0 };
	if (publications_may_wait(t))
		timed.south.deadline = deadline_part(t->south.deadline, t->gateway->config->publication_deadline_ms);
	if (provide(&timed, request, provided, answer))
		return true;
	outcome_drop_warnings(t->outcome);
	return false;
}
