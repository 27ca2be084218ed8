/* SPDX-License-Identifier: Apache-2.0 */
/* One object for every attach point: they share maps, and one load verifies them all. */
#include "from_endpoint.c"
#include "from_host.c"
#include "from_network.c"
#include "from_overlay.c"
#include "loopback.c"
#include "to_endpoint.c"
#include "to_network.c"
#include "to_proxy.c"

char LICENSE[] SEC("license") = "Apache-2.0";
