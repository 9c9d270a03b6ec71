#include "gateway/run/config_set.h"

#include <stdatomic.h>

#include "gateway/run/config_read.h"
#include "gateway/run/file.h"

#define CONFIG_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* What stands in profiles/mhd/routes.def, and what is or may be served at the root of a host. */
static const char *const served[] = {
#define ROUTE(name, verb, path, ...) path,
#include "profiles/mhd/routes.def"
#undef ROUTE
	"fhir",
	"health",
	"metrics",
};

/* The beginnings of keys that hold for the process as a whole, and of those that a tenant may have of its own but that
 * name a store, which cannot change while it is open. */
static const char *const of_process[] = {
	"listen.",
	"tls.",
	"log.",
	"metrics.",
	"public_base",
	"spool_directory",
	"state_directory",
	"state_keys",
	"cache.",
	"redis.",
	"domain.",
	"community.listen.",
	"community.tls.",
	"tenant",
	"limits.request_memory",
	"limits.workers",
	"limits.queue",
	"limits.connections",
	"limits.polling_threads",
	"limits.request_seconds",
	"limits.header_seconds",
	"limits.keep_alive_seconds",
	"limits.body_rate",
	"limits.stop_seconds",
	"limits.spool_",
};
static const char *const of_state[] = { "outbox.store", "outbox.postgresql.connection_file" };

static bool begins_with_one(const char *key, const char *const *beginnings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strncmp(key, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	}
	return false;
}

enum config_scope config_scope_of(const char *key)
{
	if (strcmp(key, "tenants") == 0 || strcmp(key, "default_tenant") == 0)
		return CONFIG_OF_MAIN;
	if (begins_with_one(key, of_process, COUNT_OF(of_process)))
		return CONFIG_OF_PROCESS;
	return begins_with_one(key, of_state, COUNT_OF(of_state)) ? CONFIG_OF_STATE : CONFIG_OF_SETTINGS;
}

/* The first segment of a path in the table. */
static struct str first_segment(const char *path)
{
	struct str text = str_without_prefix(str_from_c(path), STR("/"));

	text.size = str_find(text, '/');
	return text;
}

bool config_tenant_name_valid(struct str name)
{
	if (str_is_empty(name) || name.data[0] < 'a' || name.data[0] > 'z')
		return false;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	for (size_t i = 0; i < COUNT_OF(served); i++) {
		if (str_equal_nocase(first_segment(served[i]), name))
			return false;
	}
	return true;
}

struct reading {
	struct config_set *set;
	struct config_place place;      /* the main file's beginning */
	struct config_origins *origins; /* of the main file's keys */
};

static bool complain_at(const struct reading *reading, struct config_origin origin, const char *key, const char *text)
{
	struct config_place place = reading->place;

	place.file = origin.file;
	place.line = origin.line;
	place.key = key;
	return config_complain(&place, "%s", text);
}

/* Where a root key of the main file stands; file NULL: nowhere. */
static struct config_origin origin_of(const struct reading *reading, const char *key)
{
	for (size_t i = 0; i < config_root.row_count; i++) {
		if (strcmp(config_root.rows[i].key, key) == 0)
			return reading->origins->rows[i];
	}
	return (struct config_origin) { NULL, 0 };
}

static void check_names(const struct reading *reading)
{
	const struct config *process = &reading->set->process;
	const struct config_tenants *rows = &process->tenants;
	const struct config_origin own_name = origin_of(reading, "tenant");

	for (size_t i = 0; i < rows->count; i++) {
		if (!config_tenant_name_valid(rows->items[i].name))
			complain_at(
				reading, rows->items[i].origin, "tenants",
				"Choose another name: a letter, then letters, digits and dashes, in lower case, and "
				"no word that stands for something else below public_base (metadata, auth, list ...).");
		for (size_t k = 0; k < i; k++) {
			if (str_equal(rows->items[k].name, rows->items[i].name))
				complain_at(reading, rows->items[i].origin, "tenants", "Name each tenant only once.");
		}
	}
	if (own_name.file)
		complain_at(reading, own_name, "tenant", "Remove this key: each of the tenants has its name.");
}

static bool out_of_memory(struct outcome *outcome)
{
	return outcome_add(outcome, ERR_NO_MEMORY, "", "Give the process more memory.");
}

/* The configuration of one tenant: a copy of the main file's, with its own keys over it. */
static void tenant_read(struct reading *reading, const struct config_tenant *row, struct config *tenant)
{
	struct config_place place = reading->place;
	struct config_origins *origins = arena_alloc(place.arena, sizeof *origins);
	struct outcome opening;
	struct str text;

	outcome_init(&opening);
	*tenant = reading->set->process;
	tenant->tenant = row->name;
	if (!row->name.data || !row->path.data)
		return;
	if (!origins) {
		out_of_memory(place.outcome);
		return;
	}
	*origins = *reading->origins;
	tenant->origins = origins;
	if (!file_read(row->path.data, CONFIG_FILE_BYTES_MAX, place.arena, &text, &opening)) {
		complain_at(reading, row->origin, "tenants", opening.issues[0].text);
		return;
	}
	if (!config_read(row->path.data, text, row->name.data, CONFIG_GATEWAY, place.arena, tenant, origins,
			 place.outcome))
		return;
	place.file = row->path.data;
	place.tenant = row->name.data;
	config_require(&place, CONFIG_GATEWAY, origins);
	config_check_tenant(&place, origins, tenant);
}

