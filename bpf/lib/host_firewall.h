/* SPDX-License-Identifier: Apache-2.0 */
/* Policy of the node itself. As soon as one direction is enforced both are tracked: answers must be known. */
#pragma once
#include "addr.h"
#include "policy.h"
#include "service.h"

static __always_inline struct sg_endpoint *guarded_host(void)
{
	__u32 zero = 0;
	struct sg_endpoint *host = bpf_map_lookup_elem(&sg_host, &zero);

	if (!host || !(host->flags & (SG_ENDPOINT_INGRESS_ENFORCED | SG_ENDPOINT_EGRESS_ENFORCED)))
		return NULL;
	return host;
}

/* A node's way to the API server: without it no agent would hear that the policy which shut it was taken back. Only between
 * nodes; what pods and the world ask the API server is judged. */
static __always_inline bool is_lifeline(const struct packet *p, __u32 direction)
{
	struct sg_node *node = this_node();
	__u32 peer = direction == SG_EGRESS ? p->dst_identity : p->src_identity;
	__u32 asking = direction;

	if (!node || p->tuple.protocol != IPPROTO_TCP)
		return false;
	/* On a connection that is older than the policy the API server may be the next to speak. */
	if (p->tuple.sport == bpf_htons(API_SERVER_PORT) && p->has_l4 && !is_syn(p))
		asking = direction == SG_EGRESS ? SG_INGRESS : SG_EGRESS;
	else if (p->tuple.dport != bpf_htons(API_SERVER_PORT))
		return false;
	if (asking == SG_EGRESS)
		return peer == IDENTITY_KUBE_APISERVER;
	return node->apiserver_identity == IDENTITY_HOST && is_node_identity(peer);
}

/* 0 or minus a drop reason. The proxy's packets are its client's, and were judged for it. */
VERIFIED_ONCE int judge_host(struct __sk_buff *skb, struct packet *p, __u32 direction)
{
	struct sg_endpoint *host = guarded_host();
	int failed;

	if (!p || !host)
		return 0;
	p->lifeline = is_lifeline(p, direction);
	failed = judge(skb, p, host, direction);
	p->lifeline = 0;
	/* L7 rules are refused for nodes. */
	p->proxy_port = 0;
	return failed;
}

/* What came to a node's port, this one's or another's, and is for the node's own stack. Without a firewall it is noted all the
 * same: the answer must leave through p->via. */
VERIFIED_ONCE int host_gets(struct __sk_buff *skb, struct packet *p)
{
	struct sg_ct_entry *entry;

	if (!p)
		return -DROP_INVALID_PACKET;
	p->dst_identity = IDENTITY_HOST;
	if (guarded_host())
		return judge_host(skb, p, SG_INGRESS);
	if (!p->via || p->icmp_error)
		return 0;
	entry = ct_find(p, &p->tuple, FORWARD, SG_CT_INGRESS);
	if (entry && !is_syn(p) && ct_leads_back(p, entry, SG_CT_INGRESS))
		return ct_touch(p, entry, 0);
	return ct_create(p, SG_CT_INGRESS, NULL, 0);
}

/* A packet of the node's own stack, its service translated. Without a firewall only what must get its frontend back is noted. */
static __always_inline int host_sends(struct __sk_buff *skb, struct packet *p)
{
	struct sg_node *node = this_node();
	struct sg_endpoint *local = local_endpoint(&p->tuple.dst);

	p->src_identity = IDENTITY_HOST;
	if (local)
		p->dst_identity = local->identity;
	else if (node)
		resolve(p, node);
	return guarded_host() ? judge_host(skb, p, SG_EGRESS) : track_frontend(p);
}
