/* SPDX-License-Identifier: Apache-2.0 */
/* Changes an address and port of the packet with its checksums, and keeps the tuple true. */
#pragma once
#include "packet.h"

enum side { SOURCE, DESTINATION };

static __always_inline int l4_checksum(const struct packet *p, __u32 *offset, __u64 *flags)
{
	*flags = 0;
	switch (p->tuple.protocol) {
	case IPPROTO_TCP:
		*offset = p->l4 + offsetof(struct tcphdr, check);
		return 1;
	case IPPROTO_UDP:
		*offset = p->l4 + offsetof(struct udphdr, check);
		*flags = BPF_F_MARK_MANGLED_0;
		return 1;
	case IPPROTO_ICMPV6:
		*offset = p->l4 + offsetof(struct icmp6hdr, icmp6_cksum);
		return 1;
	default:
		return 0;
	}
}

/* What a checksum must take in when one address takes the place of another; of IPv4 only the last word differs. */
static __always_inline __s64 address_change(const struct sg_addr *from, const struct sg_addr *to)
{
	return bpf_csum_diff((__be32 *)from, sizeof(*from), (__be32 *)to, sizeof(*to), 0);
}

/* Writes the address at `at`, the place of an IP header at `header`, whose own checksum follows. */
static __always_inline int store_address(struct __sk_buff *skb, bool is_ipv6, __u32 header, __u32 at,
					 const struct sg_addr *from, const struct sg_addr *to)
{
	__be32 ip = v4(to);

	if (is_ipv6)
		return bpf_skb_store_bytes(skb, at, to, sizeof(*to), 0);
	if (bpf_l3_csum_replace(skb, header + offsetof(struct iphdr, check), v4(from), ip, 4) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), 0);
}

static __always_inline __u32 address_offset(bool is_ipv6, int side)
{
	if (is_ipv6)
		return side == SOURCE ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr);
	return side == SOURCE ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
}

VERIFIED_ONCE int rewrite(struct __sk_buff *skb, struct packet *p, int side, const struct sg_addr *ip, __be16 port)
{
	struct sg_addr old, new;
	__be16 old_port;
	bool has_ports;
	__u32 check = 0;
	__u64 flags = 0;

	if (!p || !ip)
		return -DROP_INVALID_PACKET;
	new = *ip;
	old = side == SOURCE ? p->tuple.src : p->tuple.dst;
	old_port = side == SOURCE ? p->tuple.sport : p->tuple.dport;
	has_ports = p->has_l4 && !is_icmp(p->tuple.protocol);
	/* SCTP's checksum covers the ports and cannot be patched in place. */
	if (has_ports && p->tuple.protocol == IPPROTO_SCTP && port != old_port)
		return FAIL(p, DROP_UNSUPPORTED_L4);
	if (p->has_l4 && l4_checksum(p, &check, &flags)) {
		if (bpf_l4_csum_replace(skb, check, 0, address_change(&old, &new), flags | BPF_F_PSEUDO_HDR) < 0 ||
		    (has_ports && port != old_port && bpf_l4_csum_replace(skb, check, old_port, port, flags | 2) < 0))
			return FAIL(p, DROP_INVALID_PACKET);
	}
	if (has_ports && port != old_port &&
	    bpf_skb_store_bytes(skb, p->l4 + (side == SOURCE ? 0 : 2), &port, sizeof(port), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (store_address(skb, p->is_ipv6, ETH_HLEN, ETH_HLEN + address_offset(p->is_ipv6, side), &old, &new) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (side == SOURCE) {
		p->tuple.src = new;
		p->tuple.sport = port;
	} else {
		p->tuple.dst = new;
		p->tuple.dport = port;
	}
	return 0;
}

/* The packet quoted in an ICMP error went to a frontend as its sender knows it: put the frontend back. In IPv4 address and
 * quoted IP checksum cancel out in the ICMP checksum; in IPv6 nothing does. */
VERIFIED_ONCE int rewrite_quoted(struct __sk_buff *skb, struct packet *p, const struct sg_addr *ip, __be16 port)
{
	struct sg_addr old, new;
	__be16 old_port;
	__u32 check, quoted;

	if (!p || !ip)
		return -DROP_INVALID_PACKET;
	new = *ip;
	old = p->inner.dst;
	old_port = p->inner.dport;
	check = p->l4 + offsetof(struct icmphdr, checksum);
	quoted = p->inner_ip;
	if (p->is_ipv6 && bpf_l4_csum_replace(skb, check, 0, address_change(&old, &new), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (store_address(skb, p->is_ipv6, quoted, quoted + address_offset(p->is_ipv6, DESTINATION), &old, &new) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (p->inner.protocol != IPPROTO_TCP && p->inner.protocol != IPPROTO_UDP)
		return 0;
	if (bpf_l4_csum_replace(skb, check, old_port, port, 2) < 0 ||
	    bpf_skb_store_bytes(skb, p->inner_l4 + 2, &port, sizeof(port), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	return 0;
}
