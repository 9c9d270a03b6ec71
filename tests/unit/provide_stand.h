/* What the tests of Provide Document Bundle share: one run through both phases, with everything outside settled in the
 * simplest way. */
#ifndef PASSERELLE_TESTS_PROVIDE_STAND_H
#define PASSERELLE_TESTS_PROVIDE_STAND_H

#include "mappers/fhir_body.h"
#include "mappers/provide_bundle.h"
#include "meta_support.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define ARENA_BYTES (32 * 1024 * 1024)
#define UUIDS_MAX   4096
#define PATIENT     "P1^^^&1.2.3&ISO"

static const struct provide_defaults defaults = {
	.class_code = { { "c", 1 }, { "1.1", 3 }, { "Class", 5 } },
	.type_code = { { "t", 1 }, { "1.1", 3 }, { "Type", 4 } },
	.format_code = { { "f", 1 }, { "1.1", 3 }, { "Format", 6 } },
	.confidentiality_code = { { "N", 1 }, { "1.1", 3 }, { "normal", 6 } },
	.facility_type_code = { { "h", 1 }, { "1.1", 3 }, { "Hospital", 8 } },
	.practice_setting_code = { { "p", 1 }, { "1.1", 3 }, { "Practice", 8 } },
	.content_type_code = { { "s", 1 }, { "1.1", 3 }, { "Submission", 10 } },
	.language_code = { "fr-LU", 5 },
};

static const struct provide_rules rules = { .accept_minimal = true,
					    .accept_comprehensive = true,
					    .accept_uncontained = true,
					    .fill_minimal = true,
					    .defaults = &defaults,
					    .base = { "http://gw/fhir", 14 } };

/* One run through both phases, with everything outside settled in the simplest way. */
struct run {
	struct arena *arena;
	json_t *tree;
	struct provide_bundle bundle;
	struct provide_resolved resolved;
	struct metadata metadata;
	struct provide_document *documents;
	struct outcome outcome;
	bool read;
	bool mapped;
};

static inline struct str fake_uuid(struct arena *arena, size_t family, size_t number)
{
	return arena_printf(arena, "urn:uuid:%08zx-0000-4000-8000-%012zx", family, number);
}

static inline bool settle(struct run *run)
{
	struct str *patients = arena_array(run->arena, PROVIDE_CLAIMS_MAX, sizeof *patients);
	struct str *targets = arena_array(run->arena, PROVIDE_TARGETS_MAX, sizeof *targets);
	struct strs *members = arena_array(run->arena, run->bundle.folder_count, sizeof *members);
	struct str *uuids = arena_array(run->arena, UUIDS_MAX, sizeof *uuids);
	struct str *held = arena_array(run->arena, 1, sizeof *held);

	if (!patients || !targets || !uuids || !members || !held)
		return false;
	for (size_t i = 0; i < run->bundle.claim_count; i++)
		patients[i] = STR(PATIENT);
	for (size_t i = 0; i < run->bundle.target_count; i++)
		targets[i] = fake_uuid(run->arena, 0xAAAA, i);
	for (size_t i = 0; i < UUIDS_MAX; i++)
		uuids[i] = fake_uuid(run->arena, 0xFFFF, i);
	for (size_t i = 0; i < run->bundle.target_count; i++) { /* a registered folder holds the document "seen" */
		if (str_equal(run->bundle.targets[i].value, STR("seen"))) {
			held[0] = targets[i];
			for (size_t j = 0; j < run->bundle.folder_count; j++)
				members[j] = (struct strs) { held, run->bundle.folders[j].exists ? 1 : 0 };
		}
	}
	run->resolved = (struct provide_resolved) { patients, targets, members, uuids, STR("20240302081530") };
	return uuids[UUIDS_MAX - 1].data;
}

static inline json_t *load_json(const char *text)
{
	json_error_t error;
	json_t *tree = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (!tree)
		fail_msg("%s: %s", text, error.text);
	return tree;
}

