import { execFileSync } from "node:child_process";
import { closeSync, readlinkSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newNetns, openConnection, openListener, withNetns } from "../../src/runtime/netns-socket.ts";

const name = `sgt-h-${process.pid}`;
const path = `/run/netns/${name}`;
const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });

beforeAll(() => {
  ip("netns", "add", name);
  ip("-n", name, "link", "set", "lo", "up");
});
afterAll(() => {
  ip("netns", "del", name);
});

function serve(fd: number, answer: string): Promise<Server> {
  const server = createServer((socket) => socket.end(answer));
  return new Promise((resolve) => server.listen({ fd }, () => resolve(server)));
}

function answerOf(fd: number): Promise<string> {
  const socket = new Socket({ fd, readable: true, writable: true });
  return new Promise((resolve, reject) => {
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
    socket.resume();
  });
}

test("a listener opened in a namespace is reachable there and not here", async () => {
  const server = await serve(openListener({ netnsPath: path, host: "127.0.0.1", port: 45671 }), "inside");
  try {
    expect(await answerOf(openConnection({ netnsPath: path, host: "127.0.0.1", port: 45671 }))).toBe("inside");
    await expect(answerOf(openConnection({ host: "127.0.0.1", port: 45671 }))).rejects.toThrow("ECONNREFUSED");
  } finally {
    server.close();
  }
});

test("an IPv6 listener takes IPv6 connections", async () => {
  const server = await serve(openListener({ netnsPath: path, host: "::1", port: 45673 }), "six");
  try {
    expect(await answerOf(openConnection({ netnsPath: path, host: "::1", port: 45673 }))).toBe("six");
    await expect(answerOf(openConnection({ netnsPath: path, host: "127.0.0.1", port: 45673 }))).rejects.toThrow(
      "ECONNREFUSED",
    );
  } finally {
    server.close();
  }
});

test("a namespace without a name lives as long as what is open in it", async () => {
  const home = readlinkSync("/proc/thread-self/ns/net");
  const netns = newNetns();
  const netnsPath = `/proc/self/fd/${netns}`;
  expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
  expect(readlinkSync(netnsPath)).not.toBe(home);
  withNetns(netnsPath, () => ip("link", "set", "lo", "up"));
  const server = await serve(openListener({ netnsPath, host: "127.0.0.1", port: 45674 }), "nameless");
  try {
    expect(await answerOf(openConnection({ netnsPath, host: "127.0.0.1", port: 45674 }))).toBe("nameless");
    await expect(answerOf(openConnection({ host: "127.0.0.1", port: 45674 }))).rejects.toThrow("ECONNREFUSED");
  } finally {
    server.close();
    closeSync(netns);
  }
});

test("the thread comes home, also when the function throws", () => {
  const home = readlinkSync("/proc/thread-self/ns/net");
  const there = withNetns(path, () => readlinkSync("/proc/thread-self/ns/net"));
  expect(there).not.toBe(home);
  expect(() =>
    withNetns(path, () => {
      throw new Error("inside");
    }),
  ).toThrow("inside");
  expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
});

test("a taken port is named", async () => {
  const server = await serve(openListener({ netnsPath: path, host: "127.0.0.1", port: 45672 }), "");
  try {
    expect(() => openListener({ netnsPath: path, host: "127.0.0.1", port: 45672 })).toThrow("EADDRINUSE");
    expect(() => openListener({ netnsPath: "/run/netns/no-such", host: "127.0.0.1", port: 1 })).toThrow("no-such");
    expect(() => openListener({ host: "localhost", port: 1 })).toThrow("is not an IP address");
  } finally {
    server.close();
  }
});
