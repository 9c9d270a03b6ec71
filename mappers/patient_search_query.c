/* What an identity manager is asked for a search, and which of its patients are meant. */
#include "mappers/base/xds_time.h"
#include "mappers/fold.h"
#include "mappers/patient_search.h"

#define DATE_SIZE 10 /* YYYY-MM-DD */

/* Parts of an address that can be asked for; a search by address means any of them. */
static const size_t address_parts[] = {
	offsetof(struct patient_address, line),    offsetof(struct patient_address, city),
	offsetof(struct patient_address, state),   offsetof(struct patient_address, postal_code),
	offsetof(struct patient_address, country),
};

static void part_set(struct patient_query *query, size_t offset, struct str value)
{
	memcpy((char *)&query->address + offset, &value, sizeof value);
}

/* A FHIR date without its prefix and time. */
static struct str date_text(struct str value)
{
	while (value.size && value.data[0] >= 'a' && value.data[0] <= 'z')
		value = str_from(value, 1);
	return (struct str) { value.data, value.size > DATE_SIZE ? DATE_SIZE : value.size };
}

static void birth_set(struct patient_query *query, enum date_prefix prefix, struct str date)
{
	bool from = prefix == DATE_EQ || prefix == DATE_GE || prefix == DATE_GT || prefix == DATE_SA;
	bool to = prefix == DATE_EQ || prefix == DATE_LE || prefix == DATE_LT || prefix == DATE_EB;

	if (from && !query->birth_from.size)
		query->birth_from = date;
	if (to && !query->birth_to.size)
		query->birth_to = date;
}

static void text_set(struct str *place, struct str value)
{
	if (!place->size)
		*place = value;
}

/* Puts the i-th value of a filter into the question, where there is a place for it. */
static void value_set(struct patient_query *query, const struct patient_filter *filter, size_t i)
{
	struct str value = filter->values.items[i];

	switch (filter->parameter) {
	case PATIENT_PARAMETER_FAMILY:
		text_set(&query->family, value);
		return;
	case PATIENT_PARAMETER_GIVEN:
		text_set(&query->given, value);
		return;
	case PATIENT_PARAMETER_GENDER:
		text_set(&query->gender, value);
		return;
	case PATIENT_PARAMETER_MOTHERS_MAIDEN_NAME:
		text_set(&query->mothers_maiden_name, value);
		return;
	case PATIENT_PARAMETER_TELECOM:
		text_set(&query->telecom, value);
		return;
	case PATIENT_PARAMETER_ADDRESS_CITY:
		text_set(&query->address.city, value);
		return;
	case PATIENT_PARAMETER_ADDRESS_COUNTRY:
		text_set(&query->address.country, value);
		return;
	case PATIENT_PARAMETER_ADDRESS_POSTAL_CODE:
		text_set(&query->address.postal_code, value);
		return;
	case PATIENT_PARAMETER_ADDRESS_STATE:
		text_set(&query->address.state, value);
		return;
	case PATIENT_PARAMETER_BIRTH_DATE:
		birth_set(query, filter->dates[i].prefix, date_text(value));
		return;
	case PATIENT_PARAMETER_ID:
	case PATIENT_PARAMETER_IDENTIFIER:
	case PATIENT_PARAMETER_ACTIVE:
	case PATIENT_PARAMETER_ADDRESS:
	case PATIENT_PARAMETER_COUNT:
		break;
	}
}

static bool has_place(enum patient_parameter parameter)
{
	return parameter != PATIENT_PARAMETER_ID && parameter != PATIENT_PARAMETER_IDENTIFIER &&
	       parameter != PATIENT_PARAMETER_ACTIVE && parameter != PATIENT_PARAMETER_ADDRESS;
}

static bool asks_something(const struct patient_query *query)
{
	const struct str *texts[] = { &query->family,
				      &query->given,
				      &query->gender,
				      &query->birth_from,
				      &query->birth_to,
				      &query->address.city,
				      &query->address.country,
				      &query->address.postal_code,
				      &query->address.state,
				      &query->telecom,
				      &query->mothers_maiden_name };

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (texts[i]->size)
			return true;
	}
	return false;
}

static bool all_named(const struct patient_filter *filter)
{
	for (size_t i = 0; i < filter->values.count; i++) {
		if (!filter->values.items[i].size)
			return false;
	}
	return true;
}

/* The parameter whose values become one question each: an identifier before all, otherwise one with several values, or
 * an address when there is nothing else to ask by. */
static const struct patient_filter *driver_of(const struct patient_search *search, bool anything_else)
{
	const struct patient_filter *driver = NULL;

	for (size_t i = 0; i < search->filter_count; i++) {
		const struct patient_filter *filter = &search->filters[i];

		if (filter->parameter == PATIENT_PARAMETER_ID ||
		    (filter->parameter == PATIENT_PARAMETER_IDENTIFIER && all_named(filter)))
			return filter;
		if (!driver && has_place(filter->parameter) && filter->values.count > 1)
			driver = filter;
	}
	for (size_t i = 0; !driver && !anything_else && i < search->filter_count; i++) {
		if (search->filters[i].parameter == PATIENT_PARAMETER_ADDRESS)
			driver = &search->filters[i];
	}
	return driver;
}

