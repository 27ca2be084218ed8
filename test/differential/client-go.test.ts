/** A program written with client-go against our API server and controllers: what it sees must be what it was promised. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTestCluster, type TestCluster, until } from "../../src/controllers/test-cluster.ts";
import * as kube from "../../src/kube/client/index.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { oracle, skipNote } from "../oracle/cache.ts";

const built = oracle("client-go");
const why = skipNote(built);

let cluster: TestCluster;

/** A case of the program as it runs: what it says, line by line, and what it wants to be told. */
class Program {
  readonly said: [string, unknown][] = [];
  readonly done: Promise<Record<string, unknown>>;
  readonly #child;

  constructor(name: string) {
    const config = join(cluster.server.directory, "kubeconfig");
    writeFileSync(config, cluster.server.server.adminKubeconfig(cluster.server.url));
    if ("missing" in built) throw new Error(built.missing);
    const child = spawn(built.path, [config, name], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child = child;
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      this.said.push(...Object.entries(JSON.parse(line) as object));
    });
    this.done = new Promise((resolve, reject) => {
      child.on("close", (code) =>
        code === 0 ? resolve(Object.fromEntries(this.said)) : reject(new Error(`${name}: ${complaint}`)),
      );
    });
    // A failure is told to whoever waits, be it later.
    this.done.catch(() => {});
  }

  /** Waits until this was said. */
  async says(key: string, value: unknown): Promise<void> {
    const heard = () => this.said.some(([k, v]) => k === key && v === value);
    while (!heard()) {
      const ended = await Promise.race([this.done.then(() => true), new Promise((next) => setTimeout(next, 10))]);
      if (ended && !heard()) throw new Error(`never said ${key} ${value}, but ${JSON.stringify(this.said)}`);
    }
  }

  tell(): void {
    this.#child.stdin.write("\n");
  }
}

const seen = (name: string): Promise<Record<string, unknown>> => new Program(name).done;

function settings(name: string, value: string): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" }, data: { v: value } };
}

