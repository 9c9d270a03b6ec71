/* Cross Gateway Query [ITI-38]: the question is read strictly, asked of the XDS domains here, and answered with what the
 * patient lets be seen. Source: ITI TF-2 3.38, 3.18. */
#include "gateway/community/community.h"
#include "gateway/run/log.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/identities.h"
#include "mappers/base/hl7v2.h"
#include "mappers/stored_query_check.h"

/* One question and what came of it. */
struct asking {
	struct inward *inward;
	const struct stored_query *sent;
	struct stored_query query; /* as it is passed on */
	struct str patient_id;     /* CX; STR_NONE: objects are asked for by id */
	struct rim_list list;
	size_t capacity;
	bool answered; /* by one source at least */
};

static bool out_of_memory(const struct asking *asking)
{
	return no_memory(&asking->inward->t);
}

/* Whom a Find query is about, in the affinity domain. */
static bool patient_read(struct asking *asking, struct str slot)
{
	struct inward *inward = asking->inward;
	const struct stored_query_param *param = stored_query_find(asking->sent, slot, 0);
	struct hl7_cx cx;

	if (!param)
		return inward_refuse(inward, "XDSStoredQueryMissingParam", "Name the patient who is asked about.");
	if (!hl7_cx_parse(param->values.items[0], inward->request->arena, &cx))
		return out_of_memory(asking);
	if (str_is_empty(cx.id) || !str_equal(cx.authority.universal_id_type, STR("ISO")))
		return inward_refuse(inward, "XDSStoredQueryParamNumber", "Write the patient as id^^^&oid&ISO.");
	if (!str_equal(cx.authority.universal_id, inward->t.gateway->config->patient_assigning_authority))
		return inward_refuse(inward, "XDSUnknownPatientId",
				     "Name the patient by the identifier that this community gave them.");
	return identity_cx(&inward->t, cx.id, &asking->patient_id);
}

/* What of the question is understood, and nothing else, for the registry behind. */
static bool query_copy(struct asking *asking, struct str patient_slot)
{
	const struct stored_query *sent = asking->sent;
	struct stored_query *query = &asking->query;

	*query = (struct stored_query) { .id = sent->id };
	query->params = arena_array(asking->inward->request->arena, sent->param_count, sizeof(*query->params));
	if (!query->params)
		return out_of_memory(asking);
	for (size_t i = 0; i < sent->param_count; i++) {
		struct stored_query_param *param = &query->params[query->param_count];

		/* Older versions of an entry are not for others: the newest says who may see it. */
		if (!stored_query_parameter_known(sent->params[i].name) ||
		    str_equal(sent->params[i].name, STR("$MetadataLevel")))
			continue;
		*param = sent->params[i];
		if (patient_slot.data && str_equal(param->name, patient_slot))
			param->values = (struct strs) { &asking->patient_id, 1 };
		query->param_count++;
	}
	return true;
}

static bool query_read(struct asking *asking)
{
	const struct stored_query *sent = asking->sent;
	struct inward *inward = asking->inward;
	struct str patient_slot;

	if (!stored_query_known(sent->id, &patient_slot))
		return inward_refuse(inward, "XDSUnknownStoredQuery", "Use the id of a stored query of ITI-18.");
	if (sent->return_type.size && !sent->object_ref && !str_equal(sent->return_type, STR("LeafClass")))
		return inward_refuse(inward, "XDSRegistryError", "Ask for LeafClass or ObjectRef.");
	return inward_home_check(inward, sent->home, !patient_slot.data) &&
	       stored_query_check(sent, &inward->outcome) &&
	       (!patient_slot.data || patient_read(asking, patient_slot)) && query_copy(asking, patient_slot);
}

/* About a patient of whom the assertion does not speak nothing is asked; and who cannot be asked what the patient
 * consents to is told whether or not there is anything. */
static bool patient_admit(struct asking *asking)
{
	struct inward *inward = asking->inward;

	inward->t.south.patient_id = asking->patient_id;
	return !asking->patient_id.data ||
	       (visit_about(inward->t.visit, asking->patient_id, &inward->outcome) &&
		visit_consent(inward->t.visit, CONSENT_FIND, asking->patient_id, &inward->outcome));
}

static struct str home_or_none(struct str home, struct str ours)
{
	return home.size ? ours : home;
}

