/* A back-end is data: where one XDS domain or one community is, and how much may be asked of it at once. Nothing here
 * does I/O. */
#ifndef PASSERELLE_BACKEND_H
#define PASSERELLE_BACKEND_H

#include "gateway/south/breaker.h"
#include "gateway/south/silence.h"
#include "mappers/base/arena.h"
#include "mappers/base/error.h"

struct config_back_end;

/* How a peer is spoken to where its URL is https: TLS 1.2 or 1.3, its certificate leads to an authority and names the
 * host, or nothing is sent. Members that are NULL or "" are not there. */
struct peer_tls {
	const char *ca_file;          /* PEM: the authorities, in the place of the system's */
	const char *certificate_file; /* PEM: ours, then those that lead to its root */
	const char *key_file;
};

/* Whether the files are there and go together. name is what the issue is about. Errors: ERR_VALUE_INVALID. */
bool peer_tls_check(const struct peer_tls *tls, const char *name, struct outcome *outcome) MUST_CHECK;

enum backend_kind {
	BACKEND_XDS, /* a registry and repositories: ITI-18, 41, 43 */
	BACKEND_XCA /* another community behind its Responding Gateway: ITI-38, 39. Source: ITI TF-1 18, TF-2 3.38, 3.39 */
};

struct backend_repository {
	struct str unique_id;   /* OID, without urn:oid: */
	const char *url;        /* its ITI-43 endpoint */
	const char *remove_url; /* ITI-86; NULL: not offered */
};

/* The addresses of one peer and the breaker of each: a repository that is dead does not keep anybody from the registry.
 * Zeroed but for the options. */
#define BREAKERS_MAX 72
struct breakers {
	struct breaker_options options;
	struct breakers_item {
		_Atomic(const char *) url; /* NULL: free; an address comes in with its first call */
		struct breaker breaker;
		struct silence silence;
	} items[BREAKERS_MAX];
};

/* What is known of this address, which must stay valid. NULL when there are more than BREAKERS_MAX: it has no breaker. */
struct breakers_item *breakers_of(struct breakers *breakers, const char *url);

/* Made from the configuration at start and unchanged afterwards, but for counters and breakers. Strings belong to the
 * configuration. */
struct backend {
	enum backend_kind kind;
	struct str name;
	struct str tenant; /* whose it is, for what is counted; may be empty */
	struct str home;   /* homeCommunityId, urn:oid:...; BACKEND_XCA: in every question, checked in every answer */
	const char *registry_url; /* ITI-18 or ITI-38 */
	const char *provide_url;  /* ITI-41; NULL: not offered */
	const char *register_url; /* ITI-42; NULL: not offered */
	const char *update_url;   /* ITI-57; NULL: not offered */
	const char *delete_url;   /* ITI-62; NULL: not offered */
	const char *retrieve_url; /* ITI-39, for documents of all repositories; BACKEND_XCA only */
	struct backend_repository *repositories;
	size_t repository_count;
	struct peer_tls tls;
	struct str xua_audience; /* URI that assertions for it name; empty: it is sent none */
	long connect_timeout_ms;
	long timeout_ms;        /* one exchange, if the request's deadline does not end it before */
	uint64_t patience_ms;   /* see silence.h; 0: calls to it never give way */
	size_t reply_bytes_max; /* the SOAP part of a reply; documents beside it are bounded by the caller */
	unsigned requests_max;  /* calls under way at the same time; 0: any number */
	atomic_uint request_count;
	struct breakers breakers;
};

/* What the row says; everything is borrowed from it but the arrays, which are in the arena. False without memory. */
bool backend_read(const struct config_back_end *row, struct arena *arena, struct backend *backend) MUST_CHECK;
struct peer_tls backend_tls(const struct config_back_end *row);

/* Of all its addresses. */
enum breaker_state backend_worst_state(const struct backend *backend);

/* Whether each of its addresses answered when it was asked last. */
bool backend_is_well(const struct backend *backend);

/* As breaker_seems_well, of all its addresses. */
bool backend_seems_well(const struct backend *backend);

/* Whether a call to this address would go out now, instead of being refused at once because the last ones failed. */
bool backend_would_ask(const struct backend *backend, const char *url);

/* Where documents of a repository are fetched; NULL for one that the configuration does not name. */
const char *backend_repository_url(const struct backend *backend, struct str unique_id);

/* Where documents of a repository are removed; NULL where that is not offered. */
const char *backend_remove_url(const struct backend *backend, struct str unique_id);

#endif
