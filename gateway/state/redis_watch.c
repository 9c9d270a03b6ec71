#include "gateway/state/redis_watch.h"

#include <stdio.h>

#include "gateway/run/clock.h"

#define TICK_MS    1000
#define TRUSTED_MS 3000 /* so long a sentinel's word is good; and Redis without one that agrees is not used longer */

struct redis_login redis_login_of(const struct redis_options *options, SSL_CTX *tls)
{
	return (struct redis_login) { tls, options->server_name, options->user, options->password };
}

/* Room for a slow machine to do the handshake of TLS; commands have less. */
static struct deadline connect_deadline(const struct redis_watch *watch)
{
	return deadline_in(watch->options->connect_timeout_ms);
}

static struct deadline command_deadline(const struct redis_watch *watch)
{
	return deadline_in(watch->options->command_timeout_ms);
}

static bool sentinel_open(struct redis_watch *watch, size_t number, struct redis_trouble *trouble)
{
	const struct redis_options *options = watch->options;
	struct redis_address addresses[REDIS_ADDRESSES_MAX];
	struct redis_login login = { watch->tls, options->server_name, options->sentinel_user,
				     options->sentinel_password };
	size_t count = redis_resolve(options->sentinels[number], addresses, trouble);

	for (size_t i = 0; i < count && !watch->sentinels[number].connection; i++)
		watch->sentinels[number].connection =
			redis_connection_open(&addresses[i], &login, connect_deadline(watch), trouble);
	return watch->sentinels[number].connection != NULL;
}

static void sentinel_close(struct redis_sentinel *sentinel)
{
	redis_connection_close(sentinel->connection);
	sentinel->connection = NULL;
}

/* host:port of the primary in its answer, as redis_resolve reads it. */
static bool sentinel_read(struct redis_sentinel *sentinel, const struct redis_reply *reply,
			  struct redis_trouble *trouble)
{
	if (reply->type == REDIS_ERROR)
		return redis_trouble(trouble, "%.*s", STR_ARG(reply->text));
	if (reply->type != REDIS_LIST || reply->count != 2 || reply->items[0]->type != REDIS_TEXT ||
	    reply->items[1]->type != REDIS_TEXT)
		return redis_trouble(trouble, "it knows no primary of that name");
	struct str host = reply->items[0]->text;
	bool is_v6 = str_find(host, ':') < host.size;

	snprintf(sentinel->says, sizeof sentinel->says, "%s%.*s%s:%.*s", is_v6 ? "[" : "", STR_ARG(host),
		 is_v6 ? "]" : "", STR_ARG(reply->items[1]->text));
	sentinel->said_ms = clock_monotonic_ms();
	return true;
}

static void sentinel_ask(struct redis_watch *watch, size_t number, struct redis_trouble *trouble)
{
	struct redis_sentinel *sentinel = &watch->sentinels[number];
	const struct redis_command command =
		REDIS_COMMAND(STR("SENTINEL"), STR("get-master-addr-by-name"), watch->options->sentinel_master);
	const struct redis_reply *reply;
	struct redis_trouble own = { { 0 } };

	if (sentinel->connection && !redis_connection_quiet(sentinel->connection))
		sentinel_close(sentinel);
	if ((sentinel->connection || sentinel_open(watch, number, &own)) &&
	    redis_call(sentinel->connection, &command, 1, command_deadline(watch), &reply, &own) &&
	    sentinel_read(sentinel, reply, &own))
		return;
	sentinel_close(sentinel);
	redis_trouble(trouble, "sentinel %.*s: %s", STR_ARG(watch->options->sentinels[number]), own.text);
}

/* The primary that more than half of all sentinels name: a part of the network that has been cut off must not go on
 * with a primary of its own. NULL when they do not agree. */
static const char *sentinels_agree(const struct redis_watch *watch)
{
	uint64_t now = clock_monotonic_ms();

	for (size_t i = 0; i < watch->options->sentinel_count; i++) {
		size_t votes = 0;

		for (size_t k = 0; k < watch->options->sentinel_count; k++) {
			const struct redis_sentinel *sentinel = &watch->sentinels[k];

			votes += sentinel->said_ms && now - sentinel->said_ms <= TRUSTED_MS &&
				 strcmp(sentinel->says, watch->sentinels[i].says) == 0;
		}
		if (watch->sentinels[i].says[0] && votes * 2 > watch->options->sentinel_count)
			return watch->sentinels[i].says;
	}
	return NULL;
}

static bool primary_find(struct redis_watch *watch, struct redis_trouble *trouble)
{
	struct redis_trouble first = { { 0 } };

	if (watch->options->sentinel_count == 0) {
		snprintf(watch->primary, sizeof watch->primary, "%.*s", STR_ARG(watch->options->address));
		return true;
	}
	for (size_t i = 0; i < watch->options->sentinel_count; i++)
		sentinel_ask(watch, i, &first);
	const char *primary = sentinels_agree(watch);

	if (!primary)
		return redis_trouble(trouble, "less than half of the sentinels agree on the primary%s%s",
				     first.text[0] ? "; " : "", first.text);
	snprintf(watch->primary, sizeof watch->primary, "%s", primary);
	return true;
}