describe.skipIf("missing" in built)(`client-go is at home here${why}`, () => {
  beforeEach(async () => {
    cluster = await startTestCluster();
  });
  afterEach(() => cluster.stop());

  it("informers synchronize, resync, and miss nothing when the server restarts", async () => {
    const { client } = cluster.server;
    await client.create(kube.ConfigMaps, settings("stays", "1"));
    await client.create(kube.ConfigMaps, settings("leaves", "1"));
    const program = new Program("informers");
    await program.says("resynced", true);
    await cluster.server.restart();
    // The connections from before are found dead one by one.
    await until(
      () => cluster.list(kube.ConfigMaps).catch(() => []),
      (maps) => maps.length === 2,
    );
    await client.delete(kube.ConfigMaps, "leaves", { namespace: "default" });
    await client.create(kube.ConfigMaps, settings("comes", "1"));
    const stays = await client.get(kube.ConfigMaps, "stays", "default");
    await client.update(kube.ConfigMaps, { ...stays, data: { v: "2" } });
    for (const [key, value] of [
      ["updated", "stays=2"],
      ["added", "comes"],
    ] as const)
      await program.says(key, value);
    await Promise.any([program.says("deleted", "leaves"), program.says("deleted", "default/leaves")]);
    program.tell();
    expect((await program.done)["cache"]).toEqual(["comes", "stays"]);
    const times = program.said.filter(([key, name]) => key === "added" && name === "stays");
    expect(times).toHaveLength(1);
  });

  it("lists in pages of one state", async () => {
    expect(await seen("paging")).toEqual({
      first: 3,
      remaining: 4,
      later: [3, 1],
      "same revision": true,
      ends: true,
      pager: 6,
      nonsense: "BadRequest",
      count: 0,
    });
  });

  it("watches from a revision, through a selector too", async () => {
    expect(await seen("watch")).toEqual({
      all: ["ADDED", "MODIFIED", "MODIFIED", "DELETED"],
      label: ["ADDED", "DELETED"],
    });
  });

  it("streams lists, and says where they end", async () => {
    const program = new Program("watch-list");
    await program.done;
    expect(program.said).toEqual([
      ["ADDED", { name: "first", annotations: null }],
      ["BOOKMARK", { name: "", annotations: { "k8s.io/initial-events-end": "true" } }],
      ["revision", true],
      ["ADDED", { name: "second", annotations: null }],
      ["without match", "Invalid"],
      ["exact", "Invalid"],
      ["list", "Invalid"],
    ]);
  });

  it("applies, with conflicts and with force", async () => {
    expect(await seen("apply")).toEqual({
      conflict: "Conflict",
      causes: ["FieldManagerConflict .data.a"],
      forced: { a: "2", b: "1" },
      owners: ["one Apply ", "two Apply "],
      "given up": { a: "2" },
      unchanged: true,
      extracted: { a: "2" },
      "no manager": "Invalid",
      deployment: 1,
      changed: [2, 1, [{ name: "E", value: "x" }]],
      status: [1, 2, expect.arrayContaining(["one Apply ", "three Apply status"])],
    });
  });

  it("loses no update of eight writers", async () => {
    const answers = await seen("conflicts");
    expect(answers).toEqual({ stale: "Conflict", count: 81, again: "AlreadyExists", dry: true, nothing: "NotFound" });
  });

  it("patches in four ways", async () => {
    expect(await seen("patches")).toEqual({
      json: "a=1,b=2 one=nginx:3 two=nginx:2",
      "json refused": "Invalid",
      merge: "a=1,c=3 one=nginx:3 two=nginx:2",
      strategic: "a=1,c=3 one=nginx:3 two=nginx:4",
      apply: "a=1,c=3,d=4 one=nginx:3 two=nginx:4",
      immutable: "Invalid",
      "no patch": "BadRequest",
    });
  });

  it("deletes under preconditions, through finalizers, and in sets", async () => {
    expect(await seen("deletions")).toEqual({
      "other uid": "Conflict",
      "other revision": "Conflict",
      "dry run": "",
      held: "",
      terminating: true,
      gone: "NotFound",
      left: 1,
    });
  });

  it("deletes what belongs to the deleted as it is asked to", async () => {
    expect(await seen("propagation")).toEqual({
      Background: { "owner gone": true, "child gone": true },
      Foreground: { "owner gone": true, "child gone": true },
      Orphan: { "owner gone": true, "child's owners": 0 },
      namespace: true,
    });
  });

  it("elects one leader at a time", async () => {
    expect(await seen("election")).toEqual({ leader: "one", next: "two", lease: ["two", 1, 3], precise: true });
  });

  it("discovers resources, new way and old, and their schemas", async () => {
    const { mapped, ...others } = await seen("discovery");
    expect(mapped).toMatchObject({
      deploy: "apps/v1, Resource=deployments namespace",
      cnp: "cilium.io/v2, Resource=ciliumnetworkpolicies namespace",
      ccnp: "cilium.io/v2, Resource=ciliumclusterwidenetworkpolicies root",
      sts: "apps/v1, Resource=statefulsets namespace",
    });
    expect(others).toEqual({ equal: true, version: "1", openapi: true, "openapi v2": "Kubernetes" });
  });

  it("works with custom resources without their types", async () => {
    expect(await seen("dynamic")).toEqual({
      generation: 1,
      "next generation": 2,
      "wrong type": "Invalid",
      policies: 2,
      unknown: "NotFound",
    });
  });

  it("is told who it is, and what it may not", async () => {
    const robot = "system:serviceaccount:default:robot";
    const groups = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"];
    expect(await seen("access")).toEqual({
      known: [true, robot, groups],
      unknown: false,
      forbidden: "Forbidden",
      self: robot,
      may: false,
      "may here": false,
      rules: [true, false],
      unauthorized: "Unauthorized",
      impersonated: ["jane", ["dev", "system:authenticated"], { team: ["blue"] }],
    });
  });

  it("reads metadata alone", async () => {
    expect(await seen("metadata")).toEqual({
      one: "m",
      watched: ["ADDED", "m"],
      patched: { a: "b" },
      listed: 1,
    });
  });

  it("falls back to JSON where it prefers protobuf", async () => {
    expect(await seen("protobuf")).toEqual({
      made: { a: "b" },
      listed: 1,
      watched: "ADDED",
      deleted: "",
      only: "NotAcceptable",
    });
  });

  it("scales, binds and evicts", async () => {
    await cluster.server.client.create(kube.Deployments, {
      ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "default" } },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "a", image: "nginx" }] } },
      },
    });
    expect(await seen("subresources")).toEqual({
      scale: 1,
      scaled: [3, "app=web"],
      bound: "k8s-w1",
      "bound again": "Conflict",
      evicted: "",
      told: 1,
    });
  });
});
