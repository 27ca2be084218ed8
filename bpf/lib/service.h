/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterIP: frontend to backend on the way out, kept per connection; frontend put back on replies. */
#pragma once
#include "addr.h"
#include "conntrack.h"
#include "rewrite.h"

/* 0 = it is no backend, else an SG_BACKEND_*. */
static __always_inline __u32 backend_state(const struct packet *p, __u32 service, const struct sg_addr *addr, __be16 port)
{
	struct sg_backend_live_key key = {
		.service = service,
		.addr = *addr,
		.port = port,
		.protocol = p->tuple.protocol,
	};

	__u32 *state = bpf_map_lookup_elem(&sg_backend_live, &key);

	return state ? *state : 0;
}

static __always_inline struct sg_backend *backend_at(__u32 service, __u32 slot)
{
	struct sg_backend_key key = { .service = service, .slot = slot };

	return bpf_map_lookup_elem(&sg_backend, &key);
}

/* The backend a connection was given. TCP stays with it as long as it lives; a datagram flow moves on when the service has
 * it no longer, for a client such as a resolver may use one port for ever. */
static __always_inline bool keeps_backend(struct packet *p, const struct sg_ct_entry *entry, const struct sg_service *service)
{
	if (is_syn(p) && (ct_closing(entry) || (entry->flags & SG_CT_FLAG_REPLIED)))
		return false;
	if (p->tuple.protocol == IPPROTO_TCP && !is_syn(p))
		return true;
	return backend_state(p, service->id, &entry->nat, entry->nat_port);
}

/* The backend for a new connection: the client's last one where the service wants that, else any. */
static __always_inline int choose_backend(struct packet *p, const struct sg_service *service, struct sg_affinity *chosen)
{
	struct sg_affinity_key key = { .service = service->id, .client = p->tuple.src };
	struct sg_affinity *last = service->affinity_s ? bpf_map_lookup_elem(&sg_affinity, &key) : NULL;
	struct sg_backend *backend;

	if (last && p->now_ns - last->used_ns < service->affinity_s * SECOND &&
	    backend_state(p, service->id, &last->addr, last->port) == SG_BACKEND_ACTIVE) {
		chosen->addr = last->addr;
		chosen->port = last->port;
		last->used_ns = p->now_ns;
		return 0;
	}
	backend = backend_at(service->id, bpf_get_prandom_u32() % service->count);
	if (!backend)
		return FAIL(p, DROP_NO_BACKEND);
	chosen->addr = backend->addr;
	chosen->port = backend->port;
	chosen->used_ns = p->now_ns;
	if (service->affinity_s)
		bpf_map_update_elem(&sg_affinity, &key, chosen, BPF_ANY);
	return 0;
}

/* An address of services, or a port that a node gives to them: an open connection may go through what is there no more. */
static __always_inline bool may_have_been_service(const struct sg_node *node, const struct packet *p)
{
	__u16 port = bpf_ntohs(p->tuple.dport);

	return in_services(node, &p->tuple.dst) || (port >= NODE_PORT_FIRST && port <= NODE_PORT_LAST);
}

/* TCP stays with its backend when the service goes, or its last backend does; the server ends it, or policy. */
static __always_inline bool outlives_service(const struct packet *p, const struct sg_ct_entry *entry)
{
	return entry && p->tuple.protocol == IPPROTO_TCP && !is_syn(p);
}

/* An ICMP error about what a backend answered through a frontend: to the backend, as it knows its packet. */
VERIFIED_ONCE int turn_error_to_backend(struct __sk_buff *skb, struct packet *p)
{
	struct sg_node *node = this_node();
	struct sg_ct_entry *entry;
	struct sg_addr backend;
	int failed;

	/* About what was sent under the address that is told, by a router; a pod is none, and may speak of its own packets only. */
	if (!p || !node || !same_addr(&p->inner.src, &p->tuple.dst) ||
	    (in_cluster(node, &p->tuple.src) && !same_addr(&p->inner.dst, &p->tuple.src)))
		return 0;
	entry = ct_find(p, &p->inner, REVERSE, SG_CT_SERVICE);
	if (!entry)
		return 0;
	backend = entry->nat;
	failed = rewrite_quoted(skb, p, SOURCE, &backend, entry->nat_port);
	if (!failed)
		failed = rewrite(skb, p, DESTINATION, &backend, p->tuple.dport);
	p->translated = !failed;
	return failed;
}

