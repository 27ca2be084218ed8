import { execFileSync } from "node:child_process";
import { closeSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import koffi from "koffi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SocketOption } from "../../src/model/proxy-mark.ts";
import { openTransparentConnection, openTransparentListener, transparentSockets } from "../../src/proxy/sockets.ts";
import { withNetns } from "../../src/runtime/netns-socket.ts";

const NAME = `sgt-f-${process.pid}`;
const PATH = `/run/netns/${NAME}`;
/** Nobody's address: only a transparent socket may speak from it. */
const FOREIGN = "203.0.113.7";
const SERVER = "198.51.100.9";

const libc = koffi.load("libc.so.6");
const getsockopt = libc.func("int getsockopt(int fd, int level, int name, _Out_ int *value, _Inout_ uint32_t *length)");

function option(fd: number, { level, name }: { level: number; name: number }): number {
  const value = [0];
  if (getsockopt(fd, level, name, value, [4]) !== 0) throw new Error(`getsockopt ${name}`);
  return value[0]!;
}

function ip(...words: string[]): void {
  execFileSync("ip", ["-n", NAME, ...words]);
}

const facts = (direction: "ingress" | "egress", serverPort: number) => ({
  clientAddress: FOREIGN,
  clientPort: 4000,
  serverAddress: SERVER,
  serverPort,
  origin: { sourceIdentity: 1, destinationIdentity: 2, endpoint: 3, direction },
});

beforeAll(() => {
  execFileSync("ip", ["netns", "add", NAME]);
  ip("link", "set", "lo", "up");
  ip("rule", "add", "fwmark", "0x200/0xf00", "lookup", "2004");
  ip("route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "2004");
  ip("address", "add", `${SERVER}/32`, "dev", "lo");
  // replies to the foreign client come back to this namespace
  ip("route", "add", "local", `${FOREIGN}/32`, "dev", "lo");
});
afterAll(() => {
  execFileSync("ip", ["netns", "del", NAME]);
});

describe("the proxy's sockets", () => {
  test.each([
    ["ingress", 0xa00],
    ["egress", 0xb00],
  ] as const)(
    "an %s listener is transparent and marked, and what it accepts inherits the mark",
    async (direction, mark) => {
      const fd = withNetns(PATH, () => openTransparentListener(10_080, direction));
      expect(option(fd, SocketOption.Mark)).toBe(mark);
      expect(option(fd, SocketOption.Transparent)).toBe(1);
      const server = createServer();
      await new Promise<void>((resolve) => server.listen({ fd }, resolve));
      const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
      const client = new Socket({ fd: withNetns(PATH, () => openTransparentConnection(facts("egress", 10_080))) });
      const socket = await accepted;
      expect(option((socket as unknown as { _handle: { fd: number } })._handle.fd, SocketOption.Mark)).toBe(mark);
      expect(socket.localAddress).toBe(SERVER);
      expect(socket.localPort).toBe(10_080);
      client.destroy();
      socket.destroy();
      server.close();
    },
  );

  test("a taken port is EADDRINUSE, and the descriptor is not leaked", () => {
    withNetns(PATH, () => {
      const fd = openTransparentListener(10_081, "ingress");
      expect(() => openTransparentListener(10_081, "ingress")).toThrow(expect.objectContaining({ code: "EADDRINUSE" }));
      closeSync(fd);
      closeSync(openTransparentListener(10_081, "ingress"));
    });
  });

  test("an upstream speaks from the client's address with a port of the kernel's choice", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.end(`${socket.remoteAddress} ${socket.remotePort}`);
    });
    const listening = withNetns(PATH, () => openTransparentListener(80, "ingress"));
    await new Promise<void>((resolve) => server.listen({ fd: listening }, resolve));
    const upstream = withNetns(PATH, () => transparentSockets().connect(facts("ingress", 80)));
    expect(option((upstream as unknown as { _handle: { fd: number } })._handle.fd, SocketOption.Mark)).toBe(0xa00);
    upstream.write("hello");
    const said = await new Promise<string>((resolve) => upstream.once("data", (chunk) => resolve(chunk.toString())));
    const [address, port] = said.split(" ");
    expect(address).toBe(FOREIGN);
    expect(Number(port)).not.toBe(4000);
    expect(Number(port)).toBeGreaterThan(1024);
    upstream.destroy();
    server.close();
  });

  test("a refused upstream tells ECONNREFUSED at its first write", async () => {
    const upstream = withNetns(PATH, () => transparentSockets().connect(facts("ingress", 81)));
    upstream.write("hello");
    const code = await new Promise((resolve) =>
      upstream.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)),
    );
    expect(code).toBe("ECONNREFUSED");
  });

  test("without the option, nobody speaks from a foreign address", async () => {
    const code = await withNetns(PATH, () => {
      const plain = connect({ host: SERVER, port: 80, localAddress: "203.0.113.8" });
      return new Promise((resolve) => plain.once("error", (error: NodeJS.ErrnoException) => resolve(error.code)));
    });
    expect(code).toBe("EADDRNOTAVAIL");
  });
});
