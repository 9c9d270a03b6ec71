/* What the fuzz targets share. A target checks properties too: abort() is a finding. */
#ifndef PASSERELLE_FUZZ_H
#define PASSERELLE_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

#include "mappers/base/arena.h"
#include "mappers/base/buf.h"
#include "mappers/base/error.h"

#define FUZZ_ARENA_BYTES ((size_t)64 << 20)
#define FUZZ_TEXT_BYTES  ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
