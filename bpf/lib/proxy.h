/* SPDX-License-Identifier: Apache-2.0 */
/* Hands packets to the node's transparent proxy. No socket = drop: the proxy being away must not open anything. */
#pragma once
#include "addr.h"
#include "conntrack.h"
#include "events.h"

static __always_inline bool is_proxy_mark(__u32 mark)
{
	return mark == SG_MARK_FROM_PROXY_INGRESS || mark == SG_MARK_FROM_PROXY_EGRESS;
}

static __always_inline __u32 tuple_to(struct bpf_sock_tuple *tuple, const struct packet *p, const struct sg_addr *dst,
				      __be16 dport)
{
	if (p->is_ipv6) {
		__builtin_memcpy(tuple->ipv6.saddr, &p->tuple.src, 16);
		__builtin_memcpy(tuple->ipv6.daddr, dst, 16);
		tuple->ipv6.sport = p->tuple.sport;
		tuple->ipv6.dport = dport;
		return sizeof(tuple->ipv6);
	}
	tuple->ipv4.saddr = v4(&p->tuple.src);
	tuple->ipv4.daddr = v4(dst);
	tuple->ipv4.sport = p->tuple.sport;
	tuple->ipv4.dport = dport;
	return sizeof(tuple->ipv4);
}

static __always_inline struct bpf_sock *socket_at(struct __sk_buff *skb, struct packet *p, const struct sg_addr *dst,
						  __be16 dport)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = tuple_to(&tuple, p, dst, dport);

	return bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

static __always_inline void loopback_address(struct sg_addr *addr, bool is_ipv6)
{
	if (is_ipv6) {
		__builtin_memset(addr, 0, sizeof(*addr));
		addr->words[3] = bpf_htonl(1);
	} else {
		set_v4(addr, bpf_htonl(0x7f000001));
	}
}

static __always_inline int assign(struct __sk_buff *skb, struct packet *p, struct bpf_sock *socket)
{
	int failed = bpf_sk_assign(skb, socket, 0);

	bpf_sk_release(socket);
	if (failed)
		return FAIL(p, DROP_PROXY_UNSUPPORTED);
	skb->mark = SG_MARK_TO_PROXY | p->proxy_port << 16;
	bpf_skb_change_type(skb, 0 /* PACKET_HOST */);
	return 0;
}

