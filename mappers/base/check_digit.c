#include "mappers/base/check_digit.h"

bool digits_only(struct str text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	}
	return text.size > 0;
}

char luhn_digit(struct str digits)
{
	unsigned sum = 0;

	/* The last digit is doubled, for the check digit will stand behind it. */
	for (size_t i = 0; i < digits.size; i++) {
		unsigned digit = (unsigned)(digits.data[digits.size - 1 - i] - '0') * (i % 2 ? 1 : 2);

		sum += digit > 9 ? digit - 9 : digit;
	}
	return (char)('0' + (10 - sum % 10) % 10);
}

/* The dihedral group of ten elements: 0-4 are rotations, 5-9 reflections. */
static unsigned dihedral(unsigned a, unsigned b)
{
	if (a < 5)
		return b < 5 ? (a + b) % 5 : 5 + (a + b) % 5;
	return b < 5 ? 5 + (a - b) % 5 : (a - b + 5) % 5;
}

char verhoeff_digit(struct str digits)
{
	/* Permutations by position from the right; they repeat after eight. */
	static const unsigned char permutations[8][10] = {
		{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 }, { 5, 8, 0, 3, 7, 9, 6, 1, 4, 2 },
		{ 8, 9, 1, 6, 0, 4, 3, 5, 2, 7 }, { 9, 4, 5, 3, 1, 2, 6, 8, 7, 0 }, { 4, 2, 8, 6, 5, 7, 3, 9, 0, 1 },
		{ 2, 7, 9, 3, 8, 0, 6, 4, 1, 5 }, { 7, 0, 4, 6, 9, 1, 3, 2, 5, 8 },
	};
	static const char inverse[] = "0432156789";
	unsigned check = 0;

	for (size_t i = 0; i < digits.size; i++) {
		unsigned digit = (unsigned)(digits.data[digits.size - 1 - i] - '0');

		check = dihedral(check, permutations[(i + 1) % 8][digit]);
	}
	return inverse[check];
}
