/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The body of a request that denies sources or takes that back, checked as strictly as those of
 * control_change.h.
 */
#ifndef LEAT_CONTROL_CONTROL_DENY_H
#define LEAT_CONTROL_CONTROL_DENY_H

#include "control/control.h"

/* 0, -ENOMEM, or -EINVAL; with *ret_error, a malloc()ed text for people or NULL. */
int control_deny_parse(const char *body, size_t size, struct control_deny *ret_deny,
		       char **ret_error);
void control_deny_deinit(struct control_deny *deny);

#endif
