/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libbpf and libxdp write to standard error by themselves. Here they do not: what they say is kept
 * for whoever reports the failure, and shown as it comes to those who asked for debug output.
 */
#ifndef LEAT_DATAPATH_LIBRARY_H
#define LEAT_DATAPATH_LIBRARY_H

void library_capture_warnings(void);
/* The last warning, for the message that says what failed because of it. */
const char *library_warning(void);

#endif
