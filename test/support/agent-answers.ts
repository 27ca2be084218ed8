/** What an agent answers in the tests of its command: `METHOD /path[?query][ body]` -> body, or a status with it. */
export class Refusal {
  readonly status: number;
  readonly body: unknown;
  constructor(status: number, body: unknown) {
    this.status = status;
    this.body = body;
  }
}

const LABELS = ["k8s:app.kubernetes.io/name=deathstar", "k8s:class=deathstar", "k8s:org=empire"];
const policy = (enabled: string, more: object = {}) => ({
  realized: {
    "allowed-egress-identities": [0],
    "allowed-ingress-identities": null,
    build: 3,
    "denied-egress-identities": null,
    "denied-ingress-identities": null,
    id: 318,
    "policy-enabled": enabled,
    "policy-revision": 3,
    ...more,
  },
  "proxy-statistics": [],
  spec: { "policy-enabled": enabled, "policy-revision": 3, "allowed-egress-identities": [1, 2, 318] },
});

const spec = { "label-configuration": {}, options: { PolicyAuditMode: "Disabled", Debug: "1", Level: "x <y> & z" } };

const deathstar = {
  id: 871,
  spec,
  status: {
    controllers: [
      {
        name: "resolve-identity-871",
        configuration: { "error-retry": true, interval: "5m0s" },
        status: { "success-count": 4, "failure-count": 0, "last-success-timestamp": "2026-11-27T07:50:55.123Z" },
        uuid: "6b0b2c4e",
      },
    ],
    "external-identifiers": {
      "cni-attachment-id": "c1:eth0",
      "container-id": "c1",
      "k8s-namespace": "default",
      "k8s-pod-name": "deathstar-8c4c77fb7-9klws",
      "pod-name": "default/deathstar-8c4c77fb7-9klws",
    },
    health: { bpf: "OK", connected: true, overallHealth: "OK", policy: "OK" },
    identity: { id: 318, labels: LABELS, labelsSHA256: "00ff" },
    labels: { realized: {}, "security-relevant": LABELS, derived: ["k8s:pod-template-hash=8c4c77fb7"] },
    log: [{ code: "ok", message: "done: 1 > 0", state: "ready", timestamp: "2026-11-27T07:50:55Z" }],
    namedPorts: [{ name: "http", port: 80, protocol: "TCP" }],
    networking: {
      addressing: [{ ipv4: "172.20.1.20", ipv6: "fd00:172:20:1::14" }],
      "container-interface-name": "eth0",
      "host-mac": "aa:bb:cc:00:00:02",
      "interface-index": 101,
      "interface-name": "lxc1",
      mac: "aa:bb:cc:00:00:01",
    },
    policy: policy("ingress", {
      l4: {
        ingress: [{ rule: '{"port":80}', "derived-from-rules": [["k8s:a=b"]], "rules-by-selector": { x: [["y"]] } }],
      },
    }),
    realized: spec,
    state: "ready",
  },
};

const endpoint = (id: number, state: string, enabled: string, more: object = {}) => ({
  ...deathstar,
  id,
  status: { ...deathstar.status, state, policy: policy(enabled), ...more },
});

/** All shapes that endpoints may have, and some that they should not. */
const endpoints = [
  endpoint(3845, "waiting-for-identity", "none", { labels: { "security-relevant": ["k8s:b=2", "k8s:a=1"] } }),
  deathstar,
  endpoint(11, "not-ready", "both", { networking: { addressing: [] } }),
  endpoint(12, "regenerating", "egress", { networking: null }),
  endpoint(13, "ready", "audit-both", { labels: { "security-relevant": [] }, identity: null }),
  endpoint(14, "ready", "audit-ingress", { policy: null }),
  endpoint(15, "ready", "audit-egress", { networking: { addressing: [{}] } }),
  { id: 16 },
];

const identities = [
  { id: 318, labels: LABELS, labelsSHA256: "00ff" },
  { id: 2, labels: ["reserved:world"] },
  { id: 16777217, labels: ["reserved:world", "cidr:10.0.0.0/8"] },
  { id: 16777218, labels: ["cidr:fd00--0/16", "reserved:world-ipv6", "odd", "k8s:x=a=b:c"] },
  { id: 7, labels: [] },
];

const addresses = [
  {
    cidr: "172.20.1.20/32",
    hostIP: "192.168.10.101",
    identity: 318,
    metadata: { source: "k8s", name: "p", namespace: "default" },
  },
  { cidr: "10.0.0.0/8", identity: 16777217, metadata: { source: "generated" } },
  { cidr: "fd00::/16", identity: 16777218, encryptKey: 3 },
  { cidr: "172.20.1.3/32", hostIP: "0.0.0.0", identity: 9999, metadata: { source: "custom-resource" } },
  { cidr: "0.0.0.0/0", identity: 2, metadata: null },
];

