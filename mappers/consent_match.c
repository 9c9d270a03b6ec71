#include "mappers/consent_match.h"

#include "mappers/base/hl7v2.h"
#include "mappers/code_system.h"
#include "mappers/consent_identity.h"
#include "mappers/search_date.h"
#include "mappers/base/xds_time.h"

/* v3-ActReason: what is treatment. */
static const struct {
	struct str code;
	struct str parent;
} purposes[] = {
	{ STR_INIT("BTG"), STR_INIT("ETREAT") },
	{ STR_INIT("ERTREAT"), STR_INIT("ETREAT") },
	{ STR_INIT("ETREAT"), STR_INIT("TREAT") },
	{ STR_INIT("COC"), STR_INIT("TREAT") },
};

bool consent_purpose_within(const struct code *purpose, struct str code)
{
	struct str at = purpose->code;

	if (!str_equal(code_system_scheme(purpose->scheme), STR(PURPOSE_SYSTEM_OID)))
		return false;
	for (size_t i = 0; i < COUNT_OF(purposes) && !str_equal(at, code); i++) {
		if (str_equal(purposes[i].code, at))
			at = purposes[i].parent;
	}
	return str_equal(at, code);
}

static enum match match_or(enum match a, enum match b)
{
	return a > b ? a : b;
}

static enum match match_and(enum match a, enum match b)
{
	if (a == MATCH_NO || b == MATCH_NO)
		return MATCH_NO;
	if (a == MATCH_UNCLEAR || b == MATCH_UNCLEAR)
		return MATCH_UNCLEAR;
	return a < b ? a : b;
}

/* One code of a rule and one of a document or caller. */
static enum match code_match(const struct code *rule, const struct code *fact)
{
	struct str scheme = code_system_scheme(fact->scheme);

	if (!str_equal(rule->code, fact->code))
		return MATCH_NO;
	if (str_equal(rule->scheme, scheme))
		return MATCH_YES;
	return str_is_empty(rule->scheme) || str_is_empty(scheme) ? MATCH_MAYBE : MATCH_NO;
}

static enum match codes_match(const struct codes *rules, const struct code *fact)
{
	enum match match = MATCH_NO;

	for (size_t i = 0; i < rules->count; i++)
		match = match_or(match, code_match(&rules->items[i], fact));
	return match;
}

/* A caller of whom no role of that scheme is known may have the role all the same. */
static enum match roles_match(const struct codes *roles, const struct caller *caller)
{
	enum match match = MATCH_NO;

	if (roles->count == 0)
		return MATCH_YES;
	for (size_t i = 0; i < roles->count; i++) {
		bool scheme_known = false;

		for (size_t k = 0; k < caller->roles.count; k++) {
			match = match_or(match, code_match(&roles->items[i], &caller->roles.items[k]));
			scheme_known = scheme_known || str_equal(code_system_scheme(caller->roles.items[k].scheme),
								 roles->items[i].scheme);
		}
		if (!scheme_known)
			match = match_or(match, MATCH_MAYBE);
	}
	return match;
}

static enum match actors_match(const struct consent_provision *provision, const struct consent_facts *facts,
			       bool *names_requester)
{
	const struct caller *caller = facts->request->caller;
	enum match match = provision->unclear & SELECTOR_ACTOR ? MATCH_UNCLEAR : MATCH_NO;

	if (!(provision->present & SELECTOR_ACTOR))
		return MATCH_YES;
	for (size_t i = 0; i < provision->actors.count; i++) {
		const struct consent_actor *actor = &provision->actors.items[i];
		enum match one = roles_match(&actor->roles, caller);

		if (actor->identifiers.count)
			one = match_and(one, consent_caller_match(&actor->identifiers, actor->party, facts));
		if (one == MATCH_YES && actor->identifiers.count)
			*names_requester = true;
		match = match_or(match, one);
	}
	return match;
}

/* Reading is what consents are about unless they say otherwise; publishing and updating only when they say so. For a
 * deny, use and disclosure cannot be told from access. */
static enum match actions_match(const struct consent_provision *provision, bool permit, enum consent_action action)
{
	unsigned wanted = ACTION_CORRECT;
	bool reads = action == CONSENT_FIND || action == CONSENT_READ;

	if (!(provision->present & SELECTOR_ACTION))
		return reads ? MATCH_YES : MATCH_NO;
	if (reads)
		wanted = permit ? ACTION_ACCESS | ACTION_DISCLOSE : ACTION_ACCESS | ACTION_DISCLOSE | ACTION_USE;
	else if (action == CONSENT_PUBLISH)
		wanted = ACTION_COLLECT;
	if (provision->actions & wanted)
		return MATCH_YES;
	return provision->unclear & SELECTOR_ACTION ? MATCH_UNCLEAR : MATCH_NO;
}

