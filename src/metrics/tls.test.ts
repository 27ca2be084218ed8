import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import { openAuthority } from "../kube/pki/authority.ts";
import { type CertificateSource, MetricsServer, Registry } from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "sgt-metrics-tls-"));
afterAll(() => rmSync(directory, { recursive: true }));
const authority = openAuthority(directory);
const [first, second] = [authority.server("a", "a", ["metrics.test"]), authority.server("b", "b", ["metrics.test"])];
const reader = authority.client("reader", "prometheus", []);
const { ca } = authority;

const log: string[] = [];
const server = new MetricsServer({ registry: new Registry(), log: (message) => log.push(message) });
afterEach(() => server.close());

/** Status and the common name of the server's certificate. Rejects when it does not answer. */
function read(client: { readonly cert?: string; readonly key?: string; readonly maxVersion?: "TLSv1.2" } = {}) {
  return new Promise<readonly [number | undefined, unknown]>((resolve, reject) => {
    const options = { host: "127.0.0.1", port: server.port, path: "/metrics", servername: "metrics.test", ca };
    const sent = request({ ...options, ...client, agent: false }, (response) => {
      const socket = response.socket as import("node:tls").TLSSocket;
      resolve([response.statusCode, socket.getPeerCertificate().subject.CN]);
      response.resume();
    });
    sent.on("error", reject).end();
  });
}

const fixed = (current: ReturnType<CertificateSource["current"]>): CertificateSource => ({
  current: () => current,
  onRenewed: () => undefined,
});
const ADDRESS = { host: "127.0.0.1", port: 0 };

test("with a certificate it answers by TLS 1.3 alone, and by a renewed one as soon as it is there", async () => {
  let pair = first;
  let renewed: () => void = () => undefined;
  await server.listen(ADDRESS, {
    current: () => pair,
    onRenewed: (listener) => {
      renewed = listener;
    },
  });
  expect(await read()).toEqual([200, "a"]);
  await expect(read({ maxVersion: "TLSv1.2" })).rejects.toThrow();
  await expect(fetch(`http://127.0.0.1:${server.port}/metrics`)).rejects.toThrow();
  pair = second;
  renewed();
  expect(await read()).toEqual([200, "b"]);
});

test("with readers' authorities it answers nobody without a certificate of theirs, renewed or not", async () => {
  let renewed: () => void = () => undefined;
  await server.listen(ADDRESS, {
    current: () => ({ ...first, ca }),
    onRenewed: (listener) => {
      renewed = listener;
    },
  });
  for (const _ of [1, 2]) {
    await expect(read()).rejects.toThrow();
    expect(await read(reader)).toEqual([200, "a"]);
    renewed();
  }
});

test("the same address in clear and by TLS are two things to listen to", async () => {
  await server.listen(ADDRESS, fixed(first));
  expect(await read()).toEqual([200, "a"]);
  await server.listen(ADDRESS);
  expect((await fetch(`http://127.0.0.1:${server.port}/metrics`)).status).toBe(200);
});
