/** A prober asks without a pause while policies, identities and agents come and go: nothing leaks, nothing that is allowed all the
 * while is lost. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Aggregation } from "../../src/datapath/port.ts";
import { ALLOW_ALL, entry, inNetns, type Lab, openLab, type Pod, policy, sleep } from "./datapath-lab.ts";

const [TCP, UDP] = [6, 17];
/** Allowed by every policy, and by none. */
const [OPEN, CLOSED] = [7001, 7002];
const [CLIENT, SERVER] = [1001, 1002];
const CHANGES = 1000;
const prober = `${process.execPath} ${new URL("datapath-prober.ts", import.meta.url).pathname}`;

let lab: Lab;
let near: Pod; // node 1, as the server
let far: Pod; // node 2
let server: Pod;

interface Answers {
  readonly sent: number;
  readonly answered: number;
  readonly overflowed: number;
  readonly leaked: number;
  readonly denied: number;
  readonly written: number;
  readonly read: number;
  readonly broken: string;
}

beforeAll(async () => {
  lab = await openLab();
  const [one, two] = lab.nodes;
  server = await lab.pod(one, 102, SERVER, 11);
  near = await lab.pod(one, 101, CLIENT, 10);
  far = await lab.pod(two, 103, CLIENT, 12);
  for (const pod of [near, far]) await pod.node.call("setPolicy", pod.id, policy(ALLOW_ALL, [], false));
});
afterAll(() => lab?.close());

/** Its first line says that the process has begun, its second, at its end, what it saw. */
function linesOf(child: ChildProcess): { readonly begun: Promise<void>; readonly answers: Promise<Answers> } {
  const lines = createInterface({ input: child.stdout! });
  const next = () =>
    new Promise<string>((resolve, reject) => {
      lines.once("line", resolve);
      lines.once("close", () => reject(new Error(`${child.spawnargs.at(-1)} ended without a word`)));
    });
  const begun = next();
  return { begun: begun.then(() => undefined), answers: begun.then(next).then((line) => JSON.parse(line) as Answers) };
}

/** One of many policies: others' ports and identities change, the two ports' fate does not. */
function policyOf(round: number) {
  const open = [TCP, UDP].map((protocol) =>
    entry({ identity: CLIENT, protocol, port: OPEN, portPrefix: 16, precedence: 2 }),
  );
  const others = Array.from({ length: round % 40 }, (_, index) =>
    entry({ identity: 2000 + index, protocol: TCP, port: 8000 + round, portPrefix: 16 }),
  );
  // Wide and narrow, allow and deny change places around the closed port.
  const around =
    round % 2 === 0
      ? [entry({ identity: CLIENT, protocol: UDP, port: 7003, portPrefix: 16 })]
      : [
          entry({ identity: CLIENT, protocol: UDP, port: 7000, portPrefix: 13 }),
          entry({ identity: CLIENT, protocol: UDP, port: CLOSED, portPrefix: 16, deny: true, precedence: 9 }),
        ];
  return policy([entry({ direction: "egress" }), ...open, ...around, ...others]);
}

/** What both clients saw while `during` ran. */
async function probe(drill: string, during: () => Promise<void>): Promise<readonly Answers[]> {
  const serving = server.spawn(`${prober} serve ${OPEN} ${CLOSED}`);
  const served = linesOf(serving);
  await served.begun;
  const asking = [near, far].map((pod) => pod.spawn(`${prober} ask ${server.address} ${OPEN} ${CLOSED}`));
  const asked = asking.map(linesOf);
  await Promise.all(asked.map(({ begun }) => begun));
  await during();
  await sleep(500);
  for (const child of asking) child.stdin?.end();
  const answers = await Promise.all(asked.map((each) => each.answers));
  serving.stdin?.end();
  const { leaked, overflowed } = await served.answers;
  // what the server's process had no time for was on the way of both
  const fair = answers.map((answer) => ({ ...answer, overflowed: answer.overflowed + overflowed }));
  report(drill, fair, leaked);
  expect(leaked).toBe(0);
  return fair;
}

const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);