static inline void run_map(struct run *run, const struct provide_rules *with)
{
	run->read = provide_bundle_read(run->tree, with, run->arena, &run->bundle, &run->outcome);
	if (!run->read)
		return;
	for (size_t i = 0; i < run->bundle.external_count; i++) {
		struct str url = run->bundle.externals[i].url;
		const char *text =
			memmem(url.data, url.size, "Organization", 12)
				? "{\"resourceType\":\"Organization\",\"name\":\"Fetched Hospital\"}"
			: memmem(url.data, url.size, "Role", 4)
				? "{\"resourceType\":\"PractitionerRole\",\"practitioner\":{\"reference\":"
				  "\"Practitioner/p\"},\"organization\":{\"reference\":\"#o\"},\"contained\":[{"
				  "\"resourceType\":\"Organization\",\"id\":\"o\",\"name\":\"Inner\"}]}"
			: memmem(url.data, url.size, "Patient", 7)
				? "{\"resourceType\":\"Patient\",\"identifier\":[{\"system\":\"urn:oid:1.8\",\"value\":"
				  "\"S1\"}]}"
				: "{\"resourceType\":\"Practitioner\",\"name\":[{\"family\":\"Fetched\"}]}";
		json_t *resource = load_json(text);

		assert_true(arena_defer(run->arena, (void (*)(void *))json_decref, resource));
		assert_true(provide_bundle_fetched(&run->bundle, i, resource, run->arena, &run->outcome));
	}
	run->mapped = settle(run) && provide_bundle_map(&run->bundle, with, &run->resolved, run->arena, &run->metadata,
							&run->documents, &run->outcome);
}

static inline void run_begin(struct run *run, const char *path)
{
	*run = (struct run) { .arena = arena_new(ARENA_BYTES) };
	outcome_init(&run->outcome);
	struct str text = file_read(path, run->arena);

	if (!fhir_body_read(FHIR_JSON, text, NULL, NULL, run->arena, &run->tree, &run->outcome))
		fail_msg("%s: %s", path, run->outcome.issues[0].text);
}

static inline void golden(struct run *run, const char *name)
{
	char path[512];

	snprintf(path, sizeof path, "%s/tests/golden/provide/%s.json", TEST_SOURCE_DIR, name);
	run_begin(run, path);
}

/* Puts value (JSON text; NULL removes) at a path such as "/entry/1/resource/status". */
static inline void set_at(json_t *tree, const char *path, const char *value)
{
	struct str rest = str_from_c(path + 1);
	struct str part;
	json_t *place = tree;
	char key[64];

	for (;;) {
		uint64_t index = 0;

		assert_true(str_next(&rest, '/', &part));
		snprintf(key, sizeof key, "%.*s", STR_ARG(part));
		bool number = str_to_u64(part, &index);

		if (!rest.data) {
			if (number && value && index == json_array_size(place))
				assert_int_equal(json_array_append_new(place, load_json(value)), 0);
			else if (number)
				assert_int_equal(value ? json_array_set_new(place, (size_t)index, load_json(value))
						       : json_array_remove(place, (size_t)index),
						 0);
			else
				assert_int_equal(value ? json_object_set_new(place, key, load_json(value))
						       : json_object_del(place, key),
						 0);
			return;
		}
		place = number ? json_array_get(place, (size_t)index) : json_object_get(place, key);
		if (!place)
			fail_msg("%s", path);
	}
}

static inline const struct issue *first_error(const struct outcome *outcome)
{
	const struct issue *issue = outcome->issues;

	assert_true(outcome->has_error);
	while (issue->severity != SEVERITY_ERROR)
		issue++;
	return issue;
}

static inline const char *all_issues(const struct outcome *outcome)
{
	static char text[8192];
	size_t size = 0;

	text[0] = 0;
	for (size_t i = 0; i < outcome->count && size < sizeof text - 600; i++)
		size += (size_t)snprintf(text + size, sizeof text - size, "\n  %s at %s: %s",
					 error_info(outcome->issues[i].code)->name, outcome->issues[i].path,
					 outcome->issues[i].text);
	return text;
}

#endif
