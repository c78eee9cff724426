/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/file.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "tests/unit/sample_config.h"

struct fixture {
	char directory[64];
	char path[96];
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory), "/tmp/leat-t-%d-file-XXXXXX", getpid());
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/file", f->directory);
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

static void expect_text(const char *path, const char *expected)
{
	char *text;
	size_t size;

	assert_int_equal(file_read(path, 100, &text, &size), 0);
	assert_int_equal(size, strlen(expected));
	assert_string_equal(text, expected);
	free(text);
}

static unsigned int mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

static void new_file_gets_its_mode_and_a_replaced_one_keeps_it(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(file_replace(f->path, "one", 3, 0640), 0);
	expect_text(f->path, "one");
	assert_int_equal(mode_of(f->path), 0640);
	assert_int_equal(chmod(f->path, 0604), 0);
	assert_int_equal(file_replace(f->path, "", 0, 0640), 0);
	expect_text(f->path, "");
	assert_int_equal(mode_of(f->path), 0604);
}

static void symbolic_link_still_leads_to_the_file(void **state)
{
	const struct fixture *f = *state;
	struct stat status;
	char link[96];

	snprintf(link, sizeof(link), "%s/link", f->directory);
	assert_int_equal(file_replace(f->path, "one", 3, 0600), 0);
	assert_int_equal(symlink("file", link), 0);
	assert_int_equal(file_replace(link, "two", 3, 0600), 0);
	expect_text(f->path, "two");
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
}

static void only_the_last_directory_is_made(void **state)
{
	const struct fixture *f = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/a/b/file", f->directory);
	assert_int_equal(file_replace(path, "one", 3, 0600), -ENOENT);
	snprintf(path, sizeof(path), "%s/a/file", f->directory);
	assert_int_equal(file_replace(path, "one", 3, 0600), 0);
	expect_text(path, "one");
}

static void longer_file_shows_by_one_byte(void **state)
{
	const struct fixture *f = *state;
	char *text;
	size_t size;

	assert_int_equal(file_replace(f->path, "abcdef", 6, 0600), 0);
	assert_int_equal(file_read(f->path, 3, &text, &size), 0);
	assert_int_equal(size, 4);
	assert_string_equal(text, "abcd");
	free(text);
	assert_int_equal(file_read(f->directory, 3, &text, &size), -EISDIR);
}

#define with_directory(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_directory(new_file_gets_its_mode_and_a_replaced_one_keeps_it),
		with_directory(symbolic_link_still_leads_to_the_file),
		with_directory(only_the_last_directory_is_made),
		with_directory(longer_file_shows_by_one_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
