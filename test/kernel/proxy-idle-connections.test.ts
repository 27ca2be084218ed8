/** Ten thousand clients that hold a connection and say nothing, or half a head: what that costs, and that others are served. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { allow, converse, type LoopbackProxy, policyOf, startLoopbackProxy } from "../support/loopback-proxy.ts";

const CLIENTS = 10_000;
/** What a client that says nothing may cost here, in bytes; half a head may cost as much again. */
const PER_CLIENT = 10 * 1024;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

let proxy: LoopbackProxy;
let child: ChildProcess | undefined;
afterEach(async () => {
  child?.kill("SIGKILL");
  await proxy.close();
});

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function memory(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Opens the connections from a process of its own, some at a time, and holds them. */
const CLIENT = `
const { connect } = require("node:net");
const [port, count, text] = [Number(process.argv[1]), Number(process.argv[2]), process.argv[3]];
let open = 0;
const next = () => {
  if (open === count) return console.log("open");
  open++;
  const socket = connect(port, "127.0.0.1", () => { if (text) socket.write(text); next(); });
  socket.on("error", (error) => { console.error(error.code); process.exit(1); });
};
next();
`;

async function hold(text: string): Promise<void> {
  const probe = proxy.dial();
  await once(probe, "connect");
  child = spawn(process.execPath, ["-e", CLIENT, String(probe.remotePort), String(CLIENTS), text], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  probe.destroy();
  await vi.waitFor(() => expect(proxy.table.list()[0]?.connections).toBe(CLIENTS), { timeout: 30_000 });
}

describe("ten thousand idle clients", { timeout: 60_000 }, () => {
  test.each([
    ["that say nothing", "", PER_CLIENT],
    ["in the middle of a head", "GET /ok HTTP/1.1\r\nX: ", 2 * PER_CLIENT],
  ])("%s cost what they must, others are served, and nothing is left of them", async (_, text, limit) => {
    proxy = await startLoopbackProxy(policyOf(allow([{ path: "/ok" }])), (__, socket) => socket.write(OK));
    const before = memory();
    await hold(text);
    const each = Math.round((memory() - before) / CLIENTS);
    console.log(`${each} bytes a client`);
    expect(each).toBeLessThan(limit);
    expect(await converse(proxy.dial(), ["GET /ok HTTP/1.1\r\nHost: h\r\n\r\n"], (got) => got === OK)).toBe(OK);
    child?.kill("SIGKILL");
    await vi.waitFor(() => expect(proxy.table.list()[0]?.connections).toBe(0), { timeout: 30_000 });
    expect((memory() - before) / CLIENTS).toBeLessThan(limit / 4);
  });
});
