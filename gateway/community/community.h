/* Inside gateway/community only: one tenant as other communities see it, and one of their requests on its way. */
#ifndef PASSERELLE_COMMUNITY_H
#define PASSERELLE_COMMUNITY_H

#include "gateway/access/visible_objects.h"
#include "gateway/soap/soap_server.h"
#include "gateway/transactions/tenants.h"
#include "gateway/transactions/transactions.h"

struct community {
	struct tenant *tenant;
	struct gateway *gateway; /* the tenant's */
	struct str home;         /* "urn:oid:..." */
	struct saml_verifier *verifier;
	struct arena *arena;
};

/* A request from its authentication to its answer. */
struct inward {
	const struct community *community;
	struct soap_request *request;
	struct soap_answer *answer;
	struct transaction t;
	struct visit **visits; /* its parts, of each source */
	struct caller caller;
	struct outcome outcome; /* of the transaction; an error in it is recorded as failure */
	char traceparent[TRACEPARENT_SIZE];
	bool is_unrecorded;
};

/* One transaction. */
struct inward_service {
	enum audit_kind kind;
	/* What is recorded of the question. False without memory. */
	bool (*question)(struct inward *inward, struct str *text, size_t *size);
	/* Does it and writes the body's element, also when inward->outcome has errors. False: a fault says why. */
	bool (*exchange)(struct inward *inward);
};

/* Records, finds out who asks and about whom, and does it: the handler of a soap_action. */
bool inward_walk(const struct inward_service *service, struct soap_request *request, struct soap_answer *answer,
		 struct outcome *fault) MUST_CHECK;

/* Makes durable what has been done, before the first byte leaves. False: nothing may be answered. */
bool inward_commit(struct inward *inward) MUST_CHECK;

/* An XDS error of the sender's; text without patient data. Returns false. */
bool inward_refuse(struct inward *inward, const char *xds_code, const char *text);

/* False, with the error, for a home that is not this community's. is_needed: and for none. ITI TF-2 3.38.4.1.3 */
bool inward_home_check(struct inward *inward, struct str home, bool is_needed) MUST_CHECK;

/* The sources that are asked: XDS domains of the affinity domain; NULL after the last. index begins at 0. */
struct source *inward_source(const struct inward *inward, size_t *index);
/* The transaction as it asks this source. */
struct transaction inward_ask(const struct inward *inward, struct source *source, struct outcome *outcome);

/* The XDS code by which an issue is told. */
struct str inward_code(const struct issue *issue);
/* What an outcome says as answer: each error at this community. has_content: something is returned all the same.
 * False without memory. */
bool inward_response(const struct inward *inward, bool has_content, struct registry_response *response) MUST_CHECK;

/* ITI-38, ITI-39 and ITI-55, in the form of soap_action.handle. */
bool cross_query(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool cross_retrieve(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);
bool patient_discovery(void *ctx, struct soap_request *request, struct soap_answer *answer, struct outcome *outcome);

#endif
