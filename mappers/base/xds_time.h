/* Times as XDS writes them: DTM, YYYY[MM[DD[hh[mm[ss]]]]], always UTC, no zone, no fraction. Source: ITI TF-3 4.2.3.1.7
 * table "DTM", FHIR R4 datatypes (date, dateTime, instant). Nothing here knows the time of day: it comes in. */
#ifndef PASSERELLE_XDS_TIME_H
#define PASSERELLE_XDS_TIME_H

#include "mappers/base/arena.h"

#define XDS_TIME_SIZE     15 /* 14 digits and the NUL */
#define FHIR_INSTANT_SIZE 21 /* YYYY-MM-DDThh:mm:ssZ and the NUL */

/* True for 4, 6, 8, 10, 12 or 14 digits that name a real moment of the calendar (a second of 60 is accepted). */
bool xds_time_valid(struct str dtm) MUST_CHECK;

/* A FHIR date, dateTime or instant as DTM. With a time: turned into UTC, fraction dropped, 14 digits. A time without
 * zone is taken to be default_offset_minutes east of UTC. Without a time: the digits as they are, the day is nominal.
 * False (and *dtm untouched) when it is no FHIR time, or without memory. */
bool xds_time_from_fhir(struct str fhir, int default_offset_minutes, struct arena *arena, struct str *dtm) MUST_CHECK;

/* DTM as FHIR dateTime, in the precision it has; 10 and 12 digits, which FHIR cannot say, are padded with zeros.
 * What is found on the wire beside the rule is accepted: a fraction is dropped, +hhmm and -hhmm are turned into UTC.
 * False (and *fhir untouched) when it is no time, or without memory. */
bool xds_time_to_fhir(struct str dtm, struct arena *arena, struct str *fhir) MUST_CHECK;

/* The half-open range [low, high) of seconds that a DTM of any precision names: 2024 is [20240101000000,
 * 20250101000000). Year 9999 ends at 99991231235959. */
bool xds_time_range(struct str dtm, char low[XDS_TIME_SIZE], char high[XDS_TIME_SIZE]) MUST_CHECK;

/* Seconds since 1970 of the first second that a DTM names, and back (years 1 to 9999; outside: the nearest). */
bool xds_time_to_unix(struct str dtm, int64_t *seconds) MUST_CHECK;
void xds_time_from_unix(int64_t seconds, char dtm[XDS_TIME_SIZE]);
void fhir_instant_from_unix(int64_t seconds, char instant[FHIR_INSTANT_SIZE]);

#endif
