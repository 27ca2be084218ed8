import { expect, it } from "vitest";
import { DEFAULT_REDACTION } from "../flow/index.ts";
import { systemManifests } from "../lab/manifests.ts";
import { DEFAULT_SETTINGS, followHubbleSettings, keysWithoutEffect, parseHubbleSettings } from "./hubble-settings.ts";
import type { Informer, KubeObject } from "./kube.ts";

const HEADERS_ALLOW = "hubble-redact-http-headers-allow";
const HEADERS_DENY = "hubble-redact-http-headers-deny";

it("hides secrets when nothing is said", () => {
  expect(parseHubbleSettings({})).toEqual(DEFAULT_SETTINGS);
  expect(DEFAULT_SETTINGS.redaction).toBe(DEFAULT_REDACTION);
});

it("reads what Cilium's keys mean", () => {
  const of = (data: Record<string, string>) => parseHubbleSettings(data).redaction;
  expect(of({ "hubble-redact-enabled": "false" }).enabled).toBe(false);
  expect(of({ "hubble-redact-http-urlquery": "false", "hubble-redact-http-userinfo": "false" })).toMatchObject({
    ...{ urlQuery: false, userInfo: false, enabled: true },
  });
  expect(of({ [HEADERS_ALLOW]: "Accept, X-Mine" }).headersAllow).toEqual(new Set(["accept", "x-mine"]));
  expect(of({ [HEADERS_DENY]: "cookie authorization" })).toMatchObject({
    headersAllow: new Set(),
    headersDeny: new Set(["cookie", "authorization"]),
  });
  // both empty = all hidden
  expect(of({ [HEADERS_ALLOW]: "" })).toMatchObject({ headersAllow: new Set(), headersDeny: new Set() });
  expect(of({ [HEADERS_DENY]: "" }).headersAllow).toBe(DEFAULT_REDACTION.headersAllow);
});

it("reads the ring's size and the history's bounds", () => {
  const settings = parseHubbleSettings({
    "hubble-event-buffer-capacity": "16383",
    "hubble-history-max-bytes": "256Mi",
    "hubble-history-max-age": "1h30m",
  });
  expect(settings.eventBufferCapacity).toBe(16_383);
  expect(settings.history).toEqual({ maxBytes: 256 << 20, maxAgeMs: 5_400_000 });
  expect(parseHubbleSettings({ "hubble-history-max-bytes": "0" }).history.maxBytes).toBe(0);
});

it("reads by which files metrics are served", () => {
  const key = (name: string) => `hubble-metrics-server-${name}`;
  const files = { [key("tls-cert-file")]: "/a.crt", [key("tls-key-file")]: "/a.key" };
  const of = (data: Record<string, string>) => parseHubbleSettings({ ...files, ...data }).metrics.tls;
  expect(of({})).toBeUndefined();
  expect(of({ [key("enable-tls")]: "true" })).toEqual({ cert: "/a.crt", key: "/a.key", clientCas: [] });
  const mutual = { [key("enable-tls")]: "true", [key("tls-client-ca-files")]: "/b.crt,/c.crt" };
  expect(of(mutual)?.clientCas).toEqual(["/b.crt", "/c.crt"]);
});

it("reads what names may cost", () => {
  const given = {
    "tofqdns-min-ttl": "3600",
    "tofqdns-endpoint-max-ip-per-hostname": "50",
    "tofqdns-max-deferred-connection-deletes": "0",
    "tofqdns-idle-connection-grace-period": "1m30s",
  };
  const names = { minTtl: 3600, maxAddressesPerName: 50, maxDeferredDeletes: 0, idleGraceMs: 90_000 };
  expect(parseHubbleSettings(given).names).toMatchObject(names);
  expect(keysWithoutEffect(given)).toEqual([]);
});

it("reads how questions of DNS are answered", () => {
  const of = (code: string, delay: string) => {
    const given = { "tofqdns-dns-reject-response-code": code, "tofqdns-proxy-response-max-delay": delay };
    expect(keysWithoutEffect(given)).toEqual([]);
    return parseHubbleSettings(given).dns;
  };
  expect(of("nameError", "1s250ms")).toEqual({ rejectCode: 3, maxDelayMs: 1250 });
  expect(of("REFUSED", "5ms")).toEqual({ rejectCode: 5, maxDelayMs: 5 });
  expect(of("", "")).toEqual({ rejectCode: 5, maxDelayMs: 100 });
  const others = ["tofqdns-enable-dns-compression", "tofqdns-pre-cache", "dnsproxy-concurrency-limit"];
  expect(keysWithoutEffect(Object.fromEntries(others.map((key) => [key, "1"])))).toEqual(others.toSorted());
});

