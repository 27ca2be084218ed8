/* SPDX-License-Identifier: Apache-2.0 */
/* Every struct that eBPF programs and TypeScript share. Only src/datapath/ebpf reads or
 * writes the maps and only src/flow/decode reads the events; a test compares the offsets
 * there with this object's BTF. Multi-byte fields are host order unless marked be.
 * Addresses are always 16 bytes; IPv4 a.b.c.d is ::ffff:a.b.c.d. No struct has implicit padding. */
#pragma once

#define SG_ABI_VERSION 4
#define SG_CAPTURE_LEN 160 /* bytes of the packet, from its Ethernet header, that follow an event */
#define SG_REQUEST_LEN 4096 /* the most of a watched port */

struct sg_addr {
	union {
		__u8 bytes[16];
		__be32 words[4]; /* IPv4: words[2] = htonl(0xffff), words[3] = the address */
	};
};

/* ---- events: one header for every type, then cap_len packet bytes ---- */

enum sg_event_type { /* the numbers of Cilium's monitor messages */
	SG_EVENT_DROP = 1,
	SG_EVENT_CAPTURE = 3, /* of a watched port; line instead of cap_len bytes of the packet follow */
	SG_EVENT_TRACE = 4,
	SG_EVENT_POLICY_VERDICT = 5,
};

enum sg_trace_point { /* subtype of a trace event: Cilium's observation points */
	SG_TRACE_TO_ENDPOINT = 0, /* to-lxc */
	SG_TRACE_TO_PROXY = 1,
	SG_TRACE_TO_HOST = 2,
	SG_TRACE_TO_STACK = 3,
	SG_TRACE_TO_OVERLAY = 4,
	SG_TRACE_FROM_ENDPOINT = 5, /* from-lxc */
	SG_TRACE_FROM_PROXY = 6,
	SG_TRACE_FROM_HOST = 7,
	SG_TRACE_FROM_STACK = 8,
	SG_TRACE_FROM_OVERLAY = 9,
	SG_TRACE_FROM_NETWORK = 10,
	SG_TRACE_TO_NETWORK = 11,
};

enum sg_ct_status { /* ct_status of a trace event: Cilium's trace reasons */
	SG_CT_NEW = 0,
	SG_CT_ESTABLISHED = 1,
	SG_CT_REPLY = 2,
	SG_CT_RELATED = 3,
	SG_CT_UNKNOWN = 5,
};

/* Files that drop packets; src/flow/decode/source-file.ts has the same. */
#define SG_SOURCES(X) \
	X("from_endpoint.c", 1) \
	X("from_host.c", 2) \
	X("from_network.c", 3) \
	X("from_overlay.c", 4) \
	X("to_endpoint.c", 5) \
	X("conntrack.h", 6) \
	X("deliver.h", 7) \
	X("hairpin.h", 8) \
	X("host_port.h", 9) \
	X("parse.h", 10) \
	X("policy.h", 11) \
	X("proxy.h", 12) \
	X("rewrite.h", 13) \
	X("service.h", 14)

enum sg_direction { SG_INGRESS = 1, SG_EGRESS = 2 };

enum sg_match_type { /* what decided: Cilium's policy match types */
	SG_MATCH_NONE = 0,
	SG_MATCH_L3_ONLY = 1,
	SG_MATCH_L3_L4 = 2,
	SG_MATCH_L4_ONLY = 3,
	SG_MATCH_ALL = 4,
	SG_MATCH_L3_PROTO = 5,
	SG_MATCH_PROTO_ONLY = 6,
};

#define SG_FLAG_REPLY 1       /* packet is known to be a reply */
#define SG_FLAG_REPLY_KNOWN 2 /* SG_FLAG_REPLY means something */
#define SG_FLAG_IPV6 4
#define SG_FLAG_PROXY_LEG 8   /* packet of a connection between proxy and pod */
#define SG_FLAG_AUDITED 16    /* verdict: policy says no, and the endpoint only wants to know */

