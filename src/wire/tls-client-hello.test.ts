import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  alpnExtension,
  extension,
  helloFor,
  helloMessage,
  inRecords,
  nodeHello,
  opensslHello,
  serverNameExtension,
  vector,
} from "../../test/support/client-hello.ts";
import { type ClientHelloProgress, ClientHelloReader, MAX_CLIENT_HELLO_BYTES } from "./tls-client-hello.ts";

/** What a reader says of the bytes, given to it in pieces; `consumed` counts from the first byte. */
function read(bytes: Uint8Array, cuts: readonly number[] = []): ClientHelloProgress {
  const reader = new ClientHelloReader();
  const ends = [...cuts].filter((cut) => cut > 0 && cut < bytes.length).sort((a, b) => a - b);
  let start = 0;
  for (const end of [...ends, bytes.length]) {
    // A piece of its own, overwritten afterwards: nothing may be kept by reference.
    const piece = Uint8Array.from(bytes.subarray(start, end));
    const progress = reader.push(piece, 0, piece.length);
    piece.fill(0xff);
    if (progress.state === "hello") return { ...progress, consumed: start + progress.consumed };
    if (progress.state === "fault") return progress;
    start = end;
  }
  return { state: "more" };
}

const everyByte = (bytes: Uint8Array) => Array.from(bytes, (_, index) => index);
const hello = (serverName: string | undefined, ...protocols: string[]) => ({ serverName, protocols });

describe("hellos of real clients, whole and byte by byte", () => {
  it.each<[string, () => Promise<Buffer>, ReturnType<typeof hello>]>([
    ["Node", () => nodeHello({ servername: "www.example.com" }), hello("www.example.com")],
    [
      "Node with ALPN",
      () => nodeHello({ servername: "A.Example", ALPNProtocols: ["h2", "http/1.1"] }),
      hello("A.Example", "h2", "http/1.1"),
    ],
    ["Node, no name", () => nodeHello({}), hello(undefined)],
    [
      "Node, TLS 1.2 alone",
      () => nodeHello({ servername: "old.example", maxVersion: "TLSv1.2" }),
      hello("old.example"),
    ],
    ["OpenSSL", () => opensslHello("-servername", "s.example", "-alpn", "h2"), hello("s.example", "h2")],
    ["OpenSSL, no name", () => opensslHello("-noservername"), hello(undefined)],
    [
      "OpenSSL, TLS 1.2 with another extension",
      () => opensslHello("-servername", `${"long.".repeat(20)}example`, "-maxfraglen", "512", "-tls1_2"),
      hello(`${"long.".repeat(20)}example`),
    ],
  ])("%s", async (_, made, expected) => {
    const bytes = await made();
    const whole = { state: "hello", hello: expected, consumed: bytes.length };
    expect(read(bytes)).toEqual(whole);
    expect(read(bytes, everyByte(bytes))).toEqual(whole);
    const message = bytes.subarray(5);
    const shredded = inRecords(message.subarray(0, Math.min(message.length, 2000)), everyByte(message));
    if (message.length <= 2000) expect(read(shredded)).toEqual({ ...whole, consumed: shredded.length });
  });
});

describe("the hello's end", () => {
  const bytes = helloFor("a.example");

  it("is known with its last byte and not before", () => {
    for (let end = 0; end < bytes.length; end++)
      expect(read(bytes.subarray(0, end)), `${end}`).toEqual({ state: "more" });
    const more = Buffer.concat([bytes, Buffer.from([20, 3, 3, 0, 1, 1])]);
    expect(read(more)).toEqual({ state: "hello", hello: hello("a.example"), consumed: bytes.length });
  });

  it("does not depend on cuts in the stream or in records", () => {
    const parts = [serverNameExtension("a.example"), alpnExtension("h2"), extension(0x2a2a, [0])];
    const message = helloMessage({ session: Buffer.alloc(32), extensions: parts });
    const cuts = fc.array(fc.nat(message.length + 40), { maxLength: 12 });
    fc.assert(
      fc.property(cuts, cuts, (records, chunks) => {
        const stream = inRecords(message, records);
        const expected = { state: "hello", hello: hello("a.example", "h2"), consumed: stream.length };
        expect(read(stream, chunks)).toEqual(expected);
      }),
    );
  });
});

describe("what a hello may have", () => {
  it.each<[string, Buffer, ReturnType<typeof hello>]>([
    ["no extensions at all (RFC 5246)", helloMessage({ version: 0x0301 }), hello(undefined)],
    ["no server name", helloMessage({ extensions: [extension(43, [2, 3, 4])] }), hello(undefined)],
    [
      "GREASE (RFC 8701) in ciphers, extensions and ALPN",
      helloMessage({
        ciphers: Buffer.from([0x0a, 0x0a, 0x13, 0x01]),
        extensions: [
          extension(0x1a1a, []),
          serverNameExtension("g.example"),
          alpnExtension("\u002a\u002a", "h2"),
          extension(0xfafa, [0]),
        ],
      }),
      hello("g.example", "**", "h2"),
    ],
    [
      "a hello encrypted inside (ECH): the outer name counts",
      helloMessage({ extensions: [serverNameExtension("public.example"), extension(0xfe0d, Buffer.alloc(200, 7))] }),
      hello("public.example"),
    ],
    [
      "a name of the greatest length",
      helloMessage({ extensions: [serverNameExtension("n".repeat(255))] }),
      hello("n".repeat(255)),
    ],
    [
      "a name of any bytes, as they are",
      helloMessage({ extensions: [serverNameExtension("a\0b\xff.")] }),
      hello("a\0b\xff."),
    ],
  ])("%s", (_, message, expected) => {
    expect(read(inRecords(message))).toMatchObject({ state: "hello", hello: expected });
  });
});

