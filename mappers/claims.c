#include "mappers/claims.h"

#include "mappers/base/base64url.h"
#include "mappers/base/hex.h"
#include "mappers/code_system.h"
#include "mappers/jwt.h"
#include "mappers/scope.h"

#define TEXT_BYTES_MAX   256
#define REASON_BYTES_MAX 512
#define CODES_MAX        16
#define CARE_OF_MAX      64
#define AUDIENCES_MAX    16
#define TIME_MAX         253402300799 /* 9999-12-31T23:59:59Z */

/* Reading goes on after the first fault; what it was is asked at the end. */
struct reader {
	const struct claim_rules *rules;
	struct arena *arena;
	bool wrong;
	bool elsewhere; /* not wrong, but not for this tenant */
	bool expired;
};

static bool is_printable(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7F)
			return false;
	}
	return true;
}

static struct str text_keep(struct reader *reader, const json_t *value, size_t size_max)
{
	struct str text;

	if (!value)
		return STR_NONE;
	if (!json_is_string(value)) {
		reader->wrong = true;
		return STR_NONE;
	}
	text = (struct str) { json_string_value(value), json_string_length(value) };
	if (text.size == 0 || text.size > size_max || !is_printable(text)) {
		reader->wrong = true;
		return STR_NONE;
	}
	return arena_copy(reader->arena, text);
}

static struct str text_read(struct reader *reader, const json_t *object, const char *name)
{
	return text_keep(reader, json_object_get(object, name), TEXT_BYTES_MAX);
}

static struct str text_required(struct reader *reader, const json_t *object, const char *name)
{
	struct str text = text_read(reader, object, name);

	reader->wrong |= !text.data;
	return text;
}

/* A NumericDate of whole seconds; -1 when absent. RFC 7519 allows fractions, nobody writes them. */
static int64_t time_read(struct reader *reader, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!value)
		return -1;
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > TIME_MAX) {
		reader->wrong = true;
		return -1;
	}
	return json_integer_value(value);
}

static const json_t *object_read(struct reader *reader, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	reader->wrong |= value && !json_is_object(value);
	return json_is_object(value) ? value : NULL;
}

/* An array of at most count_max items; NULL when absent. */
static const json_t *array_read(struct reader *reader, const json_t *object, const char *name, size_t count_max)
{
	const json_t *value = json_object_get(object, name);

	reader->wrong |= value && (!json_is_array(value) || json_array_size(value) > count_max);
	return json_is_array(value) ? value : NULL;
}

/* The base of another tenant, or the one that stands for one of them without its name. */
static bool is_of_others(const struct claim_rules *rules, struct str audience)
{
	struct str shared = rules->others_below;
	struct str name = str_from(audience, shared.size);

	if (str_is_empty(shared) || !str_starts_with(audience, shared))
		return false;
	return name.size == 0 ||
	       (name.size > 1 && name.data[0] == '/' && str_find(str_from(name, 1), '/') == name.size - 1);
}

static void audience_check(struct reader *reader, const json_t *object)
{
	const json_t *value = json_object_get(object, "aud");
	size_t count = json_is_array(value) ? json_array_size(value) : value ? 1 : 0;
	bool found = false;
	bool is_elsewhere = false;

	reader->wrong |= count == 0 || count > AUDIENCES_MAX;
	for (size_t i = 0; i < count && count <= AUDIENCES_MAX; i++) {
		struct str text = text_keep(reader, json_is_array(value) ? json_array_get(value, i) : value, 1024);

		found |= text.data && (str_equal(text, reader->rules->audience) ||
				       (text.size && str_equal(text, reader->rules->audience_too)));
		is_elsewhere |= is_of_others(reader->rules, text);
	}
	reader->elsewhere |= !found && is_elsewhere;
	reader->wrong |= !found && !is_elsewhere;
}

static void times_check(struct reader *reader, const json_t *object, struct caller *caller)
{
	const struct claim_rules *rules = reader->rules;
	int64_t issued = time_read(reader, object, "iat");
	int64_t expires = time_read(reader, object, "exp");
	int64_t not_before = time_read(reader, object, "nbf");
	int64_t authenticated = time_read(reader, object, "auth_time");

	reader->wrong |= expires < 0 || (issued < 0 && !rules->is_introspected);
	reader->wrong |= issued > rules->now_s + rules->skew_s || not_before > rules->now_s + rules->skew_s;
	reader->wrong |= issued >= 0 && (expires <= issued || expires - issued > rules->lifetime_max_s);
	reader->expired = rules->now_s > expires + rules->skew_s;
	caller->authenticated_s = authenticated >= 0 ? authenticated : issued >= 0 ? issued : 0;
	caller->expires_s = expires;
}

