#include "mappers/search_date.h"

#include "mappers/base/xds_time.h"

#define VALUE_SIZE_MAX 64

static const struct {
	struct str text;
	enum date_prefix prefix;
} prefixes[] = {
	{ { "eq", 2 }, DATE_EQ }, { { "ne", 2 }, DATE_NE }, { { "gt", 2 }, DATE_GT },
	{ { "lt", 2 }, DATE_LT }, { { "ge", 2 }, DATE_GE }, { { "le", 2 }, DATE_LE },
	{ { "sa", 2 }, DATE_SA }, { { "eb", 2 }, DATE_EB }, { { "ap", 2 }, DATE_AP },
};

static const struct moment first_moment = { "00010101000000" };
static const struct moment last_moment = { "99991231235959" };

static int compare(const struct moment *a, const struct moment *b)
{
	return memcmp(a->text, b->text, sizeof a->text);
}

/* Takes count digits off the front of *rest and adds them to digits. */
static bool take_digits(struct str *rest, size_t count, char *digits, size_t *size)
{
	if (rest->size < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (rest->data[i] < '0' || rest->data[i] > '9')
			return false;
		digits[(*size)++] = rest->data[i];
	}
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

/* [:ss[.fraction]], then nothing but a zone may follow. */
static bool take_seconds(struct str *rest, char *digits, size_t *size)
{
	if (!take_char(rest, ':'))
		return true;
	if (!take_digits(rest, 2, digits, size))
		return false;
	if (!take_char(rest, '.'))
		return true;
	if (rest->size == 0 || rest->data[0] < '0' || rest->data[0] > '9')
		return false;
	while (rest->size && rest->data[0] >= '0' && rest->data[0] <= '9')
		*rest = str_from(*rest, 1);
	return true;
}

/* Z, +hh:mm, -hh:mm up to 14:00, or nothing at all; *offset is left alone by nothing. */
static bool take_zone(struct str rest, int *offset)
{
	char digits[4];
	size_t size = 0;

	if (rest.size == 0)
		return true;
	if (take_char(&rest, 'Z')) {
		*offset = 0;
		return rest.size == 0;
	}
	bool west = rest.data[0] == '-';

	if (!west && rest.data[0] != '+' && rest.data[0] != ' ')
		return false;
	rest = str_from(rest, 1);
	if (!take_digits(&rest, 2, digits, &size) || !take_char(&rest, ':') || !take_digits(&rest, 2, digits, &size) ||
	    rest.size)
		return false;
	int hours = (digits[0] - '0') * 10 + digits[1] - '0';
	int minutes = (digits[2] - '0') * 10 + digits[3] - '0';

	if (minutes > 59 || hours * 60 + minutes > 14 * 60)
		return false;
	*offset = (west ? -1 : 1) * (hours * 60 + minutes);
	return true;
}

static bool shift(struct moment *moment, int minutes)
{
	int64_t seconds;

	if (!xds_time_to_unix((struct str) { moment->text, 14 }, &seconds))
		return false;
	xds_time_from_unix(seconds - (int64_t)minutes * 60, moment->text);
	return true;
}

bool search_date_read(struct str value, int default_offset_minutes, struct search_date *date)
{
	struct str rest = value;
	char digits[XDS_TIME_SIZE];
	size_t size = 0;
	int offset = default_offset_minutes;
	struct search_date found = { .prefix = DATE_EQ };

	if (value.size > VALUE_SIZE_MAX)
		return false;
	for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
		if (str_starts_with(value, prefixes[i].text)) {
			found.prefix = prefixes[i].prefix;
			rest = str_from(value, 2);
		}
	}
	if (!take_digits(&rest, 4, digits, &size))
		return false;
	for (int i = 0; i < 2 && take_char(&rest, '-'); i++) {
		if (!take_digits(&rest, 2, digits, &size))
			return false;
	}
	if (size == 8 && take_char(&rest, 'T')) {
		if (!take_digits(&rest, 2, digits, &size) || !take_char(&rest, ':') ||
		    !take_digits(&rest, 2, digits, &size) || !take_seconds(&rest, digits, &size) ||
		    !take_zone(rest, &offset))
			return false;
	} else if (rest.size) {
		return false;
	}
	if (!xds_time_range((struct str) { digits, size }, found.interval.from.text, found.interval.to.text))
		return false;
	if (offset && (!shift(&found.interval.from, offset) || !shift(&found.interval.to, offset)))
		return false;
	*date = found;
	return true;
}

