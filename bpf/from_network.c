/* SPDX-License-Identifier: Apache-2.0 */
/* tc ingress on the fabric's interface: answers of the world to pods, and the world that comes to pods. */
#include "refuse.h"

/* This node's own addresses are forged here, and so are those of other nodes' pods where they come through the overlay. */
static __always_inline int network_identity(struct packet *p, const struct sg_node *this)
{
	struct sg_remote *remote = ipcache(&p->tuple.src);

	p->src_identity = remote ? remote->identity : world_of(this, &p->tuple.src);
	if (local_endpoint(&p->tuple.src) || is_this_node(this, &p->tuple.src) ||
	    (!(this->flags & SG_NODE_NATIVE) && remote && remote->tunnel && !is_node_identity(remote->identity)))
		return FAIL(p, DROP_INVALID_SOURCE_IP);
	return 0;
}

/* The node itself is asked from the fabric, and has a policy. */
static __always_inline int network_to_host(struct __sk_buff *skb, struct packet *p, const struct sg_node *node)
{
	int failed = network_identity(p, node);

	return failed ? failed : host_gets(skb, p);
}

/* A connection to a port of this node that stands for a service. */
static __noinline int to_node_port(struct __sk_buff *skb, struct packet *p)
{
	struct sg_node *node = this_node();
	struct sg_endpoint *local;
	__be32 tunnel;
	int failed;

	if (!p || !node)
		return TC_ACT_SHOT;
	failed = network_identity(p, node);
	if (!failed)
		failed = track_frontend(p);
	if (failed)
		return drop(skb, p, failed);
	local = local_endpoint(&p->tuple.dst);
	p->via = v4(&node->addr);
	if (local)
		return to_local_endpoint(skb, p, local);
	if (is_this_node(node, &p->tuple.dst)) {
		failed = host_gets(skb, p);
		return failed ? drop(skb, p, failed) : TC_ACT_OK;
	}
	tunnel = tunnel_of(&p->tuple.dst);
	if (!tunnel)
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	return encapsulate(skb, p, tunnel, IDENTITY_WORLD);
}

SEC("tc")
int from_network(struct __sk_buff *skb)
{
	struct sg_node *node = this_node();
	struct sg_endpoint *local;
	struct packet *p;
	int failed;

	if (!node)
		return TC_ACT_SHOT;
	if (wrapped_for(skb) == v4(&node->addr)) {
		skb->mark = 0;
		return TC_ACT_OK;
	}
	p = new_packet();
	if (!p)
		return TC_ACT_SHOT;
	if (!is_spoken(skb, node))
		return skb->protocol == bpf_htons(ETH_P_ARP) ? TC_ACT_OK : TC_ACT_SHOT;
	skb->mark = 0;
	failed = parse(skb, p);
	if (p->is_ipv6 && is_discovery(p))
		return is_link_scope(&p->tuple.dst) || is_this_node(node, &p->tuple.dst) ? TC_ACT_OK : TC_ACT_SHOT;
	if (p->is_ipv6 && failed)
		return drop(skb, p, failed); /* no address of it can be believed */
	if (p->is_ipv6 && (is_link_scope(&p->tuple.src) || is_link_scope(&p->tuple.dst)))
		return TC_ACT_SHOT;
	if (!failed && p->fragment && !network_identity(p, node))
		remember_fragment(p);
	if (!failed && !is_overlay_packet(p))
		trace_arrival(skb, p, node, SG_TRACE_FROM_NETWORK);
	if (is_this_node(node, &p->tuple.dst)) {
		/* The host's own traffic is not judged; only its services' answers change. */
		if (is_overlay_packet(p))
			return TC_ACT_OK;
		/* What cannot be read cannot be judged, and the stack may put its pieces together. */
		if (failed)
			return guarded_host() ? drop(skb, p, failed) : TC_ACT_OK;
		if (is_this_node(node, &p->tuple.src))
			return drop(skb, p, FAIL(p, DROP_INVALID_SOURCE_IP));
		failed = service_translate(skb, p);
		if (failed)
			return refuse_network(skb, p, failed);
		if (p->translated)
			return to_node_port(skb, p);
		failed = guarded_host() ? network_to_host(skb, p, node) : 0;
		if (failed)
			return drop(skb, p, failed);
		if (host_service_restore(skb, p) < 0)
			return TC_ACT_SHOT;
		/* The node asked at a port of its own: its stack takes its own address from cilium_host alone. */
		return is_this_node(node, &p->tuple.src) ? bpf_redirect(node->host_ifindex, BPF_F_INGRESS) : TC_ACT_OK;
	}
	if (!failed)
		failed = network_identity(p, node);
	if (!failed && is_shared(node, &p->tuple.dst))
		failed = host_gets(skb, p);
	if (failed)
		return drop(skb, p, failed);
	if (is_shared(node, &p->tuple.dst))
		return TC_ACT_OK;
	if (has_redirected() && answers_proxy(p))
		return answer_to_proxy(skb, p);
	local = local_endpoint(&p->tuple.dst);
	if (local)
		return to_local_endpoint(skb, p, local);
	/* The stack would send these on as if the host had made them. */
	if (in_cluster(node, &p->tuple.dst) || in_services(node, &p->tuple.dst))
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	return TC_ACT_OK;
}