/* One FHIR Coding: system and code are compared, display is for people. */
static bool coding_read(struct reader *reader, const json_t *coding, struct code *code)
{
	if (!json_is_object(coding)) {
		reader->wrong = true;
		return false;
	}
	struct str system = text_read(reader, coding, "system");

	*code = (struct code) { .code = text_required(reader, coding, "code"),
				.scheme = system.data ? code_system_scheme(system) : STR_NONE,
				.display = text_read(reader, coding, "display") };
	return code->code.data != NULL;
}

static struct codes codes_read(struct reader *reader, const json_t *object, const char *name)
{
	const json_t *array = array_read(reader, object, name, CODES_MAX);
	struct codes codes = { arena_array(reader->arena, CODES_MAX, sizeof(*codes.items)), 0 };

	for (size_t i = 0; codes.items && i < json_array_size(array) && i < CODES_MAX; i++)
		codes.count += coding_read(reader, json_array_get(array, i), &codes.items[codes.count]);
	return codes;
}

/* The more a purpose opens, the more it is watched: the strongest one is what the request is judged and recorded by.
 * Only codes of v3-ActReason can break the glass. */
static struct code purpose_choose(const struct codes *purposes, enum caller_kind kind)
{
	static const struct str strongest[] = { STR_INIT("BTG"), STR_INIT("ETREAT"), STR_INIT("TREAT") };
	const size_t breaking = 2; /* the first two are for people */
	struct code other = { .code = STR_NONE };

	for (size_t s = 0; s < COUNT_OF(strongest); s++) {
		for (size_t i = 0; i < purposes->count; i++) {
			const struct code *purpose = &purposes->items[i];

			if (str_equal(purpose->code, strongest[s]) &&
			    str_equal(purpose->scheme, STR(PURPOSE_SYSTEM_OID)) &&
			    (kind == CALLER_USER || s >= breaking))
				return *purpose;
		}
	}
	for (size_t i = 0; i < purposes->count && !other.code.data; i++) {
		const struct code *purpose = &purposes->items[i];

		if (!str_equal(purpose->code, strongest[0]) && !str_equal(purpose->code, strongest[1]) &&
		    !str_equal(purpose->code, strongest[2]))
			other = *purpose;
	}
	return other;
}

static struct code purpose_default(enum caller_kind kind)
{
	struct code purpose = { .scheme = STR(PURPOSE_SYSTEM_OID) };

	if (kind == CALLER_SYSTEM)
		purpose.code = STR("TREAT");
	else if (kind == CALLER_PATIENT)
		purpose.code = STR("PATRQT");
	return purpose.code.data ? purpose : (struct code) { .code = STR_NONE };
}

/* The patient that the token speaks of: IUA's person_id, a consent's patient_id, or SMART's launch context, which is the
 * id of a Patient resource of this server. They must not contradict each other. */
static void person_read(struct reader *reader, const json_t *object, const json_t *extensions, struct caller *caller)
{
	const json_t *pcf = object_read(reader, extensions, "ihe_pcf");
	struct str names[] = {
		text_read(reader, object_read(reader, extensions, "ihe_iua"), "person_id"),
		text_read(reader, pcf, "patient_id"),
		text_read(reader, object_read(reader, extensions, "ihe_bppc"), "patient_id"),
	};
	struct str smart = text_read(reader, object, "patient");

	/* What the authorization server wants left out of an answer cannot be honoured here, so it is not accepted. */
	reader->wrong |= json_object_get(pcf, "residual") != NULL;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (!names[i].data)
			continue;
		reader->wrong |= caller->person_id.data && !str_equal(caller->person_id, names[i]);
		caller->person_id = names[i];
	}
	if (smart.data && !caller->person_id.data)
		caller->person_id =
			arena_printf(reader->arena, "%.*s/Patient/%.*s", STR_ARG(reader->rules->base), STR_ARG(smart));
}

/* What IHE has no claim for. */
static void own_read(struct reader *reader, const json_t *own, struct caller *caller)
{
	struct str tenant = text_read(reader, own, "tenant");
	const json_t *care_of = array_read(reader, own, "care_of", CARE_OF_MAX);

	reader->elsewhere |= tenant.data && !str_equal(tenant, reader->rules->tenant);
	caller->reason = text_keep(reader, json_object_get(own, "reason"), REASON_BYTES_MAX);
	caller->care_of.items = arena_array(reader->arena, json_array_size(care_of), sizeof(struct str));
	for (size_t i = 0; caller->care_of.items && i < json_array_size(care_of); i++) {
		struct str patient = text_keep(reader, json_array_get(care_of, i), TEXT_BYTES_MAX);

		if (patient.data)
			caller->care_of.items[caller->care_of.count++] = patient;
	}
}

/* RFC 8705: the certificate that must come along. A confirmation of another kind cannot be checked here, and a token
 * that is bound to something must not be taken from just anybody. */
