/* SPDX-License-Identifier: GPL-2.0-only */
#include "tools/host/frame.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

/* In room that was made and that the program left as it was. */
#define UNWRITTEN 0xa5

static uint8_t *head_of(const struct host_frame *frame)
{
	return (uint8_t *)frame->data;
}

static uint32_t linear_size(const struct host_frame *frame)
{
	return (uint32_t)(frame->data_end - frame->data);
}

uint32_t host_frame_size(const struct host_frame *frame)
{
	return linear_size(frame) + frame->rest_size;
}

static void set_head(struct host_frame *frame, uint8_t *bytes, uint32_t size)
{
	frame->data = frame->data_meta = (unsigned long)bytes;
	frame->data_end = frame->data + size;
}

static uint8_t *copy_of(const uint8_t *bytes, uint32_t size)
{
	uint8_t *copy = malloc(size);

	if (copy)
		memcpy(copy, bytes, size);
	return copy;
}

int host_frame_init(struct host_frame *frame, const uint8_t *bytes, uint32_t size, uint32_t linear)
{
	uint8_t *head;

	*frame = (struct host_frame){
		.headroom = HOST_HEADROOM,
		.tailroom = HOST_TAILROOM,
		.ingress_ifindex = 1,
	};
	linear = linear < size ? linear : size;
	head = copy_of(bytes, linear);
	if (!head)
		return -ENOMEM;
	set_head(frame, head, linear);
	if (size == linear)
		return 0;
	frame->rest = copy_of(bytes + linear, size - linear);
	frame->rest_size = size - linear;
	if (frame->rest)
		return 0;
	host_frame_deinit(frame);
	return -ENOMEM;
}

void host_frame_deinit(struct host_frame *frame)
{
	free(head_of(frame));
	free(frame->rest);
	*frame = (struct host_frame){ 0 };
}

/* Into a block of another size, `front` bytes later there (or earlier, if less than 0). */
static long move_head(struct host_frame *frame, int front, uint32_t size)
{
	uint32_t before = linear_size(frame), cut = front < 0 ? (uint32_t)-front : 0;
	uint32_t gap = front > 0 ? (uint32_t)front : 0;
	uint32_t kept = before - cut < size - gap ? before - cut : size - gap;
	uint8_t *bytes = malloc(size);

	if (!bytes)
		return -ENOMEM;
	memset(bytes, UNWRITTEN, size);
	memcpy(bytes + gap, head_of(frame) + cut, kept);
	free(head_of(frame));
	set_head(frame, bytes, size);
	return 0;
}

long host_frame_adjust_head(struct host_frame *frame, int delta)
{
	int64_t size = (int64_t)linear_size(frame) - delta;
	long r;

	if (size < ETH_HLEN || -(int64_t)delta > frame->headroom)
		return -EINVAL;
	r = move_head(frame, -delta, (uint32_t)size);
	if (r == 0)
		frame->headroom += (uint32_t)delta;
	return r;
}

/* Fragments are cut from their end, and then what is before them. They do not grow: that is up to the
 * driver. */
static long adjust_rest(struct host_frame *frame, int delta)
{
	int64_t size = (int64_t)host_frame_size(frame) + delta;

	if (delta > 0 || size < ETH_HLEN)
		return -EINVAL;
	if (size >= linear_size(frame)) {
		frame->rest_size = (uint32_t)size - linear_size(frame);
		return 0;
	}
	frame->rest_size = 0;
	return move_head(frame, 0, (uint32_t)size);
}

long host_frame_adjust_tail(struct host_frame *frame, int delta)
{
	int64_t size = (int64_t)linear_size(frame) + delta;
	long r;

	if (frame->rest_size)
		return adjust_rest(frame, delta);
	if (size < ETH_HLEN || delta > (int64_t)frame->tailroom)
		return -EINVAL;
	r = move_head(frame, 0, (uint32_t)size);
	if (r == 0)
		frame->tailroom -= (uint32_t)delta;
	return r;
}

long host_frame_load(const struct host_frame *frame, uint32_t offset, void *to, uint32_t size)
{
	uint32_t linear = linear_size(frame), head;

	if ((uint64_t)offset + size > host_frame_size(frame))
		return -EINVAL;
	head = offset >= linear ? 0 : linear - offset < size ? linear - offset : size;
	if (head)
		memcpy(to, head_of(frame) + offset, head);
	if (head < size)
		memcpy((uint8_t *)to + head, frame->rest + offset + head - linear, size - head);
	return 0;
}

long host_frame_store(struct host_frame *frame, uint32_t offset, const void *from, uint32_t size)
{
	uint32_t linear = linear_size(frame), head;

	if ((uint64_t)offset + size > host_frame_size(frame))
		return -EINVAL;
	head = offset >= linear ? 0 : linear - offset < size ? linear - offset : size;
	if (head)
		memcpy(head_of(frame) + offset, from, head);
	if (head < size)
		memcpy(frame->rest + offset + head - linear, (const uint8_t *)from + head,
		       size - head);
	return 0;
}
