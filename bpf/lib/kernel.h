/* SPDX-License-Identifier: Apache-2.0 */
/* What BTF does not carry: the preprocessor constants of the kernel and of Cilium's drop reasons. */
#pragma once
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "abi.h"

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

#define ETH_HLEN 14
#define ETH_ALEN 6
#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86dd

#define IP_FRAGMENT_OFFSET 0x1fff
#define IP_FRAGMENT_ANY 0x3fff /* offset or more fragments */

#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_FRAGMENT_MORE 1
/* Next headers that are no protocol of their own */
#define IPPROTO_ICMPV6 58
#define IPV6_HOP_OPTIONS 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_AUTHENTICATION 51
#define IPV6_NO_NEXT 59
#define IPV6_DESTINATION_OPTIONS 60

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4 /* code of ICMP_UNREACHABLE */
#define ICMP_ECHO_REQUEST 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER_PROBLEM 12

#define ICMPV6_UNREACHABLE 1
#define ICMPV6_TOO_BIG 2
#define ICMPV6_TIME_EXCEEDED 3
#define ICMPV6_PARAMETER_PROBLEM 4
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ICMPV6_LISTENER_QUERY 130
#define ICMPV6_LISTENER_DONE 132
#define ICMPV6_ROUTER_SOLICITATION 133
#define ICMPV6_NEIGHBOUR_SOLICITATION 135
#define ICMPV6_NEIGHBOUR_ADVERTISEMENT 136
#define ICMPV6_REDIRECT 137
#define ICMPV6_LISTENER_REPORT_V2 143

#define VXLAN_PORT 8472
#define API_SERVER_PORT 6443
/* Of a node's ports, those that may stand for services. */
#define NODE_PORT_FIRST 30000
#define NODE_PORT_LAST 32767
#define LOOPBACK_IFINDEX 1

/* Reserved identities */
#define IDENTITY_UNKNOWN 0
#define IDENTITY_HOST 1
#define IDENTITY_WORLD 2
#define IDENTITY_REMOTE_NODE 6
#define IDENTITY_KUBE_APISERVER 7
#define IDENTITY_WORLD_IPV4 9 /* these two where both families are */
#define IDENTITY_WORLD_IPV6 10

/* Drop reasons, numbered as Cilium numbers them */
#define DROP_INVALID_SOURCE_IP 132
#define DROP_POLICY 133
#define DROP_INVALID_PACKET 134
#define DROP_UNKNOWN_L4 137 /* CT: Unknown L4 protocol */
#define DROP_UNSUPPORTED_L3 139
#define DROP_UNSUPPORTED_L4 142 /* Unknown L4 protocol */
#define DROP_UNKNOWN_TARGET 150
#define DROP_CT_INSERT 155
#define DROP_EXTENSION_HEADER 156
#define DROP_FRAGMENT 157
#define DROP_NO_BACKEND 158
#define DROP_ENCAP_PROHIBITED 170
#define DROP_UNKNOWN_SENDER 172
#define DROP_PROXY_UNSUPPORTED 180
#define DROP_POLICY_DENY 181
#define DROP_AUTH_REQUIRED 189
#define DROP_NO_ENDPOINT 203
#define METRIC_FORWARDED 0
#define METRIC_LOST 255

/* The number of the file that it stands in, known when this is compiled; 0 = not in the list. */
#define SOURCE_NUMBER(file, number) __builtin_strcmp(__FILE_NAME__, file) == 0 ? (number) :
#define SOURCE_FILE (SG_SOURCES(SOURCE_NUMBER) 0)

#define PLACE (SOURCE_FILE << 16 | __LINE__)

/* Fails a function with a drop reason and leaves the place for the event. */
#define FAIL(p, reason) ((p)->place = PLACE, -(reason))

/* A function that the verifier checks once by itself instead of once for each way that leads to it: loading takes a
 * third of the time. Its pointers may be NULL as far as the verifier knows. */
#define VERIFIED_ONCE __attribute__((noinline))
