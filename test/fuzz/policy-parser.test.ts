import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { unenforceable } from "../../src/agent/enforceable.ts";
import { POLICY_KINDS, parseCidrGroup, parsePolicy } from "../../src/policy/parse.ts";
import { readPolicyText } from "../../src/policy/policy-text.ts";
import type { FieldError } from "../../src/policy/rule.ts";
import { leadsSomewhere } from "../support/document-places.ts";
import { policyScenario } from "../support/policy-scenarios.ts";

const names = [
  "endpointSelector",
  "ingress",
  "egress",
  "ingressDeny",
  "egressDeny",
  "fromEndpoints",
  "toEndpoints",
  "fromCIDR",
  "toCIDRSet",
  "cidr",
  "except",
  "fromEntities",
  "toPorts",
  "ports",
  "port",
  "endPort",
  "protocol",
  "rules",
  "http",
  "path",
  "method",
  "headers",
  "icmps",
  "fields",
  "type",
  "family",
  "labels",
  "enableDefaultDeny",
  "matchLabels",
  "matchExpressions",
  "key",
  "operator",
  "values",
  "__proto__",
  "constructor",
  "toString",
  "spec",
  "specs",
  "metadata",
  "description",
  "nodeSelector",
  "toFQDNs",
  "matchName",
  "matchPattern",
  "toServices",
  "k8sService",
  "k8sServiceSelector",
  "selector",
  "fromNodes",
  "cidrGroupRef",
  "cidrGroupSelector",
  "dns",
  "serverNames",
  "listener",
  "envoyConfig",
  "terminatingTLS",
  "secret",
  "headerMatches",
  "authentication",
  "mode",
  "log",
  "value",
  "podSelector",
  "namespaceSelector",
  "ipBlock",
  "from",
  "to",
  "policyTypes",
  "tier",
  "priority",
  "subject",
  "namespaces",
  "pods",
  "action",
  "protocols",
  "tcp",
  "destinationPort",
  "number",
  "range",
  "networks",
  "domainNames",
  "externalCIDRs",
];
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    "80",
    "TCP",
    "10.0.0.0/8",
    "::/0",
    "all",
    "world",
    "In",
    "Exists",
    "Accept",
    "Admin",
    "Ingress",
    "*.a.io",
    "required",
    "toString",
    "__proto__",
    "",
    "a",
    0,
    8,
    null,
    true,
  ),
  fc.string(),
  fc.double(),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 7, withCrossShrink: true },
    leaf,
    fc.array(tie("tree"), { maxLength: 3 }),
    fc
      .array(
        fc.tuple(
          fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: fc.string() }),
          tie("tree"),
        ),
        { maxLength: 5 },
      )
      .map((entries) => Object.fromEntries(entries)),
  ),
}));

const VERSIONS = ["cilium.io/v2", "cilium.io/v2", "networking.k8s.io/v1", "policy.networking.k8s.io/v1alpha2"];

/** The tree as the spec of a policy of some kind. */
const dressed = fc.tuple(tree, fc.nat({ max: POLICY_KINDS.length - 1 })).map(([spec, index]) => ({
  apiVersion: VERSIONS[index],
  kind: POLICY_KINDS[index],
  metadata: { name: "fuzz" },
  spec,
}));

interface Findings {
  readonly errors: readonly FieldError[];
  readonly warnings: readonly FieldError[];
}

/** A finding names a field that is there, or one that is missing from what is there. */
function checkFields(object: unknown, { errors, warnings }: Findings): void {
  const isLost = ({ field }: FieldError) => !leadsSomewhere(object, field);
  expect([...errors, ...warnings].filter(isLost)).toEqual([]);
}

/** Errors with a field and a mend, or rules that everybody else can use; nothing in between and no exception. */
function checkAnswer(object: unknown): void {
  for (const options of [{}, { nodeSelectorLabels: true, localClusterOnly: false }]) {
    const result = parsePolicy(object, options);
    checkFields(object, { errors: [], ...result });
    if (result.ok) {
      unenforceable(result.rules);
      for (const rule of result.rules) expect(JSON.stringify(rule.api)).toBeTypeOf("string");
      const specs = result.rules.flatMap(({ elements }) => elements).flatMap(({ ports = [] }) => ports);
      for (const { protocol, port, endPort } of specs.flatMap((each) => each.ports))
        expect([protocol, port, endPort].every((each) => Number.isInteger(each) && each >= 0 && each <= 65_535)).toBe(
          true,
        );
    } else {
      expect(result.errors.length).toBeGreaterThan(0);
      expect(result.errors.filter(({ mend, message }) => !mend || !message)).toEqual([]);
    }
  }
}

