#include "mappers/search_match.h"

#include "mappers/base/hl7v2.h"
#include "mappers/base/oid.h"
#include "mappers/base/xds_time.h"
#include "mappers/fold.h"
#include "mappers/metadata_rim.h"
#include "mappers/uri_authority.h"

#define URI_SYSTEM "urn:ietf:rfc:3986"

static struct str member_text(const struct search_row *row, const void *item)
{
	struct str text;

	memcpy(&text, (const char *)item + row->offset, sizeof text);
	return text;
}

/* The codes of a member, one or many. */
static struct codes member_codes(const struct search_row *row, const void *item, struct code *one)
{
	struct codes many;

	if (row->many) {
		memcpy(&many, (const char *)item + row->offset, sizeof many);
		return many;
	}
	memcpy(one, (const char *)item + row->offset, sizeof *one);
	return (struct codes) { one, one->code.data ? 1 : 0 };
}

static struct authors member_authors(const struct search_row *row, const void *item)
{
	struct authors authors;

	memcpy(&authors, (const char *)item + row->offset, sizeof authors);
	return authors;
}

static bool code_is(const struct search_token *token, const struct code *code)
{
	if (token->code.size && !str_equal(token->code, code->code))
		return false;
	return !token->has_system || str_equal(search_scheme(token->system), search_scheme(code->scheme));
}

static bool codes_match(const struct search_filter *filter, const struct search_row *row, const void *item)
{
	struct code one;
	struct codes codes = member_codes(row, item, &one);

	for (size_t i = 0; i < codes.count; i++) {
		for (size_t j = 0; j < filter->count; j++) {
			if (code_is(&filter->tokens[j], &codes.items[i]))
				return true;
		}
	}
	return false;
}

/* identifier=system| asks for any value in that system. */
static bool identifier_has_system(const struct search_token *token, struct str unique_id)
{
	size_t caret = str_find(unique_id, '^');

	if (str_equal(token->system, STR(URI_SYSTEM)))
		return true; /* the entryUUID is one */
	return caret < unique_id.size && oid_urn_valid(token->system) &&
	       str_equal(search_scheme(token->system), (struct str) { unique_id.data, caret });
}

static bool identifier_matches(const struct search_token *token, struct str entry_uuid, struct str unique_id,
			       struct arena *arena)
{
	struct str wanted;
	size_t caret = str_find(unique_id, '^');

	if (token->has_system && token->code.size == 0)
		return identifier_has_system(token, unique_id);
	if (search_entry_uuid(token, &wanted) && str_equal_nocase(wanted, entry_uuid))
		return true;
	if (!token->has_system && caret < unique_id.size && str_equal(token->code, str_from(unique_id, caret + 1)))
		return true;
	return search_unique_id(token, arena, &wanted) && str_equal(wanted, unique_id);
}

static struct str item_entry_uuid(enum search_object object, const void *item)
{
	switch (object) {
	case SEARCH_DOCUMENT_ENTRY:
		return ((const struct document_entry *)item)->entry_uuid;
	case SEARCH_SUBMISSION_SET:
		return ((const struct submission_set *)item)->entry_uuid;
	case SEARCH_FOLDER:
		return ((const struct folder *)item)->entry_uuid;
	case SEARCH_OBJECT_COUNT:
		break;
	}
	return STR_NONE;
}

static struct str item_logical_id(enum search_object object, const void *item)
{
	switch (object) {
	case SEARCH_DOCUMENT_ENTRY:
		return ((const struct document_entry *)item)->logical_id;
	case SEARCH_SUBMISSION_SET:
		return ((const struct submission_set *)item)->logical_id;
	case SEARCH_FOLDER:
		return ((const struct folder *)item)->logical_id;
	case SEARCH_OBJECT_COUNT:
		break;
	}
	return STR_NONE;
}

static bool id_matches(const struct search_resolved *resolved, enum search_object object, const void *item)
{
	for (size_t i = 0; i < resolved->uuids.count; i++) {
		if (str_equal_nocase(resolved->uuids.items[i], item_entry_uuid(object, item)) ||
		    str_equal_nocase(resolved->uuids.items[i], item_logical_id(object, item)))
			return true;
	}
	return false;
}