static enum match purposes_match(const struct consent_provision *provision, const struct code *purpose)
{
	enum match match = provision->unclear & SELECTOR_PURPOSE ? MATCH_UNCLEAR : MATCH_NO;

	if (!(provision->present & SELECTOR_PURPOSE))
		return MATCH_YES;
	if (str_is_empty(purpose->code))
		return match_or(match, MATCH_MAYBE);
	for (size_t i = 0; i < provision->purposes.count; i++) {
		const struct code *one = &provision->purposes.items[i];

		match = match_or(match, code_match(one, purpose));
		if (str_equal(one->scheme, STR(PURPOSE_SYSTEM_OID)) && consent_purpose_within(purpose, one->code))
			match = MATCH_YES;
	}
	return match;
}

int consent_rank(const struct code *label)
{
	static const char ranks[] = "ULMNRV";
	const char *place = label->code.size == 1 ? strchr(ranks, label->code.data[0]) : NULL;

	if (!place || !str_equal(code_system_scheme(label->scheme), STR(LABEL_SYSTEM)))
		return RANK_R;
	return (int)(place - ranks);
}

static int rank_of_codes(const struct codes *codes)
{
	int rank = codes->count ? RANK_U : RANK_R;

	for (size_t i = 0; i < codes->count; i++) {
		int one = consent_rank(&codes->items[i]);

		rank = one > rank ? one : rank;
	}
	return rank;
}

int consent_document_rank(const struct consent_facts *facts)
{
	switch (facts->outlook) {
	case OUTLOOK_DOCUMENT:
		break;
	case OUTLOOK_BEST:
		return RANK_U;
	case OUTLOOK_WORST:
		return RANK_V;
	}
	return rank_of_codes(&facts->entry->confidentiality_codes);
}

static bool is_confidentiality(const struct code *label)
{
	return str_equal(label->scheme, STR(LABEL_SYSTEM));
}

int consent_labels_reach(const struct codes *labels)
{
	int reach = RANK_NONE;

	for (size_t i = 0; i < labels->count; i++) {
		int one = consent_rank(&labels->items[i]);

		reach = one > reach ? one : reach;
	}
	return reach;
}

/* A level of confidentiality permits what is not above it and denies what is not below it ("a high water mark", R4
 * provision.securityLabel); a label of another kind, PSY for instance, is about documents that have it. */
static enum match deny_labels_match(const struct consent_provision *provision, const struct codes *has)
{
	enum match match = provision->unclear & SELECTOR_LABEL ? MATCH_UNCLEAR : MATCH_NO;

	for (size_t i = 0; i < provision->labels.count; i++) {
		const struct code *label = &provision->labels.items[i];

		if (is_confidentiality(label) && rank_of_codes(has) >= consent_rank(label))
			return MATCH_YES;
		for (size_t k = 0; k < has->count; k++)
			match = match_or(match, code_match(label, &has->items[k]));
	}
	return match;
}

/* A permit must cover all that the document is labelled with: by its level, or by name; who may see PSY may also see the
 * R that a document has for being PSY. */
static bool permit_labels_cover(const struct codes *labels, const struct codes *has)
{
	bool by_name = false;
	int level = RANK_NONE;

	for (size_t i = 0; i < labels->count; i++) {
		int rank = consent_rank(&labels->items[i]);

		if (is_confidentiality(&labels->items[i]) && rank > level)
			level = rank;
	}
	for (size_t k = 0; k < has->count; k++) {
		by_name = by_name || (!str_equal(code_system_scheme(has->items[k].scheme), STR(LABEL_SYSTEM)) &&
				      codes_match(labels, &has->items[k]) == MATCH_YES);
	}
	for (size_t k = 0; k < has->count; k++) {
		const struct code *code = &has->items[k];
		bool is_level = str_equal(code_system_scheme(code->scheme), STR(LABEL_SYSTEM));
		int rank = consent_rank(code);

		if (rank <= level || (is_level ? by_name && rank <= RANK_R : codes_match(labels, code) == MATCH_YES))
			continue;
		return false;
	}
	return has->count > 0 || level >= RANK_R;
}

static enum match labels_match(const struct consent_provision *provision, bool permit, const struct codes *has)
{
	if (!permit)
		return deny_labels_match(provision, has);
	if (permit_labels_cover(&provision->labels, has))
		return MATCH_YES;
	return provision->unclear & SELECTOR_LABEL ? MATCH_UNCLEAR : MATCH_NO;
}

static enum match classes_match(const struct consent_provision *provision, const struct document_entry *entry)
{
	enum match match = provision->unclear & SELECTOR_CLASS ? MATCH_UNCLEAR : MATCH_NO;

