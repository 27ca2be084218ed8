import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { createFlowRing } from "../flow/index.ts";
import { createObserver, type Observer, type PeerNode } from "./index.ts";
import { type PeerMemory, PeerServiceSource } from "./peer-client.ts";

const directory = mkdtempSync(join(tmpdir(), "sgt-peers-"));
const path = join(directory, "hubble.sock");
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A node whose peer service tells of a list that can be changed. */
async function serve(nodes: readonly PeerNode[]) {
  let current = nodes;
  const listeners = new Set<() => void>();
  const peers = {
    list: () => current,
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const observer: Observer = createObserver({
    ...{ ring: createFlowRing(7), nodeName: "default/a", version: "v0.1.0", now: Date.now, peers },
  });
  await observer.serve([{ path }]);
  const change = (changed: readonly PeerNode[]) => {
    current = changed;
    for (const listener of listeners) listener();
  };
  return { observer, change };
}

const node = (name: string, address = "192.0.2.1:4244", serverName?: string): PeerNode => ({
  ...{ name, address },
  ...(serverName !== undefined && { serverName }),
});

function follow(tls: boolean, memory?: PeerMemory) {
  const log: string[] = [];
  const source = new PeerServiceSource({
    ...{ address: `unix://${path}`, tls, log: (message: string) => log.push(message) },
    ...(memory && { memory }),
  });
  closing.push(() => source.close());
  let changes = 0;
  source.onChange(() => changes++);
  return { source, log, changes: () => changes };
}

test("nodes come, move and go as the service tells; while it is away they stay, and what is gone after it is forgotten", async () => {
  const first = await serve([node("a"), node("b")]);
  const { source, log } = follow(false);
  await vi.waitFor(() => expect(source.list()).toEqual([node("a"), node("b")]));
  first.change([node("b", "192.0.2.9:4244"), node("c")]);
  await vi.waitFor(() => expect(source.list()).toEqual([node("b", "192.0.2.9:4244"), node("c")]));
  await first.observer.close();
  await vi.waitFor(() => expect(log.join()).toContain(`no nodes from unix://${path}`), { timeout: 5000 });
  expect(source.list()).toHaveLength(2);
  const second = await serve([node("c")]);
  closing.push(() => second.observer.close());
  await vi.waitFor(() => expect(source.list()).toEqual([node("c")]), { timeout: 10_000 });
});

test("a node that speaks TLS is asked by its name, and one that does not is left out", async () => {
  const { observer } = await serve([node("a", "192.0.2.1:4244", "a.default.hubble-grpc.cilium.io"), node("b")]);
  closing.push(() => observer.close());
  const { source, log } = follow(true);
  await vi.waitFor(() => expect(log).toEqual(["node b is left out: it speaks no TLS, and we do"]));
  expect(source.list()).toEqual([node("a", "192.0.2.1:4244", "a.default.hubble-grpc.cilium.io")]);
});

test("who starts while the service is away asks the nodes that were known last, until the service tells of its own", async () => {
  const tls = node("t", "192.0.2.7:4244", "t.default.hubble-grpc.cilium.io");
  let kept: readonly PeerNode[] = [node("a"), node("gone"), tls];
  const memory: PeerMemory = {
    read: () => kept,
    write: (nodes) => {
      kept = nodes;
    },
  };
  const { source, log } = follow(false, memory);
  expect(source.list()).toEqual([node("a"), node("gone")]);
  await vi.waitFor(() => expect(log.join()).toContain(`no nodes from unix://${path}`));
  expect(source.list()).toEqual([node("a"), node("gone")]);
  const { observer } = await serve([node("a", "192.0.2.5:4244"), node("b")]);
  closing.push(() => observer.close());
  const now = [node("a", "192.0.2.5:4244"), node("b")];
  await vi.waitFor(() => expect(source.list()).toEqual(now), { timeout: 10_000 });
  expect(kept).toEqual(now);
});
