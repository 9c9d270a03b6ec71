/* RESTful ATNA, FHIR Feed option [ITI-20]: AuditEvents one by one, or as batch Bundles. FHIR R4 AuditEvent has no
 * identifier: an event that is sent again is known by the tag that names it (If-None-Exist).
 * Source: ITI TF-2 3.20 (Send Audit Resource Request, Send Audit Bundle Request), FHIR R4 http 3.1.0.8.1. */
#include <jansson.h>
#include <stdio.h>

#include "gateway/audit/sender_state.h"
#include "gateway/south/fhir_post.h"
#include "mappers/json_writer.h"

#define BUNDLE_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define CONDITION_SIZE   128

static const char *c_or_null(struct str text)
{
	return text.size ? text.data : NULL;
}

struct fhir_target {
	const char *url;
	struct peer_tls tls;
};

static void condition_write(struct str event, char condition[CONDITION_SIZE])
{
	snprintf(condition, CONDITION_SIZE, "_tag=urn:ietf:rfc:3986%%7C%.*s", STR_ARG(event_tag(event)));
}

/* What the status of one event means. 412: there are several that bear its name, so it is there. */
static enum delivered status_judge(long status)
{
	if ((status >= 200 && status < 300) || status == 412)
		return DELIVERED;
	if (status == 400 || status == 413 || status == 422)
		return DELIVERED_REFUSED;
	return DELIVERED_NOT;
}

static const char *why_not(long status, const char *why)
{
	if (status == 0)
		return why;
	if (status == 401 || status == 403)
		return "it does not let this gateway in (401, 403)";
	return status >= 500 ? "it answers with a server error (5xx)" : "it refuses events (4xx)";
}

/* One by one; what is refused does not hold up the next, what is not answered does. */
static void deliver_singly(const struct fhir_target *target, struct delivery *items, size_t count, const char **why)
{
	for (size_t i = 0; i < count; i++) {
		char condition[CONDITION_SIZE];
		struct buf reply;
		long status;

		if (items[i].state == DELIVERED)
			continue;
		condition_write(items[i].event, condition);
		buf_init(&reply, FHIR_POST_REPLY_MAX);
		status = fhir_post(target->url, &target->tls, items[i].event, condition, &reply, why);
		buf_free(&reply);
		items[i].state = status_judge(status);
		*why = why_not(status, *why);
		if (items[i].state == DELIVERED_NOT)
			return;
	}
}

static void bundle_write(const struct delivery *items, size_t count, struct buf *json)
{
	struct json_writer writer;

	json_writer_init(&writer, json);
	json_begin_object(&writer);
	json_member(&writer, STR("resourceType"), STR("Bundle"));
	json_member(&writer, STR("type"), STR("batch"));
	json_member_array(&writer, STR("entry"));
	for (size_t i = 0; i < count; i++) {
		char condition[CONDITION_SIZE];

		if (items[i].state == DELIVERED)
			continue;
		condition_write(items[i].event, condition);
		json_begin_object(&writer);
		json_key(&writer, STR("resource"));
		json_raw(&writer, items[i].event);
		json_member_object(&writer, STR("request"));
		json_member(&writer, STR("method"), STR("POST"));
		json_member(&writer, STR("url"), STR("AuditEvent"));
		json_member(&writer, STR("ifNoneExist"), str_from_c(condition));
		json_end_object(&writer);
		json_end_object(&writer);
	}
	json_end_array(&writer);
	json_end_object(&writer);
}

/* "201 Created": the number in front. */
static long status_number(const json_t *entry)
{
	const char *text = json_string_value(json_object_get(json_object_get(entry, "response"), "status"));
	uint64_t number = 0;

	return text && strlen(text) >= 3 && str_to_u64((struct str) { text, 3 }, &number) ? (long)number : 0;
}

/* Entries of the answer stand in the order of those of the request. FHIR R4 http 3.1.0.11.3 */
static void answers_read(struct str reply, struct delivery *items, size_t count, const char **why)
{
	json_t *bundle = json_loadb(reply.data, reply.size, 0, NULL);
	const json_t *entries = json_object_get(bundle, "entry");
	size_t answer = 0;

	for (size_t i = 0; i < count; i++) {
		long status;

		if (items[i].state == DELIVERED)
			continue;
		status = status_number(json_array_get(entries, answer++));
		items[i].state = status_judge(status);
		if (items[i].state != DELIVERED)
			*why = why_not(status, "it does not say what became of the events of a Bundle");
	}
	json_decref(bundle);
}

static void deliver_bundle(const struct fhir_target *target, struct delivery *items, size_t count, const char **why)
{
	struct buf json;
	struct buf reply;
	long status;

	buf_init(&json, BUNDLE_BYTES_MAX);
	buf_init(&reply, FHIR_POST_REPLY_MAX);
	bundle_write(items, count, &json);
	status = fhir_post(target->url, &target->tls, buf_str(&json), NULL, &reply, why);
	if (status >= 200 && status < 300)
		answers_read(buf_str(&reply), items, count, why);
	else
		*why = why_not(status, *why);
	buf_free(&json);
	buf_free(&reply);
}

void fhir_deliver(const struct config_audit_repository *repository, struct delivery *items, size_t count,
		  struct arena *arena, const char **why)
{
	struct str url =
		arena_printf(arena, "%.*s%s", STR_ARG(repository->url), repository->batch > 1 ? "" : "/AuditEvent");
	struct fhir_target target = { .url = url.data,
				      .tls = { .ca_file = c_or_null(repository->ca_file),
					       .certificate_file = c_or_null(repository->certificate_file),
					       .key_file = c_or_null(repository->key_file) } };

	*why = "no memory";
	if (!target.url)
		return;
	if (repository->batch > 1)
		deliver_bundle(&target, items, count, why);
	else
		deliver_singly(&target, items, count, why);
}
