/* Whether a provision of a Consent is about an access: one selector after the other. */
#ifndef PASSERELLE_CONSENT_MATCH_H
#define PASSERELLE_CONSENT_MATCH_H

#include "mappers/consent_set.h"

/* MAYBE: a fact is not known. UNCLEAR: the rule is not understood. A deny takes both for a match, a permit neither. */
enum match { MATCH_NO, MATCH_MAYBE, MATCH_UNCLEAR, MATCH_YES };

/* With what a document's selectors are met while no document is known. */
enum consent_outlook {
	OUTLOOK_DOCUMENT, /* entry is there */
	OUTLOOK_BEST,     /* a document that everything permits and nothing denies */
	OUTLOOK_WORST
};

struct consent_facts {
	const struct consent_policy *policy;
	const struct consent_request *request;
	const struct document_entry *entry;
	enum consent_outlook outlook;
};

/* Ranks of confidentiality. */
enum { RANK_NONE = -1, RANK_U, RANK_L, RANK_M, RANK_N, RANK_R, RANK_V };

/* The rank of one code (R for an unknown one), and of a document: the highest, R without any. */
int consent_rank(const struct code *label);
int consent_document_rank(const struct consent_facts *facts);

/* What a permit reaches by its labels: the highest level, R for a label of another kind, RANK_NONE without labels. */
int consent_labels_reach(const struct codes *labels);

struct consent_matched {
	enum match match;
	bool names_requester; /* by an identifier in an actor */
	int reach;            /* of a permit */
};

/* Matches rule->provisions[index]. A nested permit holds what its root says where it says nothing itself. */
struct consent_matched consent_provision_match(const struct consent_rule *rule, size_t index,
					       const struct consent_facts *facts);

/* Whether the root's period holds now; without it the whole Consent says nothing. */
bool consent_rule_is_current(const struct consent_rule *rule, int64_t now_s);

/* True when a purpose of this provision is BTG itself. */
bool consent_provision_names_break_glass(const struct consent_provision *provision);

/* True when scheme|code of the caller's purpose is this code of v3-ActReason, or one below it. */
bool consent_purpose_within(const struct code *purpose, struct str code);

/* True when an author of the document is of the caller's organisation. */
bool consent_is_producer(const struct consent_facts *facts);

#endif
