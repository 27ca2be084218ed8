/* SPDX-License-Identifier: Apache-2.0 */
/* tc ingress on cilium_host: packets that to_endpoint turned round to the proxy, where a socket can be assigned; and the
 * host's own that reach itself through a service. */
#include "deliver.h"

SEC("tc")
int to_proxy(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();
	__u32 mark = skb->mark;
	struct sg_endpoint *local, *from;
	int failed;

	if (!p || !node || !is_spoken(skb, node))
		return TC_ACT_SHOT;
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	if ((mark & SG_MARK_MASK) != SG_MARK_TO_PROXY)
		return TC_ACT_OK;
	failed = parse(skb, p);
	if (failed)
		return drop(skb, p, failed);
	from = local_endpoint(&p->tuple.src);
	local = local_endpoint(&p->tuple.dst);
	p->src_identity = from ? from->identity : 0;
	p->dst_identity = local ? local->identity : 0;
	p->dst_endpoint = local ? local->id : 0;
	p->at_endpoint = p->dst_endpoint;
	p->proxy_leg = 1;
	p->proxy_port = mark >> 16;
	return redirect_to_proxy(skb, p);
}