/* The object as it came, of this community. ITI TF-2 3.38.4.1.3 */
static bool object_add(struct asking *asking, const struct rim_object *origin)
{
	struct arena *arena = asking->inward->request->arena;
	struct str home = asking->inward->community->home;
	struct rim_list *list = &asking->list;
	struct rim_object *object;

	if (!arena_grow(arena, &list->objects, list->count, &asking->capacity, sizeof(*list->objects)))
		return out_of_memory(asking);
	object = &list->objects[list->count++];
	if (asking->sent->object_ref) {
		*object = (struct rim_object) { .kind = RIM_OBJECT_REF, .id = origin->id, .home = home };
		return true;
	}
	*object = *origin;
	object->home = home;
	object->classifications = arena_array(arena, origin->classification_count, sizeof(*origin->classifications));
	object->external_identifiers =
		arena_array(arena, origin->external_identifier_count, sizeof(*origin->external_identifiers));
	if (!object->classifications || !object->external_identifiers)
		return out_of_memory(asking);
	for (size_t i = 0; i < origin->classification_count; i++) {
		object->classifications[i] = origin->classifications[i];
		object->classifications[i].home = home_or_none(origin->classifications[i].home, home);
	}
	for (size_t i = 0; i < origin->external_identifier_count; i++) {
		object->external_identifiers[i] = origin->external_identifiers[i];
		object->external_identifiers[i].home = home_or_none(origin->external_identifiers[i].home, home);
	}
	return true;
}

/* A registry that answers with somebody else's objects is not passed on. */
static bool is_asked_about(const struct asking *asking, struct str patient_id)
{
	if (!asking->patient_id.data || patient_same(&asking->inward->t, patient_id, asking->patient_id))
		return true;
	LOG(ERROR, LOG_SOUTH_ERROR, asking->inward->t.south.request_id,
	    LOG_C("answer", "an object of another patient than was asked about"));
	return false;
}

static bool objects_add(struct asking *asking, const struct metadata *found)
{
	bool ok = true;

	for (size_t i = 0; ok && i < found->document_entry_count; i++)
		ok = !is_asked_about(asking, found->document_entries[i].patient_id) ||
		     object_add(asking, found->document_entries[i].origin);
	for (size_t i = 0; ok && i < found->submission_set_count; i++)
		ok = !is_asked_about(asking, found->submission_sets[i].patient_id) ||
		     object_add(asking, found->submission_sets[i].origin);
	for (size_t i = 0; ok && i < found->folder_count; i++)
		ok = !is_asked_about(asking, found->folders[i].patient_id) ||
		     object_add(asking, found->folders[i].origin);
	for (size_t i = 0; ok && i < found->association_count; i++)
		ok = object_add(asking, found->associations[i].origin);
	return ok;
}

static bool elsewhere_drop(const void *ctx, struct metadata *found)
{
	return hidden_here_ask(ctx, found) && hidden_elsewhere_drop(ctx, found);
}

/* Every source is asked; what one cannot say is an error beside what the others have. */
static bool sources_ask(struct asking *asking)
{
	struct inward *inward = asking->inward;
	struct source *source;
	size_t index = 0;

	while ((source = inward_source(inward, &index)) != NULL) {
		struct transaction t = inward_ask(inward, source, &inward->outcome);
		const struct visible_elsewhere elsewhere = { &t, elsewhere_drop };
		struct metadata found;

		asking->query.home = source->home;
		if (!visible_objects(t.visit, CONSENT_FIND, &t.south, &asking->query, &elsewhere, &found, t.outcome))
			continue;
		asking->answered = true;
		if (!objects_add(asking, &found))
			return false;
	}
	return true;
}

static bool question(struct inward *inward, struct str *text, size_t *size)
{
	struct xml_writer writer;
	struct buf out;

	buf_init(&out, AUDIT_QUERY_BYTES_MAX);
	xml_writer_init(&writer, &out);
	stored_query_write(&writer, &inward->request->message.query);
	*text = arena_copy(inward->request->arena, buf_str(&out));
	/* How long it would have been is not known; that something is missing is. */
	*size = out.failed ? AUDIT_QUERY_BYTES_MAX + 1 : out.size;
	buf_free(&out);
	return text->data != NULL;
}

static bool exchange(struct inward *inward)
{
	struct asking asking = { .inward = inward, .sent = &inward->request->message.query };
	struct registry_response response;

	if (query_read(&asking) && patient_admit(&asking) && !sources_ask(&asking))
		return false;
	if (!inward_response(inward, asking.answered, &response))
		return no_memory(&inward->t);
	stored_query_response_write(soap_answer_writer(inward->answer), &response, &asking.list);
	return true;
}

bool cross_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome)
{
	static const struct inward_service service = { AUDIT_CROSS_QUERIED, question, exchange };

	(void)ctx;
	return inward_walk(&service, request, answer, outcome);
}