const service = (id: number, address: object, backends: readonly object[], flags: object = {}) => {
  const one = {
    "backend-addresses": backends,
    flags: { name: "deathstar", namespace: "default", type: "ClusterIP", ...flags },
    "frontend-address": { ip: "10.96.0.20", port: 80, protocol: "TCP", scope: "external", ...address },
    id,
  };
  return { spec: one, status: { realized: one } };
};

const backend = { ip: "172.20.1.20", port: 8080, protocol: "TCP", state: "active" };
const services = [
  service(3, { ip: "fd00:10:96::1", port: 53, protocol: "UDP" }, [{ ...backend, ip: "fd00::5", protocol: "UDP" }]),
  service(1, {}, [backend, { ...backend, ip: "172.20.2.7", state: "terminating", preferred: true, weight: 0 }]),
  service(2, { scope: "internal", port: 31_000 }, [], { type: "NodePort", cluster: "other" }),
];

const addressing = (ip: string, range: string) => ({ "alloc-range": range, enabled: true, ip });
const nodes = [
  {
    name: "default/k8s-w2",
    "primary-address": { ipv4: addressing("192.168.10.102", "172.20.2.0/24"), ipv6: {} },
    "health-endpoint-address": { ipv4: { enabled: true, ip: "172.20.2.7" }, ipv6: {} },
    "secondary-addresses": [{ ip: "172.20.2.1" }],
    source: "custom-resource",
  },
  {
    name: "default/k8s-w1",
    "primary-address": {
      ipv4: addressing("192.168.10.101", "172.20.1.0/24"),
      ipv6: addressing("fd00:192:168:10::101", "fd00:172:20:1::/64"),
    },
    "secondary-addresses": [],
    source: "local",
  },
  { name: "default/bare" },
];

const selectors = [
  {
    selector: "cidr:10.0.0.0/8",
    identities: [16777217, 16777218],
    users: 2,
    labels: [
      [
        { source: "k8s", key: "io.cilium.k8s.policy.name", value: "rule1" },
        { source: "k8s", key: "io.cilium.k8s.policy.namespace", value: "default" },
      ],
      [{ source: "k8s", key: "io.cilium.k8s.policy.name", value: "everywhere" }],
    ],
  },
  { selector: "MatchName: a, MatchPattern: ", identities: [], users: 1, labels: [] },
  { selector: "&LabelSelector{MatchLabels:map[string]string{any.org: empire,},}", identities: [318], users: 1 },
];

const lookups = [
  {
    "endpoint-id": 871,
    "expiration-time": "2026-11-27T08:50:55.500Z",
    fqdn: "jobs.example.com.",
    ips: ["20.1.1.7", "fd00::7"],
    "lookup-time": "2026-11-27T07:50:55.000Z",
    source: "lookup",
    ttl: 3600,
  },
  { fqdn: "b.example.com.", ips: [], source: "connection", "expiration-time": "0001-01-01T00:00:00.000Z" },
];

const maps = [
  {
    path: "/sys/fs/bpf/tc/globals/sg_ipcache",
    cache: [
      { key: "10.0.0.0/8", value: "identity=2", "desired-action": "sync" },
      { key: "k", value: "v", "desired-action": "insert", "last-error": "no space left" },
    ],
  },
  { path: "sg_empty", cache: [] },
  { path: "sg_policy", cache: null },
];

const configuration = {
  spec: { options: {}, "policy-enforcement": "default" },
  status: {
    addressing: { ipv4: addressing("172.20.1.1", "172.20.1.0/24") },
    daemonConfigurationMap: {
      ClusterName: "default",
      Devices: ["eth0", "eth1"],
      EnableIPv4: true,
      LogOpt: { format: "json", level: "true" },
      MTU: 1500,
      Nothing: null,
      Ratio: 0.0025,
    },
    datapathMode: "veth",
    deviceMTU: 1500,
    immutable: { Conntrack: "Enabled" },
    "ipam-mode": "kubernetes",
    kvstoreConfiguration: { type: "" },
    masqueradeProtocols: {},
    nodeMonitor: { cpus: 2, npages: 512, pagesize: 4096 },
    realized: {
      options: { MonitorAggregationLevel: "Medium", PolicyAuditMode: "Disabled", Debug: "true" },
      "policy-enforcement": "default",
    },
    routeMTU: 1450,
  },
};

