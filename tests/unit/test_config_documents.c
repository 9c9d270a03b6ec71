/* conf/ and the README say what the table of keys says. PASSERELLE_WRITE=1 in the environment renews them instead. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/run/config_document.h"
#include "gateway/run/config.h"

#define TEXT_BYTES_MAX ((size_t)4 << 20)

static const struct str reference_begin = STR("<!-- configuration reference: generated -->\n");
static const struct str reference_end = STR("<!-- end of the configuration reference -->");

static void file_read(const char *path, struct buf *text)
{
	FILE *file = fopen(path, "rb");
	char bytes[4096];
	size_t size;

	assert_non_null(file);
	buf_init(text, TEXT_BYTES_MAX);
	while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_add(text, (struct str) { bytes, size });
	assert_false(text->failed);
	fclose(file);
}

static void file_write(const char *path, struct str text)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text.data, 1, text.size, file), text.size);
	assert_int_equal(fclose(file), 0);
}

/* The file holds exactly this text, or is made so. */
static void file_is(const char *path, struct str expected)
{
	struct buf text;

	if (getenv("PASSERELLE_WRITE")) {
		file_write(path, expected);
		return;
	}
	file_read(path, &text);
	if (!str_equal(buf_str(&text), expected))
		fail_msg("%s is not what config.def says; renew it: PASSERELLE_WRITE=1 ./run test config_documents",
			 path);
	buf_free(&text);
}

static void test_sample__is_generated(void **state)
{
	(void)state;
	struct buf sample;

	buf_init(&sample, TEXT_BYTES_MAX);
	config_sample_write(&sample);
	assert_false(sample.failed);
	file_is(TEST_SOURCE_DIR "/conf/passerelle.yaml", buf_str(&sample));
	buf_free(&sample);
}

static void test_readme__holds_the_reference(void **state)
{
	(void)state;
	static const char path[] = TEST_SOURCE_DIR "/README.md";
	struct buf readme;
	struct buf expected;

	file_read(path, &readme);
	buf_init(&expected, TEXT_BYTES_MAX);
	const char *begin = memmem(readme.data, readme.size, reference_begin.data, reference_begin.size);
	const char *end = memmem(readme.data, readme.size, reference_end.data, reference_end.size);

	assert_non_null(begin);
	assert_non_null(end);
	begin += reference_begin.size;
	buf_add(&expected, (struct str) { readme.data, (size_t)(begin - readme.data) });
	config_reference_write(&expected);
	buf_add(&expected, (struct str) { end, (size_t)(readme.data + readme.size - end) });
	assert_false(expected.failed);
	file_is(path, buf_str(&expected));
	buf_free(&expected);
	buf_free(&readme);
}

/* Loads a sample; its key file is made beside it for the time of the test. */
static void sample_loads(const char *name, enum config_role role, struct config *config, struct arena *arena)
{
	static const char key[] = "0123456789abcdef0123456789abcdef";
	char directory[] = "/tmp/passerelle-conf-XXXXXX";
	struct outcome outcome;
	struct buf text;

	assert_non_null(mkdtemp(directory));
	struct str source = arena_printf(arena, TEST_SOURCE_DIR "/conf/%s", name);
	struct str copy = arena_printf(arena, "%s/%s", directory, name);
	struct str key_path = arena_printf(arena, "%s/seal.key", directory);

	file_read(source.data, &text);
	file_write(copy.data, buf_str(&text));
	file_write(key_path.data, (struct str) { key, 32 });
	outcome_init(&outcome);
	if (!config_load(copy.data, role, arena, config, &outcome))
		fail_msg("%s: %s %s", name, outcome.issues[0].path, outcome.issues[0].text);
	buf_free(&text);
	unlink(copy.data);
	unlink(key_path.data);
	rmdir(directory);
}

static void test_samples__load(void **state)
{
	(void)state;
	struct arena *arena = arena_new(TEXT_BYTES_MAX);
	struct config config;

	assert_non_null(arena);
	sample_loads("gateway.yaml", CONFIG_GATEWAY, &config, arena);
	assert_int_equal(config.listen_port, 8080);
	assert_int_equal(config.back_ends.count, 1);
	sample_loads("domain.yaml", CONFIG_DOMAIN, &config, arena);
	assert_int_equal(config.domain_port, 8081);
	assert_true(config.domain_accept_any_code);
	sample_loads("passerelle.yaml", CONFIG_GATEWAY | CONFIG_DOMAIN, &config, arena);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample__is_generated),
		cmocka_unit_test(test_readme__holds_the_reference),
		cmocka_unit_test(test_samples__load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
