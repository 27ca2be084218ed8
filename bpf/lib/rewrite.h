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
	default:
		return 0;
	}
}

VERIFIED_ONCE int rewrite(struct __sk_buff *skb, struct packet *p, int side, __be32 ip, __be16 port)
{
	__be32 old_ip;
	__be16 old_port;
	__u32 at = ETH_HLEN + (side == SOURCE ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));
	bool has_ports;
	__u32 check = 0;
	__u64 flags = 0;

	if (!p)
		return -DROP_INVALID_PACKET;
	old_ip = v4(side == SOURCE ? &p->tuple.src : &p->tuple.dst);
	old_port = side == SOURCE ? p->tuple.sport : p->tuple.dport;
	has_ports = p->has_l4 && p->tuple.protocol != IPPROTO_ICMP;
	/* SCTP's checksum covers the ports and cannot be patched in place. */
	if (has_ports && p->tuple.protocol == IPPROTO_SCTP && port != old_port)
		return FAIL(p, DROP_UNSUPPORTED_L4);
	if (has_ports && l4_checksum(p, &check, &flags)) {
		if (bpf_l4_csum_replace(skb, check, old_ip, ip, flags | BPF_F_PSEUDO_HDR | 4) < 0 ||
		    (port != old_port && bpf_l4_csum_replace(skb, check, old_port, port, flags | 2) < 0))
			return FAIL(p, DROP_INVALID_PACKET);
	}
	if (has_ports && port != old_port &&
	    bpf_skb_store_bytes(skb, p->l4 + (side == SOURCE ? 0 : 2), &port, sizeof(port), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), old_ip, ip, 4) < 0 ||
	    bpf_skb_store_bytes(skb, at, &ip, sizeof(ip), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (side == SOURCE) {
		set_v4(&p->tuple.src, ip);
		p->tuple.sport = port;
	} else {
		set_v4(&p->tuple.dst, ip);
		p->tuple.dport = port;
	}
	return 0;
}

/* The packet quoted in an ICMP error went to a frontend as its sender knows it: put the frontend back. The quoted IP
 * checksum and the ICMP checksum change by the same words, so that only the ICMP one has to follow the payload. */
VERIFIED_ONCE int rewrite_quoted(struct __sk_buff *skb, struct packet *p, __be32 ip, __be16 port)
{
	__be32 old_ip;
	__be16 old_port;
	__u32 check, quoted;
	__u8 length;

	if (!p)
		return -DROP_INVALID_PACKET;
	old_ip = v4(&p->inner.dst);
	old_port = p->inner.dport;
	check = p->l4 + 2;
	quoted = p->inner_ip;
	if (bpf_skb_load_bytes(skb, quoted, &length, 1) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	/* address and quoted IP checksum cancel out in the ICMP checksum: patch the quoted header as one */
	if (bpf_l3_csum_replace(skb, quoted + offsetof(struct iphdr, check), old_ip, ip, 4) < 0 ||
	    bpf_skb_store_bytes(skb, quoted + offsetof(struct iphdr, daddr), &ip, sizeof(ip), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (p->inner.protocol != IPPROTO_TCP && p->inner.protocol != IPPROTO_UDP)
		return 0;
	if (bpf_l4_csum_replace(skb, check, old_port, port, 2) < 0 ||
	    bpf_skb_store_bytes(skb, quoted + (length & 0xf) * 4 + 2, &port, sizeof(port), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	return 0;
}
