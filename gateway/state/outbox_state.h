/* Inside gateway/state only: what the outbox's parts share. */
#ifndef PASSERELLE_OUTBOX_STATE_H
#define PASSERELLE_OUTBOX_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/state/outbox.h"
#include "gateway/state/outbox_sql.h"
#include "gateway/state/vault.h"

/* A store, and the bell of this process's waiting threads; shared by the handles that name the same one. */
struct outbox_shared {
	struct sql_store store;
	char *name;            /* use, and directory or connection */
	const char *directory; /* in name; NULL with PostgreSQL */
	size_t users;
	pthread_mutex_t lock;
	pthread_cond_t rung;
	uint64_t rings;
	struct outbox_shared *next;
};

struct outbox {
	const struct config *config;
	struct outbox_shared *shared;
	struct vault *vault;
	char tenant_text[OUTBOX_WORD_MAX + 1];
	struct str tenant;
	char owner_text[128];
	struct str owner;
	pthread_mutex_t door_lock;
	pthread_cond_t door_passed;
	size_t coming_in;           /* puts that are under way */
	bool is_shut;               /* nothing more comes in */
	_Atomic uint64_t locked_ms; /* monotonic: when something was met that no key opens; 0: never */
	_Atomic uint8_t locked_key; /* the id of the one that would */
};

/* A name under each key of the vault, the one that writes first. */
struct outbox_hashes {
	unsigned char hashes[VAULT_KEYS_MAX][VAULT_NAME_BYTES];
	size_t count;
};
bool outbox_hash_patient(const struct outbox *outbox, struct str patient, struct outbox_hashes *hashes,
			 struct outcome *outcome) MUST_CHECK;
bool outbox_hash_caller(const struct outbox *outbox, struct str caller, struct outbox_hashes *hashes,
			struct outcome *outcome) MUST_CHECK;
bool outbox_hash_name(const struct outbox *outbox, struct str target, struct str name, struct outbox_hashes *hashes,
		      struct outcome *outcome) MUST_CHECK;
struct sql_value outbox_hash_value(const struct outbox_hashes *hashes, size_t n); /* the first when there is no n-th */

/* What a sealed chunk is bound to. */
struct outbox_place {
	const struct outbox *outbox;
	struct str id;
	struct str kind;
	struct str target;
	int64_t revision;
	size_t part_count;
	size_t part;
	size_t chunk;
	bool is_last;
};
#define OUTBOX_PLACE_SIZE 512
#define OUTBOX_CHUNK      ((size_t)256 * 1024)
struct str outbox_place_write(const struct outbox_place *place, char text[OUTBOX_PLACE_SIZE]);
struct str outbox_result_place(const struct outbox *outbox, struct str id, char text[OUTBOX_PLACE_SIZE]);

/* What an item is settled with, as it is stored; NULL for none, and for one that is too long. *sealed: to be freed. */
bool outbox_result_seal(const struct outbox *outbox, struct str id, struct str result, unsigned char **sealed,
			struct sql_value *value, struct outcome *outcome) MUST_CHECK;

/* Seals the parts into the item's chunks; *bytes: how many were stored. */
bool outbox_parts_write(struct sql_session *session, int64_t seq, struct outbox_place place, const struct str *parts,
			uint64_t *bytes, struct outcome *outcome) MUST_CHECK;

/* vault_open, for what lies in this outbox. Errors: ERR_KEY_MISSING, ERR_NO_MEMORY, ERR_DOCUMENT_CORRUPT. */
bool outbox_sealed_open(struct outbox *outbox, struct str place, struct str sealed, unsigned char *plain, size_t *size,
			struct outcome *outcome) MUST_CHECK;

/* The columns of an item, in the order that outbox_item_read wants. */
#define OUTBOX_COLUMNS                                                                                           \
	"id, kind, target, state, held, unclear, attempts, accepted_ms, due_ms, changed_ms, bytes, part_count, " \
	"reason, owner, seq, fence"
#define OUTBOX_COLUMN_SEQ   14
#define OUTBOX_COLUMN_FENCE 15
bool outbox_item_read(struct sql_rows *rows, struct arena *arena, struct outbox_item *item,
		      struct outcome *outcome) MUST_CHECK;

#endif
