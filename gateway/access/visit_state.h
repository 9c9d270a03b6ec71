/* Inside gateway/access only: what one request has found out, and what each of its parts has met. */
#ifndef PASSERELLE_VISIT_STATE_H
#define PASSERELLE_VISIT_STATE_H

#include "gateway/access/visible.h"

/* Whether what waits of a patient is at hand: nothing, all, or what was asked for by name. */
enum changes_read { CHANGES_NOT_READ, CHANGES_WHOLE, CHANGES_CUT };

/* One patient of the visit; public is what the audit reads. */
struct seen {
	struct visit_patient public;
	const struct consent *consents[CONSENT_UPDATE + 1]; /* by action; NULL: not asked yet */
	enum changes_read changes;
};

/* Something that a source has, and whether the caller may see it. */
struct met {
	struct str unique_id;
	struct str patient_id;
	enum { MET_CURRENT, MET_HIDDEN, MET_HIDDEN_DEPRECATED } how; /* a List is never the last */
};

/* A document that the caller may see, in a SubmissionSet or Folder that is shown for such documents alone. */
struct held {
	struct str holder; /* entryUUID */
	struct str unique_id;
	struct str patient_id;
};

/* One patient on both sides. */
struct known {
	struct str here;
	struct str there;
};

struct visit {
	struct access *access;
	struct south south;
	const struct caller *caller;
	bool is_bound; /* to own_patient, also when that is nobody */
	struct str own_patient;
	int64_t now_s;
	struct seen *seen;
	size_t count;
	size_t capacity;
	struct met *met; /* MET_CURRENT: of patients who hide documents one by one */
	size_t met_count;
	size_t met_capacity;
	struct held *held;
	size_t held_count;
	size_t held_capacity;
	const struct other_community *community; /* of a part: who knows patients by other identifiers; NULL: as here */
	struct known *known;
	size_t known_count;
	size_t known_capacity;
	struct pending_document *pending; /* documents of which changes wait (visible_changes.h) */
	size_t pending_count;
	size_t pending_capacity;
	size_t pending_bytes_end; /* of the arena */
	bool is_forgetful;        /* there was no memory for something hidden or held */
	struct visit *whole;      /* the request's visit; itself when it is that */
	struct visit *parts;      /* of the whole: the others, through next */
	struct visit *next;
};

/* Namespace names and type codes beside id and OID say nothing. TF-3 4.2.3.2.16 */
bool visit_same_patient(const struct visit *visit, struct str a, struct str b);

/* The patient of an object of the part's source, as here; *here is STR_NONE when nobody here knows them. False, with an
 * error, when it cannot be told. */
bool visit_patient_here(struct visit *visit, struct str there, struct str *here, struct outcome *outcome) MUST_CHECK;

/* The patient in the visit; NULL without memory. */
struct seen *visit_seen(struct visit *visit, struct str patient_id);

/* Takes back a permission that what waits for the document of this entry does not allow for. */
void visit_changes_decide(struct visit *visit, struct seen *seen, const struct consent *consent,
			  const struct document_entry *entry, struct consent_decision *decision);

/* What may be seen of this patient as a whole, and of one document; counted for the audit. */
enum consent_extent visit_extent(struct visit *visit, struct str patient_id, enum consent_action action);
bool visit_permits(struct visit *visit, const struct document_entry *entry, enum consent_action action);

/* True when nobody could say what this patient consents to: the refusal that followed from it is forgotten. */
bool visit_undecide(struct visit *visit, struct str patient_id) MUST_CHECK;

/* Remembers a List that is not shown; whether another part has met a copy of something that is not, or of a document this
 * part; and what Lists are shown for. A deprecated entry says nothing where a current one may be seen: so it was. */
void visit_hide(struct visit *visit, struct str unique_id, struct str patient_id);
bool visit_hides_elsewhere(const struct visit *visit, struct str unique_id, struct str patient_id);
bool visit_hides_document(const struct visit *visit, struct str unique_id, struct str patient_id);
void visit_hold(struct visit *visit, struct str holder, const struct document_entry *entry);
bool visit_empties_elsewhere(const struct visit *visit, struct str holder);

/* Nothing found and nothing known are two answers: false, with an issue, when who would know the patient's will could not
 * be asked, or when somebody breaks a glass that is not theirs to break. */
bool visit_known(const struct visit *visit, struct outcome *outcome) MUST_CHECK;

#endif
