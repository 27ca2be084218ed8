/* SPDX-License-Identifier: Apache-2.0 */
/* Connections. A reply is what travels against the first packet; a lone SYN never counts as one. */
#pragma once
#include "addr.h"

#define SECOND 1000000000ULL
#define LIFETIME_TCP (8000 * SECOND)
#define LIFETIME_SYN (60 * SECOND)
#define LIFETIME_CLOSING (10 * SECOND)
#define LIFETIME_OTHER (60 * SECOND)
#define REPORT_INTERVAL (5 * SECOND)

#define FORWARD 0
#define REVERSE 1

static __always_inline struct sg_ct_entry *ct_find(struct packet *p, const struct sg_ct_key *tuple, int reverse,
						   __u8 scope)
{
	struct sg_ct_key key;
	struct sg_ct_entry *entry;

	key.src = reverse ? tuple->dst : tuple->src;
	key.dst = reverse ? tuple->src : tuple->dst;
	key.sport = reverse ? tuple->dport : tuple->sport;
	key.dport = reverse ? tuple->sport : tuple->dport;
	key.protocol = tuple->protocol;
	key.scope = scope;
	key.reserved = 0;
	entry = bpf_map_lookup_elem(&sg_conntrack, &key);
	if (!entry || entry->expires_ns < p->now_ns)
		return NULL;
	return entry;
}

static __always_inline bool ct_closing(const struct sg_ct_entry *entry)
{
	__u16 both = SG_CT_FLAG_FIN_FORWARD | SG_CT_FLAG_FIN_REPLY;

	return (entry->flags & SG_CT_FLAG_RST) || (entry->flags & both) == both;
}

static __always_inline __u64 ct_lifetime(const struct packet *p, const struct sg_ct_entry *entry)
{
	if (p->tuple.protocol != IPPROTO_TCP)
		return LIFETIME_OTHER;
	if (ct_closing(entry))
		return LIFETIME_CLOSING;
	return entry->flags & SG_CT_FLAG_REPLIED ? LIFETIME_TCP : LIFETIME_SYN;
}

/* Aggregation "medium": a first packet, TCP flags not seen before in that direction, FIN, RST, else every 5 s. */
static __always_inline bool ct_reportable(const struct packet *p, struct sg_ct_entry *entry, __u8 seen)
{
	__u64 last = entry->reported_ns > entry->reply_reported_ns ? entry->reported_ns : entry->reply_reported_ns;

	if ((p->tcp_flags & ~seen) || (p->tcp_flags & (TCP_FIN | TCP_RST)))
		return true;
	return p->now_ns - last >= REPORT_INTERVAL;
}

VERIFIED_ONCE int ct_touch(struct packet *p, struct sg_ct_entry *entry, int reply)
{
	struct sg_node *node = this_node();
	__u16 flags;
	__u8 seen;

	if (!p || !entry)
		return 0;
	flags = entry->flags;
	seen = reply ? entry->seen_reply : entry->seen_forward;
	if (node && node->aggregation >= 3)
		p->report = ct_reportable(p, entry, seen);
	if (p->report && reply)
		entry->reply_reported_ns = p->now_ns;
	else if (p->report)
		entry->reported_ns = p->now_ns;
	if (reply) {
		flags |= SG_CT_FLAG_REPLIED;
		entry->seen_reply = seen | p->tcp_flags;
	} else {
		entry->seen_forward = seen | p->tcp_flags;
	}
	if (p->tcp_flags & TCP_RST)
		flags |= SG_CT_FLAG_RST;
	if (p->tcp_flags & TCP_FIN)
		flags |= reply ? SG_CT_FLAG_FIN_REPLY : SG_CT_FLAG_FIN_FORWARD;
	entry->flags = flags;
	entry->expires_ns = p->now_ns + ct_lifetime(p, entry);
	return 0;
}

/* A node's own addresses in the pods' range are its routers'. */
static __always_inline bool is_sent_by_pod(const struct packet *p)
{
	struct sg_node *node = this_node();

	return !node || (in_cluster(node, &p->tuple.src) && p->src_identity != IDENTITY_HOST && !is_node_identity(p->src_identity));
}

/* The connection that an ICMP error is about, seen from the endpoint that sends (egress) or gets (ingress) it. The
 * endpoint must be that connection's end, or a pod could name somebody else's connection to get past policy. */
static __always_inline struct sg_ct_entry *ct_related(struct packet *p, __u8 scope)
{
	struct sg_ct_entry *entry;
	__u8 other = scope == SG_CT_EGRESS ? SG_CT_INGRESS : SG_CT_EGRESS;

	if (!same_addr(&p->inner.src, &p->tuple.dst))
		return NULL;
	/* Routers on the way may tell of what others sent; a pod is none. */
	if ((scope == SG_CT_EGRESS || is_sent_by_pod(p)) && !same_addr(&p->inner.dst, &p->tuple.src))
		return NULL;
	entry = ct_find(p, &p->inner, FORWARD, other);
	return entry ? entry : ct_find(p, &p->inner, REVERSE, scope);
}

