#include "mappers/consent_set.h"

#define MAGIC "PCS1"

/* One walk over a set that either writes it or reads it, so that the two cannot drift apart. Numbers are little-endian;
 * counts and lengths have 32 bits. */
struct codec {
	struct buf *out; /* writing; NULL: reading */
	struct str in;   /* what is left to read */
	struct arena *arena;
	bool failed;
};

static void code_number(struct codec *codec, unsigned bytes, uint64_t *value)
{
	uint64_t read = 0;

	for (unsigned i = 0; codec->out && i < bytes; i++)
		buf_add_char(codec->out, (char)(unsigned char)(*value >> (8 * i)));
	if (codec->out)
		return;
	if (codec->in.size < bytes) {
		codec->failed = true;
		*value = 0;
		return;
	}
	for (unsigned i = 0; i < bytes; i++)
		read |= (uint64_t)(unsigned char)codec->in.data[i] << (8 * i);
	codec->in = str_from(codec->in, bytes);
	*value = read;
}

static void code_small(struct codec *codec, uint8_t *value, unsigned max)
{
	uint64_t number = *value;

	code_number(codec, 1, &number);
	codec->failed = codec->failed || number > max;
	if (!codec->out)
		*value = (uint8_t)number;
}

static void code_time(struct codec *codec, int64_t *value)
{
	uint64_t number = (uint64_t)*value;

	code_number(codec, 8, &number);
	if (!codec->out)
		*value = (int64_t)number;
}

static void code_text(struct codec *codec, struct str *text)
{
	uint64_t size = text->size;

	code_number(codec, 4, &size);
	if (codec->out) {
		buf_add(codec->out, *text);
		return;
	}
	*text = STR_NONE;
	if (codec->failed || size > codec->in.size) {
		codec->failed = true;
		return;
	}
	if (size)
		*text = (struct str) { codec->in.data, (size_t)size };
	codec->in = str_from(codec->in, (size_t)size);
}

/* An array; when reading it is made, if as many items can be there at all (each has at least one byte). False: no more. */
static bool code_array(struct codec *codec, void *items, size_t *count, size_t size)
{
	uint64_t number = *count;
	void *made;

	code_number(codec, 4, &number);
	if (codec->out)
		return true;
	*count = 0;
	if (codec->failed || number > codec->in.size) {
		codec->failed = true;
		return false;
	}
	made = arena_array(codec->arena, (size_t)number, size);
	codec->failed = !made;
	if (!made)
		return false;
	memcpy(items, &made, sizeof(made));
	*count = (size_t)number;
	return true;
}

static void code_codes(struct codec *codec, struct codes *codes)
{
	if (!code_array(codec, &codes->items, &codes->count, sizeof(*codes->items)))
		return;
	for (size_t i = 0; i < codes->count && !codec->failed; i++) {
		code_text(codec, &codes->items[i].code);
		code_text(codec, &codes->items[i].scheme);
	}
}

static void code_identifiers(struct codec *codec, struct consent_identifiers *identifiers)
{
	if (!code_array(codec, &identifiers->items, &identifiers->count, sizeof(*identifiers->items)))
		return;
	for (size_t i = 0; i < identifiers->count && !codec->failed; i++) {
		code_text(codec, &identifiers->items[i].root);
		code_text(codec, &identifiers->items[i].extension);
	}
}

static void code_actors(struct codec *codec, struct consent_actors *actors)
{
	if (!code_array(codec, &actors->items, &actors->count, sizeof(*actors->items)))
		return;
	for (size_t i = 0; i < actors->count && !codec->failed; i++) {
		code_small(codec, &actors->items[i].party, PARTY_COUNT - 1);
		code_codes(codec, &actors->items[i].roles);
		code_identifiers(codec, &actors->items[i].identifiers);
	}
}

static void code_data(struct codec *codec, struct consent_data *data)
{
	if (!code_array(codec, &data->items, &data->count, sizeof(*data->items)))
		return;
	for (size_t i = 0; i < data->count && !codec->failed; i++) {
		code_small(codec, &data->items[i].meaning, MEANING_COUNT - 1);
		code_small(codec, &data->items[i].party, PARTY_COUNT - 1);
		code_identifiers(codec, &data->items[i].identifiers);
	}
}

static void code_provision(struct codec *codec, struct consent_provision *provision)
{
	uint8_t permit = provision->permit;

	code_small(codec, &permit, 1);
	if (!codec->out)
		provision->permit = permit;
	code_small(codec, &provision->clarity, CLARITY_COUNT - 1);
	code_small(codec, &provision->present, SELECTOR_ALL);
	code_small(codec, &provision->unclear, SELECTOR_ALL);
	code_small(codec, &provision->actions, ACTION_ALL);
	code_time(codec, &provision->period.from_s);
	code_time(codec, &provision->period.to_s);
	code_time(codec, &provision->data_period.from_s);
	code_time(codec, &provision->data_period.to_s);
	code_time(codec, &provision->zone_s);
	code_actors(codec, &provision->actors);
	code_codes(codec, &provision->purposes);
	code_codes(codec, &provision->labels);
	code_codes(codec, &provision->classes);
	code_codes(codec, &provision->codes);
	code_data(codec, &provision->data);
}

static void code_set(struct codec *codec, struct consent_set *set)
{
	struct str magic = STR(MAGIC);

	code_text(codec, &magic);
	codec->failed = codec->failed || !str_equal(magic, STR(MAGIC));
	if (codec->failed || !code_array(codec, &set->rules, &set->count, sizeof(*set->rules)))
		return;
	for (size_t i = 0; i < set->count && !codec->failed; i++) {
		struct consent_rule *rule = &set->rules[i];

		code_text(codec, &rule->consent_id);
		if (!code_array(codec, &rule->provisions, &rule->provision_count, sizeof(*rule->provisions)))
			return;
		codec->failed = codec->failed || rule->provision_count == 0;
		for (size_t k = 0; k < rule->provision_count && !codec->failed; k++)
			code_provision(codec, &rule->provisions[k]);
	}
}

void consent_set_write(const struct consent_set *set, struct buf *bytes)
{
	struct codec codec = { .out = bytes };
	struct consent_set copy = *set;

	/* Nothing behind the copy is written to: other threads may be reading it. */
	code_set(&codec, &copy);
}

bool consent_set_open(struct str bytes, struct arena *arena, const struct consent_set **set)
{
	struct codec codec = { .in = bytes, .arena = arena };
	struct consent_set *opened = arena_alloc(arena, sizeof(*opened));

	if (!opened)
		return false;
	code_set(&codec, opened);
	if (codec.failed || codec.in.size > 0)
		return false;
	*set = opened;
	return true;
}
