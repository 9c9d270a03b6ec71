/* The file of an affinity domain's codes (code_sets.h), read from the disk. */
#ifndef PASSERELLE_CODE_SETS_FILE_H
#define PASSERELLE_CODE_SETS_FILE_H

#include "mappers/code_sets.h"

/* key: of the configuration, the path of issues; their text names the file and the line. Everything in the arena.
 * Errors: those of file_read and code_sets_read. */
bool code_sets_file_read(const char *path, const char *key, struct arena *arena, const struct code_sets **sets,
			 struct outcome *outcome) MUST_CHECK;

#endif
