/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A frame out of any capture is taken apart without a look behind its end, into layers that are whole
 * JSON and begin with Ethernet. The first two bytes are the port of GUE.
 */
#include <assert.h>
#include <string.h>

#include "base/frame.h"
#include "base/macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(freep) uint8_t *frame = NULL;
	uint16_t gue_port;
	json_t *layers, *layer;
	size_t i;

	if (size < sizeof(gue_port))
		return 0;
	memcpy(&gue_port, data, sizeof(gue_port));
	size -= sizeof(gue_port);
	frame = malloc(size + 1);
	assert(frame);
	memcpy(frame, data + sizeof(gue_port), size);
	layers = frame_layers(frame, size, gue_port);
	assert(layers && (json_array_size(layers) > 0) == (size >= 14));
	json_array_foreach(layers, i, layer) {
		const char *name = json_string_value(json_object_get(layer, "layer"));

		assert(name && (i > 0 || strcmp(name, "ethernet") == 0));
	}
	json_decref(layers);
	return 0;
}
