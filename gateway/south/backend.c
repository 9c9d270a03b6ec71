#include "gateway/south/backend.h"

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

const char *backend_repository_url(const struct backend *backend, struct str unique_id)
{
	for (size_t i = 0; i < backend->repository_count; i++) {
		if (str_equal(backend->repositories[i].unique_id, unique_id))
			return backend->repositories[i].url;
	}
	return NULL;
}