/** Ill, so that nothing more is asked and nothing depends on the time. */
const status = {
  "attach-mode": "tc",
  cilium: { msg: "the proxy is not connected", state: "Warning" },
  "clock-source": { mode: "ktime" },
  cluster: { ciliumHealth: { state: "Ok" }, self: "k8s-w1" },
  "cni-chaining": { mode: "none" },
  controllers: [],
  "datapath-mode": "veth",
  encryption: { mode: "Disabled" },
  "host-firewall": { devices: ["eth0"], mode: "Enabled" },
  hubble: { observer: { "current-flows": 1, "max-flows": 4, "seen-flows": 9, uptime: "6.5s" }, state: "Ok" },
  "identity-range": { "max-identity": 65_535, "min-identity": 256 },
  ipam: {
    allocations: { "172.20.1.10": "default/a", "172.20.1.1": "router", "172.20.1.9": "health", "fd00::2": "health" },
    ipv4: ["172.20.1.1", "172.20.1.9", "172.20.1.10"],
    ipv6: [],
    status: "IPv4: 3/254 allocated from 172.20.1.0/24, ",
  },
  kubernetes: { "k8s-api-versions": ["core/v1::Service", "core/v1::Namespace"], msg: "1.34 (v1.34.4)", state: "Ok" },
  kvstore: { state: "Disabled" },
  "bandwidth-manager": { enabled: false },
  "ipv4-big-tcp": { enabled: false },
  "ipv6-big-tcp": { enabled: false },
  "kube-proxy-replacement": {
    deviceList: [{ ip: ["192.168.10.101"], name: "eth0" }],
    devices: ["eth0"],
    directRoutingDevice: "eth0",
    mode: "True",
    features: { nodePort: { enabled: false }, sessionAffinity: { enabled: true } },
  },
  masquerading: { enabled: false, enabledProtocols: { ipv4: false, ipv6: false } },
  nodeMonitor: { cpus: 2, lost: 7, npages: 512, pagesize: 4096 },
  proxy: { ip: "172.20.1.1", "port-range": "10000-19999", "envoy-deployment-mode": "external", redirects: [] },
  routing: { "inter-host-routing-mode": "Tunnel", "intra-host-routing-mode": "BPF", "tunnel-protocol": "vxlan" },
  srv6: { enabled: false },
};

const policyAnswer = { policy: '[\n  {\n    "a": "<b>"\n  }\n]', revision: 3 };
const MISSING = new Refusal(404, "no such thing");