struct sg_event {
	__u8 type;             /* 0   enum sg_event_type */
	__u8 subtype;          /* 1   drop: reason; trace: enum sg_trace_point; verdict: 0 */
	__u8 flags;            /* 2 */
	__u8 direction;        /* 3   verdict and capture: enum sg_direction; else 0 */
	__u16 endpoint;        /* 4   id of the endpoint the event belongs to (verdict: the judged one), 0 = none */
	__u16 dst_endpoint;    /* 6   id of the local destination endpoint, 0 = none or unknown */
	__u32 src_identity;    /* 8   source of the packet */
	__u32 dst_identity;    /* 12  destination of the packet */
	__u32 ifindex;         /* 16  interface that the packet came from or goes to, 0 = none */
	__u32 hash;            /* 20  skb hash */
	__u32 orig_len;        /* 24  length of the packet in bytes */
	__u8 cap_len;          /* 28  bytes that follow the header */
	__u8 file;             /* 29  drop: file of the C source, its number of SG_SOURCES; else 0 */
	__u8 ct_status;        /* 30  enum sg_ct_status */
	__u8 match_type;       /* 31  verdict and policy drop: enum sg_match_type */
	__s32 verdict;         /* 32  verdict: 0 allow, >0 proxy port, <0 minus drop reason; trace to-proxy: proxy port */
	__u32 cookie;          /* 36  rule cookie that decided, 0 = no rule */
	__u32 revision;        /* 40  policy revision of the endpoint */
	__u16 line;            /* 44  drop: line of that file; capture: bytes that follow; else 0 */
	__u16 cpu;             /* 46  the processor that saw the packet */
	__u64 time_ns;         /* 48  CLOCK_MONOTONIC */
	struct sg_addr orig_ip; /* 56 trace: source address before translation, zero = none */
}; /* 72 bytes */

/* ---- maps (pinned; names are sg_<name>) ---- */

/* sg_endpoint_by_ifindex: hash, __u32 ifindex of the veth's host side -> struct sg_endpoint
 * sg_endpoint_by_addr: hash, struct sg_addr -> struct sg_endpoint; an entry for each of its addresses */
struct sg_endpoint {
	struct sg_addr addr;         /* 0 IPv4 */
	struct sg_addr addr6;        /* 16 IPv6, zero = none */
	__u8 mac[6];                 /* 32 the pod's */
	__u8 host_mac[6];            /* 38 the host side's */
	__u32 ifindex;               /* 44 host side of the veth; 0 = the node's own address (host endpoint) */
	__u32 identity;              /* 48 */
	__u32 revision;              /* 52 policy revision in force */
	__u32 ingress_default_cookie; /* 56 cookie reported when nothing matched */
	__u32 egress_default_cookie; /* 60 */
	__u16 id;                    /* 64 endpoint id on this node */
	__u16 flags;                 /* 66 SG_ENDPOINT_HOST */
	__u32 peer_ifindex;          /* 68 ifindex inside the pod, 0 = unknown */
};
#define SG_ENDPOINT_HOST 1 /* the node itself, in sg_host */
#define SG_ENDPOINT_INGRESS_ENFORCED 2 /* allowed new connections give a verdict event */
#define SG_ENDPOINT_EGRESS_ENFORCED 4
#define SG_ENDPOINT_AUDIT 8 /* what policy denies passes, and its verdict says so */

/* sg_host: array, key 0 -> struct sg_endpoint: the node itself, where a policy is about it. No enforced direction = no
 * host firewall: its packets are neither judged nor tracked. */

/* sg_ipcache: LPM trie -> struct sg_remote. prefixlen counts from the 128-bit address (IPv4 /n is 96+n) */
struct sg_ipcache_key {
	__u32 prefixlen;
	struct sg_addr addr;
};
struct sg_remote {
	__u32 identity;
	__be32 tunnel;   /* IPv4 of the node behind which the address is, whatever its family; 0 = this node or outside the cluster */
	__u32 flags;     /* SG_REMOTE_IPV6 */
};
/* Of an IPv6 prefix. One as wide as ::/0 contains ::ffff:0:0/96 and says nothing about IPv4. */
#define SG_REMOTE_IPV6 1

/* sg_policy: hash of maps, __u32 endpoint id -> LPM trie of struct sg_policy_key -> struct sg_policy_entry.
 * No inner map = drop everything. A policy change builds a new inner map and swaps it: atomic. */
struct sg_policy_key {
	__u32 prefixlen;  /* 40 (identity + direction, any protocol) | 48 (protocol, any port) | 48 + 1..16 */
	__u32 identity;   /* 0 = any */
	__u8 direction;   /* enum sg_direction */
	__u8 protocol;    /* IANA number, 0 = any */
	__be16 port;      /* destination port, or ICMP type */
};
#define SG_POLICY_FULL_PREFIX 64
/* Two lookups, the peer's identity and identity 0. The higher precedence wins, then the longer prefix, then the
 * peer's. Precedence orders deny over redirect over allow within one priority. */
