/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flows that are translated, from the daemon's side.
 */
#include <bpf/bpf.h>
#include <errno.h>

#include "datapath/internal.h"

int datapath_set_nat_pools(struct datapath *datapath,
			   const struct leat_nat_pool pools[NAT_FAMILIES])
{
	static const uint32_t families[] = { [NAT_IPV4] = 4, [NAT_IPV6] = 6 };
	int fd = bpf_map__fd(datapath->maps->maps.nat_pool);

	for (size_t i = 0; i < NAT_FAMILIES; i++) {
		if (bpf_map_update_elem(fd, &families[i], &pools[i], BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}
