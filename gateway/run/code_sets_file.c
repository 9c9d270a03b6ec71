#include "gateway/run/code_sets_file.h"

#include "gateway/run/file.h"

bool code_sets_file_read(const char *path, const char *key, struct arena *arena, const struct code_sets **sets,
			 struct outcome *outcome)
{
	struct arena *text_arena = arena_new(CODE_SETS_BYTES_MAX + 4096);
	struct outcome found;
	struct str xml;
	bool ok;

	outcome_init(&found);
	if (!text_arena)
		return outcome_add(outcome, ERR_NO_MEMORY, key, "Give the process more memory.");
	ok = file_read(path, CODE_SETS_BYTES_MAX, text_arena, &xml, &found);
	if (!ok)
		outcome_add(outcome, found.issues[0].code, key, "%s", found.issues[0].text);
	else if (!code_sets_read(xml, arena, sets, &found))
		ok = outcome_add(outcome, found.issues[0].code, key, "%s: %s", path, found.issues[0].text);
	arena_free(text_arena);
	return ok;
}
