/** Of `SG_SOURCES` in bpf/abi.h, from number 1 on. */
export const SOURCE_FILES: readonly string[] = [
  "from_endpoint.c",
  "from_host.c",
  "from_network.c",
  "from_overlay.c",
  "to_endpoint.c",
  "conntrack.h",
  "deliver.h",
  "hairpin.h",
  "host_port.h",
  "parse.h",
  "policy.h",
  "proxy.h",
  "rewrite.h",
  "service.h",
];
