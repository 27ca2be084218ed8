/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on the fabric's interface: notes the proxy's connections to the world, whose answers come in again here; and leads
 * the node's own connections to other nodes' ports. */
#include "host_port.h"

/* The answer of the proxy for a pod, or of the node itself, to a client outside that came through a node's port. TC_ACT_OK = it
 * is none. */
static __noinline int client_answer(struct __sk_buff *skb, struct packet *p)
{
	struct sg_endpoint *server;
	struct sg_ct_entry *entry;

	if (!p || is_syn(p) || p->icmp_error)
		return TC_ACT_OK;
	entry = ct_find(p, &p->tuple, REVERSE, SG_CT_INGRESS);
	if (!entry || !(entry->flags & SG_CT_FLAG_VIA))
		return TC_ACT_OK;
	server = local_endpoint(&p->tuple.src);
	p->src_identity = server ? server->identity : IDENTITY_HOST;
	p->via = v4(&entry->nat);
	return leave_through_node(skb, p, p->src_identity);
}

/* A packet of the node's own, to whoever is out there. */
static __noinline int leave_host(struct __sk_buff *skb, struct packet *p)
{
	int answer, failed;

	if (!p)
		return TC_ACT_SHOT;
	answer = client_answer(skb, p);
	if (answer == TC_ACT_OK)
		answer = ask_node_port(skb, p);
	if (answer != TC_ACT_OK || !guarded_host())
		return answer;
	failed = host_sends(skb, p);
	return failed ? drop(skb, p, failed) : TC_ACT_OK;
}

SEC("tc")
int to_network(struct __sk_buff *skb)
{
	__u32 mark = skb->mark & SG_MARK_MASK;
	struct sg_node *node = this_node();
	struct packet *p;
	int failed;

	if (!node || mark == SG_MARK_MADE_HERE || !is_spoken(skb, node) || (!is_proxy_mark(mark) && wrapped_for(skb)))
		return TC_ACT_OK;
	p = new_packet();
	if (!is_proxy_mark(mark)) {
		if (!p)
			return TC_ACT_SHOT;
		failed = parse(skb, p);
		if (is_discovery(p) ||
		    (!is_this_node(node, &p->tuple.src) && !(p->is_ipv6 && is_link_scope(&p->tuple.src))))
			return TC_ACT_OK;
		p->src_identity = IDENTITY_HOST;
		/* What cannot be read cannot be judged. */
		if (failed)
			return guarded_host() ? drop(skb, p, failed) : TC_ACT_OK;
		remember_fragment(p);
		/* Wrapped, and more than fits into one packet. */
		return is_overlay_packet(p) ? TC_ACT_OK : leave_host(skb, p);
	}
	if (!p || parse(skb, p) || track_proxy(p, mark) < 0)
		return TC_ACT_SHOT;
	return mark == SG_MARK_FROM_PROXY_INGRESS ? client_answer(skb, p) : TC_ACT_OK;
}
