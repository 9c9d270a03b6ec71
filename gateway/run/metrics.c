#include "gateway/run/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/run/watch.h"

#define LABELS_MAX      4
#define LABEL_BYTES_MAX 100
#define KEY_BYTES_MAX   (LABELS_MAX * (LABEL_BYTES_MAX + 1))
#define SLOTS           4096U /* of the table, a power of two */
#define SERIES_MAX      3000U
#define SAMPLES_MAX     8192U /* 256 tenants, each with 8 back-ends and 6 states of an outbox, take 7680 */
#define US_PER_S        1000000

enum kind { COUNTER, GAUGE, HISTOGRAM };

static const struct row {
	enum kind kind;
	const char *name;
	const char *labels; /* with blanks between */
	const char *help;
} rows[] = {
#define METRIC(enumerator, ...) [enumerator] = { __VA_ARGS__ },
#include "gateway/run/metrics.def"
#undef METRIC
};

static const char *const kind_names[] = { [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram" };

/* Upper bounds of a histogram. */
static const struct {
	uint64_t us;
	const char *text;
} bounds[] = { { 1000, "0.001" }, { 5000, "0.005" },  { 10000, "0.01" },  { 25000, "0.025" }, { 50000, "0.05" },
	       { 100000, "0.1" }, { 250000, "0.25" }, { 500000, "0.5" },  { 1000000, "1" },   { 2500000, "2.5" },
	       { 5000000, "5" },  { 10000000, "10" }, { 30000000, "30" }, { 60000000, "60" } };

/* The values of the labels, each behind its length. */
struct key {
	size_t size;
	char bytes[KEY_BYTES_MAX];
};

/* One metric with one combination of labels; never freed. */
struct series {
	enum metric metric;
	_Atomic uint64_t value; /* of a counter; of a histogram all its time, in microseconds */
	_Atomic uint64_t buckets[COUNT_OF(bounds) + 1];
	struct key key;
};

static _Atomic(struct series *) table[SLOTS];
static atomic_uint series_count;

static struct str word_next(struct str *words)
{
	struct str word = { words->data, str_find(*words, ' ') };

	*words = str_from(*words, word.size + 1);
	return word;
}

static void key_write(enum metric metric, const struct str *labels, struct key *key)
{
	struct str words = str_from_c(rows[metric].labels);

	key->size = 0;
	for (size_t i = 0; words.size > 0 && i < LABELS_MAX; i++) {
		struct str label = labels[i];

		word_next(&words);
		if (label.size > LABEL_BYTES_MAX)
			label.size = LABEL_BYTES_MAX;
		key->bytes[key->size++] = (char)label.size;
		if (label.size > 0)
			memcpy(key->bytes + key->size, label.data, label.size);
		key->size += label.size;
	}
}

/* FNV-1a. */
static unsigned hash_of(enum metric metric, const struct key *key)
{
	uint32_t hash = 2166136261U ^ (uint32_t)metric;

	for (size_t i = 0; i < key->size; i++)
		hash = (hash ^ (unsigned char)key->bytes[i]) * 16777619U;
	return hash ^ hash >> 15;
}

static bool is_it(const struct series *series, enum metric metric, const struct key *key)
{
	return series->metric == metric && series->key.size == key->size &&
	       memcmp(series->key.bytes, key->bytes, key->size) == 0;
}

static struct series *series_new(enum metric metric, const struct key *key)
{
	struct series *series;

	if (atomic_fetch_add(&series_count, 1) >= SERIES_MAX && metric != METRIC_LOST) {
		atomic_fetch_sub(&series_count, 1);
		return NULL;
	}
	series = calloc(1, sizeof(*series));
	if (!series) {
		atomic_fetch_sub(&series_count, 1);
		return NULL;
	}
	series->metric = metric;
	series->key.size = key->size;
	memcpy(series->key.bytes, key->bytes, key->size);
	return series;
}

/* The series of these labels, made when it is the first time. NULL when there are too many. */
static struct series *series_find(enum metric metric, const struct str *labels)
{
	struct series *made = NULL;
	struct key key;
	unsigned slot;

	key_write(metric, labels, &key);
	slot = hash_of(metric, &key);
	for (;;) {
		struct series *there = atomic_load(&table[slot % SLOTS]);

		if (!there && !made)
			made = series_new(metric, &key);
		if (!there && (!made || atomic_compare_exchange_strong(&table[slot % SLOTS], &there, made)))
			return made;
		if (is_it(there, metric, &key)) {
			if (made)
				atomic_fetch_sub(&series_count, 1);
			free(made);
			return there;
		}
		slot++; /* never all are taken: SERIES_MAX is less than SLOTS */
	}
}

static void lost(enum metric metric)
{
	if (metric != METRIC_LOST)
		METRIC_ADD(METRIC_LOST, 1, STR_NONE);
}

void metric_add(enum metric metric, uint64_t amount, const struct str *labels)
{
	struct series *series = series_find(metric, labels);

	if (!series)
		lost(metric);
	else
		atomic_fetch_add_explicit(&series->value, amount, memory_order_relaxed);
}

void metric_took(enum metric metric, uint64_t us, const struct str *labels)
{
	struct series *series = series_find(metric, labels);
	size_t bucket = 0;

	if (!series) {
		lost(metric);
		return;
	}
	while (bucket < COUNT_OF(bounds) && us > bounds[bucket].us)
		bucket++;
	atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&series->value, us, memory_order_relaxed);
}

/* What the watches say, kept until its row is written. */
struct measures {
	struct measured {
		enum metric metric;
		uint64_t value;
		struct key key;
	} * items;
	size_t count;
	size_t capacity;
	bool failed;
};

static bool is_measured(const struct measures *measures, enum metric metric, const struct key *key)
{
	for (size_t i = 0; i < measures->count; i++) {
		const struct measured *item = &measures->items[i];

		if (item->metric == metric && item->key.size == key->size &&
		    memcmp(item->key.bytes, key->bytes, key->size) == 0)
			return true;
	}
	return false;
}

void measure(struct measures *measures, enum metric metric, uint64_t value, const struct str *labels)
{
	struct key key;

	key_write(metric, labels, &key);
	if (is_measured(measures, metric, &key))
		return;
	if (measures->count == measures->capacity) {
		size_t capacity = measures->capacity ? 2 * measures->capacity : 64;
		struct measured *items =
			capacity > SAMPLES_MAX ? NULL : realloc(measures->items, capacity * sizeof(*measures->items));

		measures->failed = measures->failed || !items;
		if (!items)
			return;
		measures->items = items;
		measures->capacity = capacity;
	}
	measures->items[measures->count++] = (struct measured) { metric, value, key };
}

/* One value of a label: backslash, quote and line end are escaped. */
static void value_write(struct buf *text, struct str value)
{
	for (size_t i = 0; i < value.size; i++) {
		if (value.data[i] == '\n')
			buf_add(text, STR("\\n"));
		else if (value.data[i] == '\\' || value.data[i] == '"')
			buf_printf(text, "\\%c", value.data[i]);
		else
			buf_add(text, (struct str) { &value.data[i], 1 });
	}
}

/* name{label="value",...,le="bound"} and a blank; bound NULL: without. */
static void line_begin(struct buf *text, const struct row *row, const char *suffix, const struct key *key,
		       const char *bound)
{
	struct str words = str_from_c(row->labels);
	const char *separator = "{";
	size_t at = 0;

	buf_printf(text, "%s%s", row->name, suffix);
	while (words.size > 0 && at < key->size) {
		struct str word = word_next(&words);
		size_t size = (unsigned char)key->bytes[at++];

		buf_printf(text, "%s%.*s=\"", separator, STR_ARG(word));
		value_write(text, (struct str) { key->bytes + at, size });
		buf_add(text, STR("\""));
		separator = ",";
		at += size;
	}
	if (bound)
		buf_printf(text, "%sle=\"%s\"", separator, bound);
	buf_printf(text, "%s ", key->size > 0 || bound ? "}" : "");
}

static void number_line(struct buf *text, const struct row *row, const char *suffix, const struct key *key,
			const char *bound, uint64_t number)
{
	line_begin(text, row, suffix, key, bound);
	buf_add_u64(text, number);
	buf_add(text, STR("\n"));
}

static void series_write(struct buf *text, const struct row *row, const struct series *series)
{
	uint64_t value = atomic_load_explicit(&series->value, memory_order_relaxed);
	uint64_t count = 0;

	if (row->kind != HISTOGRAM) {
		number_line(text, row, "", &series->key, NULL, value);
		return;
	}
	for (size_t i = 0; i <= COUNT_OF(bounds); i++) {
		count += atomic_load_explicit(&series->buckets[i], memory_order_relaxed);
		number_line(text, row, "_bucket", &series->key, i < COUNT_OF(bounds) ? bounds[i].text : "+Inf", count);
	}
	line_begin(text, row, "_sum", &series->key, NULL);
	buf_printf(text, "%llu.%06llu\n", (unsigned long long)(value / US_PER_S),
		   (unsigned long long)(value % US_PER_S));
	number_line(text, row, "_count", &series->key, NULL, count);
}

bool metrics_write(struct buf *text)
{
	struct measures measures = { 0 };

	watch_measure(&measures);
	for (size_t metric = 0; metric < COUNT_OF(rows); metric++) {
		const struct row *row = &rows[metric];

		buf_printf(text, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
			   kind_names[row->kind]);
		for (size_t i = 0; i < SLOTS && row->kind != GAUGE; i++) {
			const struct series *series = atomic_load(&table[i]);

			if (series && series->metric == metric)
				series_write(text, row, series);
		}
		for (size_t i = 0; i < measures.count; i++) {
			if (measures.items[i].metric == metric)
				number_line(text, row, "", &measures.items[i].key, NULL, measures.items[i].value);
		}
	}
	free(measures.items);
	return !text->failed && !measures.failed;
}
