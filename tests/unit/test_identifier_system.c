/* Identifier systems: check digits and forms. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "mappers/base/check_digit.h"
#include "mappers/identifier_system.h"

static void test_check_digit__both_of_the_matricule(void **state)
{
	(void)state;
	/* The first is the number that Luxembourg publishes as an example. */
	static const struct {
		const char *digits;
		char luhn;
		char verhoeff;
	} cases[] = {
		{ "18931201057", '3', '2' }, { "19900101001", '6', '0' }, { "20001231999", '8', '3' },
		{ "19520229010", '0', '8' }, { "19850615123", '4', '7' },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(luhn_digit(str_from_c(cases[i].digits)), cases[i].luhn);
		assert_int_equal(verhoeff_digit(str_from_c(cases[i].digits)), cases[i].verhoeff);
	}
	/* Verhoeff's own example, and Luhn's of ISO/IEC 7812. */
	assert_int_equal(verhoeff_digit(STR("236")), '3');
	assert_int_equal(luhn_digit(STR("7992739871")), '3');
}

static void test_check_digit__every_single_error_and_swap_is_seen(void **state)
{
	(void)state;
	char digits[] = "18931201057";
	const char good = verhoeff_digit(str_from_c(digits));

	for (size_t i = 0; digits[i]; i++) {
		const char kept = digits[i];

		for (char other = '0'; other <= '9'; other++) {
			digits[i] = other;
			assert_int_equal(verhoeff_digit(str_from_c(digits)) == good, other == kept);
		}
		digits[i] = kept;
		if (i == 0 || digits[i - 1] == kept)
			continue;
		digits[i] = digits[i - 1];
		digits[i - 1] = kept;
		assert_int_not_equal(verhoeff_digit(str_from_c(digits)), good);
		digits[i - 1] = digits[i];
		digits[i] = kept;
	}
}

static void test_identifier__forms(void **state)
{
	(void)state;
	static const struct {
		const char *authority;
		const char *value;
		enum identifier_check check;
	} cases[] = {
		{ "1.3.182.4.4", "1893120105732", IDENTIFIER_GOOD },
		{ "1.3.182.4.4", "1893120105733", IDENTIFIER_DOUBTFUL },
		{ "1.3.182.4.4", "1893120105742", IDENTIFIER_DOUBTFUL },
		{ "1.3.182.4.4", "1998041799999", IDENTIFIER_DOUBTFUL }, /* HL7's example patient */
		{ "1.3.182.4.4", "1900000000000", IDENTIFIER_DOUBTFUL }, /* day and month nobody knew */
		{ "1.3.182.4.4", "1893130105732", IDENTIFIER_MALFORMED },
		{ "1.3.182.4.4", "1893123205732", IDENTIFIER_MALFORMED },
		{ "1.3.182.4.4", "189312010573", IDENTIFIER_MALFORMED },
		{ "1.3.182.4.4", "18931201057321", IDENTIFIER_MALFORMED },
		{ "1.3.182.4.4", "189312010573X", IDENTIFIER_MALFORMED },
		{ "1.3.182.4.4", "", IDENTIFIER_MALFORMED },
		{ "1.3.182.4.3", "18931201057", IDENTIFIER_GOOD },
		{ "1.3.6.1.4.1.21367.13.20.1000", "IHERED-1001", IDENTIFIER_GOOD },
		{ "2.999.1", "any thing^&~|\\", IDENTIFIER_GOOD },
		{ "2.999.1", "a\r\nb", IDENTIFIER_MALFORMED },
		{ "2.999.1", " a", IDENTIFIER_MALFORMED },
		{ "2.999.1", "a\x7F", IDENTIFIER_MALFORMED },
		{ "2.999.1", "\xC3\x28", IDENTIFIER_MALFORMED },
	};
	char longest[PATIENT_VALUE_BYTES_MAX + 1];

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(identifier_check(str_from_c(cases[i].authority), str_from_c(cases[i].value)),
				 cases[i].check);
	memset(longest, '7', sizeof longest);
	assert_int_equal(identifier_check(STR("2.999.1"), (struct str) { longest, PATIENT_VALUE_BYTES_MAX }),
			 IDENTIFIER_GOOD);
	assert_int_equal(identifier_check(STR("2.999.1"), (struct str) { longest, sizeof longest }),
			 IDENTIFIER_MALFORMED);
}

static void test_identifier__authority_of_a_system(void **state)
{
	(void)state;
	static const struct system_name items[] = { { STR_INIT("https://hospital.example/mrn"), STR_INIT("2.999.7") } };
	const struct system_names names = { items, COUNT_OF(items) };

	assert_true(str_equal(identifier_authority(STR("urn:oid:1.3.182.4.4"), &names), STR("1.3.182.4.4")));
	assert_true(str_equal(identifier_authority(STR("URN:OID:1.3.182.4.4"), &names), STR("1.3.182.4.4")));
	assert_true(str_equal(identifier_authority(STR("https://hospital.example/mrn"), &names), STR("2.999.7")));
	assert_null(identifier_authority(STR("https://hospital.example/other"), &names).data);
	assert_null(identifier_authority(STR("urn:oid:1..2"), &names).data);
	assert_null(identifier_authority(STR("urn:oid:"), &names).data);
	assert_null(identifier_authority(STR("1.3.182.4.4"), &names).data);
	assert_null(identifier_authority(STR_NONE, &names).data);
	assert_true(identifier_authority_name(STR("1.3.182.4.4")).size > 0);
	assert_null(identifier_authority_name(STR("2.999.1")).data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_digit__both_of_the_matricule),
		cmocka_unit_test(test_check_digit__every_single_error_and_swap_is_seen),
		cmocka_unit_test(test_identifier__forms),
		cmocka_unit_test(test_identifier__authority_of_a_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