static bool subscribe(struct redis_watch *watch, struct redis_trouble *trouble)
{
	for (size_t i = 0; i < watch->channels->count; i++) {
		const struct redis_command command = REDIS_COMMAND(STR("SUBSCRIBE"), watch->channels->names[i]);
		const struct redis_reply *reply;

		if (!redis_call(watch->connection, &command, 1, command_deadline(watch), &reply, trouble))
			return false;
		if (reply->type == REDIS_ERROR)
			return redis_trouble(trouble, "SUBSCRIBE is refused: %.*s", STR_ARG(reply->text));
	}
	return true;
}

static bool hello(struct redis_watch *watch, const struct redis_address *address, struct redis_trouble *trouble)
{
	struct redis_login login = redis_login_of(watch->options, watch->tls);
	struct deadline deadline = connect_deadline(watch);

	watch->connection = redis_connection_open(address, &login, deadline, trouble);
	if (watch->connection && redis_greet(watch->connection, deadline, watch->life, trouble) &&
	    subscribe(watch, trouble)) {
		watch->address = *address;
		watch->tick_ms = clock_monotonic_ms();
		watch->ping_waits = false;
		return true;
	}
	redis_connection_close(watch->connection);
	watch->connection = NULL;
	return false;
}

bool redis_watch_find(struct redis_watch *watch, struct redis_trouble *trouble)
{
	struct redis_address addresses[REDIS_ADDRESSES_MAX];
	struct redis_trouble own = { { 0 } };

	if (!primary_find(watch, trouble))
		return false;
	size_t count = redis_resolve(str_from_c(watch->primary), addresses, &own);

	for (size_t i = 0; i < count; i++) {
		if (hello(watch, &addresses[i], &own))
			return true;
	}
	return redis_trouble(trouble, "%s: %s", watch->primary, own.text);
}

/* Messages and the answers to PING, which is all that a subscribed connection hears. */
static bool hear(struct redis_watch *watch, struct redis_trouble *trouble)
{
	for (;;) {
		const struct redis_reply *reply;

		if (!redis_receive(watch->connection, &reply, trouble))
			return false;
		if (!reply)
			return true;
		if (reply->type != REDIS_LIST || reply->count < 2)
			return redis_trouble(trouble, "its answer is not understood");
		if (redis_reply_is(reply->items[0], STR("pong")))
			watch->ping_waits = false;
		else if (redis_reply_is(reply->items[0], STR("message")) && reply->count == 3 &&
			 reply->items[2]->type == REDIS_TEXT)
			watch->channels->on_message(watch->channels->context, reply->items[2]->text);
	}
}

/* One sentinel in each turn, so that each is asked once in TICK_MS. */
static uint64_t turn_ms(const struct redis_watch *watch)
{
	return watch->options->sentinel_count ? TICK_MS / watch->options->sentinel_count : TICK_MS;
}

static bool still_primary(struct redis_watch *watch, struct redis_trouble *trouble)
{
	struct redis_trouble ignored = { { 0 } };

	if (watch->options->sentinel_count == 0)
		return true;
	sentinel_ask(watch, watch->next_sentinel, &ignored);
	watch->next_sentinel = (watch->next_sentinel + 1) % watch->options->sentinel_count;
	const char *primary = sentinels_agree(watch);

	if (!primary)
		return redis_trouble(trouble, "less than half of the sentinels agree on the primary");
	return strcmp(primary, watch->primary) == 0 ||
	       redis_trouble(trouble, "the sentinels name another primary, %s", primary);
}

bool redis_watch_look(struct redis_watch *watch, struct redis_trouble *trouble)
{
	const struct redis_command ping = REDIS_COMMAND(STR("PING"));

	if (!hear(watch, trouble))
		return false;
	if (redis_watch_pause_ms(watch) > 0)
		return true;
	watch->tick_ms = clock_monotonic_ms();
	if (watch->next_sentinel == 0) {
		if (watch->ping_waits)
			return redis_trouble(trouble, "no answer in time");
		watch->ping_waits = true;
		if (!redis_send(watch->connection, &ping, command_deadline(watch), trouble))
			return false;
	}
	return still_primary(watch, trouble);
}

uint64_t redis_watch_pause_ms(const struct redis_watch *watch)
{
	uint64_t passed = clock_monotonic_ms() - watch->tick_ms;

	return passed < turn_ms(watch) ? turn_ms(watch) - passed : 0;
}

void redis_watch_end(struct redis_watch *watch)
{
	redis_connection_close(watch->connection);
	watch->connection = NULL;
	for (size_t i = 0; i < watch->options->sentinel_count; i++)
		sentinel_close(&watch->sentinels[i]);
}
