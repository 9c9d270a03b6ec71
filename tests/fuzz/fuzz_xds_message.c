/* A SOAP envelope or bare XDS message: read; its registry objects written again must read the same. */
#include "fuzz.h"
#include "mappers/ebrim_write.h"
#include "mappers/metadata_rim.h"
#include "mappers/xds_message.h"

static bool sink_begin(void *ctx, size_t index)
{
	(void)ctx;
	(void)index;
	return true;
}

static bool sink_data(void *ctx, const void *bytes, size_t size)
{
	(void)ctx;
	(void)bytes;
	(void)size;
	return true;
}

static bool sink_end(void *ctx)
{
	(void)ctx;
	return true;
}

static void write_and_read(const struct rim_list *objects, struct arena *arena)
{
	static const struct str rim = STR("urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0");
	static const struct str lcm = STR("urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0");
	struct xds_message again;
	struct xml_writer writer;
	struct outcome outcome;
	struct buf xml;

	outcome_init(&outcome);
	buf_init(&xml, FUZZ_TEXT_BYTES);
	xml_writer_init(&writer, &xml);
	xml_begin(&writer, STR("lcm:SubmitObjectsRequest"));
	xml_attribute(&writer, STR("xmlns:lcm"), lcm);
	xml_attribute(&writer, STR("xmlns:rim"), rim);
	xml_begin(&writer, STR("rim:RegistryObjectList"));
	ebrim_write_objects(&writer, objects);
	xml_end(&writer);
	xml_end(&writer);
	if (xml_writer_finish(&writer, &outcome) && xds_message_read(buf_str(&xml), NULL, arena, &again, &outcome) &&
	    again.objects.count != objects->count)
		abort(); /* an object was lost or made up on the way */
	buf_free(&xml);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str xml = { (const char *)data, size };
	struct inline_sink sink = { NULL, sink_begin, sink_data, sink_end };
	struct arena *arena = arena_new(FUZZ_ARENA_BYTES);
	struct xds_message message;
	struct metadata metadata;
	struct outcome outcome;

	if (!arena)
		return 0;
	outcome_init(&outcome);
	if (xds_message_read(xml, &sink, arena, &message, &outcome)) {
		struct rim_list list;

		write_and_read(&message.objects, arena);
		if (metadata_from_rim(&message.objects, arena, &metadata, &outcome) &&
		    metadata_to_rim(&metadata, arena, &list, &outcome))
			write_and_read(&list, arena);
	} else if (!outcome.has_error) {
		abort(); /* refused without a reason */
	}
	arena_free(arena);
	return 0;
}
