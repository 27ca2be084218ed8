/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict on one packet in one direction: two longest-prefix lookups, the rules of choice are those of abi.h. */
#pragma once
#include "conntrack.h"
#include "events.h"
#include "watch.h"

/* The entry that decided, as far as its count needs it. */
struct policy_match {
	struct sg_policy_key key; /* that was looked for */
	__u32 identity;           /* of the entry: the peer's, or 0 */
	__u32 prefixlen;          /* of the entry */
};

static __always_inline __u8 match_type(const struct sg_policy_entry *entry, bool peer)
{
	if (entry->prefixlen <= 40)
		return peer ? SG_MATCH_L3_ONLY : SG_MATCH_ALL;
	if (entry->prefixlen <= 48)
		return peer ? SG_MATCH_L3_PROTO : SG_MATCH_PROTO_ONLY;
	return peer ? SG_MATCH_L3_L4 : SG_MATCH_L4_ONLY;
}

static __always_inline bool wins(const struct sg_policy_entry *peer, const struct sg_policy_entry *any)
{
	if (!peer || !any)
		return peer;
	if (peer->precedence != any->precedence)
		return peer->precedence > any->precedence;
	return peer->prefixlen >= any->prefixlen;
}

/* Counts the packet for the entry, under the entry's own key: the packet's, cut to what counts of it. */
VERIFIED_ONCE int count_match(struct policy_match *match, __u32 endpoint, __u32 bytes)
{
	struct sg_policy_stats_key key = { .endpoint = endpoint };
	struct sg_metrics *seen;
	__u32 bits;

	if (!match)
		return 0;
	bits = match->prefixlen;
	key.entry = match->key;
	key.entry.prefixlen = bits;
	key.entry.identity = match->identity;
	if (bits <= 40)
		key.entry.protocol = 0;
	if (bits <= 48)
		key.entry.port = 0;
	else if (bits < SG_POLICY_FULL_PREFIX)
		key.entry.port &= bpf_htons((__u16)(0xffff << (SG_POLICY_FULL_PREFIX - bits)));
	seen = bpf_map_lookup_elem(&sg_policy_stats, &key);
	if (seen) {
		seen->packets++;
		seen->bytes += bytes;
	} else {
		struct sg_metrics first = { .packets = 1, .bytes = bytes };

		bpf_map_update_elem(&sg_policy_stats, &key, &first, BPF_ANY);
	}
	return 0;
}

/* What both matches of the winning precedence ask for, unless the winner's own rules said what they want. */
static __always_inline bool wants_auth(const struct sg_policy_entry *entry, const struct sg_policy_entry *other)
{
	if (entry->auth_type || (entry->flags & SG_POLICY_OWN_AUTH))
		return entry->auth_type;
	return other && other->precedence == entry->precedence && other->auth_type;
}

/* 0 = allow, > 0 = redirect to that proxy port, < 0 = minus the drop reason. */
VERIFIED_ONCE int policy_lookup(struct packet *p, struct sg_endpoint *endpoint, __u32 direction, __u32 identity,
				__u32 bytes)
{
	__u32 id;
	struct sg_policy_key key = {
		.prefixlen = SG_POLICY_FULL_PREFIX,
		.identity = identity,
		.direction = direction,
	};
	struct sg_policy_entry *peer, *any, *entry;
	struct policy_match match = {};
	void *policy;

	if (!p || !endpoint)
		return -DROP_NO_ENDPOINT;
	key.protocol = p->tuple.protocol;
	key.port = is_icmp(p->tuple.protocol) ? bpf_htons(p->icmp_type) : p->tuple.dport;
	id = endpoint->id;
	p->revision = endpoint->revision;
	p->cookie = direction == SG_INGRESS ? endpoint->ingress_default_cookie : endpoint->egress_default_cookie;
	p->match = SG_MATCH_NONE;
	policy = bpf_map_lookup_elem(&sg_policy, &id);
	if (!policy)
		return FAIL(p, DROP_POLICY);
	peer = identity ? bpf_map_lookup_elem(policy, &key) : NULL;
	key.identity = 0;
	any = bpf_map_lookup_elem(policy, &key);
	entry = wins(peer, any) ? peer : any;
	if (!entry)
		return FAIL(p, DROP_POLICY);
	p->match = match_type(entry, entry == peer);
	p->cookie = entry->cookie;
	match.key = key;
	match.identity = entry == peer ? identity : 0;
	match.prefixlen = entry->prefixlen;
	count_match(&match, id, bytes);
	if (entry->deny)
		return FAIL(p, DROP_POLICY_DENY);
	if (wants_auth(entry, entry == peer ? any : peer))
		return FAIL(p, DROP_AUTH_REQUIRED);
	/* The host may always reach its pods' ports: its requests are not for L7 rules to judge. */
	if (direction == SG_INGRESS && identity == IDENTITY_HOST)
		return 0;
	return bpf_ntohs(entry->proxy_port);
}

static __always_inline bool is_policy_denial(int verdict)
{
	return verdict == -DROP_POLICY || verdict == -DROP_POLICY_DENY;
}

static __always_inline bool always_allowed(const struct packet *p)
{
	return p->ct_status == SG_CT_REPLY || p->ct_status == SG_CT_RELATED || p->judged || p->lifeline ||
	       (p->tuple.protocol == IPPROTO_ICMP && p->icmp_type == ICMP_UNREACHABLE &&
		p->icmp_code == ICMP_FRAGMENTATION_NEEDED) ||
	       (p->tuple.protocol == IPPROTO_ICMPV6 && p->icmp_type == ICMPV6_TOO_BIG);
}

/* Tracks the packet and asks policy for every packet that goes forward. 0 or minus a drop reason; p->proxy_port is set
 * when the packet must go to the proxy. */
VERIFIED_ONCE int judge(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint, __u32 direction)
{
	__u32 scope = direction == SG_EGRESS ? SG_CT_EGRESS : SG_CT_INGRESS;
	__u16 enforced = direction == SG_EGRESS ? SG_ENDPOINT_EGRESS_ENFORCED : SG_ENDPOINT_INGRESS_ENFORCED;
	struct sg_ct_entry *entry;
	int verdict, failed;
	bool asked;

	if (!p || !endpoint)
		return -DROP_NO_ENDPOINT;
	p->at_endpoint = endpoint->id;
	p->at_direction = direction;
	p->proxy_port = 0;
	p->restores = 0;
	entry = ct_track(p, scope);
	asked = !always_allowed(p);
	if (asked) {
		verdict = policy_lookup(p, endpoint, direction, direction == SG_EGRESS ? p->dst_identity : p->src_identity,
					skb->len);
		p->audited = is_policy_denial(verdict) && (endpoint->flags & SG_ENDPOINT_AUDIT);
		if (p->audited)
			verdict = 0;
		if (verdict < 0 || (p->ct_status == SG_CT_NEW && (p->audited || (endpoint->flags & enforced))))
			emit(skb, p, WHAT(SG_EVENT_POLICY_VERDICT, 0, direction), endpoint->id, verdict);
		if (verdict < 0)
			return verdict;
		p->proxy_port = verdict;
	}
	failed = ct_commit(p, entry, scope);
	if (asked && !failed && !p->proxy_port)
		show(skb, p);
	return failed;
}
