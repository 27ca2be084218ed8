import { expect, it } from "vitest";
import type { MetricsRow, PolicyRow } from "../../datapath/port.ts";
import { policyForm, tableForm } from "./map-forms.ts";
import {
  connectionsText,
  kernelEndpointsText,
  loadBalancerCells,
  metricsJson,
  metricsText,
  policyMapText,
} from "./maps.ts";

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

it("shows connections one a line", () => {
  const row = {
    scope: "ingress",
    protocol: 6,
    source: "172.20.1.20",
    sourcePort: 40_000,
    destination: "172.20.1.21",
    destinationPort: 80,
    expires: 4711,
    expiresIn: 59,
    flags: ["SeenNonSyn", "TxClosing", "RxClosing", "Reset"],
    forwardFlags: 2,
    replyFlags: 18,
    translated: "",
  } as const;
  const service = { ...row, scope: "service", flags: ["TxClosing"], translated: "172.20.1.9:80" } as const;
  expect(connectionsText([service, row])).toBe(
    "TCP IN 172.20.1.20:40000 -> 172.20.1.21:80 expires=4711 RxFlagsSeen=0x12 TxFlagsSeen=0x02 Flags=0x0013 [ RxClosing TxClosing SeenNonSyn Reset ]\n" +
      "TCP SVC 172.20.1.20:40000 -> 172.20.1.21:80 expires=4711 RxFlagsSeen=0x12 TxFlagsSeen=0x02 Flags=0x0002 [ TxClosing ] Nat=172.20.1.9:80\n",
  );
  expect(connectionsText([row], true)).toContain(" expires=4711 (remaining: 59 sec(s)) RxFlagsSeen=");
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
  expect(kernelEndpointsText([endpoint])).toContain(
    "172.20.1.20:0   id=871   sec_id=318   ifindex=12  mac=AA:BB:CC:00:00:01 nodemac=AA:BB:CC:00:00:02",
  );
});

it("shows the kernel's services, slot by slot", () => {
  const service = {
    id: 3,
    address: "192.168.10.101",
    port: 30_080,
    protocol: 6,
    type: "NodePort",
    affinitySeconds: 60,
    backends: [{ address: "172.20.1.5", port: 8080 }],
  } as const;
  const own = { ...service, address: "fd00::1", type: "ClusterIP", affinitySeconds: 0, backends: [] } as const;
  expect(loadBalancerCells([service, own])).toEqual([
    ["192.168.10.101:30080/TCP (0)", "0.0.0.0:0 (3) (0) [NodePort, sessionAffinity] "],
    ["192.168.10.101:30080/TCP (1)", "172.20.1.5:8080/TCP (3) (1)"],
    ["[fd00::1]:30080/TCP (0)", "[::]:0 (3) (0) [ClusterIP, non-routable] "],
  ]);
  expect(tableForm(loadBalancerCells([service, own]))["192.168.10.101:30080/TCP (1)"]).toHaveLength(1);
});
