#include "gateway/state/redis_connection.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "gateway/state/cache_back.h"

#define SCRATCH_BYTES  ((size_t)96 * 1024)  /* all replies of one call: a value, or INFO */
#define RECEIVED_MAX   ((size_t)160 * 1024) /* bytes of one call on the wire */
#define READ_BYTES     ((size_t)16 * 1024)
#define LIST_ITEMS_MAX 16
#define HALF_LIFE      20 /* digits of each id; both are random */

_Static_assert(CACHE_SEALED_BYTES_MAX + 8192 < SCRATCH_BYTES, "a value fits");

struct redis_connection {
	struct redis_transport *transport;
	redisReader *reader;
	size_t used; /* of scratch */
	size_t received;
	bool whole; /* the reply that redis_receive gave last is done with */
	_Alignas(16) char scratch[SCRATCH_BYTES];
};

/* Replies are built in the scratch of their connection, whose size bounds them: nothing that a peer announces makes
 * us ask the system for memory. */
static void *scratch_take(struct redis_connection *connection, size_t size)
{
	size_t room = SCRATCH_BYTES - connection->used;
	size_t rounded = (size + 15) & ~(size_t)15;

	if (size > room || rounded > room)
		return NULL;
	void *place = connection->scratch + connection->used;

	connection->used += rounded;
	return memset(place, 0, rounded);
}

static struct redis_reply *reply_new(const redisReadTask *task, enum redis_reply_type type)
{
	struct redis_reply *reply = scratch_take(task->privdata, sizeof *reply);

	if (!reply)
		return NULL;
	reply->type = type;
	if (task->parent) {
		struct redis_reply *parent = task->parent->obj;

		parent->items[task->idx] = reply;
	}
	return reply;
}

static void *reply_text(const redisReadTask *task, char *text, size_t size)
{
	struct redis_reply *reply = reply_new(task, task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : REDIS_TEXT);
	char *copy = reply ? scratch_take(task->privdata, size + 1) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy, text, size);
	reply->text = (struct str) { copy, size };
	return reply;
}

static void *reply_list(const redisReadTask *task, int count)
{
	struct redis_reply *reply = count >= 0 && count <= LIST_ITEMS_MAX ? reply_new(task, REDIS_LIST) : NULL;

	if (!reply)
		return NULL;
	reply->items = scratch_take(task->privdata, (size_t)count * sizeof *reply->items);
	reply->count = (size_t)count;
	return reply->items ? reply : NULL;
}

static void *reply_number(const redisReadTask *task, long long number)
{
	struct redis_reply *reply = reply_new(task, REDIS_NUMBER);

	if (reply)
		reply->number = number;
	return reply;
}

static void *reply_nil(const redisReadTask *task)
{
	return reply_new(task, REDIS_NIL);
}

static void reply_release(void *reply)
{
	(void)reply;
}

static redisReplyObjectFunctions reply_functions = { reply_text, reply_list, reply_number, reply_nil, reply_release };

bool redis_reply_is(const struct redis_reply *reply, struct str text)
{
	return reply->type == REDIS_TEXT && str_equal(reply->text, text);
}

/* "READONLY You can't write against a read only replica.": not the one we look for, or not now. */
static bool says_unusable(const struct redis_reply *reply)
{
	static const struct str codes[] = { STR_INIT("LOADING "),    STR_INIT("READONLY "), STR_INIT("MASTERDOWN "),
					    STR_INIT("BUSY "),       STR_INIT("NOAUTH "),   STR_INIT("WRONGPASS "),
					    STR_INIT("MOVED "),      STR_INIT("ASK "),      STR_INIT("CLUSTERDOWN "),
					    STR_INIT("NOMASTERLINK") };

	for (size_t i = 0; i < COUNT_OF(codes) && reply->type == REDIS_ERROR; i++) {
		if (str_starts_with(reply->text, codes[i]))
			return true;
	}
	return false;
}

static bool send_all(struct redis_connection *connection, const struct redis_command *commands, size_t count,
		     struct deadline deadline, struct redis_trouble *trouble)
{
	struct buf bytes;

