#include "mappers/base/xds_time.h"

#define SECONDS_PER_DAY 86400
#define YEAR_MAX        9999

struct moment {
	int year;
	int month;
	int day;
	int hour;
	int minute;
	int second;
	size_t digits; /* 4, 6, 8, 10, 12 or 14: what was said */
};

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to the first of January of year (1 and later). */
static int64_t year_days(int year)
{
	int64_t before = year - 1;

	return before * 365 + before / 4 - before / 100 + before / 400 - 719162;
}

static int64_t moment_to_seconds(const struct moment *m)
{
	int64_t days = year_days(m->year) + m->day - 1;

	for (int month = 1; month < m->month; month++)
		days += month_days(m->year, month);
	return days * SECONDS_PER_DAY + m->hour * 3600 + m->minute * 60 + m->second;
}

static struct moment moment_from_seconds(int64_t seconds)
{
	const int64_t least = year_days(1) * SECONDS_PER_DAY;
	const int64_t most = year_days(YEAR_MAX + 1) * SECONDS_PER_DAY - 1;

	if (seconds < least)
		seconds = least;
	if (seconds > most)
		seconds = most;
	int64_t in_day = seconds % SECONDS_PER_DAY;

	if (in_day < 0)
		in_day += SECONDS_PER_DAY;
	int64_t days = (seconds - in_day) / SECONDS_PER_DAY;
	/* 146097 days are 400 years; the guess is at most one year off. */
	int year = (int)((days + 719162) * 400 / 146097) + 1;

	while (year > 1 && year_days(year) > days)
		year--;
	while (year_days(year + 1) <= days)
		year++;
	int day = (int)(days - year_days(year));
	int month = 1;

	while (day >= month_days(year, month))
		day -= month_days(year, month++);
	return (struct moment) {
		year, month, day + 1, (int)(in_day / 3600), (int)(in_day / 60 % 60), (int)(in_day % 60), 14
	};
}

static bool moment_is_real(const struct moment *m)
{
	return m->year >= 1 && m->year <= YEAR_MAX && m->month >= 1 && m->month <= 12 && m->day >= 1 &&
	       m->day <= month_days(m->year, m->month) && m->hour < 24 && m->minute < 60 && m->second <= 60;
}

/* Takes exactly count digits off the front of *rest. */
static bool take_digits(struct str *rest, size_t count, int *value)
{
	int sum = 0;

	if (rest->size < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (rest->data[i] < '0' || rest->data[i] > '9')
			return false;
		sum = sum * 10 + (rest->data[i] - '0');
	}
	*value = sum;
	*rest = str_from(*rest, count);
	return true;
}

