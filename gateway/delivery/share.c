#include "gateway/delivery/share.h"

#include "gateway/access/consent.h"
#include "gateway/delivery/delivery_state.h"
#include "gateway/delivery/item_find.h"
#include "gateway/state/outbox_manage.h"
#include "mappers/base/uuid.h"
#include "mappers/code_system.h"
#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"
#include "mappers/publication_parts.h"
#include "mappers/submission_match.h"

#define ANSWER_BYTES_MAX ((size_t)64 * 1024)

bool share_rule_read(struct str line, struct share_rule *rule)
{
	size_t equals = str_find(line, '=');
	struct str class_code = str_trim((struct str) { line.data, equals });
	struct str rest = str_trim(str_from(line, equals + (equals < line.size)));
	size_t blank = str_find(rest, ' ');
	struct str how = str_trim(str_from(rest, blank));
	size_t bar = str_find(class_code, '|');

	*rule = (struct share_rule) { .target = { rest.data, blank }, .is_register = str_equal(how, STR("register")) };
	if (equals == line.size || blank == 0 || (!rule->is_register && !str_equal(how, STR("provide"))))
		return false;
	if (str_equal(class_code, STR("any")))
		return true;
	rule->scheme = code_system_scheme((struct str) { class_code.data, bar });
	rule->code = str_from(class_code, bar + (bar < class_code.size));
	return !str_is_empty(rule->scheme) && !str_is_empty(rule->code);
}

/* Whether the back-end that the rule names takes what it would be given. */
static bool is_taken(const struct config *config, const struct share_rule *rule)
{
	/* The first is where publications go anyway. */
	for (size_t i = 1; i < config->back_ends.count; i++) {
		const struct config_back_end *row = &config->back_ends.items[i];

		if (str_equal(row->name, rule->target))
			return row->kind == CONFIG_KIND_XDS ||
			       (rule->is_register ? row->register_url.size : row->provide_url.size) > 0;
	}
	return false;
}

bool share_check(const struct config *config, struct outcome *outcome)
{
	bool ok = true;

	for (size_t i = 0; i < config->publication_share.count; i++) {
		struct share_rule rule;

		if (!share_rule_read(config->publication_share.items[i], &rule))
			ok = outcome_add(outcome, ERR_VALUE_INVALID, "publication.share",
					 "Write CLASS = NAME provide or CLASS = NAME register, where CLASS is "
					 "system|code or any.");
		else if (!is_taken(config, &rule))
			ok = outcome_add(outcome, ERR_VALUE_INVALID, "publication.share",
					 "Name a back-end other than the first, where all publications go; of kind xca "
					 "one with provide_url, or register_url for register.");
	}
	return ok;
}

static bool rule_matches(const struct share_rule *rule, const struct document_entry *entry)
{
	return !rule->scheme.data ||
	       (str_equal(entry->class_code.code, rule->code) && str_equal(entry->class_code.scheme, rule->scheme));
}

/* Is the document for this target, and how? Who gets the document needs no registration of it. */
static bool is_for(const struct config *config, const struct delivery_target *target, bool is_register,
		   const struct document_entry *entry)
{
	bool provided = false;
	bool registered = false;

	for (size_t i = 0; i < config->publication_share.count; i++) {
		struct share_rule rule;

		if (!share_rule_read(config->publication_share.items[i], &rule) ||
		    !str_equal(rule.target, target->name) || !rule_matches(&rule, entry))
			continue;
		provided = provided || !rule.is_register;
		registered = registered || rule.is_register;
	}
	return is_register ? registered && !provided : provided;
}

bool delivery_shares(const struct delivery *delivery, const struct metadata *metadata)
{
	for (size_t i = 1; i < delivery->gate_count; i++) {
		for (size_t k = 0; k < metadata->document_entry_count; k++) {
			const struct document_entry *entry = &metadata->document_entries[k];

			if (is_for(delivery->options.config, &delivery->gates[i].target, false, entry) ||
			    is_for(delivery->options.config, &delivery->gates[i].target, true, entry))
				return true;
		}
	}
	return false;
}

