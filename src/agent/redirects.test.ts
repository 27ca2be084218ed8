import { expect, test } from "vitest";
import type { HttpRule } from "../policy/l7-rule.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";
import type { NetworkPolicy } from "../proxy/xds.ts";
import { Redirects } from "./redirects.ts";

const KEY = "ingress:TCP:80";

function policy(http: readonly HttpRule[]): EndpointPolicy {
  return {
    version: 0,
    revision: 1,
    ingressEnforced: true,
    egressEnforced: false,
    entries: [],
    redirects: [
      {
        key: KEY,
        direction: "ingress",
        protocol: 6,
        port: 80,
        parser: "http",
        rules: [{ http, deny: false, origin: 0 }],
      },
    ],
    origins: [[]],
    ingressDefaultOrigin: 0,
    egressDefaultOrigin: -1,
  };
}

function proxy() {
  const sent: { policy: NetworkPolicy; ack(port: number): void; nack(reason: string): void }[] = [];
  const discovery = {
    publish: (sentPolicy: NetworkPolicy) =>
      new Promise<ReadonlyMap<string, number>>((resolve, reject) => {
        sent.push({
          policy: sentPolicy,
          ack: (port) => resolve(new Map([[KEY, port]])),
          nack: (reason) => reject(new Error(reason)),
        });
      }),
    remove: () => undefined,
  };
  return { sent, redirects: new Redirects(discovery, () => true) };
}

const NARROW = policy([{ method: "GET" }]);
const WIDE = policy([{ method: "GET" }, { method: "POST" }]);

test("there is no port before the acknowledgement, and nothing is sent twice", async () => {
  const { sent, redirects } = proxy();
  let acknowledged = 0;
  const first = redirects.publish(1, "10.0.0.1", NARROW, () => acknowledged++);
  const second = redirects.publish(1, "10.0.0.1", NARROW, () => acknowledged++);
  expect(redirects.portsFor(1, NARROW).size).toBe(0);
  sent[0]!.ack(10_000);
  await Promise.all([first, second]);
  expect(sent).toHaveLength(1);
  expect(acknowledged).toBe(1);
  expect(redirects.portsFor(1, NARROW).get(KEY)).toBe(10_000);
});

test("a wider rule on its way keeps the port away from the narrow one, also when the narrow one was acknowledged before", async () => {
  const { sent, redirects } = proxy();
  const first = redirects.publish(1, "10.0.0.1", NARROW, () => undefined);
  sent[0]!.ack(10_000);
  await first;
  void redirects.publish(1, "10.0.0.1", WIDE, () => undefined);
  expect(redirects.portsFor(1, WIDE).get(KEY)).toBe(10_000);
  const last = redirects.publish(1, "10.0.0.1", NARROW, () => undefined);
  expect(redirects.portsFor(1, NARROW).size).toBe(0);
  sent[1]!.ack(10_000);
  await Promise.resolve();
  expect(redirects.portsFor(1, NARROW).size).toBe(0);
  sent[2]!.ack(10_000);
  await last;
  expect(redirects.portsFor(1, NARROW).get(KEY)).toBe(10_000);
});

test("a refusal rejects, leaves no port and is not repeated", async () => {
  const { sent, redirects } = proxy();
  const refused = redirects.publish(1, "10.0.0.1", NARROW, () => undefined);
  sent[0]!.nack("bad expression");
  await expect(refused).rejects.toThrow("bad expression");
  await expect(redirects.publish(1, "10.0.0.1", NARROW, () => undefined)).rejects.toThrow("bad expression");
  expect(sent).toHaveLength(1);
  expect(redirects.portsFor(1, NARROW).size).toBe(0);
});
