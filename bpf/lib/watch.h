/* SPDX-License-Identifier: Apache-2.0 */
/* What a rehearsal looks at: requests to ports whose connections pass without a proxy. It shows and decides nothing. */
#pragma once
#include "events.h"

#define SMALL_CAPTURE 512 /* most requests are small, and the ring is not large */

static __always_inline bool is_watching(void)
{
	__u32 zero = 0, *count = bpf_map_lookup_elem(&sg_watching, &zero);

	return count && *count;
}

/* It says something, or shows where its connection's first byte is. */
static __always_inline bool is_worth_showing(struct __sk_buff *skb, const struct packet *p)
{
	__u8 offset;

	if (p->tuple.protocol != IPPROTO_TCP || is_syn(p))
		return true;
	return bpf_skb_load_bytes(skb, p->l4 + 12, &offset, 1) == 0 && p->l4 + (offset >> 4) * 4 < p->end;
}

static __always_inline void capture(struct __sk_buff *skb, const struct packet *p, __u32 room)
{
	struct {
		struct sg_event header;
		__u8 bytes[];
	} *r = bpf_ringbuf_reserve(&sg_events, sizeof(r->header) + room, 0);
	__u32 length = skb->len;

	if (!r) {
		count(METRIC_LOST, 0, length, 0);
		return;
	}
	__builtin_memset(&r->header, 0, sizeof(r->header));
	r->header.type = SG_EVENT_CAPTURE;
	r->header.direction = p->at_direction;
	r->header.endpoint = p->at_endpoint;
	r->header.src_identity = p->src_identity;
	r->header.dst_identity = p->dst_identity;
	r->header.orig_len = length;
	r->header.cpu = bpf_get_smp_processor_id();
	r->header.time_ns = p->now_ns;
	if (length > room)
		length = room;
	if (length == 0 || bpf_skb_load_bytes(skb, 0, r->bytes, length) < 0)
		length = 0;
	r->header.line = length;
	bpf_ringbuf_submit(r, 0);
}

/* Shows a packet that was let through, if its port is watched. */
VERIFIED_ONCE int show(struct __sk_buff *skb, struct packet *p)
{
	struct sg_watched_key key = {};

	if (!p || !is_watching() || !p->has_l4)
		return 0;
	key.endpoint = p->at_endpoint;
	key.direction = p->at_direction;
	key.protocol = p->tuple.protocol;
	key.port = p->tuple.dport;
	if (!bpf_map_lookup_elem(&sg_watched, &key) || !is_worth_showing(skb, p))
		return 0;
	if (skb->len <= SMALL_CAPTURE)
		capture(skb, p, SMALL_CAPTURE);
	else
		capture(skb, p, SG_REQUEST_LEN);
	return 0;
}
