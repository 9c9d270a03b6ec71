/* Retrieve Document [ITI-68] over Retrieve Document Set [ITI-43]. What the client gets is what the registry says it
 * is, byte for byte, or it notices. Source: MHD 4.2.4 3.68, ITI TF-2 3.43. */
#include <openssl/evp.h>

#include "gateway/access/visible_changes.h"
#include "gateway/run/log.h"
#include "gateway/run/spool.h"
#include "gateway/transactions/document_deliver.h"
#include "gateway/transactions/elsewhere.h"
#include "gateway/transactions/entries.h"
#include "gateway/transactions/transactions.h"
#include "gateway/transactions/waiting.h"
#include "mappers/base/hex.h"
#include "mappers/metadata_rim.h"

#define NOT_THERE "There is no such document; search for it anew."
#define SHA1_SIZE 20
/* Hash of no bytes at all: with size 0 it marks an entry whose document is assembled when it is retrieved. */
#define SHA1_OF_NOTHING "da39a3ee5e6b4b0d3255bfef95601890afd80709"
/* The end of a streamed document is held back until the whole is known to be right. */
#define HELD_BACK_MAX 4096
/* Time that a stream gets beyond that of its request: 256 KiB a second. */
#define STREAM_BYTES_PER_MS 256

/* A document on its way from the repository to the client. */
struct passage {
	const struct transaction *t;
	const struct document_entry *entry;
	const struct document_receiver *receiver;
	const struct waiting *waiting; /* it is not registered yet; NULL: it is */
	struct document_head head;
	bool assembled;  /* when it is retrieved: size and hash of the entry say nothing about the bytes */
	bool verifiable; /* the size is known beforehand */
	bool streaming;  /* bytes leave before the last has come */
	bool begun;
	struct spool *spool; /* unless streaming */
	EVP_MD_CTX *sha1;    /* when streaming */
	uint64_t size;       /* so far, when streaming */
	unsigned char held[HELD_BACK_MAX];
	size_t held_size;
};

static bool corrupt(const struct passage *passage, const char *what)
{
	LOG(ERROR, LOG_REQUEST_ERROR, passage->t->south.request_id, LOG_C("document", what),
	    LOG_TEXT("entry", passage->entry->entry_uuid));
	return outcome_add(passage->t->outcome, ERR_DOCUMENT_CORRUPT, "",
			   "The repository's document has another %s than the registry says; it is not delivered. "
			   "Report it to the operator.",
			   what);
}

/* Fetching takes time, in which the patient may have thought otherwise. */
static bool confirm(const struct passage *passage)
{
	const struct transaction *t = passage->t;

	return visible_confirm(t->visit, &t->south, passage->entry, t->now_s, t->outcome);
}

static bool type_equal(struct str a, struct str b)
{
	struct str a_type = str_trim((struct str) { a.data, str_find(a, ';') });
	struct str b_type = str_trim((struct str) { b.data, str_find(b, ';') });

	return str_equal_nocase(a_type, b_type);
}

static bool document_begin(void *ctx, const struct document_response *response)
{
	struct passage *passage = ctx;

	if (!str_is_empty(response->mime_type) && !type_equal(response->mime_type, passage->entry->mime_type))
		return corrupt(passage, "media type");
	return true;
}

/* Passes bytes on, but for the last few. */
static bool stream_pass(struct passage *passage, const unsigned char *bytes, size_t size)
{
	size_t keep = size < HELD_BACK_MAX ? size : HELD_BACK_MAX;
	size_t out_of_held = passage->held_size + keep > HELD_BACK_MAX ? passage->held_size + keep - HELD_BACK_MAX : 0;

	if (!passage->begun) {
		passage->begun = true;
		if (!passage->receiver->begin(passage->receiver->ctx, &passage->head))
			return false;
	}
	if (out_of_held > 0 && !passage->receiver->write(passage->receiver->ctx, passage->held, out_of_held))
		return false;
	memmove(passage->held, passage->held + out_of_held, passage->held_size - out_of_held);
	passage->held_size -= out_of_held;
	if (size > keep && !passage->receiver->write(passage->receiver->ctx, bytes, size - keep))
		return false;
	memcpy(passage->held + passage->held_size, bytes + (size - keep), keep);
	passage->held_size += keep;
	return true;
}

static bool client_gone(const struct passage *passage)
{
	if (passage->t->outcome->has_error)
		return false;
	return outcome_add(passage->t->outcome, ERR_TIMEOUT_CLIENT, "", "The client took the document too slowly.");
}

