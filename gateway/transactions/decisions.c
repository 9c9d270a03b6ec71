#include "gateway/transactions/decisions.h"

#include "gateway/transactions/identify_patient.h"

void decisions_record(const struct transaction *t)
{
	size_t count = 0;
	const struct visit_patient *patients = t->visit ? visit_patients(t->visit, &count) : NULL;

	for (size_t i = 0; i < count; i++) {
		audit_patient(t->audit, patients[i].patient_id, patient_reference(t, patients[i].patient_id));
		audit_decision(t->audit, patients[i].patient_id, &patients[i].decided, patients[i].denied_count,
			       patients[i].was_refused);
		for (size_t k = 0; k < patients[i].hospital_count; k++)
			audit_hospital(t->audit, patients[i].patient_id, patients[i].hospitals[k]);
	}
}
