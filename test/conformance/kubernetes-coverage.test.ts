/**
 * Holds docs/kubernetes-coverage.md true: kinds, verbs and subresources are what the server says it serves, the tests that
 * are named exist, and what is said to be missing is. `vitest -u` writes the file anew.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:https";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ciliumCrds } from "../../src/kube/schema/index.ts";
import { startTestServer, type TestServer } from "../../src/kube/server/test-server.ts";
import { BEHAVIOURS, KIND_PROOFS, REFUSED, UNSERVED } from "../support/kubernetes-coverage.ts";

const repository = join(import.meta.dirname, "../..");
const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

interface Resource {
  readonly resource: string;
  readonly responseKind: { readonly kind: string };
  readonly scope: string;
  readonly verbs: readonly string[];
  readonly subresources?: readonly { readonly subresource: string }[];
}

interface Group {
  readonly metadata?: { readonly name?: string };
  readonly versions: readonly { readonly version: string; readonly resources: readonly Resource[] }[];
}

let server: TestServer;

function ask(path: string, accept = "application/json"): Promise<{ code: number; body: string }> {
  const { authority } = server.server;
  const credentials = { ca: authority.ca, ...authority.client("reader", "reader", ["system:masters"]) };
  return new Promise((resolve, reject) => {
    request(`${server.url}/${path}`, { ...credentials, headers: { accept } }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ code: response.statusCode ?? 0, body }));
    })
      .on("error", reject)
      .end();
  });
}

/** Every resource that discovery names, with its group and version. */
async function served(): Promise<(Resource & { readonly group: string; readonly version: string })[]> {
  const answers = await Promise.all(["api", "apis"].map((path) => ask(path, AGGREGATED)));
  const groups = answers.flatMap(({ body }) => (JSON.parse(body) as { items: Group[] }).items);
  return groups.flatMap(({ metadata, versions }) =>
    versions.flatMap(({ version, resources }) =>
      resources.map((resource) => ({ ...resource, group: metadata?.name ?? "", version })),
    ),
  );
}

/** A test's text, with the program that it runs; "" where there is no such file. */
function textOf(file: string): string {
  const path = join(repository, file);
  if (!existsSync(path)) return "";
  const folder = join(repository, "test/oracle", basename(file, ".test.ts"));
  const program = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  return [path, ...program].map((part) => readFileSync(part, "utf8")).join("\n");
}

const link = (file: string): string => `[${file.split("/").at(-1)}](../${file})`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

beforeAll(async () => {
  server = await startTestServer({ definitions: ciliumCrds });
});
afterAll(() => server.close());

it("every resource that is served names tests, and none that is not", async () => {
  const names = new Set((await served()).map(({ group, resource }) => `${group}/${resource}`));
  expect([...names].sort()).toEqual(Object.keys(KIND_PROOFS).sort());
  const unnamed = (await served()).flatMap(({ group, resource, responseKind }) =>
    KIND_PROOFS[`${group}/${resource}`]!.filter(
      (file) => !new RegExp(`${resource}|${responseKind.kind}`, "i").test(textOf(file)),
    ).map((file) => `${resource}: ${file}`),
  );
  expect(unnamed).toEqual([]);
});

it("every behaviour and every refusal has its test", () => {
  const proofs = [
    ...Object.values(BEHAVIOURS).flat(),
    ...REFUSED.map(([what, , ...proof]) => [what, ...proof] as const),
  ];
  for (const [behaviour, file, title] of proofs) expect(textOf(file), behaviour).toContain(title);
});

it("what is not served is answered as an unknown kind", async () => {
  for (const [path] of UNSERVED) expect((await ask(path)).code, path).toBe(404);
});

it("the document says all of this", async () => {
  const kinds = (await served()).map(({ group, version, resource, responseKind, verbs, subresources = [] }) => [
    responseKind.kind,
    group === "" ? version : `${group}/${version}`,
    ALL.every((verb) => verbs.includes(verb)) ? "all" : verbs.join(", "),
    subresources.map(({ subresource }) => subresource).join(", "),
    KIND_PROOFS[`${group}/${resource}`]!.map(link).join(", "),
  ]);
  const behaviours = Object.entries(BEHAVIOURS).flatMap(([area, rows]) => [
    `## ${area}`,
    table(
      ["What holds", "Proven by", "Test"],
      rows.map(([what, file, title]) => [what, link(file), title.replaceAll("|", "\\|")]),
    ),
  ]);
  const text = [
    "# Kubernetes: what is served, and what proves it",
    "Written by `test/conformance/kubernetes-coverage.test.ts` (`vitest run --project unit -u` writes it anew) from what the server says of itself and from `test/support/kubernetes-coverage.ts`. `client-go.test.ts` runs a program written with Kubernetes' own client library, `kubectl.test.ts` the real kubectl.",
    "## Kinds",
    `Verbs: \`all\` is ${ALL.join(", ")}.`,
    table(["Kind", "API", "Verbs", "Subresources", "Proven by"], kinds),
    ...behaviours,
    "## Not served",
    table(
      ["Resource", "Instead"],
      UNSERVED.map(([path, instead]) => [`\`${path}\``, instead]),
    ),
    "## Refused by name",
    table(
      ["What", "Instead", "Proven by"],
      REFUSED.map(([what, instead, file]) => [what, instead, link(file)]),
    ),
  ].join("\n\n");
  await expect(`${text}\n`).toMatchFileSnapshot(join(repository, "docs/kubernetes-coverage.md"));
});