static bool stream_data(struct passage *passage, const void *bytes, size_t size)
{
	if (!passage->begun && !confirm(passage))
		return false;
	passage->size += size;
	if (passage->size > passage->head.size)
		return corrupt(passage, "size");
	if (EVP_DigestUpdate(passage->sha1, bytes, size) != 1)
		return outcome_add(passage->t->outcome, ERR_INTERNAL, "", "Try again later.");
	return stream_pass(passage, bytes, size) || client_gone(passage);
}

static bool document_data(void *ctx, const void *bytes, size_t size)
{
	struct passage *passage = ctx;

	if (passage->streaming)
		return stream_data(passage, bytes, size);
	switch (spool_write(passage->spool, bytes, size)) {
	case SPOOL_OK:
		return true;
	case SPOOL_TOO_LONG:
		return corrupt(passage, "size");
	case SPOOL_EXHAUSTED:
	case SPOOL_FAILED:
		break;
	}
	return outcome_add(passage->t->outcome, ERR_STORAGE, "",
			   "There is no room for the document now; try again later.");
}

static bool hash_matches(const struct passage *passage, const unsigned char sha1[SHA1_SIZE])
{
	char hash[2 * SHA1_SIZE];

	hex_write(sha1, SHA1_SIZE, hash);
	return str_is_empty(passage->entry->hash) ||
	       str_equal_nocase(passage->entry->hash, (struct str) { hash, sizeof(hash) });
}

static bool stream_end(struct passage *passage)
{
	unsigned char sha1[EVP_MAX_MD_SIZE];

	if (passage->size != passage->head.size)
		return corrupt(passage, "size");
	if (EVP_DigestFinal_ex(passage->sha1, sha1, NULL) != 1)
		return outcome_add(passage->t->outcome, ERR_INTERNAL, "", "Try again later.");
	if (!hash_matches(passage, sha1))
		return corrupt(passage, "hash");
	if (!passage->receiver->write(passage->receiver->ctx, passage->held, passage->held_size) ||
	    !passage->receiver->end(passage->receiver->ctx))
		return client_gone(passage);
	return true;
}

/* The whole document is here and nothing has left yet. */
static bool whole_end(struct passage *passage)
{
	struct spool *spool = passage->spool;

	if (!spool_finish(spool))
		return outcome_add(passage->t->outcome, ERR_STORAGE, "", "Try again later.");
	if (passage->verifiable && spool_size(spool) != passage->head.size)
		return corrupt(passage, "size");
	if (!passage->assembled && !hash_matches(passage, spool_sha1(spool)))
		return corrupt(passage, "hash");
	if (!confirm(passage))
		return false;
	passage->head.size = spool_size(spool);
	passage->spool = NULL; /* taken over */
	return passage->receiver->whole(passage->receiver->ctx, &passage->head, spool) || client_gone(passage);
}

static bool fetch(struct passage *passage)
{
	const struct transaction *t = passage->t;
	struct visible_sink sink = { passage, document_begin, document_data };
	struct south south = t->south;

	/* The request's time is for its answer to begin; a stream that has begun lasts as long as it moves. */
	if (passage->streaming)
		south.deadline.at_ms += passage->head.size / STREAM_BYTES_PER_MS;
	if (!visible_retrieve(t->visit, &south, passage->entry, registry_home(t), passage->head.size, &sink,
			      t->outcome))
		return false;
	return passage->streaming ? stream_end(passage) : whole_end(passage);
}

static bool passage_open(struct passage *passage)
{
	const struct transaction *t = passage->t;
	uint64_t size_max = passage->verifiable ? passage->head.size : t->gateway->config->limits_spool_bytes;

	passage->streaming = passage->verifiable && !passage->receiver->whole_only &&
			     passage->head.size > t->gateway->config->limits_verify_bytes;
	if (passage->streaming) {
		passage->sha1 = EVP_MD_CTX_new();
		return passage->sha1 && EVP_DigestInit_ex(passage->sha1, EVP_sha1(), NULL) == 1;
	}
	passage->spool = spool_new(t->gateway->spools, size_max, true);
	return passage->spool != NULL;
}

