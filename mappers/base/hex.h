/* Hexadecimal digits. */
#ifndef PASSERELLE_HEX_H
#define PASSERELLE_HEX_H

#include "mappers/base/str.h"

/* 0 to 15 for a digit of either case, -1 for any other character. */
int hex_value(char c);

/* Two lower-case digits for each byte; writes 2 * size characters, no NUL. */
void hex_write(const unsigned char *bytes, size_t size, char *out);

/* Fills size bytes from exactly 2 * size digits of either case; false when text is anything else. */
bool hex_read(struct str text, unsigned char *bytes, size_t size) MUST_CHECK;

#endif
