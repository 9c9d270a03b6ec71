#include "gateway/access/challenge.h"

#include <stdio.h>

static const char nobody_sentence[] = "Send an access token: Authorization: Bearer TOKEN.";

/* realm and URL come from the configuration, which holds neither quotes nor backslashes in them. */
static void write_header(const struct access *access, struct challenge *challenge, const char *error, struct str scope)
{
	snprintf(challenge->header, sizeof challenge->header,
		 "Bearer realm=\"%.*s\"%s%s%s%s%s%s%.*s%s, resource_metadata=\"%.*s\"", STR_ARG(access->config->tenant),
		 error ? ", error=\"" : "", error ? error : "", error ? "\"" : "",
		 error ? ", error_description=\"" : "", error ? challenge->sentence : "",
		 scope.size ? "\", scope=\"" : "", STR_ARG(scope), error ? "\"" : "",
		 STR_ARG(challenge->is_bare ? access->bare_metadata_url : access->metadata_url));
}

bool challenge_nobody(const struct access *access, struct challenge *challenge)
{
	challenge->code = ERR_UNAUTHENTICATED;
	challenge->sentence = nobody_sentence;
	write_header(access, challenge, NULL, STR_NONE);
	return false;
}

bool challenge_error(const struct access *access, enum error_code code, const char *error, const char *sentence,
		     struct challenge *challenge)
{
	challenge->code = code;
	challenge->sentence = sentence;
	write_header(access, challenge, error, STR_NONE);
	return false;
}

bool challenge_scope(const struct access *access, struct str scope, struct challenge *challenge)
{
	challenge->code = ERR_FORBIDDEN;
	challenge->sentence = "Ask for a token with the scope that the WWW-Authenticate header names.";
	write_header(access, challenge, "insufficient_scope", scope);
	return false;
}

bool challenge_unavailable(const char *sentence, struct challenge *challenge)
{
	challenge->code = ERR_TRUST_UNAVAILABLE;
	challenge->sentence = sentence;
	challenge->header[0] = '\0';
	return false;
}
