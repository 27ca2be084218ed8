import { afterAll, beforeAll, expect, it } from "vitest";
import { FORBIDDEN_PUT } from "../../../test/support/access-record.ts";
import { AnsweringAgent } from "../../../test/support/cilium-outcome.ts";
import { craftEvent } from "../../../test/support/craft-event.ts";
import type { L7Notification } from "../../model/access-record.ts";

const agent = new AnsweringAgent({ "GET /v1/healthz": { nodeMonitor: { cpus: 2, npages: 512, pagesize: 4096 } } });
beforeAll(() => agent.listen());
afterAll(() => agent.close());

function frame(kind: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(body.length + 1);
  head[4] = kind;
  return Buffer.concat([head, body]);
}

const notification: L7Notification = {
  record: { ...FORBIDDEN_PUT, timeMs: 0, url: "http://deathstar/v1/exhaust-port" },
  source: { id: 3845, identity: 19274, labels: ["k8s:org=empire"] },
  destination: { id: 871, identity: 318, labels: ["k8s:org=empire"] },
};

const STREAM = Buffer.concat([
  frame(
    1,
    craftEvent({
      type: 1,
      subtype: 133,
      endpoint: 871,
      destinationEndpoint: 871,
      sourceIdentity: 10135,
      destinationIdentity: 318,
    }),
  ),
  frame(2, Buffer.from(JSON.stringify(notification))),
  frame(3, Buffer.from('{"lost": 7}')),
  frame(4, Buffer.from('{"type": "Policy updated", "message": {"revision": 3}}')),
]);

/** Runs a monitor, feeds it the stream in two awkward pieces, and interrupts it. */
async function watch(...args: string[]) {
  const interrupt = new AbortController();
  const done = agent.runOurs(["monitor", ...args], agent.socket, interrupt.signal);
  const { watching } = agent;
  while (watching.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const response = watching.pop();
  response?.write(STREAM.subarray(0, 11));
  await new Promise((resolve) => setTimeout(resolve, 30));
  response?.write(STREAM.subarray(11));
  await new Promise((resolve) => setTimeout(resolve, 100));
  interrupt.abort();
  return done;
}

it("monitor: a line an event until Ctrl-C", async () => {
  const { code, out, err } = await watch();
  expect(code).toBe(0);
  expect(out.split("\n")).toEqual([
    expect.stringMatching(/^xx drop \(Policy denied\) flow 0xb6b3b6b3 to endpoint 871, .*172.20.1.20:80 tcp SYN$/),
    "<- Request http from 3845 ([k8s:org=empire]) to 871 ([k8s:org=empire]), identity 19274->318, verdict Denied PUT http://deathstar/v1/exhaust-port => 0",
    "Lost 7 events",
    '>> Policy updated: {"revision":3}',
    "",
  ]);
  expect(err).toMatch(
    /^Listening for events on 2 CPUs with 512x4096 of shared memory\nPress Ctrl-C to quit\n\nReceived an interrupt, disconnecting from monitor...\n/,
  );
});

it("monitor: types, endpoints, verbosity, JSON", async () => {
  const l7 = await watch("-v", "--type", "l7");
  expect(l7.out.split("\n")).toEqual([expect.stringMatching(/^<- Request http/), "Lost 7 events", ""]);
  for (const flags of [["-v"], ["-vvv"]])
    expect((await watch(...flags, "--type", "drop")).out).toMatch(/^xx drop \(Policy denied\)/m);
  const verbose = await watch("-vv", "--type", "drop");
  expect(verbose.out).toContain("FROM 871 DROP: 54 bytes, reason Policy denied");
  expect(verbose.out).toContain("00000000  02 00 00 00 00 02");
  expect((await watch("-vv", "--hex", "-t", "drop")).out).toContain("SrcPort=43966 DstPort=80(http) Seq=1000 ");
  expect((await watch("--from", "3845")).out).toMatch(/^<- Request http[^\n]*\nLost 7 events\n$/);
  expect((await watch("--related-to", "5")).out).toBe("Lost 7 events\n");
  const debug = await watch("--type", "debug", "--type", "agent");
  expect(debug.out).toMatch(/^Lost 7 events\n>> Policy updated: [^\n]*\n$/);
  expect(debug.err).toContain("\nThis datapath sends no debug events: none will come\nPress Ctrl-C to quit\n");
  const lines = (await watch("-j")).out.replace("Lost 7 events\n", "").trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual(["drop", "logRecord", "agent"]);
});
