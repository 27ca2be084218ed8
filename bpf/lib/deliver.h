/* SPDX-License-Identifier: Apache-2.0 */
/* The last step of a packet at tc ingress: into a pod, into the overlay, to the node's own stack. */
#pragma once
#include "addr.h"
#include "host_firewall.h"
#include "parse.h"
#include "policy.h"
#include "proxy.h"
#include "service.h"

static __always_inline int set_macs(struct __sk_buff *skb, const struct sg_endpoint *endpoint)
{
	__u8 macs[12];

	__builtin_memcpy(macs, endpoint->mac, 6);
	__builtin_memcpy(macs + 6, endpoint->host_mac, 6);
	return bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
}

VERIFIED_ONCE int encapsulate(struct __sk_buff *skb, struct packet *p, __be32 tunnel, __u32 identity)
{
	struct sg_node *node = this_node();
	struct bpf_tunnel_key key = {
		.tunnel_id = identity,
		.remote_ipv4 = bpf_ntohl(tunnel),
		.tunnel_ttl = 64,
	};

	if (!p)
		return TC_ACT_SHOT;
	/* The VNI has 24 bits; identities of this node's scope (CIDR) must not be cut down to somebody else's. */
	if (!node || identity >> 24)
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	if (bpf_skb_set_tunnel_key(skb, &key, sizeof(key), BPF_F_ZERO_CSUM_TX) < 0)
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	p->out_ifindex = node->overlay_ifindex;
	trace(skb, p, SG_TRACE_TO_OVERLAY, SG_EGRESS);
	return bpf_redirect(node->overlay_ifindex, 0);
}

/* To a pod of the node behind `tunnel`, or to that node itself. */
VERIFIED_ONCE int to_other_node(struct __sk_buff *skb, struct packet *p, __be32 tunnel, __u32 identity)
{
	struct sg_node *node = this_node();

	if (!p || !node)
		return TC_ACT_SHOT;
	if (!(node->flags & SG_NODE_NATIVE))
		return encapsulate(skb, p, tunnel, identity);
	p->out_ifindex = node->network_ifindex;
	trace(skb, p, SG_TRACE_TO_NETWORK, SG_EGRESS);
	skb->mark = SG_MARK_MADE_HERE; /* to_network need not look at it again */
	return bpf_redirect_neigh(node->network_ifindex, NULL, 0, 0);
}

/* Puts the frontend back on the answer of a connection that came to a port of this node, or on an ICMP error about it, and sends
 * it to its client. 0 = it is no such answer; else what the program must return. */
VERIFIED_ONCE int node_port_answer(struct __sk_buff *skb, struct packet *p)
{
	struct sg_node *node = this_node();
	struct sg_ct_entry *entry;
	struct sg_addr frontend;
	__be16 port;
	int failed = 0;

	if (!p || !node || is_syn(p))
		return 0;
	entry = p->icmp_error ? ct_find(p, &p->inner, FORWARD, SG_CT_EGRESS) : ct_find(p, &p->tuple, REVERSE, SG_CT_EGRESS);
	if (!entry || !(entry->flags & SG_CT_FLAG_NAT))
		return 0;
	frontend = entry->nat;
	port = entry->nat_port;
	if (p->icmp_error)
		failed = rewrite_quoted(skb, p, DESTINATION, &frontend, port);
	else
		ct_touch(p, entry, 1);
	p->original_source = p->tuple.src;
	if (!failed)
		failed = rewrite(skb, p, SOURCE, &frontend, port);
	if (failed)
		return drop(skb, p, failed);
	p->out_ifindex = node->network_ifindex;
	trace(skb, p, SG_TRACE_TO_NETWORK, SG_EGRESS);
	skb->mark = SG_MARK_MADE_HERE; /* it is the backend's, and was judged there */
	/* Not by the stack: it takes a packet from its own address for forged. */
	return bpf_redirect_neigh(node->network_ifindex, NULL, 0, 0);
}

/* The answer leaves through the node that its connection came through, p->via. */
VERIFIED_ONCE int leave_through_node(struct __sk_buff *skb, struct packet *p, __u32 identity)
{
	struct sg_node *node = this_node();
	int answered;

	if (!p || !node)
		return TC_ACT_SHOT;
	if (p->via != v4(&node->addr))
		return encapsulate(skb, p, p->via, identity);
	answered = node_port_answer(skb, p);
	return answered ? answered : drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
}

/* Judges the packet for the pod that it is for and hands it over. */
VERIFIED_ONCE int to_local_endpoint(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	int failed;

	if (!p || !endpoint)
		return TC_ACT_SHOT;
	p->dst_identity = endpoint->identity;
	p->dst_endpoint = endpoint->id;
	failed = judge(skb, p, endpoint, SG_INGRESS);
	if (failed)
		return drop(skb, p, failed);
	if (p->proxy_port) {
		record_origin(p, endpoint, SG_INGRESS);
		return redirect_to_proxy(skb, p);
	}
	failed = service_restore(skb, p);
	if (failed)
		return drop(skb, p, failed);
	if (set_macs(skb, endpoint) < 0)
		return drop(skb, p, FAIL(p, DROP_INVALID_PACKET));
	p->out_ifindex = endpoint->ifindex;
	trace(skb, p, SG_TRACE_TO_ENDPOINT, SG_INGRESS);
	return bpf_redirect_peer(endpoint->ifindex, 0);
}

VERIFIED_ONCE int to_host(struct __sk_buff *skb, struct packet *p, __u32 point)
{
	struct sg_node *node = this_node();
	int failed;

	if (!p)
		return TC_ACT_SHOT;
	failed = host_gets(skb, p);
	if (!failed)
		failed = host_service_restore(skb, p);
	if (failed)
		return drop(skb, p, failed);
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	trace(skb, p, point, p->src_endpoint ? SG_EGRESS : SG_INGRESS);
	/* The node asked at a port of its own: its stack takes its own address from cilium_host alone. */
	if (node && is_this_node(node, &p->tuple.src))
		return bpf_redirect(node->host_ifindex, BPF_F_INGRESS);
	return TC_ACT_OK;
}
