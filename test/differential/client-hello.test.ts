/** Client hellos through the proxy and through a real Envoy with its TLS inspector: who is let through, and where they differ. */
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ClientHelloReader } from "../../src/wire/tls-client-hello.ts";
import { oracle, skipNote } from "../oracle/cache.ts";
import {
  alpnExtension,
  extension,
  type HelloParts,
  helloFor,
  helloMessage,
  inRecords,
  nodeHello,
  opensslHello,
  record,
  serverNameExtension,
} from "../support/client-hello.ts";
import { type Envoy, startEnvoyForNames } from "../support/envoy.ts";
import { hostileHello, someHellos } from "../support/hostile-hello.ts";
import { allowNames, type LoopbackProxy, namesPolicyOf, startLoopbackProxy } from "../support/loopback-proxy.ts";
import { Random } from "../support/policy-scenarios-random.ts";

const RUNS = Number(process.env["SG_DIFFERENTIAL_RUNS"] ?? 500);
const ALLOWED = "one.example";
const name = serverNameExtension(ALLOWED);
const made = (parts: HelloParts) => inRecords(helloMessage({ extensions: [name], ...parts }));
const message = helloMessage({ extensions: [name] });
const padding = (total: number) => {
  const empty = made({ extensions: [name, extension(21, [])] });
  return extension(21, Buffer.alloc(total - empty.length));
};

/** What the proxy does, and where Envoy does the opposite: `stricter` or `laxer`, and why. */
const CASES: readonly [what: string, bytes: () => Buffer | Promise<Buffer>, passes: boolean, differs?: string][] = [
  ["Node", () => nodeHello({ servername: ALLOWED }), true],
  ["Node, TLS 1.2", () => nodeHello({ servername: ALLOWED, maxVersion: "TLSv1.2" }), true],
  ["OpenSSL", () => opensslHello("-servername", ALLOWED, "-alpn", "h2"), true],
  ["capitals", () => helloFor("ONE.Example"), true],
  ["another name", () => helloFor("two.example"), false],
  ["a dot at the end", () => helloFor(`${ALLOWED}.`), false],
  ["a NUL at the end", () => helloFor(`${ALLOWED}\0`), false],
  ["no name", () => made({ extensions: [] }), false],
  ["no extensions", () => inRecords(helloMessage({})), false],
  ["two names", () => helloFor(ALLOWED, "two.example"), false],
  ["the extension twice", () => made({ extensions: [name, name] }), false],
  [
    "records of one byte",
    () =>
      inRecords(
        message,
        Array.from(message, (_, index) => index),
      ),
    true,
  ],
  ["GREASE", () => made({ extensions: [extension(0x1a1a, []), name, extension(0xfafa, [0])] }), true],
  ["an alert first", () => Buffer.concat([record(21, [1, 0]), inRecords(message)]), false],
  ["bytes behind it in its record", () => record(22, Buffer.concat([message, message])), false],
  ["16 KiB", () => made({ extensions: [name, padding(16_384)] }), true],
  ["16 KiB and a byte", () => made({ extensions: [name, padding(16_385)] }), false],
  ["SSL 2.0", () => Buffer.concat([Buffer.from([0x80, 0x2e, 1, 3, 3, 0, 0x15]), Buffer.alloc(41)]), false],
  ["SSL 3.0", () => made({ version: 0x0300 }), false],
  ["HTTP", () => Buffer.from("GET / HTTP/1.1\r\n\r\n"), false],
  [
    "another hello behind it, for another name",
    () => Buffer.concat([inRecords(message), helloFor("two.example")]),
    false,
    "stricter: a server that asks for a second hello may take its name",
  ],
  [
    "an empty record",
    () => Buffer.concat([record(22, []), inRecords(message)]),
    false,
    "stricter: RFC 8446 5.1 forbids it",
  ],
  [
    "an empty protocol",
    () => made({ extensions: [name, alpnExtension("h2", "")] }),
    false,
    "stricter: RFC 7301 forbids it",
  ],
  ["a version to come", () => made({ version: 0x03ff }), true, "laxer: servers settle for one that they know"],
  ["an ECH that is none", () => made({ extensions: [name, extension(0xfe0d, [0])] }), true, "laxer: not read at all"],
];

const envoy = oracle("envoy");
describe.skipIf("missing" in envoy)(`Envoy${skipNote(envoy)}`, () => {
  let proxy: LoopbackProxy;
  let real: Envoy;
  beforeAll(async () => {
    proxy = await startLoopbackProxy(namesPolicyOf(allowNames([ALLOWED])), (_, socket) => socket.write("reached"));
    real = await startEnvoyForNames("path" in envoy ? envoy.path : "", [ALLOWED], proxy.server.port);
  });
  afterAll(async () => {
    real.stop();
    await proxy.close();
  });

  const viaProxy = (bytes: Buffer) => passes(proxy.dial(), bytes);
  const viaEnvoy = (bytes: Buffer) =>
    passes(
      connect({ host: "127.0.0.1", port: real.port }).on("error", () => undefined),
      bytes,
    );

  async function passes(client: Socket, bytes: Buffer): Promise<boolean> {
    const answered = new Promise<boolean>((resolve) => {
      client.once("data", () => resolve(true));
      client.once("close", () => resolve(false));
    });
    client.write(bytes);
    const result = await answered;
    client.destroy();
    return result;
  }

  it.each(CASES)("%s", async (_, make, isPassed, differs) => {
    const bytes = await make();
    expect([await viaProxy(bytes), await viaEnvoy(bytes)]).toEqual([isPassed, isPassed === (differs === undefined)]);
  });

  it("reads the same name in hellos by chance, or none", async () => {
    const hellos = await someHellos(ALLOWED, "two.example");
    const seen = { both: 0, none: 0, stricter: 0, laxer: 0 };
    for (let run = 0; run < RUNS; run++) {
      const made = hostileHello(new Random(run), hellos, 2);
      const progress = new ClientHelloReader().push(made, 0, made.length);
      // Both wait for the rest.
      if (progress.state === "more") continue;
      const bytes = progress.state === "hello" ? made.subarray(0, progress.consumed) : made;
      const [ours, theirs] = [await viaProxy(bytes), await viaEnvoy(bytes)];
      seen[ours ? (theirs ? "both" : "laxer") : theirs ? "stricter" : "none"]++;
      // Where the proxy can read a hello, Envoy reads the same name or gives up.
      if (progress.state === "hello" && !ours) expect(theirs, bytes.toString("hex")).toBe(false);
    }
    console.log(`hellos by chance: ${JSON.stringify(seen)}`);
    expect(Math.min(seen.both, seen.none)).toBeGreaterThan(RUNS / 20);
    expect(seen.laxer + seen.stricter).toBeLessThan(RUNS / 10);
  });
});
