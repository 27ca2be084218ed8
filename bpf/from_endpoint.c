/* SPDX-License-Identifier: Apache-2.0 */
/* tc ingress on the host side of a pod's veth: everything that a pod sends. */
#include "hairpin.h"
#include "neighbour.h"
#include "refuse.h"

static __always_inline int check_sender(struct __sk_buff *skb, struct packet *p, const struct sg_endpoint *endpoint)
{
	__u8 mac[ETH_ALEN];

	if (bpf_skb_load_bytes(skb, ETH_ALEN, mac, sizeof(mac)) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	if (__builtin_memcmp(mac, endpoint->mac, 4) || __builtin_memcmp(mac + 4, endpoint->mac + 4, 2) ||
	    !same_addr(&p->tuple.src, own_address(p, endpoint)))
		return FAIL(p, DROP_INVALID_SOURCE_IP);
	/* A pod that could speak VXLAN to the nodes could claim any identity. */
	if (is_overlay_packet(p))
		return FAIL(p, DROP_ENCAP_PROHIBITED);
	return 0;
}

/* In a cluster without IPv6: what every kernel sends by itself is counted, but nobody wants to see it. */
static __always_inline bool is_ipv6_noise(struct __sk_buff *skb)
{
	__u8 next_header;

	if (skb->protocol != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, ETH_HLEN + 6, &next_header, 1) < 0)
		return false;
	return next_header == IPPROTO_ICMPV6 || next_header == IPV6_HOP_OPTIONS;
}

static __always_inline int leave(struct __sk_buff *skb, struct packet *p, struct sg_node *node, struct sg_endpoint *local,
				 __u32 identity)
{
	if (local)
		return to_local_endpoint(skb, p, local);
	if (p->via)
		return leave_through_node(skb, p, identity);
	if (is_this_node(node, &p->tuple.dst))
		return to_host(skb, p, SG_TRACE_TO_STACK);
	if (p->tunnel)
		return to_other_node(skb, p, p->tunnel, identity);
	/* A pod's address that nobody owns must not reach the stack, which would route it as if the host had sent it. */
	if (in_cluster(node, &p->tuple.dst))
		return drop(skb, p, FAIL(p, DROP_UNKNOWN_TARGET));
	trace(skb, p, SG_TRACE_TO_STACK, SG_EGRESS);
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return TC_ACT_OK;
}

static __noinline int send(struct __sk_buff *skb, struct packet *p, struct sg_endpoint *endpoint)
{
	struct sg_node *node = this_node();
	struct sg_endpoint *local;
	__u32 identity;
	int failed;

	if (!node || !endpoint)
		return drop(skb, p, FAIL(p, DROP_NO_ENDPOINT));
	identity = endpoint->identity;
	local = local_endpoint(&p->tuple.dst);
	if (local)
		p->dst_identity = local->identity;
	else
		resolve(p, node);
	p->dst_endpoint = local ? local->id : 0;
	failed = judge(skb, p, endpoint, SG_EGRESS);
	if (failed)
		return drop(skb, p, failed);
	if (p->proxy_port) {
		record_origin(p, endpoint, SG_EGRESS);
		return redirect_to_proxy(skb, p);
	}
	return leave(skb, p, node, local, identity);
}

SEC("tc")
int from_endpoint(struct __sk_buff *skb)
{
	struct packet *p = new_packet();
	struct sg_node *node = this_node();
	__u32 ifindex = skb->ifindex;
	struct sg_endpoint *endpoint = bpf_map_lookup_elem(&sg_endpoint_by_ifindex, &ifindex);
	int failed;

	if (!p || !node)
		return TC_ACT_SHOT;
	p->ct_status = SG_CT_UNKNOWN;
	skb->mark = 0;
	if (!endpoint)
		return drop(skb, p, FAIL(p, DROP_NO_ENDPOINT));
	p->src_identity = endpoint->identity;
	p->src_endpoint = endpoint->id;
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return arp_answer(skb, endpoint);
	if (!is_spoken(skb, node) && is_ipv6_noise(skb)) {
		count(DROP_UNSUPPORTED_L3, SG_EGRESS, skb->len, PLACE);
		return TC_ACT_SHOT;
	}
	if (!is_spoken(skb, node) || skb->vlan_present)
		return drop(skb, p, FAIL(p, DROP_UNSUPPORTED_L3));
	failed = parse(skb, p);
	if (is_discovery(p))
		return discovery_answer(skb, p, endpoint);
	if (!failed)
		failed = check_sender(skb, p, endpoint);
	/* The node's stack would take these for itself, whatever policy says of the node. */
	if (!failed && is_shared(node, &p->tuple.dst))
		failed = FAIL(p, DROP_UNKNOWN_TARGET);
	if (failed)
		return drop(skb, p, failed);
	remember_fragment(p);
	trace_arrival(skb, p, node, SG_TRACE_FROM_ENDPOINT);
	if (is_hairpin_address(&p->tuple.dst))
		return hairpin_back(skb, p, endpoint);
	if (has_redirected() && answers_proxy(p))
		return answer_to_proxy(skb, p);
	failed = service_translate(skb, p);
	if (failed)
		return refuse_endpoint(skb, p, endpoint, failed);
	if (same_addr(&p->tuple.dst, own_address(p, endpoint)))
		return p->translated ? hairpin_out(skb, p, endpoint) : drop(skb, p, FAIL(p, DROP_INVALID_PACKET));
	return send(skb, p, endpoint);
}
