/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of the map of services: a hash table with linear probing, and in it for each service what
 * is asked for without a port.
 */
#ifndef LEAT_MODEL_SERVICE_TABLE_H
#define LEAT_MODEL_SERVICE_TABLE_H

#include "maps/layout.h"

/* Into a table of LEAT_SERVICE_ENTRIES. 0; -E2BIG: too many others share its place. */
int service_table_place(struct leat_service_entry *table, const struct leat_service_entry *service);

#endif
