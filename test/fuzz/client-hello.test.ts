/**
 * Hostile TLS clients, made out of real ones by chance: SG_FUZZ_SEED says which, SG_FUZZ_RUNS how many; a failure prints the bytes,
 * since real hellos have random values of their own. The judge is OpenSSL: whatever name it reads out of the bytes that reach
 * it must be one that the policy allows.
 */
import { once } from "node:events";
import { createSecureContext, createServer } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClientHelloProgress, ClientHelloReader } from "../../src/wire/tls-client-hello.ts";
import { SecondHelloGuard } from "../../src/wire/tls-second-hello.ts";
import { hostileHello, someHellos } from "../support/hostile-hello.ts";
import { allowNames, type LoopbackProxy, namesPolicyOf, startLoopbackProxy } from "../support/loopback-proxy.ts";
import { Random } from "../support/policy-scenarios-random.ts";
import { certificateFor } from "../support/tls-server.ts";

const SEED = Number(process.env["SG_FUZZ_SEED"] ?? 1);
const RUNS = Number(process.env["SG_FUZZ_RUNS"] ?? 20_000);
const ALLOWED = "one.example";
const FORBIDDEN = "two.example";

let hellos: readonly Buffer[];
beforeAll(async () => {
  hellos = await someHellos(ALLOWED, FORBIDDEN);
});

const hostile = (random: Random, most: number) => hostileHello(random, hellos, most);

function cutsOf(random: Random, bytes: Buffer): Buffer[] {
  const ends = random.list(0, 4, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

function read(pieces: readonly Buffer[]): ClientHelloProgress {
  const reader = new ClientHelloReader();
  let before = 0;
  for (const piece of pieces) {
    const progress = reader.push(piece, 0, piece.length);
    if (progress.state === "fault") return progress;
    if (progress.state === "hello") return { ...progress, consumed: before + progress.consumed };
    before += piece.length;
  }
  return { state: "more" };
}

describe("the readers", () => {
  it("come to the same end however the bytes are cut, and throw at nothing", () => {
    const ends = { hello: 0, fault: 0, more: 0 };
    for (let run = 0; run < RUNS; run++) {
      const random = new Random(SEED * 1_000_003 + run);
      const bytes = hostile(random, 4);
      const whole = read([bytes]);
      ends[whole.state]++;
      expect(read(cutsOf(random, bytes)), bytes.toString("hex")).toEqual(whole);
    }
    console.log(`hellos read: ${JSON.stringify(ends)}`);
    expect(Math.min(...Object.values(ends))).toBeGreaterThan(RUNS / 50);
  });

  it("let nothing of a second hello with another name go on", () => {
    const seen = { passed: 0, refused: 0 };
    for (let run = 0; run < RUNS; run++) {
      const random = new Random(SEED * 1_000_033 + run);
      const bytes = hostile(random, 2);
      const passed: Uint8Array[] = [];
      const guard = new SecondHelloGuard(ALLOWED, (part) => passed.push(part));
      const isRefused = cutsOf(random, bytes).some((piece) => guard.fromClient(piece) !== undefined);
      const out = Buffer.concat(passed);
      seen[isRefused ? "refused" : "passed"]++;
      const what = bytes.toString("hex");
      expect(bytes.subarray(0, out.length).equals(out), what).toBe(true);
      const next = read([out]);
      if (next.state === "hello") expect(next.hello.serverName, what).toBe(ALLOWED);
    }
    expect(Math.min(seen.passed, seen.refused)).toBeGreaterThan(RUNS / 50);
  });
});

describe("the proxy before OpenSSL", { timeout: 120_000 }, () => {
  const asked: string[] = [];
  const { cert, key } = certificateFor([ALLOWED]);
  const server = createServer({
    cert,
    key,
    minVersion: "TLSv1",
    SNICallback: (name, done) => {
      asked.push(name);
      done(null, createSecureContext({ cert, key }));
    },
  });
  let proxy: LoopbackProxy;
  beforeAll(async () => {
    server.on("tlsClientError", () => undefined);
    server.on("secureConnection", (socket) => socket.on("error", () => undefined));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    proxy = await startLoopbackProxy(namesPolicyOf(allowNames([ALLOWED])), () => undefined, { upstreamPort: port });
  });
  afterAll(async () => {
    await proxy.close();
    server.close();
  });

  /** What comes back, until the end or the first bytes of an answer. */
  async function say(pieces: readonly Buffer[]): Promise<string> {
    const client = proxy.dial();
    const answered = new Promise<string>((resolve) => {
      client.once("data", (chunk: Buffer) => resolve(chunk[0] === 22 ? "a server's hello" : `record ${chunk[0]}`));
      client.once("close", () => resolve("nothing"));
    });
    await once(client, "connect");
    for (const piece of pieces) {
      client.write(piece);
      if (pieces.length > 1) await new Promise(setImmediate);
    }
    client.end();
    const answer = await answered;
    client.destroy();
    return answer;
  }

  it("shows it no name but the allowed", async () => {
    const seen = { greeted: 0, refused: 0 };
    for (let run = 0; run < RUNS / 20; run++) {
      const random = new Random(SEED * 1_000_037 + run);
      const bytes = hostile(random, 3);
      const what = bytes.toString("hex");
      asked.length = 0;
      const answer = await say(cutsOf(random, bytes));
      for (const name of asked) expect(name.toLowerCase(), what).toBe(ALLOWED);
      // A server that greets a client without a name would never have called back.
      if (answer === "a server's hello") expect(asked.length, what).toBeGreaterThan(0);
      seen[answer === "a server's hello" ? "greeted" : "refused"]++;
    }
    console.log(`clients of OpenSSL: ${JSON.stringify(seen)}`);
    expect(Math.min(seen.greeted, seen.refused)).toBeGreaterThan(RUNS / 20 / 20);
    expect(proxy.table.list()[0]!.connections).toBeLessThan(10);
  });
});