struct sg_policy_entry {
	__u32 precedence;
	__u32 cookie;
	__be16 proxy_port; /* 0 = no redirect */
	__u8 deny;         /* 1 = drop with reason 181 (explicit deny) */
	__u8 auth_type;    /* 0 = none */
	__u8 prefixlen;    /* of the key: 40..64, to compare the two lookups */
	__u8 flags;        /* SG_POLICY_OWN_AUTH */
	__u8 reserved[2];
};
/* A rule asked for the auth_type, "none" included. Without it the other match of the same precedence counts as well. */
#define SG_POLICY_OWN_AUTH 1

/* sg_policy_stats: per-cpu LRU hash, struct sg_policy_stats_key -> struct sg_metrics: what each entry has decided. The entry's
 * own key, for the maps of entries are swapped and would lose their counts. */
struct sg_policy_stats_key {
	__u32 endpoint;
	struct sg_policy_key entry;
};

/* sg_watched: hash, struct sg_watched_key -> __u8: what is sent to these ports of an endpoint (ingress), or by it to these
 * ports (egress), and needs no proxy, is shown to the agent. sg_watching: array of one __u32, how many there are. */
struct sg_watched_key {
	__u32 endpoint;
	__u8 direction; /* enum sg_direction */
	__u8 protocol;
	__be16 port;
};

/* sg_service: hash, struct sg_service_key -> struct sg_service; sg_backend: hash, struct sg_backend_key -> struct sg_backend */
struct sg_service_key {
	struct sg_addr addr;
	__be16 port;
	__u8 protocol;
	__u8 reserved;
};
struct sg_service {
	__u32 id;     /* of the frontend */
	__u16 count;  /* backends in slots 0..count-1; 0 = drop with reason 158 (no backend) */
	__u16 flags;  /* SG_SERVICE_* */
	__u32 affinity_s; /* a client stays with its backend for so long after its last connection; 0 = no affinity */
	__u32 reserved;
};
#define SG_SERVICE_NODE_PORT 1 /* the frontend is a node's own address */
struct sg_backend_key {
	__u32 service;
	__u16 slot;
	__u16 reserved;
};
struct sg_backend {
	struct sg_addr addr;
	__be16 port;
	__u8 protocol;
	__u8 reserved;
};

/* sg_backend_live: hash, struct sg_backend_live_key -> __u32, an SG_BACKEND_*: which backends a frontend has, whatever their
 * slots. One that is ending has no slot: what goes to it already may go on. */
#define SG_BACKEND_ACTIVE 1
#define SG_BACKEND_ENDING 2
struct sg_backend_live_key {
	__u32 service;
	struct sg_addr addr;
	__be16 port;
	__u8 protocol;
	__u8 reserved;
};

/* sg_affinity: LRU hash, struct sg_affinity_key -> struct sg_affinity */
struct sg_affinity_key {
	__u32 service;
	struct sg_addr client;
};
struct sg_affinity {
	struct sg_addr addr;
	__be16 port;
	__u16 reserved[3];
	__u64 used_ns; /* CLOCK_MONOTONIC */
};

/* A prefix: addr is zero where mask is. */
struct sg_range {
	struct sg_addr addr;
	struct sg_addr mask;
};

/* sg_node: array, key 0 -> struct sg_node. What ends in 6 is zero without SG_NODE_IPV6. */
struct sg_node {
	struct sg_addr addr;        /* 0   the node's InternalIP */
	struct sg_addr addr6;       /* 16 */
	struct sg_addr router;      /* 32  the address of cilium_host */
	struct sg_addr router6;     /* 48 */
	struct sg_range cluster;    /* 64  all pods */
	struct sg_range cluster6;   /* 96 */
	struct sg_range services;   /* 128 all ClusterIPs: an address there without a frontend is dropped */
	struct sg_range services6;  /* 160 */
	struct sg_range fabric;     /* 192 the network of the node's own address */
	struct sg_range fabric6;    /* 224 */
	__u32 overlay_ifindex;      /* 256 cilium_vxlan */
	__u32 network_ifindex;      /* 260 eth0 */
	__u32 host_ifindex;         /* 264 cilium_host */
	__u32 apiserver_identity;   /* 268 reserved for kube-apiserver: 7, or 1 where it runs on this node */
	__u32 aggregation;          /* 272 Cilium's level: 0 = a trace event where a packet comes in and where it goes; from 1 on
				     * only where it goes; from 3 on only what says something new of its connection */
	__u32 flags;                /* 276 SG_NODE_* */
};
#define SG_NODE_IPV6 1 /* a cluster of both families: each has a world of its own; without it IPv6 is dropped */
#define SG_NODE_NATIVE 2 /* pods of other nodes are reached by the fabric's routes; the overlay carries what came to node ports */

