/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * QUIC by connection id, for services with `quic`: a connection stays with the server that issued its id
 * while its client's address changes (RFC 9000, 9). The id says which server that is in the plaintext
 * form of draft-ietf-quic-load-balancers. What a client has made up itself is not looked at: the first
 * packets of a connection are hashed.
 */
#ifndef LEAT_BPF_QUIC_H
#define LEAT_BPF_QUIC_H

#include "bpf/flow.h"

#define QUIC_LONG_HEADER 0x80
#define QUIC_SHORT_ID	 1 /* where the destination's connection id begins */
#define QUIC_LONG_ID	 6
#define QUIC_HEAD_MAX	 (QUIC_LONG_ID + 1 + LEAT_QUIC_SERVER_ID_MAX)

/* RFC 9000 and RFC 9369. */
#define QUIC_VERSION_1	  0x00000001
#define QUIC_VERSION_2	  0x6b3343cf
#define QUIC_HANDSHAKE_V1 2
#define QUIC_HANDSHAKE_V2 3

/* Of long headers only a Handshake packet's id is sure to be a server's: an Initial may be the first one,
 * and what follows in other versions nobody knows. */
static __always_inline int quic_is_handshake(const __u8 *bytes)
{
	__u32 version = (__u32)bytes[1] << 24 | bytes[2] << 16 | bytes[3] << 8 | bytes[4];
	__u32 type = bytes[0] >> 4 & 3;

	return (version == QUIC_VERSION_1 && type == QUIC_HANDSHAKE_V1) ||
	       (version == QUIC_VERSION_2 && type == QUIC_HANDSHAKE_V2);
}

/* The backend with the server id that begins at `id`, of which `room` bytes are there; 0: none. */
static __always_inline __u32 quic_find(__u32 service, const __u8 *id, __u32 room)
{
	struct leat_quic_key key = { .service = service, .config = id[0] >> 5 };
	const struct leat_policy *policy = bpf_map_lookup_elem(&policies, &service);
	const __u32 *backend;
	__u32 length;

	if (!policy)
		return 0;
	length = leat_quic_length(policy->quic_lengths, key.config);
	if (!length || room < 1 + length)
		return 0;
	for (__u32 i = 0; i < LEAT_QUIC_SERVER_ID_MAX; i++)
		key.server_id[i] = i < length ? id[1 + i] : 0;
	backend = bpf_map_lookup_elem(&quic_ids, &key);
	return backend ? *backend : 0;
}

/*
 * The backend that the datagram at `offset` of the frame, of `size` bytes, is for; 0: its hash decides. A
 * backend that drains keeps its connections; one that is down does not, and that is no event. Global,
 * as flow_pick().
 */
__noinline __u32 quic_pick(struct xdp_md *ctx, __u32 service, __u32 offset, __u32 size)
{
	__u8 head[QUIC_HEAD_MAX + 2] = { 0 };
	__u32 backend, there = size;

	if (there > QUIC_HEAD_MAX)
		there = QUIC_HEAD_MAX;
	barrier_var(there);
	/* Linux 6.1 learns nothing of a lower bound from `there == 0`. */
	if (there <= QUIC_SHORT_ID || there > QUIC_HEAD_MAX ||
	    bpf_xdp_load_bytes(ctx, offset, head, there))
		return 0;
	if (!(head[0] & QUIC_LONG_HEADER)) {
		backend = quic_find(service, head + QUIC_SHORT_ID, there - QUIC_SHORT_ID);
	} else if (quic_is_handshake(head) && there > QUIC_LONG_ID) {
		__u32 room = there - QUIC_LONG_ID, length = head[QUIC_LONG_ID - 1];

		backend = quic_find(service, head + QUIC_LONG_ID, length < room ? length : room);
	} else {
		return 0;
	}
	if (!backend)
		count_event(LEAT_EVENT_UNKNOWN_QUIC_ID);
	return backend && serves(backend) ? backend : 0;
}

#endif