/* What all questions of the search have in common. */
static struct patient_query base_query(const struct patient_search *search, size_t count_max)
{
	struct patient_query query = PATIENT_QUERY_NONE;

	query.count_max = count_max;
	query.name_is_exact = true;
	for (size_t i = 0; i < search->filter_count; i++) {
		const struct patient_filter *filter = &search->filters[i];

		if (filter->parameter == PATIENT_PARAMETER_FAMILY || filter->parameter == PATIENT_PARAMETER_GIVEN)
			query.name_is_exact = query.name_is_exact && filter->exact;
		if (filter->values.count == 1)
			value_set(&query, filter, 0);
	}
	return query;
}

struct questions {
	struct patient_query *items;
	size_t count;
	struct arena *arena;
	const struct patient_query *base;
};

static void ask_identity(struct questions *questions, struct patient_identity *identity)
{
	struct patient_query query = PATIENT_QUERY_NONE;

	if (!identity->authority.size || !identity->value.size)
		return;
	/* The traits are looked at here: who is found by an identifier is at most one. */
	query.identifiers = (struct patient_identities) { identity, 1 };
	query.count_max = questions->base->count_max;
	questions->items[questions->count++] = query;
}

static void ask_parts(struct questions *questions, struct str value)
{
	for (size_t i = 0; i < COUNT_OF(address_parts); i++) {
		struct patient_query query = *questions->base;

		part_set(&query, address_parts[i], value);
		questions->items[questions->count++] = query;
	}
}

static size_t questions_of(const struct patient_search *search, const struct patient_filter *driver)
{
	if (!driver)
		return 1;
	if (driver->parameter == PATIENT_PARAMETER_ID)
		return search->opened.count;
	return driver->values.count * (driver->parameter == PATIENT_PARAMETER_ADDRESS ? COUNT_OF(address_parts) : 1);
}

bool patient_search_queries(const struct patient_search *search, size_t count_max, struct arena *arena,
			    struct patient_query **queries, size_t *count, struct outcome *outcome)
{
	struct patient_query base = base_query(search, count_max);
	const struct patient_filter *driver = driver_of(search, asks_something(&base));
	size_t room = questions_of(search, driver);
	struct questions questions = { arena_array(arena, room, sizeof base), 0, arena, &base };

	if (!questions.items)
		return outcome_add(outcome, ERR_NO_MEMORY, "", "Try again later.");
	if (room > PATIENT_ALTERNATIVES_MAX)
		return outcome_add(outcome, ERR_TOO_COSTLY, "", "Give fewer alternatives.");
	if (!driver && !asks_something(&base))
		return outcome_add(outcome, ERR_RULE, "",
				   "Say more of the patient: an identifier, a name, a date of birth, an address or a "
				   "telephone number.");
	if (!driver) {
		questions.items[questions.count++] = base;
	} else if (driver->parameter == PATIENT_PARAMETER_ID) {
		for (size_t i = 0; i < search->opened.count; i++)
			ask_identity(&questions, &search->opened.items[i]);
	} else {
		for (size_t i = 0; i < driver->values.count; i++) {
			if (driver->parameter == PATIENT_PARAMETER_IDENTIFIER) {
				ask_identity(&questions, &driver->identities[i]);
			} else if (driver->parameter == PATIENT_PARAMETER_ADDRESS) {
				ask_parts(&questions, driver->values.items[i]);
			} else {
				questions.items[questions.count] = base;
				value_set(&questions.items[questions.count++], driver, i);
			}
		}
	}
	*queries = questions.items;
	*count = questions.count;
	return true;
}

/* One text against one value. FHIR R4 3.1.1.4.8: begins so, without case and accents, or exactly. */
static bool text_is(const struct patient_filter *filter, struct str wanted, struct str text, struct arena *arena)
{
	struct str folded_wanted;
	struct str folded;

	if (!text.size)
		return false;
	if (filter->exact)
		return str_equal(text, wanted);
	folded_wanted = fold(wanted, arena);
	folded = fold(text, arena);
	return folded_wanted.data && folded.data && str_starts_with(folded, folded_wanted);
}

/* The same against a text of several parts, and against each of them. */
static bool parts_are(const struct patient_filter *filter, struct str wanted, struct str text, char separator,
		      struct arena *arena)
{
	struct str rest = text;
	struct str part;

	if (text_is(filter, wanted, text, arena))
		return true;
	while (text.size && str_next(&rest, separator, &part)) {
		if (text_is(filter, wanted, part, arena))
			return true;
	}
	return false;
}

