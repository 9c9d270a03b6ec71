/* One request's way through consent, whatever it asks and wherever. */
#ifndef PASSERELLE_VISIT_H
#define PASSERELLE_VISIT_H

#include "gateway/access/communities.h"
#include "gateway/access/consent.h"

/* Who asks, for what, and what was found out about each patient so far. */
struct visit;

/* Begins a visit; everything borrowed, the visit is in south->arena. is_bound: the token speaks of one patient, whose CX
 * after identity resolution is own_patient (STR_NONE: nobody knows them). A caller who is bound, or a patient, never sees
 * another patient's data, whatever a consent says. NULL without memory. */
struct visit *visit_begin(struct access *access, const struct south *south, const struct caller *caller, bool is_bound,
			  struct str own_patient, int64_t now_s) MUST_CHECK;

/* A part of the visit, for a source that is asked beside others: same caller and rules, its own memory (south->arena), so
 * that one thread may use it while others use other parts. community: the source's, when it knows patients by other
 * identifiers than the affinity domain; NULL otherwise. What it decides belongs to the visit: visit_patients tells of
 * all parts, once their threads have ended. Called by the visit's own thread. NULL without memory. */
struct visit *visit_part(struct visit *visit, const struct south *south,
			 const struct other_community *community) MUST_CHECK;

/* All that the visit, or this part of it, asks from now on ends by then. Called by the thread that uses it. */
void visit_until(struct visit *visit, struct deadline deadline);

/* The patient (CX here) as the part's source knows them; *there is STR_NONE when it knows no such patient. Objects that
 * come through the part name the patient as here; what is of patients whom nobody knows here does not come. False, with
 * an error, when it cannot be told. */
bool visit_patient_there(struct visit *visit, struct str here, struct str *there, struct outcome *outcome) MUST_CHECK;

/* False, with ERR_FORBIDDEN, when the caller asks about a patient of whom their token does not speak. patient_id: CX. */
bool visit_about(const struct visit *visit, struct str patient_id, struct outcome *outcome) MUST_CHECK;

/* False, with ERR_TRUST_UNAVAILABLE, when nobody can tell now what the patient consents to: said also where nothing would
 * be found, so that the answer does not depend on it. */
bool visit_consent(struct visit *visit, enum consent_action action, struct str patient_id,
		   struct outcome *outcome) MUST_CHECK;

/* True when the caller may learn that this patient is known here: nothing is said of one whose documents are all closed
 * to them, and of whom nobody can say (outcome then has ERR_TRUST_UNAVAILABLE). */
bool visit_may_discover(struct visit *visit, struct str patient_id, struct outcome *outcome) MUST_CHECK;

#define VISIT_HOSPITALS_MAX 16

/* What was decided about one patient, for the audit record. */
struct visit_patient {
	struct str patient_id; /* CX */
	size_t permitted_count;
	size_t denied_count;
	bool was_refused;                          /* as a whole, without looking at documents */
	struct consent_decision decided;           /* a broken glass, else the last denial, else the last permit */
	struct str hospitals[VISIT_HOSPITALS_MAX]; /* others, whose documents were permitted */
	size_t hospital_count;
};
const struct visit_patient *visit_patients(const struct visit *visit, size_t *count);

#endif
