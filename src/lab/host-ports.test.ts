import { connect, createServer, type Server } from "node:net";
import { afterAll, expect, test } from "vitest";
import { serveHostPorts } from "./host-ports.ts";

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** What comes back for `text`, to the end of both ways. */
function ask(host: string, port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect({ host, port });
    socket.on("data", (chunk) => {
      received += chunk;
    });
    socket.on("error", (error) => resolve((error as NodeJS.ErrnoException).code ?? ""));
    socket.on("end", () => resolve(received));
    socket.end(text);
  });
}

test("a connection to the lab's address is one to the machine's loopback, to its half-closed end; nobody there = reset", async () => {
  const machine = createServer({ allowHalfOpen: true }, (socket) => {
    let asked = "";
    socket.on("data", (chunk) => {
      asked += chunk;
    });
    socket.on("end", () => socket.end(`you said ${asked}`));
  });
  servers.push(machine);
  const port = await new Promise<number>((resolve) =>
    machine.listen(0, "127.0.0.1", () => resolve((machine.address() as { port: number }).port)),
  );
  const options = { addresses: ["127.0.0.9"], hostNetns: "/proc/self/ns/net", log: () => undefined };
  servers.push(...serveHostPorts({ ...options, ports: [port] }));
  expect(await ask("127.0.0.9", port, "hello")).toBe("you said hello");
  await new Promise((resolve) => machine.close(resolve));
  expect(await ask("127.0.0.9", port, "hello")).toBe("ECONNRESET");
});
