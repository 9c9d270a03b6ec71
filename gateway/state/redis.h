/* Redis over a transport of our own (TCP, unix socket, TLS), with the formatter and the reader of hiredis: a bounded
 * pool of connections to the one Redis that is the primary now, a thread that finds it and listens to its channels,
 * and a circuit breaker. While Redis is away or slow every question fails at once, without a system call.
 * Any thread may call. */
#ifndef PASSERELLE_REDIS_H
#define PASSERELLE_REDIS_H

#include "mappers/base/error.h"

#define REDIS_SENTINELS_MAX 9

/* A life of a Redis, as 40 hex digits and NUL: its run id, which a restart changes, and its replication id, which
 * changes when a replica becomes the primary: also one that was the primary before, and still holds what it held then. */
#define REDIS_LIFE_SIZE 41

/* All borrowed; empty texts for what is not wanted. */
struct redis_options {
	struct str address; /* host:port, [v6]:port, or the absolute path of a unix socket; empty with sentinels */
	struct str user;    /* empty with a password: AUTH in the old form */
	struct str password;
	struct str ca_file; /* TLS when set, for the sentinels too */
	struct str certificate_file;
	struct str key_file;
	struct str server_name;      /* what the certificate must name when it is not the host that is dialled */
	const struct str *sentinels; /* host:port each; more than half must agree on who is the primary */
	size_t sentinel_count;
	struct str sentinel_master;
	struct str sentinel_user;
	struct str sentinel_password;
	uint64_t connect_timeout_ms; /* until TCP, TLS, AUTH and the first questions are done */
	uint64_t command_timeout_ms;
	size_t connections_max;
};

/* A channel to listen to, and who is told of its messages, in the thread that listens. */
struct redis_channels {
	struct str names[2]; /* borrowed */
	size_t count;
	void (*on_message)(void *context, struct str message);
	void *context;
};

struct redis;

/* Starts looking for Redis, and waits until the first attempt has ended. NULL with an issue, only for what no waiting
 * can mend: files that cannot be read, no memory. Close with redis_close, when no other call is running. */
struct redis *redis_open(const struct redis_options *options, const struct redis_channels *channels,
			 struct outcome *outcome) MUST_CHECK;
void redis_close(struct redis *redis);

/* Looks for Redis once, as the thread of redis_open does, and says what is wrong. */
bool redis_probe(const struct redis_options *options, const struct redis_channels *channels,
		 struct outcome *outcome) MUST_CHECK;

/* Each primary that was found, and each time it was found again, is a generation. False: there is none now. */
bool redis_now(struct redis *redis, uint64_t *generation, char life[REDIS_LIFE_SIZE]) MUST_CHECK;

struct redis_command;
struct redis_reply;

/* Borrows a connection of this generation, sends the commands together and gets the reply to each. NULL in time when
 * anything is wrong: then Redis is left alone until the thread has found it again. Give the connection back when the
 * replies, which it owns, have been read. */
struct redis_lease;
struct redis_lease *redis_ask(struct redis *redis, uint64_t generation, const struct redis_command *commands,
			      size_t count, const struct redis_reply **replies) MUST_CHECK;
void redis_give_back(struct redis *redis, struct redis_lease *lease);

/* Redis has answered, and is not what it was: leave it alone until it has been found again. */
void redis_distrust(struct redis *redis, uint64_t generation, const char *why);

#endif