/* The network as somebody who reads: the patient's Consents speak of it by its homeCommunityId. */
static struct caller reader_of(const struct delivery_target *target)
{
	return (struct caller) { .kind = CALLER_SYSTEM,
				 .client_id = target->name,
				 .organization = target->name,
				 .organization_id = target->home,
				 .home_community_id = target->home,
				 .purpose = { STR("TREAT"), STR(PURPOSE_SYSTEM_OID), STR_NONE } };
}

enum permission { PERMITTED, WITHHELD, NOT_KNOWN };

static enum permission permission_of(const struct consent *consent, const struct document_entry *entry)
{
	struct consent_decision decision;

	consent_decide_entry(consent, entry, &decision);
	if (decision.permit)
		return PERMITTED;
	return decision.reason == CONSENT_UNAVAILABLE ? NOT_KNOWN : WITHHELD;
}

static bool is_entry(const struct metadata *metadata, struct str uuid)
{
	for (size_t i = 0; i < metadata->document_entry_count; i++) {
		if (str_equal_nocase(metadata->document_entries[i].entry_uuid, uuid))
			return true;
	}
	return false;
}

/* The set's and the documents' own associations; folders stay where they are. */
static void associations_keep(const struct metadata *whole, struct metadata *part)
{
	part->association_count = 0;
	for (size_t i = 0; i < whole->association_count; i++) {
		const struct association *association = &whole->associations[i];
		bool is_set = str_equal_nocase(association->source, part->submission_sets[0].entry_uuid);
		bool is_document = is_entry(part, association->source);
		bool is_dropped = (is_entry(whole, association->target) && !is_entry(part, association->target)) ||
				  !uuid_valid(association->target);

		if ((is_set && is_entry(part, association->target)) || (is_document && !is_dropped))
			part->associations[part->association_count++] = *association;
	}
}

bool share_permit(const struct delivery *delivery, const struct south *south, const struct delivery_target *target,
		  struct metadata *metadata, bool *kept, int64_t now_s)
{
	const struct caller reader = reader_of(target);
	const struct consent *consent = consent_ask(delivery->options.access, south, &reader, CONSENT_READ,
						    metadata->submission_sets[0].patient_id, false, now_s);
	struct metadata whole = *metadata;

	metadata->document_entries =
		arena_array(south->arena, whole.document_entry_count, sizeof(struct document_entry));
	metadata->associations = arena_array(south->arena, whole.association_count, sizeof(struct association));
	if (!metadata->document_entries || !metadata->associations)
		return false;
	metadata->document_entry_count = 0;
	for (size_t i = 0; i < whole.document_entry_count; i++) {
		enum permission permission = permission_of(consent, &whole.document_entries[i]);

		kept[i] = permission == PERMITTED;
		if (permission == NOT_KNOWN)
			return false;
		if (kept[i])
			metadata->document_entries[metadata->document_entry_count++] = whole.document_entries[i];
	}
	associations_keep(&whole, metadata);
	return true;
}

/* One item under way. */
struct sharing {
	struct delivery *delivery;
	const struct shared_publication *publication;
	const struct delivery_target *target;
	bool is_register;
	struct metadata part;
	struct str *documents; /* bytes, parallel to part's entries */
	size_t withheld;
	struct strs *ids;
	struct outcome *outcome;
};

static bool no_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
}

/* Where the bytes of what is only registered are. */
static void repository_set(const struct sharing *sharing, struct document_entry *entry)
{
	const struct config_back_end *first = &sharing->delivery->options.config->back_ends.items[0];

	if (!sharing->is_register || !str_is_empty(entry->repository_unique_id))
		return;
	if (first->repositories.count > 0)
		entry->repository_unique_id = first->repositories.items[0].unique_id;
	entry->home_community_id = sharing->delivery->gates[0].target.home;
}

