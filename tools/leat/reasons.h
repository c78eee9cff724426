/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reasons and actions in words.
 */
#ifndef LEAT_TOOLS_REASONS_H
#define LEAT_TOOLS_REASONS_H

#include <stdint.h>

/* "tx", "redirect", "pass" or "drop" of an XDP_*. */
const char *action_name(uint32_t action);
/* "forwarded", and "sent to a backend"; "?" of what is no reason. */
const char *reason_label(uint32_t reason);
const char *reason_text(uint32_t reason);
/* What to do about it, as docs/reasons.md has it; NULL where the text says it all. */
const char *reason_advice(uint32_t reason);

#endif
