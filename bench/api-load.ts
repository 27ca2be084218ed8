/** What is asked of an API server in the benchmark. */
import { request } from "node:https";
import type { ApiAnswer, ApiRequest } from "../test/support/api-exchange.ts";
import type { MeasuredServer } from "./api-servers.ts";

const NAMESPACES = 10;
const MERGE = { "Content-Type": "application/merge-patch+json" };

function podOf(namespace: string, name: string, index: number): object {
  const container = {
    name: "main",
    image: "nginx:1.27",
    ports: [{ containerPort: 80 }],
    env: [{ name: "INDEX", value: String(index) }],
    resources: { limits: { cpu: "100m", memory: "64Mi" } },
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: `app-${index % 10}`, tier: "web" } },
    spec: { nodeName: `node-${index % 50}`, automountServiceAccountToken: false, containers: [container] },
  };
}

/** The answer; throws when it is no success. */
async function must(server: MeasuredServer, asked: ApiRequest): Promise<ApiAnswer> {
  const answer = await server.connection.ask(asked);
  if (answer.code >= 300) throw new Error(`${asked.method} ${asked.path}: ${answer.code} ${answer.text.slice(0, 300)}`);
  return answer;
}

/** Asks `count` times, `clients` at a time. Returns milliseconds of all together. */
async function together(count: number, clients: number, ask: (index: number) => Promise<unknown>): Promise<number> {
  const began = performance.now();
  let next = 0;
  const client = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await ask(index);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return performance.now() - began;
}

/** Makes namespaces with their accounts, and so many pods in them. */
export async function fill(server: MeasuredServer, pods: number): Promise<void> {
  for (let index = 0; index < NAMESPACES; index++) {
    const namespace = `bench-${index}`;
    await must(server, { method: "POST", path: "/api/v1/namespaces", body: { metadata: { name: namespace } } });
    const account = { metadata: { name: "default" } };
    await must(server, { method: "POST", path: `/api/v1/namespaces/${namespace}/serviceaccounts`, body: account });
  }
  await together(pods, 16, (index) => {
    const namespace = `bench-${index % NAMESPACES}`;
    const body = podOf(namespace, `pod-${index}`, index);
    return must(server, { method: "POST", path: `/api/v1/namespaces/${namespace}/pods`, body });
  });
}

let round = 0;

/** Writes a second: pods made, then patched, then put again, by so many clients. */
export async function writes(server: MeasuredServer, count: number, clients: number) {
  const run = round++;
  const collection = "/api/v1/namespaces/bench-0/pods";
  const nameOf = (index: number) => `write-${run}-${index}`;
  const made: unknown[] = [];
  const create = await together(count, clients, async (index) => {
    const answer = await must(server, {
      method: "POST",
      path: collection,
      body: podOf("bench-0", nameOf(index), index),
    });
    made[index] = JSON.parse(answer.text);
  });
  const patch = await together(count, clients, (index) => {
    const body = { metadata: { annotations: { note: `patched-${index}` } } };
    return must(server, { method: "PATCH", path: `${collection}/${nameOf(index)}`, headers: MERGE, body });
  });
  const update = await together(count, clients, (index) => {
    const { metadata, ...rest } = made[index] as { metadata: Record<string, unknown> };
    const { resourceVersion: _, ...named } = metadata;
    const body = { ...rest, metadata: { ...named, labels: { app: "updated" } } };
    return must(server, { method: "PUT", path: `${collection}/${nameOf(index)}`, body });
  });
  await together(count, 16, (index) =>
    must(server, { method: "DELETE", path: `${collection}/${nameOf(index)}?gracePeriodSeconds=0` }),
  );
  const perSecond = (ms: number): number => (1000 * count) / ms;
  return { create: perSecond(create), patch: perSecond(patch), update: perSecond(update) };
}

/** Milliseconds of one request, each time. */
export async function timed(server: MeasuredServer, path: string, times: number, accept?: string): Promise<number[]> {
  const spent: number[] = [];
  for (let index = 0; index < times; index++) {
    const began = performance.now();
    await must(server, { method: "GET", path, ...(accept ? { headers: { Accept: accept } } : {}) });
    spent.push(performance.now() - began);
  }
  return spent;
}

/** Opens a watch of pods in the first namespace that begins now; calls back with the moment that each event was sent at. */
function watch(server: MeasuredServer, onEvent: (sentAt: number) => void): Promise<() => void> {
  const url = new URL("/api/v1/namespaces/bench-0/pods?watch=true&resourceVersion=", server.url);
  url.searchParams.set("fieldSelector", "metadata.name=pod-0");
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...server.tls, agent: false }, (response) => {
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const sent = /"sent-at":"([\d.]+)"/.exec(line)?.[1];
          if (sent !== undefined) onEvent(Number(sent));
        }
      });
      response.on("error", () => {});
      resolve(() => asked.destroy());
    });
    asked.on("error", reject);
    asked.end();
  });
}

/** What watchers get of changes of one pod: events a second in all, and the delay of each from the write's start, in milliseconds. */
export async function fanOut(server: MeasuredServer, watchers: number, changes: number) {
  const delays: number[] = [];
  let done = (): void => {};
  const all = new Promise<void>((resolve) => {
    done = resolve;
  });
  const seen = (sentAt: number): void => {
    if (sentAt < began) return;
    delays.push(performance.now() - sentAt);
    if (delays.length === watchers * changes) done();
  };
  let began = Number.POSITIVE_INFINITY;
  const stops = await Promise.all(Array.from({ length: watchers }, () => watch(server, seen)));
  await timed(server, "/api/v1/namespaces/bench-0/pods/pod-0", 5);
  began = performance.now();
  for (let index = 0; index < changes; index++) {
    const body = { metadata: { annotations: { "sent-at": String(performance.now()) } } };
    await must(server, { method: "PATCH", path: "/api/v1/namespaces/bench-0/pods/pod-0", headers: MERGE, body });
  }
  await all;
  const perSecond = (1000 * delays.length) / (performance.now() - began);
  for (const stop of stops) stop();
  return { perSecond, delays };
}
