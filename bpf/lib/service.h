/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterIP: frontend to backend on the way out, kept per connection; frontend put back on replies. */
#pragma once
#include "addr.h"
#include "conntrack.h"
#include "rewrite.h"

static __always_inline struct sg_backend *backend_at(__u32 service, __u32 slot)
{
	struct sg_backend_key key = { .service = service, .slot = slot };

	return bpf_map_lookup_elem(&sg_backend, &key);
}

/* The backend a connection was given. TCP stays with it as long as it lives; a datagram flow moves on when the backend
 * left its slot, for a client such as a resolver may use one port for ever. */
static __always_inline bool keeps_backend(struct packet *p, const struct sg_ct_entry *entry, const struct sg_service *service)
{
	struct sg_backend *backend;

	if (is_syn(p) && (ct_closing(entry) || (entry->flags & SG_CT_FLAG_REPLIED)))
		return false;
	if (p->tuple.protocol == IPPROTO_TCP && !is_syn(p))
		return true;
	backend = backend_at(service->id, entry->slot);
	return backend && v4(&backend->addr) == v4(&entry->nat) && backend->port == entry->nat_port;
}

/* 0 = nothing to do or done (p->translated), minus a drop reason otherwise. */
VERIFIED_ONCE int service_translate(struct __sk_buff *skb, struct packet *p)
{
	struct sg_service_key key = {};
	struct sg_service *service;
	struct sg_node *node = this_node();
	struct sg_ct_entry *entry;
	struct sg_backend *backend;
	struct sg_addr to;
	__be16 port;
	__u32 slot;
	int failed;

	if (!p || !node)
		return -DROP_NO_ENDPOINT;
	key.addr = p->tuple.dst;
	key.port = p->tuple.dport;
	key.protocol = p->tuple.protocol;
	service = bpf_map_lookup_elem(&sg_service, &key);
	if (!service)
		return in_services(node, &p->tuple.dst) ? FAIL(p, DROP_NO_BACKEND) : 0;
	if (service->count == 0)
		return FAIL(p, DROP_NO_BACKEND);
	entry = ct_find(p, &p->tuple, FORWARD, SG_CT_SERVICE);
	if (entry && keeps_backend(p, entry, service)) {
		to = entry->nat;
		port = entry->nat_port;
		ct_touch(p, entry, 0);
		if (p->has_l4 && (p->tcp_flags & TCP_ACK))
			entry->flags |= SG_CT_FLAG_REPLIED; /* replies are not looked up here; an ACK tells of one */
		/* Nor is the other end's FIN: what the client has closed lives on only as long as it still answers. */
		if (entry->flags & SG_CT_FLAG_FIN_FORWARD)
			entry->expires_ns = p->now_ns + LIFETIME_SYN;
	} else {
		slot = bpf_get_prandom_u32() % service->count;
		backend = backend_at(service->id, slot);
		if (!backend)
			return FAIL(p, DROP_NO_BACKEND);
		to = backend->addr;
		port = backend->port;
		failed = ct_create(p, SG_CT_SERVICE, &to, port, slot);
		if (failed)
			return failed;
	}
	p->service = p->tuple.dst;
	p->service_port = p->tuple.dport;
	p->translated = 1;
	return rewrite(skb, p, DESTINATION, v4(&to), port);
}

/* Puts the frontend back when `p` answers a connection that was opened through one. */
VERIFIED_ONCE int service_restore(struct __sk_buff *skb, struct packet *p)
{
	if (!p || !p->restores)
		return 0;
	if (p->icmp_error)
		return rewrite_quoted(skb, p, v4(&p->restore), p->restore_port);
	p->original_source = p->tuple.src;
	return rewrite(skb, p, SOURCE, v4(&p->restore), p->restore_port);
}

/* The same for connections that the host opened; they are not judged, so they are looked up here. */
VERIFIED_ONCE int host_service_restore(struct __sk_buff *skb, struct packet *p)
{
	struct sg_ct_entry *entry;

	if (!p || p->icmp_error || is_syn(p))
		return 0;
	entry = ct_find(p, &p->tuple, REVERSE, SG_CT_EGRESS);
	if (!entry)
		return 0;
	p->ct_status = SG_CT_REPLY;
	ct_commit(p, entry, SG_CT_EGRESS);
	return service_restore(skb, p);
}