/* Back-ends of the main file are several tenants'; what is made of them is not. */
static bool back_ends_own(struct config *tenant, struct arena *arena)
{
	struct config_back_ends *list = &tenant->back_ends;
	struct config_back_end *items = arena_array(arena, list->count, sizeof *items);

	if (items && list->count)
		memcpy(items, list->items, list->count * sizeof *items);
	list->items = items;
	config_derive_authorities(tenant);
	return items != NULL;
}

static bool tenant_derive(const struct config_set *set, size_t index)
{
	const struct config *process = &set->process;
	struct config *tenant = &set->tenants[index];

	tenant->tenant = process->tenants.items[index].name;
	if (process->public_base.size)
		tenant->public_base =
			arena_printf(set->arena, "%.*s/%.*s", STR_ARG(process->public_base), STR_ARG(tenant->tenant));
	if (process->state_directory.size)
		tenant->state_directory = arena_printf(set->arena, "%.*s/tenants/%.*s",
						       STR_ARG(process->state_directory), STR_ARG(tenant->tenant));
	tenant->shared_base = process->public_base;
	tenant->bare_base = index == set->bare_index ? process->public_base : STR_NONE;
	return back_ends_own(tenant, set->arena) && (!process->public_base.size || tenant->public_base.data) &&
	       (!process->state_directory.size || tenant->state_directory.data);
}

bool config_set_derive(struct config_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct config *tenant = &set->tenants[i];

		if (set->is_single)
			config_derive_authorities(tenant);
		else if (!tenant_derive(set, i))
			return false;
		tenant->set = set;
		tenant->files_mark = config_files_mark(tenant);
	}
	return true;
}

static bool tenants_read(struct reading *reading)
{
	struct config_set *set = reading->set;
	const struct config_tenants *rows = &set->process.tenants;
	struct arena *arena = reading->place.arena;

	set->tenants = arena_array(arena, rows->count, sizeof *set->tenants);
	if (!set->tenants)
		return out_of_memory(reading->place.outcome);
	set->count = rows->count;
	set->bare_index = rows->count;
	check_names(reading);
	for (size_t i = 0; i < rows->count; i++) {
		tenant_read(reading, &rows->items[i], &set->tenants[i]);
		if (str_equal(rows->items[i].name, set->process.default_tenant))
			set->bare_index = i;
	}
	if (set->process.default_tenant.size && set->bare_index == set->count)
		complain_at(reading, origin_of(reading, "default_tenant"), "default_tenant",
			    "Write the name of one of the tenants.");
	return true;
}

static void single_read(struct reading *reading)
{
	struct config_set *set = reading->set;
	struct config_origin bare = origin_of(reading, "default_tenant");

	config_require(&reading->place, CONFIG_GATEWAY, reading->origins);
	config_check_tenant(&reading->place, reading->origins, &set->process);
	if (bare.file)
		complain_at(reading, bare, "default_tenant", "Remove this key: there are no tenants.");
	set->tenants = &set->process;
	set->count = 1;
	set->is_single = true;
}

static bool set_read(const char *path, struct config_set *set, struct outcome *outcome)
{
	struct reading reading = { .set = set, .place = { path, 1, "", NULL, set->arena, outcome } };
	struct str text;

	reading.origins = arena_alloc(set->arena, sizeof *reading.origins);
	if (!reading.origins)
		return out_of_memory(outcome);
	*reading.origins = (struct config_origins) { 0 };
	set->process.origins = reading.origins;
	if (!file_read(path, CONFIG_FILE_BYTES_MAX, set->arena, &text, outcome) ||
	    !config_read(path, text, NULL, CONFIG_GATEWAY, set->arena, &set->process, reading.origins, outcome))
		return false;
	config_check_process(&reading.place, reading.origins, &set->process);
	set->is_base_derived = str_is_empty(set->process.public_base);
	config_derive_base(&set->process, set->arena);
	if (set->process.tenants.count == 0)
		single_read(&reading);
	else if (!tenants_read(&reading))
		return false;
	return config_set_derive(set) ? !outcome->has_error : out_of_memory(outcome);
}

bool config_set_open(const char *path, struct config_set **set, struct outcome *outcome)
{
	struct arena *arena = arena_new(CONFIG_BYTES_MAX);
	struct config_set *opened = arena ? arena_alloc(arena, sizeof *opened) : NULL;
	struct str kept = opened ? arena_copy(arena, str_from_c(path)) : STR_NONE;

	*set = NULL;
	if (!kept.data) {
		arena_free(arena);
		return out_of_memory(outcome);
	}
	*opened = (struct config_set) { .arena = arena, .owners = 1 };
	*set = opened;
	return set_read(kept.data, opened, outcome);
}

void config_set_keep(struct config_set *set)
{
	atomic_fetch_add(&set->owners, 1);
}

void config_set_close(struct config_set *set)
{
	if (set && atomic_fetch_sub(&set->owners, 1) == 1)
		arena_free(set->arena);
}

const struct config *config_set_find(const struct config_set *set, struct str name)
{
	if (str_is_empty(name))
		return set->bare_index < set->count ? &set->tenants[set->bare_index] : NULL;
	for (size_t i = 0; i < set->count; i++) {
		if (str_equal(set->tenants[i].tenant, name))
			return &set->tenants[i];
	}
	return NULL;
}
