/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the IP and L4 headers into the packet's tuple; later fragments get the ports of the first. */
#pragma once
#include "maps.h"
#include "packet.h"

/* Extension headers that are walked over; a packet with more is dropped. */
#define IPV6_EXTENSIONS 6

static __always_inline void fragment_key(struct packet *p, struct sg_fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->src = p->tuple.src;
	key->dst = p->tuple.dst;
	key->id = p->fragment_id;
	key->protocol = p->tuple.protocol;
}

static __always_inline int later_fragment(struct packet *p)
{
	struct sg_fragment_key key;
	struct sg_fragment_ports *ports;

	fragment_key(p, &key);
	ports = bpf_map_lookup_elem(&sg_fragment, &key);
	if (!ports)
		return FAIL(p, DROP_FRAGMENT);
	p->tuple.sport = ports->sport;
	p->tuple.dport = ports->dport;
	p->icmp_type = ports->icmp_type;
	return 0;
}

/* To be called when the sender is known to be whom it says, and before anything is translated: a first fragment with somebody
 * else's address would decide for that one's later fragments. */
static __always_inline void remember_fragment(struct packet *p)
{
	struct sg_fragment_key key;
	struct sg_fragment_ports ports = { .sport = p->tuple.sport, .dport = p->tuple.dport, .icmp_type = p->icmp_type };

	if (!p->fragment || !p->has_l4)
		return;
	fragment_key(p, &key);
	bpf_map_update_elem(&sg_fragment, &key, &ports, BPF_ANY);
}

static __always_inline bool is_icmp_error(__u8 protocol, __u8 type)
{
	if (protocol == IPPROTO_ICMP)
		return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
	return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER_PROBLEM;
}

/* An echo's identifier stands for the port of the side that asks. */
static __always_inline void echo_ports(struct sg_ct_key *tuple, __u8 type, __be16 identifier)
{
	tuple->sport = is_echo_request(tuple->protocol, type) ? identifier : 0;
	tuple->dport = is_echo_reply(tuple->protocol, type) ? identifier : 0;
}

/* What stands between an IPv6 header and its L4 header. */
struct extensions {
	__u32 offset;   /* of what follows them */
	__u32 fragment_id;
	__u16 fragment; /* offset and the bit "more" */
	__u8 next;
	__u8 fragmented;
};

/* Walks over extension headers. A routing header is refused: policy would judge a destination that is not the last one. A
 * header beyond the first fragment would hide what the packet is, so a fragment header must come once and last. */
VERIFIED_ONCE int walk_extensions(struct __sk_buff *skb, struct extensions *at)
{
	__u8 bytes[8];
	int i;

	if (!at)
		return -DROP_EXTENSION_HEADER;
	for (i = 0; i <= IPV6_EXTENSIONS; i++) {
		__u32 length;

		switch (at->next) {
		case IPV6_HOP_OPTIONS:
		case IPV6_DESTINATION_OPTIONS:
		case IPV6_AUTHENTICATION:
		case IPV6_FRAGMENT:
			break;
		case IPV6_ROUTING:
		case IPV6_NO_NEXT:
			return -DROP_EXTENSION_HEADER;
		default:
			return 0;
		}
		if (at->fragmented || i == IPV6_EXTENSIONS || bpf_skb_load_bytes(skb, at->offset, bytes, sizeof(bytes)) < 0)
			return -DROP_EXTENSION_HEADER;
		length = (bytes[1] + 1) * 8;
		if (at->next == IPV6_AUTHENTICATION) {
			length = (bytes[1] + 2) * 4;
		} else if (at->next == IPV6_FRAGMENT) {
			length = 8;
			at->fragmented = 1;
			at->fragment = bpf_ntohs(*(__be16 *)&bytes[2]);
			at->fragment_id = *(__u32 *)&bytes[4];
		}
		at->next = bytes[0];
		at->offset += length;
	}
	return -DROP_EXTENSION_HEADER;
}

static __always_inline int inner_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, p->inner_ip, &ip, sizeof(ip)) < 0 || ip.ihl < 5)
		return FAIL(p, DROP_INVALID_PACKET);
	set_v4(&p->inner.src, ip.saddr);
	set_v4(&p->inner.dst, ip.daddr);
	p->inner.protocol = ip.protocol;
	if (!(bpf_ntohs(ip.frag_off) & IP_FRAGMENT_OFFSET))
		p->inner_l4 = p->inner_ip + ip.ihl * 4;
	return 0;
}

static __always_inline int inner_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct extensions at = { .offset = p->inner_ip + sizeof(struct ipv6hdr) };

	if (bpf_skb_load_bytes(skb, p->inner_ip + offsetof(struct ipv6hdr, nexthdr), &at.next, 1) < 0 ||
	    bpf_skb_load_bytes(skb, p->inner_ip + offsetof(struct ipv6hdr, saddr), &p->inner.src, 16) < 0 ||
	    bpf_skb_load_bytes(skb, p->inner_ip + offsetof(struct ipv6hdr, daddr), &p->inner.dst, 16) < 0 ||
	    is_v4(&p->inner.src) || is_v4(&p->inner.dst) || walk_extensions(skb, &at) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	p->inner.protocol = at.next;
	if (!(at.fragment & IPV6_FRAGMENT_OFFSET))
		p->inner_l4 = at.offset;
	return 0;
}

