import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { TextSink } from "../../../test/support/text-sink.ts";
import type { ClusterReader } from "./cluster-inventory.ts";
import { type ExplainOptions, explainCommand } from "./explain.ts";
import { type LintCommandOptions, lintCommand } from "./lint.ts";
import { GRAPHS, matrixCommand, TABLES } from "./matrix.ts";
import { testCommand } from "./test.ts";

/** Exit codes, and that options arrive where they matter. */
const root = join(import.meta.dirname, "../../..");
const shop = join(root, "examples/05-shop");
const scratch = mkdtempSync(join(tmpdir(), "policy-commands-"));
const bad = join(scratch, "bad.yaml");
const open = join(scratch, "open.yaml");

beforeAll(() => {
  writeFileSync(
    bad,
    "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x}\nspec:\n  endpointSelecto: {}\n",
  );
  const labels = "metadata: {labels: {app: db}}";
  writeFileSync(
    open,
    `apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec: {template: {${labels}, spec: {containers: [{ports: [{containerPort: 5432}]}]}}}\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: db}\nspec: {endpointSelector: {}, ingress: [{fromEntities: [world]}]}\n`,
  );
});
afterAll(() => rmSync(scratch, { recursive: true }));

const complaints: string[] = [];
const complain = (text: string) => complaints.push(text);
async function run<T>(command: (out: Writable) => Promise<T>): Promise<[T, string]> {
  const out = new TextSink();
  complaints.length = 0;
  return [await command(out), out.text];
}
/** What a server answers, one object at a time. */
const CLUSTER = `
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: m}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {containers: [{name: m}]}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]}
`;
const readCluster: ClusterReader = ({ context }) => {
  if (context !== "prod") return Promise.reject(new Error("no cluster was asked for"));
  const objects = parseAllDocuments(CLUSTER).map((document) => document.toJS());
  return Promise.resolve(objects.map((value) => ({ file: `cluster/${value.metadata.name}`, text: "", value })));
};
const explain = (options: ExplainOptions, path = shop) =>
  run((out) => explainCommand([path], options, out, complain, readCluster));

describe("explain", () => {
  test("exits with 0, 1 and 2: allowed, denied, unknown or not to be trusted", async () => {
    expect((await explain({ from: "cart", to: "cart-store:6379" }))[0]).toBe(0);
    expect((await explain({ from: "ads", to: "cart-store:6379" }))[0]).toBe(1);
    expect((await explain({ from: "edge/gateway", to: "frontend:8080" }))[0]).toBe(2);
    expect(await explain({ from: "cart", to: "cart-store:6379" }, bad)).toEqual([2, ""]);
    expect(complaints).toEqual(
      expect.arrayContaining([expect.stringMatching(/bad.yaml:5: error: .*endpointSelecto: unknown field/)]),
    );
  });

  test("takes requests, headers, names, ICMP and addresses", async () => {
    const gateway = { from: "edge/gateway", to: "svc/frontend", port: "80" };
    expect((await explain({ ...gateway, http: "GET http://shop/x" }))[0]).toBe(0);
    expect((await explain({ ...gateway, http: "PUT /cart", header: ["X-A: 1"] }))[0]).toBe(1);
    expect((await explain({ from: "edge/gateway", to: "1.2.3.4", icmp: "EchoRequest" }))[0]).toBe(0);
    expect((await explain({ from: "cart", to: "1.2.3.4", icmp: "8" }))[0]).toBe(1);
    expect(
      (
        await explain({
          from: "payment",
          to: "fqdn:api.bank.example",
          port: "443",
          address: ["api.bank.example=9.9.9.9"],
        })
      )[0],
    ).toBe(0);
    const dns = "k8s:k8s-app=kube-dns,io.kubernetes.pod.namespace=kube-system:53/udp";
    expect((await explain({ from: "cart", to: dns, dns: "a.example" }))[0]).toBe(0);
    await expect(explain({ ...gateway, http: "GET" })).rejects.toThrow("write 'GET /path'");
    await expect(explain({ from: "cart", to: "ads:80", icmp: "8" })).rejects.toThrow("an ICMP message has no port");
    await expect(explain({ from: "cart", to: "ads:80", port: "81" })).rejects.toThrow("the port is given twice");
    await expect(explain({ from: "cart", to: "ads:80/tcp", proto: "udp" })).rejects.toThrow("given twice");
    await expect(explain({ from: "cart" })).rejects.toThrow("--to-any");
    await expect(explain({ from: "cart", to: "ads:1", icmp: "Pong" })).rejects.toThrow("not an ICMP type");
  });

  test("gives JSON with the scenario format's words, also where the input cannot be trusted", async () => {
    const [, text] = await explain({ from: "ads", to: "cart-store:6379", output: "json" });
    expect(JSON.parse(text)).toMatchObject({
      verdict: "denied",
      cases: [{ egress: { verdict: "denied", rules: [{ file: expect.stringContaining("policies.yaml") }] } }],
    });
    expect(JSON.parse((await explain({ from: "a", to: "b:1", output: "json" }, bad))[1])).toMatchObject({
      verdict: "unknown",
      missing: expect.any(String),
    });
  });

  test("lists everybody, in one direction", async () => {
    expect(await explain({ from: "payment", toAny: true })).toEqual([
      0,
      "shop/deployment/payment -> fqdn:api.bank.example: TCP 443\n",
    ]);
    expect((await explain({ to: "cart-store", fromAny: true }))[1]).toBe(
      "shop/deployment/cart -> shop/deployment/cart-store: TCP 6379\n",
    );
    await expect(explain({ from: "cart", toAny: true, http: "GET /" })).rejects.toThrow(
      "--http is about one connection",
    );
    await expect(explain({ to: "cart:80", fromAny: true })).rejects.toThrow("every port is listed");
    await expect(explain({ from: "cart", to: "ads", toAny: true })).rejects.toThrow("--from-any");
  });
});