/* A CXi of referenceIdList against related:identifier, and against a URI that a plain related names. */
static bool reference_matches(const struct search_token *token, struct str reference_id, struct arena *arena)
{
	struct hl7_cx cx;
	struct str scheme = search_scheme(token->system);
	char oid[UUID_OID_SIZE]; /* as a system that is no OID was registered */

	if (!hl7_cx_parse(reference_id, arena, &cx))
		return false;
	bool value = token->code.size == 0 || str_equal(token->code, cx.id) ||
		     str_equal(str_without_prefix(token->code, STR("urn:oid:")), cx.id);

	if (!token->has_system)
		return value && token->code.size;
	if (str_equal(token->system, STR(URI_SYSTEM)) || token->system.size == 0)
		return value && cx.authority.universal_id.size == 0;
	uri_authority_oid(scheme, oid);
	return value && (str_equal(scheme, cx.authority.universal_id) || str_equal(scheme, cx.authority.namespace_id) ||
			 str_equal(str_from_c(oid), cx.authority.universal_id));
}

static bool references_match(const struct search_filter *filter, const struct search_row *row, const void *item,
			     struct arena *arena)
{
	struct strs ids;

	memcpy(&ids, (const char *)item + row->offset, sizeof ids);
	for (size_t i = 0; i < ids.count; i++) {
		for (size_t j = 0; j < filter->count; j++) {
			if (reference_matches(&filter->tokens[j], ids.items[i], arena))
				return true;
		}
	}
	return false;
}

struct str search_document_date(const struct document_entry *entry, struct arena *arena)
{
	struct str dtm;

	if (entry->fhir_date.size && xds_time_from_fhir(entry->fhir_date, 0, arena, &dtm))
		return dtm;
	return entry->creation_time;
}

/* What a date parameter compares; false when the object has no such time. */
static bool item_interval(const struct search_filter *filter, const struct search_row *row, enum search_object object,
			  const void *item, struct str last_updated, struct arena *arena, struct interval *interval)
{
	struct str text = member_text(row, item);
	struct interval stop;

	if (filter->match == MATCH_UPDATED && object == SEARCH_DOCUMENT_ENTRY)
		text = last_updated;
	if (filter->match == MATCH_DATE)
		text = search_document_date(item, arena);
	if (filter->match != MATCH_PERIOD)
		return text.size && interval_of_dtm(text, interval);
	const struct document_entry *entry = item;

	*interval = interval_always();
	stop = *interval;
	if (entry->service_start_time.size == 0 && entry->service_stop_time.size == 0)
		return false;
	if (entry->service_start_time.size && !interval_of_dtm(entry->service_start_time, interval))
		return false;
	if (entry->service_stop_time.size && !interval_of_dtm(entry->service_stop_time, &stop))
		return false;
	interval->to = stop.to;
	return true;
}

static bool status_is(const struct search_token *token, enum search_object object, struct str status)
{
	bool document = object == SEARCH_DOCUMENT_ENTRY;
	struct str system = document ? STR("http://hl7.org/fhir/document-reference-status")
				     : STR("http://hl7.org/fhir/list-status");
	bool deprecated = status_is_deprecated(status);

	if (token->has_system && !str_equal(token->system, system))
		return false;
	if (token->code.size == 0)
		return token->has_system;
	if (str_equal(token->code, STR("current")))
		return !deprecated;
	return deprecated && str_equal(token->code, document ? STR("superseded") : STR("retired"));
}

bool search_status_matches(const struct search_filter *filter, enum search_object object, struct str status)
{
	bool any = false;

	if (filter->presence != PRESENCE_ANY)
		return filter->presence == PRESENCE_THERE;
	for (size_t i = 0; i < filter->count; i++)
		any = any || status_is(&filter->tokens[i], object, status);
	return any != filter->negate;
}

