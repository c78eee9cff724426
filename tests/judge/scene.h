/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both the host's and the kernel's datapath are told: a configuration with a service of every
 * kind, made into maps by the daemon's own modules, some of its slots open after a change.
 */
#ifndef LEAT_TESTS_JUDGE_SCENE_H
#define LEAT_TESTS_JUDGE_SCENE_H

#include "daemon/applier.h"
#include "tests/judge/programs.h"

#define SCENE_NEAR 1 /* the interface that packets come in by */
#define SCENE_AWAY 2 /* another one, by which some backends are reached */

/* Ids are below these. */
#define SCENE_MAX_SERVICES 32
#define SCENE_MAX_BACKENDS 64

struct scene {
	struct datapath datapath;
	struct decap decap;
	struct node node;
	struct applier applier;
};

/* Ends the process if it fails. The host's clock is set before. */
void scene_init(struct scene *scene);
void scene_deinit(struct scene *scene);

/* By its id in the maps; NULL: no backend has it. */
const struct backend *scene_find_backend(const struct scene *scene, uint32_t id);

/* Ends the process with a message, for whatever must not be. */
_Noreturn void scene_fail(const char *format, ...) printf_like(1);

#endif