/* Takes the SYN flag out of a packet. */
static __always_inline int unset_syn(struct __sk_buff *skb, struct packet *p)
{
	__u8 words[2], plain[2];
	__u32 at = p->l4 + 12; /* the header's length, then the flags */
	__be16 old, new;

	if (bpf_skb_load_bytes(skb, at, words, sizeof(words)) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	plain[0] = words[0];
	plain[1] = words[1] & ~TCP_SYN;
	__builtin_memcpy(&old, words, sizeof(old));
	__builtin_memcpy(&new, plain, sizeof(new));
	if (bpf_l4_csum_replace(skb, p->l4 + offsetof(struct tcphdr, check), old, new, sizeof(new)) < 0 ||
	    bpf_skb_store_bytes(skb, at, &new, sizeof(new), 0) < 0)
		return FAIL(p, DROP_INVALID_PACKET);
	return 0;
}

/* The connection's own socket; `fresh` = the packet may open one: then a listener does not count. A SYN that meets what is
 * left of the connection before (TIME_WAIT) cannot open another, for newer kernels do not let a listener have the pair of
 * addresses: it goes there as a stray segment. Its acknowledgement makes the client reset what is left and ask again at once
 * (RFC 9293, 3.10.7.3). A stray segment, because a SYN would be handed to whatever socket of the node listens at the server's
 * port, past the proxy. */
static __noinline int to_connected_socket(struct __sk_buff *skb, struct packet *p, int fresh)
{
	struct bpf_sock *socket = socket_at(skb, p, &p->tuple.dst, p->tuple.dport);
	int failed = 0;

	if (!socket)
		return FAIL(p, DROP_PROXY_UNSUPPORTED);
	if (socket->state == BPF_TCP_LISTEN)
		failed = FAIL(p, DROP_PROXY_UNSUPPORTED);
	else if (fresh && socket->state == BPF_TCP_TIME_WAIT)
		failed = unset_syn(skb, p);
	if (failed) {
		bpf_sk_release(socket);
		return failed;
	}
	return assign(skb, p, socket);
}

/* The proxy's own listener. Another program may take the port while the proxy is away: it cannot set the mark without
 * rights over the node's network, with which it could read every packet anyway. */
static __always_inline bool is_proxy_listener(struct bpf_sock *socket)
{
	struct bpf_sock *full = bpf_sk_fullsock(socket);

	return full && full->state == BPF_TCP_LISTEN && is_proxy_mark(full->mark);
}

static __noinline int to_listener(struct __sk_buff *skb, struct packet *p)
{
	__be16 port = bpf_htons(p->proxy_port);
	struct bpf_sock *socket = socket_at(skb, p, &p->tuple.dst, port);
	struct sg_addr loopback;

	loopback_address(&loopback, p->is_ipv6);
	if (!socket)
		socket = socket_at(skb, p, &loopback, port);
	if (!socket)
		return FAIL(p, DROP_PROXY_UNSUPPORTED);
	if (!is_proxy_listener(socket)) {
		bpf_sk_release(socket);
		return FAIL(p, DROP_PROXY_UNSUPPORTED);
	}
	return assign(skb, p, socket);
}

/* The proxy's UDP socket at a port: `connected` = its way to the server that the packet is from, else one that serves all. */
static __noinline int to_datagram_socket(struct __sk_buff *skb, struct packet *p, int port, int connected)
{
	struct bpf_sock_tuple tuple = {};
	__u32 size = tuple_to(&tuple, p, &p->tuple.dst, port);
	struct bpf_sock *socket = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);

	if (!socket)
		return FAIL(p, DROP_PROXY_UNSUPPORTED);
	if ((socket->state == BPF_TCP_ESTABLISHED) != connected || !is_proxy_mark(socket->mark)) {
		bpf_sk_release(socket);
		return FAIL(p, DROP_PROXY_UNSUPPORTED);
	}
	return assign(skb, p, socket);
}

static __always_inline int proxied(struct __sk_buff *skb, struct packet *p, int failed)
{
	if (failed)
		return drop(skb, p, failed);
	trace(skb, p, SG_TRACE_TO_PROXY, p->src_endpoint ? SG_EGRESS : SG_INGRESS);
	return TC_ACT_OK;
}

static __always_inline bool is_proxied_protocol(const struct packet *p)
{
	return p->tuple.protocol == IPPROTO_TCP || p->tuple.protocol == IPPROTO_UDP;
}

/* A packet whose verdict is p->proxy_port, at tc ingress. */
VERIFIED_ONCE int redirect_to_proxy(struct __sk_buff *skb, struct packet *p)
{
	if (!p)
		return TC_ACT_SHOT;
	if (!is_proxied_protocol(p) || !p->has_l4)
		return proxied(skb, p, FAIL(p, DROP_PROXY_UNSUPPORTED));
	/* A port = a client's packet, and datagrams are no connection: the listener takes each of them. */
	if (p->tuple.protocol == IPPROTO_UDP)
		return proxied(skb, p,
			       p->proxy_port ? to_datagram_socket(skb, p, bpf_htons(p->proxy_port), 0) :
					       to_datagram_socket(skb, p, p->tuple.dport, 1));
	if (to_connected_socket(skb, p, is_syn(p)) == 0)
		return proxied(skb, p, 0);
	return proxied(skb, p, to_listener(skb, p));
}

/* Tells the proxy who was judged; it asks when it accepts and at each request that follows a change, for identities change.
 * The epoch is counted after the entry is written and before the packet reaches the proxy's socket. */
