/* SPDX-License-Identifier: Apache-2.0 */
/* Every address that a pod asks for answers with the host side's own mac; nothing of ARP reaches the node's stack. */
#pragma once
#include "maps.h"

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