/* What is for the target, as far as the patient permits; who cannot be asked now is asked when it is delivered. */
static bool part_make(struct sharing *sharing)
{
	const struct shared_publication *publication = sharing->publication;
	const struct metadata *whole = publication->metadata;
	const struct caller reader = reader_of(sharing->target);
	const struct consent *consent =
		consent_ask(sharing->delivery->options.access, publication->south, &reader, CONSENT_READ,
			    whole->submission_sets[0].patient_id, false, publication->now_s);
	struct metadata *part = &sharing->part;
	struct arena *arena = publication->south->arena;

	*part = (struct metadata) { .submission_sets = whole->submission_sets, .submission_set_count = 1 };
	part->document_entries = arena_array(arena, whole->document_entry_count, sizeof(struct document_entry));
	part->associations = arena_array(arena, whole->association_count, sizeof(struct association));
	sharing->documents = arena_array(arena, whole->document_entry_count, sizeof(struct str));
	if (!part->document_entries || !part->associations || !sharing->documents)
		return no_memory(sharing->outcome);
	for (size_t i = 0; i < whole->document_entry_count; i++) {
		struct document_entry *entry = &part->document_entries[part->document_entry_count];

		if (!is_for(sharing->delivery->options.config, sharing->target, sharing->is_register,
			    &whole->document_entries[i]))
			continue;
		if (permission_of(consent, &whole->document_entries[i]) == WITHHELD) {
			sharing->withheld++;
			continue;
		}
		*entry = whole->document_entries[i];
		repository_set(sharing, entry);
		if (!sharing->is_register)
			sharing->documents[part->document_entry_count] = spool_view(publication->documents[i].spool);
		part->document_entry_count++;
	}
	associations_keep(whole, part);
	return true;
}

static bool told_write(struct buf *text, struct outcome *outcome)
{
	struct json_writer writer;
	struct outcome told;

	outcome_init(&told);
	outcome_inform(&told, ERR_NONE, "", "It was shared.");
	json_writer_init(&writer, text);
	operation_outcome_write(&told, &writer);
	return json_writer_finish(&writer, outcome);
}

/* One that is there already is the same. Who publishes again what was refused wants it to be tried again. */
static bool item_put(const struct sharing *sharing, const struct outbox_new *new, char id[OUTBOX_ID_SIZE])
{
	struct outbox_new item = *new;
	struct outbox *outbox = sharing->delivery->outbox;
	struct arena *arena = sharing->publication->south->arena;
	struct item_wanted wanted = { &sharing->part, sharing->delivery->options.config->tenant,
				      arena_printf(arena, "%.*s %.*s", STR_ARG(item.target), STR_ARG(item.kind)) };
	char name[OUTBOX_ID_SIZE];
	int state;

	if (!wanted.target.data)
		return no_memory(sharing->outcome);
	if (!delivery_item_find(outbox, &wanted, arena, name, &state, NULL, sharing->outcome))
		return false;
	if (state == OUTBOX_REFUSED && !item.is_announced && !outbox_retry(outbox, str_from_c(name), sharing->outcome))
		return false;
	item.id = str_from_c(name);
	return outbox_put(outbox, &item, id, sharing->outcome);
}