VERIFIED_ONCE int record_origin(struct packet *p, struct sg_endpoint *endpoint, __u32 direction)
{
	struct sg_proxy_key key = {};
	struct sg_proxy_origin origin = { .direction = direction }, *known;
	__u32 zero = 0, *epoch;

	if (!p || !endpoint)
		return 0;
	key.client = p->tuple.src;
	key.server = p->tuple.dst;
	key.client_port = p->tuple.sport;
	key.server_port = p->tuple.dport;
	key.protocol = p->tuple.protocol;
	known = bpf_map_lookup_elem(&sg_proxy_origin, &key);
	if (known && p->ct_status != SG_CT_NEW && !is_syn(p) && known->src_identity == p->src_identity &&
	    known->dst_identity == p->dst_identity)
		return 0;
	origin.src_identity = p->src_identity;
	origin.dst_identity = p->dst_identity;
	origin.proxy_port = bpf_htons(p->proxy_port);
	origin.endpoint = endpoint->id;
	bpf_map_update_elem(&sg_proxy_origin, &key, &origin, BPF_ANY);
	epoch = bpf_map_lookup_elem(&sg_origin_epoch, &zero);
	if (epoch) {
		/* odd from the first on, so that it never is 0 again, which means that nothing was ever redirected */
		__sync_fetch_and_add(epoch, 2);
		__sync_fetch_and_or(epoch, 1);
	}
	return 0;
}

/* Is this the answer of a server to the proxy's own connection? Tracked apart, for the proxy uses its client's address
 * and may use a port of it that the client uses as well. */
VERIFIED_ONCE int answers_proxy(struct packet *p)
{
	struct sg_ct_entry *entry;

	if (!p || !is_proxied_protocol(p) || p->icmp_error || is_syn(p))
		return 0;
	entry = ct_find(p, &p->tuple, REVERSE, SG_CT_PROXY);
	if (!entry)
		return 0;
	ct_touch(p, entry, 1);
	p->ct_status = SG_CT_REPLY;
	p->proxy_leg = 1;
	ct_touch(p, ct_find(p, &p->tuple, REVERSE, SG_CT_INGRESS), 1);
	return 1;
}

static __always_inline int answer_to_proxy(struct __sk_buff *skb, struct packet *p)
{
	struct sg_endpoint *local = local_endpoint(&p->tuple.dst);
	struct sg_node *node = this_node();

	if (!node)
		return TC_ACT_SHOT;
	p->dst_identity = local ? local->identity : identity_of(node, &p->tuple.dst);
	if (p->tuple.protocol == IPPROTO_UDP)
		return proxied(skb, p, to_datagram_socket(skb, p, p->tuple.dport, 1));
	return proxied(skb, p, to_connected_socket(skb, p, 0));
}

/* Notes the proxy's own connection when it goes out, so that answers_proxy() knows what comes back. Packets with the
 * proxy's mark are either of such a connection or its answer to a client, whose connection is tracked already. 1 = the
 * client is the proxy itself, in its other role: its socket must get the packet, not the pod whose address it uses. */
VERIFIED_ONCE int track_proxy(struct packet *p, __u32 mark)
{
	__u8 scope = mark == SG_MARK_FROM_PROXY_INGRESS ? SG_CT_INGRESS : SG_CT_EGRESS;
	struct sg_ct_entry *entry;

	if (!p)
		return -DROP_INVALID_PACKET;
	p->proxy_leg = 1;
	if (!is_proxied_protocol(p))
		return 0;
	entry = is_syn(p) ? NULL : ct_find(p, &p->tuple, REVERSE, scope);
	if (entry)
		return entry->flags & SG_CT_FLAG_FROM_PROXY ? 1 : 0;
	entry = ct_find(p, &p->tuple, FORWARD, SG_CT_PROXY);
	if (entry && !(is_syn(p) && ct_closing(entry)))
		return ct_touch(p, entry, 0);
	return ct_create(p, SG_CT_PROXY, NULL, 0);
}

/* Sockets can be assigned at tc ingress only: from an egress hook the packet goes round through cilium_host, where
 * to_proxy stands. Port 0 = the connection's own socket must be there already. */
static __always_inline int turn_to_proxy(struct __sk_buff *skb, const struct sg_node *node, __u32 port)
{
	skb->mark = SG_MARK_TO_PROXY | port << 16;
	return bpf_redirect(node->host_ifindex, BPF_F_INGRESS);
}
