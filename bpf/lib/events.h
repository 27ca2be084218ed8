/* SPDX-License-Identifier: Apache-2.0 */
/* Drop, trace and verdict events into the ring buffer, and the counters. */
#pragma once
#include "maps.h"
#include "packet.h"

struct record {
	struct sg_event header;
	__u8 bytes[SG_CAPTURE_LEN];
};

VERIFIED_ONCE int count(__u32 reason, __u32 direction, __u32 bytes, __u32 place)
{
	struct sg_metrics_key key = { .reason = reason, .direction = direction, .line = place, .file = place >> 16 };
	struct sg_metrics *seen = bpf_map_lookup_elem(&sg_metrics, &key);

	if (seen) {
		seen->packets++;
		seen->bytes += bytes;
	} else {
		struct sg_metrics first = { .packets = 1, .bytes = bytes };

		bpf_map_update_elem(&sg_metrics, &key, &first, BPF_ANY);
	}
	return 0;
}

/* `what` packs type << 16 | subtype << 8 | direction: a BPF function takes five arguments at most. */
#define WHAT(type, subtype, direction) ((type) << 16 | (subtype) << 8 | (direction))

VERIFIED_ONCE int emit(struct __sk_buff *skb, struct packet *p, __u32 what, __u32 endpoint, __s32 verdict)
{
	struct record *r = bpf_ringbuf_reserve(&sg_events, sizeof(*r), 0);
	__u32 length = skb->len;

	if (!p) {
		if (r)
			bpf_ringbuf_discard(r, 0);
		return 0;
	}
	if (!r) {
		count(METRIC_LOST, 0, length, 0);
		return 0;
	}
	r->header.type = what >> 16;
	r->header.subtype = what >> 8;
	r->header.direction = what;
	r->header.flags = (p->ct_status != SG_CT_UNKNOWN ? SG_FLAG_REPLY_KNOWN : 0) |
			  (p->ct_status == SG_CT_REPLY ? SG_FLAG_REPLY : 0) |
			  (skb->protocol == bpf_htons(ETH_P_IPV6) ? SG_FLAG_IPV6 : 0) | (p->proxy_leg ? SG_FLAG_PROXY_LEG : 0) |
			  ((what >> 16) == SG_EVENT_POLICY_VERDICT && p->audited ? SG_FLAG_AUDITED : 0);
	r->header.endpoint = endpoint;
	r->header.dst_endpoint = p->dst_endpoint;
	r->header.src_identity = p->src_identity;
	r->header.dst_identity = p->dst_identity;
	r->header.ifindex = p->out_ifindex ? p->out_ifindex : skb->ifindex;
	r->header.hash = bpf_get_hash_recalc(skb);
	r->header.orig_len = length;
	r->header.ct_status = p->ct_status;
	r->header.match_type = p->match;
	r->header.verdict = verdict;
	r->header.cookie = p->cookie;
	r->header.revision = p->revision;
	r->header.file = (what >> 16) == SG_EVENT_DROP ? p->place >> 16 : 0;
	r->header.line = (what >> 16) == SG_EVENT_DROP ? p->place : 0;
	r->header.cpu = bpf_get_smp_processor_id();
	r->header.time_ns = p->now_ns;
	r->header.orig_ip = p->original_source;
	if (length > SG_CAPTURE_LEN)
		length = SG_CAPTURE_LEN;
	if (length == 0 || bpf_skb_load_bytes(skb, 0, r->bytes, length) < 0)
		length = 0;
	r->header.cap_len = length;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

/* Ends a packet's way. `failed` is minus the drop reason. */
VERIFIED_ONCE int drop(struct __sk_buff *skb, struct packet *p, int failed)
{
	__u32 reason = -failed;
	__u32 endpoint;

	if (!p)
		return TC_ACT_SHOT;
	/* Whoever reads the event takes the direction from it: the source's own drop is egress. */
	endpoint = p->at_endpoint ? p->at_endpoint : p->src_endpoint ? p->src_endpoint : p->dst_endpoint;
	emit(skb, p, WHAT(SG_EVENT_DROP, reason & 0xff, 0), endpoint, failed);
	count(reason, p->at_direction ? p->at_direction : p->src_endpoint ? SG_EGRESS : SG_INGRESS, skb->len, p->place);
	return TC_ACT_SHOT;
}

/* Where a packet came in, before anything is decided about it. */
static __always_inline void trace_arrival(struct __sk_buff *skb, struct packet *p, const struct sg_node *node, __u32 point)
{
	if (node->aggregation == 0)
		emit(skb, p, WHAT(SG_EVENT_TRACE, point, 0), p->src_endpoint, 0);
}

#define trace(skb, p, point, direction) trace_at(skb, p, point, direction, PLACE)

static __always_inline void trace_at(struct __sk_buff *skb, struct packet *p, __u32 point, __u32 direction, __u32 place)
{
	__u32 endpoint = p->src_endpoint;

	if (point == SG_TRACE_TO_ENDPOINT)
		endpoint = p->dst_endpoint;
	else if (point == SG_TRACE_TO_PROXY && p->at_endpoint)
		endpoint = p->at_endpoint;
	count(METRIC_FORWARDED, direction, skb->len, place);
	if (p->report)
		emit(skb, p, WHAT(SG_EVENT_TRACE, point, 0), endpoint,
		     point == SG_TRACE_TO_PROXY ? (__s32)p->proxy_port : 0);
}
