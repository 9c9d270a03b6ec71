#include "mappers/searchset.h"

#include <stdio.h>

#include "mappers/json_writer.h"
#include "mappers/operation_outcome.h"

#define MATCH_GRADE  "http://hl7.org/fhir/StructureDefinition/match-grade"
#define BUNDLE_DEPTH 1 /* of the writer inside the Bundle; one more inside Bundle.entry */

/* FHIR knows no empty arrays: Bundle.entry begins with its first item. */
static void begin_item(struct json_writer *writer)
{
	if (writer->depth == BUNDLE_DEPTH)
		json_member_array(writer, STR("entry"));
	json_begin_object(writer);
}

static void write_link(struct json_writer *writer, struct str relation, struct str url)
{
	if (url.size == 0)
		return;
	json_begin_object(writer);
	json_member(writer, STR("relation"), relation);
	json_member(writer, STR("url"), url);
	json_end_object(writer);
}

static void write_mode(struct json_writer *writer, struct str mode)
{
	json_member_object(writer, STR("search"));
	json_member(writer, STR("mode"), mode);
	json_end_object(writer);
}

void searchset_begin(struct json_writer *writer, const struct searchset *set)
{
	json_begin_object(writer);
	json_member(writer, STR("resourceType"), STR("Bundle"));
	json_member(writer, STR("type"), STR("searchset"));
	json_member(writer, STR("timestamp"), set->timestamp);
	if (!set->is_incomplete) {
		json_key(writer, STR("total"));
		json_u64(writer, set->total);
	}
	json_member_array(writer, STR("link"));
	write_link(writer, STR("self"), set->self);
	write_link(writer, STR("next"), set->next);
	json_end_array(writer);
}

void searchset_entry_begin(struct json_writer *writer, struct str full_url)
{
	begin_item(writer);
	json_member(writer, STR("fullUrl"), full_url);
	json_key(writer, STR("resource"));
}

void searchset_entry_end(struct json_writer *writer)
{
	write_mode(writer, STR("match"));
	json_end_object(writer);
}

void searchset_entry_end_graded(struct json_writer *writer, unsigned percent, struct str grade)
{
	char score[8];

	snprintf(score, sizeof score, "%u.%02u", percent / 100, percent % 100);
	json_member_object(writer, STR("search"));
	json_member_array(writer, STR("extension"));
	json_begin_object(writer);
	json_member(writer, STR("url"), STR(MATCH_GRADE));
	json_member(writer, STR("valueCode"), grade);
	json_end_object(writer);
	json_end_array(writer);
	json_member(writer, STR("mode"), STR("match"));
	json_key(writer, STR("score"));
	json_raw(writer, str_from_c(score));
	json_end_object(writer);
	json_end_object(writer);
}

void searchset_outcome(struct json_writer *writer, const struct outcome *outcome)
{
	if (outcome->count == 0)
		return;
	begin_item(writer);
	json_key(writer, STR("resource"));
	operation_outcome_write(outcome, writer);
	write_mode(writer, STR("outcome"));
	json_end_object(writer);
}

void searchset_end(struct json_writer *writer)
{
	if (writer->depth > BUNDLE_DEPTH)
		json_end_array(writer);
	json_end_object(writer);
}
