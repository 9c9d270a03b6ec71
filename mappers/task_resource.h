/* A publication that was accepted and is registered later, as FHIR Task: what is to be done, how it stands, and why not.
 * Source: FHIR R4 Task. */
#ifndef PASSERELLE_TASK_RESOURCE_H
#define PASSERELLE_TASK_RESOURCE_H

#include "mappers/base/arena.h"
#include "mappers/base/error.h"

struct json_writer;

enum task_status {
	TASK_REQUESTED,   /* it waits for its turn or for the back-end */
	TASK_ON_HOLD,     /* what it builds upon was refused */
	TASK_IN_PROGRESS, /* it is being sent */
	TASK_COMPLETED,
	TASK_FAILED,   /* refused for good: somebody must decide */
	TASK_CANCELLED /* withdrawn */
};
#define TASK_STATUSES 6

struct str task_status_word(enum task_status status);

struct task_facts {
	struct str id;
	enum task_status status;
	struct str reason; /* of the last failure, without patient data; or empty */
	struct str kind;   /* "provide" ...; code of urn:passerelle:publication */
	struct str target; /* name of the back-end */
	struct str
		focus; /* "List/{id}": the SubmissionSet; "DocumentReference/{id}": what an update changes; or empty */
	struct str patient;    /* "Patient/{id}"; or empty */
	struct str status_url; /* where its answer can be asked */
	uint64_t attempts;
	int64_t accepted_s; /* since 1970 */
	int64_t changed_s;
};

void task_write(const struct task_facts *facts, struct json_writer *writer);

#endif
