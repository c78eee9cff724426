/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/operator_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/sample_config.h"
#include "tests/unit/temporary.h"

struct fixture {
	char directory[TEMPORARY_SIZE];
	char path[96];
	struct node node;
};

static struct succession services_of(const struct fixture *f)
{
	return (struct succession){ f->node.services, f->node.service_count };
}

static struct backend *nth(const struct fixture *f, size_t index)
{
	return sample_find(f->node.services[0], index);
}

/* Two services with the same three backends. */
static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct config *config = sample_config_new();

	sample_add_backends(sample_add_service(config, 0, IPPROTO_TCP, 64), 0, 3);
	sample_add_backends(sample_add_service(config, 1, IPPROTO_UDP, 64), 0, 3);
	sample_adopt(&f->node, config);
	temporary_make(f->directory);
	snprintf(f->path, sizeof(f->path), "%s/state.json", f->directory);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	chmod(f->directory, 0700);
	temporary_remove(f->directory);
	node_deinit(&f->node);
	free(f);
	return 0;
}

static int save(const struct fixture *f)
{
	return operator_store_save(f->path, &f->node);
}

static int load(struct fixture *f)
{
	const struct succession services = services_of(f);

	sample_logged[0] = '\0';
	denied_deinit(&f->node.denied);
	return operator_store_load(f->path, &services, &f->node.denied);
}

static void assert_change(const struct backend *backend, enum operator_state state, bool has_weight,
			  uint32_t weight)
{
	assert_int_equal(backend->operator_change.state, state);
	assert_int_equal(backend->operator_change.has_weight, has_weight);
	assert_int_equal(backend->operator_change.weight, weight);
}

static void assert_refuses(struct fixture *f, int error)
{
	assert_int_equal(load(f), error);
	assert_non_null(strstr(sample_logged, f->path));
	assert_change(nth(f, 0), OPERATOR_NONE, false, 0);
}

static void forget_changes(const struct fixture *f)
{
	for (size_t i = 0; i < f->node.service_count; i++) {
		for (size_t j = 0; j < f->node.services[i]->backend_count; j++)
			f->node.services[i]->backends[j]->operator_change =
				(struct operator_change){ 0 };
	}
}

static void write_file(const struct fixture *f, const char *text, size_t size)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* The whole file; the caller frees it. */
static char *read_file(const struct fixture *f, size_t *ret_size)
{
	FILE *file = fopen(f->path, "r");
	char *text = calloc(1, 65536);

	assert_true(file && text);
	*ret_size = fread(text, 1, 65535, file);
	fclose(file);
	return text;
}

static const char whole[] =
	"{\"version\": 1, \"changes\": [{\"address\": \"192.0.2.1\", \"port\": 80, "
	"\"protocol\": \"tcp\", \"backend\": \"198.51.100.1\", \"state\": \"drain\", "
	"\"weight\": 5}]}";

static void changes_come_back_as_they_were_kept(void **state)
{
	struct fixture *f = *state;
	struct backend *dns = sample_find(f->node.services[1], 2);

	nth(f, 0)->operator_change.state = OPERATOR_DRAIN;
	nth(f, 1)->operator_change = (struct operator_change){ OPERATOR_DISABLE, true, 0 };
	dns->operator_change = (struct operator_change){ OPERATOR_NONE, true, LEAT_MAX_WEIGHT };
	assert_int_equal(save(f), 0);
	forget_changes(f);
	assert_int_equal(load(f), 0);
	assert_change(nth(f, 0), OPERATOR_DRAIN, false, 0);
	assert_change(nth(f, 1), OPERATOR_DISABLE, true, 0);
	assert_change(nth(f, 2), OPERATOR_NONE, false, 0);
	assert_change(sample_find(f->node.services[1], 0), OPERATOR_NONE, false, 0);
	assert_change(dns, OPERATOR_NONE, true, LEAT_MAX_WEIGHT);
}

static void no_file_is_no_change(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f), 0);
	assert_change(nth(f, 0), OPERATOR_NONE, false, 0);
	assert_string_equal(sample_logged, "");
}

static void file_that_cannot_be_looked_at_is_refused(void **state)
{
	struct fixture *f = *state;

	write_file(f, whole, strlen(whole));
	strcat(f->path, "/below");
	assert_refuses(f, -ENOTDIR);
}

