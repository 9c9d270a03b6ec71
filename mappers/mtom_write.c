/* The frame around the parts of a package; exactly the parameters that TF-2 V.3 has, all quoted. */
#include "mappers/mtom.h"

void mtom_write_content_type(struct buf *out, struct str boundary, struct str root_id, struct str action)
{
	buf_add(out, STR("multipart/related; boundary=\""));
	buf_add(out, boundary);
	buf_add(out, STR("\"; type=\"application/xop+xml\"; start=\"<"));
	buf_add(out, root_id);
	buf_add(out, STR(">\"; start-info=\"application/soap+xml\"; action=\""));
	buf_add(out, action);
	buf_add(out, STR("\""));
}

/* A media type out of metadata must not bring header lines of its own. */
static bool is_header_text(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < ' ' || text.data[i] > '~')
			return false;
	}
	return text.size > 0;
}

static void write_head(struct buf *out, struct str boundary, struct str content_id, struct str content_type)
{
	buf_add(out, STR("--"));
	buf_add(out, boundary);
	buf_add(out, STR("\r\nContent-Type: "));
	buf_add(out, content_type);
	buf_add(out, STR("\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <"));
	buf_add(out, content_id);
	buf_add(out, STR(">\r\n\r\n"));
}

void mtom_write_root_head(struct buf *out, struct str boundary, struct str root_id)
{
	write_head(out, boundary, root_id, STR("application/xop+xml; charset=UTF-8; type=\"application/soap+xml\""));
}

void mtom_write_part_head(struct buf *out, struct str boundary, struct str content_id, struct str content_type)
{
	buf_add(out, STR("\r\n"));
	write_head(out, boundary, content_id,
		   is_header_text(content_type) ? content_type : STR("application/octet-stream"));
}

void mtom_write_end(struct buf *out, struct str boundary)
{
	buf_add(out, STR("\r\n--"));
	buf_add(out, boundary);
	buf_add(out, STR("--\r\n"));
}