	buf_init(&bytes, RECEIVED_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *words[REDIS_WORDS_MAX];
		size_t sizes[REDIS_WORDS_MAX];
		char *formatted = NULL;

		for (size_t k = 0; k < commands[i].count; k++) {
			words[k] = commands[i].words[k].data ? commands[i].words[k].data : "";
			sizes[k] = commands[i].words[k].size;
		}
		int size = redisFormatCommandArgv(&formatted, (int)commands[i].count, words, sizes);

		if (size < 0)
			bytes.failed = true;
		else
			buf_add(&bytes, (struct str) { formatted, (size_t)size });
		redisFreeCommand(formatted);
	}
	bool ok = bytes.failed
			  ? redis_trouble(trouble, "no memory")
			  : redis_transport_write(connection->transport, bytes.data, bytes.size, deadline, trouble);

	buf_free(&bytes);
	return ok;
}

/* The next whole reply of what has been received; NULL when more bytes are needed. */
static bool reply_next(struct redis_connection *connection, const struct redis_reply **reply,
		       struct redis_trouble *trouble)
{
	void *object = NULL;

	*reply = NULL;
	if (redisReaderGetReply(connection->reader, &object) != REDIS_OK)
		return redis_trouble(trouble, "its answer is not understood");
	*reply = object;
	return true;
}

static bool receive_more(struct redis_connection *connection, struct deadline deadline, struct redis_trouble *trouble)
{
	char bytes[READ_BYTES];
	size_t size = redis_transport_read(connection->transport, bytes, sizeof bytes, deadline, trouble);

	connection->received += size;
	if (size == 0)
		return false;
	if (connection->received > RECEIVED_MAX)
		return redis_trouble(trouble, "its answer is too long");
	if (redisReaderFeed(connection->reader, bytes, size) != REDIS_OK)
		return redis_trouble(trouble, "no memory");
	return true;
}

static void call_begin(struct redis_connection *connection)
{
	connection->used = 0;
	connection->received = 0;
}

/* The next reply, waiting for it. */
static bool reply_wait(struct redis_connection *connection, struct deadline deadline, const struct redis_reply **reply,
		       struct redis_trouble *trouble)
{
	while (reply_next(connection, reply, trouble)) {
		if (*reply)
			return !says_unusable(*reply) || redis_trouble(trouble, "%.*s", STR_ARG((*reply)->text));
		if (deadline_passed(deadline))
			return redis_trouble(trouble, "no answer in time");
		if (!receive_more(connection, deadline, trouble))
			return false;
	}
	return false;
}

bool redis_call(struct redis_connection *connection, const struct redis_command *commands, size_t count,
		struct deadline deadline, const struct redis_reply **replies, struct redis_trouble *trouble)
{
	bool ok = true;

	call_begin(connection);
	if (!send_all(connection, commands, count, deadline, trouble))
		return false;
	for (size_t i = 0; i < count && ok; i++)
		ok = reply_wait(connection, deadline, &replies[i], trouble);
	return ok;
}

bool redis_send(struct redis_connection *connection, const struct redis_command *command, struct deadline deadline,
		struct redis_trouble *trouble)
{
	return send_all(connection, command, 1, deadline, trouble);
}

bool redis_receive(struct redis_connection *connection, const struct redis_reply **reply, struct redis_trouble *trouble)
{
	if (connection->whole)
		call_begin(connection);
	connection->whole = false;
	if (!reply_next(connection, reply, trouble))
		return false;
	if (!*reply && !redis_transport_quiet(connection->transport) &&
	    (!receive_more(connection, deadline_in(0), trouble) || !reply_next(connection, reply, trouble)))
		return false;
	connection->whole = *reply != NULL;
	return true;
}

static bool login_run(struct redis_connection *connection, const struct redis_login *login, struct deadline deadline,
		      struct redis_trouble *trouble)
{
	struct redis_command command = login->user.size ? REDIS_COMMAND(STR("AUTH"), login->user, login->password)
							: REDIS_COMMAND(STR("AUTH"), login->password);
	const struct redis_reply *reply;

