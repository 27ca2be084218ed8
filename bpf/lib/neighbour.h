/* SPDX-License-Identifier: Apache-2.0 */
/* Every address that a pod asks for answers with the host side's own mac, in both families; nothing of it reaches the node's
 * stack. */
#pragma once
#include "checksum.h"
#include "maps.h"
#include "packet.h"

struct arp_ethernet {
	__u8 eth_dst[6];
	__u8 eth_src[6];
	__be16 eth_type;
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender_ip[4];
	__u8 target_mac[6];
	__u8 target_ip[4];
} __attribute__((packed));

#define ARP_REQUEST 1
#define ARP_REPLY 2

static __noinline int arp_answer(struct __sk_buff *skb, struct sg_endpoint *endpoint)
{
	struct arp_ethernet arp;
	__u32 asked;

	if (!endpoint || bpf_skb_load_bytes(skb, 0, &arp, sizeof(arp)) < 0)
		return TC_ACT_SHOT;
	__builtin_memcpy(&asked, arp.target_ip, 4);
	/* A pod that asks for its own address looks for a duplicate: silence means there is none. */
	if (arp.operation != bpf_htons(ARP_REQUEST) || arp.protocol != bpf_htons(ETH_P_IP) ||
	    asked == endpoint->addr.words[3])
		return TC_ACT_SHOT;
	__builtin_memcpy(arp.target_ip, arp.sender_ip, 4);
	__builtin_memcpy(arp.sender_ip, &asked, 4);
	__builtin_memcpy(arp.target_mac, endpoint->mac, 6);
	__builtin_memcpy(arp.sender_mac, endpoint->host_mac, 6);
	__builtin_memcpy(arp.eth_dst, endpoint->mac, 6);
	__builtin_memcpy(arp.eth_src, endpoint->host_mac, 6);
	arp.operation = bpf_htons(ARP_REPLY);
	if (bpf_skb_store_bytes(skb, 0, &arp, sizeof(arp), 0) < 0)
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

/* RFC 4861, 4.4: an advertisement with the option that names the mac. */
struct advertisement {
	struct ipv6hdr ip;
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 flags;
	struct sg_addr target;
	__u8 option;
	__u8 option_length; /* in 8 bytes */
	__u8 mac[6];
} __attribute__((packed, aligned(8)));

#define ADVERTISEMENT_BYTES (sizeof(struct advertisement) - sizeof(struct ipv6hdr))
#define FROM_ROUTER_SOLICITED_OVERRIDES bpf_htonl(0xe0000000)
#define OPTION_TARGET_MAC 2
#define DISCOVERY_HOPS 255 /* anything less came through a router */

/* `p` is_discovery() from the pod. Whatever is no question for somebody else's address is dropped without a word: nobody
 * wants to see what every kernel sends by itself. */
static __noinline int discovery_answer(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	struct advertisement answer = {};
	__u8 macs[12];

	if (!p || !endpoint || p->icmp_type != ICMPV6_NEIGHBOUR_SOLICITATION || is_unspecified(&p->tuple.src) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &answer.ip, sizeof(answer.ip)) < 0 ||
	    bpf_skb_load_bytes(skb, p->l4 + 8, &answer.target, sizeof(answer.target)) < 0 ||
	    answer.ip.hop_limit != DISCOVERY_HOPS || same_addr(&answer.target, &endpoint->addr6) ||
	    bpf_skb_change_tail(skb, ETH_HLEN + sizeof(answer), 0) < 0)
		return TC_ACT_SHOT;
	answer.ip.payload_len = bpf_htons(ADVERTISEMENT_BYTES);
	answer.ip.nexthdr = IPPROTO_ICMPV6;
	answer.ip.daddr = answer.ip.saddr;
	__builtin_memcpy(&answer.ip.saddr, &answer.target, 16);
	answer.type = ICMPV6_NEIGHBOUR_ADVERTISEMENT;
	answer.flags = FROM_ROUTER_SOLICITED_OVERRIDES;
	answer.option = OPTION_TARGET_MAC;
	answer.option_length = 1;
	__builtin_memcpy(answer.mac, endpoint->host_mac, 6);
	answer.checksum = folded(bpf_csum_diff(NULL, 0, (__be32 *)&answer.type, ADVERTISEMENT_BYTES,
					       pseudo_header(&answer.ip.saddr, ADVERTISEMENT_BYTES, IPPROTO_ICMPV6)));
	__builtin_memcpy(macs, endpoint->mac, 6);
	__builtin_memcpy(macs + 6, endpoint->host_mac, 6);
	if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0) < 0 ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &answer, sizeof(answer), 0) < 0)
		return TC_ACT_SHOT;
	return bpf_redirect_peer(endpoint->ifindex, 0);
}
