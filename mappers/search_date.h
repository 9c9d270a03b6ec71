/* FHIR date search: a prefix and a value that covers an interval, compared with stored times that cover one too.
 * An instant is written as 14 digits UTC (DTM to the second), so that instants compare as text.
 * Source: FHIR R4 search 3.1.1.4.6 and 3.1.1.5.4; ITI TF-2 3.18.4.1.2.3.7 (From <= value < To). */
#ifndef PASSERELLE_SEARCH_DATE_H
#define PASSERELLE_SEARCH_DATE_H

#include "mappers/base/arena.h"

enum date_prefix { DATE_EQ, DATE_NE, DATE_GT, DATE_LT, DATE_GE, DATE_LE, DATE_SA, DATE_EB, DATE_AP };

/* A moment as 14 digits and NUL. */
struct moment {
	char text[15];
};

/* Half-open: from <= t < to. Open ends are the first and the last moment. */
struct interval {
	struct moment from;
	struct moment to;
};

struct search_date {
	enum date_prefix prefix;
	struct interval interval; /* what the value covers by its precision, in UTC */
};

/* Reads [prefix]YYYY[-MM[-DD[Thh:mm[:ss[.f]][zone]]]]; a blank before the zone is taken as the plus that a client
 * forgot to encode; a fraction of a second is dropped, as DTM has none. A value without a zone is meant in the zone
 * default_offset_minutes (0 is UTC). False when it is no date. */
bool search_date_read(struct str value, int default_offset_minutes, struct search_date *date) MUST_CHECK;

/* What a stored DTM (4 to 14 digits) covers. False when it is no DTM. */
bool interval_of_dtm(struct str dtm, struct interval *interval) MUST_CHECK;

/* The whole of time, for an end that is not there. */
struct interval interval_always(void);

/* True when a stored interval answers the search as FHIR defines the prefix. DATE_AP: the two overlap. */
bool search_date_matches(const struct search_date *date, const struct interval *stored);

/* Bounds for a registry, which compares the first moment of a stored time (TF-2 3.18.4.1.2.3.7): every stored interval
 * that matches begins at or after start_from and before start_to, and ends in a time that begins at or after stop_from
 * and before stop_to. An empty text means no bound. They are never too narrow; search_date_matches decides. */
struct date_bounds {
	struct moment start_from;
	struct moment start_to;
	struct moment stop_from;
	struct moment stop_to;
};

struct date_bounds search_date_bounds(const struct search_date *date);

/* Either search may match (comma): the wider bound, none when one has none. Both must match (repeat): the narrower. */
struct date_bounds date_bounds_or(const struct date_bounds *a, const struct date_bounds *b);
struct date_bounds date_bounds_and(const struct date_bounds *a, const struct date_bounds *b);

#endif