static void changes_of_backends_that_are_gone_are_forgotten(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++)
		nth(f, i)->operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(save(f), 0);
	sample_adopt(&f->node, sample_config_of(IPPROTO_TCP, 2, 64));
	forget_changes(f);
	assert_int_equal(load(f), 0);
	assert_change(nth(f, 0), OPERATOR_DRAIN, false, 0);
	assert_change(nth(f, 1), OPERATOR_DRAIN, false, 0);
}

static void documented_form_is_read(void **state)
{
	struct fixture *f = *state;

	write_file(f, whole, strlen(whole));
	assert_int_equal(load(f), 0);
	assert_change(nth(f, 0), OPERATOR_DRAIN, true, 5);
}

static void file_that_is_cut_anywhere_is_refused(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 0; size < strlen(whole); size++) {
		write_file(f, whole, size);
		assert_refuses(f, -EINVAL);
	}
}

static void garbage_is_refused(void **state)
{
	static const char *const texts[] = {
		"\xff\xfe\x01",
		"[]",
		"null",
		"{}",
		"{\"version\": 2, \"changes\": []}",
		"{\"version\": 1}",
		"{\"version\": 1, \"changes\": {}}",
		"{\"version\": 1, \"version\": 1, \"changes\": []}",
		"{\"version\": 1, \"changes\": [1]}",
		"{\"version\": 1, \"changes\": [{}]}",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		write_file(f, texts[i], strlen(texts[i]));
		assert_refuses(f, -EINVAL);
	}
}

static void what_is_denied_comes_back_as_it_was_kept(void **state)
{
	struct fixture *f = *state;
	struct prefix net, host;

	assert_int_equal(prefix_parse("10.0.0.0/8", &net), 0);
	assert_int_equal(prefix_parse("2001:db8::1", &host), 0);
	assert_int_equal(denied_add(&f->node.denied, &net, 0), 0);
	assert_int_equal(denied_add(&f->node.denied, &host, 1800000000), 0);
	assert_int_equal(save(f), 0);
	assert_int_equal(load(f), 0);
	assert_int_equal(f->node.denied.count, 2);
	assert_memory_equal(&f->node.denied.entries[0].prefix, &net, sizeof(net));
	assert_int_equal(f->node.denied.entries[0].until_s, 0);
	assert_memory_equal(&f->node.denied.entries[1].prefix, &host, sizeof(host));
	assert_int_equal(f->node.denied.entries[1].until_s, 1800000000);
}

static void what_is_no_denied_prefix_is_refused_with_all_others(void **state)
{
	static const char *const entries[] = {
		"{}",
		"{\"prefix\": 5}",
		"{\"prefix\": \"10.0.0.0/33\"}",
		"{\"prefix\": \"10.0.0.0/8\", \"until\": -1}",
		"{\"prefix\": \"10.0.0.0/8\", \"until\": \"x\"}",
		"7",
	};
	struct fixture *f = *state;
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		int size = snprintf(text, sizeof(text),
				    "{\"version\": 1, \"changes\": [], \"denied\": "
				    "[{\"prefix\": \"10.0.0.0/8\"}, %s]}",
				    entries[i]);

		write_file(f, text, (size_t)size);
		assert_refuses(f, -EINVAL);
		assert_int_equal(f->node.denied.count, 0);
	}
}

static void values_that_leat_does_not_write_are_refused(void **state)
{
	static const struct {
		const char *from, *to;
	} wrongs[] = {
		{ "192.0.2.1", "192.0.2" },
		{ "80", "65536" },
		{ "80", "-1" },
		{ "80", "\"80\"" },
		{ "\"tcp\"", "\"sctp\"" },
		{ "198.51.100.1", "::ffff:198.51.100.1" },
		{ "\"drain\"", "\"drained\"" },
		{ "\"drain\"", "null" },
		{ ": 5", ": 65536" },
		{ ": 5", ": -2" },
		{ ": 5", ": 9223372036854775807" },
	};
	struct fixture *f = *state;
	char text[512];

	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		const char *at = strstr(whole, wrongs[i].from);
		int size = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - whole), whole,
				    wrongs[i].to, at + strlen(wrongs[i].from));

		write_file(f, text, (size_t)size);
		assert_refuses(f, -EINVAL);
	}
}

static void huge_file_is_refused_unread(void **state)
{
	struct fixture *f = *state;

	write_file(f, whole, strlen(whole));
	assert_int_equal(truncate(f->path, INT64_C(1) << 32), 0);
	assert_refuses(f, -EFBIG);
}

