#include "mappers/provide_and_register.h"

#include "mappers/retrieve.h"

#define NS_LCM "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
#define NS_RIM "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
#define NS_XDS "urn:ihe:iti:xds-b:2007"

void submit_objects_write(struct xml_writer *writer, const struct rim_list *list)
{
	xml_begin(writer, STR("lcm:SubmitObjectsRequest"));
	xml_attribute(writer, STR("xmlns:lcm"), STR(NS_LCM));
	xml_attribute(writer, STR("xmlns:rim"), STR(NS_RIM));
	xml_begin(writer, STR("rim:RegistryObjectList"));
	ebrim_write_objects(writer, list);
	xml_end(writer);
	xml_end(writer);
}

void provide_and_register_write(struct xml_writer *writer, const struct rim_list *list,
				const struct provided_document *documents, size_t count)
{
	xml_begin(writer, STR("xds:ProvideAndRegisterDocumentSetRequest"));
	xml_attribute(writer, STR("xmlns:xds"), STR(NS_XDS));
	submit_objects_write(writer, list);
	for (size_t i = 0; i < count; i++) {
		xml_begin(writer, STR("xds:Document"));
		xml_attribute(writer, STR("id"), documents[i].id);
		xop_include_write(writer, documents[i].content.content_id);
		xml_end(writer);
	}
	xml_end(writer);
}

void remove_objects_write(struct xml_writer *writer, const struct strs *ids)
{
	xml_begin(writer, STR("lcm:RemoveObjectsRequest"));
	xml_attribute(writer, STR("xmlns:lcm"), STR(NS_LCM));
	xml_attribute(writer, STR("xmlns:rim"), STR(NS_RIM));
	xml_begin(writer, STR("rim:ObjectRefList"));
	for (size_t i = 0; i < ids->count; i++) {
		xml_begin(writer, STR("rim:ObjectRef"));
		xml_attribute(writer, STR("id"), ids->items[i]);
		xml_end(writer);
	}
	xml_end(writer);
	xml_end(writer);
}