static void confirmation_read(struct reader *reader, const json_t *object, struct claims *claims)
{
	const json_t *confirmation = object_read(reader, object, "cnf");
	struct str thumbprint = text_read(reader, confirmation, "x5t#S256");
	struct str bytes;
	char *hex;

	if (!confirmation)
		return;
	hex = arena_alloc(reader->arena, 65);
	if (!thumbprint.data || json_object_size(confirmation) != 1 || !hex ||
	    !base64url_decode(thumbprint, reader->arena, &bytes) || bytes.size != 32) {
		reader->wrong = true;
		return;
	}
	hex_write((const unsigned char *)bytes.data, 32, hex);
	claims->bound_certificate = (struct str) { hex, 64 };
}

/* RFC 8693 4.1: sub is who is represented, act.sub who asks. */
static void subject_read(struct reader *reader, const json_t *object, struct caller *caller)
{
	const json_t *actor = object_read(reader, object, "act");
	struct str client = text_read(reader, object, "client_id");

	caller->subject = text_required(reader, object, "sub");
	if (actor) {
		caller->acting_for = caller->subject;
		caller->subject = text_required(reader, actor, "sub");
	}
	caller->client_id = client.data ? client : text_required(reader, object, "azp");
	caller->issuer = text_read(reader, object, "iss");
	caller->token_id = text_keep(reader, json_object_get(object, "jti"), 128);
	if (!reader->rules->is_introspected)
		reader->wrong |= !caller->issuer.data || !caller->token_id.data;
	reader->wrong |= caller->issuer.data && !str_equal(caller->issuer, reader->rules->issuer);
	caller->issuer = reader->rules->issuer;
	caller->authentication = text_read(reader, object, "acr");
}

static void scopes_read(struct reader *reader, const json_t *object, struct caller *caller)
{
	caller->scopes = text_keep(reader, json_object_get(object, "scope"), 4096);
	reader->wrong |= !caller->scopes.data || !scope_valid(caller->scopes);
}

/* IHE's scopes name no class. A client that is its own subject is a machine (RFC 9068 2.2), others with a role or a name
 * are people. */
static enum caller_kind kind_without_class(const struct caller *caller)
{
	if (str_equal(caller->subject, caller->client_id))
		return CALLER_SYSTEM;
	return caller->roles.count || caller->name.data ? CALLER_USER : CALLER_SYSTEM;
}

static void iua_read(struct reader *reader, const json_t *iua, struct caller *caller)
{
	struct codes purposes = codes_read(reader, iua, "purpose_of_use");

	caller->name = text_read(reader, iua, "subject_name");
	caller->organization = text_read(reader, iua, "subject_organization");
	caller->organization_id = text_read(reader, iua, "subject_organization_id");
	caller->home_community_id = text_read(reader, iua, "home_community_id");
	caller->provider_id = text_read(reader, iua, "national_provider_identifier");
	caller->roles = codes_read(reader, iua, "subject_role");
	caller->kind = scope_kind(caller->scopes);
	if (caller->kind == CALLER_ANONYMOUS)
		caller->kind = kind_without_class(caller);
	caller->purpose = purpose_choose(&purposes, caller->kind);
	if (!caller->purpose.code.data)
		caller->purpose = purpose_default(caller->kind);
}

/* What must be known of each kind, so that consent can be decided and accesses recorded. */
static bool is_complete(const struct caller *caller)
{
	switch (caller->kind) {
	case CALLER_PATIENT:
		return caller->person_id.data;
	case CALLER_USER:
		return caller->name.data && caller->organization_id.data && caller->roles.count &&
		       caller->purpose.code.data;
	default:
		return true;
	}
}

enum claims_end claims_read(const json_t *object, const struct claim_rules *rules, struct arena *arena,
			    struct claims *claims)
{
	struct reader reader = { .rules = rules, .arena = arena };
	struct caller *caller = &claims->caller;
	const json_t *extensions;

	*claims = (struct claims) { .caller = { .tenant = rules->tenant, .is_opaque = rules->is_introspected } };
	extensions = object_read(&reader, object, "extensions");
	subject_read(&reader, object, caller);
	audience_check(&reader, object);
	times_check(&reader, object, caller);
	scopes_read(&reader, object, caller);
	iua_read(&reader, object_read(&reader, extensions, "ihe_iua"), caller);
	person_read(&reader, object, extensions, caller);
	own_read(&reader, object_read(&reader, extensions, "passerelle"), caller);
	confirmation_read(&reader, object, claims);
	if (arena_failed(arena))
		return CLAIMS_NO_MEMORY;
	if (reader.wrong)
		return CLAIMS_WRONG;
	if (reader.expired)
		return CLAIMS_EXPIRED;
	if (reader.elsewhere)
		return CLAIMS_ELSEWHERE;
	return is_complete(caller) ? CLAIMS_GOOD : CLAIMS_LACKING;
}
