/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on lo: the node's answers to itself when it asked through a service, the proxy's connections to it, and the node's
 * own to one of its ports that stands for a service. */
#include "deliver.h"

/* The backend is a pod: here, where to_endpoint judges, or on another node. */
static __noinline int to_own_port(struct __sk_buff *skb, struct packet *p)
{
	struct sg_node *node = this_node();
	struct sg_endpoint *local;
	__be32 tunnel;

	if (!p || !node || track_frontend(p))
		return TC_ACT_SHOT;
	p->src_identity = IDENTITY_HOST;
	local = local_endpoint(&p->tuple.dst);
	if (local)
		return set_macs(skb, local) < 0 ? TC_ACT_SHOT : bpf_redirect(local->ifindex, 0);
	tunnel = tunnel_of(&p->tuple.dst);
	p->dst_identity = identity_of(node, &p->tuple.dst);
	return tunnel ? encapsulate(skb, p, tunnel, IDENTITY_HOST) : drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
}

SEC("tc")
int loopback(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();
	__u32 mark = skb->mark & SG_MARK_MASK;
	int failed;

	if (!p || !node || skb->protocol != bpf_htons(ETH_P_IP) || parse_ipv4(skb, p))
		return TC_ACT_OK;
	if (is_proxy_mark(mark))
		return track_proxy(p, mark) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
	if (!is_this_node(node, &p->tuple.src) || !is_this_node(node, &p->tuple.dst))
		return TC_ACT_OK;
	if (host_service_restore(skb, p))
		return TC_ACT_SHOT;
	if (p->ct_status == SG_CT_REPLY)
		return TC_ACT_OK;
	failed = service_translate(skb, p);
	if (failed)
		return drop(skb, p, failed);
	return p->translated ? to_own_port(skb, p) : TC_ACT_OK;
}
