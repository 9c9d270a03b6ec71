#include "gateway/south/backend_call.h"

#include "gateway/run/clock.h"
#include "gateway/run/log.h"
#include "gateway/run/metrics.h"

static bool is_address(const char *url, const char *other)
{
	return url == other || strcmp(url, other) == 0;
}

struct breakers_item *breakers_of(struct breakers *breakers, const char *url)
{
	for (size_t i = 0; i < BREAKERS_MAX; i++) {
		struct breakers_item *item = &breakers->items[i];
		const char *there = atomic_load(&item->url);

		if (!there && atomic_compare_exchange_strong(&item->url, &there, url))
			return item;
		if (is_address(there, url))
			return item;
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

bool backend_is_well(const struct backend *backend)
{
	for (size_t i = 0; i < BREAKERS_MAX && atomic_load(&backend->breakers.items[i].url); i++) {
		if (!breaker_is_well(&backend->breakers.items[i].breaker))
			return false;
	}
	return true;
}

bool backend_seems_well(const struct backend *backend)
{
	for (size_t i = 0; i < BREAKERS_MAX && atomic_load(&backend->breakers.items[i].url); i++) {
		if (!breaker_seems_well(&backend->breakers.items[i].breaker))
			return false;
	}
	return true;
}

enum breaker_state backend_worst_state(const struct backend *backend)
{
	enum breaker_state worst = BREAKER_IS_CLOSED;

	for (size_t i = 0; i < BREAKERS_MAX && atomic_load(&backend->breakers.items[i].url); i++) {
		enum breaker_state state = breaker_state(&backend->breakers.items[i].breaker);

		worst = state > worst ? state : worst;
	}
	return worst;
}

/* Where this thread has a place: what is asked while a document comes in must not wait for itself. */
static _Thread_local const struct backend *here;

/* Counts a call in, or returns false when requests_max are inside. */
static bool place_take(struct backend *backend, struct backend_call *call)
{
	unsigned count = atomic_load(&backend->request_count);

	call->around = here;
	if (here == backend)
		return true;
	while (count < backend->requests_max) {
		if (atomic_compare_exchange_weak(&backend->request_count, &count, count + 1)) {
			here = backend;
			return true;
		}
	}
	return backend->requests_max == 0;
}

static void place_give_back(struct backend *backend, const struct backend_call *call)
{
	if (call->around != backend && backend->requests_max > 0)
		atomic_fetch_sub(&backend->request_count, 1);
	here = call->around;
}

/* The last part of a SOAP action: "RegistryStoredQuery" of "urn:ihe:iti:2007:RegistryStoredQuery". */
static struct str action_name(struct str action)
{
	size_t colon = str_find(action, ':');

	while (colon < action.size) {
		action = str_from(action, colon + 1);
		colon = str_find(action, ':');
	}
	return action;
}

static void count(const struct backend *backend, const struct backend_call *call, const char *end)
{
	METRIC_ADD(METRIC_CALLS, 1, backend->tenant, backend->name, action_name(call->action), str_from_c(end));
}

static bool is_down(const struct backend *backend, const struct backend_call *call, struct outcome *outcome)
{
	count(backend, call, "down");
	return outcome_add(outcome, ERR_BACKEND_DOWN, "",
			   "The back-end has not answered for a while and is not asked for now; try again later.");
}

static bool silence_pass(const struct backend *backend, struct breakers_item *item, const struct asking *asking,
			 struct backend_call *call)
{
	uint64_t patience_ms = asking->gives_way && !asking->insists ? backend->patience_ms : 0;

	return silence_begin(&item->silence, patience_ms, call->passed.is_probe, &call->silence);
}

bool backend_call_begin(struct backend *backend, const struct asking *asking, struct backend_call *call,
			struct outcome *outcome)
{
	struct breakers_item *item =
		backend->breakers.options.failures > 0 ? breakers_of(&backend->breakers, asking->url) : NULL;

	*call = (struct backend_call) { .url = asking->url,
					.action = asking->action,
					.began_us = clock_monotonic_us(),
					.breaker = item ? &item->breaker : NULL };
	if (call->breaker && asking->insists)
		breaker_insist(call->breaker, &call->passed);
	else if (call->breaker && !breaker_pass(call->breaker, &call->passed))
		return is_down(backend, call, outcome);
	if (item && !silence_pass(backend, item, asking, call)) {
		breaker_end(call->breaker, &backend->breakers.options, &call->passed, BREAKER_UNSAID);
		return is_down(backend, call, outcome);
	}
	if (place_take(backend, call))
		return true;
	silence_end(&call->silence, false);
	if (call->breaker)
		breaker_end(call->breaker, &backend->breakers.options, &call->passed, BREAKER_UNSAID);
	count(backend, call, "busy");
	return outcome_add(outcome, ERR_BUSY, "", "The back-end has as many requests as it can take; try again later.");
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

void backend_call_end(struct backend *backend, struct backend_call *call, enum breaker_end end, const char *how)
{
	enum breaker_change change = BREAKER_SAME;

	place_give_back(backend, call);
	silence_end(&call->silence, end == BREAKER_ANSWERED);
	count(backend, call, how);
	METRIC_TOOK(METRIC_CALL_SECONDS, clock_monotonic_us() - call->began_us, backend->tenant, backend->name,
		    action_name(call->action));

	if (call->breaker)
		change = breaker_end(call->breaker, &backend->breakers.options, &call->passed, end);
	if (change != BREAKER_SAME)
		LOG(WARN, LOG_BREAKER, NULL, LOG_TEXT("backend", backend->name), LOG_TEXT("host", host_of(call->url)),
		    LOG_C("state", change == BREAKER_OPENED ? "open" : "closed"));
}
