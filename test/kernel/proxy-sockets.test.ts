import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, Socket } from "node:net";
import koffi from "koffi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SocketOption } from "../../src/model/proxy-mark.ts";
import { transparentDatagrams } from "../../src/proxy/datagrams.ts";
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

/** A program of node's in the namespace; what it says, line by line. */
function inNamespace(script: string): { readonly lines: Promise<string[]>; readonly ready: Promise<unknown> } {
  const child = spawn("nsenter", [`--net=${PATH}`, process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  return {
    ready: once(child.stdout, "data"),
    lines: once(child, "close").then(() => said.trim().split("\n")),
  };
}

describe("the proxy's datagrams", () => {
  test("many that come at once are answered each to its own client, in the server's name", async () => {
    const datagrams = withNetns(PATH, transparentDatagrams);
    const listening = withNetns(PATH, () =>
      datagrams.listen(10_053, "egress", (datagram) =>
        expect(datagrams.answer(datagram, "egress", Buffer.concat([Buffer.from("to "), datagram.bytes]))).toBe(true),
      ),
    );
    const { lines } = inNamespace(`
      const { createSocket } = require("dgram");
      let open = 70;
      for (let number = 0; number < 70; number++) {
        const socket = createSocket("udp4").bind(0, "${SERVER}", () => socket.send("client " + number, 10053, "${SERVER}"));
        socket.on("message", (text, { address, port }) => {
          console.log(text + " from " + address + " " + port + (text == "to client " + number ? "" : ": not mine"));
          socket.close();
          if (--open === 0) process.exit();
        });
      }
      setTimeout(() => process.exit(), 5000);
    `);
    expect((await lines).sort()).toEqual(
      Array.from({ length: 70 }, (_, number) => `to client ${number} from ${SERVER} 10053`).sort(),
    );
    listening.close();
  });

  test("many that a server sends at once are all heard, long ones whole", async () => {
    const server = inNamespace(`
      const socket = require("dgram").createSocket("udp4").bind(10054, "${SERVER}", () => console.log("ready"));
      socket.on("message", (text, { address, port }) => {
        if (text == "end") process.exit();
        for (let number = 0; number < 40; number++) socket.send(String(number).padEnd(number < 39 ? number * 30 : 40000, "x"), port, address);
        console.log(text + " from " + address);
      });
    `);
    await server.ready;
    const heard: string[] = [];
    const datagrams = withNetns(PATH, transparentDatagrams);
    const path = { clientAddress: FOREIGN, clientPort: 4000, serverAddress: SERVER, serverPort: 10_054 };
    const link = withNetns(PATH, () =>
      datagrams.connect(path, "egress", {
        message: (bytes) => {
          heard.push(Buffer.from(bytes).toString());
          // what is sent while the others are read, by one that closes then, leaves nevertheless
          if (heard.length < 40) return;
          expect(link.send(Buffer.from("end"))).toBe(true);
          link.close();
        },
        failed: (reason) => heard.push(reason),
      }),
    );
    link.send(Buffer.from("hello"));
    expect(await server.lines).toEqual(["ready", `hello from ${FOREIGN}`]);
    expect(heard).toEqual(
      Array.from({ length: 40 }, (_, number) => String(number).padEnd(number < 39 ? number * 30 : 40_000, "x")),
    );
  });

  test("a server that nobody is tells so", async () => {
    const datagrams = withNetns(PATH, transparentDatagrams);
    const path = { clientAddress: SERVER, clientPort: 4000, serverAddress: SERVER, serverPort: 10_055 };
    const { promise, resolve } = Promise.withResolvers<string>();
    const link = withNetns(PATH, () =>
      datagrams.connect(path, "egress", { message: () => resolve("a message"), failed: resolve }),
    );
    link.send(Buffer.from("hello"));
    const reason = await promise;
    link.close();
    expect(reason).toBe("ECONNREFUSED");
  });
});

test("two proxies in one namespace, which begin at the same port, never share one, and both serve", async () => {
  const directories = [mkdtempSync("/tmp/sgt-ports-"), mkdtempSync("/tmp/sgt-ports-")];
  const script = `${import.meta.dirname}/proxy-ports-process.ts`;
  const proxies = directories.map((directory) =>
    spawn("nsenter", [`--net=${PATH}`, process.execPath, script, directory], { stdio: ["pipe", "pipe", "inherit"] }),
  );
  const ports = await Promise.all(
    proxies.map(async (proxy) => {
      const ended = once(proxy, "close").then(() => Promise.reject(new Error("the proxy ended")));
      return JSON.parse(String((await Promise.race([once(proxy.stdout, "data"), ended]))[0])) as number[];
    }),
  );
  const [one = [], other = []] = ports;
  expect([one.length, other.length]).toEqual([4, 4]);
  expect(Math.min(...one, ...other)).toBeGreaterThanOrEqual(10_000);
  // TCP and UDP have ports of their own
  for (const tcp of [0, 1, 3]) expect(other).not.toContain(one[tcp]);
  expect(one[2]).not.toBe(other[2]);
  for (const { stdin } of proxies) stdin.end();
  await Promise.all(proxies.map((proxy) => once(proxy, "close")));
  for (const directory of directories) rmSync(directory, { recursive: true });
});
