/* SPDX-License-Identifier: Apache-2.0 */
/* A pod that reaches itself through a service: it would not answer its own address, so it sees another one. */
#pragma once
#include "deliver.h"

/* 169.254.42.1 and fd5e:61d9:a7e0::2a01: what the pod sees. Nobody else may have them. */
static __always_inline void hairpin_address(struct sg_addr *addr, bool is_ipv6)
{
	if (!is_ipv6) {
		set_v4(addr, bpf_htonl(0xa9fe2a01));
		return;
	}
	addr->words[0] = bpf_htonl(0xfd5e61d9);
	addr->words[1] = bpf_htonl(0xa7e00000);
	addr->words[2] = 0;
	addr->words[3] = bpf_htonl(0x2a01);
}

static __always_inline bool is_hairpin_address(const struct sg_addr *addr)
{
	struct sg_addr hairpin;

	hairpin_address(&hairpin, !is_v4(addr));
	return same_addr(addr, &hairpin);
}

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
	struct sg_addr hairpin;
	int failed;

	if (!endpoint)
		return TC_ACT_SHOT;
	hairpin_address(&hairpin, p->is_ipv6);
	failed = p->icmp_error ? rewrite_quoted(skb, p, DESTINATION, &hairpin, p->inner.dport) : 0;
	if (!failed)
		failed = rewrite(skb, p, SOURCE, &hairpin, p->tuple.sport);
	if (failed)
		return drop(skb, p, failed);
	if (p->icmp_error) {
		p->ct_status = SG_CT_RELATED;
		return back_to_sender(skb, p, endpoint);
	}
	entry = ct_find(p, &p->tuple, FORWARD, SG_CT_HAIRPIN);
	p->ct_status = entry ? SG_CT_ESTABLISHED : SG_CT_NEW;
	if (entry && entry->nat_port == p->service_port && same_addr(&entry->nat, &p->service))
		ct_touch(p, entry, 0);
	else
		failed = ct_create(p, SG_CT_HAIRPIN, &p->service, p->service_port);
	if (failed)
		return drop(skb, p, failed);
	return back_to_sender(skb, p, endpoint);
}

static __noinline int hairpin_back(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	struct sg_ct_entry *entry;
	struct sg_addr own;
	int failed = 0;

	entry = p->icmp_error ? ct_find(p, &p->inner, FORWARD, SG_CT_HAIRPIN) : ct_find(p, &p->tuple, REVERSE, SG_CT_HAIRPIN);
	if (!endpoint || !entry)
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	p->ct_status = p->icmp_error ? SG_CT_RELATED : SG_CT_REPLY;
	ct_commit(p, entry, SG_CT_HAIRPIN);
	own = *own_address(p, endpoint);
	if (p->icmp_error) {
		failed = rewrite_quoted(skb, p, SOURCE, &own, p->inner.sport);
		/* Its own address as the sender's would be taken for forged. */
		if (!failed)
			failed = rewrite(skb, p, SOURCE, &p->restore, p->tuple.sport);
	}
	if (!failed)
		failed = rewrite(skb, p, DESTINATION, &own, p->tuple.dport);
	if (!failed)
		failed = service_restore(skb, p);
	if (failed)
		return drop(skb, p, failed);
	return back_to_sender(skb, p, endpoint);
}
