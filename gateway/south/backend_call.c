#include "gateway/south/backend.h"

#include "gateway/run/log.h"

static bool is_address(const char *url, const char *other)
{
	return url == other || strcmp(url, other) == 0;
}

struct breaker *breakers_of(struct breakers *breakers, const char *url)
{
	for (size_t i = 0; i < BREAKERS_MAX; i++) {
		struct breakers_item *item = &breakers->items[i];
		const char *there = atomic_load(&item->url);

		if (!there && atomic_compare_exchange_strong(&item->url, &there, url))
			return &item->breaker;
		if (is_address(there, url))
			return &item->breaker;
	}
	return NULL;
}

bool backend_would_ask(const struct backend *backend, const char *url)
{
	for (size_t i = 0; i < BREAKERS_MAX; i++) {
		const char *there = atomic_load(&backend->breakers.items[i].url);

		if (!there)
			break;
		if (is_address(there, url))
			return breaker_would_pass(&backend->breakers.items[i].breaker);
	}
	return true;
}

bool backend_enter(struct backend *backend)
{
	unsigned count = atomic_load(&backend->request_count);

	while (count < backend->requests_max) {
		if (atomic_compare_exchange_weak(&backend->request_count, &count, count + 1))
			return true;
	}
	return false;
}

void backend_leave(struct backend *backend)
{
	atomic_fetch_sub(&backend->request_count, 1);
}

bool backend_call_begin(struct backend *backend, const char *url, struct backend_call *call, struct outcome *outcome)
{
	*call = (struct backend_call) { .url = url };
	if (backend->breakers.options.failures > 0)
		call->breaker = breakers_of(&backend->breakers, url);
	if (!call->breaker || breaker_pass(call->breaker, &call->passed))
		return true;
	return outcome_add(outcome, ERR_BACKEND_DOWN, "",
			   "The back-end has not answered for a while and is not asked for now; try again later.");
}

/* Host and port; an address as a whole is nothing for a log. */
static struct str host_of(const char *url)
{
	struct str host = str_from(str_from_c(url), str_find(str_from_c(url), ':') + 3);
	size_t user;

	host.size = str_find(host, '/');
	user = str_find(host, '@');
	return user < host.size ? str_from(host, user + 1) : host;
}

void backend_call_end(struct backend *backend, const struct backend_call *call, enum breaker_end end)
{
	enum breaker_change change = BREAKER_SAME;

	if (call->breaker)
		change = breaker_end(call->breaker, &backend->breakers.options, &call->passed, end);
	if (change != BREAKER_SAME)
		LOG(WARN, LOG_BREAKER, NULL, LOG_TEXT("backend", backend->name), LOG_TEXT("host", host_of(call->url)),
		    LOG_C("state", change == BREAKER_OPENED ? "open" : "closed"));
}
