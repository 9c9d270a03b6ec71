#include "gateway/http/server_limits.h"

#define BODY_GRACE_MS 10000

struct server_options server_limits(const struct config *config)
{
	return (struct server_options) {
		.polling_threads = (unsigned)config->limits_polling_threads,
		.connections_max = (unsigned)config->limits_connections,
		.connections_per_address_max = (unsigned)config->limits_connections_per_address,
		.header_ms = config->limits_header_seconds * 1000,
		.keep_alive_ms = config->limits_keep_alive_seconds * 1000,
		.body_rate_min = config->limits_body_rate,
		.body_grace_ms = BODY_GRACE_MS,
		.request_ms = config->limits_request_seconds * 1000,
		.arena_bytes = config->limits_request_memory,
		.workers = { .threads_max = config->limits_workers, .queue_max = config->limits_queue },
	};
}