VERIFIED_ONCE int parse_icmp_error(struct __sk_buff *skb, struct packet *p)
{
	__u8 l4[8];
	int failed;

	if (!p)
		return -DROP_INVALID_PACKET;
	p->inner_ip = p->l4 + 8;
	p->icmp_error = 1;
	failed = p->is_ipv6 ? inner_ipv6(skb, p) : inner_ipv4(skb, p);
	if (failed || !p->inner_l4) /* without ports it matches no connection */
		return failed;
	if (bpf_skb_load_bytes(skb, p->inner_l4, l4, sizeof(l4)) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (is_icmp(p->inner.protocol)) {
		echo_ports(&p->inner, l4[0], *(__be16 *)&l4[4]);
	} else {
		p->inner.sport = *(__be16 *)&l4[0];
		p->inner.dport = *(__be16 *)&l4[2];
	}
	return 0;
}

static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *p)
{
	__u8 icmp[8];

	/* Each family has its own. */
	if (p->is_ipv6 != (p->tuple.protocol == IPPROTO_ICMPV6))
		return FAIL(p, DROP_UNKNOWN_L4);
	if (p->l4 + sizeof(icmp) > p->end || bpf_skb_load_bytes(skb, p->l4, icmp, sizeof(icmp)) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	p->icmp_type = icmp[0];
	p->icmp_code = icmp[1];
	if (is_icmp_error(p->tuple.protocol, p->icmp_type))
		return parse_icmp_error(skb, p);
	if (is_echo_request(p->tuple.protocol, p->icmp_type) || is_echo_reply(p->tuple.protocol, p->icmp_type))
		echo_ports(&p->tuple, p->icmp_type, *(__be16 *)&icmp[4]);
	else
		p->tuple.dport = bpf_htons(p->icmp_type);
	return 0;
}

static __always_inline int parse_l4(struct __sk_buff *skb, struct packet *p)
{
	__u8 l4[sizeof(struct tcphdr)];

	switch (p->tuple.protocol) {
	case IPPROTO_TCP:
		if (p->l4 + sizeof(struct tcphdr) > p->end || bpf_skb_load_bytes(skb, p->l4, l4, sizeof(struct tcphdr)) < 0)
			return FAIL(p, DROP_INVALID_PACKET);
		p->tcp_flags = l4[13];
		break;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		if (p->l4 + 8 > p->end || bpf_skb_load_bytes(skb, p->l4, l4, 8) < 0)
			return FAIL(p, DROP_INVALID_PACKET);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return parse_icmp(skb, p);
	default:
		return FAIL(p, DROP_UNKNOWN_L4);
	}
	p->tuple.sport = *(__be16 *)&l4[0];
	p->tuple.dport = *(__be16 *)&l4[2];
	return 0;
}

static __always_inline int parse_first(struct __sk_buff *skb, struct packet *p)
{
	p->has_l4 = 1;
	return parse_l4(skb, p);
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr ip;
	__u32 fragment;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5)
		return FAIL(p, DROP_INVALID_PACKET);
	set_v4(&p->tuple.src, ip.saddr);
	set_v4(&p->tuple.dst, ip.daddr);
	p->tuple.protocol = ip.protocol;
	p->end = ETH_HLEN + bpf_ntohs(ip.tot_len);
	p->fragment_id = ip.id;
	p->l4 = ETH_HLEN + ip.ihl * 4;
	fragment = bpf_ntohs(ip.frag_off) & IP_FRAGMENT_ANY;
	p->fragment = fragment != 0;
	return fragment & IP_FRAGMENT_OFFSET ? later_fragment(p) : parse_first(skb, p);
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct extensions at = { .offset = ETH_HLEN + sizeof(struct ipv6hdr) };
	struct ipv6hdr ip;
	int failed;

	p->is_ipv6 = 1;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 6)
		return FAIL(p, DROP_INVALID_PACKET);
	__builtin_memcpy(&p->tuple.src, &ip.saddr, 16);
	__builtin_memcpy(&p->tuple.dst, &ip.daddr, 16);
	/* The maps hold IPv4 in this form: such an address would pass for one of the other family. */
	if (is_v4(&p->tuple.src) || is_v4(&p->tuple.dst))
		return FAIL(p, DROP_INVALID_PACKET);
	p->end = ETH_HLEN + sizeof(ip) + bpf_ntohs(ip.payload_len);
	at.next = ip.nexthdr;
	failed = walk_extensions(skb, &at);
	if (failed)
		return FAIL(p, -failed);
	p->tuple.protocol = at.next;
	p->fragment_id = at.fragment_id;
	p->l4 = at.offset;
	p->fragment = (at.fragment & (IPV6_FRAGMENT_OFFSET | IPV6_FRAGMENT_MORE)) != 0;
	return at.fragment & IPV6_FRAGMENT_OFFSET ? later_fragment(p) : parse_first(skb, p);
}

/* A family that this node's cluster has. */
static __always_inline bool is_spoken(const struct __sk_buff *skb, const struct sg_node *node)
{
	return skb->protocol == bpf_htons(ETH_P_IP) || (skb->protocol == bpf_htons(ETH_P_IPV6) && (node->flags & SG_NODE_IPV6));
}

/* 0 or minus a drop reason. The addresses hold as soon as the IP header could be read. The family is_spoken(). */
VERIFIED_ONCE int parse(struct __sk_buff *skb, struct packet *p)
{
	if (!p)
		return -DROP_INVALID_PACKET;
	p->ct_status = SG_CT_UNKNOWN;
	p->report = 1;
	return skb->protocol == bpf_htons(ETH_P_IPV6) ? parse_ipv6(skb, p) : parse_ipv4(skb, p);
}