bool interval_of_dtm(struct str dtm, struct interval *interval)
{
	return xds_time_range(dtm, interval->from.text, interval->to.text);
}

struct interval interval_always(void)
{
	return (struct interval) { first_moment, last_moment };
}

bool search_date_matches(const struct search_date *date, const struct interval *stored)
{
	const struct interval *asked = &date->interval;
	bool equal = compare(&stored->from, &asked->from) >= 0 && compare(&stored->to, &asked->to) <= 0;

	switch (date->prefix) {
	case DATE_EQ:
		return equal;
	case DATE_NE:
		return !equal;
	case DATE_GT:
		return compare(&stored->to, &asked->to) > 0;
	case DATE_LT:
		return compare(&stored->from, &asked->from) < 0;
	case DATE_GE:
		return equal || compare(&stored->to, &asked->to) > 0;
	case DATE_LE:
		return equal || compare(&stored->from, &asked->from) < 0;
	case DATE_SA:
		return compare(&stored->from, &asked->to) >= 0;
	case DATE_EB:
		return compare(&stored->to, &asked->from) <= 0;
	case DATE_AP:
		return compare(&stored->from, &asked->to) < 0 && compare(&stored->to, &asked->from) > 0;
	}
	return false;
}

/* A stored time may be as coarse as a year, and then counts from the year's first moment. */
static struct moment year_of(const struct moment *moment)
{
	struct moment year = *moment;

	memcpy(year.text + 4, "0101000000", 10);
	return year;
}

struct date_bounds search_date_bounds(const struct search_date *date)
{
	const struct moment *from = &date->interval.from;
	const struct moment *to = &date->interval.to;
	struct date_bounds bounds = { 0 };

	switch (date->prefix) {
	case DATE_EQ:
		bounds.start_from = *from;
		bounds.stop_to = *to;
		break;
	case DATE_NE:
		break;
	case DATE_GT:
		bounds.stop_from = year_of(to);
		break;
	case DATE_LT:
		bounds.start_to = *from;
		break;
	case DATE_GE:
		bounds.stop_from = year_of(from);
		break;
	case DATE_LE:
		bounds.start_to = *to;
		break;
	case DATE_SA:
		bounds.start_from = *to;
		break;
	case DATE_EB:
		bounds.stop_to = *from;
		break;
	case DATE_AP:
		bounds.start_to = *to;
		bounds.stop_from = year_of(from);
		break;
	}
	return bounds;
}

/* The lesser or greater of two; with_none: an absent bound wins, otherwise it loses. */
static struct moment choose(const struct moment *a, const struct moment *b, bool greater, bool with_none)
{
	bool none_a = !a->text[0];
	bool none_b = !b->text[0];

	if (none_a || none_b)
		return none_a == with_none ? *a : *b;
	return (compare(a, b) > 0) == greater ? *a : *b;
}

static struct date_bounds combine(const struct date_bounds *a, const struct date_bounds *b, bool both)
{
	return (struct date_bounds) { .start_from = choose(&a->start_from, &b->start_from, both, !both),
				      .start_to = choose(&a->start_to, &b->start_to, !both, !both),
				      .stop_from = choose(&a->stop_from, &b->stop_from, both, !both),
				      .stop_to = choose(&a->stop_to, &b->stop_to, !both, !both) };
}

struct date_bounds date_bounds_or(const struct date_bounds *a, const struct date_bounds *b)
{
	return combine(a, b, false);
}

struct date_bounds date_bounds_and(const struct date_bounds *a, const struct date_bounds *b)
{
	return combine(a, b, true);
}
