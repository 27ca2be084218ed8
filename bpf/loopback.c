/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on lo: the node's answers to itself when it asked through a service. */
#include "deliver.h"

SEC("tc")
int loopback(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();

	if (!p || !node || skb->protocol != bpf_htons(ETH_P_IP) || parse_ipv4(skb, p))
		return TC_ACT_OK;
	if (is_this_node(node, &p->tuple.src) && is_this_node(node, &p->tuple.dst) && host_service_restore(skb, p))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}
