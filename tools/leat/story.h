/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What became of one packet and why, from what the program traced and the maps say: as JSON, and from
 * that in words.
 */
#ifndef LEAT_TOOLS_STORY_H
#define LEAT_TOOLS_STORY_H

#include <jansson.h>

#include "datapath/datapath.h"

struct story {
	struct datapath *datapath; /* a twin, after the run */
	const char *interface;	   /* where the packet came in */
	bool is_current;	   /* the program that runs is the one that was asked */
	const uint8_t *in, *out;
	size_t in_size;
	struct datapath_run run;
	const json_t *services; /* leatd's, for their names; NULL: it does not run */
};

/* 0 with a new reference, or -errno: the maps could not be read. */
int story_make(const struct story *story, json_t **ret_story);
void story_print(const json_t *story);

#endif
