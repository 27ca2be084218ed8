/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a pod at once that nobody is there: its own packet comes back to it, quoted in an ICMP port unreachable. */
#pragma once
#include "deliver.h"

#define ICMP_PORT_UNREACHABLE 3
/* The quoted IP header without options, and as much of the L4 header as the kernel lets a packet be cut to. */
#define QUOTED_TCP (sizeof(struct iphdr) + sizeof(struct tcphdr))
#define QUOTED_UDP (sizeof(struct iphdr) + sizeof(struct udphdr))
#define HEADERS (sizeof(struct iphdr) + sizeof(struct icmphdr))

struct refusal {
	struct iphdr ip;
	struct icmphdr icmp;
};

static __always_inline __u16 folded(__s64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline int quote(struct __sk_buff *skb, __u32 quoted, struct refusal *answer)
{
	__u8 bytes[QUOTED_TCP] = {};
	__s64 sum;

	if (quoted == QUOTED_TCP) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN + HEADERS, bytes, QUOTED_TCP) < 0)
			return -1;
	} else if (bpf_skb_load_bytes(skb, ETH_HLEN + HEADERS, bytes, QUOTED_UDP) < 0) {
		return -1;
	}
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&answer->icmp, sizeof(answer->icmp), 0);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)bytes, sizeof(bytes), sum);
	answer->icmp.checksum = folded(sum);
	return 0;
}

/* The packet is dropped and reported already; answers what the program must return. `from` = the service asked for. */
VERIFIED_ONCE int refuse(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	bool is_tcp;
	__u32 quoted;
	__u8 version;
	struct refusal answer = {};

	if (!p || !endpoint)
		return TC_ACT_SHOT;
	is_tcp = p->tuple.protocol == IPPROTO_TCP;
	quoted = is_tcp ? QUOTED_TCP : QUOTED_UDP;
	if ((!is_tcp && p->tuple.protocol != IPPROTO_UDP) || !p->has_l4 || p->fragment ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &version, 1) < 0 || version != 0x45)
		return TC_ACT_SHOT;
	if (bpf_skb_change_tail(skb, ETH_HLEN + quoted, 0) < 0 ||
	    bpf_skb_adjust_room(skb, HEADERS, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0)
		return TC_ACT_SHOT;
	answer.ip.version = 4;
	answer.ip.ihl = 5;
	answer.ip.tot_len = bpf_htons(HEADERS + quoted);
	answer.ip.ttl = 64;
	answer.ip.protocol = IPPROTO_ICMP;
	answer.ip.saddr = v4(&p->tuple.dst);
	answer.ip.daddr = v4(&p->tuple.src);
	answer.ip.check = folded(bpf_csum_diff(NULL, 0, (__be32 *)&answer.ip, sizeof(answer.ip), 0));
	answer.icmp.type = ICMP_UNREACHABLE;
	answer.icmp.code = ICMP_PORT_UNREACHABLE;
	if (quote(skb, quoted, &answer) < 0 || bpf_skb_store_bytes(skb, ETH_HLEN, &answer, sizeof(answer), 0) < 0 ||
	    set_macs(skb, endpoint) < 0)
		return TC_ACT_SHOT;
	return bpf_redirect_peer(endpoint->ifindex, 0);
}