	for (size_t i = 0; i < provision->classes.count; i++) {
		const struct code *class = &provision->classes.items[i];

		if (consent_scheme_is(class->scheme, STR(MEDIA_SYSTEM))) {
			if (str_is_empty(entry->mime_type))
				match = match_or(match, MATCH_MAYBE);
			else if (str_equal_nocase(entry->mime_type, class->code))
				match = MATCH_YES;
		} else if (str_equal(class->code, STR("DocumentReference")) || str_equal(class->code, STR("Binary")) ||
			   str_equal(class->code, STR("DomainResource")) || str_equal(class->code, STR("Resource"))) {
			match = MATCH_YES;
		}
	}
	return match;
}

/* Type, class and format; a deny also looks at what was done and in which specialty. */
static enum match document_codes_match(const struct consent_provision *provision, bool permit,
				       const struct document_entry *entry)
{
	const struct codes *codes = &provision->codes;
	enum match match = provision->unclear & SELECTOR_CODE ? MATCH_UNCLEAR : MATCH_NO;

	match = match_or(match, codes_match(codes, &entry->type_code));
	match = match_or(match, codes_match(codes, &entry->class_code));
	match = match_or(match, codes_match(codes, &entry->format_code));
	if (str_is_empty(entry->type_code.code))
		match = match_or(match, MATCH_MAYBE);
	if (permit)
		return match;
	match = match_or(match, codes_match(codes, &entry->practice_setting_code));
	for (size_t i = 0; i < entry->event_codes.count; i++)
		match = match_or(match, codes_match(codes, &entry->event_codes.items[i]));
	return match;
}

/* The seconds that a DTM covers; a mere date is nominal, a time is UTC (xds_time.h). */
static bool time_read(struct str dtm, int64_t zone_s, int64_t *from_s, int64_t *to_s)
{
	struct interval interval;

	if (!interval_of_dtm(dtm, &interval) || !xds_time_to_unix(str_from_c(interval.from.text), from_s) ||
	    !xds_time_to_unix(str_from_c(interval.to.text), to_s))
		return false;
	if (dtm.size <= 8) {
		*from_s -= zone_s;
		*to_s -= zone_s;
	}
	return true;
}

/* Where a stored time lies: within the period, outside, or neither for certain. */
static enum match time_match(const struct consent_provision *provision, struct str from, struct str to)
{
	const struct consent_period *period = &provision->data_period;
	int64_t from_s;
	int64_t to_s;
	int64_t ignored;

	if (!time_read(from, provision->zone_s, &from_s, &ignored) ||
	    !time_read(to, provision->zone_s, &ignored, &to_s))
		return MATCH_MAYBE;
	if (from_s >= period->to_s || to_s <= period->from_s)
		return MATCH_NO;
	return from_s >= period->from_s && to_s <= period->to_s ? MATCH_YES : MATCH_MAYBE;
}

/* "Data authored or last updated" in a timeframe (PCF 53.2.3.1): when it was made, and what it is about. */
static enum match data_period_match(const struct consent_provision *provision, const struct document_entry *entry)
{
	struct str start = entry->service_start_time.size ? entry->service_start_time : entry->service_stop_time;
	struct str stop = entry->service_stop_time.size ? entry->service_stop_time : start;
	enum match made;
	enum match served;

	if (provision->unclear & SELECTOR_DATA_PERIOD)
		return MATCH_UNCLEAR;
	made = time_match(provision, entry->creation_time, entry->creation_time);
	if (str_is_empty(start))
		return made;
	served = time_match(provision, start, stop);
	return made == served ? made : MATCH_MAYBE;
}

static enum match data_match(const struct consent_provision *provision, const struct document_entry *entry)
{
	enum match match = provision->unclear & SELECTOR_DATA ? MATCH_UNCLEAR : MATCH_NO;

	for (size_t i = 0; i < provision->data.count; i++) {
		const struct consent_datum *datum = &provision->data.items[i];

		switch ((enum consent_meaning)datum->meaning) {
		case MEANING_DOCUMENT:
			match = match_or(match, consent_document_match(&datum->identifiers, entry));
			break;
		case MEANING_RELATED:
			match = match_or(match, consent_related_match(&datum->identifiers, entry));
			break;
		case MEANING_AUTHOR:
			match = match_or(match, consent_author_match(&datum->identifiers, datum->party, entry));
			break;
		case MEANING_ELSEWHERE:
		case MEANING_COUNT:
			break;
		}
	}
	return match;
}