/** What the drill has to show: what was asked, what of it was lost, and what reached the server that may not. */
function report(drill: string, answers: readonly Answers[], leaked: number): void {
  const asked = sum(answers.map(({ sent, denied, written }) => sent + denied + written));
  const lost = sum(answers.map(({ sent, answered, overflowed }) => Math.max(0, sent - answered - overflowed)));
  console.log(`${drill}: ${asked} packets probed, ${lost} lost, ${leaked} leaked`);
}

function mustBeWhole(answers: readonly Answers[]): void {
  for (const { sent, answered, overflowed, leaked, denied, written, read, broken } of answers) {
    expect(Math.min(sent, denied)).toBeGreaterThan(200);
    expect({ lost: Math.max(0, sent - answered - overflowed), leaked, unread: written - read, broken }).toEqual({
      lost: 0,
      leaked: 0,
      unread: 0,
      broken: "",
    });
  }
}

describe("while somebody asks without a pause", { timeout: 60_000 }, () => {
  beforeEach(async () => {
    await server.node.call("setPolicy", server.id, policyOf(0));
  });

  it("a thousand changes of policy leak nothing and cut nothing", async () => {
    const answers = await probe("a thousand changes of policy", async () => {
      for (let change = 1; change <= CHANGES; change++)
        await server.node.call("setPolicy", server.id, policyOf(change));
    });
    mustBeWhole(answers);
  });

  it("an agent that dies and comes back, again and again, is not noticed", async () => {
    const answers = await probe("agents that die", async () => {
      for (let round = 0; round < 4; round++) {
        await server.node.kill();
        await sleep(150);
        await server.node.start();
        await server.node.call("setPolicy", server.id, policyOf(round));
      }
    });
    mustBeWhole(answers);
  });

  it("more events than anybody reads are lost, counted, and nothing else happens", async () => {
    const lostBefore = await server.node.call<number>("lostEvents");
    const answers = await probe("a flood of events", async () => {
      await server.node.call("setAggregation", Aggregation.None);
      await server.node.kill();
      const others = Array.from({ length: 3 }, () => near.spawn(`${prober} ask ${server.address} ${OPEN} ${CLOSED}`));
      await sleep(1500);
      for (const other of others) other.kill("SIGKILL");
      await server.node.start();
      await server.node.call("watch");
    });
    mustBeWhole(answers);
    expect(await server.node.call<number>("lostEvents")).toBeGreaterThan(lostBefore);
  });

  it("time that jumps, forward or back, opens nothing, and what policy allows goes on", async () => {
    const answers = await probe("time that jumps", async () => {
      for (const seconds of [3600, -3600, 90_000, 0])
        for (const node of lab.nodes) {
          await node.call("shiftConnections", seconds);
          await sleep(50);
        }
    });
    mustBeWhole(answers);
  });

  it("a node that vanishes and comes back: the other goes on, and nothing passes that may not", async () => {
    const link = (state: string) => inNetns(lab.fabric, `ip link set ${far.node.config.name} ${state}`);
    const [nearby, remote] = await probe("a node that vanishes", async () => {
      link("down");
      await sleep(600);
      await server.node.call("setPolicy", server.id, policyOf(1));
      link("up");
      await sleep(1200);
    });
    mustBeWhole([nearby!]);
    expect(remote).toMatchObject({ leaked: 0, broken: "" });
    // it was away: how much was asked meanwhile is the machine's to say
    expect(remote!.sent - remote!.answered).toBeGreaterThan(5);
    expect(remote!.read).toBeGreaterThan(0);
  });

  it("identities of others that come and go change nothing", async () => {
    const answers = await probe("identities that come and go", async () => {
      for (let round = 0; round < 300; round++) {
        await server.node.call("upsertIpcache", `172.20.2.${100 + (round % 50)}/32`, {
          identity: 3000 + round,
          tunnel: far.node.config.address,
        });
      }
    });
    mustBeWhole(answers);
  });

  // the last: every walk through the table takes seconds from here on
  it("connection tracking that is filled over and over opens nothing, and what policy allows goes on", async () => {
    const answers = await probe("a full table of connections", async () => {
      for (let round = 0; round < 3; round++) for (const node of lab.nodes) await node.call("fillConnections", 70_000);
    });
    mustBeWhole(answers);
  });
});
