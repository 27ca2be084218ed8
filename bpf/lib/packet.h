/* SPDX-License-Identifier: Apache-2.0 */
/* What is known about the packet at hand; lives in a per-CPU map because the BPF stack is small. */
#pragma once
#include "kernel.h"

struct packet {
	struct sg_ct_key tuple;        /* as the packet is now: rewriting keeps it true */
	struct sg_ct_key inner;        /* the packet that an ICMP error speaks about */
	struct sg_addr service;        /* frontend, when `translated` */
	struct sg_addr restore;        /* frontend to put back on this reply, when `restores` */
	struct sg_addr original_source; /* before reverse translation, else zero */
	__u64 now_ns;
	__u32 src_identity;
	__u32 dst_identity;
	__u32 cookie;                  /* of the verdict */
	__u32 revision;
	__u32 place;                   /* where a drop was decided: its file and line in sg_event */
	__u32 out_ifindex;
	__u32 proxy_port;              /* redirect to this port, 0 = none */
	__be32 tunnel;                 /* the node behind which the destination is, 0 = here or outside; where `resolve` was asked */
	__be32 via;                    /* the node whose port this connection came through, 0 = none */
	__u16 at_endpoint;             /* the endpoint judged last: events belong to it */
	__u16 at_direction;
	__u16 src_endpoint;
	__u16 dst_endpoint;
	__be16 service_port;
	__be16 restore_port;
	__u32 fragment_id;
	__u32 end;                     /* of the packet as its IP header says: bytes beyond are padding, whatever they look like */
	__u16 l4;                      /* offset of the L4 header */
	__u16 inner_ip;                /* offset of the inner IP header */
	__u16 inner_l4;                /* of the inner L4 header */
	__u8 is_ipv6;
	__u8 has_l4;                   /* not a later fragment */
	__u8 fragment;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 icmp_error;
	__u8 translated;
	__u8 ct_status;
	__u8 match;
	__u8 proxy_leg;
	__u8 judged;                   /* the proxy's mark: policy is not asked again */
	__u8 report;                   /* aggregation wants a trace event */
	__u8 restores;
	__u8 audited;                  /* denied, but its endpoint is in audit mode */
	__u8 lifeline;                 /* between a node and the API server: the host firewall is not asked */
	__u8 reserved[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} sg_scratch SEC(".maps");

static __always_inline struct packet *new_packet(void)
{
	__u32 zero = 0;
	struct packet *p = bpf_map_lookup_elem(&sg_scratch, &zero);

	if (!p)
		return NULL;
	__builtin_memset(p, 0, sizeof(*p));
	p->now_ns = bpf_ktime_get_ns();
	return p;
}

static __always_inline __be32 v4(const struct sg_addr *addr)
{
	return addr->words[3];
}

static __always_inline bool same_addr(const struct sg_addr *a, const struct sg_addr *b)
{
	return a->words[3] == b->words[3] && a->words[2] == b->words[2] && a->words[1] == b->words[1] && a->words[0] == b->words[0];
}

static __always_inline bool is_v4(const struct sg_addr *addr)
{
	return addr->words[2] == bpf_htonl(0xffff) && addr->words[1] == 0 && addr->words[0] == 0;
}

static __always_inline bool is_unspecified(const struct sg_addr *addr)
{
	return !(addr->words[0] | addr->words[1] | addr->words[2] | addr->words[3]);
}

/* IPv6 only: multicast, or an address that means something on its link alone. */
static __always_inline bool is_link_scope(const struct sg_addr *addr)
{
	return addr->bytes[0] == 0xff || (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80);
}

static __always_inline bool is_icmp(__u8 protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

static __always_inline bool is_echo_request(__u8 protocol, __u8 type)
{
	return type == (protocol == IPPROTO_ICMP ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST);
}

static __always_inline bool is_echo_reply(__u8 protocol, __u8 type)
{
	return type == (protocol == IPPROTO_ICMP ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY);
}

/* What hosts on one link tell each other to find their neighbours: the IPv6 of ARP, and who listens to which group. */
static __always_inline bool is_discovery(const struct packet *p)
{
	return p->tuple.protocol == IPPROTO_ICMPV6 && p->has_l4 && !p->fragment &&
	       ((p->icmp_type >= ICMPV6_LISTENER_QUERY && p->icmp_type <= ICMPV6_REDIRECT) ||
		p->icmp_type == ICMPV6_LISTENER_REPORT_V2);
}

static __always_inline bool is_overlay_packet(const struct packet *p)
{
	return p->tuple.protocol == IPPROTO_UDP && p->tuple.dport == bpf_htons(VXLAN_PORT);
}

/* What is wrapped for another node, or from one, is the most of what passes the fabric's interface: told without a look at the
 * rest. 0 = no such packet, else the address it is for. */
static __always_inline __be32 wrapped_for(const struct __sk_buff *skb)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} outer;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &outer, sizeof(outer)) < 0 ||
	    outer.ip.version != 4 || outer.ip.ihl != 5 || outer.ip.protocol != IPPROTO_UDP ||
	    (outer.ip.frag_off & bpf_htons(IP_FRAGMENT_ANY)) || outer.udp.dest != bpf_htons(VXLAN_PORT))
		return 0;
	return outer.ip.daddr;
}

static __always_inline void set_v4(struct sg_addr *addr, __be32 ip)
{
	addr->words[0] = 0;
	addr->words[1] = 0;
	addr->words[2] = bpf_htonl(0xffff);
	addr->words[3] = ip;
}

static __always_inline bool is_syn(const struct packet *p)
{
	return p->tuple.protocol == IPPROTO_TCP && p->has_l4 && (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}
