/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What client and server of the churn test say to each other, over TCP and UDP alike: every byte
 * that the client sends is answered with one record, which names the server and has the byte again.
 */
#ifndef LEAT_TESTS_CHURN_RECORD_H
#define LEAT_TESTS_CHURN_RECORD_H

#include <stdint.h>

#define RECORD_NAME_SIZE 15 /* padded with NULs, and the last of them is one */

struct record {
	char name[RECORD_NAME_SIZE];
	uint8_t sequence;
};

_Static_assert(sizeof(struct record) == 16, "struct record is what goes over the wire");

#endif
