/* SPDX-License-Identifier: Apache-2.0 */
/* A pod that reaches itself through a service: it would not answer its own address, so it sees another one. */
#pragma once
#include "deliver.h"

static __always_inline int back_to_sender(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	p->dst_identity = endpoint->identity;
	p->dst_endpoint = endpoint->id;
	p->out_ifindex = endpoint->ifindex;
	if (set_macs(skb, endpoint) < 0)
		return drop(skb, p, FAIL(p, DROP_INVALID_PACKET));
	trace(skb, p, SG_TRACE_TO_ENDPOINT, SG_INGRESS);
	return bpf_redirect_peer(endpoint->ifindex, 0);
}

static __noinline int hairpin_out(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	struct sg_ct_entry *entry;
	int failed;

	if (!endpoint)
		return TC_ACT_SHOT;
	failed = rewrite(skb, p, SOURCE, HAIRPIN_ADDRESS, p->tuple.sport);
	if (failed)
		return drop(skb, p, failed);
	entry = ct_find(p, &p->tuple, FORWARD, SG_CT_HAIRPIN);
	p->ct_status = entry ? SG_CT_ESTABLISHED : SG_CT_NEW;
	if (entry && entry->nat_port == p->service_port && v4(&entry->nat) == v4(&p->service))
		ct_touch(p, entry, 0);
	else
		failed = ct_create(p, SG_CT_HAIRPIN, &p->service, p->service_port);
	if (failed)
		return drop(skb, p, failed);
	return back_to_sender(skb, p, endpoint);
}

static __noinline int hairpin_back(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	struct sg_ct_entry *entry = ct_find(p, &p->tuple, REVERSE, SG_CT_HAIRPIN);
	int failed;

	if (!endpoint || !entry)
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	p->ct_status = SG_CT_REPLY;
	ct_commit(p, entry, SG_CT_HAIRPIN);
	failed = rewrite(skb, p, DESTINATION, v4(&endpoint->addr), p->tuple.dport);
	if (!failed)
		failed = service_restore(skb, p);
	if (failed)
		return drop(skb, p, failed);
	return back_to_sender(skb, p, endpoint);
}
