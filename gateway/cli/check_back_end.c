#include "gateway/cli/check_back_end.h"

#include <stdio.h>

#include "gateway/run/spool.h"
#include "gateway/south/probe.h"
#include "gateway/south/xcpd_client.h"

#define REPLY_BYTES_MAX (4u * 1024 * 1024)

/* One line per question; true when it was answered. */
static bool report(const struct config_back_end *config, const char *what, const char *url, bool ok,
		   const struct outcome *outcome)
{
	printf("%s %.*s: %s at %s", ok ? "ok  " : "FAIL", STR_ARG(config->name), what, url);
	if (!ok && outcome->count > 0)
		printf(": %s%s%s", outcome->issues[0].xds_code, outcome->issues[0].xds_code[0] ? " " : "",
		       outcome->issues[0].text);
	putchar('\n');
	return ok;
}

/* Who serves nothing there says 404 to a GET; who serves SOAP there may say anything else. */
static bool address_check(const struct config_back_end *config, const struct south *south, const char *what,
			  const char *url)
{
	struct outcome outcome;
	long status;
	bool ok;

	outcome_init(&outcome);
	ok = probe_address(south, url, &status, &outcome);
	if (ok && status == 404)
		ok = outcome_add(&outcome, ERR_BACKEND_ANSWER, "", "Nothing is served at this path (HTTP 404).");
	if (!ok)
		return report(config, what, url, false, &outcome);
	printf("ok   %.*s: %s at %s: answers (not tried)\n", STR_ARG(config->name), what, url);
	return true;
}

/* The addresses of what the back-end takes, where they are not those that are asked anyway. */
static bool takes_check(const struct config_back_end *config, struct south *south)
{
	const struct {
		const char *what;
		struct str url;
	} addresses[] = { { "publications", config->provide_url },
			  { "registrations", config->register_url },
			  { "updates", config->update_url },
			  { "removals", config->delete_url } };
	bool ok = true;

	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		if (str_is_empty(addresses[i].url))
			continue;
		south->deadline = deadline_in(config->timeout_ms);
		ok = address_check(config, south, addresses[i].what, addresses[i].url.data) && ok;
	}
	return ok;
}

static bool registry_check(const struct config_back_end *config, struct south *south)
{
	struct outcome outcome;

	outcome_init(&outcome);
	south->deadline = deadline_in(config->timeout_ms);
	return report(config, south->backend->kind == BACKEND_XCA ? "community: queries" : "registry",
		      south->backend->registry_url, probe_registry(south, &outcome), &outcome);
}

static bool repository_check(const struct config_back_end *config, struct south *south,
			     const struct backend_repository *repository)
{
	struct outcome outcome;

	outcome_init(&outcome);
	south->deadline = deadline_in(config->timeout_ms);
	return report(config, south->backend->kind == BACKEND_XCA ? "community: documents" : "repository",
		      repository->url, probe_repository(south, repository, &outcome), &outcome);
}

static bool domain_answers(const struct config_back_end *config, struct south *south)
{
	bool ok = registry_check(config, south);

	for (size_t i = 0; i < config->repositories.count; i++) {
		const struct backend_repository repository = { .unique_id = config->repositories.items[i].unique_id,
							       .url = config->repositories.items[i].url.data };

		ok = repository_check(config, south, &repository) && ok;
	}
	return takes_check(config, south) && ok;
}

/* Asks about a patient who does not exist: "nobody" is an answer. */
static bool discovery_check(const struct config_back_end *config, struct south *south)
{
	const struct xcpd_service service = { .url = config->xcpd_url.data, .authority = config->assigning_authority };
	struct patient_identity nobody = { service.authority, STR("-") };
	const struct patient patient = { .identifiers = { &nobody, 1 }, .match_percent = -1 };
	struct patient_identities found;
	struct outcome outcome;

	if (str_is_empty(config->xcpd_url))
		return true;
	outcome_init(&outcome);
	south->deadline = deadline_in(config->timeout_ms);
	return report(config, "community: patients", service.url,
		      xcpd_discover(south, &service, &patient, &found, &outcome) != XCPD_FAILED, &outcome);
}

static bool community_answers(const struct config_back_end *config, struct south *south)
{
	/* Nobody has a repository of this name: the gateway answers that it knows none. */
	const struct backend_repository nowhere = { .unique_id = STR("2.25.0"), .url = south->backend->retrieve_url };
	bool ok = registry_check(config, south);

	ok = repository_check(config, south, &nowhere) && ok;
	ok = discovery_check(config, south) && ok;
	return takes_check(config, south) && ok;
}

bool check_back_end(const struct config_back_end *config, const struct xua *xua, struct arena *arena)
{
	static const struct caller self = { .kind = CALLER_SYSTEM, .subject = STR_INIT("passerelle-check") };
	struct spool_limits spools = { .directory = "/tmp", .memory_bytes = 65536, .total_bytes_max = REPLY_BYTES_MAX };
	struct backend backend;
	struct south south = {
		.backend = &backend, .arena = arena, .spools = &spools, .xua = xua, .caller = &self, .is_probe = true
	};

	if (!backend_read(config, arena, &backend))
		return false;
	backend.breakers.options.failures = 0; /* every address is asked, however many fail */
	backend.connect_timeout_ms = backend.timeout_ms;
	backend.reply_bytes_max = REPLY_BYTES_MAX;
	return config->kind == CONFIG_KIND_XCA ? community_answers(config, &south) : domain_answers(config, &south);
}