/* One selector about the document. */
static enum match document_selector_match(const struct consent_provision *provision, enum consent_selector selector,
					  bool permit, const struct document_entry *entry)
{
	if (!(provision->present & selector))
		return MATCH_YES;
	switch (selector) {
	case SELECTOR_LABEL:
		return labels_match(provision, permit, &entry->confidentiality_codes);
	case SELECTOR_CLASS:
		return classes_match(provision, entry);
	case SELECTOR_CODE:
		return document_codes_match(provision, permit, entry);
	case SELECTOR_DATA_PERIOD:
		return data_period_match(provision, entry);
	case SELECTOR_DATA:
		return data_match(provision, entry);
	case SELECTOR_ACTOR:
	case SELECTOR_ACTION:
	case SELECTOR_PURPOSE:
	case SELECTOR_ALL:
		break;
	}
	return MATCH_UNCLEAR;
}

static const enum consent_selector document_selectors[] = { SELECTOR_LABEL, SELECTOR_CLASS, SELECTOR_CODE,
							    SELECTOR_DATA_PERIOD, SELECTOR_DATA };

/* What says something about a selector: the provision itself, for a permit otherwise its root. */
static const struct consent_provision *holder(const struct consent_provision *own, const struct consent_provision *root,
					      unsigned selector)
{
	return own->present & selector ? own : root;
}

static enum match documents_match(const struct consent_provision *own, const struct consent_provision *root,
				  const struct document_entry *entry)
{
	enum match match = MATCH_YES;

	for (size_t i = 0; i < COUNT_OF(document_selectors); i++) {
		enum consent_selector selector = document_selectors[i];

		match = match_and(match,
				  document_selector_match(holder(own, root, selector), selector, own->permit, entry));
	}
	return match;
}

/* How a provision that matches so far can match at best, or at worst, for some document: it may miss those that a selector
 * is not about, unless that is not understood; a permit that is not understood denies. */
static enum match outlook_match(const struct consent_provision *own, const struct consent_provision *root, bool best,
				enum match match)
{
	bool can_miss = false;
	bool is_unclear = false;
	bool denies;

	for (size_t i = 0; i < COUNT_OF(document_selectors); i++) {
		const struct consent_provision *says = holder(own, root, document_selectors[i]);

		is_unclear = is_unclear || (says->unclear & document_selectors[i]);
		can_miss = can_miss || (says->present & ~says->unclear & document_selectors[i]);
	}
	denies = !own->permit || match == MATCH_UNCLEAR;
	if (best && denies)
		return can_miss ? MATCH_NO : match_and(match, is_unclear ? MATCH_UNCLEAR : MATCH_YES);
	if (best || denies)
		return match;
	if (is_unclear)
		return match_and(match, MATCH_UNCLEAR);
	return can_miss ? MATCH_NO : match;
}

static enum match period_match(const struct consent_period *period, int64_t now_s)
{
	return now_s >= period->from_s && now_s < period->to_s ? MATCH_YES : MATCH_NO;
}

bool consent_rule_is_current(const struct consent_rule *rule, int64_t now_s)
{
	return period_match(&rule->provisions[0].period, now_s) == MATCH_YES;
}

struct consent_matched consent_provision_match(const struct consent_rule *rule, size_t index,
					       const struct consent_facts *facts)
{
	const struct consent_provision *own = &rule->provisions[index];
	const struct consent_provision *root = own->permit ? &rule->provisions[0] : own;
	const struct consent_request *request = facts->request;
	struct consent_matched matched = { .match = MATCH_UNCLEAR, .reach = RANK_NONE };
	enum match match = period_match(&own->period, request->now_s);

	if (own->clarity == CLARITY_NONE)
		return matched;
	match = match_and(match, actors_match(holder(own, root, SELECTOR_ACTOR), facts, &matched.names_requester));
	match = match_and(match, actions_match(holder(own, root, SELECTOR_ACTION), own->permit, request->action));
	match = match_and(match, purposes_match(holder(own, root, SELECTOR_PURPOSE), &request->caller->purpose));
	if (own->clarity != CLARITY_CLEAR)
		match = match_and(match, MATCH_UNCLEAR);
	matched.match = facts->outlook == OUTLOOK_DOCUMENT
				? match_and(match, documents_match(own, root, facts->entry))
				: outlook_match(own, root, facts->outlook == OUTLOOK_BEST, match);
	matched.reach = consent_labels_reach(&holder(own, root, SELECTOR_LABEL)->labels);
	return matched;
}

bool consent_provision_names_break_glass(const struct consent_provision *provision)
{
	for (size_t i = 0; i < provision->purposes.count; i++) {
		const struct code *purpose = &provision->purposes.items[i];

		if (str_equal(purpose->code, STR("BTG")) && str_equal(purpose->scheme, STR(PURPOSE_SYSTEM_OID)))
			return true;
	}
	return false;
}
