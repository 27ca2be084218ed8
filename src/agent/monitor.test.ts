import { mkdtempSync, rmSync } from "node:fs";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { Monitor } from "./monitor.ts";
import { type AgentCalls, serveAgentApi } from "./rest/server.ts";

const directory = mkdtempSync(join(tmpdir(), "sgt-h-monitor-"));
const path = join(directory, "cilium.sock");
const UPDATED = { type: "Policy updated", message: { labels: [], revision: 2, rule_count: 1 } } as const;
/** Above the socket's own mark, so that the end of a jam is told by a drain. */
const BUFFER = 256 * 1024;

let monitor: Monitor;
let watched: boolean[] = [];
let server: { close(): Promise<void> };
const requests: ClientRequest[] = [];

beforeEach(async () => {
  watched = [];
  monitor = new Monitor((isWatched) => watched.push(isWatched), BUFFER);
  server = await serveAgentApi(path, {} as AgentCalls, monitor);
});
afterEach(async () => {
  for (const open of requests.splice(0)) open.destroy();
  await server.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

function listen(): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const open = request({ socketPath: path, path: "/v1/monitor" }, resolve);
    open.on("error", reject);
    requests.push(open);
    open.end();
  });
}

/** Frames as kind and body, until `enough`. */
async function frames(response: IncomingMessage, enough: (kinds: readonly number[]) => boolean) {
  const found: { kind: number; body: Buffer }[] = [];
  let rest = Buffer.alloc(0);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32LE(0)) {
      const length = rest.readUInt32LE(0);
      found.push({ kind: rest[4]!, body: rest.subarray(5, 4 + length) });
      rest = rest.subarray(4 + length);
    }
    if (enough(found.map(({ kind }) => kind))) break;
  }
  return found;
}

test("every client sees events, L7 records, losses and agent events; bytes may be reused at once", async () => {
  expect(monitor.isWatched).toBe(false);
  const clients = await Promise.all([listen(), listen()]);
  expect(monitor.isWatched).toBe(true);
  const bytes = new Uint8Array([4, 5, 6]);
  monitor.event(bytes);
  bytes.fill(0);
  monitor.lost(3, 1);
  monitor.agentEvent(UPDATED);
  for (const client of clients) {
    const seen = await frames(client, (kinds) => kinds.length === 3);
    expect(seen.map(({ kind }) => kind)).toEqual([1, 3, 4]);
    expect([...seen[0]!.body]).toEqual([4, 5, 6]);
    expect(JSON.parse(seen[1]!.body.toString())).toEqual({ lost: 3, cpu: 1 });
    expect(JSON.parse(seen[2]!.body.toString())).toEqual(UPDATED);
  }
});

test("a slow client loses frames and is told exactly how many; it holds nobody up", async () => {
  const client = await listen();
  client.pause();
  const sent = 20_000;
  for (let number = 0; number < sent; number++) monitor.event(new Uint8Array(200));
  const counted = (seen: { kind: number; body: Buffer }[]) =>
    seen.reduce((sum, { kind, body }) => sum + (kind === 3 ? Number(JSON.parse(body.toString()).lost) : 1), 0);
  const seen = await frames(client, (kinds) => kinds.includes(3));
  expect(seen.some(({ kind }) => kind === 3)).toBe(true);
  expect(counted(seen)).toBe(sent);
});

test("a client that goes away is forgotten", async () => {
  await listen();
  for (const open of requests.splice(0)) open.destroy();
  await expect.poll(() => monitor.isWatched).toBe(false);
});

test("what is no call of the API gets a 4xx with the reason", async () => {
  const answer = await new Promise<IncomingMessage>((resolve) =>
    request({ socketPath: path, path: "/v1/nothing" }, resolve).end(),
  );
  expect(answer.statusCode).toBe(404);
});

test("says when the first client comes and when the last one has gone", async () => {
  const first = await listen();
  const second = await listen();
  expect(watched).toEqual([true]);
  first.destroy();
  second.destroy();
  await vi.waitFor(() => expect(watched).toEqual([true, false]));
});