describe("lint", () => {
  const lint = (path: string, options: LintCommandOptions = {}) =>
    run((out) => lintCommand([path], options, out, () => {}, readCluster));

  test("exits with 0, 1 with an error or, when strict, a warning, and 2 where the input cannot be trusted", async () => {
    expect((await lint(shop))[0]).toBe(0);
    expect((await lint(shop, { strict: true }))[0]).toBe(1);
    expect((await lint(open))[1]).toMatch(/error SG013: .*PostgreSQL/);
    expect((await lint(open))[0]).toBe(1);
    expect(await lint(bad)).toEqual([2, expect.stringMatching(/bad.yaml:5: error SG000/)]);
    await expect(lint(shop, { skip: ["*.yaml"] })).rejects.toThrow("nothing was read");
    await expect(lint(shop, { fix: true, at: "HEAD" })).rejects.toThrow("--fix changes files");
    await expect(lint("-", { fix: true })).rejects.toThrow("--fix changes files");
  });
});

describe("a cluster", () => {
  const inProd = { context: "prod", namespace: "shop" };
  const closed = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [host]}]}
`;
  const folder = mkdtempSync(join(tmpdir(), "policy-cluster-"));
  writeFileSync(join(folder, "closed.yaml"), closed);
  writeFileSync(join(folder, "a.policytest.yaml"), "tests: [{from: shop/web, to: 'shop/db:80', expect: allow}]\n");
  afterAll(() => rmSync(folder, { recursive: true }));

  test("is asked as it is, or with files applied to it", async () => {
    const asked = { ...inProd, from: "web", to: "db:80" };
    const explained = (paths: readonly string[]) =>
      run((out) => explainCommand(paths, asked, out, complain, readCluster));
    expect(await explained([])).toEqual([0, expect.stringContaining("cluster/db:1")]);
    expect(await explained([folder])).toEqual([1, expect.stringContaining("closed.yaml:4")]);
  });

  test("is printed, linted and tested", async () => {
    const [code, text] = await run((out) => matrixCommand([], inProd, TABLES, out, complain, readCluster));
    expect([code, text]).toEqual([0, expect.stringContaining("shop/pod/web -> shop/pod/db: all ports")]);
    const linted = await run((out) => lintCommand([], { ...inProd, output: "json" }, out, complain, readCluster));
    expect(linted).toEqual([0, expect.stringContaining("cluster/")]);
    const tested = (file?: string[]) =>
      run((out) => testCommand([folder], { ...inProd, ...(file && { file }) }, out, complain, readCluster));
    expect(await tested()).toEqual([0, expect.stringContaining("1 passed")]);
    expect(await tested([join(folder, "closed.yaml")])).toEqual([1, expect.stringContaining("1 failed")]);
    const init = { ...inProd, init: join(folder, "first.policytest.yaml") };
    expect(await run((out) => testCommand([], init, out, complain, readCluster))).toEqual([0, ""]);
    expect(readFileSync(init.init, "utf8")).toMatch(/shop\/pod\/web/);
  });

  test("is changed by nobody", async () => {
    const mending = { ...inProd, fix: true };
    await expect(run((out) => lintCommand([folder], mending, out, complain, readCluster))).rejects.toThrow("--context");
  });
});

describe("matrix and graph", () => {
  const matrix = (path: string, formats: typeof TABLES, options = {}) =>
    run((out) => matrixCommand([path], options, formats, out, complain, readCluster));

  test("have their formats, and exit with 2 where the input cannot be trusted", async () => {
    expect((await matrix(shop, TABLES))[1]).toContain("shop/deployment/cart -> shop/deployment/cart-store: TCP 6379");
    expect((await matrix(shop, GRAPHS, { output: "svg" }))[1]).toMatch(/^<svg /);
    expect((await matrix(bad, TABLES))[0]).toBe(2);
    await expect(matrix(shop, TABLES, { output: "svg" })).rejects.toThrow("one of table, csv, json");
  });
});

test("pods of Helm's hooks are left out of matrix, graph and SG014, unless they are asked for", async () => {
  const file = join(scratch, "hooks.yaml");
  const pod = (name: string, more = "") =>
    `{apiVersion: v1, kind: Pod, metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}${more}}, spec: {containers: [{name: m}]}}\n---\n`;
  const hook = ', annotations: {"helm.sh/hook": "pre-install,test"}';
  const deployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: stays, namespace: shop${hook}}, spec: {template: {metadata: {labels: {app: stays}}, spec: {containers: [{name: m}]}}}}\n---\n`;
  const policy = `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {endpointSelector: {matchLabels: {app: web}}, ingress: [{}]}\n`;
  writeFileSync(file, pod("web") + pod("migrate", hook) + deployment + policy);
  const told = "left out: 1 of Helm's hooks, which run for a short time (--with-hooks)";
  for (const formats of [TABLES, GRAPHS]) {
    const shown = (options: object) =>
      run((out) => matrixCommand([file], options, formats, out, complain, readCluster));
    const [code, text] = await shown({});
    expect([code, text.includes("migrate"), text.includes("stays"), complaints]).toEqual([0, false, true, [told]]);
    expect((await shown({ withHooks: true }))[1]).toContain("migrate");
    expect(complaints).toEqual([]);
  }
  const linted = (options: object) => run((out) => lintCommand([file], options, out, complain, readCluster));
  const [, text] = await linted({});
  expect([text.includes("SG014: Pod shop/migrate"), text.includes("SG014: Deployment shop/stays")]).toEqual([
    false,
    true,
  ]);
  expect(complaints).toEqual([told]);
  expect((await linted({ withHooks: true }))[1]).toContain("SG014: Pod shop/migrate");
});

