import fc from "fast-check";
import { expect, it } from "vitest";
import {
  helloFor,
  helloMessage,
  inRecords,
  record,
  serverNameExtension,
  vector,
} from "../../test/support/client-hello.ts";
import { SecondHelloGuard } from "./tls-second-hello.ts";

const RETRY = Buffer.from("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c", "hex");
const serverHello = (random: Uint8Array) =>
  record(
    22,
    Buffer.concat([Buffer.from([2]), vector(3, Buffer.concat([Buffer.from([3, 3]), random, Buffer.alloc(6)]))]),
  );
const retry = serverHello(RETRY);
const answer = serverHello(Buffer.alloc(32, 1));

const SAME = helloFor("one.example");
const OTHER = helloFor("two.example");
const cipherChange = record(20, [1]);
const early = record(23, Buffer.alloc(600, 22));
const keyExchange = record(22, Buffer.alloc(70, 16));

/** What goes on of the parts, in hex-free text, and why the connection ends; a text as a part is the server's word. */
function watch(
  parts: readonly (Uint8Array | { readonly server: Uint8Array })[],
): [passed: string, fault: string, over: boolean] {
  let passed = Buffer.alloc(0);
  const guard = new SecondHelloGuard("one.example", (bytes) => {
    passed = Buffer.concat([passed, bytes]);
  });
  for (const part of parts) {
    if ("server" in part) guard.fromServer(part.server);
    else {
      const chunk = Uint8Array.from(part);
      const fault = guard.fromClient(chunk);
      chunk.fill(0xff);
      if (fault !== undefined) return [passed.toString("hex"), fault, guard.isOver];
    }
  }
  return [passed.toString("hex"), "", guard.isOver];
}

const hex = (...parts: readonly Uint8Array[]) => Buffer.concat(parts).toString("hex");
const server = (bytes: Uint8Array) => ({ server: bytes });
const REFUSED = "second client hello for two.example";

it.each<[string, Parameters<typeof watch>[0], ReturnType<typeof watch>]>([
  [
    "the same name, when asked for it",
    [server(retry), cipherChange, SAME, early],
    [hex(cipherChange, SAME, early), "", true],
  ],
  ["another name, when asked", [server(retry), cipherChange, OTHER], [hex(cipherChange), REFUSED, false]],
  ["another name, before anybody asked", [OTHER], ["", REFUSED, false]],
  ["another name behind early data", [early, OTHER], [hex(early), REFUSED, false]],
  [
    "another name, when asked behind a warning",
    [server(record(21, [1, 112])), server(retry), OTHER],
    ["", REFUSED, false],
  ],
  [
    "the server has answered behind a warning",
    [server(record(21, [1, 112])), server(answer), OTHER],
    [hex(OTHER), "", true],
  ],
  ["no name", [server(retry), inRecords(helloMessage({}))], ["", "second client hello for no server", false]],
  [
    "another name in records of one byte",
    [
      server(retry),
      inRecords(
        OTHER.subarray(5),
        Array.from(OTHER, (_, i) => i),
      ),
    ],
    ["", REFUSED, false],
  ],
  ["an empty record before another name", [record(22, []), OTHER], ["", "empty TLS record", false]],
  [
    "two names",
    [helloFor("one.example", "two.example")],
    ["", "client hello without exactly one server name in its extension", false],
  ],
  ["an unknown record", [server(retry), record(24, [1])], ["", "unknown TLS record", false]],
  ["a record of another version", [Buffer.from([20, 2, 0, 0, 1, 1])], ["", "unknown TLS record", false]],
  ["half of another hello, until the server has answered", [OTHER.subarray(0, 30)], ["", "", false]],
  ["the server has answered: TLS 1.3", [server(answer), OTHER], [hex(OTHER), "", true]],
  ["the server has answered meanwhile", [SAME.subarray(0, 9), server(answer), SAME.subarray(9)], [hex(SAME), "", true]],
  ["TLS 1.2: the client's key exchange", [keyExchange, OTHER], [hex(keyExchange, OTHER), "", true]],
  ["an alert", [server(retry), record(21, [1, 0])], [hex(record(21, [1, 0])), "", false]],
])("%s", (_, parts, expected) => {
  expect(watch(parts)).toEqual(expected);
});

it("a server's answer counts when its random value is whole", () => {
  const cut = (bytes: Uint8Array, at: number) => [server(bytes.subarray(0, at)), server(bytes.subarray(at))];
  expect(watch([...cut(answer, 42), OTHER])[1]).toBe("");
  expect(watch([server(answer.subarray(0, 42)), OTHER])[1]).toBe(REFUSED);
  expect(watch([...cut(retry, 20), OTHER])[1]).toBe(REFUSED);
});

it("cuts change nothing: neither what passes nor what is refused", () => {
  const records = fc.array(fc.constantFrom(cipherChange, early, record(21, [1, 0]), record(23, [])), { maxLength: 4 });
  const last = fc.constantFrom(SAME, OTHER, inRecords(OTHER.subarray(5), [1, 8]), keyExchange, record(99, [1]));
  const cuts = fc.array(fc.nat(3000), { maxLength: 12 });
  fc.assert(
    fc.property(records, last, records, cuts, (before, hello, after, at) => {
      const stream = Buffer.concat([...before, hello, ...after]);
      const ends = [...new Set([...at, stream.length])].filter((end) => end <= stream.length).sort((a, b) => a - b);
      const pieces = ends.map((end, index) => stream.subarray(ends[index - 1] ?? 0, end));
      const [passed, fault, over] = watch(pieces);
      const [, wholeFault, wholeOver] = watch([stream]);
      expect([fault, over]).toEqual([wholeFault, wholeOver]);
      if (fault === "") expect(passed).toBe(stream.toString("hex"));
      else expect(Buffer.concat(before).toString("hex").startsWith(passed)).toBe(true);
    }),
  );
});

it("holds no more than a hello may have", () => {
  const endless = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0x30, 0]), Buffer.alloc(20_000)]);
  expect(watch([endless])[1]).toContain("client hello of more than");
  const honest = inRecords(helloMessage({ extensions: [serverNameExtension("one.example")] }));
  expect(watch([honest])).toEqual([hex(honest), "", true]);
});
