import { expect, it } from "vitest";
import type { MetricsRow, PolicyRow } from "../../datapath/port.ts";
import { policyForm } from "./map-forms.ts";
import { kernelEndpointsText, metricsJson, metricsText, policyMapText } from "./maps.ts";

const ENTRY: PolicyRow = {
  deny: false,
  direction: "ingress",
  identity: 0,
  protocol: 0,
  port: 0,
  portPrefix: 0,
  proxyPort: 0,
  authType: 0,
  precedence: 1,
  cookie: 0,
  packets: 0,
  bytes: 0,
};
const ROWS: readonly PolicyRow[] = [
  { ...ENTRY, identity: 318, protocol: 6, port: 8000, portPrefix: 10, packets: 3, bytes: 180, cookie: 9 },
  { ...ENTRY, deny: true },
  {
    ...ENTRY,
    direction: "egress",
    identity: 5,
    protocol: 17,
    port: 53,
    portPrefix: 16,
    proxyPort: 10_001,
    authType: 1,
  },
];
const IDENTITIES = [{ id: 318, labels: ["k8s:class=deathstar", "k8s:org=empire"] }];

it("shows peers by their labels or numbers, ranges, and what each entry has decided", () => {
  const lines = policyMapText(ROWS, IDENTITIES)
    .split("\n")
    .map((line) => line.trimEnd());
  expect(lines).toEqual([
    "POLICY   DIRECTION   LABELS (source:key[=value])   PORT/PROTO      PROXY PORT   AUTH TYPE   BYTES   PACKETS   PREFIX   COOKIE",
    "Deny     Ingress     ANY                           ANY             NONE         disabled    0       0         0        0",
    "Allow    Ingress     k8s:class=deathstar           8000-8063/TCP   NONE         disabled    180     3         18       9",
    "                     k8s:org=empire",
    "Allow    Egress      5                             53/UDP          10001        spire       0       0         24       0",
    "",
  ]);
  expect(policyMapText(ROWS)).toContain("Allow    Ingress     318        8000-8063/TCP");
  expect(policyMapText([])).toContain("Policy stats empty.");
});

it("shows what became of packets, by reason and place", () => {
  const rows: readonly MetricsRow[] = [
    { reason: 133, direction: "ingress", file: 11, line: 57, packets: 2, bytes: 148 },
    { reason: 0, direction: "egress", file: 99, line: 37, packets: 30, bytes: 4000 },
  ];
  expect(metricsText(rows).split("\n")).toEqual([
    "REASON          DIRECTION   PACKETS   BYTES   LINE   FILE",
    "Policy denied   INGRESS     2         148     57     policy.h",
    "Success         EGRESS      30        4000    37     unknown(99)",
    "",
  ]);
  expect(metricsJson(rows)[0]).toEqual({
    ...{ reason: "Policy denied", direction: "ingress", packets: 2, bytes: 148, line: 57, file: "policy.h" },
  });
});

it("prints policies in the form of Cilium's map, ports in network byte order", () => {
  const [port, deny, redirect] = policyForm(ROWS);
  expect(port).toEqual({
    ...{ ProxyPortNetwork: 0, Flags: 18 << 3, AuthRequirement: 0, Precedence: 1, Cookie: 9, Packets: 3, Bytes: 180 },
    Key: { Prefixlen: 58, Identity: 318, TrafficDirection: 0, Nexthdr: 6, DestPortNetwork: 0x401f },
  });
  expect(deny).toMatchObject({ Flags: 1, Key: { Prefixlen: 40, DestPortNetwork: 0 } });
  expect(redirect).toMatchObject({ ProxyPortNetwork: 0x1127, Key: { Prefixlen: 64, TrafficDirection: 1 } });
});

it("shows the kernel's endpoints", () => {
  const macs = { mac: "aa:bb:cc:00:00:01", hostMac: "aa:bb:cc:00:00:02" };
  const endpoint = { id: 871, identity: 318, address: "172.20.1.20", interfaceName: "lxc1", ifindex: 12, ...macs };
  expect(kernelEndpointsText([endpoint, { localhost: "fd00::1" }]).split("\n")).toEqual([
    "IP ADDRESS      LOCAL ENDPOINT INFO",
    expect.stringMatching(/^\[fd00::1\]:0 {5}\(localhost\) *$/),
    expect.stringMatching(
      /^172.20.1.20:0 {3}id=871 {3}sec_id=318 {3}flags=0x0000 ifindex=12 {2}mac=AA:BB:CC:00:00:01 nodemac=AA:BB:CC:00:00:02 parent_ifindex=0 {3}rt_info:0 *$/,
    ),
    "",
  ]);
});
