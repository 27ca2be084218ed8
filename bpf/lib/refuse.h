/* SPDX-License-Identifier: Apache-2.0 */
/* Tells whoever asked a service without backends at once that nobody is there: TCP by a reset, UDP by an ICMP port unreachable
 * that quotes its packet. No ICMP for TCP: it often arrives while connect() holds the socket, and is lost there. */
#pragma once
#include "checksum.h"
#include "deliver.h"

#define ICMP_PORT_UNREACHABLE 3
#define ICMPV6_PORT_UNREACHABLE 4
#define REFUSAL_HOPS 64
#define QUOTED4 (sizeof(struct iphdr) + sizeof(struct udphdr))
#define QUOTED6 (sizeof(struct ipv6hdr) + sizeof(struct udphdr))

struct unreachable4 {
	struct iphdr ip;
	struct icmphdr icmp;
};

struct unreachable6 {
	struct ipv6hdr ip;
	struct icmphdr icmp; /* of the same form in both families */
};

/* The headers of what goes back: from whom the packet was for, to its sender. */
static __always_inline void answer_ipv4(struct iphdr *ip, const struct packet *p, __u8 protocol, __u32 payload)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(sizeof(*ip) + payload);
	ip->ttl = REFUSAL_HOPS;
	ip->protocol = protocol;
	ip->saddr = v4(&p->tuple.dst);
	ip->daddr = v4(&p->tuple.src);
	ip->check = folded(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
}

static __always_inline void answer_ipv6(struct ipv6hdr *ip, const struct packet *p, __u8 protocol, __u32 payload)
{
	ip->version = 6;
	ip->payload_len = bpf_htons(payload);
	ip->hop_limit = REFUSAL_HOPS;
	ip->nexthdr = protocol;
	__builtin_memcpy(&ip->saddr, &p->tuple.dst, 16);
	__builtin_memcpy(&ip->daddr, &p->tuple.src, 16);
}

static __always_inline int write_unreachable4(struct __sk_buff *skb, const struct packet *p)
{
	struct unreachable4 answer = { .icmp = { .type = ICMP_UNREACHABLE, .code = ICMP_PORT_UNREACHABLE } };
	__u8 quoted[QUOTED4];
	__s64 sum;

	if (bpf_skb_adjust_room(skb, sizeof(answer), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0 ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(answer), quoted, sizeof(quoted)) < 0)
		return -1;
	answer_ipv4(&answer.ip, p, IPPROTO_ICMP, sizeof(answer.icmp) + sizeof(quoted));
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&answer.icmp, sizeof(answer.icmp), 0);
	answer.icmp.checksum = folded(bpf_csum_diff(NULL, 0, (__be32 *)quoted, sizeof(quoted), sum));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &answer, sizeof(answer), 0);
}

static __always_inline int write_unreachable6(struct __sk_buff *skb, const struct packet *p)
{
	struct unreachable6 answer = { .icmp = { .type = ICMPV6_UNREACHABLE, .code = ICMPV6_PORT_UNREACHABLE } };
	__u8 quoted[QUOTED6];
	__u32 payload = sizeof(answer.icmp) + sizeof(quoted);
	__s64 sum;

	if (bpf_skb_adjust_room(skb, sizeof(answer), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) < 0 ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(answer), quoted, sizeof(quoted)) < 0)
		return -1;
	answer_ipv6(&answer.ip, p, IPPROTO_ICMPV6, payload);
	sum = pseudo_header(&answer.ip.saddr, payload, IPPROTO_ICMPV6);
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&answer.icmp, sizeof(answer.icmp), sum);
	answer.icmp.checksum = folded(bpf_csum_diff(NULL, 0, (__be32 *)quoted, sizeof(quoted), sum));
	return bpf_skb_store_bytes(skb, ETH_HLEN, &answer, sizeof(answer), 0);
}

