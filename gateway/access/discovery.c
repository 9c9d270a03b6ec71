#include "gateway/access/discovery.h"

#include "gateway/access/access_state.h"

struct scope_row {
	struct str ihe;
	struct str smart;
};

static const struct scope_row rows[] = {
#define SCOPE(route, ihe_scopes, smart_scopes) { STR_INIT(ihe_scopes), STR_INIT(smart_scopes) },
#include "profiles/iua/scopes.def"
};

/* Scopes that were written already; there are few. */
#define SCOPES_MAX 256
struct written {
	struct json_writer *writer;
	struct str scopes[SCOPES_MAX];
	size_t count;
};

static bool is_new(struct written *written, struct str scope)
{
	for (size_t i = 0; i < written->count; i++) {
		if (str_equal(written->scopes[i], scope))
			return false;
	}
	if (str_is_empty(scope) || written->count == SCOPES_MAX)
		return false;
	written->scopes[written->count++] = scope;
	return true;
}

static void scope_write(struct json_writer *writer, const char *class, struct str resource, struct str letter)
{
	json_begin_text(writer);
	json_text_part(writer, str_from_c(class));
	json_text_part(writer, resource);
	json_text_part(writer, STR("."));
	json_text_part(writer, letter);
	json_end_text(writer);
}

/* permission: "DocumentReference.s"; with the words that the European API writes for systems. */
static void permission_write(struct json_writer *writer, struct str permission)
{
	static const char *const classes[] = { "patient/", "user/", "system/" };
	static const struct str words[] = { STR_INIT("create"), STR_INIT("read"), STR_INIT("update"),
					    STR_INIT("delete"), STR_INIT("search") };
	struct str resource = { permission.data, str_find(permission, '.') };
	struct str letter = str_from(permission, resource.size + 1);

	for (size_t i = 0; i < COUNT_OF(classes); i++)
		scope_write(writer, classes[i], resource, letter);
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (letter.size && words[i].data[0] == letter.data[0])
			scope_write(writer, "system/", resource, words[i]);
	}
}

static void scopes_write(struct json_writer *writer)
{
	struct written written = { .writer = writer };
	struct str rest;
	struct str part;

	json_member_array(writer, STR("scopes_supported"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (rest = rows[i].ihe; str_next(&rest, ' ', &part);) {
			if (is_new(&written, part))
				json_text(writer, part);
		}
		for (rest = rows[i].smart; str_next(&rest, ' ', &part);) {
			if (!str_equal(part, STR("|")) && is_new(&written, part))
				permission_write(writer, part);
		}
	}
	json_end_array(writer);
}

static void url_write(const struct access *access, struct json_writer *writer, struct str key, struct str path)
{
	json_key(writer, key);
	json_begin_text(writer);
	json_text_part(writer, access->config->public_base);
	json_text_part(writer, path);
	json_end_text(writer);
}

static void texts_write(struct json_writer *writer, struct str key, const char *const *texts)
{
	json_member_array(writer, key);
	for (; *texts; texts++)
		json_text(writer, str_from_c(*texts));
	json_end_array(writer);
}

bool discovery_has_server(const struct access *access)
{
	return access->trust->server_key != NULL;
}

void discovery_server_write(const struct access *access, struct json_writer *writer)
{
	json_begin_object(writer);
	json_member(writer, STR("issuer"), access->config->public_base);
	url_write(access, writer, STR("token_endpoint"), STR("/auth/token"));
	url_write(access, writer, STR("jwks_uri"), STR("/auth/jwks"));
	texts_write(writer, STR("grant_types_supported"), (const char *const[]) { "client_credentials", NULL });
	texts_write(writer, STR("response_types_supported"), (const char *const[]) { NULL });
	texts_write(writer, STR("token_endpoint_auth_methods_supported"),
		    (const char *const[]) { "private_key_jwt", NULL });
	texts_write(writer, STR("token_endpoint_auth_signing_alg_values_supported"),
		    (const char *const[]) { "RS384", "ES384", NULL });
	json_member(writer, STR("access_token_format"), STR("ihe-jwt"));
	scopes_write(writer);
	texts_write(writer, STR("capabilities"),
		    (const char *const[]) { "client-confidential-asymmetric", "permission-patient", "permission-user",
					    "permission-v1", "permission-v2", NULL });
	json_end_object(writer);
}

struct str discovery_keys(const struct access *access)
{
	return signing_key_jwks(access->trust->server_key);
}

void discovery_resource_write(const struct access *access, bool is_bare, struct json_writer *writer)
{
	const struct trust *trust = access->trust;

	json_begin_object(writer);
	json_member(writer, STR("resource"), is_bare ? access->config->bare_base : access->config->public_base);
	json_member_array(writer, STR("authorization_servers"));
	for (size_t i = 0; i < trust->issuer_count; i++) {
		/* RFC 9728 2: they are URLs; the issuer of demonstrations is none. */
		if (str_starts_with(trust->issuers[i].name, STR("http")))
			json_text(writer, trust->issuers[i].name);
	}
	json_end_array(writer);
	scopes_write(writer);
	texts_write(writer, STR("bearer_methods_supported"), (const char *const[]) { "header", NULL });
	json_key(writer, STR("tls_client_certificate_bound_access_tokens"));
	json_bool(writer, true);
	json_end_object(writer);
}
