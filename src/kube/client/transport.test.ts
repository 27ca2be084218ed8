import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Transport } from "./transport.ts";

/** Takes connections and never says a word, as a host does whose way back is cut. */
const silent = createServer((socket) => sockets.push(socket));
const sockets: Socket[] = [];
let url: string;

beforeAll(async () => {
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  silent.close();
});

it.each([true, false])("gives up a connection that does not come to stand (stream: %s)", async (stream) => {
  const transport = new Transport(async () => ({ server: url }), { connect: 30, answer: 60_000 });
  const request = transport.send({ method: "GET", path: "/api", stream });
  await expect(request).rejects.toThrow(`no connection to ${new URL(url).host} within 30 ms`);
  transport.close();
});

it("does not take a loop that was held up for a silent server", async () => {
  const transport = new Transport(async () => ({ server: url }), { connect: 100, answer: 60_000 });
  let failed = false;
  const request = transport.send({ method: "GET", path: "/api" }).catch(() => {
    failed = true;
  });
  await once(silent, "connection");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(failed).toBe(false);
  await request;
  expect(failed).toBe(true);
  transport.close();
});
