/* SPDX-License-Identifier: GPL-2.0-only */
#include "netlink/rtnl.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

int rtnl_init(struct rtnl *rtnl)
{
	struct timeval timeout = { .tv_usec = RTNL_TIMEOUT_MS * 1000 };

	rtnl->buffer = malloc(RTNL_BUFFER_SIZE);
	if (!rtnl->buffer)
		return -ENOMEM;
	rtnl->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->socket)
		return -errno;
	if (mnl_socket_bind(rtnl->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	if (setsockopt(mnl_socket_get_fd(rtnl->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0)
		return -errno;
	return 0;
}

void rtnl_deinit(struct rtnl *rtnl)
{
	if (rtnl->socket)
		mnl_socket_close(rtnl->socket);
	free(rtnl->buffer);
	*rtnl = (struct rtnl)RTNL_NULL(*rtnl);
}

int rtnl_attr_get_address(const struct nlattr *attr, struct leat_addr *ret_address)
{
	struct in6_addr in6;
	struct in_addr in;

	switch (mnl_attr_get_payload_len(attr)) {
	case sizeof(in):
		memcpy(&in, mnl_attr_get_payload(attr), sizeof(in));
		*ret_address = address_from_ipv4(in);
		return 0;
	case sizeof(in6):
		memcpy(&in6, mnl_attr_get_payload(attr), sizeof(in6));
		*ret_address = address_from_ipv6(&in6);
		return 0;
	default:
		return -EINVAL;
	}
}

static uint32_t attr_get_u32(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) < 0 ? 0 : mnl_attr_get_u32(attr);
}

static bool attr_get_mac(const struct nlattr *attr, uint8_t ret_mac[6])
{
	if (mnl_attr_get_payload_len(attr) != 6)
		return false;
	memcpy(ret_mac, mnl_attr_get_payload(attr), 6);
	return true;
}

static unsigned char address_family(const struct leat_addr *address)
{
	return address_is_ipv4(address) ? AF_INET : AF_INET6;
}

static void put_address(struct nlmsghdr *request, uint16_t type, const struct leat_addr *address)
{
	if (address_is_ipv4(address))
		mnl_attr_put(request, type, sizeof(address->words[3]), &address->words[3]);
	else
		mnl_attr_put(request, type, sizeof(address->bytes), address->bytes);
}

static struct nlmsghdr *start_request(struct rtnl *rtnl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(rtnl->buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	request->nlmsg_seq = ++rtnl->sequence;
	return request;
}

static int receive(struct rtnl *rtnl, const struct nlmsghdr **ret_answer)
{
	const struct nlmsghdr *answer = (const struct nlmsghdr *)(const void *)rtnl->buffer;
	ssize_t size;

	/* An answer to an earlier request that was given up on may come first. */
	do {
		do {
			size = mnl_socket_recvfrom(rtnl->socket, rtnl->buffer, RTNL_BUFFER_SIZE);
		} while (size < 0 && errno == EINTR);
		if (size < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!mnl_nlmsg_ok(answer, (int)size))
			return -EBADMSG;
	} while (answer->nlmsg_seq != rtnl->sequence);
	*ret_answer = answer;
	return 0;
}

/*
 * What the kernel refuses goes to ret_refusal as a positive errno, so that its EAGAIN is not taken
 * for ours. The answer has at least `header_size` bytes of payload, unless it is an acknowledgement.
 */
static int ask(struct rtnl *rtnl, struct nlmsghdr *request, size_t header_size,
	       const struct nlmsghdr **ret_answer, int *ret_refusal)
{
	const struct nlmsghdr *answer = NULL;
	const struct nlmsgerr *error;
	int r;

	if (mnl_socket_sendto(rtnl->socket, request, request->nlmsg_len) < 0)
		return -errno;
	r = receive(rtnl, &answer);
	if (r < 0)
		return r;

	*ret_refusal = 0;
	if (answer->nlmsg_type == NLMSG_ERROR) {
		if (mnl_nlmsg_get_payload_len(answer) < sizeof(*error))
			return -EBADMSG;
		error = mnl_nlmsg_get_payload(answer);
		*ret_refusal = -error->error;
	} else if (mnl_nlmsg_get_payload_len(answer) < header_size) {
		return -EBADMSG;
	}
	*ret_answer = answer;
	return 0;
}

static int metrics_read_attr(const struct nlattr *attr, void *user)
{
	uint32_t *mtu = user;

	if (mnl_attr_get_type(attr) == RTAX_MTU)
		*mtu = attr_get_u32(attr);
	return MNL_CB_OK;
}

static int via_get_address(const struct nlattr *attr, struct leat_addr *ret_address)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	struct in6_addr in6;

	if (mnl_attr_get_payload_len(attr) < sizeof(*via) + sizeof(in6) ||
	    via->rtvia_family != AF_INET6)
		return -EINVAL;
	memcpy(&in6, via->rtvia_addr, sizeof(in6));
	*ret_address = address_from_ipv6(&in6);
	return 0;
}

static int route_read_attr(const struct nlattr *attr, void *user)
{
	struct rtnl_route *route = user;

	switch (mnl_attr_get_type(attr)) {
	case RTA_OIF:
		route->ifindex = attr_get_u32(attr);
		break;
	case RTA_GATEWAY:
		route->has_gateway = rtnl_attr_get_address(attr, &route->gateway) == 0;
		break;
	case RTA_VIA:
		route->has_gateway = via_get_address(attr, &route->gateway) == 0;
		break;
	case RTA_METRICS:
		mnl_attr_parse_nested(attr, metrics_read_attr, &route->mtu);
		break;
	}
	return MNL_CB_OK;
}

static enum rtnl_route_kind route_kind(unsigned char type)
{
	switch (type) {
	case RTN_UNICAST:
		return RTNL_ROUTE_UNICAST;
	case RTN_LOCAL:
		return RTNL_ROUTE_LOCAL;
	default:
		return RTNL_ROUTE_NONE;
	}
}

static struct rtnl_route route_read(const struct nlmsghdr *answer)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(answer);
	struct rtnl_route route = { .kind = route_kind(header->rtm_type) };

	mnl_attr_parse(answer, sizeof(*header), route_read_attr, &route);
	if (route.ifindex == 0)
		route.kind = RTNL_ROUTE_NONE;
	return route;
}

int rtnl_get_route(struct rtnl *rtnl, const struct leat_addr *address, struct rtnl_route *ret_route)
{
	struct nlmsghdr *request = start_request(rtnl, RTM_GETROUTE, 0);
	const struct nlmsghdr *answer;
	struct rtmsg *header;
	int r, refusal;

	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = address_family(address);
	header->rtm_dst_len = address_is_ipv4(address) ? 32 : 128;
	put_address(request, RTA_DST, address);
	r = ask(rtnl, request, sizeof(*header), &answer, &refusal);
	if (r < 0)
		return r;
	/* These say that the kernel is short of something, the others that there is no way there:
	 * unreachable, prohibit (EACCES), blackhole (EINVAL), a family that is switched off. */
	if (refusal == ENOMEM || refusal == ENOBUFS)
		return -refusal;
	*ret_route = refusal ? (struct rtnl_route){ 0 } : route_read(answer);
	return 0;
}

static int link_read_vlan(const struct nlattr *attr, void *user)
{
	struct rtnl_link *link = user;

	if (mnl_attr_get_type(attr) == IFLA_VLAN_ID && mnl_attr_validate(attr, MNL_TYPE_U16) == 0)
		link->vlan = mnl_attr_get_u16(attr);
	if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL &&
	    mnl_attr_validate(attr, MNL_TYPE_U16) == 0)
		link->is_vlan &= mnl_attr_get_u16(attr) == htons(ETH_P_8021Q);
	return MNL_CB_OK;
}

