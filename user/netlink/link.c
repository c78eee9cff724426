/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/link.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum link_state link_read_state(const char *name, uint32_t ifindex)
{
	cleanup(close_fdp) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	if (if_nametoindex(name) != ifindex)
		return LINK_GONE;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return LINK_UP;
	return request.ifr_flags & IFF_RUNNING ? LINK_UP : LINK_DOWN;
}
