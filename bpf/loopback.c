/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on lo: the node's answers to itself when it asked through a service, the proxy's connections to it, and the node's
 * own to one of its ports that stands for a service. */
#include "host_port.h"

SEC("tc")
int loopback(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();
	__u32 mark = skb->mark & SG_MARK_MASK;

	if (!p || !node || !is_spoken(skb, node) || parse(skb, p))
		return TC_ACT_OK;
	remember_fragment(p);
	if (is_proxy_mark(mark))
		return track_proxy(p, mark) < 0 ? TC_ACT_SHOT : TC_ACT_OK;
	if (!is_this_node(node, &p->tuple.src) || !is_this_node(node, &p->tuple.dst))
		return TC_ACT_OK;
	if (host_service_restore(skb, p))
		return TC_ACT_SHOT;
	if (p->ct_status == SG_CT_REPLY)
		return TC_ACT_OK;
	return ask_node_port(skb, p);
}