describe("the policy parser", () => {
  it("answers every JSON value with rules or with named errors, and never throws", () => {
    fc.assert(fc.property(fc.oneof(tree, dressed, fc.anything()), checkAnswer), { numRuns: 3000 });
  });

  const large = (fields: object) => ({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "large" },
    spec: { endpointSelector: {}, ...fields },
  });
  const many = <T>(count: number, make: (index: number) => T) =>
    Array.from({ length: count }, (_, index) => make(index));
  const http = (rules: readonly object[]) =>
    large({ ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: rules } }] }] });

  it.each([
    ["empty elements", large({ ingress: many(200_000, () => ({})) })],
    ["prefixes", large({ ingress: [{ fromCIDR: many(200_000, () => "::") }] })],
    ["entities", large({ ingress: [{ fromEntities: many(200_000, () => "all") }] })],
    ["labels", large({ endpointSelector: { matchLabels: Object.fromEntries(many(40_000, (n) => [`k${n}`, "v"])) } })],
    [
      "requirements of one key",
      large({ endpointSelector: { matchExpressions: many(20_000, () => ({ key: "a", operator: "Exists" })) } }),
    ],
    ["expressions that are large together", http(many(20_000, (n) => ({ path: `/${n}\\pL{900}` })))],
  ])("answers a policy of very many %s", (_what, object) => {
    checkAnswer(object);
  });

  it("refuses expressions that are large together, whatever it has seen before", () => {
    for (const _ of [1, 2]) {
      const result = parsePolicy(http(many(20_000, (n) => ({ path: `/${n}\\pL{900}` }))));
      expect(!result.ok && result.errors.map(({ message }) => message)).toEqual([
        "the policy's regular expressions are too large together",
      ]);
    }
  });

  it("answers a valid policy with one part exchanged, taken away or added", () => {
    fc.assert(
      fc.property(
        policyScenario,
        fc.nat(),
        fc.oneof(leaf, tree),
        fc.constantFrom(...names),
        (scenario, pick, value, name) => {
          for (const written of scenario.policies) {
            const object = structuredClone(written);
            const places = objectsIn(object, []);
            const place = places[pick % places.length]!;
            const keys = Object.keys(place);
            const key = keys.length > 0 && pick % 3 > 0 ? keys[pick % keys.length]! : name;
            if (pick % 3 === 1) delete place[key];
            else Object.defineProperty(place, key, { value, enumerable: true, configurable: true, writable: true });
            checkAnswer(object);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it("refuses a valid policy with one more field anywhere, and says where", () => {
    fc.assert(
      fc.property(policyScenario, fc.nat(), (scenario, pick) => {
        for (const written of scenario.policies) {
          const object = structuredClone(written) as Record<string, unknown>;
          if (!parsePolicy(object, { nodeSelectorLabels: true }).ok) continue;
          const places = objectsIn(object["spec"] ?? object["specs"], []);
          places[pick % places.length]!["surprise"] = [];
          const result = parsePolicy(object, { nodeSelectorLabels: true });
          expect(!result.ok && result.errors.some(({ field }) => field.includes("surprise"))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("answers every value that is given as a group of prefixes", () => {
    const group = tree.map((spec) => ({ kind: "CiliumCIDRGroup", metadata: { name: "fuzz", labels: spec }, spec }));
    fc.assert(
      fc.property(fc.oneof(tree, group), (object) => {
        const result = parseCidrGroup(object);
        expect(result.ok || result.errors.length).not.toBe(0);
      }),
      { numRuns: 500 },
    );
  });
});

describe("the reader of policy text", () => {
  const piece = fc.constantFrom(
    ..."[]{}:,-?&*!|>'\"%#@`\n\t \\".split(""),
    "---\n",
    "a: ",
    "- ",
    "<<: ",
    "__proto__: ",
    "  ",
    "\u0000",
  );

  it("answers every text with documents or with errors that have a line, and never throws", () => {
    const hostile = fc.array(fc.oneof(piece, fc.constantFrom(...names), fc.string()), { maxLength: 60 });
    fc.assert(
      fc.property(hostile, (pieces) => {
        const text = pieces.join("");
        const read = readPolicyText(text);
        if (read.ok) for (const { value } of read.documents) checkAnswer(value);
        else
          expect(read.errors.filter(({ line, message }) => line < 1 || line > text.length + 1 || !message)).toEqual([]);
        expect(read.ok || read.errors.length).not.toBe(0);
      }),
      { numRuns: 2000 },
    );
  });

  it("reads what JSON can say as JSON does", () => {
    fc.assert(
      fc.property(dressed, (object) => {
        const text = JSON.stringify(object, null, 1);
        const read = readPolicyText(text);
        expect(read.ok && read.documents.map(({ value }) => value)).toEqual([JSON.parse(text)]);
      }),
      { numRuns: 500 },
    );
  });
});

/** Every object inside, except maps of labels. */
function objectsIn(value: unknown, found: Record<string, unknown>[]): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return found;
  if (!Array.isArray(value)) found.push(value as Record<string, unknown>);
  for (const [name, content] of Object.entries(value)) if (name !== "matchLabels") objectsIn(content, found);
  return found;
}