static bool name_is(const struct patient_filter *filter, struct str wanted, const struct patient *patient,
		    struct arena *arena)
{
	for (size_t i = 0; i < patient->name_count; i++) {
		if (filter->parameter == PATIENT_PARAMETER_FAMILY
			    ? text_is(filter, wanted, patient->names[i].family, arena)
			    : parts_are(filter, wanted, patient->names[i].given, ' ', arena))
			return true;
	}
	return false;
}

static bool address_is(const struct patient_filter *filter, struct str wanted, const struct patient_address *address,
		       struct arena *arena)
{
	switch (filter->parameter) {
	case PATIENT_PARAMETER_ADDRESS_CITY:
		return text_is(filter, wanted, address->city, arena);
	case PATIENT_PARAMETER_ADDRESS_COUNTRY:
		return text_is(filter, wanted, address->country, arena);
	case PATIENT_PARAMETER_ADDRESS_POSTAL_CODE:
		return text_is(filter, wanted, address->postal_code, arena);
	case PATIENT_PARAMETER_ADDRESS_STATE:
		return text_is(filter, wanted, address->state, arena);
	default:
		return parts_are(filter, wanted, address->line, '\n', arena) ||
		       text_is(filter, wanted, address->city, arena) ||
		       text_is(filter, wanted, address->district, arena) ||
		       text_is(filter, wanted, address->state, arena) ||
		       text_is(filter, wanted, address->postal_code, arena) ||
		       text_is(filter, wanted, address->country, arena);
	}
}

static bool any_address_is(const struct patient_filter *filter, struct str wanted, const struct patient *patient,
			   struct arena *arena)
{
	for (size_t i = 0; i < patient->address_count; i++) {
		if (address_is(filter, wanted, &patient->addresses[i], arena))
			return true;
	}
	return false;
}

static bool telecom_is(struct str wanted, const struct patient *patient)
{
	for (size_t i = 0; i < patient->telecom_count; i++) {
		if (str_equal(patient->telecoms[i].value, wanted))
			return true;
	}
	return false;
}

static bool born(const struct search_date *date, const struct patient *patient, struct arena *arena)
{
	struct interval interval;
	struct str dtm;

	return patient->birth_date.size && xds_time_from_fhir(patient->birth_date, 0, arena, &dtm) &&
	       interval_of_dtm(dtm, &interval) && search_date_matches(date, &interval);
}

static bool has_identity(const struct patient *patient, const struct patient_identity *wanted)
{
	for (size_t i = 0; wanted->authority.size && i < patient->identifiers.count; i++) {
		const struct patient_identity *identity = &patient->identifiers.items[i];

		if (str_equal(identity->authority, wanted->authority) &&
		    (!wanted->value.size || str_equal(identity->value, wanted->value)))
			return true;
	}
	return false;
}

static bool has_opened(const struct patient_search *search, const struct patient *patient)
{
	for (size_t i = 0; i < search->opened.count; i++) {
		if (has_identity(patient, &search->opened.items[i]))
			return true;
	}
	return false;
}

static bool value_matches(const struct patient_filter *filter, size_t i, const struct patient *patient,
			  struct arena *arena)
{
	struct str wanted = filter->values.items[i];

	switch (filter->parameter) {
	case PATIENT_PARAMETER_ACTIVE:
		return str_equal(wanted, patient->is_inactive ? STR("false") : STR("true"));
	case PATIENT_PARAMETER_GENDER:
		return str_equal(wanted, patient->gender);
	case PATIENT_PARAMETER_IDENTIFIER:
		return has_identity(patient, &filter->identities[i]);
	case PATIENT_PARAMETER_BIRTH_DATE:
		return born(&filter->dates[i], patient, arena);
	case PATIENT_PARAMETER_FAMILY:
	case PATIENT_PARAMETER_GIVEN:
		return name_is(filter, wanted, patient, arena);
	case PATIENT_PARAMETER_MOTHERS_MAIDEN_NAME:
		return text_is(filter, wanted, patient->mothers_maiden_name, arena);
	case PATIENT_PARAMETER_TELECOM:
		return telecom_is(wanted, patient);
	case PATIENT_PARAMETER_ADDRESS:
	case PATIENT_PARAMETER_ADDRESS_CITY:
	case PATIENT_PARAMETER_ADDRESS_COUNTRY:
	case PATIENT_PARAMETER_ADDRESS_POSTAL_CODE:
	case PATIENT_PARAMETER_ADDRESS_STATE:
		return any_address_is(filter, wanted, patient, arena);
	case PATIENT_PARAMETER_ID:
	case PATIENT_PARAMETER_COUNT:
		break;
	}
	return false;
}

bool patient_search_matches(const struct patient_search *search, const struct patient *patient, struct arena *arena)
{
	for (size_t i = 0; i < search->filter_count; i++) {
		const struct patient_filter *filter = &search->filters[i];
		bool any = filter->parameter == PATIENT_PARAMETER_ID && has_opened(search, patient);

		for (size_t k = 0; !any && k < filter->values.count; k++)
			any = value_matches(filter, k, patient, arena);
		if (!any)
			return false;
	}
	return true;
}
