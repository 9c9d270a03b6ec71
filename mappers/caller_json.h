/* A caller as JSON and back: for what is done in their name when their request is long over. */
#ifndef PASSERELLE_CALLER_JSON_H
#define PASSERELLE_CALLER_JSON_H

#include <jansson.h>

#include "mappers/base/arena.h"
#include "mappers/caller.h"
#include "mappers/json_writer.h"

/* Writes one object. When the token ends is left out: who acts later in the name of its bearer does so by what was granted
 * then. */
void caller_json_write(const struct caller *caller, struct json_writer *writer);

/* The reverse; texts are copied into the arena, expires_s is 0. False for anything else, or without memory. */
bool caller_json_read(const json_t *object, struct arena *arena, struct caller *caller) MUST_CHECK;

/* True when both are the same client speaking for the same person. */
bool caller_is_same(const struct caller *a, const struct caller *b);

#endif
