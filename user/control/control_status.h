/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the status page shows, as one document of bounded size that names no client: anybody who reaches
 * the metrics may read it.
 */
#ifndef LEAT_CONTROL_CONTROL_STATUS_H
#define LEAT_CONTROL_CONTROL_STATUS_H

#include <jansson.h>

#include "model/node.h"

/* Where there are more, those in trouble go before others, and how many are left out is said. */
#define CONTROL_STATUS_SERVICES 100
#define CONTROL_STATUS_BACKENDS 50 /* of a service */
#define CONTROL_STATUS_EVENTS	50

/* A new reference, or NULL when out of memory. */
json_t *control_status_json(const struct node *node);

#endif
