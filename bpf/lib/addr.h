/* SPDX-License-Identifier: Apache-2.0 */
/* Who is behind an address: local endpoint, this node, or what the ipcache says. */
#pragma once
#include "maps.h"
#include "packet.h"

static __always_inline struct sg_endpoint *local_endpoint(const struct sg_addr *addr)
{
	struct sg_addr key = *addr;

	return bpf_map_lookup_elem(&sg_endpoint_by_addr, &key);
}

static __always_inline bool is_this_node(const struct sg_node *node, const struct sg_addr *addr)
{
	return v4(addr) == v4(&node->addr) || v4(addr) == v4(&node->router);
}

static __always_inline struct sg_remote *ipcache(const struct sg_addr *addr)
{
	struct sg_ipcache_key key = { .prefixlen = 128, .addr = *addr };

	return bpf_map_lookup_elem(&sg_ipcache, &key);
}

static __always_inline bool is_node_identity(__u32 identity)
{
	return identity == IDENTITY_REMOTE_NODE || identity == IDENTITY_KUBE_APISERVER;
}

/* Identity of an address that is not a local endpoint's. */
static __always_inline __u32 identity_of(const struct sg_node *node, const struct sg_addr *addr)
{
	struct sg_remote *remote;

	if (is_this_node(node, addr))
		return IDENTITY_HOST;
	remote = ipcache(addr);
	return remote ? remote->identity : IDENTITY_WORLD;
}

/* The node behind which an address is; another node's own address is behind itself. 0 = outside the cluster. */
static __always_inline __be32 tunnel_of(const struct sg_addr *addr)
{
	struct sg_remote *remote = ipcache(addr);

	if (!remote)
		return 0;
	if (!remote->tunnel && is_node_identity(remote->identity))
		return v4(addr);
	return remote->tunnel;
}

static __always_inline bool in_cluster(const struct sg_node *node, const struct sg_addr *addr)
{
	return (v4(addr) & node->cluster_cidr_mask) == node->cluster_cidr;
}

static __always_inline bool in_services(const struct sg_node *node, const struct sg_addr *addr)
{
	return (v4(addr) & node->service_cidr_mask) == node->service_cidr;
}
