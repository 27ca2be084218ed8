/** Upstream's clients and filters against our flow API: a node by TLS, a relay over it. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { create, fromJson } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FlowFilterSchema, FlowSchema } from "../../proto/gen/flow_pb.js";
import { GetFlowsResponseSchema } from "../../proto/gen/observer_pb.js";
import { compileFilters } from "../../src/flow/filters/index.ts";
import { createFlowPipeline, createFlowRing, type FlowContext } from "../../src/flow/index.ts";
import { messageJson } from "../../src/flow/print/index.ts";
import {
  createObserver,
  createRelay,
  type Observer,
  observerDomain,
  observerServerName,
} from "../../src/hubble/index.ts";
import { openAuthority } from "../../src/kube/pki/authority.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import { FIELDS, fieldJson, flows } from "../support/flow-filter-fields.ts";
import { ourHubble } from "../support/hubble-command.ts";

const hubble = oracle("hubble");
const grpcurl = oracle("grpcurl");
const directory = mkdtempSync(join(tmpdir(), "sgt-hubble-api-"));
afterAll(() => rmSync(directory, { recursive: true }));

const START_MS = 1_790_294_400_000;
const SERVER_NAME = observerServerName("k8s-w1", "default");
const [CA, CERT, KEY] = ["ca.crt", "client.crt", "client.key"].map((file) => join(directory, "pki", file)) as [
  string,
  string,
  string,
];
const run = promisify(execFile);

interface Answer {
  readonly stdout: string;
  readonly stderr: string;
}

async function ask(program: ReturnType<typeof oracle>, ...args: string[]): Promise<Answer> {
  if ("missing" in program) throw new Error(program.missing);
  // the command must not read a configuration of the user's
  const env = { PATH: process.env["PATH"], HOME: directory };
  return run(program.path, args, { env, timeout: 20_000 }).catch((error: Answer) => error);
}

/** The first line of a command that would go on for ever. */
async function firstLine(program: ReturnType<typeof oracle>, ...args: string[]): Promise<string> {
  if ("missing" in program) throw new Error(program.missing);
  const child = spawn(program.path, args, { env: { HOME: directory }, stdio: ["ignore", "pipe", "pipe"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) return line;
    throw new Error(`${args.join(" ")} ended without a line`);
  } finally {
    child.kill();
  }
}

describe.skipIf("missing" in hubble || "missing" in grpcurl)(
  `upstream's clients${skipNote(hubble) || skipNote(grpcurl)}`,
  () => {
    let node: Observer;
    let relay: Observer;

    beforeAll(async () => {
      const authority = openAuthority(join(directory, "pki"), new Date(), "Cilium CA");
      const names = `*.${observerDomain("default")}`;
      const { ca } = authority;
      const server = { ...authority.server("server", names, [names]), ca };
      const client = { ...authority.client("client", "*.hubble-relay.cilium.io", []), ca };
      const ring = createFlowRing(15);
      const options = { version: "v1.20.2", now: Date.now, nodeName: "k8s-w1" };
      const peer = { name: "k8s-w1", address: "192.0.2.1", serverName: SERVER_NAME };
      node = createObserver({ ...options, ring, peers: { list: () => [peer], onChange: () => () => undefined } });
      const forever = { onRenewed: () => undefined };
      await node.serve([{ host: "127.0.0.1", port: 0, tls: { ...forever, current: () => server } }]);
      const peers = [{ ...peer, address: `127.0.0.1:${node.port}` }];
      relay = createRelay({ ...options, peers, tls: { ...forever, current: () => client } });
      await relay.serve([{ host: "127.0.0.1", port: 0 }]);

      const pipeline = createFlowPipeline({ ring, context: {} as FlowContext });
      const message = { labels: ["k8s:a=b"], revision: 7, rule_count: 2 };
      pipeline.agent({ type: "Policy updated", message }, BigInt(START_MS) * 1_000_000n);
      for (const [index, verdict] of [1, 2].entries()) {
        const time = timestampFromMs(START_MS + index);
        const flow = create(FlowSchema, { time, verdict, uuid: `u${index}`, eventType: { type: 4 }, Summary: "s" });
        ring.append({ kind: "flow", flow });
      }
    });
    afterAll(async () => {
      await relay.close();
      await node.close();
    });

    const tls = () => [
      ...["--server", `tls://127.0.0.1:${node.port}`, "--tls-server-name", SERVER_NAME, "--tls-ca-cert-files", CA],
      ...["--tls-client-cert-file", CERT, "--tls-client-key-file", KEY],
    ];
    const plain = () => ["--server", `127.0.0.1:${relay.port}`];
    const curl = (...args: string[]) => ask(grpcurl, ...args);
    const secure = ["-cacert", CA, "-cert", CERT, "-key", KEY, "-servername", SERVER_NAME];

    it("hubble observes a node by TLS and the relay in clear, without a warning", async () => {
      for (const where of [tls(), plain()]) {
        const { stdout, stderr } = await ask(hubble, "observe", ...where, "-o", "jsonpb", "--verdict", "DROPPED");
        const found = stdout
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line));
        expect(found.flatMap((response) => response.flow?.uuid ?? [])).toEqual(["u1"]);
        expect(stderr).not.toMatch(/warn|error/i);
      }
    });

    it("hubble status, list and watch find what they ask for", async () => {
      expect((await ask(hubble, "status", ...tls())).stdout).toMatch(/Healthcheck.*Ok\nCurrent\/Max Flows: 3\/15/);
      // a node that does not answer within a second does not count, which on a busy machine may be once
      const status = async () => (await ask(hubble, "status", ...plain())).stdout;
      await expect.poll(status, { timeout: 20_000, interval: 500 }).toContain("Connected Nodes: 1/1");
      const { stdout } = await ask(hubble, "list", "nodes", ...plain(), "-o", "wide");
      expect(stdout).toMatch(/k8s-w1 +Connected.*Enabled/);
      expect(await firstLine(hubble, "watch", "peers", ...tls())).toMatch(
        new RegExp(`PEER_ADDED +192\\.0\\.2\\.1 +k8s-w1 \\(TLS.ServerName: ${SERVER_NAME}\\)`),
      );
    });

    it("hubble observes agent events of a node, and debug events of which there are none", async () => {
      const { stdout } = await ask(hubble, "observe", "agent-events", ...tls(), "-o", "compact");
      expect(stdout).toContain("POLICY_UPDATED (labels: [k8s:a=b], revision: 7, count: 2)");
      expect((await ask(hubble, "observe", "debug-events", ...tls())).stdout).toBe("");
      const relayed = await ask(hubble, "observe", "agent-events", ...plain());
      expect(relayed.stderr).toContain("GetAgentEvents not yet implemented");
    });

    it("hubble says what upstream's server says of a bad filter and of an expression", async () => {
      const bad = await ask(hubble, "observe", ...tls(), "--cel-expression", "_flow.verdikt == 1");
      expect(bad.stderr).toContain("undefined field 'verdikt'");
      // the code is not told: upstream's server gives none either
      expect(bad.stderr).not.toContain("code =");
      const good = await ask(hubble, "observe", ...tls(), "-o", "jsonpb", "--cel-expression", "_flow.uuid == 'u0'");
      expect(JSON.parse(good.stdout).flow.uuid).toBe("u0");
    });

    it("nobody is answered without a certificate, in clear, or under another name", async () => {
      const port = `127.0.0.1:${node.port}`;
      const named = ["--server", `tls://${port}`, "--tls-ca-cert-files", CA, "--tls-server-name", SERVER_NAME];
      expect((await ask(hubble, "status", ...named)).stderr).toMatch(/certificate required|broken pipe|reset by peer/);
      expect((await ask(hubble, "status", "--server", port)).stderr).toContain("Unavailable");
      const wrong = await ask(hubble, "status", ...tls(), "--tls-server-name", "x.other.hubble-grpc.cilium.io");
      expect(wrong.stderr).toContain("certificate is valid for *.default.hubble-grpc.cilium.io");
    });

    it("hubble reflect prints the API as a server tells it, here as there", async () => {
      for (const where of [tls(), plain()]) {
        const theirs = await ask(hubble, "reflect", ...where);
        expect(theirs.stdout.split("\n").length).toBeGreaterThan(8);
        expect(await ourHubble(["reflect", ...where])).toEqual({ out: theirs.stdout, err: theirs.stderr, code: 0 });
      }
    });

    it("a relay has no peers to watch, and says so as gRPC's servers do", async () => {
      const { stderr } = await ask(hubble, "watch", "peers", "--server", `127.0.0.1:${relay.port}`);
      expect(stderr).toBe("rpc error: code = Unimplemented desc = unknown service peer.Peer\n");
    });

    it("grpcurl finds services and messages by reflection, and calls", async () => {
      const listed = async (...where: string[]) => (await curl(...where, "list")).stdout.trim().split("\n");
      const shared = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];
      const alpha = "grpc.reflection.v1alpha.ServerReflection";
      const at = `127.0.0.1:${node.port}`;
      expect(await listed(...secure, at)).toEqual([...shared, alpha, "observer.Observer", "peer.Peer"]);
      expect(await listed("-plaintext", `127.0.0.1:${relay.port}`)).toEqual([...shared, alpha, "observer.Observer"]);
      expect((await curl(...secure, at, "describe", "flow.FlowFilter")).stdout).toContain("cel_expression");
      const data = JSON.stringify({
        whitelist: [{ verdict: ["DROPPED"] }],
        field_mask: { paths: ["uuid", "verdict"] },
      });
      const { stdout } = await curl(...secure, "-v", "-d", data, at, "observer.Observer/GetFlows");
      expect(stdout).toContain("hubble-server-version: v1.20.2");
      expect(stdout).toMatch(/"uuid": "u1"/);
      expect(stdout).not.toContain("Summary");
      const call = ["-plaintext", "-max-time", "5", `127.0.0.1:${relay.port}`, "observer.Observer/GetNodes"];
      expect(JSON.parse((await curl(...call)).stdout).nodes[0].tls).toEqual({ enabled: true, serverName: SERVER_NAME });
      const health = ["-plaintext", "-d", '{"service": "hubble.server.Observer"}', `127.0.0.1:${relay.port}`];
      expect((await curl(...health, "grpc.health.v1.Health/Check")).stdout).toContain("SERVING");
    });
  },
);