it.each([
  [{ "tofqdns-dns-reject-response-code": "servfail" }, /"servfail": write refused or nameError/],
  [{ "tofqdns-proxy-response-max-delay": "0.1s" }, /max-delay: "0.1s": write it like 24h, 90m or 100ms/],
  [{ "tofqdns-proxy-response-max-delay": "61s" }, /max-delay: 61s: write 1m or less/],
  [{ "tofqdns-min-ttl": "1h" }, /tofqdns-min-ttl: "1h": write a number/],
  [{ "tofqdns-idle-connection-grace-period": "5" }, /grace-period: "5": write it like 24h/],
  [{ "hubble-redact-enabled": "yes" }, /hubble-redact-enabled: "yes": write true or false/],
  [{ [HEADERS_ALLOW]: "a", [HEADERS_DENY]: "b" }, /use one of the two/],
  [{ "hubble-event-buffer-capacity": "4096" }, /one less than a power of two/],
  [{ "hubble-history-max-bytes": "lots" }, /write it like 1Gi/],
  [{ "hubble-history-max-age": "1d" }, /write it like 24h/],
  [{ "hubble-metrics-server": "9965" }, /hubble-metrics-server: "9965": write it like :9965/],
  [{ "prometheus-serve-addr": "9962" }, /prometheus-serve-addr: "9962": write it like :9965/],
  [{ "hubble-metrics-server-enable-tls": "true" }, /tls-cert-file: .* needs the path of a PEM file/],
  [{ "enable-hubble-open-metrics": "1" }, /write true or false/],
])("refuses %j", (data, message) => {
  expect(() => parseHubbleSettings(data as unknown as Record<string, string>)).toThrow(message);
});

it("is what a lab's ConfigMap says at first", () => {
  const map = systemManifests("0.1.0", "{}").find(({ metadata }) => metadata.name === "cilium-config");
  const data = map?.["data"] as Record<string, string>;
  const { metrics, ...others } = parseHubbleSettings(data);
  expect(others).toEqual({ ...DEFAULT_SETTINGS, eventBufferCapacity: 4095, metrics: undefined });
  expect(metrics).toMatchObject({ address: { port: 9965 }, openMetrics: true, agentAddress: { port: 9962 } });
  expect(metrics.list.split(" ")).toContain("dns");
  expect(keysWithoutEffect(data)).toEqual([]);
});

type Handler = Parameters<Informer["on"]>[0];

it("follows changes, keeps what was before an invalid one, and goes back to the defaults when it is gone", () => {
  let handler: Handler | undefined;
  const informer = { on: (given: Handler) => (handler = given), start: async () => undefined, stop: () => undefined };
  const log: string[] = [];
  let changes = 0;
  const followed = followHubbleSettings(
    () => informer as unknown as Informer,
    {
      check: ({ metrics }) => {
        if (metrics.list === "bad") throw new Error("hubble-metrics: bad");
      },
      changed: () => changes++,
    },
    (message) => log.push(message),
  );
  const map = (data: Record<string, string>) =>
    ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "cilium-config" }, data }) as KubeObject;
  expect(followed.current).toBe(DEFAULT_SETTINGS);
  handler?.onAdd(map({ "hubble-redact-enabled": "false" }));
  expect(followed.current.redaction.enabled).toBe(false);
  handler?.onUpdate(map({}), map({ "hubble-redact-enabled": "maybe" }));
  expect(followed.current.redaction.enabled).toBe(false);
  expect(log[0]).toMatch(/cilium-config is not taken.*"maybe"/);
  handler?.onUpdate(map({}), map({ "hubble-redact-enabled": "true", "hubble-metrics": "bad" }));
  expect(followed.current.redaction.enabled).toBe(false);
  expect(log.pop()).toMatch(/cilium-config is not taken.*hubble-metrics: bad/);
  const idle = map({ "hubble-redact-enabled": "false", "enable-ipv4": "true", "enable-policy": "never" });
  for (let times = 0; times < 2; times++) handler?.onUpdate(map({}), idle);
  expect(log.slice(1)).toEqual([
    "ConfigMap kube-system/cilium-config: without effect here: enable-ipv4, enable-policy",
  ]);
  handler?.onDelete(map({}));
  expect(followed.current).toEqual(DEFAULT_SETTINGS);
  expect(changes).toBe(4);
});
