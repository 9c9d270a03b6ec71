/* Writes the Bundle of a search answer. Source: FHIR R4 3.1.1.4.1, MHD 4.2.4 3.66.4.2, 3.67.4.2. */
#ifndef PASSERELLE_SEARCHSET_H
#define PASSERELLE_SEARCHSET_H

#include "mappers/search_plan.h"

struct json_writer;

struct searchset {
	uint64_t total;
	bool is_incomplete;   /* a source is missing: the total is not known and left out */
	struct str self;      /* absolute URL with the parameters that were honoured */
	struct str next;      /* absolute URL of the next page; STR_NONE on the last */
	struct str timestamp; /* FHIR instant; STR_NONE: left out */
};

/* In this order: begin, any number of entries (one resource value is written between begin and end of each), at most
 * one outcome, end. The Bundle is the root of what the writer writes; Bundle.entry is left out when nothing is in it. */
void searchset_begin(struct json_writer *writer, const struct searchset *set);
void searchset_entry_begin(struct json_writer *writer, struct str full_url);
void searchset_entry_end(struct json_writer *writer);
/* The same with how well the entry matches: percent 0 to 100, grade of FHIR's match-grade. */
void searchset_entry_end_graded(struct json_writer *writer, unsigned percent, struct str grade);
/* Warnings of the search as an entry of mode outcome; nothing is written for an outcome without issues. */
void searchset_outcome(struct json_writer *writer, const struct outcome *outcome);
void searchset_end(struct json_writer *writer);

/* True when the view wants whole resources, so that they may be written straight into the Bundle. */
bool search_view_is_whole(const struct search_view *view);

/* Cuts a written DocumentReference or List down to the view (_elements, _summary): mandatory elements stay, contained
 * resources stay while something refers to them, meta is tagged SUBSETTED. The result is in the arena.
 * Errors: ERR_NO_MEMORY, ERR_INTERNAL (resource is no JSON). */
bool search_view_cut(const struct search_view *view, struct str resource, struct arena *arena, struct str *cut,
		     struct outcome *outcome) MUST_CHECK;

#endif
