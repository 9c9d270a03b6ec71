/* Inside gateway/state only: commands to one Redis or sentinel and their replies. A connection that failed once, in
 * whatever way, is only closed: a late reply must never be taken for the answer to another command. One thread at a
 * time. */
#ifndef PASSERELLE_REDIS_CONNECTION_H
#define PASSERELLE_REDIS_CONNECTION_H

#include "gateway/state/redis.h"
#include "gateway/state/redis_transport.h"

#define REDIS_WORDS_MAX 8

struct redis_command {
	struct str words[REDIS_WORDS_MAX];
	size_t count;
};

/* REDIS_COMMAND(STR("GET"), key) */
#define REDIS_COMMAND(...)                                  \
	((struct redis_command) { .words = { __VA_ARGS__ }, \
				  .count = sizeof((struct str[]) { __VA_ARGS__ }) / sizeof(struct str) })

enum redis_reply_type { REDIS_NIL, REDIS_TEXT, REDIS_ERROR, REDIS_NUMBER, REDIS_LIST };

/* Valid until the next call on its connection. */
struct redis_reply {
	enum redis_reply_type type;
	struct str text; /* TEXT (also a status), ERROR */
	int64_t number;
	const struct redis_reply **items; /* LIST */
	size_t count;
};

struct redis_login {
	SSL_CTX *tls; /* NULL: in clear */
	struct str server_name;
	struct str user;
	struct str password;
};

struct redis_connection;

/* Dials and logs in. NULL with trouble. Close with redis_connection_close; NULL is allowed there. */
struct redis_connection *redis_connection_open(const struct redis_address *address, const struct redis_login *login,
					       struct deadline deadline, struct redis_trouble *trouble) MUST_CHECK;
void redis_connection_close(struct redis_connection *connection);

/* Sends the commands together and reads a reply for each. An error reply is a reply, except those that say that this
 * Redis cannot be used now (LOADING, READONLY, MASTERDOWN, BUSY, NOAUTH and the like). False with trouble. */
bool redis_call(struct redis_connection *connection, const struct redis_command *commands, size_t count,
		struct deadline deadline, const struct redis_reply **replies, struct redis_trouble *trouble) MUST_CHECK;

/* Asks who this is: it must be a primary that answers. */
bool redis_greet(struct redis_connection *connection, struct deadline deadline, char life[REDIS_LIFE_SIZE],
		 struct redis_trouble *trouble) MUST_CHECK;

/* True when the answer to INFO replication is that of a primary in this life. */
bool redis_lives_on(const char *life, struct str info);

/* True when nothing is left of earlier calls, and the peer is there. */
bool redis_connection_quiet(struct redis_connection *connection) MUST_CHECK;

/* For subscriptions: what has arrived. *reply is NULL when it is not whole yet. False with trouble. */
bool redis_receive(struct redis_connection *connection, const struct redis_reply **reply,
		   struct redis_trouble *trouble) MUST_CHECK;
bool redis_send(struct redis_connection *connection, const struct redis_command *command, struct deadline deadline,
		struct redis_trouble *trouble) MUST_CHECK;
int redis_connection_descriptor(const struct redis_connection *connection);

/* True when the reply is a text that says "OK" or what is given. */
bool redis_reply_is(const struct redis_reply *reply, struct str text);

#endif
