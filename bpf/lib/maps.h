/* SPDX-License-Identifier: Apache-2.0 */
/* The pinned maps of abi.h. Sizes are for one node. */
#pragma once
#include "kernel.h"

#define PINNED(kind, entries, key_type, value_type)  \
	__uint(type, kind);                          \
	__uint(max_entries, entries);                \
	__uint(pinning, LIBBPF_PIN_BY_NAME);         \
	__type(key, key_type);                       \
	__type(value, value_type)

struct {
	PINNED(BPF_MAP_TYPE_HASH, 4096, __u32, struct sg_endpoint);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sg_endpoint_by_ifindex SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_HASH, 4096, struct sg_addr, struct sg_endpoint);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sg_endpoint_by_addr SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_LPM_TRIE, 512000, struct sg_ipcache_key, struct sg_remote);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sg_ipcache SEC(".maps");

/* Only the shape of an inner map; the loader makes one per endpoint and policy. */
struct sg_policy_inner {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	/* by size: clang leaves the types of an inner map as forward declarations */
	__uint(key_size, sizeof(struct sg_policy_key));
	__uint(value_size, sizeof(struct sg_policy_entry));
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__array(values, struct sg_policy_inner);
} sg_policy SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_HASH, 65536, struct sg_service_key, struct sg_service);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sg_service SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_HASH, 262144, struct sg_backend_key, struct sg_backend);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sg_backend SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_HASH, 262144, struct sg_backend_live_key, __u32);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sg_backend_live SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_LRU_HASH, 16384, struct sg_affinity_key, struct sg_affinity);
} sg_affinity SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_ARRAY, 1, __u32, struct sg_endpoint);
} sg_host SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_ARRAY, 1, __u32, struct sg_node);
} sg_node SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_LRU_HASH, 65536, struct sg_ct_key, struct sg_ct_entry);
} sg_conntrack SEC(".maps");

struct sg_fragment_key {
	struct sg_addr src;
	struct sg_addr dst;
	__u32 id; /* as it lies in the packet */
	__u8 protocol;
	__u8 reserved[3];
};
struct sg_fragment_ports {
	__be16 sport;
	__be16 dport;
	__u8 icmp_type;
	__u8 reserved[3];
};
struct {
	PINNED(BPF_MAP_TYPE_LRU_HASH, 1024, struct sg_fragment_key, struct sg_fragment_ports);
} sg_fragment SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_LRU_HASH, 16384, struct sg_proxy_key, struct sg_proxy_origin);
} sg_proxy_origin SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_ARRAY, 1, __u32, __u32);
	__uint(map_flags, BPF_F_MMAPABLE);
} sg_origin_epoch SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_PERCPU_HASH, 1024, struct sg_metrics_key, struct sg_metrics);
} sg_metrics SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_LRU_PERCPU_HASH, 16384, struct sg_policy_stats_key, struct sg_metrics);
} sg_policy_stats SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_HASH, 16384, struct sg_watched_key, __u8);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} sg_watched SEC(".maps");

struct {
	PINNED(BPF_MAP_TYPE_ARRAY, 1, __u32, __u32);
} sg_watching SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} sg_events SEC(".maps");

/* Whether this node has ever given a packet to its proxy: before that nothing can be an answer to it, and need not be looked for. */
static __always_inline bool has_redirected(void)
{
	__u32 zero = 0, *epoch = bpf_map_lookup_elem(&sg_origin_epoch, &zero);

	return !epoch || *epoch;
}

static __always_inline struct sg_node *this_node(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&sg_node, &zero);
}
