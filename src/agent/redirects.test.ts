import { expect, test, vi } from "vitest";
import { FakeKube } from "../../test/support/fake-kube.ts";
import { Secrets } from "../kube/resources.ts";
import type { HttpRule } from "../policy/l7-rule.ts";
import type { EndpointPolicy } from "../policy/policy-map.ts";
import type { NetworkPolicy } from "../proxy/xds.ts";
import { HeaderSecrets } from "./header-secrets.ts";
import type { OpenInformer } from "./kube-inputs.ts";
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
        rules: [{ http, deny: false, precedence: 0, origin: 0 }],
      },
    ],
    origins: [[]],
    ingressDefaultOrigin: 0,
    egressDefaultOrigin: -1,
  };
}

function proxy(open: OpenInformer = () => expect.fail("no secret is named")) {
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
  const secrets = new HeaderSecrets(open, () => undefined);
  return {
    sent,
    redirects: new Redirects(
      discovery,
      () => true,
      secrets,
      () => undefined,
    ),
  };
}

const NARROW = policy([{ method: "GET" }]);
const WIDE = policy([{ method: "GET" }, { method: "POST" }]);

test("there is no port before the acknowledgement, and nothing is sent twice", async () => {
  const { sent, redirects } = proxy();
  let acknowledged = 0;
  const first = redirects.publish(1, "10.0.0.1", NARROW, () => acknowledged++);
  const second = redirects.publish(1, "10.0.0.1", NARROW, () => acknowledged++);
  expect(redirects.portsFor(1, NARROW).size).toBe(0);
  expect(redirects.active()).toEqual([]);
  sent[0]!.ack(10_000);
  await Promise.all([first, second]);
  expect(sent).toHaveLength(1);
  expect(acknowledged).toBe(1);
  expect(redirects.portsFor(1, NARROW).get(KEY)).toBe(10_000);
  expect(redirects.active()).toEqual([{ name: "1:ingress:TCP:80:", proxy: "http", "proxy-port": 10_000 }]);
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

test("the secrets that rules name go along, and again when one changes; one that is missing is left out", async () => {
  const kube = new FakeKube();
  const { sent, redirects } = proxy(kube.informer);
  const secret = (name: string, value: string) => {
    kube.drop(Secrets, name, "n");
    kube.put(Secrets, { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "n" }, data: { value } });
  };
  secret("token", "czNjcjN0");
  secret("other", "b3RoZXI=");
  const matching = policy([{ headerMatches: ["token", "gone"].map((name) => ({ name: "x", secret: `n/${name}` })) }]);
  const last = () => [...sent.at(-1)!.policy.secrets];
  void redirects.publish(1, "10.0.0.1", matching, () => undefined);
  await vi.waitFor(() => expect(sent).toHaveLength(1));
  expect(last()).toEqual([["n/token", "s3cr3t"]]);
  secret("other", "");
  secret("token", "bmV3");
  await vi.waitFor(() => expect(last()).toEqual([["n/token", "new"]]));
  kube.drop(Secrets, "token", "n");
  await vi.waitFor(() => expect(last()).toEqual([]));
  redirects.remove(1);
  const count = sent.length;
  secret("token", "bmV3");
  await new Promise((resolve) => setImmediate(resolve));
  expect(sent).toHaveLength(count);
});

test.each([
  ["one item", { any: "YQ==" }, "a"],
  ["several, one of them generic", { other: "Yg==", generic: "YQ==" }, "a"],
  ["several", { one: "YQ==", two: "Yg==" }, undefined],
  ["none", {}, undefined],
  ["a line feed at the end", { one: "YQo=" }, undefined],
])("a secret with %s", async (_, data, value) => {
  const kube = new FakeKube();
  kube.put(Secrets, { apiVersion: "v1", kind: "Secret", metadata: { name: "s", namespace: "n" }, data });
  const secrets = new HeaderSecrets(kube.informer, () => undefined);
  const names = new Set(["n/s"]);
  secrets.follow(names);
  expect(secrets.valuesOf(names)).toBeUndefined();
  await secrets.settled(names);
  expect(secrets.valuesOf(names)?.get("n/s")).toBe(value);
});