/* 0 = nothing to do or done (p->translated), minus a drop reason otherwise. */
VERIFIED_ONCE int service_translate(struct __sk_buff *skb, struct packet *p)
{
	struct sg_service_key key = {};
	struct sg_service *service;
	struct sg_node *node = this_node();
	struct sg_ct_entry *entry;
	struct sg_affinity to = {};
	int failed;

	if (!p || !node)
		return -DROP_NO_ENDPOINT;
	failed = p->icmp_error ? turn_error_to_backend(skb, p) : 0;
	if (failed || p->translated)
		return failed;
	key.addr = p->tuple.dst;
	key.port = p->tuple.dport;
	key.protocol = p->tuple.protocol;
	service = bpf_map_lookup_elem(&sg_service, &key);
	if (!service && !may_have_been_service(node, p))
		return 0;
	entry = ct_find(p, &p->tuple, FORWARD, SG_CT_SERVICE);
	if ((!service || service->count == 0) && !outlives_service(p, entry))
		return service || in_services(node, &p->tuple.dst) ? FAIL(p, DROP_NO_BACKEND) : 0;
	if (entry && (!service || keeps_backend(p, entry, service))) {
		to.addr = entry->nat;
		to.port = entry->nat_port;
		ct_touch(p, entry, 0);
		if (p->has_l4 && (p->tcp_flags & TCP_ACK))
			entry->flags |= SG_CT_FLAG_REPLIED; /* replies are not looked up here; an ACK tells of one */
		/* Nor is the other end's FIN: what the client has closed lives on only as long as it still answers. */
		if (entry->flags & SG_CT_FLAG_FIN_FORWARD)
			entry->expires_ns = p->now_ns + LIFETIME_SYN;
	} else if (!service) {
		return FAIL(p, DROP_NO_BACKEND); /* never: without a service there is an entry; the verifier does not know */
	} else {
		failed = choose_backend(p, service, &to);
		if (!failed)
			failed = ct_create(p, SG_CT_SERVICE, &to.addr, to.port);
		if (failed)
			return failed;
	}
	p->service = p->tuple.dst;
	p->service_port = p->tuple.dport;
	p->translated = 1;
	return rewrite(skb, p, DESTINATION, &to.addr, to.port);
}

/* Puts the frontend back when `p` answers a connection that was opened through one. */
VERIFIED_ONCE int service_restore(struct __sk_buff *skb, struct packet *p)
{
	if (!p || !p->restores)
		return 0;
	if (p->icmp_error)
		return rewrite_quoted(skb, p, DESTINATION, &p->restore, p->restore_port);
	p->original_source = p->tuple.src;
	return rewrite(skb, p, SOURCE, &p->restore, p->restore_port);
}

/* The same for connections that the host opened; they are not judged, so they are looked up here. */
VERIFIED_ONCE int host_service_restore(struct __sk_buff *skb, struct packet *p)
{
	struct sg_ct_entry *entry;

	if (!p || is_syn(p))
		return 0;
	entry = p->icmp_error ? ct_find(p, &p->inner, FORWARD, SG_CT_EGRESS) : ct_find(p, &p->tuple, REVERSE, SG_CT_EGRESS);
	if (!entry)
		return 0;
	p->ct_status = p->icmp_error ? SG_CT_RELATED : SG_CT_REPLY;
	ct_commit(p, entry, SG_CT_EGRESS);
	return service_restore(skb, p);
}

/* Notes a connection that nobody judged where it was translated, so that its answers get their frontend back. */
static __always_inline int track_frontend(struct packet *p)
{
	struct sg_ct_entry *entry;

	if (!p->translated || p->icmp_error)
		return 0;
	entry = ct_find(p, &p->tuple, FORWARD, SG_CT_EGRESS);
	if (entry && !is_syn(p) && ct_leads_back(p, entry, SG_CT_EGRESS))
		return ct_touch(p, entry, 0);
	return ct_create(p, SG_CT_EGRESS, &p->service, p->service_port);
}
