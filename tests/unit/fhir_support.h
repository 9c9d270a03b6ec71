/* What the tests of FHIR bodies share. Every test program uses all of it. */
#ifndef PASSERELLE_FHIR_SUPPORT_H
#define PASSERELLE_FHIR_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/fhir_body.h"

#define TEST_BYTES_MAX ((size_t)256 << 20)

/* What a test works with; made by stand_open, checked for what is left open by the sanitizer. */
struct stand {
	struct arena *arena;
	struct outcome outcome;
	struct buf text;
	struct buf documents; /* what the sink got: "<index>:bytes;" */
};

static inline void stand_open(struct stand *stand)
{
	stand->arena = arena_new(TEST_BYTES_MAX);
	assert_non_null(stand->arena);
	outcome_init(&stand->outcome);
	buf_init(&stand->text, TEST_BYTES_MAX);
	buf_init(&stand->documents, TEST_BYTES_MAX);
}

static inline void stand_close(struct stand *stand)
{
	arena_free(stand->arena);
	buf_free(&stand->text);
	buf_free(&stand->documents);
}

static inline bool stand_sink_begin(void *ctx, size_t index)
{
	buf_printf(ctx, "%zu:", index);
	return true;
}

static inline bool stand_sink_data(void *ctx, const void *bytes, size_t size)
{
	buf_add(ctx, (struct str) { bytes, size });
	return true;
}

static inline bool stand_sink_end(void *ctx)
{
	buf_add_char(ctx, ';');
	return true;
}

/* Cuts documents from 9 characters on. */
static inline bool stand_read(struct stand *stand, enum fhir_format format, struct str body, json_t **tree)
{
	struct cut_sink sink = { &stand->documents, stand_sink_begin, stand_sink_data, stand_sink_end };
	struct fhir_limits limits = fhir_limits_default;

	limits.cut_bytes_min = 8;
	return fhir_body_read(format, body, &limits, &sink, stand->arena, tree, &stand->outcome);
}

#endif
