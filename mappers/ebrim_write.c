#include "mappers/ebrim_write.h"

static struct str or_absent(struct str s)
{
	return s.size ? s : STR_NONE;
}

/* The ValueList is there also without values. */
static void ebrim_write_slot(struct xml_writer *writer, const struct rim_slot *slot)
{
	xml_begin(writer, STR("rim:Slot"));
	xml_attribute(writer, STR("name"), slot->name);
	xml_attribute(writer, STR("slotType"), or_absent(slot->slot_type));
	xml_begin(writer, STR("rim:ValueList"));
	for (size_t i = 0; i < slot->values.count; i++)
		xml_element(writer, STR("rim:Value"), slot->values.items[i]);
	xml_end(writer);
	xml_end(writer);
}

static void write_texts(struct xml_writer *writer, struct str name, const struct rim_texts *texts)
{
	if (texts->count == 0)
		return;
	xml_begin(writer, name);
	for (size_t i = 0; i < texts->count; i++) {
		xml_begin(writer, STR("rim:LocalizedString"));
		xml_attribute(writer, STR("xml:lang"), or_absent(texts->items[i].lang));
		xml_attribute(writer, STR("charset"), or_absent(texts->items[i].charset));
		xml_attribute(writer, STR("value"), texts->items[i].value.data ? texts->items[i].value : STR(""));
		xml_end(writer);
	}
	xml_end(writer);
}

/* Slot, Name, Description: what every RegistryObject begins with. */
static void write_common(struct xml_writer *writer, const struct rim_slots *slots, const struct rim_texts *name,
			 const struct rim_texts *description)
{
	for (size_t i = 0; i < slots->count; i++)
		ebrim_write_slot(writer, &slots->items[i]);
	write_texts(writer, STR("rim:Name"), name);
	write_texts(writer, STR("rim:Description"), description);
}

static void write_version(struct xml_writer *writer, struct str element, struct str name, struct str comment)
{
	if (!name.size && !comment.size)
		return;
	xml_begin(writer, element);
	xml_attribute(writer, STR("versionName"), or_absent(name));
	xml_attribute(writer, STR("comment"), or_absent(comment));
	xml_end(writer);
}

/* The id as it is, or one that is unique in the message: the owner's with a letter and a number behind it. */
static void write_id(struct xml_writer *writer, struct str id, struct str owner, char letter, size_t number)
{
	if (id.size) {
		xml_attribute(writer, STR("id"), id);
		return;
	}
	char digits[24];
	char text[200];
	size_t at = sizeof digits;
	size_t owner_size = owner.size < sizeof text - sizeof digits ? owner.size : sizeof text - sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	digits[--at] = letter;
	digits[--at] = '.';
	if (owner_size)
		memcpy(text, owner.data, owner_size);
	memcpy(text + owner_size, digits + at, sizeof digits - at);
	xml_attribute(writer, STR("id"), (struct str) { text, owner_size + sizeof digits - at });
}

static void write_classification(struct xml_writer *writer, const struct rim_classification *c, struct str owner,
				 size_t number)
{
	xml_begin(writer, STR("rim:Classification"));
	write_id(writer, c->id, owner.size ? owner : c->classified_object, 'c', number);
	xml_attribute(writer, STR("lid"), or_absent(c->lid));
	xml_attribute(writer, STR("home"), or_absent(c->home));
	xml_attribute(writer, STR("objectType"), or_absent(c->object_type));
	xml_attribute(writer, STR("status"), or_absent(c->status));
	xml_attribute(writer, STR("classifiedObject"), c->classified_object.size ? c->classified_object : owner);
	xml_attribute(writer, STR("classificationScheme"), or_absent(c->scheme));
	xml_attribute(writer, STR("classificationNode"), or_absent(c->node));
	xml_attribute(writer, STR("nodeRepresentation"), c->node_representation);
	write_common(writer, &c->slots, &c->name, &c->description);
	write_version(writer, STR("rim:VersionInfo"), c->version_name, STR_NONE);
	xml_end(writer);
}

static void write_external_identifier(struct xml_writer *writer, const struct rim_external_identifier *e,
				      struct str owner, size_t number)
{
	xml_begin(writer, STR("rim:ExternalIdentifier"));
	write_id(writer, e->id, owner, 'e', number);
	xml_attribute(writer, STR("lid"), or_absent(e->lid));
	xml_attribute(writer, STR("home"), or_absent(e->home));
	xml_attribute(writer, STR("objectType"), or_absent(e->object_type));
	xml_attribute(writer, STR("status"), or_absent(e->status));
	xml_attribute(writer, STR("registryObject"), e->registry_object.size ? e->registry_object : owner);
	xml_attribute(writer, STR("identificationScheme"), e->scheme.data ? e->scheme : STR(""));
	xml_attribute(writer, STR("value"), e->value.data ? e->value : STR(""));
	write_common(writer, &e->slots, &e->name, &e->description);
	write_version(writer, STR("rim:VersionInfo"), e->version_name, STR_NONE);
	xml_end(writer);
}

static void write_children(struct xml_writer *writer, const struct rim_object *object)
{
	write_common(writer, &object->slots, &object->name, &object->description);
	write_version(writer, STR("rim:VersionInfo"), object->version_name, object->version_comment);
	for (size_t i = 0; i < object->classification_count; i++)
		write_classification(writer, &object->classifications[i], object->id, i);
	for (size_t i = 0; i < object->external_identifier_count; i++)
		write_external_identifier(writer, &object->external_identifiers[i], object->id, i);
	write_version(writer, STR("rim:ContentVersionInfo"), object->content_version, STR_NONE);
}

void ebrim_write_object(struct xml_writer *writer, const struct rim_object *object)
{
	static const struct str names[RIM_KIND_COUNT] = {
		[RIM_EXTRINSIC_OBJECT] = STR_INIT("rim:ExtrinsicObject"),
		[RIM_REGISTRY_PACKAGE] = STR_INIT("rim:RegistryPackage"),
		[RIM_ASSOCIATION] = STR_INIT("rim:Association"),
		[RIM_OBJECT_REF] = STR_INIT("rim:ObjectRef"),
	};

	xml_begin(writer, names[object->kind]);
	xml_attribute(writer, STR("id"), object->id.data ? object->id : STR(""));
	xml_attribute(writer, STR("lid"), or_absent(object->lid));
	xml_attribute(writer, STR("home"), or_absent(object->home));
	xml_attribute(writer, STR("objectType"), or_absent(object->object_type));
	xml_attribute(writer, STR("status"), or_absent(object->status));
	if (object->kind == RIM_EXTRINSIC_OBJECT) {
		xml_attribute(writer, STR("mimeType"), or_absent(object->mime_type));
		xml_attribute(writer, STR("isOpaque"), or_absent(object->is_opaque));
	}
	if (object->kind == RIM_ASSOCIATION) {
		xml_attribute(writer, STR("associationType"), object->association_type);
		xml_attribute(writer, STR("sourceObject"), object->source_object);
		xml_attribute(writer, STR("targetObject"), object->target_object);
	}
	write_children(writer, object);
	xml_end(writer);
}

void ebrim_write_objects(struct xml_writer *writer, const struct rim_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		ebrim_write_object(writer, &list->objects[i]);
	for (size_t i = 0; i < list->loose_count; i++)
		write_classification(writer, &list->loose[i], STR_NONE, i);
}
