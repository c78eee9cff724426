/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/rehearsal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "model/encode.h"
#include "model/succession.h"

static int take_services(struct node *node)
{
	struct succession succession;
	int r = succession_make(node, node->config, false, &succession);

	if (r < 0)
		return r;
	node->services = succession.services;
	node->service_count = succession.count;
	return 0;
}

/* A test run's packets come in on the loopback interface. */
static struct next_hop make_next_hop(const struct config *config, const struct rehearsal_path *path)
{
	struct next_hop hop = {
		.state = NEXT_HOP_RESOLVED,
		.ifindex = if_nametoindex("lo"),
		.mtu = path->mtu,
		.vlan = path->vlan,
	};

	memcpy(hop.dst_mac, config->next_hop.bytes, sizeof(hop.dst_mac));
	memcpy(hop.src_mac, config->next_hop.bytes, sizeof(hop.src_mac));
	return hop;
}

static void set_paths(struct node *node, const struct rehearsal_path *path)
{
	for (size_t i = 0; i < node->service_count; i++) {
		struct service *service = node->services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			service->backends[j]->next_hop = make_next_hop(node->config, path);
	}
}

static void raise_backends(struct node *node)
{
	for (size_t i = 0; i < node->service_count; i++) {
		struct service *service = node->services[i];

		for (size_t j = 0; j < service->backend_count; j++)
			service->backends[j]->has_probe = false;
	}
}

int rehearsal_init(struct rehearsal *rehearsal, struct config *config, bool has_trace,
		   const struct rehearsal_path *path)
{
	static const struct mac next_hop = REHEARSAL_NEXT_HOP;
	struct leat_options options = options_encode(config);
	struct node *node = &rehearsal->node;
	int r;

	*rehearsal = (struct rehearsal){ .node.config = config };
	if (!config->has_next_hop)
		config->next_hop = next_hop;
	config->has_next_hop = !path;
	options.trace = has_trace;

	r = take_services(node);
	if (r == 0)
		r = datapath_new(&rehearsal->datapath, NULL, config->flows, &options);
	if (r == 0)
		r = applier_init(&rehearsal->applier, rehearsal->datapath);
	if (r == 0) {
		raise_backends(node);
		if (path)
			set_paths(node, path);
		r = applier_apply(&rehearsal->applier, node, node->services, node->service_count,
				  true);
	}
	if (r < 0)
		rehearsal_deinit(rehearsal);
	return r;
}

void rehearsal_deinit(struct rehearsal *rehearsal)
{
	applier_deinit(&rehearsal->applier);
	datapath_freep(&rehearsal->datapath);
	node_deinit(&rehearsal->node);
	*rehearsal = (struct rehearsal){ 0 };
}

const struct service *rehearsal_service(const struct rehearsal *rehearsal, uint32_t number)
{
	for (size_t i = 0; i < rehearsal->node.service_count; i++) {
		if (rehearsal->node.services[i]->id + 1 == number)
			return rehearsal->node.services[i];
	}
	return NULL;
}

const struct backend *rehearsal_backend(const struct rehearsal *rehearsal, uint32_t id)
{
	for (size_t i = 0; i < rehearsal->node.service_count; i++) {
		const struct service *service = rehearsal->node.services[i];

		for (size_t j = 0; j < service->backend_count; j++) {
			if (id && service->backends[j]->id == id)
				return service->backends[j];
		}
	}
	return NULL;
}