/* The kind comes before what it says of itself. */
static int link_read_info(const struct nlattr *attr, void *user)
{
	struct rtnl_link *link = user;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		link->is_vlan = strcmp(mnl_attr_get_str(attr), "vlan") == 0;
	if (mnl_attr_get_type(attr) == IFLA_INFO_DATA && link->is_vlan)
		mnl_attr_parse_nested(attr, link_read_vlan, link);
	return MNL_CB_OK;
}

static int link_read_attr(const struct nlattr *attr, void *user)
{
	struct rtnl_link *link = user;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_MTU:
		link->mtu = attr_get_u32(attr);
		break;
	case IFLA_ADDRESS:
		attr_get_mac(attr, link->mac);
		break;
	case IFLA_LINK:
		link->lower = attr_get_u32(attr);
		break;
	case IFLA_LINKINFO:
		mnl_attr_parse_nested(attr, link_read_info, link);
		break;
	}
	return MNL_CB_OK;
}

static struct rtnl_link link_read(const struct nlmsghdr *answer)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(answer);
	struct rtnl_link link = { .ifindex = (uint32_t)header->ifi_index,
				  .type = header->ifi_type };

	mnl_attr_parse(answer, sizeof(*header), link_read_attr, &link);
	return link;
}

int rtnl_get_link(struct rtnl *rtnl, uint32_t ifindex, struct rtnl_link *ret_link)
{
	struct nlmsghdr *request = start_request(rtnl, RTM_GETLINK, 0);
	const struct nlmsghdr *answer;
	struct ifinfomsg *header;
	int r, refusal;

	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->ifi_index = (int)ifindex;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = ask(rtnl, request, sizeof(*header), &answer, &refusal);
	if (r < 0)
		return r;
	if (refusal)
		return -refusal;
	*ret_link = link_read(answer);
	return 0;
}

