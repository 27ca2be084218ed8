/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on cilium_host: what the node's own stack sends to pods and services, the proxy's packets included. */
#include "refuse.h"

/* Only the host itself and, with its mark, the proxy may send here; forwarded strangers may not. */
static __always_inline int host_identity(struct packet *p, struct sg_node *node, __u32 mark)
{
	struct sg_endpoint *local = local_endpoint(&p->tuple.src);

	p->src_identity = local ? local->identity : identity_of(node, &p->tuple.src);
	if (!is_proxy_mark(mark) && !is_this_node(node, &p->tuple.src))
		return FAIL(p, DROP_INVALID_SOURCE_IP);
	return 0;
}

static __always_inline int host_leave(struct __sk_buff *skb, struct packet *p, struct sg_node *node)
{
	struct sg_endpoint *local = local_endpoint(&p->tuple.dst);

	if (local) {
		if (set_macs(skb, local) < 0)
			return drop(skb, p, FAIL(p, DROP_INVALID_PACKET));
		return bpf_redirect(local->ifindex, 0); /* to_endpoint judges there */
	}
	if (is_this_node(node, &p->tuple.dst))
		return bpf_redirect(node->host_ifindex, BPF_F_INGRESS);
	resolve(p, node);
	if (!p->tunnel)
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	return to_other_node(skb, p, p->tunnel, p->src_identity);
}

SEC("tc")
int from_host(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();
	__u32 mark = skb->mark & SG_MARK_MASK;
	int failed;

	if (!p || !node || !is_spoken(skb, node))
		return TC_ACT_SHOT;
	failed = parse(skb, p);
	if (is_discovery(p))
		return TC_ACT_SHOT; /* the kernel on its own: nobody is there to hear it */
	if (!failed)
		failed = host_identity(p, node, mark);
	if (failed)
		return drop(skb, p, failed);
	remember_fragment(p);
	trace_arrival(skb, p, node, is_proxy_mark(mark) ? SG_TRACE_FROM_PROXY : SG_TRACE_FROM_HOST);
	if (is_proxy_mark(mark)) {
		failed = track_proxy(p, mark);
		if (failed > 0)
			return turn_to_proxy(skb, node, 0);
	} else {
		if (answers_proxy(p))
			return turn_to_proxy(skb, node, 0);
		failed = service_translate(skb, p);
		if (failed)
			return refuse_host(skb, p, node, failed);
		failed = host_sends(skb, p);
	}
	if (failed)
		return drop(skb, p, failed);
	return host_leave(skb, p, node);
}
