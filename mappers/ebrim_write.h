/* Writes ebRIM 3.0 objects in the order that the schema demands: Slot, Name, Description, VersionInfo, Classification,
 * ExternalIdentifier. Source: OASIS ebRIM 3.0 rim.xsd, ITI TF-3 4.2.1.
 * The prefix rim must be declared on an element around them. Empty members are left out; an id that the schema needs
 * and that is missing (old senders leave it out on Classifications) is made up from the id of its object. */
#ifndef PASSERELLE_EBRIM_WRITE_H
#define PASSERELLE_EBRIM_WRITE_H

#include "mappers/rim.h"
#include "mappers/xml_writer.h"

void ebrim_write_object(struct xml_writer *writer, const struct rim_object *object);

/* All objects and loose Classifications, without the RegistryObjectList element around them. */
void ebrim_write_objects(struct xml_writer *writer, const struct rim_list *list);

#endif