static struct nlmsghdr *start_neighbour_request(struct rtnl *rtnl, uint16_t type, uint16_t flags,
						uint32_t ifindex, const struct leat_addr *address)
{
	struct nlmsghdr *request = start_request(rtnl, type, flags);
	struct ndmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ndm_family = address_family(address);
	header->ndm_ifindex = (int)ifindex;
	put_address(request, NDA_DST, address);
	return request;
}

static int neighbour_read_attr(const struct nlattr *attr, void *user)
{
	struct rtnl_neighbour *neighbour = user;

	if (mnl_attr_get_type(attr) == NDA_LLADDR)
		neighbour->has_mac = attr_get_mac(attr, neighbour->mac);
	return MNL_CB_OK;
}

static struct rtnl_neighbour neighbour_read(const struct nlmsghdr *answer)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(answer);
	struct rtnl_neighbour neighbour = { .state = header->ndm_state };

	mnl_attr_parse(answer, sizeof(*header), neighbour_read_attr, &neighbour);
	return neighbour;
}

int rtnl_get_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct leat_addr *address,
		       struct rtnl_neighbour *ret_neighbour)
{
	struct nlmsghdr *request = start_neighbour_request(rtnl, RTM_GETNEIGH, 0, ifindex, address);
	const struct nlmsghdr *answer;
	int r, refusal;

	r = ask(rtnl, request, sizeof(struct ndmsg), &answer, &refusal);
	if (r < 0)
		return r;
	if (refusal && refusal != ENOENT)
		return -refusal;
	*ret_neighbour = refusal ? (struct rtnl_neighbour){ 0 } : neighbour_read(answer);
	return 0;
}

int rtnl_use_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct leat_addr *address)
{
	struct nlmsghdr *request = start_neighbour_request(
		rtnl, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, ifindex, address);
	struct ndmsg *header = mnl_nlmsg_get_payload(request);
	const struct nlmsghdr *answer;
	int r, refusal;

	header->ndm_flags = NTF_USE;
	r = ask(rtnl, request, 0, &answer, &refusal);
	return r < 0 ? r : -refusal;
}
