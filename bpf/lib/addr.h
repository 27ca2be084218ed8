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
	if (is_v4(addr))
		return v4(addr) == v4(&node->addr) || v4(addr) == v4(&node->router);
	return (node->flags & SG_NODE_IPV6) && (same_addr(addr, &node->addr6) || same_addr(addr, &node->router6));
}

/* Whoever is outside the cluster and known by no prefix. */
static __always_inline __u32 world_of(const struct sg_node *node, const struct sg_addr *addr)
{
	if (!(node->flags & SG_NODE_IPV6))
		return IDENTITY_WORLD;
	return is_v4(addr) ? IDENTITY_WORLD_IPV4 : IDENTITY_WORLD_IPV6;
}

static __always_inline struct sg_remote *ipcache(const struct sg_addr *addr)
{
	struct sg_ipcache_key key = { .prefixlen = 128, .addr = *addr };
	struct sg_remote *remote = bpf_map_lookup_elem(&sg_ipcache, &key);

	return remote && (remote->flags & SG_REMOTE_IPV6) && is_v4(addr) ? NULL : remote;
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
	return remote ? remote->identity : world_of(node, addr);
}

static __always_inline __be32 tunnel_of_remote(const struct sg_remote *remote, const struct sg_addr *addr)
{
	if (!remote)
		return 0;
	if (!remote->tunnel && is_v4(addr) && is_node_identity(remote->identity))
		return v4(addr);
	return remote->tunnel;
}

/* The node behind which an address is; another node's own address is behind itself. 0 = outside the cluster. */
static __always_inline __be32 tunnel_of(const struct sg_addr *addr)
{
	return tunnel_of_remote(ipcache(addr), addr);
}

/* Whose the destination is, which is no local endpoint's, and behind which node: one lookup for both. */
static __always_inline void resolve(struct packet *p, const struct sg_node *node)
{
	struct sg_remote *remote;

	if (is_this_node(node, &p->tuple.dst)) {
		p->dst_identity = IDENTITY_HOST;
		return;
	}
	remote = ipcache(&p->tuple.dst);
	p->dst_identity = remote ? remote->identity : world_of(node, &p->tuple.dst);
	p->tunnel = tunnel_of_remote(remote, &p->tuple.dst);
}

static __always_inline bool in_range(const struct sg_range *range, const struct sg_addr *addr)
{
	__u32 differs = 0;
	int word;

	for (word = 0; word < 4; word++)
		differs |= (addr->words[word] & range->mask.words[word]) ^ range->addr.words[word];
	return differs == 0;
}

static __always_inline bool in_cluster(const struct sg_node *node, const struct sg_addr *addr)
{
	return in_range(is_v4(addr) ? &node->cluster : &node->cluster6, addr);
}

static __always_inline bool in_services(const struct sg_node *node, const struct sg_addr *addr)
{
	return in_range(is_v4(addr) ? &node->services : &node->services6, addr);
}

/* An address of the fabric that every node takes for its own: broadcast, or the anycast of its routers. */
static __always_inline bool is_everybodys(const struct sg_range *range, const struct sg_addr *addr)
{
	__u32 ones = 0xffffffff, zeros = 0;
	int word;

	if (!in_range(range, addr))
		return false;
	for (word = 0; word < 4; word++) {
		ones &= addr->words[word] | range->mask.words[word];
		zeros |= addr->words[word] & ~range->mask.words[word];
	}
	return zeros == 0 || (is_v4(addr) && ones == 0xffffffff);
}

/* Not for one host: multicast, broadcast, anycast, or what means something on one link only. */
static __always_inline bool is_shared(const struct sg_node *node, const struct sg_addr *addr)
{
	if (!is_v4(addr))
		return is_link_scope(addr) || is_everybodys(&node->fabric6, addr);
	return addr->bytes[12] >= 224 || is_everybodys(&node->fabric, addr);
}

/* The address that the endpoint has in the packet's family. */
static __always_inline const struct sg_addr *own_address(const struct packet *p, const struct sg_endpoint *endpoint)
{
	return p->is_ipv6 ? &endpoint->addr6 : &endpoint->addr;
}