const named = (...more: readonly Uint8Array[]) =>
  helloMessage({ extensions: [serverNameExtension("a.example"), ...more] });

describe("what is no hello with one meaning", () => {
  it.each<[string, Uint8Array, string]>([
    ["HTTP in the clear", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "not a TLS handshake"],
    ["a hello of SSL 2.0", Buffer.from([0x80, 0x2e, 1, 3, 3, 0, 0x15]), "not a TLS handshake"],
    ["an alert first", Buffer.from([21, 3, 1, 0, 2, 1, 0]), "not a TLS handshake"],
    ["another major version", Buffer.from([22, 2, 0, 0, 5]), "not a TLS handshake"],
    ["a server's hello", inRecords(Buffer.from([2, 0, 0, 2, 3, 3])), "not a client hello"],
    ["an empty record", Buffer.from([22, 3, 1, 0, 0]), "empty TLS record"],
    [
      "an alert between two fragments",
      Buffer.concat([
        inRecords(named().subarray(0, 9)),
        Buffer.from([21, 3, 1, 0, 2, 1, 0]),
        inRecords(named().subarray(9)),
      ]),
      "not a TLS handshake",
    ],
    ["a second message in the record", inRecords(Buffer.concat([named(), named()])), "bytes behind the client hello"],
    ["a record of more than 16 KiB", Buffer.from([22, 3, 1, 0x40, 0]), "client hello of more than 16384 bytes"],
    [
      "a message that says it is longer",
      inRecords(Buffer.from([1, 0xff, 0, 0])),
      "client hello of more than 16384 bytes",
    ],
    ["two names", helloFor("a.example", "b.example"), "client hello without exactly one server name in its extension"],
    ["the name twice", inRecords(named(serverNameExtension("b.example"))), "client hello with an extension twice"],
    ["no name in the list", helloFor(), "client hello without exactly one server name in its extension"],
    ["an empty name", helloFor(""), "client hello without exactly one server name in its extension"],
    ["a name too long", helloFor("n".repeat(256)), "client hello without exactly one server name in its extension"],
    [
      "an empty extension for the name, as servers send",
      inRecords(helloMessage({ extensions: [extension(0, [])] })),
      "client hello without exactly one server name in its extension",
    ],
    [
      "another type of name",
      inRecords(helloMessage({ extensions: [extension(0, vector(2, [1, 0, 1, 97]))] })),
      "client hello without exactly one server name in its extension",
    ],
    [
      "bytes behind the name",
      inRecords(helloMessage({ extensions: [extension(0, [0, 4, 0, 0, 1, 97, 0])] })),
      "client hello without exactly one server name in its extension",
    ],
    ["an empty protocol", inRecords(named(alpnExtension("h2", ""))), "malformed client hello"],
    ["no protocol", inRecords(named(alpnExtension())), "malformed client hello"],
    ["a session id too long", inRecords(helloMessage({ session: Buffer.alloc(33) })), "malformed client hello"],
    ["no cipher", inRecords(helloMessage({ ciphers: Buffer.alloc(0) })), "malformed client hello"],
    ["half a cipher", inRecords(helloMessage({ ciphers: Buffer.alloc(3) })), "malformed client hello"],
    ["no compression", inRecords(helloMessage({ compressions: [] })), "malformed client hello"],
    ["SSL 3.0", inRecords(helloMessage({ version: 0x0300 })), "malformed client hello"],
    ["version 2", inRecords(helloMessage({ version: 0x0200 })), "malformed client hello"],
    [
      "bytes behind the extensions",
      inRecords(helloMessage({ extensions: [], behind: Buffer.from([0]) })),
      "malformed client hello",
    ],
    ["half a length of extensions", inRecords(helloMessage({ behind: Buffer.from([0]) })), "malformed client hello"],
    ["half an extension", inRecords(named(Buffer.from([0, 43, 0, 9]))), "malformed client hello"],
  ])("%s", (_, bytes, fault) => {
    expect(read(bytes)).toEqual({ state: "fault", fault });
    expect(read(bytes, everyByte(bytes))).toEqual({ state: "fault", fault });
  });

  it("a hello of exactly 16 KiB still is one, in whatever records", () => {
    const room = MAX_CLIENT_HELLO_BYTES - 5 - named(extension(21, [])).length;
    const padded = (more: number) => named(extension(21, Buffer.alloc(room + more)));
    expect(read(inRecords(padded(0)))).toMatchObject({ state: "hello", consumed: MAX_CLIENT_HELLO_BYTES });
    expect(read(inRecords(padded(1))).state).toBe("fault");
    expect(read(inRecords(padded(0), [100])).state).toBe("fault");
    expect(read(inRecords(padded(-5), [100])).state).toBe("hello");
  });
});
