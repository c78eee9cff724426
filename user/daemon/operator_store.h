/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operator's changes in a file, so that they outlive restarts and reboots. They are kept by
 * address, as identities are, and not by name.
 */
#ifndef LEAT_DAEMON_OPERATOR_STORE_H
#define LEAT_DAEMON_OPERATOR_STORE_H

#include "model/node.h"
#include "model/succession.h"

/* Puts the file's changes into the services' backends, and what it denies into `denied`; those of backends
 * that are not there are forgotten. No file is no error. 0 or -errno, logged. */
int operator_store_load(const char *path, const struct succession *services, struct denied *denied);

/* Replaces the file as a whole by the node's changes and what it denies. 0 or -errno; the file then is as
 * it was. */
int operator_store_save(const char *path, const struct node *node);

#endif