static bool take_char(struct str *rest, char c)
{
	if (rest->size == 0 || rest->data[0] != c)
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

/* Drops .fff; false when there is a dot without digits. */
static bool skip_fraction(struct str *rest)
{
	int digit;
	bool any = false;

	if (!take_char(rest, '.'))
		return true;
	while (take_digits(rest, 1, &digit))
		any = true;
	return any;
}

/* The digits of a DTM at the front of *rest. */
static bool take_moment(struct str *rest, struct moment *m)
{
	int *const parts[] = { &m->month, &m->day, &m->hour, &m->minute, &m->second };

	*m = (struct moment) { .month = 1, .day = 1, .digits = 4 };
	if (!take_digits(rest, 4, &m->year))
		return false;
	for (size_t i = 0; i < COUNT_OF(parts) && take_digits(rest, 2, parts[i]); i++)
		m->digits += 2;
	return moment_is_real(m);
}

/* +hh:mm or +hhmm, at most 14 hours. Nothing at all leaves *minutes alone. */
static bool take_zone(struct str *rest, bool colon, int *minutes)
{
	int hour;
	int minute;
	bool east = take_char(rest, '+');

	if (!east && !take_char(rest, '-'))
		return true;
	if (!take_digits(rest, 2, &hour) || (colon && !take_char(rest, ':')) || !take_digits(rest, 2, &minute))
		return false;
	if (minute > 59 || hour * 60 + minute > 14 * 60)
		return false;
	*minutes = (east ? 1 : -1) * (hour * 60 + minute);
	return true;
}

static void moment_shift(struct moment *m, int minutes_east)
{
	size_t digits = m->digits;
	int leap = m->second == 60 ? 1 : 0;

	m->second -= leap;
	*m = moment_from_seconds(moment_to_seconds(m) - (int64_t)minutes_east * 60);
	m->second += leap;
	m->digits = digits == 10 && minutes_east % 60 ? 12 : digits;
}

static void put_digits(char *out, size_t count, int value)
{
	while (count--) {
		out[count] = (char)('0' + value % 10);
		value /= 10;
	}
}

static void moment_write(const struct moment *m, char dtm[XDS_TIME_SIZE])
{
	put_digits(dtm, 4, m->year);
	put_digits(dtm + 4, 2, m->month);
	put_digits(dtm + 6, 2, m->day);
	put_digits(dtm + 8, 2, m->hour);
	put_digits(dtm + 10, 2, m->minute);
	put_digits(dtm + 12, 2, m->second);
	dtm[m->digits] = '\0';
}

static void moment_write_fhir(const struct moment *m, char fhir[FHIR_INSTANT_SIZE])
{
	memcpy(fhir, "0000-00-00T00:00:00Z", FHIR_INSTANT_SIZE);
	put_digits(fhir, 4, m->year);
	put_digits(fhir + 5, 2, m->month);
	put_digits(fhir + 8, 2, m->day);
	put_digits(fhir + 11, 2, m->hour);
	put_digits(fhir + 14, 2, m->minute);
	put_digits(fhir + 17, 2, m->second);
}

/* A DTM, perhaps with fraction and zone, in UTC. */
static bool read_wire(struct str wire, struct moment *m)
{
	int minutes = 0;

	wire = str_trim(wire);
	if (!take_moment(&wire, m) || (m->digits == 14 && !skip_fraction(&wire)))
		return false;
	if (m->digits >= 10 && !take_zone(&wire, false, &minutes))
		return false;
	if (wire.size)
		return false;
	if (minutes)
		moment_shift(m, minutes);
	return true;
}

/* hh:mm[:ss[.fff]] and the zone. */
static bool read_fhir_time(struct str fhir, int default_offset_minutes, struct moment *m)
{
	int minutes = default_offset_minutes;

	if (!take_digits(&fhir, 2, &m->hour) || !take_char(&fhir, ':') || !take_digits(&fhir, 2, &m->minute))
		return false;
	m->digits = 12;
	if (take_char(&fhir, ':')) {
		if (!take_digits(&fhir, 2, &m->second) || !skip_fraction(&fhir))
			return false;
		m->digits = 14;
	}
	if (take_char(&fhir, 'Z'))
		minutes = 0;
	else if (!take_zone(&fhir, true, &minutes))
		return false;
	if (fhir.size || !moment_is_real(m))
		return false;
	moment_shift(m, minutes);
	return true;
}

static bool read_fhir(struct str fhir, int default_offset_minutes, struct moment *m)
{
	*m = (struct moment) { .month = 1, .day = 1, .digits = 4 };
	if (!take_digits(&fhir, 4, &m->year))
		return false;
	if (take_char(&fhir, '-')) {
		if (!take_digits(&fhir, 2, &m->month))
			return false;
		m->digits = 6;
		if (take_char(&fhir, '-')) {
			if (!take_digits(&fhir, 2, &m->day))
				return false;
			m->digits = 8;
		}
	}
	if (!moment_is_real(m))
		return false;
	if (fhir.size == 0)
		return true;
	return m->digits == 8 && take_char(&fhir, 'T') && read_fhir_time(fhir, default_offset_minutes, m);
}

static bool keep(const char *text, struct arena *arena, struct str *out)
{
	struct str copy = arena_copy(arena, str_from_c(text));

	if (!copy.data)
		return false;
	*out = copy;
	return true;
}

bool xds_time_valid(struct str dtm)
{
	struct moment m;

	return take_moment(&dtm, &m) && dtm.size == 0;
}

bool xds_time_from_fhir(struct str fhir, int default_offset_minutes, struct arena *arena, struct str *dtm)
{
	struct moment m;
	char text[XDS_TIME_SIZE];

	if (!read_fhir(fhir, default_offset_minutes, &m))
		return false;
	moment_write(&m, text);
	return keep(text, arena, dtm);
}

bool xds_time_to_fhir(struct str dtm, struct arena *arena, struct str *fhir)
{
	struct moment m;
	char text[FHIR_INSTANT_SIZE];

	if (!read_wire(dtm, &m))
		return false;
	moment_write_fhir(&m, text);
	if (m.digits == 4)
		text[4] = '\0';
	else if (m.digits == 6)
		text[7] = '\0';
	else if (m.digits == 8)
		text[10] = '\0';
	return keep(text, arena, fhir);
}

/* The first second after what m names. */
static int64_t moment_end(const struct moment *m)
{
	switch (m->digits) {
	case 4:
		return year_days(m->year + 1) * SECONDS_PER_DAY;
	case 6:
		return moment_to_seconds(m) + (int64_t)month_days(m->year, m->month) * SECONDS_PER_DAY;
	case 8:
		return moment_to_seconds(m) + SECONDS_PER_DAY;
	case 10:
		return moment_to_seconds(m) + 3600;
	case 12:
		return moment_to_seconds(m) + 60;
	default:
		return moment_to_seconds(m) + 1;
	}
}

bool xds_time_range(struct str dtm, char low[XDS_TIME_SIZE], char high[XDS_TIME_SIZE])
{
	struct moment m;

	if (!read_wire(dtm, &m))
		return false;
	struct moment end = moment_from_seconds(moment_end(&m));

	m.digits = 14;
	moment_write(&m, low);
	moment_write(&end, high);
	return true;
}

bool xds_time_to_unix(struct str dtm, int64_t *seconds)
{
	struct moment m;

	if (!read_wire(dtm, &m))
		return false;
	*seconds = moment_to_seconds(&m);
	return true;
}

void xds_time_from_unix(int64_t seconds, char dtm[XDS_TIME_SIZE])
{
	struct moment m = moment_from_seconds(seconds);

	moment_write(&m, dtm);
}

void fhir_instant_from_unix(int64_t seconds, char instant[FHIR_INSTANT_SIZE])
{
	struct moment m = moment_from_seconds(seconds);

	moment_write_fhir(&m, instant);
}
