/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The body of a request that changes a backend, checked strictly: what is not understood is refused,
 * so that nobody believes a change happened that did not.
 */
#ifndef LEAT_CONTROL_CONTROL_CHANGE_H
#define LEAT_CONTROL_CONTROL_CHANGE_H

#include "control/control.h"

#define CONTROL_CHANGE_MAX_BODY 4096

/* 0, or -EINVAL with *ret_error, a literal for people. */
int control_change_parse(const char *backend, const char *body, size_t size,
			 struct control_change *ret_change, const char **ret_error);

#endif
