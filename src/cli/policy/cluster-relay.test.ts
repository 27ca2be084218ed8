import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { openAuthority } from "../../kube/pki/authority.ts";
import { kubeconfig } from "../../kube/pki/kubeconfig.ts";
import { type LabPaths, labPaths } from "../../lab/paths.ts";
import { relayOf } from "./cluster-relay.ts";
import { rehearseCommand } from "./rehearse.ts";

/** Two labs beside each other, and a cluster that is none of this machine's; no server listens anywhere. */
let folder = "";
const files = new Map<string, string>();

function writeKubeconfig(name: string, directory: string, port: number): void {
  const authority = openAuthority(directory);
  const path = join(folder, `${name}.kubeconfig`);
  const credentials = authority.client("admin", "admin", []);
  const server = `https://127.0.0.1:${port}`;
  writeFileSync(path, kubeconfig({ cluster: name, server, ca: authority.ca, user: "admin", credentials }));
  files.set(name, path);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cluster-relay-"));
  vi.stubEnv("SHIELDGATE_HOME", folder);
  for (const [name, relay] of [
    ["one", 4245],
    ["two", 4999],
  ] as const) {
    const paths: LabPaths = labPaths(name);
    mkdirSync(dirname(paths.ports), { recursive: true });
    writeFileSync(paths.ports, JSON.stringify({ apiServer: 6443, relay }));
    writeKubeconfig(name, paths.pki, 6443);
  }
  mkdirSync(labPaths("half-made").state);
  writeFileSync(join(dirname(labPaths("one").state), "no lab"), "");
  writeKubeconfig("foreign", join(folder, "foreign"), 6443);
  vi.unstubAllEnvs();
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  vi.stubEnv("SHIELDGATE_HOME", folder);
  vi.stubEnv("HUBBLE_SERVER", undefined);
  vi.stubEnv("KUBECONFIG", "/nowhere");
});
afterEach(() => vi.unstubAllEnvs());

describe("the flows of a cluster", () => {
  it.each([
    ["one", "127.0.0.1:4245"],
    ["two", "127.0.0.1:4999"],
  ])("of lab %s are those of its own relay", async (name, relay) => {
    const found = { server: relay, lab: name };
    expect(await relayOf({ kubeconfig: files.get(name)! }, undefined)).toEqual(found);
    vi.stubEnv("KUBECONFIG", [files.get(name)!, files.get("foreign")!].join(":"));
    expect(await relayOf({}, "")).toEqual(found);
    expect(await relayOf({ context: `admin@${name}` }, undefined)).toEqual(found);
    await expect(relayOf({ context: "admin@foreign" }, undefined)).rejects.toThrow(
      /context admin@foreign: .* is no lab .*kubectl --context admin@foreign -n kube-system port-forward/,
    );
  });

  it("are those of the relay that is given, whatever the cluster is", async () => {
    expect(await relayOf({ kubeconfig: files.get("one")! }, "relay.test:80")).toEqual({ server: "relay.test:80" });
    expect(await relayOf({ kubeconfig: files.get("foreign")! }, "relay.test:80")).toEqual({ server: "relay.test:80" });
  });

  it("of one that is no lab are not looked for, and it is said how to reach them", async () => {
    const path = files.get("foreign")!;
    await expect(relayOf({ kubeconfig: path }, undefined)).rejects.toThrow(
      `${path}: https://127.0.0.1:6443 is no lab of this machine: --server must name the relay of this cluster. To reach it: kubectl --kubeconfig ${path} -n kube-system port-forward service/hubble-relay 4245:80, and then --server localhost:4245`,
    );
    await expect(relayOf({}, undefined)).rejects.toThrow(/^whose flows\? --server ADDRESS .*KUBECONFIG/);
  });
});

describe("a rehearsal", () => {
  const rehearse = (name: string, more: object = {}) =>
    rehearseCommand(
      [],
      { kubeconfig: files.get(name)!, replace: true, file: [join(folder, "policy.yaml")], ...more },
      new Writable(),
      () => {},
    );
  beforeAll(() =>
    writeFileSync(
      join(folder, "policy.yaml"),
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\nspec: {endpointSelector: {}, ingress: [{}]}\n",
    ),
  );

  it("asks the relay of the cluster that is named, and no other", async () => {
    await expect(rehearse("two")).rejects.toThrow(/^127\.0\.0\.1:4999: /);
    await expect(rehearse("foreign")).rejects.toThrow(/is no lab of this machine/);
    await expect(rehearse("two", { server: "127.0.0.1:1" })).rejects.toThrow(/^127\.0\.0\.1:1: /);
    vi.stubEnv("HUBBLE_SERVER", "127.0.0.1:2");
    await expect(rehearse("two")).rejects.toThrow(/^127\.0\.0\.1:2: /);
  });
});