	if (login->password.size == 0)
		return true;
	if (!redis_call(connection, &command, 1, deadline, &reply, trouble))
		return false;
	return redis_reply_is(reply, STR("OK")) ||
	       redis_trouble(trouble, "AUTH is refused: %.*s", STR_ARG(reply->text));
}

struct redis_connection *redis_connection_open(const struct redis_address *address, const struct redis_login *login,
					       struct deadline deadline, struct redis_trouble *trouble)
{
	struct redis_connection *connection = calloc(1, sizeof *connection);

	if (!connection) {
		redis_trouble(trouble, "no memory");
		return NULL;
	}
	connection->reader = redisReaderCreateWithFunctions(&reply_functions);
	connection->transport = redis_transport_open(address, login->tls, login->server_name, deadline, trouble);
	if (connection->reader && connection->transport) {
		connection->reader->privdata = connection;
		if (login_run(connection, login, deadline, trouble))
			return connection;
	}
	redis_connection_close(connection);
	return NULL;
}

void redis_connection_close(struct redis_connection *connection)
{
	if (!connection)
		return;
	redis_transport_close(connection->transport);
	if (connection->reader)
		redisReaderFree(connection->reader);
	free(connection);
}

bool redis_connection_quiet(struct redis_connection *connection)
{
	return connection->reader->pos == connection->reader->len && redis_transport_quiet(connection->transport);
}

int redis_connection_descriptor(const struct redis_connection *connection)
{
	return redis_transport_descriptor(connection->transport);
}

/* The 40 hex digits after "name:" in an answer to INFO; false when they are not there. */
static bool info_id(struct str info, struct str name, struct str *id)
{
	struct str line;

	while (info.data && str_next(&info, '\n', &line)) {
		if (!str_starts_with(line, name))
			continue;
		*id = str_trim(str_without_prefix(line, name));
		return id->size == REDIS_LIFE_SIZE - 1;
	}
	return false;
}

static bool info_says_master(struct str info)
{
	struct str line;

	while (info.data && str_next(&info, '\n', &line)) {
		if (str_equal(str_trim(line), STR("role:master")))
			return true;
	}
	return false;
}

bool redis_lives_on(const char *life, struct str info)
{
	struct str id;

	return info_says_master(info) && info_id(info, STR("master_replid:"), &id) &&
	       memcmp(id.data, life + HALF_LIFE, HALF_LIFE) == 0;
}

bool redis_greet(struct redis_connection *connection, struct deadline deadline, char life[REDIS_LIFE_SIZE],
		 struct redis_trouble *trouble)
{
	/* LOADING is said to PING, not to INFO. */
	const struct redis_command commands[] = { REDIS_COMMAND(STR("INFO"), STR("server")),
						  REDIS_COMMAND(STR("INFO"), STR("replication")),
						  REDIS_COMMAND(STR("PING")) };
	struct str run;
	struct str replication;
	const struct redis_reply *replies[COUNT_OF(commands)] = { NULL };

	if (!redis_call(connection, commands, COUNT_OF(commands), deadline, replies, trouble))
		return false;
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		assert(replies[i]);
		if (replies[i]->type == REDIS_ERROR)
			return redis_trouble(trouble, "%.*s is refused: %.*s", STR_ARG(commands[i].words[0]),
					     STR_ARG(replies[i]->text));
	}
	if (!info_says_master(replies[1]->text))
		return redis_trouble(trouble, "it is a replica, not the primary");
	if (!info_id(replies[0]->text, STR("run_id:"), &run) ||
	    !info_id(replies[1]->text, STR("master_replid:"), &replication))
		return redis_trouble(trouble, "INFO names no run_id or master_replid");
	memcpy(life, run.data, HALF_LIFE);
	memcpy(life + HALF_LIFE, replication.data, HALF_LIFE);
	life[REDIS_LIFE_SIZE - 1] = '\0';
	return true;
}
