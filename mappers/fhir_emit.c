#include "mappers/fhir_emit.h"

/* One step of a path; last: nothing follows it. */
static struct emit_step step_of(struct str text, bool last)
{
	size_t open = str_find(text, '[');
	struct emit_step step = { .kind = EMIT_OBJECT, .name = { text.data, open } };

	if (open == text.size)
		return step;
	step.url = (struct str) { text.data + open + 1, text.size - open - 2 };
	step.kind = step.url.size ? EMIT_EXTENSION : last ? EMIT_VALUES : EMIT_ITEM;
	return step;
}

/* Splits a path at the dots that are not in brackets into what is to be opened, and the member that then follows
 * (empty after "x[]"). */
static size_t split(struct str path, struct emit_step steps[FHIR_EMIT_DEPTH_MAX], struct str *member)
{
	size_t count = 0;
	size_t start = 0;
	bool inside = false;

	*member = STR_NONE;
	for (size_t i = 0; i <= path.size && count < FHIR_EMIT_DEPTH_MAX; i++) {
		bool last = i == path.size;

		if (!last && (path.data[i] == '[' || path.data[i] == ']'))
			inside = path.data[i] == '[';
		if (!last && (path.data[i] != '.' || inside))
			continue;
		struct emit_step step = step_of((struct str) { path.data + start, i - start }, last);

		if (last && step.kind == EMIT_OBJECT)
			*member = step.name;
		else
			steps[count++] = step;
		start = i + 1;
	}
	return count;
}

static void begin_extension(struct fhir_emitter *emitter, struct str url)
{
	json_begin_object(emitter->writer);
	json_key(emitter->writer, STR("url"));
	json_begin_text(emitter->writer);
	if (str_find(url, ':') == url.size)
		json_text_part(emitter->writer, STR(IHE_MHD_BASE "StructureDefinition/"));
	json_text_part(emitter->writer, url);
	json_end_text(emitter->writer);
}

static void open_one(struct fhir_emitter *emitter, struct emit_step step)
{
	json_key(emitter->writer, step.name);
	if (step.kind != EMIT_OBJECT)
		json_begin_array(emitter->writer);
	if (step.kind == EMIT_OBJECT || step.kind == EMIT_ITEM)
		json_begin_object(emitter->writer);
	if (step.kind == EMIT_EXTENSION)
		begin_extension(emitter, step.url);
	emitter->open[emitter->depth++] = step;
}

static void close_one(struct fhir_emitter *emitter)
{
	enum emit_kind kind = emitter->open[--emitter->depth].kind;

	if (kind != EMIT_VALUES)
		json_end_object(emitter->writer);
	if (kind != EMIT_OBJECT)
		json_end_array(emitter->writer);
}

/* True when a step that is open serves for step, too: the same element, or another extension of the same array. */
static bool serves(const struct emit_step *open, const struct emit_step *step)
{
	return open->kind == step->kind && str_equal(open->name, step->name);
}

/* The part of a path before its last dot, when what follows is a plain member and no extension is on the way. */
static struct str container_of(struct str path)
{
	size_t end = path.size;

	if (end && path.data[end - 1] == ']')
		return STR_NONE;
	while (end && path.data[end - 1] != '.')
		end--;
	return str_equal((struct str) { path.data, end < 10 ? end : 10 }, STR("extension["))
		       ? STR_NONE
		       : (struct str) { path.data, end };
}

void emit_at(struct fhir_emitter *emitter, struct str path)
{
	struct str container = container_of(path);

	/* most values stand beside the one before */
	if (container.data && str_equal(container, emitter->container) && (container.size || !emitter->depth)) {
		json_key(emitter->writer, str_from(path, container.size));
		return;
	}
	emitter->container = container;
	struct emit_step steps[FHIR_EMIT_DEPTH_MAX];
	struct str member;
	size_t count = split(path, steps, &member);
	size_t k = 0;

	while (k < emitter->depth && k < count && steps[k].kind != EMIT_EXTENSION &&
	       serves(&emitter->open[k], &steps[k]))
		k++;
	bool next_extension = k < emitter->depth && k < count && serves(&emitter->open[k], &steps[k]);

	while (emitter->depth > k + next_extension)
		close_one(emitter);
	if (next_extension) {
		json_end_object(emitter->writer);
		begin_extension(emitter, steps[k].url);
		emitter->open[k] = steps[k];
		k++;
	}
	while (k < count)
		open_one(emitter, steps[k++]);
	if (member.size)
		json_key(emitter->writer, member);
}

void emit_close(struct fhir_emitter *emitter)
{
	while (emitter->depth)
		close_one(emitter);
	emitter->container = STR_NONE;
}

void emit_text(struct fhir_emitter *emitter, struct str path, struct str text)
{
	if (!text.size)
		return;
	emit_at(emitter, path);
	json_text(emitter->writer, text);
}

bool is_code(struct str text)
{
	bool blank = true;

	for (size_t i = 0; i < text.size; i++) {
		bool here = (unsigned char)text.data[i] <= ' ';

		if (here && blank)
			return false;
		blank = here;
	}
	return !blank;
}

void emit_fail(struct fhir_emitter *emitter)
{
	emitter->writer->out->failed = true;
}

static void tags_write(struct json_writer *writer, const struct fhir_links *links)
{
	json_member_array(writer, STR("tag"));
	for (size_t i = 0; i < COUNT_OF(links->tags); i++) {
		const struct code *tag = &links->tags[i];

		if (str_is_empty(tag->code))
			continue;
		json_begin_object(writer);
		json_member(writer, STR("system"), tag->scheme);
		json_member(writer, STR("code"), tag->code);
		json_member(writer, STR("display"), tag->display);
		json_end_object(writer);
	}
	json_end_array(writer);
}

void fhir_head_write(struct json_writer *writer, const struct fhir_links *links, struct str profile)
{
	bool is_tagged = false;

	json_member(writer, STR("id"), links->id);
	for (size_t i = 0; i < COUNT_OF(links->tags); i++)
		is_tagged = is_tagged || links->tags[i].code.size > 0;
	if (!links->last_updated.size && !links->source.size && !profile.size && !is_tagged)
		return;
	json_member_object(writer, STR("meta"));
	json_member(writer, STR("lastUpdated"), links->last_updated);
	json_member(writer, STR("source"), links->source);
	if (profile.size) {
		json_member_array(writer, STR("profile"));
		json_text(writer, profile);
		json_end_array(writer);
	}
	if (is_tagged)
		tags_write(writer, links);
	json_end_object(writer);
}
