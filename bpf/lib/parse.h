/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the IPv4 and L4 headers into the packet's tuple; later fragments get the ports of the first. */
#pragma once
#include "maps.h"
#include "packet.h"

static __always_inline void fragment_key(struct packet *p, struct sg_fragment_key *key)
{
	key->src = v4(&p->tuple.src);
	key->dst = v4(&p->tuple.dst);
	key->id = p->ip_id;
	key->protocol = p->tuple.protocol;
	key->reserved = 0;
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
	return 0;
}

static __always_inline void remember_fragment(struct packet *p)
{
	struct sg_fragment_key key;
	struct sg_fragment_ports ports = { .sport = p->tuple.sport, .dport = p->tuple.dport };

	fragment_key(p, &key);
	bpf_map_update_elem(&sg_fragment, &key, &ports, BPF_ANY);
}

/* An echo's identifier stands for the port of the side that asks. */
static __always_inline void echo_ports(struct sg_ct_key *tuple, __u8 type, __be16 identifier)
{
	tuple->sport = type == ICMP_ECHO_REQUEST ? identifier : 0;
	tuple->dport = type == ICMP_ECHO_REPLY ? identifier : 0;
}

VERIFIED_ONCE int parse_icmp_error(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr ip;
	__u8 l4[8];
	__u32 offset;

	if (!p)
		return -DROP_INVALID_PACKET;
	offset = p->l4 + 8;
	if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) < 0 || ip.ihl < 5)
		return FAIL(p, DROP_INVALID_PACKET);
	p->inner_ip = offset;
	set_v4(&p->inner.src, ip.saddr);
	set_v4(&p->inner.dst, ip.daddr);
	p->inner.protocol = ip.protocol;
	p->icmp_error = 1;
	if (bpf_ntohs(ip.frag_off) & IP_FRAGMENT_OFFSET)
		return 0; /* no ports: matches no connection */
	if (bpf_skb_load_bytes(skb, offset + ip.ihl * 4, l4, sizeof(l4)) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (ip.protocol == IPPROTO_ICMP) {
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

	if (bpf_skb_load_bytes(skb, p->l4, icmp, sizeof(icmp)) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	p->icmp_type = icmp[0];
	p->icmp_code = icmp[1];
	switch (p->icmp_type) {
	case ICMP_ECHO_REQUEST:
	case ICMP_ECHO_REPLY:
		echo_ports(&p->tuple, p->icmp_type, *(__be16 *)&icmp[4]);
		return 0;
	case ICMP_UNREACHABLE:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER_PROBLEM:
		return parse_icmp_error(skb, p);
	default:
		p->tuple.dport = bpf_htons(p->icmp_type);
		return 0;
	}
}

static __always_inline int parse_l4(struct __sk_buff *skb, struct packet *p)
{
	__u8 l4[14];

	switch (p->tuple.protocol) {
	case IPPROTO_TCP:
		if (bpf_skb_load_bytes(skb, p->l4, l4, 14) < 0)
			return FAIL(p, DROP_INVALID_PACKET);
		p->tcp_flags = l4[13];
		break;
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		if (bpf_skb_load_bytes(skb, p->l4, l4, 8) < 0)
			return FAIL(p, DROP_INVALID_PACKET);
		break;
	case IPPROTO_ICMP:
		return parse_icmp(skb, p);
	default:
		return FAIL(p, DROP_UNKNOWN_L4);
	}
	p->tuple.sport = *(__be16 *)&l4[0];
	p->tuple.dport = *(__be16 *)&l4[2];
	return 0;
}

VERIFIED_ONCE int parse_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr ip;
	__u32 fragment;
	int failed;

	if (!p)
		return -DROP_INVALID_PACKET;
	p->ct_status = SG_CT_UNKNOWN;
	p->report = 1;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5)
		return FAIL(p, DROP_INVALID_PACKET);
	set_v4(&p->tuple.src, ip.saddr);
	set_v4(&p->tuple.dst, ip.daddr);
	p->tuple.protocol = ip.protocol;
	p->ip_id = ip.id;
	p->l4 = ETH_HLEN + ip.ihl * 4;
	fragment = bpf_ntohs(ip.frag_off) & IP_FRAGMENT_ANY;
	p->fragment = fragment != 0;
	if (fragment & IP_FRAGMENT_OFFSET)
		return later_fragment(p);
	p->has_l4 = 1;
	failed = parse_l4(skb, p);
	if (!failed && p->fragment)
		remember_fragment(p);
	return failed;
}
