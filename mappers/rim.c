#include "mappers/rim.h"

const struct rim_slot *rim_slot_find(const struct rim_slots *slots, struct str name)
{
	for (size_t i = 0; i < slots->count; i++) {
		if (str_equal(slots->items[i].name, name))
			return &slots->items[i];
	}
	return NULL;
}

const struct rim_classification *rim_classification_find(const struct rim_object *object, struct str scheme)
{
	for (size_t i = 0; i < object->classification_count; i++) {
		if (str_equal(object->classifications[i].scheme, scheme))
			return &object->classifications[i];
	}
	return NULL;
}

const struct rim_external_identifier *rim_external_identifier_find(const struct rim_object *object, struct str scheme)
{
	for (size_t i = 0; i < object->external_identifier_count; i++) {
		if (str_equal(object->external_identifiers[i].scheme, scheme))
			return &object->external_identifiers[i];
	}
	return NULL;
}

bool rim_has_node(const struct rim_object *object, struct str node)
{
	for (size_t i = 0; i < object->classification_count; i++) {
		if (str_equal(object->classifications[i].node, node))
			return true;
	}
	return false;
}
