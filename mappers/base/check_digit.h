/* Check digits of decimal numbers. Source: ISO/IEC 7812-1 annex B (Luhn); J. Verhoeff, Error Detecting Decimal Codes,
 * 1969. */
#ifndef PASSERELLE_CHECK_DIGIT_H
#define PASSERELLE_CHECK_DIGIT_H

#include "mappers/base/str.h"

/* True when text is one decimal digit after the other, at least one. */
bool digits_only(struct str text);

/* The digit that goes with these ones ('0' to '9'). digits_only must hold. */
char luhn_digit(struct str digits);
char verhoeff_digit(struct str digits);

#endif