/* sg_proxy_origin: LRU hash, the redirected connection as its client sent it -> what was judged.
 * Written by the redirecting program, read by the proxy when it accepts.
 * sg_origin_epoch: array of one __u32 that counts the changes of sg_proxy_origin; the proxy maps it, and need not ask
 * again who a connection is from while it stands still. */
struct sg_proxy_key {
	struct sg_addr client;
	struct sg_addr server;
	__be16 client_port;
	__be16 server_port;
	__u8 protocol;
	__u8 reserved[3];
};
struct sg_proxy_origin {
	__u32 src_identity;
	__u32 dst_identity;
	__u16 endpoint;    /* the judged endpoint */
	__be16 proxy_port;
	__u8 direction;    /* enum sg_direction of the judged endpoint */
	__u8 reserved[3];
};

/* sg_metrics: per-cpu hash, struct sg_metrics_key -> struct sg_metrics (events lost, drops, forwards) */
struct sg_metrics_key {
	__u8 reason;     /* 0 = forwarded, 255 = events lost (ring buffer full), else drop reason */
	__u8 direction;  /* enum sg_direction, 0 of lost events */
	__u16 line;      /* where in the C source; 0 of lost events */
	__u8 file;       /* its number of SG_SOURCES */
	__u8 reserved[3];
};
struct sg_metrics {
	__u64 packets;
	__u64 bytes;
};

/* sg_conntrack: LRU hash, struct sg_ct_key -> struct sg_ct_entry. The tuple is that of the first packet, after service
 * translation (scope service and hairpin: see there). TypeScript only removes the entries of addresses that went away. */
enum sg_ct_scope {
	SG_CT_EGRESS = 1,  /* opened by the endpoint (or the host) with the source address */
	SG_CT_INGRESS = 2, /* accepted by the endpoint with the destination address */
	SG_CT_SERVICE = 3, /* as the client sent it: nat = the backend that it was given */
	SG_CT_PROXY = 4,   /* opened by the proxy towards a server: replies belong to the proxy's socket */
	SG_CT_HAIRPIN = 5, /* pod to itself through a service, source already SG_HAIRPIN_ADDRESS: nat = the frontend */
};
struct sg_ct_key {
	struct sg_addr src;
	struct sg_addr dst;
	__be16 sport;   /* ICMP echo: the identifier */
	__be16 dport;
	__u8 protocol;
	__u8 scope;     /* enum sg_ct_scope */
	__u16 reserved;
};
struct sg_ct_entry {
	__u64 expires_ns;   /* CLOCK_MONOTONIC; an entry past it is as good as absent */
	struct sg_addr nat; /* egress and hairpin: the frontend to put back on replies; service: the backend */
	__be16 nat_port;
	__u16 flags;        /* SG_CT_FLAG_* */
	__u8 seen_forward;  /* TCP flags seen, for aggregation */
	__u8 seen_reply;
	__u16 reserved;
	__u64 reported_ns;  /* last trace event of a packet from its opener, for aggregation */
	__u64 reply_reported_ns; /* of one to it; 0 = none yet */
	__u32 src_identity; /* of the opener, when it was opened */
	__u32 reserved2;
};
#define SG_CT_FLAG_REPLIED 1
#define SG_CT_FLAG_FIN_FORWARD 2
#define SG_CT_FLAG_FIN_REPLY 4
#define SG_CT_FLAG_RST 8
#define SG_CT_FLAG_NAT 16 /* nat and nat_port hold */
#define SG_CT_FLAG_VIA 64 /* ingress: it came through a node's port: nat = that node, through which replies leave */
#define SG_CT_FLAG_FROM_PROXY 32 /* ingress: the proxy opened it for its client */

/* Packet marks: low 16 bits say who made the packet, high 16 carry the identity as far as it fits. */
#define SG_MARK_TO_PROXY 0x200     /* packet goes to the local proxy's socket */
#define SG_MARK_FROM_PROXY_INGRESS 0xA00 /* proxy to the pod it guards: judged already */
#define SG_MARK_FROM_PROXY_EGRESS 0xB00  /* proxy to the outside for its pod: judged already at egress */
#define SG_MARK_MADE_HERE 0xC00 /* the datapath itself sent it where it goes: nothing is left to judge */
#define SG_MARK_MASK 0xF00
