/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order in which round robin visits a service's backends: a cycle of positions, each of which
 * holds a backend's id, with every backend's share spread evenly over it. A pure function of the
 * backends' addresses and weights, whatever order they come in.
 */
#ifndef LEAT_MODEL_ORDER_H
#define LEAT_MODEL_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "model/table.h"

/*
 * How many positions to use: the largest number up to most that gives all backends exactly what
 * their weights say, or most if there is none. 0 when no backend has a weight.
 */
uint32_t order_size(const struct table_backend *backends, size_t count, uint32_t most);

/*
 * Fills order[0..size-1] with backends' ids, or with 0 when no backend has a weight. Addresses must
 * differ.
 *
 * A backend gets n = size * weight / sum of weights positions where all of these are whole, as with
 * order_size(); otherwise either neighbour of that number, by largest remainder. Where it is below
 * one, it gets one position, which the others pay for; the lightest get none if there are more
 * backends than positions.
 *
 * Of the first p positions, for any p, it has fewer than one more or less than p * n / size. So of
 * any p positions in a row, also past the end and on from the start, it has fewer than two more or
 * less than that.
 *
 * 0, or -ENOMEM with the order untouched.
 */
int order_build(const struct table_backend *backends, size_t count, uint16_t *order, uint32_t size);

#endif