/** See above. */
export const AGENT_ANSWERS: Readonly<Record<string, unknown>> = {
  "GET /v1/endpoint": endpoints,
  'GET /v1/endpoint ["k8s:org=empire"]': [deathstar],
  'GET /v1/endpoint ["k8s:org=rebels"]': MISSING,
  "GET /v1/endpoint/871": deathstar,
  "GET /v1/endpoint/ipv4:172.20.1.20": deathstar,
  "GET /v1/endpoint/16": { id: 16 },
  "GET /v1/endpoint/99": MISSING,
  "GET /v1/endpoint/70000": new Refusal(400, "invalid endpoint id: <70000>"),
  "GET /v1/endpoint/5": new Refusal(418, "a teapot"),
  "GET /v1/endpoint/871/log": [
    { code: "ok", message: "Policy revision 3 in force", state: "ready", timestamp: "2026-11-27T07:50:55Z" },
    { code: "failed", message: "no space", state: "not-ready", timestamp: "2026-11-27T07:50:54Z" },
    {},
  ],
  "GET /v1/endpoint/99/log": MISSING,
  "GET /v1/endpoint/871/healthz": deathstar.status.health,
  "GET /v1/endpoint/16/healthz": {},
  "GET /v1/endpoint/99/healthz": MISSING,
  "GET /v1/endpoint/871/labels": { spec: {}, status: { realized: {}, "security-relevant": ["k8s:org=empire"] } },
  "GET /v1/endpoint/99/labels": MISSING,
  "PATCH /v1/endpoint/871/labels": new Refusal(500, "labels of an endpoint are those of its pod"),
  "GET /v1/endpoint/871/config": { immutable: { Fixed: "1" }, realized: spec },
  "PATCH /v1/endpoint/871/config": {},
  "GET /v1/endpoint/99/config": MISSING,
  "GET /v1/endpoint/12/config": { immutable: {}, realized: { options: { PolicyAuditMode: "Enabled" } } },
  "PATCH /v1/endpoint/12/config": new Refusal(500, "Debug cannot be changed here"),
  "DELETE /v1/endpoint/871": {},
  "DELETE /v1/endpoint/12": new Refusal(400, "use `kubectl delete pod`"),
  "GET /v1/identity": identities,
  'GET /v1/identity ["reserved:world"]': [identities[1]],
  'GET /v1/identity ["a","b=c"]': MISSING,
  "GET /v1/identity/318": identities[0],
  "GET /v1/identity/2": identities[1],
  "GET /v1/identity/16777217": identities[2],
  "GET /v1/identity/16777218": identities[3],
  "GET /v1/identity/9999": MISSING,
  "GET /v1/identity/x": new Refusal(400, "no number"),
  "GET /v1/identity/endpoints": [
    { identity: identities[0], refCount: 2 },
    { identity: identities[1], refCount: 1 },
  ],
  "GET /v1/ip": addresses,
  "GET /v1/ip?cidr=172.20.0.0%2F16": [addresses[0], addresses[3]],
  "GET /v1/ip?cidr=1.0.0.0%2F8": MISSING,
  'GET /v1/ip ["k8s:org=empire"]': [addresses[0]],
  "GET /v1/cluster/nodes": { self: "default/k8s-w1", "nodes-added": nodes, "nodes-removed": [] },
  "GET /v1/node/ids": [
    { id: 17, ips: ["192.168.10.102", "fd00::2"] },
    { id: 255, ips: [] },
  ],
  "GET /v1/service": services,
  "GET /v1/policy": policyAnswer,
  "GET /v1/policy/selectors": selectors,
  "GET /v1/policy/subject-selectors": [],
  "GET /v1/fqdn/cache": lookups,
  "GET /v1/fqdn/cache?matchpattern=*.example.com": lookups,
  "GET /v1/fqdn/cache?matchpattern=%2A.example.com": lookups,
  "GET /v1/fqdn/cache/871?source=lookup": [lookups[0]],
  "GET /v1/fqdn/cache/99": MISSING,
  "GET /v1/fqdn/cache?source=x": new Refusal(400, "source must be lookup or connection"),
  "DELETE /v1/fqdn/cache": {},
  "GET /v1/fqdn/names": {
    DNSPollNames: [],
    FQDNPolicySelectors: [{ regexString: "^a[.]b[.]$", selectorString: "MatchName: a.b, MatchPattern: " }],
  },
  "GET /v1/map": { maps },
  "GET /v1/map/sg_ipcache": maps[0],
  "GET /v1/map/sg_empty": maps[1],
  "GET /v1/map/sg_policy": maps[2],
  "GET /v1/map/none": MISSING,
  "GET /v1/map/sg_ipcache/events?follow=false": MISSING,
  "GET /v1/config": configuration,
  "PATCH /v1/config": new Refusal(400, "Debug cannot be changed here; PolicyAuditMode & MonitorAggregationLevel can"),
  "GET /v1/healthz": status,
  "GET /v1/lrp": [],
  "GET /v1/prefilter": new Refusal(500, "there is no prefilter here"),
  "GET /v1/cgroup-dump-metadata": new Refusal(500, "sockets are not followed"),
  "PATCH /v1/prefilter": new Refusal(500, "there is no prefilter here"),
  "DELETE /v1/prefilter": new Refusal(500, "there is no prefilter here"),
  "GET /v1/bgp/peers": new Refusal(501, "there is no BGP"),
  "GET /v1/bgp/routes?afi=ipv4&safi=unicast&table_type=loc-rib": new Refusal(501, "there is no BGP"),
  "GET /v1/bgp/routes?afi=ipv6&neighbor=2001%3Adb8%3A%3A1&router_asn=65001&safi=unicast&table_type=adj-rib-out":
    new Refusal(501, "there is no BGP"),
  "GET /v1/bgp/route-policies": new Refusal(501, "there is no BGP"),
  "GET /v1/bgp/route-policies?router_asn=65001": new Refusal(500, "there is no BGP"),
  "GET /v1/map/sg_ipcache/events?follow=true": MISSING,
  "GET /statedb/dump": { health: [{ ID: { Module: ["agent"] }, Level: "OK" }] },
  "GET /v1/debuginfo": {
    "cilium-memory-map": "00400000-00746000 r--p\n",
    "cilium-status": status,
    "cilium-version": "0.1.0 shieldgate undated node version v24.21.0 linux/amd64",
    "endpoint-list": endpoints.slice(0, 2),
    "environment-variables": ["HOME", "PATH"],
    "kernel-version": "6.1.0",
    policy: policyAnswer,
    "service-list": services.slice(0, 1),
    subsystem: { a: "b" },
  },
};