describe.skipIf("missing" in hubble)(`upstream's filters select the same${skipNote(hubble)}`, () => {
  const file = join(directory, "flows.json");
  const random = fc.sample(flows, { numRuns: 300, seed: 20 });
  for (const [index, flow] of random.entries()) {
    flow.cgroupId = BigInt(index + 1);
    flow.time = timestampFromMs(START_MS + index);
  }

  beforeAll(() => {
    const lines = random.map((value) =>
      messageJson(
        GetFlowsResponseSchema,
        create(GetFlowsResponseSchema, { responseTypes: { case: "flow", value }, nodeName: value.nodeName }),
      ),
    );
    writeFileSync(file, `${lines.join("\n")}\n`);
  });

  it.each(Object.entries(FIELDS))("%s", (name, { values }) => {
    if ("missing" in hubble) throw new Error(hubble.missing);
    for (const value of values.slice(0, 3)) {
      const filter = { [name]: fieldJson(name, [value]) };
      const args = ["observe", "--input-file", file, "-o", "jsonpb", "--use-default-field-masks=false"];
      const text = execFileSync(hubble.path, [...args, "--allowlist", JSON.stringify(filter)], {
        encoding: "utf8",
        maxBuffer: 1 << 26,
        stdio: ["ignore", "pipe", "ignore"],
      });
      const theirs = text.split("\n").flatMap((line) => (line === "" ? [] : Number(JSON.parse(line).flow.cgroup_id)));
      const passes = compileFilters([fromJson(FlowFilterSchema, filter)], []);
      const ours = random.filter(passes).map(({ cgroupId }) => Number(cgroupId));
      expect(theirs, JSON.stringify(filter)).toEqual(ours);
    }
  });
});