describe("test", () => {
  const tests = (path: string, options = {}) => run((out) => testCommand([path], options, out, complain, readCluster));

  test("runs the recipes, the documented scenarios and the shop's tests", async () => {
    const [code, text] = await tests(join(root, "test/recipes"));
    expect(text).toMatch(/^20 of 20 rules .*\n56 passed, 0 failed, 0 errors\n$/);
    expect(code).toBe(0);
    const [documented, told] = await tests(join(root, "examples/08-documented-scenarios"));
    expect([documented, told]).toEqual([
      0,
      expect.stringMatching(/^23 of 23 rules .*\n53 passed, 0 failed, 0 errors\n$/),
    ]);
    expect(await tests(shop)).toEqual([0, expect.stringContaining("8 passed, 0 failed, 0 errors")]);
  });

  test("runs those alone that are asked for by name", async () => {
    expect(await tests(shop, { filter: "The Edge" })).toEqual([0, "2 passed, 0 failed, 0 errors\n"]);
    expect(
      await tests(join(root, "test/recipes"), { filter: "nothing of the kind" }).catch((error: Error) => error.message),
    ).toBe("--filter nothing of the kind: no test has that in its name");
    await expect(tests(shop, { filter: "edge", init: "x.policytest.yaml" })).rejects.toThrow("leave out --filter");
  });

  test("exits with 1 where one fails, and with 2 where one cannot be asked", async () => {
    const file = join(scratch, "x.policytest.yaml");
    const write = (row: string) => writeFileSync(file, `manifests: [open.yaml]\ntests:\n  - table:\n      - ${row}\n`);
    write('["entity:world", "db:5432", deny]');
    expect((await tests(file))[0]).toBe(1);
    write('["nobody", "db:5432", deny]');
    expect((await tests(file))[0]).toBe(2);
    write('["entity:world", "db:5432", maybe]');
    expect((await tests(file))[0]).toBe(2);
    expect(complaints).toEqual([expect.stringMatching(/x.policytest.yaml:4: error/)]);
  });
});
