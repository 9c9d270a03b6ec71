#include "gateway/south/backend.h"

#include "gateway/run/config.h"

#define BREAKER_OPEN_MS_MAX 60000
#define CONNECT_TIME_MS     5000
#define REPLY_BYTES_MAX     (64u * 1024 * 1024)

struct peer_tls backend_tls(const struct config_back_end *row)
{
	return (struct peer_tls) { row->ca_file.data, row->client_certificate_file.data, row->client_key_file.data };
}

static const char *url_or(struct str url, const char *otherwise)
{
	return url.size ? url.data : otherwise;
}

bool backend_read(const struct config_back_end *row, struct arena *arena, struct backend *backend)
{
	size_t count = row->repositories.count;

	*backend = (struct backend) { .kind = row->kind == CONFIG_KIND_XCA ? BACKEND_XCA : BACKEND_XDS,
				      .name = row->name,
				      .registry_url = row->registry_url.data,
				      .provide_url = url_or(row->provide_url, NULL),
				      .retrieve_url =
					      row->retrieve_url.size ? row->retrieve_url.data : row->registry_url.data,
				      .repository_count = count,
				      .xua_audience = row->xua_audience,
				      .tls = backend_tls(row),
				      .connect_timeout_ms = CONNECT_TIME_MS,
				      .timeout_ms = (long)row->timeout_ms,
				      .reply_bytes_max = REPLY_BYTES_MAX,
				      .requests_max = (unsigned)row->connections_max,
				      .breakers.options = { .failures = (unsigned)row->breaker_failures,
							    .open_ms = row->breaker_open_ms,
							    .open_ms_max = BREAKER_OPEN_MS_MAX } };
	if (backend->connect_timeout_ms > backend->timeout_ms)
		backend->connect_timeout_ms = backend->timeout_ms;
	backend->repositories = arena_array(arena, count, sizeof(*backend->repositories));
	if (!backend->repositories)
		return false;
	for (size_t i = 0; i < count; i++)
		backend->repositories[i] = (struct backend_repository) {
			.unique_id = row->repositories.items[i].unique_id,
			.url = row->repositories.items[i].url.data,
			.remove_url = url_or(row->repositories.items[i].remove_url, NULL),
		};
	/* A Responding Gateway answers questions: what a community takes, it takes elsewhere. */
	const char *registry = backend->kind == BACKEND_XDS ? row->registry_url.data : NULL;

	backend->register_url = url_or(row->register_url, registry);
	backend->update_url = url_or(row->update_url, registry);
	backend->delete_url = url_or(row->delete_url, NULL);
	if (str_is_empty(row->home_community_id))
		return true;
	backend->home = arena_printf(arena, "urn:oid:%.*s", STR_ARG(row->home_community_id));
	return backend->home.data != NULL;
}

static const struct backend_repository *repository_find(const struct backend *backend, struct str unique_id)
{
	for (size_t i = 0; i < backend->repository_count; i++) {
		if (str_equal(backend->repositories[i].unique_id, unique_id))
			return &backend->repositories[i];
	}
	return NULL;
}

const char *backend_repository_url(const struct backend *backend, struct str unique_id)
{
	const struct backend_repository *repository = repository_find(backend, unique_id);

	if (backend->kind == BACKEND_XCA)
		return backend->retrieve_url;
	return repository ? repository->url : NULL;
}

const char *backend_remove_url(const struct backend *backend, struct str unique_id)
{
	const struct backend_repository *repository = repository_find(backend, unique_id);

	return repository ? repository->remove_url : NULL;
}
