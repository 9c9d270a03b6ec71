#include "gateway/access/authenticate.h"

#include "gateway/access/challenge.h"

static bool refuse_token(const struct access *access, struct challenge *challenge)
{
	return challenge_error(access, ERR_UNAUTHENTICATED, "invalid_token",
			       "Get a new access token: this one is not accepted here.", challenge);
}

enum quick authenticate_quick(struct access *access, const struct credentials *credentials, int64_t now_s,
			      struct challenge *challenge)
{
	(void)now_s;
	if (credentials->is_doubled) {
		challenge_error(access, ERR_CREDENTIALS, "invalid_request",
				"Send one access token, in one Authorization header and nowhere else.", challenge);
		return QUICK_REFUSED;
	}
	if (!credentials->authorization.data) {
		if (access->config->access_anonymous)
			return QUICK_KNOWN;
		challenge_nobody(access, challenge);
		return QUICK_REFUSED;
	}
	refuse_token(access, challenge);
	return QUICK_REFUSED;
}

const struct caller *authenticate(struct access *access, const struct credentials *credentials,
				  const struct south *south, int64_t now_s, struct challenge *challenge)
{
	struct caller *caller;

	if (authenticate_quick(access, credentials, now_s, challenge) == QUICK_REFUSED)
		return NULL;
	caller = arena_alloc(south->arena, sizeof(*caller));
	if (!caller) {
		challenge_unavailable("Try again later.", challenge);
		return NULL;
	}
	*caller = (struct caller) { .kind = CALLER_ANONYMOUS,
				    .tenant = access->config->tenant,
				    .reason = credentials->reason,
				    .address = credentials->address };
	return caller;
}
