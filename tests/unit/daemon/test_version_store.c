/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/version_store.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/unit/sample_config.h"

struct fixture {
	char directory[64];
	struct config_versions versions;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory), "/tmp/leat-t-%d-versions-XXXXXX", getpid());
	assert_non_null(mkdtemp(f->directory));
	log_set_sink(sample_keep_line);
	*state = f;
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static int end(void **state)
{
	struct fixture *f = *state;

	nftw(f->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static struct config_version *add(struct fixture *f, const char *text)
{
	struct config_version *version = config_versions_add(&f->versions, CONFIG_BY_RELOAD,
							     config_text_hash(text, strlen(text)),
							     strlen(text), 1700000000);

	assert_int_equal(version_store_keep_text(f->directory, version, text, strlen(text)), 0);
	return version;
}

static void write_index(struct fixture *f, const char *text)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/versions.json", f->directory);
	assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
}

static void nothing_was_kept_at_first(void **state)
{
	struct fixture *f = *state;
	struct config_versions versions = { .count = 7 };

	assert_int_equal(rmdir(f->directory), 0);
	assert_int_equal(version_store_load(f->directory, &versions), 0);
	assert_int_equal(versions.count, 0);
	assert_int_equal(version_store_save(f->directory, &f->versions), 0);
	assert_int_equal(version_store_load(f->directory, &versions), 0);
}

static void versions_and_their_trial_come_back(void **state)
{
	struct fixture *f = *state;
	struct config_versions versions;

	for (size_t i = 0; i < CONFIG_VERSIONS_MAX; i++)
		strcpy(add(f, "a: text\n")->note, "what \"changed\"");
	f->versions.trial = (struct config_trial){
		.is_on = true,
		.needs_confirmation = true,
		.back_to = 3,
		.until_s = 1700000060,
		.length_s = 60,
		.min_healthy = 50,
	};
	assert_int_equal(version_store_save(f->directory, &f->versions), 0);
	assert_int_equal(version_store_load(f->directory, &versions), 0);
	assert_memory_equal(&versions, &f->versions, sizeof(versions));
	f->versions.trial = (struct config_trial){ 0 };
	assert_int_equal(version_store_save(f->directory, &f->versions), 0);
	assert_int_equal(version_store_load(f->directory, &versions), 0);
	assert_false(versions.trial.is_on);
}

static void text_comes_back_or_is_said_to_be_another(void **state)
{
	struct fixture *f = *state;
	struct config_version *version = add(f, "a: text\n");
	char *text = NULL;
	size_t size;

	assert_int_equal(version_store_read_text(f->directory, version, &text, &size), 0);
	assert_int_equal(size, 8);
	assert_string_equal(text, "a: text\n");
	free(text);
	text = NULL;
	version->hash++;
	assert_int_equal(version_store_read_text(f->directory, version, &text, &size), -EBADMSG);
	version->number++;
	assert_int_equal(version_store_read_text(f->directory, version, &text, &size), -ENOENT);
	assert_null(text);
}

static void texts_of_forgotten_versions_are_deleted_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct config_version first = *add(f, "one");
	char *text;
	size_t size;

	add(f, "two");
	write_index(f, "{}");
	memmove(&f->versions.list[0], &f->versions.list[1], sizeof(first));
	f->versions.count = 1;
	version_store_prune(f->directory, &f->versions);
	assert_int_equal(version_store_read_text(f->directory, &first, &text, &size), -ENOENT);
	assert_int_equal(version_store_read_text(f->directory, &f->versions.list[0], &text, &size),
			 0);
	free(text);
	assert_int_equal(version_store_load(f->directory, &f->versions), -EINVAL);
}

static void index_that_is_not_understood_is_refused_and_set_aside(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{\"version\": 2, \"versions\": []}",
		"{\"version\": 1}",
		"{\"version\": 1, \"versions\": [1]}",
		"{\"version\": 1, \"versions\": [{\"number\": 0, \"hash\": \"0123456789abcdef\", "
		"\"size\": 1, \"time\": 1, \"origin\": \"apply\", \"note\": \"\"}]}",
		"{\"version\": 1, \"versions\": [{\"number\": 1, \"hash\": \"0123456789abcdef\", "
		"\"size\": 1, \"time\": 1, \"origin\": \"nobody\", \"note\": \"\"}]}",
		"{\"version\": 1, \"versions\": [], \"trial\": {\"back_to\": 1}}",
	};
	struct fixture *f = *state;
	struct config_versions versions = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		write_index(f, wrong[i]);
		assert_int_equal(version_store_load(f->directory, &versions), -EINVAL);
		assert_int_equal(versions.count, 0);
	}
	assert_int_equal(version_store_set_aside(f->directory), 0);
	assert_int_equal(version_store_load(f->directory, &versions), 0);
}

static void what_cannot_be_written_leaves_what_was(void **state)
{
	struct fixture *f = *state;
	struct config_versions versions;
	char temporary[96];

	add(f, "one");
	assert_int_equal(version_store_save(f->directory, &f->versions), 0);
	/* Where the new index would be written first. */
	snprintf(temporary, sizeof(temporary), "%s/versions.json.new", f->directory);
	assert_int_equal(mkdir(temporary, 0700), 0);
	add(f, "two");
	assert_int_equal(version_store_save(f->directory, &f->versions), -EISDIR);
	assert_int_equal(version_store_load(f->directory, &versions), 0);
	assert_int_equal(versions.count, 1);
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_directory(nothing_was_kept_at_first),
		with_directory(versions_and_their_trial_come_back),
		with_directory(text_comes_back_or_is_said_to_be_another),
		with_directory(texts_of_forgotten_versions_are_deleted_and_nothing_else),
		with_directory(index_that_is_not_understood_is_refused_and_set_aside),
		with_directory(what_cannot_be_written_leaves_what_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
