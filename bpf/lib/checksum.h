/* SPDX-License-Identifier: Apache-2.0 */
/* Internet checksums (RFC 1071) of headers that are made here. */
#pragma once
#include "kernel.h"

static __always_inline __u16 folded(__s64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The sum of what the checksum of an IPv6 payload of `length` bytes covers beside it, not yet folded. The two addresses lie
 * behind one another, as in the header. */
static __always_inline __s64 pseudo_header(const struct in6_addr *addresses, __u32 length, __u8 protocol)
{
	__be32 rest[2] = { bpf_htonl(length), bpf_htonl(protocol) };
	__s64 sum = bpf_csum_diff(NULL, 0, (__be32 *)addresses, 32, 0);

	return bpf_csum_diff(NULL, 0, rest, sizeof(rest), sum);
}