/* Whatever stands in the way of a new file. */
static void assert_save_fails_and_leaves_the_file(const struct fixture *f, uid_t user)
{
	size_t size, size_now;
	char *before = read_file(f, &size), *now;

	nth(f, 2)->operator_change.state = OPERATOR_DISABLE;
	assert_int_equal(seteuid(user), 0);
	assert_true(save(f) < 0);
	assert_int_equal(seteuid(getuid()), 0);
	now = read_file(f, &size_now);
	assert_int_equal(size, size_now);
	assert_memory_equal(before, now, size);
	free(before);
	free(now);
}

static void directory_that_cannot_be_written_leaves_the_old_file(void **state)
{
	struct fixture *f = *state;

	nth(f, 0)->operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(save(f), 0);
	assert_int_equal(chmod(f->directory, 0555), 0);
	/* Root may write anywhere, so root lends its rights to nobody for this. */
	assert_save_fails_and_leaves_the_file(f, getuid() == 0 ? 65534 : getuid());
}

static void obstacle_in_place_of_the_new_file_leaves_the_old_one(void **state)
{
	struct fixture *f = *state;
	char obstacle[128];

	nth(f, 0)->operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(save(f), 0);
	snprintf(obstacle, sizeof(obstacle), "%s.new", f->path);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_save_fails_and_leaves_the_file(f, getuid());
}

/* Who has the old file open goes on reading the old file, and no other is left beside it. */
static void file_is_replaced_as_a_whole(void **state)
{
	struct fixture *f = *state;
	char leftover[128], text[4096];
	ssize_t size;
	int fd;

	write_file(f, whole, strlen(whole));
	fd = open(f->path, O_RDONLY);
	assert_true(fd >= 0);
	nth(f, 1)->operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(save(f), 0);
	size = read(fd, text, sizeof(text));
	close(fd);
	assert_int_equal(size, strlen(whole));
	assert_memory_equal(text, whole, strlen(whole));
	snprintf(leftover, sizeof(leftover), "%s.new", f->path);
	assert_int_equal(access(leftover, F_OK), -1);
}

static void remains_of_a_write_that_was_cut_short_do_no_harm(void **state)
{
	struct fixture *f = *state;
	char leftover[128];
	FILE *file;

	snprintf(leftover, sizeof(leftover), "%s.new", f->path);
	file = fopen(leftover, "w");
	assert_non_null(file);
	for (int i = 0; i < 10000; i++)
		fputs("garbage", file);
	fclose(file);
	assert_int_equal(load(f), 0);
	nth(f, 1)->operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(save(f), 0);
	forget_changes(f);
	assert_int_equal(load(f), 0);
	assert_change(nth(f, 1), OPERATOR_DRAIN, false, 0);
}

static void directory_of_the_file_is_made(void **state)
{
	struct fixture *f = *state;

	snprintf(f->path, sizeof(f->path), "%s/leat/state.json", f->directory);
	nth(f, 1)->operator_change.state = OPERATOR_DRAIN;
	assert_int_equal(save(f), 0);
	forget_changes(f);
	assert_int_equal(load(f), 0);
	assert_change(nth(f, 1), OPERATOR_DRAIN, false, 0);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(changes_come_back_as_they_were_kept),
		in_directory(no_file_is_no_change),
		in_directory(file_that_cannot_be_looked_at_is_refused),
		in_directory(changes_of_backends_that_are_gone_are_forgotten),
		in_directory(documented_form_is_read),
		in_directory(file_that_is_cut_anywhere_is_refused),
		in_directory(garbage_is_refused),
		in_directory(what_is_denied_comes_back_as_it_was_kept),
		in_directory(what_is_no_denied_prefix_is_refused_with_all_others),
		in_directory(values_that_leat_does_not_write_are_refused),
		in_directory(huge_file_is_refused_unread),
		in_directory(directory_that_cannot_be_written_leaves_the_old_file),
		in_directory(obstacle_in_place_of_the_new_file_leaves_the_old_one),
		in_directory(file_is_replaced_as_a_whole),
		in_directory(remains_of_a_write_that_was_cut_short_do_no_harm),
		in_directory(directory_of_the_file_is_made),
	};

	log_set_sink(sample_keep_line);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
