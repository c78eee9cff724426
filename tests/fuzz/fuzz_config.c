/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Any bytes are a configuration or at least one error with a position in the file.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "config/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors;
	struct config *config = NULL;
	int r = config_file_parse("fuzz", (const char *)data, size, &config, &errors);
	char *text = config_errors_format(&errors);

	assert(text);
	assert(r == (errors.count > 0 ? -EINVAL : 0));
	assert(errors.count <= CONFIG_FILE_MAX_ERRORS + 1);
	assert((config != NULL) == (r == 0));
	for (size_t i = 0; i < errors.count; i++)
		assert(errors.list[i].line > 0 && errors.list[i].column > 0);
	free(text);
	config_errors_deinit(&errors);
	if (config)
		config_free(config);
	return 0;
}
