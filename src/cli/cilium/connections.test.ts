import { expect, it } from "vitest";
import type { ConnectionRow, ServiceFrontend } from "../../datapath/port.ts";
import { jsonText } from "../../wire/go-json.ts";
import { yamlText } from "../../wire/go-yaml.ts";
import { connectionServices, connectionsForm, connectionsText } from "./connections.ts";
import { tableForm } from "./map-forms.ts";
import { backendCells, backendIds, frontendCells, loadBalancerCells } from "./service-maps.ts";

const SERVICE: ServiceFrontend = {
  ...{ id: 3, address: "192.168.10.101", port: 30_080, protocol: 6, type: "NodePort", affinitySeconds: 60 },
  backends: [{ address: "172.20.1.5", port: 8080 }],
};
const OWN: ServiceFrontend = {
  ...SERVICE,
  id: 4,
  address: "fd00::1",
  type: "ClusterIP",
  affinitySeconds: 0,
  backends: [],
};
const DNS: ServiceFrontend = {
  ...{ id: 5, address: "172.21.0.10", port: 53, protocol: 17, type: "ClusterIP", affinitySeconds: 0 },
  backends: [SERVICE.backends[0]!, { address: "172.20.1.6", port: 53 }],
};
const SERVICES = [SERVICE, OWN, DNS];
const idOf = (key: string) => backendIds(SERVICES).get(key);

const ROW: ConnectionRow = {
  ...{ scope: "ingress", protocol: 6, source: "172.20.1.20", sourcePort: 40_000 },
  ...{ destination: "172.20.1.21", destinationPort: 80, expires: 4711, expiresIn: 59, flags: 0x13 },
  ...{ forwardFlags: 2, replyFlags: 18, forwardReported: 4700, replyReported: 4690, sourceIdentity: 10_135 },
  ...{ translatedAddress: "", translatedPort: 0 },
};
const ASKED: ConnectionRow = {
  ...ROW,
  ...{ scope: "service", destination: SERVICE.address, destinationPort: SERVICE.port, flags: 2 },
  ...{ translatedAddress: "172.20.1.5", translatedPort: 8080 },
};
const SENT: ConnectionRow = {
  ...ROW,
  ...{ scope: "egress", protocol: 17, destination: "172.20.1.6", destinationPort: 53, flags: 0 },
  ...{ translatedAddress: DNS.address, translatedPort: 53 },
};
const PLAIN = { withDifference: false, isDual: false };
const services = connectionServices(SERVICES);

it("shows connections in upstream's words, with the services of now", () => {
  const seen = "RxFlagsSeen=0x12 LastRxReport=4690 TxFlagsSeen=0x02 LastTxReport=4700";
  const start = (words: string) => `${words} expires=4711 Packets=0 Bytes=0 ${seen}`;
  expect(connectionsText([SENT, ASKED, ROW], services, PLAIN).split("\n")).toEqual([
    `${start("TCP IN 172.20.1.20:40000 -> 172.20.1.21:80")} Flags=0x0013 [ RxClosing TxClosing SeenNonSyn ] RevNAT=0 SourceSecurityID=10135 BackendID=0 NatPort=0 `,
    `${start("TCP SVC 172.20.1.20:40000 -> 192.168.10.101:30080")} Flags=0x0002 [ TxClosing ] RevNAT=3 SourceSecurityID=10135 BackendID=${idOf("172.20.1.5:8080/TCP")} NatPort=0 `,
    "",
    `${start("UDP OUT 172.20.1.20:40000 -> 172.20.1.6:53")} Flags=0x0000 [ ] RevNAT=5 SourceSecurityID=10135 BackendID=0 NatPort=53 `,
    ...["", ""],
  ]);
  const six = { ...ROW, source: "fd00::1", destination: "fd00::2" };
  const dual = connectionsText([ROW, six], services, { withDifference: true, isDual: true });
  expect(dual).toMatch(
    /^TCP IN .* expires=4711 \(remaining: 59 sec\(s\)\) Packets=0.*\n\n\nTCP IN \[fd00::1\]:40000 .*\n\n\n$/,
  );
});

it("has the form of Cilium's map for -o", () => {
  const form = connectionsForm([SENT, ASKED], services);
  // a map has TCP, the next has the rest
  const [asked, sent] = JSON.parse(jsonText(form)) as readonly object[];
  expect(sent).toEqual({
    Key: {
      ...{ DestAddr: [172, 20, 1, 20], SourceAddr: [172, 20, 1, 6], DestPort: 0x3500, SourcePort: 0x409c },
      ...{ NextHeader: 17, Flags: 0 },
    },
    Value: {
      ...{ Union0: [0, 0], Packets: 0, Bytes: 0, Lifetime: 4711, Flags: 0, RevNAT: 0x0500, NatPort: 0x3500 },
      ...{ TxFlagsSeen: 2, RxFlagsSeen: 18, SourceSecurityID: 10_135, LastTxReport: 4700, LastRxReport: 4690 },
    },
  });
  expect(asked).toMatchObject({
    Key: {
      DestAddr: [192, 168, 10, 101],
      SourceAddr: [172, 20, 1, 20],
      DestPort: 0x409c,
      SourcePort: 0x8075,
      Flags: 4,
    },
    Value: { Union0: [0, idOf("172.20.1.5:8080/TCP")], RevNAT: 0x0300, NatPort: 0 },
  });
  expect(yamlText(form)).toMatch(/^- key:\n {4}tuplekey4global:\n {8}tuplekey4:\n {12}destaddr:\n {16}- 192\n/);
});

it("shows the kernel's services, slot by slot", () => {
  expect(loadBalancerCells([SERVICE, OWN])).toEqual([
    ["192.168.10.101:30080/TCP (0)", "0.0.0.0:0 (3) (0) [NodePort, sessionAffinity] "],
    ["192.168.10.101:30080/TCP (1)", "172.20.1.5:8080/TCP (3) (1)"],
    ["[fd00::1]:30080/TCP (0)", "[::]:0 (4) (0) [ClusterIP, non-routable] "],
  ]);
  expect(tableForm(loadBalancerCells([SERVICE, OWN]))["192.168.10.101:30080/TCP (1)"]).toHaveLength(1);
});

it("numbers backends by what they are, whatever else there is", () => {
  const id = idOf("172.20.1.5:8080/TCP")!;
  expect(backendIds([SERVICE])).toEqual(new Map([["172.20.1.5:8080/TCP", id]]));
  expect(frontendCells([SERVICE, OWN])).toEqual([
    ["192.168.10.101:30080/TCP (0)", "16777276 1[0] (3) [0x52 0x0]"],
    ["192.168.10.101:30080/TCP (1)", `${id} 0[0] (3) [0x52 0x0]`],
    ["[fd00::1]:30080/TCP (0)", "16777216 0[0] (4) [0x0 0x0]"],
  ]);
  const cells = backendCells(SERVICES);
  expect(cells).toHaveLength(3);
  expect(cells).toContainEqual([String(id), "TCP://172.20.1.5"]);
});