/* Finds the packet's connection and sets ct_status, for the endpoint that sends (scope egress) or gets (scope ingress)
 * the packet. NULL = it opens one. */
static __noinline struct sg_ct_entry *ct_track(struct packet *p, __u32 scope)
{
	__u8 other = scope == SG_CT_EGRESS ? SG_CT_INGRESS : SG_CT_EGRESS;
	struct sg_ct_entry *entry;

	p->ct_status = SG_CT_NEW;
	if (p->icmp_error) {
		entry = ct_related(p, scope);
		if (entry)
			p->ct_status = SG_CT_RELATED;
		return entry;
	}
	/* An echo's identifier must not stand for another type, nor a question for its answer. */
	if (!is_syn(p) && (!is_icmp(p->tuple.protocol) || is_echo_reply(p->tuple.protocol, p->icmp_type))) {
		entry = ct_find(p, &p->tuple, REVERSE, other);
		if (entry) {
			p->ct_status = SG_CT_REPLY;
			return entry;
		}
	}
	entry = ct_find(p, &p->tuple, FORWARD, scope);
	/* A SYN after an answer is a new connection on old ports. */
	if (!entry || (is_syn(p) && (ct_closing(entry) || (entry->flags & SG_CT_FLAG_REPLIED))))
		return NULL;
	p->ct_status = SG_CT_ESTABLISHED;
	return entry;
}

VERIFIED_ONCE int ct_create(struct packet *p, __u32 scope, const struct sg_addr *nat, __be16 nat_port)
{
	struct sg_ct_entry entry = { .nat_port = nat_port };
	struct sg_ct_key key;

	if (!p)
		return -DROP_CT_INSERT;
	entry.seen_forward = p->tcp_flags;
	entry.reported_ns = p->now_ns;
	entry.src_identity = p->src_identity;
	if (nat) {
		entry.nat = *nat;
		entry.flags = SG_CT_FLAG_NAT;
	}
	if (p->proxy_leg)
		entry.flags |= SG_CT_FLAG_FROM_PROXY;
	if (p->via && scope == SG_CT_INGRESS) {
		set_v4(&entry.nat, p->via);
		entry.flags |= SG_CT_FLAG_VIA;
	}
	entry.expires_ns = p->now_ns + ct_lifetime(p, &entry);
	key = p->tuple;
	key.scope = scope;
	if (bpf_map_update_elem(&sg_conntrack, &key, &entry, BPF_ANY) < 0)
		return FAIL(p, DROP_CT_INSERT);
	return 0;
}

/* Whether the entry leads answers back the way that this packet came: a client may use one port for a service and for its
 * backend, or ask first one node's port and then another's. */
static __always_inline bool ct_leads_back(const struct packet *p, const struct sg_ct_entry *entry, __u32 scope)
{
	__u16 flags = entry->flags & (SG_CT_FLAG_NAT | SG_CT_FLAG_VIA);

	if (scope == SG_CT_EGRESS) {
		if (!p->translated)
			return flags == 0;
		return flags == SG_CT_FLAG_NAT && entry->nat_port == p->service_port && same_addr(&entry->nat, &p->service);
	}
	return p->via ? flags == SG_CT_FLAG_VIA && v4(&entry->nat) == p->via : flags == 0;
}

/* Takes the packet into its connection after policy allowed it. */
static __noinline int ct_commit(struct packet *p, struct sg_ct_entry *entry, __u32 scope)
{
	if (entry && p->ct_status != SG_CT_ESTABLISHED && (entry->flags & SG_CT_FLAG_NAT)) {
		p->restore = entry->nat;
		p->restore_port = entry->nat_port;
		p->restores = 1;
	}
	if (entry && (p->ct_status == SG_CT_REPLY || p->ct_status == SG_CT_RELATED) && (entry->flags & SG_CT_FLAG_VIA))
		p->via = v4(&entry->nat);
	/* The proxy's own connection to the pod it guards is tracked in scope proxy: here it could meet its client's. */
	if (p->icmp_error || (p->judged && p->ct_status != SG_CT_REPLY))
		return 0;
	if (p->ct_status == SG_CT_NEW ||
	    (entry && p->ct_status == SG_CT_ESTABLISHED && scope != SG_CT_HAIRPIN && !ct_leads_back(p, entry, scope))) {
		const struct sg_addr *nat = scope == SG_CT_EGRESS && p->translated ? &p->service : NULL;

		return ct_create(p, scope, nat, nat ? p->service_port : 0);
	}
	return ct_touch(p, entry, p->ct_status == SG_CT_REPLY);
}
