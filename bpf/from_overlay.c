/* SPDX-License-Identifier: Apache-2.0 */
/* tc ingress on cilium_vxlan: what other nodes' pods and hosts send. The identity travels in the VNI. */
#include "deliver.h"

/* What came to another node's port keeps its client's address. Only a node may bring it, and only from outside. */
static __always_inline int through_node_port(struct packet *p, __be32 bringer)
{
	struct sg_node *node = this_node();
	struct sg_addr outer = {};
	struct sg_remote *remote, *client;

	set_v4(&outer, bringer);
	remote = ipcache(&outer);
	client = ipcache(&p->tuple.src);
	if (!node || !remote || !is_node_identity(remote->identity) || in_cluster(node, &p->tuple.src) ||
	    in_services(node, &p->tuple.src) || is_this_node(node, &p->tuple.src) ||
	    (client && (client->tunnel || is_node_identity(client->identity))))
		return FAIL(p, DROP_UNKNOWN_SENDER);
	p->via = bringer;
	/* The number of a prefix means something on one node only, so it is looked up again here. */
	p->src_identity = client ? client->identity : world_of(node, &p->tuple.src);
	return 0;
}

/* The outer source must be the node that the ipcache names for the inner one: others could claim any identity. */
static __always_inline int overlay_identity(struct __sk_buff *skb, struct packet *p)
{
	struct bpf_tunnel_key key = {};
	struct sg_remote *remote;

	if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) < 0)
		return FAIL(p, DROP_UNKNOWN_SENDER);
	p->src_identity = key.tunnel_id;
	if (key.tunnel_id == IDENTITY_WORLD)
		return through_node_port(p, bpf_htonl(key.remote_ipv4));
	if (tunnel_of(&p->tuple.src) != bpf_htonl(key.remote_ipv4))
		return FAIL(p, DROP_UNKNOWN_SENDER);
	if (key.tunnel_id == IDENTITY_HOST) {
		remote = ipcache(&p->tuple.src);
		p->src_identity = remote && is_node_identity(remote->identity) ? remote->identity : IDENTITY_REMOTE_NODE;
	}
	return 0;
}

SEC("tc")
int from_overlay(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();
	struct sg_endpoint *local;
	int failed, answered;

	if (!p || !node || !is_spoken(skb, node))
		return TC_ACT_SHOT;
	skb->mark = 0;
	failed = parse(skb, p);
	if (!failed)
		failed = overlay_identity(skb, p);
	if (failed)
		return drop(skb, p, failed);
	remember_fragment(p);
	trace_arrival(skb, p, node, SG_TRACE_FROM_OVERLAY);
	if (has_redirected() && answers_proxy(p))
		return answer_to_proxy(skb, p);
	local = local_endpoint(&p->tuple.dst);
	if (local)
		return to_local_endpoint(skb, p, local);
	if (is_this_node(node, &p->tuple.dst)) {
		p->dst_identity = IDENTITY_HOST;
		return to_host(skb, p, SG_TRACE_TO_HOST);
	}
	answered = node_port_answer(skb, p);
	return answered ? answered : drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
}
