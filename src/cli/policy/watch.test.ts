import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeEach, expect, test } from "vitest";
import { type TestCommandOptions, testCommand } from "./test.ts";

const root = mkdtempSync(join(tmpdir(), "policy-watch-"));
afterAll(() => rmSync(root, { recursive: true }));

const pod = (name: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {app: ${name}}}
spec: {containers: [{name: main}]}
`;
const policy = (from: string) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress: [{fromEndpoints: [{matchLabels: {app: ${from}}}], toPorts: [{ports: [{port: "5432", protocol: TCP}]}]}]
`;
const TESTS = `tests:
  - {name: web, from: web, to: "db:5432", expect: allow}
`;

beforeEach(() => {
  writeFileSync(join(root, "workloads.yaml"), pod("web") + pod("db"));
  writeFileSync(join(root, "policy.yaml"), policy("web"));
  writeFileSync(join(root, "db.policytest.yaml"), TESTS);
});

/** Everything that is written, and a way to wait for what matches. */
class Output extends Writable {
  text = "";
  private waiting: { pattern: RegExp; done: (text: string) => void }[] = [];
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    const met = this.waiting.filter(({ pattern }) => pattern.test(this.text));
    this.waiting = this.waiting.filter((each) => !met.includes(each));
    for (const { done: tell } of met) tell(this.text);
    done();
  }
  next(pattern: RegExp): Promise<string> {
    this.text = "";
    return new Promise((resolve) => this.waiting.push({ pattern, done: resolve }));
  }
}

const readCluster = () => Promise.reject(new Error("no cluster was asked for"));
const run = (options: TestCommandOptions, out = new Output(), signal?: AbortSignal, complaints: string[] = []) =>
  testCommand([root], options, out, (text) => complaints.push(text), readCluster, signal);

test("--watch tells the outcome again when a policy, a test or a new file changes it", {
  timeout: 20_000,
}, async () => {
  const out = new Output();
  const stop = new AbortController();
  const first = out.next(/1 passed, 0 failed.*waiting/s);
  const code = run({ watch: true }, out, stop.signal);
  await first;
  const second = out.next(/0 passed, 1 failed.*waiting/s);
  writeFileSync(join(root, "policy.yaml"), policy("api"));
  await second;
  const third = out.next(/1 passed, 0 failed.*waiting/s);
  writeFileSync(join(root, "db.policytest.yaml"), TESTS.replace("allow", "deny"));
  await third;
  const fourth = out.next(/0 passed, 1 failed.*waiting/s);
  writeFileSync(join(root, "more.yaml"), policy("web").replace("name: db,", "name: more,"));
  await fourth;
  stop.abort();
  expect(await code).toBe(1);
  rmSync(join(root, "more.yaml"));
});

test("--init writes a file that holds what is allowed now, and never over another", async () => {
  const file = join(root, "first.policytest.yaml");
  const complaints: string[] = [];
  expect(await run({ init: file }, new Output(), undefined, complaints)).toBe(0);
  expect(complaints.at(-1)).toContain(`wrote ${file}`);
  expect(readFileSync(file, "utf8")).toContain(`
manifests: [ "." ]
tests:
  - name: what is allowed now
    table:
      - [ shop/pod/web, shop/pod/db:5432, allow ]
  - name: nobody else reaches shop/pod/db
    to: shop/pod/db
    only:
      - shop/pod/web
`);
  const out = new Output();
  complaints.length = 0;
  expect([await run({}, out, undefined, complaints), complaints]).toEqual([0, []]);
  expect(out.text).toContain("3 passed, 0 failed");
  await expect(run({ init: file })).rejects.toThrow(/the file is there and stays/);
  await expect(run({ init: join(root, "tests.yaml") })).rejects.toThrow(/policytest\.yaml/);
});