/* What the registry says of the document, as the head of the answer. */
static bool head_read(struct passage *passage)
{
	const struct document_entry *entry = passage->entry;
	bool sized = str_to_u64(entry->size, &passage->head.size);
	char *etag;

	passage->head.media_type = entry->mime_type;
	if (!sized)
		passage->head.size = 0;
	passage->assembled = passage->head.size == 0 && str_equal_nocase(entry->hash, STR(SHA1_OF_NOTHING));
	passage->verifiable = sized && !passage->assembled;
	passage->head.etag = STR_NONE;
	if (!passage->verifiable || entry->hash.size != 2 * SHA1_SIZE)
		return true;
	etag = arena_alloc(passage->t->south.arena, entry->hash.size);
	if (!etag)
		return outcome_add(passage->t->outcome, ERR_NO_MEMORY, "", "Try again later.");
	for (size_t i = 0; i < entry->hash.size; i++) {
		char c = entry->hash.data[i];

		etag[i] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
	}
	passage->head.etag = (struct str) { etag, entry->hash.size };
	return true;
}

static void document_record(const struct passage *passage)
{
	struct audit_object object = { .type = STR("Binary"),
				       .unique_id = passage->entry->unique_id,
				       .repository_unique_id = passage->entry->repository_unique_id,
				       .home_community_id = str_is_empty(passage->entry->home_community_id)
								    ? registry_home(passage->t)
								    : passage->entry->home_community_id,
				       .is_main = true };

	audit_object(passage->t->audit, &object);
}

static bool pass(struct passage *passage)
{
	bool ok = passage_open(passage) ? fetch(passage) : no_memory(passage->t);

	EVP_MD_CTX_free(passage->sha1);
	spool_free(passage->spool);
	return ok;
}

bool document_deliver(const struct transaction *t, const struct document_entry *entry,
		      const struct document_receiver *receiver)
{
	struct passage passage = { .t = t, .entry = entry, .receiver = receiver };

	return head_read(&passage) && pass(&passage);
}

/* A document that waits comes out of the outbox. */
static bool waiting_pass(struct passage *passage)
{
	const struct transaction *t = passage->t;
	struct spool *spool = waiting_document(t, passage->waiting, passage->entry);

	if (!spool)
		return false;
	if (!confirm(passage)) {
		spool_free(spool);
		return false;
	}
	passage->head.size = spool_size(spool);
	return passage->receiver->whole(passage->receiver->ctx, &passage->head, spool) || client_gone(passage);
}

/* What ends soon has ended for readers, and what will be there again is not yet. */
static bool is_gone(const struct transaction *t, const struct document_entry *entry)
{
	const struct visible_change *change = visible_change(t->visit, entry);

	return status_is_deprecated(entry->availability_status) ||
	       (change && status_is_deprecated(change->entry.availability_status));
}

/* At its source. */
static bool document_retrieve(const struct transaction *t, struct str urn, const struct document_receiver *receiver)
{
	struct passage passage = { .t = t, .receiver = receiver };
	struct waiting waiting;

	visible_changes_read(t->visit, urn);
	if (!waiting_here(t, urn, &waiting))
		return false;
	passage.entry = waiting_entry(&waiting, urn);
	passage.waiting = passage.entry ? &waiting : NULL;
	if (!passage.entry && !document_entry_shown(t, urn, &passage.entry))
		return false;
	if (!passage.entry)
		return waiting_not_there(t, &waiting, NOT_THERE);
	document_record(&passage);
	if (is_gone(t, passage.entry))
		return outcome_add(t->outcome, ERR_GONE, "",
				   "The document was replaced or withdrawn; search for its successor.");
	if (!head_read(&passage))
		return false;
	if (!receiver->accepts(receiver->ctx, passage.head.media_type))
		return outcome_add(t->outcome, ERR_NOT_ACCEPTABLE, "",
				   "The document is %.*s: ask for that, or leave the Accept header out.",
				   STR_ARG(passage.head.media_type));
	if (passage.head.etag.data && receiver->has(receiver->ctx, passage.head.etag))
		return true;
	if (receiver->head_only && passage.verifiable)
		return receiver->described(receiver->ctx, &passage.head);
	return passage.waiting ? waiting_pass(&passage) : pass(&passage);
}

bool retrieve_document(const struct transaction *t, struct str id, const struct document_receiver *receiver)
{
	struct source *source;
	struct errand errand;
	struct str urn;

	if (!resource_id_find(t, SEAL_BINARY, id, &source, &urn))
		return outcome_add(t->outcome, ERR_NOT_FOUND, "", NOT_THERE);
	return errand_begin(t, source, &errand) && errand_end(&errand, document_retrieve(&errand.t, urn, receiver));
}
