/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on the fabric's interface: notes the proxy's connections to the world, whose answers come in again here. */
#include "deliver.h"

/* The proxy's answer to a client outside that came through a node's port. */
static __noinline int client_answer(struct __sk_buff *skb, struct packet *p)
{
	struct sg_endpoint *server;
	struct sg_ct_entry *entry;

	if (!p)
		return TC_ACT_SHOT;
	server = local_endpoint(&p->tuple.src);
	entry = server && !is_syn(p) ? ct_find(p, &p->tuple, REVERSE, SG_CT_INGRESS) : NULL;
	if (!entry || !(entry->flags & SG_CT_FLAG_VIA))
		return TC_ACT_OK;
	p->via = v4(&entry->nat);
	return leave_through_node(skb, p, server->identity);
}

SEC("tc")
int to_network(struct __sk_buff *skb)
{
	__u32 mark = skb->mark & SG_MARK_MASK;
	struct packet *p;

	if (!is_proxy_mark(mark) || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	p = new_packet();
	if (!p || parse_ipv4(skb, p) || track_proxy(p, mark) < 0)
		return TC_ACT_SHOT;
	return mark == SG_MARK_FROM_PROXY_INGRESS ? client_answer(skb, p) : TC_ACT_OK;
}
