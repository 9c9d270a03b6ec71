/* What people read about the configuration, generated from config.def. */
#ifndef PASSERELLE_CONFIG_DOCUMENT_H
#define PASSERELLE_CONFIG_DOCUMENT_H

#include "mappers/base/buf.h"

/* All keys as a Markdown table, and as an annotated YAML file with every key. */
void config_reference_write(struct buf *out);
void config_sample_write(struct buf *out);

#endif