static bool list_code_is(const struct search_token *token, enum search_object object)
{
	static const struct str tail = { "//profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", 50 };
	struct str own = object == SEARCH_FOLDER ? STR("folder") : STR("submissionset");

	if (token->has_system && !str_ends_with(token->system, tail))
		return false;
	return token->code.size ? str_equal(token->code, own) : token->has_system;
}

static bool source_id_is(const struct search_token *token, struct str source_id)
{
	if (token->has_system && token->system.size && !str_equal(token->system, STR(URI_SYSTEM)))
		return false;
	return str_equal(str_without_prefix(token->code, STR("urn:oid:")), source_id);
}

static bool has_value(const struct search_filter *filter, const struct search_row *row, enum search_object object,
		      const void *item, struct str last_updated, struct arena *arena)
{
	struct interval interval;
	struct code one;
	struct strs many;
	struct authors authors;

	switch (filter->match) {
	case MATCH_CODE:
		return member_codes(row, item, &one).count;
	case MATCH_TIME:
	case MATCH_DATE:
	case MATCH_UPDATED:
	case MATCH_PERIOD:
		return item_interval(filter, row, object, item, last_updated, arena, &interval);
	case MATCH_REFERENCE:
		memcpy(&many, (const char *)item + row->offset, sizeof many);
		return many.count;
	case MATCH_FAMILY:
	case MATCH_GIVEN:
		authors = member_authors(row, item);
		for (size_t i = 0; i < authors.count; i++) {
			if (authors.items[i].person.size)
				return true;
		}
		return false;
	case MATCH_STATUS:
	case MATCH_LIST_CODE:
	case MATCH_ID:
		return true;
	case MATCH_IDENTIFIER:
	case MATCH_PATIENT:
	case MATCH_COMMUNITY:
	case MATCH_SOURCE_ID:
		return member_text(row, item).size;
	}
	return false;
}

/* One alternative of a filter; texts of authors are seen to elsewhere. */
static bool alternative_matches(const struct search_filter *filter, size_t i, const struct search_row *row,
				enum search_object object, const void *item, struct arena *arena)
{
	const struct search_token *token = &filter->tokens[i];

	switch (filter->match) {
	case MATCH_IDENTIFIER:
		return identifier_matches(token, item_entry_uuid(object, item), member_text(row, item), arena);
	case MATCH_STATUS:
		return status_is(token, object, member_text(row, item));
	case MATCH_LIST_CODE:
		return list_code_is(token, object);
	case MATCH_SOURCE_ID:
		return source_id_is(token, member_text(row, item));
	case MATCH_ID:
	case MATCH_UPDATED:
	case MATCH_FAMILY:
	case MATCH_GIVEN:
	case MATCH_CODE:
	case MATCH_TIME:
	case MATCH_DATE:
	case MATCH_PERIOD:
	case MATCH_PATIENT:
	case MATCH_REFERENCE:
	case MATCH_COMMUNITY:
		break;
	}
	return true;
}

static bool any_matches(const struct search_filter *filter, const struct search_resolved *resolved,
			const struct search_row *row, enum search_object object, const void *item,
			struct str last_updated, struct arena *arena)
{
	struct interval interval;

	if (filter->match == MATCH_ID)
		return id_matches(resolved, object, item);
	if (filter->match == MATCH_CODE)
		return codes_match(filter, row, item);
	if (filter->match == MATCH_REFERENCE)
		return references_match(filter, row, item, arena);
	if (filter->dates) {
		bool there = item_interval(filter, row, object, item, last_updated, arena, &interval);

		for (size_t i = 0; there && i < filter->count; i++) {
			if (search_date_matches(&filter->dates[i], &interval))
				return true;
		}
		return false;
	}
	for (size_t i = 0; i < filter->count; i++) {
		if (alternative_matches(filter, i, row, object, item, arena))
			return true;
	}
	return false;
}

bool search_filter_matches(const struct search_filter *filter, const struct search_resolved *resolved,
			   enum search_object object, const void *item, struct str last_updated, struct arena *arena)
{
	const struct search_row *row = filter->rows[object];

