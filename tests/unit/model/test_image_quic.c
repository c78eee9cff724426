/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/unit/model/image_fixture.h"

static struct config *quic_config(size_t first, size_t count, unsigned int quic)
{
	struct config *config = sample_config_new();
	struct service_config *service = sample_add_service(config, 0, IPPROTO_UDP, SIZE);

	sample_add_backends(service, first, count);
	sample_set_quic(service, quic);
	return config;
}

/* The backend with a server id of one byte, or 0. */
static uint32_t backend_of(const struct fixture *f, uint8_t config, uint8_t byte)
{
	struct leat_quic_key key = {
		.service = f->image->value.id,
		.config = config,
		.server_id = { byte },
	};

	for (size_t i = 0; i < f->image->quic_id_count; i++) {
		if (memcmp(&f->image->quic_ids[i].key, &key, sizeof(key)) == 0)
			return f->image->quic_ids[i].backend;
	}
	return 0;
}

static void assert_ordered(const struct fixture *f)
{
	for (size_t i = 1; i < f->image->quic_id_count; i++)
		assert_true(image_compare_quic_ids(&f->image->quic_ids[i - 1],
						   &f->image->quic_ids[i]) < 0);
}

static void a_service_with_quic_has_a_server_id_for_each_backend(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, quic_config(0, 3, 2));
	assert_int_equal(f.image->value.flags & LEAT_SERVICE_QUIC, LEAT_SERVICE_QUIC);
	assert_int_equal(f.image->policy.quic_lengths, 1 << 8);
	assert_int_equal(f.image->quic_id_count, 3);
	assert_ordered(&f);
	for (uint8_t i = 0; i < 3; i++)
		assert_int_equal(backend_of(&f, 2, 0x20 + i), id_of(&f, i));
	change(&f, sample_config_of(IPPROTO_UDP, 3, SIZE));
	assert_int_equal(f.image->value.flags & LEAT_SERVICE_QUIC, 0);
	assert_int_equal(f.image->quic_id_count, 0);
	end(&f);
}

static void every_configuration_has_its_own(void **state)
{
	struct config *config = quic_config(0, 3, 0);
	struct server_id ids[LEAT_QUIC_CONFIGS];
	struct fixture f;

	(void)state;
	sample_set_quic(&config->services[0], 6);
	begin(&f, config);
	assert_int_equal(f.image->quic_id_count, 6);
	assert_ordered(&f);
	image_server_ids(f.image, id_of(&f, 1), ids);
	assert_memory_equal(ids, service_of(&f)->backends[1]->config.server_ids, sizeof(ids));
	/* What a rotation has left behind is no more. */
	change(&f, quic_config(0, 3, 6));
	assert_int_equal(f.image->quic_id_count, 3);
	assert_int_equal(backend_of(&f, 0, 1), 0);
	assert_int_equal(backend_of(&f, 6, 0x61), id_of(&f, 1));
	end(&f);
}

static void a_backend_that_leaves_keeps_its_server_id(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, quic_config(0, 3, 0));
	sample_adopt_config(&f.node, quic_config(0, 2, 0), true);
	image_free(rebuild(&f));
	assert_int_equal(backend_of(&f, 0, 2), id_of(&f, 2));
	sample_adopt_config(&f.node, quic_config(0, 2, 0), false);
	image_free(rebuild(&f));
	assert_int_equal(backend_of(&f, 0, 2), 0);
	end(&f);
}

/* As when a server goes on under another address. */
static void a_server_id_belongs_to_the_backend_that_has_it_in_the_file(void **state)
{
	struct config *config = quic_config(1, 2, 0);
	struct fixture f;

	(void)state;
	begin(&f, quic_config(0, 2, 0));
	config->services[0].backends[1].server_ids[0].bytes[0] = 0;
	sample_adopt_config(&f.node, config, true);
	image_free(rebuild(&f));
	assert_true(nth(&f, 0)->is_leaving);
	assert_int_equal(f.image->quic_id_count, 2);
	assert_int_equal(backend_of(&f, 0, 0), id_of(&f, 2));
	assert_int_equal(backend_of(&f, 0, 1), id_of(&f, 1));
	end(&f);
}

static void a_copy_has_them_too(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, quic_config(0, 3, 0));
	close_slots(&f, is_none);
	assert_int_equal(backend_of(&f, 0, 2), id_of(&f, 2));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_with_quic_has_a_server_id_for_each_backend),
		cmocka_unit_test(every_configuration_has_its_own),
		cmocka_unit_test(a_backend_that_leaves_keeps_its_server_id),
		cmocka_unit_test(a_server_id_belongs_to_the_backend_that_has_it_in_the_file),
		cmocka_unit_test(a_copy_has_them_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
