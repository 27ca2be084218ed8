/* SPDX-License-Identifier: Apache-2.0 */
/* The node's own stack asks at a node's port that stands for a service, its own or another node's: it is led to the backend
 * from here, as a pod is. */
#pragma once
#include "refuse.h"

/* The backend is a pod: here, where to_endpoint judges, or on another node. */
static __always_inline int to_backend(struct __sk_buff *skb, struct packet *p)
{
	struct sg_node *node = this_node();
	struct sg_endpoint *local;
	__be32 tunnel;
	int failed;

	if (!p || !node)
		return TC_ACT_SHOT;
	failed = host_sends(skb, p);
	if (failed)
		return drop(skb, p, failed);
	local = local_endpoint(&p->tuple.dst);
	if (local)
		return set_macs(skb, local) < 0 ? TC_ACT_SHOT : bpf_redirect(local->ifindex, 0);
	tunnel = tunnel_of(&p->tuple.dst);
	return tunnel ? to_other_node(skb, p, tunnel, IDENTITY_HOST) : drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
}

/* At an egress hook of the node. TC_ACT_OK = it is no such packet. */
VERIFIED_ONCE int ask_node_port(struct __sk_buff *skb, struct packet *p)
{
	struct sg_node *node = this_node();
	int failed;

	if (!p || !node)
		return TC_ACT_SHOT;
	failed = service_translate(skb, p);
	if (failed)
		return refuse_host(skb, p, node, failed);
	return p->translated ? to_backend(skb, p) : TC_ACT_OK;
}