static bool part_put(struct sharing *sharing, struct buf *head_text, struct buf *metadata_text, struct buf *answer)
{
	struct arena *arena = sharing->publication->south->arena;
	struct metadata *part = &sharing->part;
	struct publication_head head = { .caller = *sharing->publication->caller };
	struct str kind = sharing->is_register ? STR(PUBLICATION_REGISTER) : STR(PUBLICATION_SHARE);
	size_t document_count = sharing->is_register ? 0 : part->document_entry_count;
	struct str *parts = arena_array(arena, PUBLICATION_DOCUMENTS + document_count, sizeof(*parts));
	struct strs makes = { 0 };
	char id[OUTBOX_ID_SIZE];

	if (!parts || !publication_names(part, arena, &makes, &head.unverified))
		return no_memory(sharing->outcome);
	publication_head_write(&head, head_text);
	if (!publication_metadata_write(part, arena, metadata_text, sharing->outcome) ||
	    !told_write(answer, sharing->outcome))
		return false;
	if (head_text->failed || metadata_text->failed)
		return no_memory(sharing->outcome);
	parts[PUBLICATION_HEAD] = buf_str(head_text);
	parts[PUBLICATION_METADATA] = buf_str(metadata_text);
	parts[PUBLICATION_ANSWER] = buf_str(answer);
	for (size_t i = 0; i < document_count; i++)
		parts[PUBLICATION_DOCUMENTS + i] = sharing->documents[i];
	const struct outbox_new item = { .kind = kind,
					 .target = sharing->target->name,
					 .patient = part->submission_sets[0].patient_id,
					 .caller = caller_client(sharing->publication->caller, arena),
					 .bound = sharing->publication->is_owed ? OUTBOX_BOUND_NONE : OUTBOX_BOUND_HALF,
					 .makes = makes.items,
					 .make_count = makes.count,
					 .needs = head.unverified.items,
					 .need_count = head.unverified.count,
					 .parts = parts,
					 .part_count = PUBLICATION_DOCUMENTS + document_count,
					 .is_announced = sharing->publication->is_announced };

	if (!item_put(sharing, &item, id))
		return false;
	sharing->ids->items[sharing->ids->count] = arena_copy(arena, str_from_c(id));
	return sharing->ids->items[sharing->ids->count++].data || no_memory(sharing->outcome);
}

static bool target_share(struct sharing *sharing)
{
	struct buf head;
	struct buf metadata;
	struct buf answer;
	bool ok;

	if (!part_make(sharing))
		return false;
	if (sharing->withheld > 0)
		outcome_inform(sharing->outcome, ERR_NONE, "",
			       "The patient's consent does not allow %zu document(s) to be shared with %.*s: withheld.",
			       sharing->withheld, STR_ARG(sharing->target->name));
	if (sharing->part.document_entry_count == 0)
		return true;
	buf_init(&head, PUBLICATION_HEAD_BYTES_MAX);
	buf_init(&metadata, PUBLICATION_METADATA_BYTES_MAX);
	buf_init(&answer, ANSWER_BYTES_MAX);
	ok = part_put(sharing, &head, &metadata, &answer);
	buf_free(&head);
	buf_free(&metadata);
	buf_free(&answer);
	return ok && outcome_inform(sharing->outcome, ERR_NONE, "", "It is being shared with %.*s.",
				    STR_ARG(sharing->target->name));
}

bool delivery_share(struct delivery *delivery, const struct shared_publication *publication, struct strs *ids,
		    struct outcome *outcome)
{
	*ids = (struct strs) { arena_array(publication->south->arena, 2 * delivery->gate_count, sizeof(struct str)),
			       0 };
	if (!ids->items)
		return no_memory(outcome);
	for (size_t i = 1; i < delivery->gate_count; i++) {
		for (unsigned is_register = 0; is_register < 2; is_register++) {
			struct sharing sharing = { .delivery = delivery,
						   .publication = publication,
						   .target = &delivery->gates[i].target,
						   .is_register = is_register,
						   .ids = ids,
						   .outcome = outcome };

			if (!target_share(&sharing))
				return false;
		}
	}
	return true;
}

void delivery_forget(const struct delivery *delivery, const struct strs *ids)
{
	struct outcome ignored;

	/* Where that fails, it is found out later that it has not happened. */
	outcome_init(&ignored);
	for (size_t i = 0; i < ids->count; i++)
		(void)!outbox_forget(delivery->outbox, ids->items[i], &ignored);
}
