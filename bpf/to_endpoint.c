/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on the host side of a pod's veth. What other programs judged goes round this hook by bpf_redirect_peer, so
 * whatever gets here comes from the node's stack and is judged here: no route can lead past policy. */
#include "deliver.h"

static __always_inline int stack_identity(struct packet *p, struct sg_node *node, __u32 mark)
{
	struct sg_endpoint *local = local_endpoint(&p->tuple.src);

	if (is_proxy_mark(mark)) {
		p->src_identity = local ? local->identity : identity_of(node, &p->tuple.src);
		p->judged = mark == SG_MARK_FROM_PROXY_INGRESS;
		p->proxy_leg = 1;
		return 0;
	}
	if (!is_this_node(node, &p->tuple.src))
		return FAIL(p, DROP_INVALID_SOURCE_IP);
	p->src_identity = IDENTITY_HOST;
	return 0;
}

static __always_inline int into_pod(struct __sk_buff *skb, struct packet *p, struct sg_node *node,
				    struct sg_endpoint *endpoint)
{
	int failed = judge(skb, p, endpoint, SG_INGRESS);

	if (failed)
		return drop(skb, p, failed);
	if (p->proxy_port) {
		record_origin(p, endpoint, SG_INGRESS);
		return turn_to_proxy(skb, node, p->proxy_port);
	}
	failed = service_restore(skb, p);
	if (failed)
		return drop(skb, p, failed);
	p->out_ifindex = endpoint->ifindex;
	trace(skb, p, SG_TRACE_TO_ENDPOINT, SG_INGRESS);
	return TC_ACT_OK;
}

SEC("tc")
int to_endpoint(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();
	__u32 ifindex = skb->ifindex;
	struct sg_endpoint *endpoint = bpf_map_lookup_elem(&sg_endpoint_by_ifindex, &ifindex);
	int failed;

	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return TC_ACT_OK; /* our answers; the pod learns nothing else by it */
	if (!p || !node || !endpoint || !is_spoken(skb, node))
		return TC_ACT_SHOT;
	failed = parse(skb, p);
	if (is_discovery(p))
		return TC_ACT_SHOT; /* the node's kernel on its own: its pods need no neighbours */
	p->dst_identity = endpoint->identity;
	p->dst_endpoint = endpoint->id;
	if (!failed)
		failed = stack_identity(p, node, skb->mark & SG_MARK_MASK);
	if (!failed && !same_addr(&p->tuple.dst, own_address(p, endpoint)))
		failed = FAIL(p, DROP_UNKNOWN_TARGET);
	if (failed)
		return drop(skb, p, failed);
	remember_fragment(p);
	return into_pod(skb, p, node, endpoint);
}
