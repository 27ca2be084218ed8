import { expect, test } from "vitest";
import { takeInventory } from "../inventory.ts";
import { CODES } from "./finding.ts";
import { lintSarif } from "./formats.ts";
import { lint } from "./lint.ts";

/** What SARIF 2.1.0 (OASIS, errata 01) wants of the objects that are written: nothing else may stand in them, and `!` must. */
type Shape = RegExp | ((value: unknown) => boolean) | readonly [Shape] | { readonly [field: string]: Shape };
const text = (value: unknown) => typeof value === "string";
const level = /^(none|note|warning|error)$/;
const above = (least: number) => (value: unknown) => Number.isInteger(value) && (value as number) >= least;
const LOG: Shape = {
  $schema: /^https:\/\/json\.schemastore\.org\/sarif-2\.1\.0\.json$/,
  "version!": /^2\.1\.0$/,
  "runs!": [
    {
      "tool!": {
        "driver!": {
          "name!": text,
          version: text,
          rules: [
            {
              "id!": text,
              shortDescription: { "text!": text },
              help: { "text!": text },
              defaultConfiguration: { level },
            },
          ],
        },
      },
      results: [
        {
          "message!": { "text!": text },
          ruleId: text,
          ruleIndex: above(0),
          level,
          locations: [
            {
              physicalLocation: {
                // a reference by RFC 3986: letters of others are written as escapes
                "artifactLocation!": { uri: /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-F]{2})+$/ },
                region: { startLine: above(1) },
              },
            },
          ],
          suppressions: [{ "kind!": /^(inSource|external)$/, justification: text }],
        },
      ],
    },
  ],
};

function faults(value: unknown, shape: Shape, path: string): string[] {
  if (shape instanceof RegExp) return typeof value === "string" && shape.test(value) ? [] : [path];
  if (typeof shape === "function") return shape(value) ? [] : [path];
  if (Array.isArray(shape))
    return Array.isArray(value)
      ? value.flatMap((item, index) => faults(item, shape[0] as Shape, `${path}[${index}]`))
      : [path];
  const fields = new Map(
    Object.entries(shape).map(([name, of]) => [name.replace("!", ""), { of, isNeeded: name.endsWith("!") }]),
  );
  const object = Object.entries(value as object);
  const missing = [...fields].filter(([name, { isNeeded }]) => isNeeded && !object.some(([own]) => own === name));
  return [
    ...missing.map(([name]) => `${path}.${name} is missing`),
    ...object.flatMap(([name, own]) => {
      const field = fields.get(name);
      return field === undefined ? [`${path}.${name} is no field`] : faults(own, field.of, `${path}.${name}`);
    }),
  ];
}

test("SARIF has what its schema wants, and nothing else", () => {
  const file = "a b/ü%.yaml";
  const manifests = `apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}, annotations: {policy.shieldgate.io/ignore: "SG013: wanted so"}}
spec: {containers: [{ports: [{containerPort: 5432}]}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEntities: [world]}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: q, namespace: shop}
spec: {endpointSelector: {matchLabels: {app: nobody}}, ingress: [{}]}
`;
  const inventory = takeInventory([
    { file, text: manifests },
    { file: "half.yaml", text: 'kind: "' },
  ]);
  const log = lintSarif({ ...lint(inventory), problems: inventory.problems, version: "1.2.3" });
  expect(faults(JSON.parse(log), LOG, "log")).toEqual([]);
  const [{ results, tool }] = (JSON.parse(log) as { runs: [{ results: object[]; tool: { driver: { rules: [] } } }] })
    .runs;
  expect(tool.driver.rules).toHaveLength(Object.keys(CODES).length);
  expect(results.filter((each) => "suppressions" in each)).toHaveLength(1);
  expect(results.length).toBeGreaterThan(2);
});
