/* What a tenant's configuration says of publications: what is filled in, and which codes are allowed. */
#ifndef PASSERELLE_PUBLICATION_RULES_H
#define PASSERELLE_PUBLICATION_RULES_H

#include "gateway/run/config.h"
#include "mappers/provide_bundle.h"

/* The file that code_sets_file names; *sets is NULL when it names none, and every code is allowed. Everything in the arena.
 * Errors: those of code_sets_file_read; ERR_CODE_NOT_ALLOWED with the key of a default that the file does not have. */
bool allowed_codes_read(const struct config *config, struct arena *arena, const struct code_sets **sets,
			struct outcome *outcome) MUST_CHECK;

/* defaults.*; strings point into config. Folders get content_type_code, where it is allowed of them. */
struct provide_defaults publication_defaults(const struct config *config, const struct code_sets *sets);

#endif
