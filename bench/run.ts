/**
 * `npm run bench`: measures the policy engine beside Cilium's, the datapath beside plain routing, the L7 proxy beside HAProxy,
 * nginx and Envoy, then a lab of its own beside plain routing; prints the ratios and keeps them. `npm run bench -- policy`, `-- prove`, `-- datapath`, `-- l7`, `-- dns`, `-- flows`, `-- replay`, `-- api` and `-- lab` measure one of these
 * alone; `-- datapath --quick` only shows, in a minute, that the datapath's rows can be measured, and keeps nothing.
 */
import { join } from "node:path";
import { ROOT, TestLab } from "../test/support/lab.ts";
import { realApiServerMissing } from "../test/support/real-api-server.ts";
import { measureAgent } from "./agent.ts";
import { measureApi } from "./api.ts";
import { FULL, measureDatapath, QUICK } from "./datapath.ts";
import { measureConnection } from "./datapath-connection.ts";
import { measureEventFlood } from "./datapath-events.ts";
import { measurePackets } from "./datapath-packets.ts";
import { measureDns } from "./dns.ts";
import { measureEnforcement } from "./enforcement.ts";
import { measureFlows } from "./flows.ts";
import { measureHttp, mustHaveWrk } from "./http.ts";
import { measureL7 } from "./l7.ts";
import { buildTraffic, PlainRouting } from "./namespaces.ts";
import { measureNetwork } from "./network.ts";
import { measurePolicyEngine } from "./policy.ts";
import { measureProve } from "./prove.ts";
import { measureReplay } from "./replay.ts";
import { describeMachine, PARTS, printTable, type Row, saveResults } from "./report.ts";
import { measureMemory, measureStart } from "./start.ts";

const lab = new TestLab("bench");
const plain = new PlainRouting("sg-bench-plain");
const only = PARTS.find((part) => process.argv.includes(part));
const quick = process.argv.includes("--quick");
const rows: Row[] = [];
// What is missing is told before anything is measured: what was measured until then would be lost.
if (only === undefined || only === "lab" || only === "l7") mustHaveWrk();
const traffic = only === undefined || only === "datapath" || only === "lab" ? buildTraffic(ROOT) : "";

async function section(name: string, measure: () => Promise<Row[]>): Promise<void> {
  console.error(`bench: ${name} …`);
  rows.push(...(await measure()));
}

async function measureLab(): Promise<void> {
  try {
    await lab.down();
    plain.remove();
    plain.create();
    await section("up and Star Wars", () => measureStart(lab));
    await section("memory", () => measureMemory(lab));
    await lab.ok("kubectl delete -f http-sw-app.yaml");
    await lab.ok(`kubectl apply -f ${join(ROOT, "bench/pods.yaml")}`);
    await lab.ok("kubectl wait --for=condition=Ready pod --all --timeout=30s");
    await section("network through policy", () => measureNetwork(lab, plain, traffic));
    await section("policy change to enforcement", () => measureEnforcement(lab, traffic));
    await section("cost of an agent", () => measureAgent(lab, traffic));
    await section("HTTP through the L7 policy", () => measureHttp(lab, traffic));
  } finally {
    await lab.down();
    plain.remove();
  }
}

async function measureDatapathAlone(): Promise<void> {
  await section("datapath, packet by packet", measurePackets);
  await section("datapath, more events than are read", measureEventFlood);
  await section("datapath, a whole connection", measureConnection);
  await section("datapath against plain routing", () => measureDatapath(traffic, quick ? QUICK : FULL));
}

if (only === undefined || only === "policy") await section("policy engine", async () => measurePolicyEngine(ROOT));
if (only === undefined || only === "prove") await section("proving a change", async () => measureProve(ROOT));
if (only === undefined || only === "datapath") await measureDatapathAlone();
if (only === undefined || only === "l7") await section("L7 proxies side by side", measureL7);
if (only === undefined || only === "dns") await section("DNS through its proxy", measureDns);
if (only === undefined || only === "flows") await section("flows to clients", () => measureFlows(ROOT));
if (only === undefined || only === "replay") await section("recorded flows", () => measureReplay(ROOT));
if (only === "api" || (only === undefined && realApiServerMissing() === undefined))
  await section("API servers side by side", measureApi);
if (only === undefined || only === "lab") await measureLab();
const machine = describeMachine(ROOT);
console.log(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, Linux ${machine.kernel}, Node ${machine.node}, commit ${machine.commit}\n`,
);
console.log(printTable(rows));
console.log(quick ? "\na quick run: not kept" : `\nkept in ${saveResults(ROOT, machine, rows, only ?? "all")}`);