	if (!row)
		return filter->presence == PRESENCE_MISSING || filter->negate;
	if (filter->presence != PRESENCE_ANY)
		return has_value(filter, row, object, item, last_updated, arena) ==
		       (filter->presence == PRESENCE_THERE);
	return any_matches(filter, resolved, row, object, item, last_updated, arena) != filter->negate;
}

/* Texts of one filter against one name. */
static bool name_matches(const struct search_filter *filter, struct str name, struct arena *arena)
{
	struct str folded = filter->text_mode == TEXT_EXACT ? name : fold(name, arena);

	for (size_t i = 0; folded.size && i < filter->count; i++) {
		struct str text = filter->texts[i];

		if (filter->text_mode == TEXT_EXACT ? str_equal(folded, text) : str_starts_with(folded, text))
			return true;
		if (filter->text_mode == TEXT_CONTAINS && memmem(folded.data, folded.size, text.data, text.size))
			return true;
	}
	return false;
}

/* Second and further given names stand in one component with blanks between (TF-3 4.2.3.1.4, XCN). */
static bool person_matches(const struct search_filter *filter, struct str person, struct arena *arena)
{
	struct hl7_xcn xcn;
	struct str word;

	if (person.size == 0 || !hl7_xcn_parse(person, arena, &xcn))
		return false;
	if (filter->match == MATCH_FAMILY)
		return name_matches(filter, xcn.family, arena);
	if (name_matches(filter, xcn.given, arena) || name_matches(filter, xcn.second, arena))
		return true;
	struct str rest = xcn.second.data ? xcn.second : STR("");

	while (str_next(&rest, ' ', &word)) {
		if (name_matches(filter, word, arena))
			return true;
	}
	return false;
}

static bool is_about_author(const struct search_filter *filter)
{
	return (filter->match == MATCH_FAMILY || filter->match == MATCH_GIVEN) && filter->presence == PRESENCE_ANY;
}

/* One author must meet all filters about authors: MHD 4.2.4 3.67.4.1.2 speaks of the author, not of any two. */
static bool authors_match(const struct search *search, enum search_object object, const void *item, struct arena *arena)
{
	const struct search_row *row = NULL;

	for (size_t i = 0; i < search->filter_count; i++) {
		if (!is_about_author(&search->filters[i]))
			continue;
		row = search->filters[i].rows[object];
		if (!row)
			return false; /* a folder has no author */
	}
	if (!row)
		return true;
	struct authors authors = member_authors(row, item);

	for (size_t i = 0; i < authors.count; i++) {
		bool all = true;

		for (size_t j = 0; all && j < search->filter_count; j++)
			all = !is_about_author(&search->filters[j]) ||
			      person_matches(&search->filters[j], authors.items[i].person, arena);
		if (all)
			return true;
	}
	return false;
}

/* A registry that answers with somebody else's entry must not be believed. */
static bool patient_matches(const struct search_resolved *resolved, enum search_object object, const void *item,
			    struct arena *arena)
{
	struct str text = member_text(search_row_find(object, STR("patient")), item);
	struct hl7_cx asked;
	struct hl7_cx found;

	if (resolved->patient_id.size == 0)
		return true;
	if (!hl7_cx_parse(resolved->patient_id, arena, &asked) || !hl7_cx_parse(text, arena, &found))
		return false;
	return str_equal(asked.id, found.id) && str_equal(asked.authority.universal_id, found.authority.universal_id);
}

bool search_filters_match(const struct search *search, const struct search_resolved *resolved,
			  enum search_object object, const void *item, struct str last_updated, struct arena *arena)
{
	if (resolved->nobody || !patient_matches(resolved, object, item, arena))
		return false;
	for (size_t i = 0; i < search->filter_count; i++) {
		if (!is_about_author(&search->filters[i]) &&
		    !search_filter_matches(&search->filters[i], resolved, object, item, last_updated, arena))
			return false;
	}
	return authors_match(search, object, item, arena);
}
