/* What the tests of MHD searches share. */
#ifndef PASSERELLE_TESTS_SEARCH_STAND_H
#define PASSERELLE_TESTS_SEARCH_STAND_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mappers/document_search.h"

#define ARENA_BYTES (8 * 1024 * 1024)
#define PATIENT     "P1^^^&1.2.3&ISO"
#define LOINC       "2.16.840.1.113883.6.1"

static const struct search_rules rules = { .page_entries = 50,
					   .page_entries_max = 100,
					   .base = { "http://gw/fhir", 14 } };

static inline struct search_params read_params(const char *query, struct arena *arena)
{
	struct search_params params = { 0 };
	struct outcome outcome;

	outcome_init(&outcome);
	if (!search_params_read(str_from_c(query), STR_NONE, arena, &params, &outcome))
		fail_msg("%s: %s", query, outcome.issues[0].text);
	return params;
}

#define UUID_A "urn:uuid:11111111-2222-4333-8444-555555555555"

#endif