/* RFC 9293, 3.10.7.1: the answer of a host where nobody is connected. */
static __always_inline int write_reset(struct __sk_buff *skb, const struct packet *p)
{
	struct tcphdr asked, reset = { .doff = sizeof(reset) / 4, .rst = 1 };
	struct iphdr ip = {};
	struct ipv6hdr ip6 = {};
	__be32 rest[2] = { bpf_htonl(sizeof(reset)), bpf_htonl(IPPROTO_TCP) };
	__s64 sum;

	if (bpf_skb_load_bytes(skb, p->l4, &asked, sizeof(asked)) < 0 || asked.rst)
		return -1;
	reset.source = p->tuple.dport;
	reset.dest = p->tuple.sport;
	reset.seq = asked.ack ? asked.ack_seq : 0;
	reset.ack = !asked.ack;
	reset.ack_seq = asked.ack ? 0 : bpf_htonl(bpf_ntohl(asked.seq) + asked.syn);
	if (p->is_ipv6) {
		answer_ipv6(&ip6, p, IPPROTO_TCP, sizeof(reset));
		sum = pseudo_header(&ip6.saddr, sizeof(reset), IPPROTO_TCP);
	} else {
		answer_ipv4(&ip, p, IPPROTO_TCP, sizeof(reset));
		sum = bpf_csum_diff(NULL, 0, &ip.saddr, 2 * sizeof(ip.saddr), 0);
		sum = bpf_csum_diff(NULL, 0, rest, sizeof(rest), sum);
	}
	reset.check = folded(bpf_csum_diff(NULL, 0, (__be32 *)&reset, sizeof(reset), sum));
	if ((p->is_ipv6 ? bpf_skb_store_bytes(skb, ETH_HLEN, &ip6, sizeof(ip6), 0) :
			  bpf_skb_store_bytes(skb, ETH_HLEN, &ip, sizeof(ip), 0)) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, p->l4, &reset, sizeof(reset), 0);
}

/* Makes the refusal of the packet out of it. 0, or negative when such a packet gets none. */
VERIFIED_ONCE int make_refusal(struct __sk_buff *skb, struct packet *p)
{
	bool is_tcp;
	__u32 kept;

	if (!p || !p->has_l4 || p->fragment)
		return -1;
	is_tcp = p->tuple.protocol == IPPROTO_TCP;
	kept = p->l4 + (is_tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr));
	if ((!is_tcp && p->tuple.protocol != IPPROTO_UDP) ||
	    p->l4 != ETH_HLEN + (p->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) ||
	    bpf_skb_change_tail(skb, kept, 0) < 0)
		return -1;
	if (is_tcp)
		return write_reset(skb, p);
	return p->is_ipv6 ? write_unreachable6(skb, p) : write_unreachable4(skb, p);
}

/* What a program must return for a packet that no service translated: it is reported as dropped, and its sender, a pod of this
 * node, is told when nobody is there. */
static __always_inline int refuse_endpoint(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint, int failed)
{
	drop(skb, p, failed);
	if (failed != -DROP_NO_BACKEND || make_refusal(skb, p) < 0 || set_macs(skb, endpoint) < 0)
		return TC_ACT_SHOT;
	return bpf_redirect_peer(endpoint->ifindex, 0);
}

/* The same where the node's own stack asked. */
static __always_inline int refuse_host(struct __sk_buff *skb, struct packet *p, const struct sg_node *node, int failed)
{
	drop(skb, p, failed);
	if (failed != -DROP_NO_BACKEND || make_refusal(skb, p) < 0)
		return TC_ACT_SHOT;
	skb->mark = SG_MARK_MADE_HERE;
	return bpf_redirect(node->host_ifindex, BPF_F_INGRESS);
}

/* The same where somebody on the fabric asked: back to the neighbour that brought it. */
static __always_inline int refuse_network(struct __sk_buff *skb, struct packet *p, int failed)
{
	__u8 macs[12], turned[12];

	drop(skb, p, failed);
	if (failed != -DROP_NO_BACKEND || bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)) < 0 || make_refusal(skb, p) < 0)
		return TC_ACT_SHOT;
	__builtin_memcpy(turned, macs + 6, 6);
	__builtin_memcpy(turned + 6, macs, 6);
	if (bpf_skb_store_bytes(skb, 0, turned, sizeof(turned), 0) < 0)
		return TC_ACT_SHOT;
	skb->mark = SG_MARK_MADE_HERE;
	return bpf_redirect(skb->ifindex, 0);
}
