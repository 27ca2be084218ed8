/* SPDX-License-Identifier: Apache-2.0 */
/* tc egress on the fabric's interface: notes the proxy's connections to the world, whose answers come in again here. */
#include "deliver.h"

SEC("tc")
int to_network(struct __sk_buff *skb)
{
	__u32 mark = skb->mark & SG_MARK_MASK;
	struct packet *p;

	if (!is_proxy_mark(mark) || skb->protocol != bpf_htons(ETH_P_IP))
		return TC_ACT_OK;
	p = new_packet();
	if (!p || parse_ipv4(skb, p) || track_proxy(p, mark) < 0)
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}
